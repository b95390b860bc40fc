"""Confidence intervals for accuracies of several seeds on the same test scenes.

Seeds and scenes are crossed: every seed is scored on every scene. Both are samples of something larger, so both widen
the interval. Scenes are many and are resampled (bootstrap); seeds are few, and a bootstrap of three or five seeds gives
intervals that are too narrow, so their part is Student's: the spread of the seeds' means. Each part is stretched by the
quantile of its own degrees of freedom before the two are added in squares. That covers at least as often as stated
(Satterthwaite's degrees of freedom for the sum fall to 0.92 for three seeds): `benchmarks/coverage.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate and the range that covers the truth with the stated probability.

    Attributes:
        value: the estimate.
        low: lower end.
        high: upper end.
        level: probability of coverage.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        """Three decimals, as in tables."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def accuracy(right: np.ndarray, rows: np.ndarray, level: float = 0.95, draws: int = 1000, seed: int = 0) -> Interval:
    """Accuracy over seeds and scenes.

    Args:
        right: (seeds, scenes) right answers; one seed may be given as (scenes,).
        rows: (scenes,) rows of each scene.
        level: probability of coverage.
        draws: bootstrap samples of the scenes.
        seed: of the bootstrap.

    Returns:
        The interval. With one seed it covers the scenes' part alone.
    """
    right = np.atleast_2d(right)
    return _interval(right, rows, level, draws, seed)


def difference(
    right: np.ndarray, other: np.ndarray, rows: np.ndarray, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Interval:
    """Accuracy of one arm minus that of another, paired: the same seeds, the same scenes.

    Args:
        right: (seeds, scenes) right answers of the first arm.
        other: the same of the second arm.
        rows: (scenes,) rows of each scene.
        level: probability of coverage.
        draws: bootstrap samples of the scenes.
        seed: of the bootstrap.
    """
    right, other = np.atleast_2d(right), np.atleast_2d(other)
    if right.shape != other.shape:
        raise ValueError(f"paired arms need the same seeds and scenes, got {right.shape} and {other.shape}")
    return _interval(right - other, rows, level, draws, seed)


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same seeds and scenes.

    Attributes:
        difference: accuracy of the first minus that of the second, with its interval.
        p: probability of a difference at least as large where there is none, by the same statistic as the interval:
            it is below 1 - level exactly where the interval leaves out 0.
        detectable: the smallest true difference that this design sees in four of five repetitions.
    """

    difference: Interval
    p: float
    detectable: float


POWER = 0.8
"""Probability with which a `detectable` difference is seen."""


def compare(
    right: np.ndarray, other: np.ndarray, rows: np.ndarray, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Comparison:
    """Compares two arms; see `difference` for the arguments."""
    from scipy import stats

    found = difference(right, other, rows, level, draws, seed)
    spread = _Spread.of(np.atleast_2d(right) - np.atleast_2d(other), rows, draws, seed)
    low, high = 0.0, 1.0  # bisection for the level at which the interval ends at 0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if spread.reach(middle) < abs(spread.value) else (low, middle)
    error = float(np.sqrt(spread.of_scenes + spread.of_seeds))
    return Comparison(found, 1 - low, spread.reach(level) + float(stats.norm.ppf(POWER)) * error)


def holm(values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number by Holm's step-down rule (1979), in the given order.

    Args:
        values: one for each comparison of a family.
    """
    order = np.argsort(values)
    scaled = [min(1.0, float(values[i]) * (len(values) - place)) for place, i in enumerate(order)]
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(scaled) if len(values) else []
    return adjusted.tolist()


@dataclass(frozen=True)
class _Spread:
    """An estimate and the two parts of its variance."""

    value: float
    of_scenes: float
    of_seeds: float
    freedom: tuple[int, int]

    @classmethod
    def of(cls, right: np.ndarray, rows: np.ndarray, draws: int, seed: int) -> _Spread:
        """Of sum(right) / sum(rows), averaged over seeds."""
        seeds, scenes = right.shape
        if rows.shape != (scenes,) or scenes < 2:
            raise ValueError(
                f"needs at least two scenes with a number of rows each, got {right.shape} and {rows.shape}"
            )
        generator = np.random.default_rng(seed)
        times = generator.multinomial(scenes, np.full(scenes, 1 / scenes), draws).astype(float)
        drawn = times @ right.mean(0) / np.maximum(times @ rows, 1e-12)
        of_scenes = float(drawn.var(ddof=1)) * scenes / (scenes - 1)
        of_seeds = float((right.sum(1) / rows.sum()).var(ddof=1)) / seeds if seeds > 1 else 0.0
        value = float(right.mean(0).sum() / rows.sum())
        return cls(value, of_scenes, of_seeds, (scenes - 1, max(seeds - 1, 1)))

    def reach(self, level: float) -> float:
        """Half of the width of the interval of that level."""
        from scipy import stats

        quantiles = stats.t.ppf((1 + level) / 2, self.freedom)
        return float(np.sqrt(quantiles**2 @ [self.of_scenes, self.of_seeds]))


def _interval(right: np.ndarray, rows: np.ndarray, level: float, draws: int, seed: int) -> Interval:
    """The interval of sum(right) / sum(rows), averaged over seeds."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    spread = _Spread.of(right, rows, draws, seed)
    reach = spread.reach(level)
    return Interval(spread.value, spread.value - reach, spread.value + reach, level)
