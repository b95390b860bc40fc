"""What a few bands say together: how green a pixel is, and which date of a series shows the ground best."""

from __future__ import annotations

import numpy as np

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.sample import Sample


def reflectance(sample: Sample) -> np.ndarray:
    """(H, W, T, 12) reflectance of Sentinel-2, mostly 0 to 1; NaN where nothing was observed."""
    image = sample.images["sentinel2_l2a"]
    return np.where(image == MISSING, np.nan, image / 10_000)


def square_means(sample: Sample, row: int, column: int, size: int) -> np.ndarray:
    """(T, 12) mean reflectance of the observed pixels of a square, NaN where there are none.

    Args:
        sample: a sample with Sentinel-2.
        row: upper row of the square in pixels.
        column: its left column.
        size: its edge in pixels.
    """
    square = reflectance(sample.window(row, column, size))
    seen = ~np.isnan(square)
    total, count = np.where(seen, square, 0).sum((0, 1)), seen.sum((0, 1))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def ndvi(values: np.ndarray) -> np.ndarray:
    """Normalised difference vegetation index, (near infrared - red) / (near infrared + red), of B08 and B04.

    Args:
        values: (..., 12) digital numbers or reflectance of Sentinel-2, NaN where unobserved.

    Returns:
        (...) from -1 to 1: below 0 for water, some 0.1 to 0.2 for bare ground, up to 0.9 for dense leaves; NaN where
        unobserved, or where both bands are 0.
    """
    red, infrared = (values[..., SENTINEL2.indices([name])[0]] for name in ("B04", "B08"))
    total = red + infrared
    return np.divide(infrared - red, total, out=np.full(np.shape(total), np.nan), where=total != 0)


def clearest(sample: Sample) -> int:
    """Timestep that shows the ground best: every pixel observed, green and not white.

    Of the dates without gaps (of all, if each has some) the one with the most infrared over three times the blue,
    which leaves out clouds and snow and prefers summer.
    """
    image = sample.images["sentinel2_l2a"]
    gaps = (image == MISSING).any((0, 1, 3))
    infrared, blue = (image[..., SENTINEL2.indices([name])[0]].mean((0, 1)) for name in ("B08", "B02"))
    return int(np.argmax(np.where(gaps, -np.inf, (infrared - 3 * blue) / (infrared + blue + 1))))
