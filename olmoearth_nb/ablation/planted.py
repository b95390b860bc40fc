"""Arms whose differences are known, to measure the evaluation itself: do intervals cover, are false findings rare?

Accuracy of an arm with a seed on a tile is the sum of a common level, the arm's planted difference, what the seed does
to all arms and to this one, and what the tile does to all arms and to this one. Answers are drawn from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olmoearth_nb.ablation.findings import LEVEL, findings
from olmoearth_nb.ablation.scores import Table
from olmoearth_nb.evaluation.intervals import Interval

BUDGET = "planted"


@dataclass(frozen=True)
class Design:
    """A study whose truth is known.

    Attributes:
        differences: of each arm from the baseline, which is not listed.
        tasks: how many; arms differ alike in all of them.
        seeds: of training.
        tiles: of the test.
        rows: mean number of answers a tile; tiles differ in it.
        level: accuracy of the baseline.
        seed_spread: standard deviation of what a seed does to all arms.
        own_seed_spread: to each arm apart.
        tile_spread: standard deviation of what a tile does to all arms.
        own_tile_spread: to each arm apart.
        repeats: how often folds are drawn, where tiles are groups of a labelled set; 0 for tiles that never train.
        fold_spread: what a drawing of folds does to an arm.
        trained: variance over groups in all, as a multiple of what groups that are drawn again show; what is above 1 is
            shared by all repeats and seeds, since the same places train.
    """

    differences: tuple[float, ...] = (0.0, 0.0)
    tasks: int = 6
    seeds: int = 5
    tiles: int = 120
    rows: int = 50
    level: float = 0.6
    seed_spread: float = 0.01
    own_seed_spread: float = 0.01
    tile_spread: float = 0.08
    own_tile_spread: float = 0.03
    repeats: int = 0
    fold_spread: float = 0.0
    trained: float = 1.0

    @property
    def arms(self) -> tuple[str, ...]:
        """Names."""
        return ("baseline", *(f"arm {number}" for number in range(1, len(self.differences) + 1)))


def draw(design: Design, generator: np.random.Generator) -> Table:
    """One repetition of a study."""
    right, rows, names = {}, {}, tuple(f"task {number}" for number in range(design.tasks))
    for task in names:
        rows[task] = 1 + generator.poisson(design.rows - 1, design.tiles)
        of_seed = generator.normal(0, design.seed_spread, (design.seeds, 1))
        of_tile = generator.normal(0, design.tile_spread, (1, design.tiles))
        for arm, difference in zip(design.arms, (0.0, *design.differences), strict=True):
            own_seed = generator.normal(0, design.own_seed_spread, (design.seeds, 1))
            own_tile = generator.normal(0, design.own_tile_spread, (1, design.tiles))
            chance = design.level + difference + of_seed + of_tile + own_seed + own_tile
            answers = _in_folds if design.repeats else _once
            right[arm, BUDGET, task] = answers(design, chance, rows[task], generator)
    tiles = {task: np.arange(design.tiles) for task in names}
    return Table(design.arms, tuple(range(design.seeds)), (BUDGET,), names, right, rows, tiles)


def _once(design: Design, chance: np.ndarray, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(seeds, tiles) right answers with so large chances."""
    return generator.binomial(rows, np.clip(chance, 0, 1)).astype(float)


def _in_folds(design: Design, chance: np.ndarray, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(seeds, repeats, groups) right answers: a place that is easy is easy in every repeat."""
    # half of the variance of a difference, since it has two arms
    of_answers = (np.clip(chance, 0.01, 0.99) * (1 - np.clip(chance, 0.01, 0.99)) / rows).mean()
    of_groups = (of_answers / design.seeds + design.own_tile_spread**2) / len(rows)
    trained = generator.normal(0, np.sqrt((design.trained - 1) * of_groups))
    of_fold = generator.normal(0, design.fold_spread, (1, design.repeats, 1))
    places = generator.uniform(size=(design.seeds, 1, len(rows), rows.max()))
    asked = np.arange(rows.max()) < rows[:, None]  # (groups, most)
    told = places < (chance[:, None] + trained + of_fold)[..., None]
    return (told & asked).sum(-1).astype(float)


@dataclass(frozen=True)
class Behaviour:
    """What the comparisons did over many repetitions.

    Attributes:
        false: fraction of comparisons without a difference whose p is below 1 - level.
        false_in_table: fraction of repetitions with any false finding after Holm's rule; all true arms left out.
        power: fraction of comparisons with a difference that are found, before Holm's rule.
        power_holm: the same after it.
        covered: fraction of intervals that hold the truth.
        detectable: mean of the smallest detectable difference that is printed.
    """

    false: float
    false_in_table: float
    power: float
    power_holm: float
    covered: float
    detectable: float


def behaviour(design: Design, repetitions: int, seed: int = 0) -> Behaviour:
    """Draws a study many times and counts what the comparisons say; what there is none of is NaN."""
    truth = dict(zip(design.arms[1:], design.differences, strict=True))
    seen: dict[str, list[float]] = {name: [] for name in Behaviour.__dataclass_fields__}
    for repetition in range(repetitions):
        found = findings(draw(design, np.random.default_rng([seed, repetition])), BUDGET)
        null = [one for one in found if truth[one.arm] == 0]
        real = [one for one in found if truth[one.arm] != 0]
        seen["false"] += [one.comparison.p < 1 - LEVEL for one in null]
        seen["false_in_table"] += [any(one.p_holm < 1 - LEVEL for one in null)] if null else []
        seen["power"] += [one.comparison.p < 1 - LEVEL for one in real]
        seen["power_holm"] += [one.p_holm < 1 - LEVEL for one in real]
        seen["covered"] += [_holds(one.comparison.difference, truth[one.arm]) for one in found]
        seen["detectable"] += [one.comparison.detectable for one in found]
    return Behaviour(**{name: _mean(values) for name, values in seen.items()})


def _holds(interval: Interval, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return interval.low <= truth <= interval.high


def _mean(values: Sequence[float]) -> float:
    """Mean, NaN of none."""
    return float(np.mean(values)) if len(values) else float("nan")
