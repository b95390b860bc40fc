"""Confidence intervals for accuracies of several seeds on the same test scenes.

Seeds and scenes are crossed: every seed is scored on every scene. Both are samples of something larger, so both widen
the interval. Scenes are many and are resampled (bootstrap); seeds are few, and a bootstrap of three or five seeds gives
intervals that are too narrow, so their part is Student's: the spread of the seeds' means. Each part is stretched by the
quantile of its own degrees of freedom before the two are added in squares. That covers at least as often as stated
(Satterthwaite's degrees of freedom for the sum fall to 0.92 for three seeds): `benchmarks/coverage.py`.

Small sets are answered in folds, drawn several times. How places fell into folds is a third part: it is shared by the
places of a fold, so that resampling places misses it, and it is told by the spread between the repeats, like that of
seeds. What all repeats share, that these places and no others trained, cannot be told from one set; simulated sets say
how much it is, and the part of the places is stretched by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

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
        return self.shown()

    def shown(self, digits: int = 3) -> str:
        """The estimate and its range with so many decimals."""
        return "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(self.value, self.low, self.high, d=digits)

    def scaled(self, factor: float) -> Interval:
        """The same in another unit, such as points of accuracy with a factor of 100."""
        return replace(self, value=factor * self.value, low=factor * self.low, high=factor * self.high)

    def signed(self, digits: int = 3) -> str:
        """The same of a difference, with its sign."""
        return "{:+.{d}f} [{:+.{d}f}, {:+.{d}f}]".format(self.value, self.low, self.high, d=digits)


def mean_of(values: Sequence[float]) -> Interval:
    """A mean with its Student interval of 95 %; of a single value it is unbounded.

    Args:
        values: at least one.
    """
    from scipy.special import stdtrit

    if len(values) < 2:
        return Interval(float(values[0]), -np.inf, np.inf)
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stdtrit(len(values) - 1, 0.975)) * spread
    return Interval(mean, mean - reach, mean + reach)


def accuracy(
    right: np.ndarray,
    rows: np.ndarray,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    stretch: float = 1.0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """Accuracy over seeds and scenes.

    Args:
        right: (seeds, scenes) right answers; one seed may be given as (scenes,). Answers in folds that were drawn
            several times are (seeds, repeats, groups).
        rows: (scenes,) rows of each scene, or group.
        level: probability of coverage.
        draws: bootstrap samples of the scenes.
        seed: of the bootstrap.
        stretch: of the variance over scenes; `TRAINED` where the scenes that are tested also train.
        bounds: smallest and largest value that the score can have, such as `metrics.bounds("R2")`.

    Returns:
        The interval, cut to the bounds. With one seed it covers the scenes' part alone.

    Raises:
        ValueError: if the score lies outside the bounds, as an R2 may outside those of an accuracy.
    """
    found = _interval(np.atleast_2d(right), rows, level, draws, seed, stretch)
    if not bounds[0] <= found.value <= bounds[1]:
        raise ValueError(
            f"the score is {found.value:.3f}, outside {bounds[0]:g} to {bounds[1]:g}; say bounds=(-inf, 1) for R2"
        )
    return replace(found, low=max(bounds[0], found.low), high=min(bounds[1], found.high))


def difference(
    right: np.ndarray,
    other: np.ndarray,
    rows: np.ndarray,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    stretch: float = 1.0,
) -> Interval:
    """Accuracy of one arm minus that of another, paired: the same seeds, the same scenes.

    Args:
        right: answers of the first arm, as in `accuracy`.
        other: the same of the second arm.
        rows: see `accuracy`.
        level: see `accuracy`.
        draws: see `accuracy`.
        seed: see `accuracy`.
        stretch: see `accuracy`.
    """
    return _interval(_paired(right, other), rows, level, draws, seed, stretch)


def contrast(
    more: Sequence[np.ndarray],
    less: Sequence[np.ndarray],
    rows: np.ndarray,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """A sum of arms minus a sum of others on the same scenes, where no two trainings have anything in common.

    `difference` pairs the first seed of one arm with the first of the other. That is right where they share something,
    such as the order of their samples. Where they do not, any other pairing would be as good, and would give another
    interval. So here only scenes are paired; the variances of the seeds of all arms are added, with the degrees of
    freedom of Welch and Satterthwaite.

    Args:
        more: (seeds, scenes) of each arm that is added; the number of seeds may differ.
        less: likewise of each arm that is subtracted.
        rows: see `accuracy`.
        level: see `accuracy`.
        draws: see `accuracy`.
        seed: see `accuracy`.
    """
    arms = [np.atleast_2d(arm) for arm in (*more, *less)]
    signs = [1] * len(more) + [-1] * len(less)
    gap = sum(sign * arm.mean(0) for sign, arm in zip(signs, arms, strict=True))
    means = [arm.sum(1) / rows.sum() for arm in arms if len(arm) > 1]
    parts = np.array([mean.var(ddof=1) / len(mean) for mean in means])
    of_each = parts**2 @ np.array([1 / (len(mean) - 1) for mean in means])
    freedom = float(parts.sum() ** 2 / of_each) if of_each > 0 else 1.0
    scenes = _Spread.of(np.atleast_2d(gap), rows, draws, seed)
    return replace(scenes, of_seeds=float(parts.sum()), freedom=(scenes.freedom[0], freedom)).interval(level)


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same seeds and scenes.

    Attributes:
        difference: accuracy of the first minus that of the second, with its interval.
        p: probability of a difference at least as large where there is none, by the same statistic as the interval:
            it is below 1 - level exactly where the interval leaves out 0.
        detectable: the smallest true difference that this design sees with the power of `POWER`.
    """

    difference: Interval
    p: float
    detectable: float


POWER = 0.8
"""Probability with which a `detectable` difference is seen."""


def not_seen(detectable: float, largest: float = np.inf) -> str:
    """A null result in words, with what the design could have seen.

    Args:
        detectable: of a `Comparison`.
        largest: difference that there can be.
    """
    if detectable < largest:
        return f"not seen; {detectable:.3f} would be, with a power of {POWER:.0%}"
    return f"not seen; not even the largest possible would be, with a power of {POWER:.0%}"


def compare(
    right: np.ndarray, other: np.ndarray, rows: np.ndarray, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Comparison:
    """Compares two arms; see `difference` for the arguments."""
    return compare_all([(right, other, rows)], level, draws, seed)[0]


def compare_all(
    pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    stretch: Sequence[float] = (),
) -> list[Comparison]:
    """Compares the pairs of arms of a table.

    `detectable` is what is seen in spite of the number of pairs, in the strictest step of `holm`; for it alone, the
    spread of seeds is pooled over the pairs, since that of three or five seeds is hardly known. Interval and p are
    those of each pair alone.

    Args:
        pairs: right answers of two arms and rows, as in `difference`.
        level: see `difference`.
        draws: see `difference`.
        seed: see `difference`.
        stretch: that of `accuracy` for each pair; 1 by default.
    """
    spreads = [
        _Spread.of(_paired(right, other), rows, draws, seed, factor)
        for (right, other, rows), factor in zip(pairs, stretch or [1.0] * len(pairs), strict=True)
    ]
    return _compared(spreads, level, len(spreads))


def _compared(spreads: Sequence[_Spread], level: float, family: int) -> list[Comparison]:
    """Some comparisons of a table that has so many; see `compare_all`."""
    of_seeds = float(np.mean([spread.of_seeds for spread in spreads]))
    freedom = sum(spread.freedom[1] for spread in spreads)
    strict = 1 - (1 - level) / family  # the first, strictest step of Holm
    return [
        Comparison(spread.interval(level), spread.p, spread.detectable(strict, of_seeds, freedom)) for spread in spreads
    ]


def holm(values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number by Holm's step-down rule (1979), in the given order.

    Args:
        values: one for each comparison of a family.
    """
    order = np.argsort(values)
    scaled = [min(1.0, float(values[i]) * (len(values) - place)) for place, i in enumerate(order)]
    adjusted = np.empty(len(values))
    # a larger p never becomes smaller than a smaller one
    adjusted[order] = np.maximum.accumulate(scaled) if len(values) else []
    return adjusted.tolist()


TRAINED = 2.0
"""What a variance over the groups of one set is multiplied by, because the places that train are a sample as well.

Two equally good views of simulated sets of 60 to 375 places, told by nearest neighbours or a linear probe, differ with
1.1 to 1.9 times the variance that resampling what was told shows. Unstretched, 8 to 16 % of them were findings at 5 %;
stretched, 2 to 5 %. Nadeau and Bengio (2003) advise the same factor for leaving one out, by another argument.
"""


def group_weights(groups: np.ndarray, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each place is counted: once as it is, then in bootstrap samples of whole groups.

    Args:
        groups: (n,) group of each place; places of one group are not independent and are drawn together.
        draws: bootstrap samples.
        seed: of the bootstrap; the same groups and seed give the same samples, so that scores can be subtracted.

    Returns:
        (1 + draws, n) float64, the first row all 1.

    Raises:
        ValueError: if there are fewer than two groups.
    """
    _, number = np.unique(groups, return_inverse=True)
    if not len(number) or number.max() < 1:
        raise ValueError(f"intervals need at least two groups, got {len(set(np.asarray(groups).tolist()))}")
    times = _times_drawn(int(number.max()) + 1, draws, seed)
    return np.concatenate([np.ones((1, len(number))), times[:, number]])


@dataclass(frozen=True, eq=False)
class Resampled:
    """Any score, as it is and in bootstrap samples: of each seed of training and each repeat of the folds.

    Scores that were resampled alike can be subtracted. The interval of a difference is then paired, and so is that of
    a difference of differences.

    Attributes:
        value: (seeds, repeats) the score as it is.
        drawn: (seeds, repeats, draws) the score in each bootstrap sample.
        groups: how many groups were drawn from.
    """

    value: np.ndarray
    drawn: np.ndarray
    groups: int

    def __post_init__(self) -> None:
        if self.value.ndim != 2 or self.drawn.shape[:-1] != self.value.shape:
            raise ValueError(
                f"needs (seeds, repeats) scores and as many of each draw, got {self.value.shape} and {self.drawn.shape}"
            )
        if not (np.isfinite(self.value).all() and np.isfinite(self.drawn).all()):
            raise ValueError("a score is NaN or infinite; leave out of all arms alike what cannot be scored")

    def __sub__(self, other: Resampled) -> Resampled:
        """The paired difference; one seed stands against each of several.

        Raises:
            ValueError: if the two were not resampled alike, or have several seeds each, but not as many.
        """
        alike = (self.groups, *self.drawn.shape[1:]) == (other.groups, *other.drawn.shape[1:])
        if not alike or (len(self.value) != len(other.value) and 1 not in (len(self.value), len(other.value))):
            raise ValueError(
                "scores to subtract need the same groups, repeats and draws, and as many seeds (or one), got "
                f"{self.groups} groups, {self.drawn.shape} and {other.groups} groups, {other.drawn.shape}"
            )
        return Resampled(self.value - other.value, self.drawn - other.drawn, self.groups)

    def interval(self, level: float = 0.95, lowest: float = -np.inf, highest: float = np.inf) -> Interval:
        """The mean over seeds and repeats with its interval.

        Args:
            level: probability of coverage.
            lowest: smallest value that the score can have; the interval is cut there.
            highest: the largest.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        found = self._spread().interval(level)
        return replace(found, low=max(lowest, found.low), high=min(highest, found.high))

    def _spread(self) -> _Spread:
        """The three parts of the variance."""
        seeds, repeats = self.value.shape
        of_groups = TRAINED * float(self.drawn.mean((0, 1)).var(ddof=1)) * self.groups / (self.groups - 1)
        of_seeds = float(self.value.mean(1).var(ddof=1)) / seeds if seeds > 1 else 0.0
        of_repeats = float(self.value.mean(0).var(ddof=1)) / repeats if repeats > 1 else 0.0
        freedom = (self.groups - 1, max(seeds - 1, 1), max(repeats - 1, 1))
        return _Spread(float(self.value.mean()), of_groups, of_seeds, freedom, of_repeats)


def compare_resampled(differences: Sequence[Resampled], level: float = 0.95) -> list[Comparison]:
    """Compares the pairs of a table, as `compare_all` does, given the difference of each pair.

    The spread of seeds is pooled over pairs of as many seeds: one model against another has none, against several
    random twins it has theirs.
    """
    found: dict[int, Comparison] = {}
    for seeds in {len(one.value) for one in differences}:
        places = [place for place, one in enumerate(differences) if len(one.value) == seeds]
        compared = _compared([differences[place]._spread() for place in places], level, len(differences))
        found.update(zip(places, compared, strict=True))
    return [found[place] for place in range(len(differences))]


@dataclass(frozen=True)
class _Spread:
    """An estimate and the parts of its variance: by scenes, by seeds, and by repeats of folds where there are some."""

    value: float
    of_scenes: float
    of_seeds: float
    freedom: tuple[float, ...]
    of_repeats: float = 0.0

    @property
    def parts(self) -> np.ndarray:
        """As many as there are degrees of freedom."""
        return np.array([self.of_scenes, self.of_seeds, self.of_repeats][: len(self.freedom)])

    @classmethod
    def of(cls, right: np.ndarray, rows: np.ndarray, draws: int, seed: int, stretch: float = 1.0) -> _Spread:
        """Of sum(right) / sum(rows), averaged over seeds, and over repeats of folds where there are some."""
        seeds, *repeats, scenes = right.shape
        if rows.shape != (scenes,) or scenes < 2:
            raise ValueError(
                f"needs at least two scenes with a number of rows each, got {right.shape} and {rows.shape}"
            )
        bad = ~(np.isfinite(right).reshape(-1, scenes).all(0) & np.isfinite(rows))
        if bad.any():
            raise ValueError(
                f"{int(bad.sum())} of {scenes} scenes hold NaN or infinity; leave them out of all arms alike"
            )
        if (rows < 0).any() or not rows.any():
            raise ValueError(f"scenes have at least 0 rows, and some have rows, got {rows.min():g} to {rows.max():g}")
        once = right.mean(1) if repeats else right  # (seeds, scenes)
        times = _times_drawn(scenes, draws, seed)  # (draws, scenes)
        # whole scenes are drawn again, since the rows of one scene share its weather and are no independent answers
        drawn = times @ once.mean(0) / np.maximum(times @ rows, 1e-12)  # (draws,)
        # unbiased: a bootstrap variance is too small
        of_scenes = stretch * float(drawn.var(ddof=1)) * scenes / (scenes - 1)
        # every seed answers the same scenes, so that the spread between them is of training alone
        of_seeds = float((once.sum(1) / rows.sum()).var(ddof=1)) / seeds if seeds > 1 else 0.0
        value, freedom = float(once.mean(0).sum() / rows.sum()), (scenes - 1, max(seeds - 1, 1))
        if not repeats or repeats[0] < 2:
            return cls(value, of_scenes, of_seeds, freedom)
        by_repeat = right.mean(0).sum(1) / rows.sum()  # (repeats,)
        of_repeats = float(by_repeat.var(ddof=1)) / repeats[0]
        return cls(value, of_scenes, of_seeds, (*freedom, repeats[0] - 1), of_repeats)

    def reach(self, level: float) -> float:
        """Half of the width of the interval of that level."""
        from scipy.special import stdtrit

        quantiles = stdtrit(self.freedom, (1 + level) / 2)  # Student's, without the cost of scipy.stats
        return float(np.sqrt(quantiles**2 @ self.parts))

    def interval(self, level: float) -> Interval:
        """The interval of that level."""
        reach = self.reach(level)
        return Interval(self.value, self.value - reach, self.value + reach, level)

    @property
    def p(self) -> float:
        """1 - the level at which the interval ends at 0, by bisection."""
        low, high = 0.0, 1.0  # 40 halvings are more than a p-value is ever printed to
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self.reach(middle) < abs(self.value) else (low, middle)
        return 1 - low

    def detectable(self, level: float, of_seeds: float, freedom: float) -> float:
        """The true difference that intervals of that level leave 0 out of with probability `POWER`.

        What is estimated here is taken for the truth; a repetition would estimate both parts anew, each with its own
        degrees of freedom, which a thousand draws stand for.

        Args:
            level: of the intervals.
            of_seeds: variance by seeds, from so many degrees of freedom; its bias as a spread is taken off.
            freedom: see there.
        """
        from scipy.special import gammaln, ndtr, stdtrit

        bias = np.exp(gammaln(freedom / 2 + 0.5) - gammaln(freedom / 2)) / np.sqrt(freedom / 2)
        truth = self.parts
        truth[1] = of_seeds / bias**2
        quantiles = stdtrit(self.freedom, (1 + level) / 2)
        reaches = np.sqrt((_estimated_anew(self.freedom) * truth) @ quantiles**2)
        error = max(float(np.sqrt(truth.sum())), 1e-12)
        low, high = 0.0, float(reaches.max()) + 4 * error
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if ndtr((middle - reaches) / error).mean() < POWER else (low, middle)
        return high


@lru_cache(maxsize=4)
def _estimated_anew(freedom: tuple[float, ...], draws: int = 1000) -> np.ndarray:
    """(draws, parts) estimates of variances of 1 with so many degrees of freedom."""
    return np.random.default_rng(0).chisquare(freedom, (draws, len(freedom))) / freedom


@lru_cache(maxsize=4)
def _times_drawn(scenes: int, draws: int, seed: int) -> np.ndarray:
    """(draws, scenes) how often each scene is drawn in each bootstrap sample."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(scenes, np.full(scenes, 1 / scenes), draws).astype(float)


def _paired(right: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Right answers of one arm minus those of another, (seeds, scenes) or (seeds, repeats, groups)."""
    right, other = np.atleast_2d(right), np.atleast_2d(other)
    if right.shape != other.shape:
        raise ValueError(f"paired arms need the same seeds and scenes, got {right.shape} and {other.shape}")
    return right - other


def _interval(right: np.ndarray, rows: np.ndarray, level: float, draws: int, seed: int, stretch: float) -> Interval:
    """The interval of sum(right) / sum(rows), averaged over seeds."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    return _Spread.of(right, rows, draws, seed, stretch).interval(level)
