"""m-eurosat and m-brick-kiln as `LabelledSet`s with their published splits."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from olmoearth_nb.data.geobench.chip import load_geobench_chip, read_place
from olmoearth_nb.data.geobench.dataset import SPLITS, GeoBench, Kind, Names
from olmoearth_nb.data.labelled.chips import ChipSet
from olmoearth_nb.data.labelled.neighbours import APART, by_place


def geobench_set(
    folder: str | os.PathLike[str],
    names: Names = "content",
    kind: Kind | None = None,
    *,
    missing_bands: Literal["zero", "nearest"] = "nearest",
    apart: float = APART,
) -> ChipSet:
    """A data set of GeoBench, all splits one behind the other.

    m-eurosat's chips do not say where they lie (all have the place of one), so each is its own group: neighbours may
    fall into different folds. Those of m-brick-kiln are grouped by place.

    Args:
        folder: see `data.geobench.dataset.GeoBench`.
        names: see `data.geobench.chip.load_geobench_chip`.
        kind: which set it is, if the folder does not say so.
        missing_bands: how B06 and B09 of m-brick-kiln are filled; see `data.geobench.chip.load_geobench_chip`.
        apart: kilometres between the centres of two chips from which they are independent.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the set or a chip is damaged.
    """
    data = GeoBench(folder, names, kind)
    parts = {split: data.samples(split) for split in SPLITS if data.splits[split]}
    if not parts:
        raise ValueError(f"{data.folder} lists no chips")
    paths = [path for part in parts.values() for path in part.paths]
    return ChipSet(
        data.kind if names == "content" else f"{data.kind} (published names)",
        paths,
        partial(load_geobench_chip, names=names, kind=data.kind, missing_bands=missing_bands),
        np.concatenate([part.labels for part in parts.values()]),
        data.class_names,
        group=partial(_groups, paths, data.kind, apart),
        split=np.repeat(list(parts), [len(part) for part in parts.values()]),
    )


def _groups(paths: list[Path], kind: str, apart: float) -> tuple[np.ndarray, str]:
    """Groups of chips by the places in their metadata, where those are the chips' own."""
    from rich.progress import track

    alone = "where the chips lie is not recorded, so each is its own group, and neighbours may be in different folds"
    if kind == "m-eurosat":
        return np.arange(len(paths)), alone
    found = list(map(read_place, track(paths, "reading places", transient=True, disable=len(paths) < 500)))
    if len(set(found)) < 2:
        return np.arange(len(paths)), alone
    return by_place(np.array([place or (np.nan, np.nan) for place in found]), apart)
