"""What a fit's answers are worth, with intervals over groups and seeds, for places and for pixels.

Pixels are counted group by group first. What is drawn again and again is a few numbers of each group, never all pixels
of all groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from olmoearth_nb.evaluation.intervals import Resampled, group_weights
from olmoearth_nb.evaluation.metrics import average_precision
from olmoearth_nb.finetune.target import Target

Counts = np.ndarray
"""(groups, C, C) answers of a class, by what they were taken for; of real values (groups, 4), see `counted`."""


def metrics(target: Target) -> tuple[str, ...]:
    """Names of the scores of a target; the first one is what the best epoch is chosen by.

    Args:
        target: what is asked.
    """
    if target.kind == "values":
        return ("R2", "RMSE")
    if target.kind == "truths":
        return ("mAP",)
    return ("mIoU", "accuracy", "macro F1") if target.pixels else ("accuracy", "balanced accuracy", "macro F1")


def score(target: Target, predicted: np.ndarray, answers: np.ndarray) -> float:
    """The first metric of some predictions; it is larger for better ones.

    Args:
        target: what is asked.
        predicted: as `Target.predicted` gives it; NaN where nothing was told.
        answers: of the same places.
    """
    groups = np.zeros(len(answers), np.int64)
    return float(_scores(target, predicted, answers, groups, np.ones((1, 1)))[metrics(target)[0]][0])


def resampled(
    target: Target, predicted: Sequence[np.ndarray], answers: np.ndarray, groups: np.ndarray, draws: int = 1000
) -> dict[str, Resampled]:
    """Every score with bootstrap samples of its groups, for `Resampled.interval` and paired differences.

    Args:
        target: what is asked.
        predicted: of each seed, as `Target.predicted` gives it; NaN where nothing was told, which does not count.
        answers: of the tested places.
        groups: (n,) of the tested places.
        draws: bootstrap samples.

    Raises:
        ValueError: if fewer than two groups are tested, or nothing that was told has an answer.
    """
    known, number = np.unique(groups, return_inverse=True)
    weights = group_weights(np.arange(len(known)), draws)  # (1 + draws, groups)
    seeds = [_scores(target, one, answers, number, weights) for one in predicted]
    found = {}
    for name in metrics(target):
        values = np.stack([seed[name] for seed in seeds])[:, None]  # (seeds, 1, 1 + draws)
        found[name] = Resampled(values[..., 0], values[..., 1:], len(known))
    return found


def _scores(
    target: Target, predicted: np.ndarray, answers: np.ndarray, number: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """(m,) scores by every metric.

    Args:
        target: what is asked.
        predicted: of one seed.
        answers: of the same places.
        number: (n,) group of each place, from 0.
        weights: (m, groups) how often each group counts.
    """
    if target.kind == "truths":
        return {"mAP": _mean_average_precision(predicted, answers, weights[:, number])}
    counts = counted(target, predicted, answers, number, weights.shape[1])
    sums = np.tensordot(weights, counts, 1)  # (m, C, C) or (m, 4)
    formulas = OF_VALUES if target.kind == "values" else OF_CLASSES
    return {name: formulas[name](sums) for name in metrics(target)}


def counted(target: Target, predicted: np.ndarray, answers: np.ndarray, number: np.ndarray, groups: int) -> Counts:
    """What scores need of each group.

    Args:
        target: what is asked, of places or of pixels.
        predicted: of one seed; NaN where nothing was told.
        answers: of the same places.
        number: (n,) group of each place, from 0.
        groups: how many groups there are.

    Returns:
        (groups, C, C) how many answers of the first class were taken for the second; of real values (groups, 4): how
        many, squared errors, and sum and squares of the answers behind their mean.

    Raises:
        ValueError: if nothing that was told has an answer.
    """
    classes = len(target.classes)
    told = np.isfinite(predicted[..., 0] if classes else predicted) & target.known(answers)
    if not told.any():
        raise ValueError("nothing that was told has an answer; there is nothing to score")
    of = np.broadcast_to(number.reshape(-1, *[1] * (answers.ndim - 1)), answers.shape)[told]
    if classes:
        cells = (of * classes + answers[told].astype(np.int64)) * classes + predicted[told].argmax(-1)
        return np.bincount(cells, minlength=groups * classes**2).reshape(groups, classes, classes).astype(float)
    y, error = answers[told].astype(np.float64), predicted[told] - answers[told].astype(np.float64)
    centred = y - y.mean()  # so that squares do not drown the spread
    parts = (np.ones(len(y)), error**2, centred, centred**2)
    return np.stack([np.bincount(of, part, minlength=groups) for part in parts], 1)


def _accuracy(sums: Counts) -> np.ndarray:
    return np.trace(sums, axis1=1, axis2=2) / sums.sum((1, 2))


def _of_each_class(part: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Callable:
    """A mean over the classes that are there or told of a fraction of right, told and there, each (m, C)."""

    def mean(sums: Counts) -> np.ndarray:
        over, under = part(np.diagonal(sums, axis1=1, axis2=2), sums.sum(1), sums.sum(2))
        return np.where(under > 0, over / np.maximum(under, 1e-12), 0).sum(1) / (under > 0).sum(1)

    return mean


OF_CLASSES: dict[str, Callable[[Counts], np.ndarray]] = {
    "accuracy": _accuracy,
    "balanced accuracy": _of_each_class(lambda right, told, there: (right, there)),
    "macro F1": _of_each_class(lambda right, told, there: (2 * right, told + there)),
    "mIoU": _of_each_class(lambda right, told, there: (right, told + there - right)),
}
"""Scores of (m, C, C) counts, as `evaluation.metrics` defines them for places."""


def _rmse(sums: Counts) -> np.ndarray:
    return np.sqrt(sums[:, 1] / sums[:, 0])


def _r2(sums: Counts) -> np.ndarray:
    rows, errors, total, squares = sums.T
    spread = squares - total**2 / rows
    if (spread <= 0).any():
        raise ValueError("all answers are the same; R2 compares with their spread, and there is none")
    return 1 - errors / spread


OF_VALUES: dict[str, Callable[[Counts], np.ndarray]] = {"R2": _r2, "RMSE": _rmse}
"""Scores of (m, 4) counts."""


def _mean_average_precision(predicted: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(m,) mean over the classes of the average precision of those places of which is known whether the class holds.

    A class that no place of a bootstrap sample has is left out of that sample.
    """
    sums, there = np.zeros(len(weights)), np.zeros(len(weights))
    for c in range(answers.shape[1]):
        kept = (answers[:, c] >= 0) & np.isfinite(predicted[:, c])
        precision, rows = average_precision(predicted[kept, c], answers[kept, c] == 1, weights[:, kept])
        sums += np.where(rows > 0, precision / np.maximum(rows, 1e-12), 0)
        there += rows > 0
    if not there.all():
        raise ValueError("no class holds in any place that is tested, or in a bootstrap sample of them")
    return sums / there
