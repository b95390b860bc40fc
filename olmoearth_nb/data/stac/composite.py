"""From acquisitions to months: which pixels are clear, one picture a day, and the median of a month.

Digital numbers are unsigned here and 0 means not observed, as in the archive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olmoearth_nb.bands import MISSING

DROPPED = {
    0: "no data",
    1: "saturated or defective",
    3: "cloud shadow",
    8: "cloud, medium probability",
    9: "cloud, high probability",
    10: "thin cirrus",
}
"""Classes of the scene classification (SCL) that count as not observed. Source of the classes: ESA, Sentinel-2 Level-2A
products (Sen2Cor scene classification). Kept are 2 dark area or topographic shadow, 4 vegetation, 5 bare, 6 water,
7 unclassified (where clouds are unlikely but not excluded) and 11 snow or ice."""

_CLASSES = 12


def clear(scl: np.ndarray) -> np.ndarray:
    """Where the ground was seen.

    Args:
        scl: scene classification, any shape.

    Returns:
        Bool of the same shape, True = seen.

    Raises:
        ValueError: for a class that there is not.
    """
    if scl.size and int(scl.max()) >= _CLASSES:
        raise ValueError(f"the scene classification holds {int(scl.max())}; its classes are 0 to {_CLASSES - 1}")
    return ~np.isin(scl, list(DROPPED))


def first_seen(layers: Sequence[np.ndarray]) -> np.ndarray:
    """One picture of several of the same day: the first layer that observed a value.

    Args:
        layers: (H, W, C) each, 0 = not observed.
    """
    merged = layers[0].copy()
    for layer in layers[1:]:
        np.copyto(merged, layer, where=merged == 0)
    return merged


def median(days: Sequence[np.ndarray]) -> np.ndarray:
    """Median of what was observed, each band by itself.

    Args:
        days: (H, W, C) each, 0 = not observed.

    Returns:
        (H, W, C) float32; `MISSING` where no day observed anything.
    """
    found = np.full_like(days[0], MISSING, dtype=np.float32)
    for band in range(days[0].shape[-1]):  # one at a time: a month of a large square would fill a laptop
        stack = np.ma.masked_equal(np.stack([day[..., band] for day in days]).astype(np.float32), 0)
        found[..., band] = np.ma.median(stack, axis=0).filled(MISSING)
    return found
