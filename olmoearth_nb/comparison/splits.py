"""How places are divided for a comparison: so that no neighbour of a tested place trains, and as if it did not matter.

A random split puts neighbours of a tested place among those that train. What it tells is how well places *between* the
labelled ones are told; a spatial split tells how well other places are told. The difference of the two is shown.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.evaluate import Evaluation
from olmoearth_nb.evaluation.folds import Folds, divide, published
from olmoearth_nb.evaluation.intervals import Comparison, Interval, compare_resampled
from olmoearth_nb.evaluation.metrics import bounds

COLUMNS = ("model", "probe", "metric", "spatial", "random", "difference", "low", "high")
"""Of `splits.csv`."""


@dataclass(frozen=True)
class SplitDifference:
    """What a model's score gains by a random split.

    Attributes:
        model: name.
        probe: name.
        spatial: score where no group is divided.
        random: score of the same places where groups are divided.
        comparison: random minus spatial.
    """

    model: str
    probe: str
    spatial: Interval
    random: Interval
    comparison: Comparison


def spatial(
    labelled: LabelledSet, count: int = 5, repeats: int = 5, ignore_split: bool = False
) -> tuple[Folds, Folds, list[str]]:
    """How places are divided for fitted probes and for nearest neighbours, no group in two parts; and notes.

    The publishers' split is taken where it divides no group. Otherwise folds are drawn.

    Args:
        labelled: the set.
        count: folds.
        repeats: how often they are drawn.
        ignore_split: whether folds are drawn in any case.

    Raises:
        ValueError: for fewer groups than folds.
    """
    split, notes = None if ignore_split else published(labelled), list[str]()
    if split is not None and not _divides(labelled, split):
        return split, split, notes
    if split is not None:
        notes.append("the published split is not used, it has places of one group on both sides; folds divide none")
    answers = np.asarray(labelled.answers)
    rare = [name for number, name in enumerate(labelled.classes) if 0 < (answers == number).sum() < count]
    if rare:
        notes.append(f"fewer places than folds: {', '.join(rare)}; in some rounds none of them trains")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # said above, by name
        return *divide(labelled, count, repeats, ignore_split=True), notes


def _divides(labelled: LabelledSet, folds: Folds) -> bool:
    """Whether a group is tested and trains as well."""
    groups, tested = np.asarray(labelled.groups), folds.tested
    return bool(np.isin(groups[tested], groups[~tested]).any())


def has_neighbours(labelled: LabelledSet) -> bool:
    """Whether any two places belong together; if none do, every split is a random one."""
    return len(np.unique(labelled.groups)) < len(labelled)


def as_if_random(labelled: LabelledSet, folds: Folds, count: int = 5, seed: int = 0) -> Folds:
    """A division that tests the same places as often, and takes no notice of groups.

    Args:
        labelled: the set.
        folds: a division that divides no group.
        count: folds, where each group was not left out alone.
        seed: of the draw.
    """
    tested, number = np.flatnonzero(folds.tested), folds.number.copy()
    answers = np.asarray(labelled.answers)[tested]
    if folds.name.startswith("leave one"):
        number[:, tested] = np.arange(len(tested))
        return Folds("leave one place out", number)
    for repeat in range(len(number)):
        generator = np.random.default_rng([seed + repeat, 9])
        order = np.lexsort((generator.random(len(tested)), answers))  # those of one class, or of like values, in a row
        rows = -(-len(tested) // count)
        dealt = generator.permuted(np.tile(np.arange(count), (rows, 1)), axis=1).reshape(-1)
        number[repeat, tested[order]] = dealt[: len(tested)]
    return Folds(f"{count} random folds", number)


def split_differences(spatial: Evaluation, random: Evaluation) -> list[SplitDifference]:
    """What each model's first score gains by a random split, with paired intervals.

    Args:
        spatial: scores where no group is divided.
        random: scores of the same places where groups are divided.
    """
    metric = spatial.metrics[0]
    keys = [(arm.name, probe) for arm in random.arms for probe in random.probes]
    pairs = [(spatial.scores[arm, probe, metric], random.scores[arm, probe, metric]) for arm, probe in keys]
    compared = compare_resampled([after - before for before, after in pairs])
    ends = bounds(metric)
    return [
        SplitDifference(arm, probe, before.interval(0.95, *ends), after.interval(0.95, *ends), one)
        for (arm, probe), (before, after), one in zip(keys, pairs, compared, strict=True)
    ]
