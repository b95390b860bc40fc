"""Bands that the data do not have: filled by a policy that the caller names, and said."""

from __future__ import annotations

import numpy as np

from olmoearth_nb.bands import Modality
from olmoearth_nb.errors import warn

_MANY_FILLED = 0.2
"""Share of filled bands above which a model hardly sees what it was trained on."""


def completed(image: np.ndarray, names: list[str], spec: Modality, policy: str) -> tuple[np.ndarray, list[str]]:
    """The bands in channel order, absent ones filled by the policy; and the names of those."""
    absent = [band for band in spec.band_names if band not in names]
    if policy not in ("error", "zero", "nearest"):
        raise ValueError(f"missing_bands must be 'error', 'zero' or 'nearest', got {policy!r}")
    if absent and policy == "error":
        raise ValueError(
            f"{spec.title} bands missing: {absent}; fill them by missing_bands='zero' (v1.1 and later) or "
            "'nearest' (v1) in to_sample or load_geotiff, or choose a tokenization that leaves "
            "them out and fill by either"
        )
    if len(absent) > _MANY_FILLED * len(spec.bands):
        warn(
            f"{len(absent)} of {len(spec.bands)} bands are filled ({policy}): the model hardly sees what it was "
            "trained on"
        )
    columns = []
    for band in spec.bands:
        if band.name in names:
            columns.append(image[..., names.index(band.name)])
        elif policy == "nearest" and (source := _nearest(band.name, names, spec)) is not None:
            columns.append(image[..., names.index(source)])
        else:
            columns.append(np.full(image.shape[:3], band.mean - 2 * band.std, dtype=np.float32))
    return np.stack(columns, axis=-1).astype(np.float32), absent


def _nearest(band: str, names: list[str], spec: Modality) -> str | None:
    """The present band nearest in wavelength, ties to the shorter; thermal bands only from thermal ones."""
    centre = {b.name: b.centre for b in spec.bands}
    wanted = centre[band]
    if wanted is None:
        return None
    thermal = wanted > 5000
    near = [(abs(c - wanted), c, n) for n in names if (c := centre[n]) is not None and (c > 5000) == thermal]
    return min(near)[2] if near else None
