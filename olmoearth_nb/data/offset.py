"""The offset of Sentinel-2 digital numbers since processing baseline 04.00."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OFFSET = 1000
"""What files straight from the archive carry since baseline 04.00 (ESA, 25 January 2022)."""


def boa_offset(item_properties: Mapping[str, Any], raster_bands: Sequence[Mapping[str, Any]] | None = None) -> int:
    """What must be taken off an item's digital numbers, by what its catalogue says of it.

    In this order: `earthsearch:boa_offset_applied` true, nothing; `s2:processing_baseline` before 04.00, nothing; an
    `offset` of the raster extension, if there is one, as it says; baseline 04.00 or later, 1000.

    Args:
        item_properties: the item's properties.
        raster_bands: `raster:bands` of the asset (or `bands`, where its fields begin with ``raster:``).

    Returns:
        1000 or 0.

    Raises:
        ValueError: for a baseline that is not a number.
    """
    if item_properties.get("earthsearch:boa_offset_applied") is True:
        return 0
    said = item_properties.get("s2:processing_baseline")
    baseline = None if said is None else float(said)
    if baseline is not None and baseline < 4:
        return 0
    for band in raster_bands or ():
        offset = band.get("offset", band.get("raster:offset"))
        if offset is not None:
            return OFFSET if offset < 0 else 0
    return OFFSET if baseline is not None else 0
