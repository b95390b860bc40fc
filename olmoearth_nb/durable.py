"""Files that are whole or not there: written aside, brought to the disk, renamed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch


class DiskFullError(RuntimeError):
    """A file could not be written; what was there before is untouched."""


def write(path: Path, save: Callable[[Path], Any]) -> Path:
    """Writes a file so that a crash at any moment leaves the old one or the new one.

    Args:
        path: the file.
        save: writes to the path that it is given.

    Raises:
        DiskFullError: if the disk is full; the part is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        if getattr(error, "errno", None) == errno.ENOSPC or "PytorchStreamWriter" in str(error):
            raise DiskFullError(f"{path} could not be written, the disk is full; what was there is kept") from error
        raise
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def write_json(path: Path, value: Any) -> Path:
    """Writes a value as JSON."""
    return write(path, lambda part: part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf8"))


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> Path:
    """Writes arrays as a compressed `.npz`."""

    def save(part: Path) -> None:
        with part.open("wb") as file:  # by its name, numpy would add .npz to it
            np.savez_compressed(file, **arrays)

    return write(path, save)


def write_tensors(path: Path, state: Any) -> Path:
    """Writes nested dictionaries and lists of tensors and numbers, for `torch.load(..., weights_only=True)`."""
    return write(path, lambda part: torch.save(state, part))
