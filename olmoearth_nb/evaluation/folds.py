"""How a labelled set is divided: which places are tested in which round, and what trains for them.

Places of one group are never divided, since one would give the other away. Where the publishers of a set have split
it, their split is taken; a small set is answered in stratified folds, drawn several times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from olmoearth_nb.data.sets import LabelledSet

TRAINS, CHOOSES, DOES_BOTH = -1, -2, -3
"""Numbers of places that are never tested: they train, choose the strength of a probe, or choose it and then train."""

QUANTILES = 5
"""Classes that real values are put into, so that every fold has high and low ones."""

CHOSEN_ON = 5
"""A probe chooses its strength on one part in so many of the places that may train."""


@dataclass(frozen=True, eq=False)
class Round:
    """Positions of places in one round; those of `train` are all that a tested place may be told from.

    Attributes:
        train: what the final probe is fitted to.
        fit: what is fitted while the strength is chosen.
        check: what the strength is chosen on; none of `fit`.
        test: what is answered.
    """

    train: np.ndarray
    fit: np.ndarray
    check: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Folds:
    """A division of n places into rounds, drawn once or several times.

    Attributes:
        name: how it was made, for tables.
        number: (repeats, n) round in which each place is tested, or `TRAINS`, `CHOOSES` or `DOES_BOTH`.
    """

    name: str
    number: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """(n,) bool, the places that are tested, the same in every repeat."""
        return self.number[0] >= 0

    def rounds(self, repeat: int) -> Iterator[Round]:
        """The rounds of a repeat.

        Where no places are set apart for it, a probe chooses its strength on the places of the next rounds, a fifth of
        them, and is then fitted to all that may train.

        Args:
            repeat: from 0.
        """
        number = self.number[repeat]
        count = int(number.max()) + 1
        chooses = (number == CHOOSES) | (number == DOES_BOTH)
        for turn in range(count):
            train = (number != turn) & (number != CHOOSES)
            ahead = (number - turn) % count  # 1 for the next round
            next_ones = (number >= 0) & (number != turn) & (ahead <= max(1, (count - 1) // (CHOSEN_ON - 1)))
            check = chooses if chooses.any() else next_ones
            yield Round(*map(np.flatnonzero, (train, train & ~check, check, number == turn)))


def stratified(labelled: LabelledSet, count: int = 5, repeats: int = 10, seed: int = 0) -> Folds:
    """Folds with about the same classes (of real values the same quantiles) that divide no group.

    Args:
        labelled: the set.
        count: folds, at least 3: one is tested, one chooses, one trains.
        repeats: how often folds are drawn.
        seed: of the first; the next has the next.

    Raises:
        ValueError: for fewer folds than 3, or fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    _, group = np.unique(labelled.groups, return_inverse=True)
    groups = int(group.max(initial=-1)) + 1
    if not 3 <= count <= groups:
        raise ValueError(
            f"folds must be from 3 to the {groups} groups of {labelled.name}, which are not divided, got {count}"
        )
    if repeats < 1:
        raise ValueError(f"folds are drawn at least once, got repeats={repeats}")
    answers = _strata(labelled)
    largest = int(np.unique(answers, return_counts=True)[1].max())
    if largest < count:
        raise ValueError(
            f"no class of {labelled.name} has a place for each of {count} folds, the largest has {largest}; say "
            f"folds={largest}, or give more places"
        )
    number = np.empty((repeats, len(group)), np.int64)
    for repeat in range(repeats):
        # groups change their numbers and not their order: versions of scikit-learn differ in how they shuffle
        order = np.random.default_rng([seed + repeat, 5]).permutation(groups)
        divided = StratifiedGroupKFold(count).split(answers, answers, order[group])
        for turn, (_, tested) in enumerate(divided):
            number[repeat, tested] = turn
    times = "" if repeats == 1 else f", drawn {repeats} times"
    return Folds(f"{count} stratified folds{times}", number)


def _strata(labelled: LabelledSet) -> np.ndarray:
    """(n,) classes, or quantiles of real values."""
    answers = np.asarray(labelled.answers)
    if labelled.classes:
        return answers
    edges = np.quantile(answers, np.arange(1, QUANTILES) / QUANTILES)
    return np.searchsorted(edges, answers)


def leave_one_out(labelled: LabelledSet) -> Folds:
    """Each group is answered from all others: the most that a small set can train with."""
    known, group = np.unique(labelled.groups, return_inverse=True)
    if len(known) < 3:
        raise ValueError(f"{labelled.name} needs at least 3 groups to leave one out, it has {len(known)}")
    return Folds("leave one out" if len(known) == len(group) else "leave one group out", group[None].astype(np.int64))


def published(labelled: LabelledSet) -> Folds | None:
    """The split of the set's publishers; None where there is none.

    It is taken as it is, and named with the number of groups that it divides, if it does. Without a validation split
    the strength of a probe is chosen on every fifth group before all of them train.

    Raises:
        ValueError: if nothing trains or nothing is tested.
    """
    if labelled.split is None:
        return None
    split = np.asarray(labelled.split)
    if not (split == "train").any() or not (split == "test").any():
        raise ValueError(f"the split of {labelled.name} must train and test, it has {sorted(set(split.tolist()))}")
    number = np.select([split == "test", split == "valid"], [0, CHOOSES], TRAINS)
    tested, others = (set(np.asarray(labelled.groups)[part].tolist()) for part in (split == "test", split != "test"))
    if not (number == CHOOSES).any():
        _, group = np.unique(labelled.groups, return_inverse=True)
        number = np.where((number == TRAINS) & (group % CHOSEN_ON == 0), DOES_BOTH, number)
    divided = f", which divides {len(tested & others)} of the {len(tested)} tested groups" if tested & others else ""
    return Folds(f"the published split{divided}", number[None])


def divide(
    labelled: LabelledSet, count: int = 5, repeats: int = 10, knn_in_folds: bool = False, ignore_split: bool = False
) -> tuple[Folds, Folds]:
    """How places are divided for fitted probes, and for nearest neighbours.

    Args:
        labelled: the set; its published split is taken where it has one.
        count: folds otherwise.
        repeats: how often they are drawn.
        knn_in_folds: whether nearest neighbours are asked in folds as well, not with one group left out.
        ignore_split: whether to draw folds in place of the published split.
    """
    split = None if ignore_split else published(labelled)
    if split is not None:
        return split, split
    folds = stratified(labelled, count, repeats)
    return folds, folds if knn_in_folds else leave_one_out(labelled)
