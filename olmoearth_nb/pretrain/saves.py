"""Checkpoints of one leg of a run: written whole, read only if whole, the old ones forgotten."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import torch

from olmoearth_nb.io.durable import is_sealed, seal, write
from olmoearth_nb.io.tensors import read_torch

KEPT = 2
"""Passing checkpoints that stay, the newest ones."""


class DamagedError(ValueError):
    """A checkpoint that is not whole."""


class Checkpoints:
    """The checkpoints in the folder of a leg.

    `step-<n>.pt` is passing: the newest two stay, until the leg is done. `kept-<n>.pt` stays, because a branch begins
    there or a model was finished there.

    Args:
        folder: of the leg.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self, step: int) -> Path:
        """File that stays."""
        return self.folder / f"kept-{step}.pt"

    def passing(self, step: int) -> Path:
        """File that goes when it is old."""
        return self.folder / f"step-{step}.pt"

    def write(self, path: Path, state: dict[str, Any]) -> None:
        """Writes a checkpoint, then forgets the passing ones before the newest two.

        Raises:
            DiskFullError: if the disk is full; the checkpoints before are kept.
        """
        write(path, lambda part: _save(state, part))
        self.forget(KEPT)

    def forget(self, but: int = 0) -> None:
        """Removes all but the newest passing checkpoints."""
        for _, path in self._named("step")[: -but or None]:
            path.unlink()

    def newest(self, most: int) -> tuple[Path, dict[str, Any]] | None:
        """The newest whole checkpoint of at most so many steps; warns of newer ones that are damaged."""
        for step, path in sorted(self._named("step") + self._named("kept"), reverse=True):
            if step <= most:
                try:
                    return path, read(path)
                except DamagedError as error:
                    warnings.warn(f"{error}; going on from the one before it", UserWarning, stacklevel=3)
        return None

    def last_kept(self) -> Path | None:
        """The newest file that stays, if there is one."""
        return max(self._named("kept"), default=(0, None))[1]

    def _named(self, kind: str) -> list[tuple[int, Path]]:
        """Steps and files of a kind, oldest first."""
        files = self.folder.glob(f"{kind}-*.pt") if self.folder.is_dir() else iter(())
        named = ((re.fullmatch(rf"{kind}-(\d+)\.pt", path.name), path) for path in files)
        return sorted((int(match.group(1)), path) for match, path in named if match)


def read(path: Path) -> dict[str, Any]:
    """Reads a checkpoint to the CPU, every byte of it checked (torch itself reads wrong numbers without a word).

    Raises:
        DamagedError: if it is cut off, changed or no checkpoint.
        FileNotFoundError: if it is not there.
    """
    if not is_sealed(path):
        raise DamagedError(f"checkpoint {path} is damaged: it was cut off or changed after it was written")
    try:
        state = read_torch(path)
    except ValueError as error:
        raise DamagedError(f"checkpoint {path} is damaged: {error}") from error
    if not isinstance(state, dict) or {"model", "optimiser", "step"} - state.keys():
        raise DamagedError(f"{path} is no checkpoint of pretraining: it holds no model, optimiser and step")
    return state


def _save(state: dict[str, Any], path: Path) -> None:
    """Writes a state and its checksum, which `torch.load` does not mind."""
    torch.save(state, path)
    seal(path)
