"""The offset of Sentinel-2 digital numbers since processing baseline 04.00 (ESA, 25 January 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from olmoearth_nb.sample import Sample

DONE = "taken off the digital numbers"
"""Words of the note that marks a sample without the offset."""

TAG = "BOA_OFFSET_APPLIED"
"""Tag of a file that marks its digital numbers as being without the offset."""


def boa_offset(properties: Mapping[str, Any], raster_bands: Sequence[Mapping[str, Any]] | None = None) -> int:
    """Digital numbers still to be taken off a STAC item's bands.

    In this order: `earthsearch:boa_offset_applied` true, nothing; `s2:processing_baseline` before 04.00, nothing; an
    `offset` of the raster extension, if there is one, as it says; baseline 04.00 or later, 1000.

    Args:
        properties: the item's.
        raster_bands: `raster:bands` of the asset (or `bands`, where its fields begin with ``raster:``).

    Returns:
        1000 or 0.

    Raises:
        ValueError: for a baseline that is not a number.
    """
    if properties.get("earthsearch:boa_offset_applied") is True:
        return 0
    said = properties.get("s2:processing_baseline")
    baseline = None if said is None else float(said)
    if baseline is not None and baseline < 4:
        return 0
    for band in raster_bands or ():
        offset = band.get("offset", band.get("raster:offset"))
        if offset is not None:
            return 1000 if offset < 0 else 0
    return 1000 if baseline is not None else 0


def remove_offset(image: np.ndarray, offset: int | np.ndarray) -> np.ndarray:
    """Takes the offset off unsigned digital numbers, not below 1, so that 0 stays no data.

    Args:
        image: digital numbers of any shape.
        offset: what to take off; an array is broadcast.
    """
    signed = image.astype(np.int64)
    return np.where(signed > 0, np.maximum(signed - np.asarray(offset), 1), 0).astype(image.dtype)


def offset_done(sample: Sample) -> bool:
    """Whether a sample's notes say that the offset was taken off."""
    return any(DONE in note for note in sample.notes)


def offset_tags(sample: Sample) -> dict[str, str]:
    """Tags to write into a file of this sample, so that nobody takes the offset off again."""
    return {TAG: "True"} if offset_done(sample) else {}
