"""Medians and spreads of a corpus, for recipes of "robust" scaling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from olmoearth_nb.bands import MISSING, Band, modality
from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.pretrain.recipes import Recipe
from olmoearth_nb.weights.scaling import TO_DEVIATION, Statistics

PLACES = 200
"""Places that are looked at, drawn once and for all."""

EDGE = 32
"""Edge in pixels of the square in the middle of each place that is looked at."""


def with_statistics(recipe: Recipe, corpus: Corpus) -> Recipe:
    """The recipe, complete: one of robust scaling without statistics gets those of the corpus."""
    if recipe.normalisation != "robust" or recipe.statistics is not None:
        return recipe
    return replace(recipe, statistics=measured(corpus))


def measured(corpus: Corpus) -> Statistics:
    """Median and interquartile range of every band, over all dates of squares in up to `PLACES` places.

    A band of which more than half of the values are equal has no such range; it keeps mean and deviation of the
    official data. So do bands that were nowhere observed.

    Args:
        corpus: the same gives the same.
    """
    places = np.random.default_rng(0).permutation(len(corpus))[:PLACES]
    values: dict[str, list[np.ndarray]] = {}
    for place in places.tolist():
        height, width = corpus.size(place)
        edge = min(height, width, EDGE)
        sample = corpus.window(place, (height - edge) // 2, (width - edge) // 2, edge)
        for name, image in sample.images.items():
            values.setdefault(name, []).append(image[::2, ::2].reshape(-1, image.shape[-1]))
    return {
        name: tuple(
            _pair(column[column != MISSING], band)
            for column, band in zip(np.concatenate(parts).T, modality(name).bands, strict=True)
        )
        for name, parts in values.items()
    }


def _pair(values: np.ndarray, band: Band) -> tuple[float, float]:
    """Median and interquartile range of a band, to a thousandth of its unit."""
    if len(values):
        low, middle, high = np.quantile(values.astype(np.float64), (0.25, 0.5, 0.75))
        if high - low > 1e-3:
            return round(float(middle), 3), round(float(high - low), 3)
    return band.mean, TO_DEVIATION * band.std
