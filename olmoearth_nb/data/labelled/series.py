"""Series of pixels with an answer each as a `LabelledSet`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property

import numpy as np

from olmoearth_nb.data.series import PixelSeries
from olmoearth_nb.sample import Batch, Sample

SPLITS = ("train", "valid", "test")


class SeriesSet:
    """Pixels, and one of their labels as the answer.

    Pixels without an answer, and those of which nothing was observed, are left out with a note.

    Args:
        series: the pixels, as `data.series.to_samples` reads them.
        label: name of the label that is the answer.
        groups: name of the label whose pixels must not be split, such as a field, a tile or a region.
        unit: of real values, such as "%" ("1" for plain numbers); without it, answers are classes.
        split: name of a label that holds "train", "valid" or "test".
        name: what tables call the set; by default the title of the series and the label.

    Raises:
        ValueError: for a label that there is not, or whose values are not of that kind.
    """

    def __init__(
        self,
        series: PixelSeries,
        label: str,
        *,
        groups: str | None = None,
        unit: str = "",
        split: str | None = None,
        name: str | None = None,
    ) -> None:
        given = _column(series, label)
        there = answered(given, label, unit)
        kept = np.flatnonzero(there & series.seen)
        if not len(kept):
            raise ValueError(f"no pixel of {series.title} has both an observed value and a {label}")
        self.series, self.name, self.unit = series.select(kept), name or f"{series.title}: {label}", unit
        values = given[kept]
        self.classes: tuple[str, ...] = ()
        self.answers = values.astype(np.float64) if unit else values
        if not unit:
            self.classes, self.answers = classes_of(values, label)
            _require_few(self.classes, values, label)
        self.groups = np.arange(len(kept)) if groups is None else groups_of(_column(self.series, groups), groups)
        self.split = None if split is None else _split(_column(self.series, split), split)
        self.notes = (*series.notes, *self._said(series, there, label, groups))

    def _said(self, series: PixelSeries, there: np.ndarray, label: str, groups: str | None) -> list[str]:
        """What was left out, and what groups there are."""
        unanswered, unseen = int((~there).sum()), int((there & ~series.seen).sum())
        return [
            *([f"{unanswered} pixels have no {label} and are left out"] if unanswered else []),
            *([f"nothing was observed of {unseen} pixels, which are left out"] if unseen else []),
            f"pixels of one {groups} are one group: {len(np.unique(self.groups))} groups of {len(self)} pixels"
            if groups
            else "no column says which pixels belong together, so neighbours may be in different folds: say groups=",
        ]

    def __len__(self) -> int:
        """How many pixels have an answer."""
        return len(self.series)

    @cached_property
    def ids(self) -> list[str]:
        """(n,) checksum of each pixel's dates and values."""
        parts = [self.series.timestamps, *self.series.images.values()]
        rows = np.concatenate([np.ascontiguousarray(part).reshape(len(self), -1).view(np.uint8) for part in parts], 1)
        return [hashlib.sha256(row).hexdigest() for row in rows]

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...], /) -> Batch:
        """Some of the pixels as one normalised batch."""
        return self.series.batch(numbers, modalities)

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] = ("sentinel2_l2a",)) -> list[Sample]:
        """Some of the pixels as samples of 1 x 1 px.

        Raises:
            ValueError: for a sensor that there is not.
        """
        absent = [name for name in modalities if name not in self.series.images]
        if absent:
            raise ValueError(f"{self.name} has no {', '.join(absent)}; it has {', '.join(self.series.images)}")
        some = replace(self.series, images={name: self.series.images[name] for name in modalities})
        return [some[number] for number in np.arange(len(self))[np.asarray(numbers)].tolist()]


def _column(series: PixelSeries, name: str) -> np.ndarray:
    """A label of the pixels."""
    if name not in series.labels:
        raise ValueError(f"{series.title} has no label {name!r}; it has {', '.join(series.labels) or 'none'}")
    return np.asarray(series.labels[name])


def answered(values: np.ndarray, label: str, unit: str = "") -> np.ndarray:
    """(n,) bool where there is an answer.

    Args:
        values: (n,) answers as a table holds them.
        label: their column.
        unit: of real values; empty for classes.

    Raises:
        ValueError: if real values are no numbers.
    """
    if unit:
        return _real_values(values, label)
    return np.array([not _absent(value) for value in values.tolist()], bool)


def _absent(value: object) -> bool:
    """Whether a value means that there is none: None, NaN, NaT, pandas' NA, an empty text."""
    return value is None or str(value).strip().lower() in ("", "nan", "nat", "<na>")


def _real_values(values: np.ndarray, label: str) -> np.ndarray:
    """Where there are real values."""
    if values.dtype.kind not in "iuf":
        raise ValueError(f"with unit=, {label} must hold numbers, it holds {values.dtype}; leave unit= out for classes")
    return np.isfinite(values)


def classes_of(values: np.ndarray, label: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the classes in order, and which of them each value is.

    Args:
        values: (n,) answers as a table holds them, none absent.
        label: their column.

    Raises:
        ValueError: for numbers with a fraction, or one class alone.
    """
    if values.dtype.kind == "f" and (values % 1).any():
        raise ValueError(f"{label} holds numbers with a fraction, such as {values[values % 1 != 0][0]:g}; say unit=")
    if values.dtype.kind == "f":  # whole numbers of a column that has gaps
        values = values.astype(np.int64)
    names, answers = np.unique(values if values.dtype.kind in "iub" else values.astype(str), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{label} has one value alone, {names[0]!s}: there is nothing to tell apart")
    return tuple(map(str, names)), answers.astype(np.int64)


def _require_few(classes: tuple[str, ...], values: np.ndarray, label: str) -> None:
    """Raises a ValueError for as many classes as real values have."""
    if len(classes) > len(values) / 2:
        raise ValueError(
            f"{label} has {len(classes)} different values in {len(values)} pixels, too many for classes; say unit= if "
            "they are real values"
        )


def groups_of(values: np.ndarray, name: str) -> np.ndarray:
    """Numbers of groups.

    Args:
        values: (n,) names of groups as a table holds them.
        name: their column.

    Raises:
        ValueError: if some are absent.
    """
    absent = sum(map(_absent, values.tolist()))
    if absent:
        raise ValueError(f"{absent} pixels have no {name}, so that nobody knows whether they may be split from others")
    return np.unique(values if values.dtype.kind in "iufb" else values.astype(str), return_inverse=True)[1]


def _split(values: np.ndarray, name: str) -> np.ndarray:
    """The published split."""
    found = values.astype(str)
    other = sorted({*found.tolist()} - {*SPLITS})
    if other:
        raise ValueError(f"{name} must hold {', '.join(SPLITS)}, it holds {', '.join(map(repr, other[:5]))}")
    return found
