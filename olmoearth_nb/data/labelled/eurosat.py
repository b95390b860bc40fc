"""EuroSAT as a `LabelledSet`, its chips grouped by where they lie."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from olmoearth_nb.data.eurosat import EuroSAT, load_eurosat_chip
from olmoearth_nb.data.geobench.dataset import Names
from olmoearth_nb.data.geotiff.read import read_header
from olmoearth_nb.data.labelled.chips import ChipSet
from olmoearth_nb.data.labelled.neighbours import APART, by_place


def eurosat_set(folder: str | os.PathLike[str], names: Names = "content", *, apart: float = APART) -> ChipSet:
    """EuroSAT with all bands, from a folder of class folders.

    EuroSAT publishes no groups and no split. Chips that lie near each other are one group.

    Args:
        folder: see `data.eurosat.EuroSAT`.
        names: see `data.eurosat.load_eurosat_chip`.
        apart: kilometres between the centres of two chips from which they are independent.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it does not hold EuroSAT, or a chip is damaged.
    """
    chips = EuroSAT(folder, names)
    return ChipSet(
        "EuroSAT" if names == "content" else "EuroSAT (published names)",
        chips.paths,
        partial(load_eurosat_chip, names=names),
        chips.labels,
        chips.class_names,
        group=partial(_groups, chips.paths, apart),
    )


def _groups(paths: list[Path], apart: float) -> tuple[np.ndarray, str]:
    """Groups of chips by the places in their headers."""
    from rich.progress import track

    headers = map(read_header, track(paths, "reading places", transient=True, disable=len(paths) < 500))
    places = np.array([header.place or (np.nan, np.nan) for header in headers])
    return by_place(places, apart)
