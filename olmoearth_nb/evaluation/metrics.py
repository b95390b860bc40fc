"""What predictions are worth: of classes accuracy, balanced accuracy, mean average precision; of values RMSE, R2.

Every metric takes weights of the places, a row for each bootstrap sample, and gives a score for each row. So a score
and its bootstrap samples come out of one function, whatever the metric.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(predictions, answers (n,), weights (m, n)) -> (m,) scores."""


def accuracy(predicted: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fraction of right answers.

    Args:
        predicted: (n, classes), the largest of a row is the answer.
        answers: (n,) classes.
        weights: (m, n) how often each place counts.

    Returns:
        (m,) scores.
    """
    right = (predicted.argmax(1) == answers).astype(float)
    return weights @ right / weights.sum(1)


def balanced_accuracy(predicted: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the classes of the fraction of a class that is told; see `accuracy`.

    A class of which a bootstrap sample has no place is left out of that sample.
    """
    right = (predicted.argmax(1) == answers).astype(float)
    classes = np.unique(answers)
    told = np.stack([weights[:, answers == c] @ right[answers == c] for c in classes])  # (classes, m)
    rows = np.stack([weights[:, answers == c].sum(1) for c in classes])
    return _mean_where(told, rows)


def mean_average_precision(predicted: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the classes of the average precision, of places in the order of what a probe gives a class.

    Places that a probe gives the same stand or fall together, as in scikit-learn. See `accuracy` for the arguments.
    """
    found = [average_precision(predicted[:, c], answers == c, weights) for c in np.unique(answers)]
    return _mean_where(*(np.stack(part) for part in zip(*found, strict=True)))


def average_precision(given: np.ndarray, holds: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The average precision of one class, times how many places it has, and that number.

    Args:
        given: (n,) what a probe gives the class.
        holds: (n,) bool, whether it holds.
        weights: (m, n) how often each place counts.

    Returns:
        Two (m,) arrays.
    """
    order = np.argsort(-given, kind="stable")
    ranked = given[order]
    last = np.searchsorted(-ranked, -ranked, side="right") - 1  # the last place of the same value
    counted = weights[:, order]
    positive = counted * holds[order]
    above = np.maximum(counted.cumsum(1)[:, last], 1e-12)
    return (positive * positive.cumsum(1)[:, last] / above).sum(1), positive.sum(1)


def _mean_where(sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(m,) mean over the classes with rows of (classes, m) sums / rows."""
    return np.where(rows > 0, sums / np.maximum(rows, 1e-12), 0).sum(0) / (rows > 0).sum(0)


def rmse(predicted: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Root of the mean squared error, in the unit of the answers.

    Args:
        predicted: (n,) values.
        answers: (n,) values.
        weights: (m, n) how often each place counts.

    Returns:
        (m,) scores.
    """
    return np.sqrt(weights @ (predicted - answers) ** 2 / weights.sum(1))


def r2(predicted: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 - squared errors / squared deviations from the mean of the answers; see `rmse`.

    Raises:
        ValueError: if the answers of a bootstrap sample are all the same.
    """
    centred = answers - answers.mean()  # so that squares do not drown the spread
    rows = weights.sum(1)
    spread = weights @ centred**2 - (weights @ centred) ** 2 / rows
    if (spread <= 0).any():
        raise ValueError("all answers are the same; R2 compares with their spread, and there is none")
    return 1 - weights @ (predicted - answers) ** 2 / spread


OF_CLASSES: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced accuracy": balanced_accuracy,
    "mean average precision": mean_average_precision,
}

OF_VALUES: dict[str, Metric] = {"R2": r2, "RMSE": rmse}

RANGES = {"R2": (-np.inf, 1.0), "RMSE": (0.0, np.inf)}
"""Smallest and largest value of a metric; all others run from 0 to 1."""


def bounds(metric: str) -> tuple[float, float]:
    """Smallest and largest value that a metric can have; their distance is the largest difference of two scores.

    Args:
        metric: name.
    """
    return RANGES.get(metric, (0.0, 1.0))
