"""Class folders of chips as a `LabelledSet`: one folder for each class, one GeoTIFF or `.npz` for each chip.

EuroSAT is such a set as well, but its files do not name their bands, and have a loader of their own.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.bands import modality
from olmoearth_nb.data.chips import load_chip
from olmoearth_nb.data.labelled.chips import ChipSet
from olmoearth_nb.data.labelled.neighbours import APART, by_place
from olmoearth_nb.io.paths import inside
from olmoearth_nb.sample import Sample

SUFFIXES = (".tif", ".tiff", ".npz")
"""Kinds of chip that are read."""

OPTIONS = ("level", "scale", "sentinel1", "dates", "offset", "missing_bands", "bands", "modality", "resolution")
"""What the loader of a chip is told beyond its path."""


def folder_set(folder: str | os.PathLike[str], *, apart: float = APART, **reading: Any) -> ChipSet:
    """Chips of class folders, such as ``crops/maize/12.tif``; the names of the folders are the classes.

    Chips that lie near each other are one group. Where files do not say where they lie, each is its own.

    Args:
        folder: holds the class folders, itself or in one folder below it; the chips may lie deeper in them.
        apart: kilometres between the centres of two chips from which they are independent.
        reading: how a chip is opened, `OPTIONS` of `data.load.load_sample`. One without a date gets July 2020.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it holds fewer than two class folders, one without a chip, or a chip that cannot be read or has
            another size, other sensors or another number of dates than the first.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    chips = {one.name: _chips(folder, one) for one in _class_folders(folder)}
    if len(chips) < 2:
        raise ValueError(
            f"{folder} has {'one class folder' if chips else 'no class folders'}: there is nothing to tell apart; give "
            f"a folder for each of two classes or more, with chips in them ({', '.join(SUFFIXES)})"
        )
    empty = [name for name, own in chips.items() if not own]
    if empty:
        raise ValueError(f"{folder} has class folders without a chip ({', '.join(SUFFIXES)}): {', '.join(empty)}")
    paths = [path for own in chips.values() for path in own]
    answers = np.array([number for number, own in enumerate(chips.values()) for _ in own])
    read = _Reader(_opened(paths[0], reading), reading)
    found = ChipSet(
        folder.resolve().name,
        paths,
        read,
        answers,
        tuple(chips),
        group=lambda: by_place(np.array([_place(read(path)) for path in paths]), apart),
        ids=[path.relative_to(folder).as_posix() for path in paths],
        modalities=read.modalities,
    )
    return found


def holds_class_folders(folder: Path) -> bool:
    """Whether a folder has folders with chips in them."""
    return folder.is_dir() and any(_chips(folder, one) for one in _class_folders(folder))


def _class_folders(folder: Path) -> list[Path]:
    """The folders of the classes in the order of their names; those of the only folder, if it has folders itself."""
    below = _folders(folder)
    return _folders(below[0]) if len(below) == 1 and _folders(below[0]) else below


def _folders(folder: Path) -> list[Path]:
    """Folders in a folder, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")


def _chips(root: Path, folder: Path) -> list[Path]:
    """The chips of a class, in the order of their names."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    return [inside(root, path.relative_to(root).as_posix()) for path in files if path.is_file()]


class _Reader:
    """Opens chips that are like the first.

    Args:
        first: that chip.
        reading: how a chip is opened.
    """

    def __init__(self, first: Sample, reading: dict[str, Any]) -> None:
        self.modalities = tuple(name for name in first.modalities if not modality(name).decode_only)
        if not self.modalities:
            raise ValueError(f"{first.title} has no sensor that a model reads, only {', '.join(first.modalities)}")
        self._first, self._reading = first, reading

    def __call__(self, path: Path) -> Sample:
        """A chip with the sensors of the first, as many dates as it."""
        sample = _opened(path, self._reading)
        absent = [name for name in self.modalities if name not in sample.images]
        if absent:
            raise ValueError(f"all chips must have one sensor: {path} has no {', '.join(absent)}, others have")
        if len(sample.timestamps) != len(self._first.timestamps):
            raise ValueError(
                f"all chips must have as many dates, but {path} has {len(sample.timestamps)}, others have "
                f"{len(self._first.timestamps)}"
            )
        return replace(sample, images={name: sample.images[name] for name in self.modalities})


def _opened(path: Path, reading: dict[str, Any]) -> Sample:
    """A chip from its file, which errors name."""
    try:
        return load_chip(path, **reading)
    except ValueError as error:
        raise ValueError(str(error) if path.name in str(error) else f"{path}: {error}") from error


def _place(sample: Sample) -> tuple[float, float]:
    """Latitude and longitude of the middle of a chip, NaN where they are unknown."""
    return (np.nan, np.nan) if sample.georeference is None else sample.georeference.centre(*sample.shape)
