"""What can be read from the raw bands without any encoder: the baselines that an embedding has to beat.

* *band statistics*: mean and standard deviation of each band over the pixels and dates of a patch;
* *time-aware*: mean of each band at each date, dates side by side, so that nothing of the year is lost;
* *month*: the months of a place's dates, alone or beside its bands. Encoders are told the month, and where places have
  different dates an answer may hang on the season alone.

Missing dates are filled with the mean of the same patch's other dates, and marked in the time-aware features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olmoearth_nb.bands import MISSING
from olmoearth_nb.sample import Sample


def patch_means(sample: Sample, patch: int, modalities: Sequence[str] = ("sentinel2_l2a",)) -> np.ndarray:
    """Mean of each band in each patch at each date, in the sensor's own units.

    Args:
        sample: a scene.
        patch: edge of a patch in pixels, dividing the scene.
        modalities: sensors whose bands are read, one behind the other.

    Returns:
        (patches, T, bands), NaN where nothing was observed.
    """
    parts = []
    for name in modalities:
        image = sample.images[name]
        values = np.where(image == MISSING, np.nan, image)
        rows, columns = (edge // patch for edge in image.shape[:2])
        blocks = values.reshape(rows, patch, columns, patch, *values.shape[2:])  # (h, P, w, P, T, C)
        # a mean with NaN is NaN: a patch that was seen in part was not seen, as for the encoder
        parts.append(blocks.mean((1, 3)).reshape(rows * columns, *values.shape[2:]))  # (patches, T, C)
    return np.concatenate(parts, -1)


def month_circle(timestamps: np.ndarray) -> np.ndarray:
    """(n, 2 T) cosine and sine of the month at each date, dates side by side, so that December lies beside January.

    Args:
        timestamps: (n, T, 3) day 1..31, month 0..11, year.
    """
    angle = 2 * np.pi * timestamps[..., 1] / 12  # (n, T)
    return np.stack([np.cos(angle), np.sin(angle)], -1).reshape(len(timestamps), -1)


def beside_months(features: np.ndarray, months: np.ndarray) -> np.ndarray:
    """(n, D + 2 T) features with months that are as long as they are.

    Nearest neighbours compare angles of whole rows, and digital numbers in the thousands would drown a month. So both
    parts count alike for them; regressions, which standardise, do not mind.

    Args:
        features: (n, D) of places; rows of NaN stay so.
        months: (n, 2 T) of `month_circle`.
    """
    whole = np.isfinite(features).all(1)
    length = np.linalg.norm(features[whole], axis=1).mean() if whole.any() else 1.0
    return np.concatenate([features, months * length / np.sqrt(months.shape[1] / 2)], 1)


def band_statistics(means: np.ndarray) -> np.ndarray:
    """(n, 2 bands) mean and standard deviation over the dates of (n, T, bands).

    The spread within a patch is left out: at 40 m it is mostly noise.
    """
    filled = fill(means)
    return np.concatenate([filled.mean(1), filled.std(1)], 1)


def time_aware(means: np.ndarray) -> np.ndarray:
    """(n, T (bands + 1)) all dates side by side of (n, T, bands), each with a mark where something is missing."""
    gone = np.isnan(means).any(-1, keepdims=True).astype(float)  # (n, T, 1), so that filled dates can be told
    return np.concatenate([fill(means), gone], -1).reshape(len(means), -1)


def fill(means: np.ndarray) -> np.ndarray:
    """(n, T, bands) with missing dates filled by the mean of the others, or of all rows where there are none.

    Raises:
        ValueError: for infinite values, or a band that no row has at any date.
    """
    if np.isinf(means).any():
        raise ValueError(f"{int(np.isinf(means).any((1, 2)).sum())} of {len(means)} rows hold infinity")
    empty = np.flatnonzero(np.isnan(means).all((0, 1)))
    if len(empty):
        raise ValueError(f"bands {', '.join(map(str, empty))}, counted from 0, were observed nowhere; leave them out")
    known = ~np.isnan(means)
    mean = np.where(known, means, 0).sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    mean = np.where(known.any(1, keepdims=True), mean, np.nanmean(means, (0, 1)))
    return np.where(known, means, mean)
