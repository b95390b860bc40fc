"""Parts of a labelled set that share no group: one to choose by, the others to test on.

A division depends on the ids, groups and answers of the places alone. It is the same on every machine, in whatever
order the places are listed, and it needs no seed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.errors import counted
from olmoearth_nb.sample import Batch, Sample

QUANTILES = 5
"""Classes that real values are put into, so that every part has high and low ones."""

_WRITTEN = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?/([0-9]{1,4})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """One of the equal parts of a set, or several in a row; "1/5" is one of five, "2-5/5" are all others.

    Attributes:
        first: counted from 1.
        last: the same as `first` where it is one alone.
        count: how many parts the set is divided into.
    """

    first: int
    last: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= self.count or self.last - self.first + 1 == self.count:
            raise ValueError(f"there is no part {self}: a part is '1/5', or '2-5/5' for several in a row, but not all")

    @classmethod
    def parse(cls, text: str) -> Part:
        """A part as people write it.

        Raises:
            ValueError: if it is none, or all of the set.
        """
        found = _WRITTEN.fullmatch(str(text).replace(" ", ""))
        if found is None:
            raise ValueError(f"a part is written '1/5', or '2-5/5' for several in a row, got {text!r:.50}")
        first, last, count = found.groups()
        return cls(int(first), int(last or first), int(count))

    def __str__(self) -> str:
        return f"{self.first}/{self.count}" if self.first == self.last else f"{self.first}-{self.last}/{self.count}"

    def meets(self, other: Part) -> bool:
        """Whether both may have a place in common; those of different divisions may."""
        return self.count != other.count or (self.first <= other.last and other.first <= self.last)


class PartSet:
    """A part of a labelled set as a `LabelledSet`.

    Args:
        whole: the set.
        part: of it.

    Raises:
        ValueError: if the set has fewer groups than it is divided into.
    """

    def __init__(self, whole: LabelledSet, part: Part) -> None:
        number = divided(whole, part.count)
        kept = np.flatnonzero((number >= part.first) & (number <= part.last))
        self.whole, self.part, self.numbers = whole, part, kept
        self.name, self.classes, self.unit = f"{whole.name} (part {part})", whole.classes, whole.unit
        self.answers, self.groups = np.asarray(whole.answers)[kept], np.asarray(whole.groups)[kept]
        self.split = None if whole.split is None else np.asarray(whole.split)[kept]
        self.ids = tuple(whole.ids[place] for place in kept.tolist())

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the whole set, and what this part of it is."""
        groups = f"{len(np.unique(self.groups))} of {len(np.unique(self.whole.groups))} groups"
        places = f"{len(self)} of {counted(len(self.whole), 'place')}"
        return (*self.whole.notes, f"part {self.part} of the set, divided by groups and classes: {places}, {groups}")

    def __len__(self) -> int:
        """How many places there are."""
        return len(self.numbers)

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...], /) -> Batch:
        """Some of the places as one normalised batch."""
        return self.whole.batch(self.numbers[np.asarray(numbers)], modalities)

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] = ("sentinel2_l2a",)) -> list[Sample]:
        """Some of the places as samples."""
        return self.whole.samples(self.numbers[np.asarray(numbers)], modalities)


def divided(labelled: LabelledSet, count: int) -> np.ndarray:
    """(n,) the part of each place, from 1, with about the same classes in all parts and no group in two.

    Groups are dealt out, the largest first and equal ones in an order drawn from their ids: each goes to the part that
    has the fewest places of its classes so far. All numbers are whole, so that no rounding tells machines apart.

    Args:
        labelled: the set.
        count: parts.

    Raises:
        ValueError: if there are fewer groups than parts.
    """
    _, group = np.unique(labelled.groups, return_inverse=True)
    groups = int(group.max(initial=-1)) + 1
    if groups < count:
        raise ValueError(
            f"{labelled.name} cannot be divided into {count} parts, it has {counted(groups, 'group')}, which are not "
            "divided"
        )
    keys = np.array([hashlib.sha256(name.encode()).hexdigest() for name in labelled.ids])
    strata = _strata(labelled, keys)
    held = np.zeros((groups, int(strata.max()) + 1), np.int64)
    np.add.at(held, (group, strata), 1)
    backwards = np.argsort(keys, kind="stable")[::-1]
    lowest = np.empty(groups, keys.dtype)
    lowest[group[backwards]] = keys[backwards]  # the lowest key of a group is the last that is written
    weights = 10**9 // np.maximum(held.sum(0), 1)  # rare classes count as much as common ones
    parts, number = np.zeros((count, held.shape[1]), np.int64), np.empty(groups, np.int64)
    for one in np.lexsort((lowest, -held.sum(1))).tolist():
        part = int(np.lexsort((parts.sum(1), parts @ (weights * held[one])))[0])
        number[one] = part
        parts[part] += held[one]
    return 1 + number[group]


def _strata(labelled: LabelledSet, keys: np.ndarray) -> np.ndarray:
    """(n,) classes, or quantiles of real values."""
    answers = np.asarray(labelled.answers)
    if labelled.classes:
        return answers
    strata = np.empty(len(answers), np.int64)
    strata[np.lexsort((keys, answers))] = np.arange(len(answers)) * QUANTILES // len(answers)
    return strata
