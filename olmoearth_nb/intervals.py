"""Confidence intervals for accuracies of several seeds on the same test scenes.

Seeds and scenes are crossed: every seed is scored on every scene. Both are samples of something larger, so both widen
the interval. Scenes are many and are resampled (bootstrap); seeds are few, and a bootstrap of three or five seeds gives
intervals that are too narrow, so their part is Student's: the spread of the seeds' means. Each part is stretched by the
quantile of its own degrees of freedom before the two are added in squares. That covers at least as often as stated
(Satterthwaite's degrees of freedom for the sum fall to 0.92 for three seeds): `benchmarks/coverage.py`.
"""

from __future__ import annotations

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


def _interval(right: np.ndarray, rows: np.ndarray, level: float, draws: int, seed: int) -> Interval:
    """The interval of sum(right) / sum(rows), averaged over seeds."""
    from scipy import stats

    seeds, scenes = right.shape
    if rows.shape != (scenes,) or scenes < 2:
        raise ValueError(f"needs at least two scenes with a number of rows each, got {right.shape} and {rows.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    value = float(right.mean(0).sum() / rows.sum())
    generator = np.random.default_rng(seed)
    times = generator.multinomial(scenes, np.full(scenes, 1 / scenes), draws).astype(float)
    drawn = times @ right.mean(0) / np.maximum(times @ rows, 1e-12)
    of_scenes = float(drawn.var(ddof=1)) * scenes / (scenes - 1)
    of_seeds = float((right.sum(1) / rows.sum()).var(ddof=1)) / seeds if seeds > 1 else 0.0
    quantiles = stats.t.ppf((1 + level) / 2, [scenes - 1, max(seeds - 1, 1)])
    reach = float(np.sqrt(quantiles**2 @ [of_scenes, of_seeds]))
    return Interval(value, value - reach, value + reach, level)
