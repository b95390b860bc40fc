"""Bands that the data do not have: filled by a policy that the caller names, and said."""

from __future__ import annotations

import numpy as np

from olmoearth_nb.bands import MISSING, Modality
from olmoearth_nb.errors import warn

_MANY_FILLED = 0.2
"""Fraction of filled bands above which a model hardly sees what it was trained on."""


def completed(image: np.ndarray, names: list[str], spec: Modality, policy: str) -> tuple[np.ndarray, list[str]]:
    """The bands in channel order, absent ones filled by the policy where any other was observed; their names.

    Args:
        image: (H, W, T, C) of the bands that there are, `MISSING` where unobserved.
        names: their C names.
        spec: whose bands they are.
        policy: "error", "zero" or "nearest".

    Returns:
        (H, W, T, bands) float32, and the names of the filled bands.

    Raises:
        ValueError: for another policy, or absent bands under "error".
    """
    absent = [band for band in spec.band_names if band not in names]
    if policy not in ("error", "zero", "nearest"):
        raise ValueError(f"missing_bands must be 'error', 'zero' or 'nearest', got {policy!r}")
    if absent and policy == "error":
        raise ValueError(
            f"{spec.title} bands missing: {absent}{_hint(names, spec)}; say missing_bands='zero' (for v1.1 and later) "
            "or missing_bands='nearest' (for v1); for a tokenization that leaves them out, either will do"
        )
    if len(absent) > _MANY_FILLED * len(spec.bands):
        warn(
            f"{len(absent)} of {len(spec.bands)} bands are filled ({policy}): the model hardly sees what it was "
            "trained on"
        )
    seen = (image != MISSING).any(-1)  # (H, W, T): where nothing was seen, a filled band is no observation
    columns = []
    for band in spec.bands:
        if band.name in names:
            columns.append(image[..., names.index(band.name)])
        elif policy == "nearest" and (source := _nearest(band.name, names, spec)) is not None:
            columns.append(image[..., names.index(source)])
        else:
            columns.append(np.where(seen, np.float32(band.mean - 2 * band.std), np.float32(MISSING)))
    return np.stack(columns, axis=-1).astype(np.float32), absent


def _hint(names: list[str], spec: Modality) -> str:
    """What names of Sentinel-2 may be instead, where none is B8A: mere numbers, or Landsat's."""
    numbers = {int(name[1:]) for name in names if name[1:].isdecimal()}
    if spec.name != "sentinel2_l2a" or "B8A" in names or not {*range(1, 8)} <= numbers:
        return ""
    most = max(numbers)
    hint = ""
    if numbers | {10} == {*range(1, most + 1), 10}:  # B10 has gone by now
        given = f"{_IN_ORDER}" if most == len(_IN_ORDER) else "[...]"
        hint = f"; if B1 to B{most} are only numbers of the bands in the file, give bands={given}, their names in order"
    return hint if "B12" in names else f"{hint}; if they are Landsat's, say modality='landsat'"


_IN_ORDER = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split()
"""Sentinel-2's bands of Level 2A as products and most archives order them."""


def _nearest(band: str, names: list[str], spec: Modality) -> str | None:
    """The present band nearest in wavelength, ties to the shorter; thermal bands only from thermal ones."""
    centre = {b.name: b.centre for b in spec.bands}
    wanted = centre[band]
    if wanted is None:
        return None
    thermal = wanted > 5000
    near = [(abs(c - wanted), c, n) for n in names if (c := centre[n]) is not None and (c > 5000) == thermal]
    return min(near)[2] if near else None
