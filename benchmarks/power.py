"""Which differences does a study on few labelled chips see? python benchmarks/power.py [--repetitions 1000]

Answers of arms are drawn whose true accuracies are known, and compared as a study compares them
(`intervals.compare_all` with the stretch of labelled sets, then `intervals.holm`), at growing true differences. The
table says at which one four repetitions in five are findings, for

* the difference of two arms, and
* the difference of two costs: what wrong names of bands cost one arm, minus what they cost another, paired over chips
  and seeds.

A chip is told rightly where the sum of what it has in common for all arms, for one arm, for an arm and a way to name
the bands, for an arm and a seed, and for all of these together lies below a threshold. The variances of the parts
follow from how often two answers disagree; those of `DISAGREE` were measured on real chips.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from olmoearth_nb.ablation.findings import LEVEL
from olmoearth_nb.evaluation.intervals import POWER, TRAINED, compare_all, holm

DISAGREE = {"arm": 0.25, "names and seed": 0.205, "names": 0.17, "seed": 0.17}
"""Fraction of chips on which two answers disagree that differ in the arm, in both, in the names alone, in the seed
alone: nearest neighbours (kNN-5) of the four arms of `data/studies/real_chips.yaml` on 375 chips, .24, .206, .173 and
.168."""

GROUPED = 0.35
"""Fraction of all variance that chips of a group share: two chips of a group disagree in being told in .37 of cases."""

SHARED_TRAINING = 1.9
"""True variance over groups, as a multiple of what groups that are drawn again show; the largest of those measured."""

GRID = np.array([0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.24, 0.28, 0.32, 0.36])
"""True differences that are tried; between two of them power is taken for linear."""

FAMILIES = (1, 3, 12)
"""Comparisons under Holm's rule, one of which has a difference; 1 is a primary comparison."""

SEEDS, SPREADS = (3, 5, 8), (0.01, 0.02, 0.03)

COLUMNS = ("what", "seeds", "seed_spread", "seen_spread", "family", "false", "difference", "repetitions")


@dataclass(frozen=True)
class Design:
    """A study of arms that are all compared with the first.

    Attributes:
        costs: whether what is compared is the cost of wrong names, and not accuracy.
        seeds: of training.
        seed_spread: standard deviation, over seeds, of the accuracy that an arm would have on all chips there are, with
            each way to name the bands apart. On a few chips seeds differ more.
        others: arms without a difference, beside the one with it.
        chips: that are tested.
        groups: that they lie in; of two or three chips where there are fewer than chips.
        level: accuracy of all arms; what wrong names cost all of them is taken off.
        cost: of wrong names.
    """

    costs: bool
    seeds: int
    seed_spread: float
    others: int = max(FAMILIES) - 1
    chips: int = 300
    groups: int = 250
    level: float = 0.6
    cost: float = 0.05

    @property
    def names(self) -> int:
        """Ways to name the bands."""
        return 2 if self.costs else 1

    @cached_property
    def group(self) -> np.ndarray:
        """(chips,) number of the group of each chip, in order."""
        # a fifth of the groups with more than one chip have three, as the real ones
        more = self.chips - self.groups
        three, two = more // 5, more - 2 * (more // 5)
        return np.repeat(
            np.arange(self.groups), np.r_[np.full(three, 3), np.full(two, 2), np.ones(self.groups - three - two, int)]
        )


@lru_cache(maxsize=1)
def variances(level: float = 0.6) -> dict[str, float]:
    """Variances of the parts of an answer, 1 in all, by which `DISAGREE` is what is seen."""
    threshold = ndtri(level)

    def correlation(disagree: float) -> float:
        def off(rho: float) -> float:
            both = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([threshold, threshold])
            return 2 * (level - float(both)) - disagree

        return float(brentq(off, 0.0, 0.999))

    chip, arm = correlation(DISAGREE["arm"]), correlation(DISAGREE["names and seed"])
    # answers of one seed differ by the names, and answers by the same names differ by the seed
    seed, names = correlation(DISAGREE["names"]) - arm, correlation(DISAGREE["seed"]) - arm
    return {"chip": chip, "arm": arm - chip, "names": names, "seed": seed, "all": 1 - arm - names - seed}


def latent(design: Design, generator: np.random.Generator) -> np.ndarray:
    """(arms, names, seeds, chips) how hard each chip is."""
    arms, found = design.others + 2, np.zeros(())
    shapes = {
        "chip": (1, 1, 1),
        "arm": (arms, 1, 1),
        "names": (arms, design.names, 1),
        "seed": (arms, 1, design.seeds),
        "all": (arms, design.names, design.seeds),
    }
    for part, variance in variances(design.level).items():
        of_group = generator.normal(size=(*shapes[part], design.groups))[..., design.group]
        of_chip = generator.normal(size=(*shapes[part], design.chips))
        found = found + np.sqrt(variance) * (np.sqrt(GROUPED) * of_group + np.sqrt(1 - GROUPED) * of_chip)
    return found


def by_group(design: Design, hard: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """(..., seeds, groups) right answers, or what is lost of them, of (..., names, seeds, chips) with (..., names,
    seeds) true accuracies.
    """
    right = hard < ndtri(np.clip(accuracy, 0.001, 0.999))[..., None]
    starts = np.searchsorted(design.group, np.arange(design.groups))
    right = np.add.reduceat(right.astype(float), starts, axis=-1)  # (..., names, seeds, groups)
    return right[..., 0, :, :] - right[..., 1, :, :] if design.costs else right[..., 0, :, :]


def p_values(design: Design, generator: np.random.Generator, shared: float) -> tuple[np.ndarray, np.ndarray, float]:
    """One repetition.

    Args:
        design: of the study.
        generator: of all that is drawn.
        shared: standard deviation of what all seeds of an arm share because the same places train.

    Returns:
        (others,) p of the arms without a difference, (grid,) p of the one with each true difference, and the standard
        deviation over seeds that is seen on the chips.
    """
    hard, rows = latent(design, generator), np.bincount(design.group).astype(float)
    shape = hard.shape[:-1]
    true = design.level - np.array([0, design.cost])[: design.names, None]  # (names, 1)
    true = true + generator.normal(0, design.seed_spread, shape) + generator.normal(0, shared, (*shape[:2], 1))
    told = by_group(design, hard, true)  # (arms, seeds, groups)
    pairs = [(told[arm], told[0], rows) for arm in range(2, len(told))]
    for difference in GRID:
        lower = true[1].copy()
        lower[-1] -= difference  # of the arm, or of the arm with wrong names
        pairs.append((by_group(design, hard[1], lower), told[0], rows))
    compared = compare_all(pairs, LEVEL, stretch=[TRAINED] * len(pairs))
    p = np.array([one.p for one in compared])
    seen = (hard[:, 0] < ndtri(np.clip(true[:, 0], 0.001, 0.999))[..., None]).mean(-1).std(1, ddof=1)
    return p[: design.others], p[design.others :], float(np.sqrt((seen**2).mean()))


def shared_spread(design: Design, draws: int = 50) -> float:
    """What `SHARED_TRAINING` comes to: the spread that each accuracy gets, so that their difference has its variance
    over groups so many times.
    """
    found = []
    for draw in range(draws):
        hard = latent(design, np.random.default_rng([7, draw]))
        told = by_group(design, hard, np.full(hard.shape[:-1], design.level)).mean(1)  # (arms, groups)
        found.append((told[1] - told[0]).var(ddof=1) * design.groups / design.chips**2)
    return float(np.sqrt((SHARED_TRAINING - 1) * np.mean(found) / (2 * design.names)))


def power(design: Design, repetitions: int) -> Iterator[dict[str, Any]]:
    """A row for each size of a family."""
    shared, found, false, seen = shared_spread(design), {size: np.zeros(len(GRID)) for size in FAMILIES}, [], []
    for repetition in range(repetitions):
        null, real, spread = p_values(design, np.random.default_rng([1, repetition]), shared)
        false.append((null < 1 - LEVEL).mean())
        seen.append(spread)
        for size in FAMILIES:
            adjusted = [holm([p, *null[: size - 1]])[0] for p in real]
            found[size] += np.array(adjusted) < 1 - LEVEL
    for size, times in found.items():
        what = "difference of two costs" if design.costs else "difference of two arms"
        about = (what, design.seeds, design.seed_spread, f"{np.mean(seen):.3f}", size, f"{np.mean(false):.3f}")
        reached = f"{crossing(times / repetitions):.3f}"
        yield dict(zip(COLUMNS, (*about, reached, repetitions), strict=True))


def crossing(powers: Sequence[float] | np.ndarray) -> float:
    """The difference of `GRID` at which power reaches `POWER`; NaN where the largest does not."""
    powers = np.maximum.accumulate(np.r_[0.0, powers])
    if powers[-1] < POWER:
        return float("nan")
    grid, last = np.r_[0.0, GRID], int(np.argmax(powers >= POWER))
    part = (POWER - powers[last - 1]) / (powers[last] - powers[last - 1])
    return float(grid[last - 1] + part * (grid[last] - grid[last - 1]))


def markdown(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each number of seeds and spread, a column for each family."""
    lines = ["| | seeds | spread of seeds | seen on the chips | primary | Holm, 3 | Holm, 12 | p < .05 without any |"]
    lines.append("|---" * 8 + "|")
    for at in range(0, len(rows), len(FAMILIES)):
        cells = [f"> {GRID[-1]:.2f}" if one["difference"] == "nan" else one["difference"] for one in rows[at:][:3]]
        first = rows[at]
        about = (first["what"], first["seeds"], f"{first['seed_spread']:.2f}", first["seen_spread"])
        lines.append(f"| {' | '.join(map(str, (*about, *cells, first['false'])))} |")
    return lines


def main() -> None:
    """Tables of all designs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("docs/results/power.csv"))
    given, start, rows = parser.parse_args(), time.perf_counter(), []
    designs = [Design(costs, n, spread) for costs in (False, True) for n in SEEDS for spread in SPREADS]
    for design in track(designs, "drawing studies", transient=True):
        rows += power(design, given.repetitions)
    with given.out.open("w", encoding="utf8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    print("\n".join(markdown(rows)))
    print(f"\n{given.repetitions} repetitions, {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
