"""Which places are labelled when only some may be: nested draws with as many of each class as can be."""

from __future__ import annotations

import numpy as np

QUANTILES = 5
"""Classes that real values are put into, so that few labels have high and low ones."""


def nested(answers: np.ndarray, seed: int) -> np.ndarray:
    """An order of places, of which the first ones are labelled: a place of each class, then a second of each, and on.

    So 30 labels are the 10 of the same seed and 20 more. A class that has run out is passed over.

    Args:
        answers: (n,) whole numbers for classes, or real values, whose quantiles stand in for classes.
        seed: of the draw.

    Returns:
        (n,) positions.
    """
    generator = np.random.default_rng([seed, 11])
    if answers.dtype.kind == "f":
        answers = np.searchsorted(np.quantile(answers, np.arange(1, QUANTILES) / QUANTILES), answers)
    classes = generator.permutation(np.unique(answers))
    turn, rank = np.empty(len(answers), np.int64), np.empty(len(answers), np.int64)
    for place, c in enumerate(classes.tolist()):
        drawn = generator.permutation(np.flatnonzero(answers == c))
        turn[drawn], rank[drawn] = np.arange(len(drawn)), place
    return np.lexsort((rank, turn))
