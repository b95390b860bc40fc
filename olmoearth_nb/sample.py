"""`Sample`, one place on Earth as every loader returns it, and `Batch`, what the encoder reads.

A `Sample` holds raw values as the archive delivers them (digital numbers, dB, class codes). A `Batch`
holds normalised tensors. Keeping the two as two types means nobody normalises twice, or never.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, modality
from olmoearth_nb.errors import printable
from olmoearth_nb.georeference import Georeference, degrees
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.tokenization import Tokenization


@dataclass(frozen=True, eq=False)
class Sample:
    """One place: raw images of one or more modalities on one pixel grid and one axis of dates.

    Attributes:
        images: modality name -> (H, W, T, C) float32 raw values, channels in the order of `bands`;
            unobserved values are `bands.MISSING`. Maps have T = 1.
        timestamps: (T, 3) integers: day 1..31, month 0..11, year.
        title: what to call it in a figure.
        provenance: where it comes from, in words; simulated data say so here.
        notes: what the loader had to assume or change, one sentence each.
        georeference: where the pixels lie on Earth, if the loader knows it.
    """

    images: Mapping[str, np.ndarray]
    timestamps: np.ndarray
    title: str = "sample"
    provenance: str = "unknown"
    notes: tuple[str, ...] = field(default=())
    georeference: Georeference | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise ValueError("a sample needs at least one image")
        images = {name: _plain(image) for name, image in self.images.items()}
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "timestamps", np.asarray(self.timestamps, dtype=np.int64))  # frozen: set once, here
        for name in ("title", "provenance"):
            object.__setattr__(self, name, printable(getattr(self, name)))
        object.__setattr__(self, "notes", tuple(printable(note) for note in self.notes))
        steps = len(self.timestamps)
        if np.shape(self.timestamps) != (steps, 3) or not 1 <= steps <= MAX_TIMESTEPS:
            raise ValueError(
                f"timestamps must be (T, 3) with T from 1 to {MAX_TIMESTEPS}, got {np.shape(self.timestamps)}"
            )
        for day, month, year in self.timestamps.tolist():
            _check_date(day, month, year)
        sizes = {image.shape[:2] for image in self.images.values()}
        if len(sizes) > 1:
            raise ValueError(f"all images must cover the same pixels, got sizes {sorted(sizes)}")
        for name, image in self.images.items():
            _check_image(name, image, steps)

    def __repr__(self) -> str:
        """Title, shapes, dates, place and the number of notes, in one line."""
        shapes = ", ".join(f"{name} {'x'.join(map(str, image.shape))}" for name, image in self.images.items())
        place = "place unknown"
        if self.georeference is not None:
            try:
                place = degrees(*self.georeference.centre(*self.shape))
            except ValueError:  # a system that nobody knows is named all the same
                place = f"in {self.georeference.crs}"
        days = " to ".join(dict.fromkeys([self.dates[0], self.dates[-1]]))
        return f"Sample({self.title}: {shapes}; {days}; {place}; notes: {len(self.notes)})"

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the images' modalities."""
        return tuple(self.images)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = next(iter(self.images.values())).shape[:2]
        return height, width

    @property
    def dates(self) -> list[str]:
        """ISO dates of the timesteps."""
        return [f"{year:04d}-{month + 1:02d}-{day:02d}" for day, month, year in self.timestamps.tolist()]

    def grid(self, tokenization: Tokenization, patch_size: int) -> TokenGrid:
        """The token grid of this sample."""
        return TokenGrid.build({k: v.shape for k, v in self.images.items()}, tokenization, patch_size)

    def select_times(self, steps: Sequence[int]) -> Sample:
        """The sample at the given timesteps only; maps stay."""
        steps = list(steps)
        images = {k: v[:, :, steps] if modality(k).multitemporal else v for k, v in self.images.items()}
        return replace(self, images=images, timestamps=self.timestamps[steps])

    def join(self, *others: Sample, days: int = 15) -> Sample:
        """This sample and others of the same pixels and other sensors, on one axis of dates.

        Two sensors rarely look on the same day. Dates of the others go to the nearest date of this sample that is at
        most `days` away, each date of this sample taking one of theirs; those without any become timesteps of their
        own, where this sample has not observed anything.

        Args:
            others: samples on the same pixel grid, without modalities that are here already.
            days: how far apart dates may be to count as one, 0 for the same day alone.

        Raises:
            ValueError: for modalities that are there twice, other pixels, or more dates than the models take.
        """
        joined = self
        for other in others:
            joined = _joined(joined, other, days)
        return joined

    def window(self, row: int, column: int, height: int, width: int | None = None) -> Sample:
        """The rectangle of so many pixels, by default a square, whose upper left corner is given.

        It ends where the sample ends.

        Raises:
            ValueError: if the corner lies outside, or the window has no pixel.
        """
        height, width = window_size(self.shape, row, column, height, width)
        inside = slice(row, row + height), slice(column, column + width)
        return replace(
            self,
            images={name: image[inside] for name, image in self.images.items()},
            georeference=self.georeference and self.georeference.shifted(row, column),
        )


def _plain(image: np.ndarray) -> np.ndarray:
    """An image as contiguous float32; what a numpy mask hides is `MISSING`."""
    if isinstance(image, np.ma.MaskedArray):
        image = np.ma.filled(image.astype(np.float32), MISSING)
    return np.ascontiguousarray(image, dtype=np.float32)


MOST = 1e7
"""Larger values, in whatever unit, are damage or fill values."""

YEARS = range(1972, 2101)
"""Years that a date may have: from the first Landsat on."""


def window_size(
    shape: tuple[int, int], row: int, column: int, height: int, width: int | None = None
) -> tuple[int, int]:
    """Height and width of a window, by default a square, that ends where its scene ends.

    Args:
        shape: height and width of the scene in pixels.
        row: of the window's upper left corner.
        column: likewise.
        height: that is asked for.
        width: likewise.

    Raises:
        ValueError: if the corner lies outside, or the window has no pixel.
    """
    rows, columns = shape
    width = height if width is None else width
    if not (0 <= row < rows and 0 <= column < columns):
        raise ValueError(f"row {row}, column {column} is no pixel of {rows}x{columns}")
    if height < 1 or width < 1:
        raise ValueError(f"a window has at least one row and one column, got {height}x{width}")
    return min(height, rows - row), min(width, columns - column)


def _joined(one: Sample, other: Sample, days: int) -> Sample:
    """Two samples as one; see `Sample.join`."""
    if not isinstance(other, Sample):
        raise ValueError(f"a sample is joined with samples, got {type(other).__name__}")
    twice = sorted({*one.images} & {*other.images})
    if twice:
        raise ValueError(f"both samples have {', '.join(twice)}; a sample has each sensor once")
    if one.shape != other.shape:
        raise ValueError(f"samples to join must cover the same pixels, got {one.shape} and {other.shape}")
    places = one.georeference, other.georeference
    if None not in places and places[0] != places[1]:
        raise ValueError(f"samples to join must lie on the same pixels, got {places[0]} and {places[1]}")
    if isinstance(days, bool) or not isinstance(days, (int, np.integer)) or days < 0:
        raise ValueError(f"days is a whole number from 0 on, got {days!r}")
    mine, theirs = _ordinals(one), _ordinals(other)
    shared = _paired(mine, theirs, days)
    axis = sorted([*mine, *(day for j, day in enumerate(theirs) if j not in shared)])
    if len(axis) > MAX_TIMESTEPS:
        raise ValueError(
            f"together the samples have {len(axis)} dates, the models take {MAX_TIMESTEPS}; choose some by "
            f"select_times, or let more count as one by a larger days= than {days}"
        )
    moved = max((abs(mine[i] - theirs[j]) for j, i in shared.items()), default=0)
    note = [f"dates of {', '.join(other.images)} were moved by up to {moved} days"] if moved else []
    at_mine = _positions(axis, mine)
    at_theirs = _positions(axis, [mine[shared[j]] if j in shared else day for j, day in enumerate(theirs)])
    return replace(
        one,
        images={name: _spread(image, name, at_mine, len(axis)) for name, image in one.images.items()}
        | {name: _spread(image, name, at_theirs, len(axis)) for name, image in other.images.items()},
        timestamps=np.array([(day.day, day.month - 1, day.year) for day in map(dt.date.fromordinal, axis)])
        if axis
        else one.timestamps,
        provenance=" and ".join(dict.fromkeys([one.provenance, other.provenance])),
        notes=tuple(dict.fromkeys([*one.notes, *other.notes, *note])),
        georeference=one.georeference or other.georeference,
    )


def _ordinals(sample: Sample) -> list[int]:
    """Days of the timesteps, counted from the year 1; none of maps, which have no date that a model reads."""
    if not any(modality(name).multitemporal for name in sample.images):
        return []
    return [dt.date(year, month + 1, day).toordinal() for day, month, year in sample.timestamps.tolist()]


def _paired(mine: list[int], theirs: list[int], days: int) -> dict[int, int]:
    """Timestep of theirs -> timestep of mine that shows the same time, nearest pairs first, in the order of time."""
    near = sorted((abs(a - b), i, j) for i, a in enumerate(mine) for j, b in enumerate(theirs) if abs(a - b) <= days)
    shared: dict[int, int] = {}
    for _, i, j in near:
        if all((i - other) * (j - known) > 0 for known, other in shared.items()):
            shared[j] = i
    return shared


def _positions(axis: list[int], days: list[int]) -> list[int]:
    """Place of each day on the axis; days that are there twice stand one behind the other."""
    return [axis.index(day) + days[:i].count(day) for i, day in enumerate(days)]


def _spread(image: np.ndarray, name: str, places: list[int], steps: int) -> np.ndarray:
    """(H, W, steps, C) image with its timesteps at their places, `MISSING` elsewhere; a map as it is."""
    if not modality(name).multitemporal:
        return image
    full = np.full((*image.shape[:2], steps, image.shape[3]), MISSING, dtype=np.float32)
    full[:, :, places] = image
    return full


def _check_date(day: int, month: int, year: int) -> None:
    """Raise a ValueError unless there is such a day, its month counted from 0."""
    if not 0 <= month <= 11:
        raise ValueError(f"months run from 0 (January) to 11, got {month}")
    if year not in YEARS:
        raise ValueError(f"years run from {YEARS[0]} to {YEARS[-1]}, got {year}")
    days = calendar.monthrange(year, month + 1)[1]
    if not 1 <= day <= days:
        raise ValueError(f"days of {calendar.month_name[month + 1]} {year} run from 1 to {days}, got {day}")


def _check_image(name: str, image: np.ndarray, steps: int) -> None:
    """Raise a ValueError unless the image has its modality's shape and holds numbers."""
    spec = modality(name)
    want = (steps if spec.multitemporal else 1, len(spec.bands))
    if image.ndim != 4 or image.shape[2:] != want:
        raise ValueError(f"{spec.title} must be (H, W, {want[0]}, {want[1]}), got {image.shape}")
    if not np.isfinite(image).all():
        raise ValueError(f"{spec.title} holds NaN or infinite values; mark unobserved pixels with {MISSING:.0f}")
    largest = float(np.abs(image).max(initial=0))
    if largest > MOST:
        raise ValueError(f"{spec.title} holds values up to {largest:g} in size, which no sensor and no map has")


@dataclass(frozen=True, eq=False)
class Batch:
    """What the encoder reads: normalised images and timestamps of B samples.

    Attributes:
        images: modality name -> (B, H, W, T, C) float tensor, normalised; `bands.MISSING` where unobserved.
        timestamps: (B, T, 3) integer tensor: day, month 0..11, year.
    """

    images: Mapping[str, Tensor]
    timestamps: Tensor

    def __post_init__(self) -> None:
        if self.timestamps.ndim != 3 or self.timestamps.shape[-1] != 3 or self.timestamps.is_floating_point():
            raise ValueError(f"timestamps must be integers of shape (B, T, 3), got {tuple(self.timestamps.shape)}")
        samples, steps = self.timestamps.shape[:2]
        for name, image in self.images.items():
            spec = modality(name)
            want = (steps if spec.multitemporal else 1, len(spec.bands))
            if image.ndim != 5 or len(image) != samples or tuple(image.shape[3:]) != want:
                raise ValueError(
                    f"{spec.title} must be ({samples}, H, W, {want[0]}, {want[1]}) to go with timestamps of shape "
                    f"{tuple(self.timestamps.shape)}, got {tuple(image.shape)}"
                )
        sizes = {tuple(image.shape[1:3]) for image in self.images.values()}
        if len(sizes) > 1:  # row and column of a token mean the same pixels in every modality
            raise ValueError(f"all images must cover the same pixels, got sizes {sorted(sizes)}")

    @classmethod
    def from_samples(cls, samples: Sample | Sequence[Sample]) -> Batch:
        """Normalises and stacks samples that have the same modalities and shapes."""
        samples = [samples] if isinstance(samples, Sample) else list(samples)
        if not samples:
            raise ValueError("a batch needs at least one sample")
        names = list(samples[0].images)
        if any(set(sample.images) != set(names) for sample in samples):
            raise ValueError(f"samples of one batch need the same modalities, got {[list(s.images) for s in samples]}")
        images = {
            name: modality(name).normalize(torch.stack([torch.from_numpy(s.images[name]) for s in samples]))
            for name in names
        }
        return cls(images, torch.stack([torch.from_numpy(s.timestamps) for s in samples]))

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.timestamps)

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device."""
        return Batch({k: v.to(device) for k, v in self.images.items()}, self.timestamps.to(device))

    def grid(self, tokenization: Tokenization, patch_size: int) -> TokenGrid:
        """The token grid of every sample of this batch."""
        return TokenGrid.build({k: v.shape[1:] for k, v in self.images.items()}, tokenization, patch_size)


def _flattened(batch: Batch) -> tuple[list[Any], Any]:
    """What a batch holds, in order, and the names of its images."""
    return [*batch.images.values(), batch.timestamps], list(batch.images)


def _flattened_with_keys(batch: Batch) -> tuple[list[tuple[Any, Any]], Any]:
    """The same, each part with the attribute that it is."""
    parts, names = _flattened(batch)
    return list(zip([*map(_pytree.MappingKey, names), _pytree.GetAttrKey("timestamps")], parts, strict=True)), names


def _unflattened(parts: Iterable[Any], names: list[str]) -> Batch:
    """A batch of what stands for its tensors, such as their shapes; so nothing is checked."""
    *images, timestamps = parts
    batch = object.__new__(Batch)
    object.__setattr__(batch, "images", dict(zip(names, images, strict=True)))
    object.__setattr__(batch, "timestamps", timestamps)
    return batch


_pytree.register_pytree_node(  # so that torch.export takes a batch; the names of its images are part of the program
    Batch,
    _flattened,
    _unflattened,
    serialized_type_name=f"{Batch.__module__}.{Batch.__qualname__}",
    flatten_with_keys_fn=_flattened_with_keys,
)
