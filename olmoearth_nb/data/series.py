"""Series of single pixels in a batch: a table of pixels x dates x bands goes through the checks of `to_sample` at once.

crops = to_samples("crops.parquet", columns="{band}_{step}", dates=MONTHS, nodata=65535, labels=["crop"])
embeddings = embed(encoder, crops, patch_size=1)
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
import torch

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, SENTINEL2, Modality, modality
from olmoearth_nb.data.arrays import Date, parse_dates, to_sample
from olmoearth_nb.data.steps import require_agreement
from olmoearth_nb.data.tables import Columns, Series, labels_of, long, read_table, wide
from olmoearth_nb.data.units import PERCENT
from olmoearth_nb.errors import counted
from olmoearth_nb.sample import Batch, Sample

_LEAST = 6
"""Values that a pixel is judged by at least."""


@dataclass(frozen=True, eq=False)
class PixelSeries:
    """N pixels, each with its values at T dates; a `Sample` of 1 x 1 px each, kept together.

    Attributes:
        images: modality name -> (N, T, C) float32 raw values, channels in the order of `bands`; `bands.MISSING` where
            unobserved.
        timestamps: (N, T, 3) integers: day 1..31, month 0..11, year.
        labels: name -> (N,) what came along, such as a crop or a group.
        title: what to call them.
        provenance: where they come from, in words.
        notes: what the loader had to assume or change, one sentence each.
    """

    images: Mapping[str, np.ndarray]
    timestamps: np.ndarray
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    title: str = "pixels"
    provenance: str = "unknown"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels, steps = self.timestamps.shape[:2]
        for name, image in self.images.items():
            want = (pixels, steps, len(modality(name).bands))
            if image.shape != want or not modality(name).multitemporal:
                raise ValueError(f"{modality(name).title} must be a sensor's (N, T, C) = {want}, got {image.shape}")
        wrong = {name: len(values) for name, values in self.labels.items() if len(values) != pixels}
        if wrong:
            lengths = ", ".join(f"{count} of {name}" for name, count in wrong.items())
            raise ValueError(f"labels need one value for each pixel, {pixels}, got {lengths}")

    def __len__(self) -> int:
        """N."""
        return len(self.timestamps)

    def __repr__(self) -> str:
        """Title and shapes, in one line."""
        shapes = ", ".join(f"{name} {'x'.join(map(str, image.shape))}" for name, image in self.images.items())
        return (
            f"PixelSeries({self.title}: {shapes}; labels: {', '.join(self.labels) or 'none'}; notes: {len(self.notes)})"
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the sensors."""
        return tuple(self.images)

    @property
    def seen(self) -> np.ndarray:
        """(N,) bool, True = something was observed; the encoder has nothing to say of the others."""
        return np.any([(image != MISSING).any((1, 2)) for image in self.images.values()], axis=0)

    def __getitem__(self, index: int) -> Sample:
        """One pixel as a sample of 1 x 1 px."""
        number = range(len(self))[index]  # an IndexError behind the end, so that it can be iterated
        images = {name: image[number][None, None] for name, image in self.images.items()}
        return Sample(images, self.timestamps[number], f"{self.title}, pixel {number}", self.provenance, self.notes)

    def select(self, which: np.ndarray | Sequence[int] | slice) -> PixelSeries:
        """Some of the pixels: numbers, a mask of N, or a slice."""
        rows = np.arange(len(self))[which if isinstance(which, slice) else np.asarray(which)]
        return replace(
            self,
            images={name: image[rows] for name, image in self.images.items()},
            timestamps=self.timestamps[rows],
            labels={name: values[rows] for name, values in self.labels.items()},
        )

    def batch(self, pixels: np.ndarray | Sequence[int], modalities: Sequence[str] | None = None) -> Batch:
        """Some pixels as one normalised batch of 1 x 1 px.

        Args:
            pixels: (n,) their numbers.
            modalities: sensors; by default all.

        Raises:
            ValueError: for a sensor that there is not.
        """
        names = self.modalities if modalities is None else tuple(modalities)
        absent = [name for name in names if name not in self.images]
        if absent:
            raise ValueError(f"{self.title} has no {', '.join(absent)}; it has {', '.join(self.images)}")
        rows = np.asarray(pixels, dtype=np.int64)
        raw = {name: torch.from_numpy(self.images[name][rows])[:, None, None] for name in names}
        images = {name: modality(name).normalize(values) for name, values in raw.items()}
        return Batch(images, torch.from_numpy(self.timestamps[rows]))

    def join(self, other: PixelSeries) -> PixelSeries:
        """These pixels with a further sensor, of the same pixels in the same order and at the same dates.

        Raises:
            ValueError: for other pixels, dates or sensors that are there already.
        """
        if not isinstance(other, PixelSeries):
            raise ValueError(f"pixels are joined with pixels of to_samples, got {type(other).__name__}")
        twice = sorted({*self.images} & {*other.images})
        if twice:
            raise ValueError(f"both have {', '.join(twice)}; a pixel has each sensor once")
        if self.timestamps.shape != other.timestamps.shape or (self.timestamps != other.timestamps).any():
            raise ValueError(
                f"pixels to join need the same dates in the same order, got {self.timestamps.shape[:2]} and "
                f"{other.timestamps.shape[:2]} pixels and dates, or other days"
            )
        return replace(
            self,
            images={**self.images, **other.images},
            labels={**other.labels, **self.labels},
            notes=tuple(dict.fromkeys([*self.notes, *other.notes])),
        )


class Checks(TypedDict, total=False):
    """What goes on to `to_sample`, where it is explained; title, provenance and notes are those of all pixels."""

    modality_name: str
    scale: Literal["native", "reflectance", "linear"]
    level: Literal["L2A", "L1C"] | None
    missing_bands: Literal["error", "zero", "nearest"]
    title: str
    provenance: str
    notes: Sequence[str]


def to_samples(
    data: Any,
    bands: Sequence[str] | None = None,
    dates: Sequence[Date] | np.ndarray | str | None = None,
    *,
    columns: Columns | None = None,
    pixel: str | None = None,
    labels: Sequence[str] | Mapping[str, Any] = (),
    nodata: float | Sequence[float] = (),
    decibel: tuple[float, float] | None = None,
    valid: np.ndarray | None = None,
    **checks: Unpack[Checks],
) -> PixelSeries:
    """Checks the series of many pixels of one sensor together, as `to_sample` checks one place.

    Args:
        data: an (N, T, C) array, also masked; a pandas DataFrame; or a ``.parquet`` or ``.csv`` file. A table is
            *wide*, a row for each pixel, or with `pixel` *long*, a row for each pixel and date; its gaps are missing.
        bands: the C names of an array's last axis.
        dates: T dates that all pixels have in common, or (N, T) of them; of a long table the column of dates, "date" by
            default. A wide table whose columns name their dates needs none.
        columns: how a table names its bands: a pattern, in which ``*`` is any text (``"{band}_{step}"`` by default, for
            columns such as ``B02_1`` or ``B02_2020-07-01``; ``"{band}"`` in a long one), or band -> column(s).
        pixel: column of a long table that says which pixel a row is of.
        labels: columns that come along, such as a crop or a group; with an array, name -> (N,) values.
        nodata: number or numbers that mean "not observed", as stored; the usual ones need not be named.
        decibel: (a, b) if radar is stored as numbers x of which a log10(x) + b is dB, such as (20, -83).
        valid: with an array, (N, T) or (N, T, C) bool, True = observed.
        checks: ``modality_name``, ``missing_bands`` and so on, as `to_sample` has them. A further sensor of the same
            pixels is read by a second call, and joined by `PixelSeries.join`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming what was given and what is valid.
    """
    spec = modality(checks.get("modality_name", "sentinel2_l2a"))
    if isinstance(data, np.ndarray | list | tuple):
        series, along = _array(data, bands, valid), _along(labels)
    else:
        series, along = _table(data, spec, bands, dates, columns, pixel, labels, valid)
    timestamps = _timestamps(series.dates if isinstance(dates, str) or dates is None else dates, series.values.shape)
    require_agreement(series.steps, timestamps)
    observed, notes = _observed(series, spec, nodata, decibel)
    notes = [*_order(series.steps, timestamps), *notes]
    return _checked(observed, timestamps, along, notes, checks)


def _checked(
    series: Series, timestamps: np.ndarray, labels: dict[str, np.ndarray], notes: list[str], checks: Checks
) -> PixelSeries:
    """The pixels after the checks of `to_sample`, for which they are N rows of one pixel."""
    if checks.get("modality_name", SENTINEL2.name) == SENTINEL2.name and checks.get("scale", "native") == "native":
        _require_one_unit(series)
    image = np.ma.MaskedArray(series.values, ~series.valid)[:, None]
    earliest = np.lexsort(timestamps[:, 0].T)[0]  # its first year is the one that may be too early for the sensor
    given: Checks = {"title": "pixels", **checks, "notes": [*checks.get("notes", ()), *notes]}
    checked = to_sample(image, series.names, timestamps[earliest], empty_dates="keep", **given)
    images = {name: image[:, 0] for name, image in checked.images.items()}
    return PixelSeries(images, timestamps, labels, checked.title, checked.provenance, checked.notes)


def _require_one_unit(series: Series) -> None:
    """Raises a ValueError if single pixels are percent or reflectance among the digital numbers of the others.

    Those have numbers between whole ones, none above 120 on any date in any band, while the others' are whole.
    """
    values = series.values
    if values.dtype.kind != "f" or len(values) < 2:
        return
    seen = series.valid & np.isfinite(values) & (values > 0)
    between = (seen & (values % 1 != 0)).sum((1, 2)) > 0.5 * seen.sum((1, 2))
    small = between & (np.where(seen, values, 0).max((1, 2)) <= PERCENT) & (seen.sum((1, 2)) >= _LEAST)
    count, first = int(small.sum()), int(np.argmax(small))
    if count and between.mean() < 0.5:
        looks = "looks" if count == 1 else "look"
        raise ValueError(
            f"{counted(count, 'pixel')} of {len(values)} {looks} like percent or reflectance 0..1 (first of {first}, "
            "counted from 0), the others like digital numbers; bring all of them to one unit first"
        )


def _array(data: Any, bands: Sequence[str] | None, valid: np.ndarray | None) -> Series:
    """An array as a series."""
    values = data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    if values.dtype.kind not in "uif":
        raise ValueError(f"series of pixels are (N, T, C) numbers, got {values.dtype}")
    if bands is None or isinstance(bands, str) or values.ndim != 3 or values.shape[-1] != len(bands) or not values.size:
        raise ValueError(
            "series of pixels are (N, T, C): pixels, dates, and a name in bands= for each of the C bands; got "
            f"{values.shape} and bands={_shown(bands)}" + ("; one pixel is data[None]" if values.ndim == 2 else "")
        )
    there = ~np.ma.getmaskarray(values)
    if valid is not None:
        valid = np.asarray(valid)
        if valid.dtype != bool or valid.shape not in (values.shape[:2], values.shape):
            raise ValueError(
                f"valid must be a bool array (True = observed) of shape {values.shape[:2]} or {values.shape}; got "
                f"{valid.dtype} {valid.shape}"
            )
        there = there & valid.reshape(valid.shape + (1,) * (3 - valid.ndim))
    return Series(np.ma.getdata(values), there, list(map(str, bands)), None, np.arange(len(values)))


def _shown(given: Any) -> str:
    """What was given, for a message: names as plain text, whatever type they have, and not without end."""
    if isinstance(given, Mapping):
        given = list(given)
    if isinstance(given, list | tuple | np.ndarray):
        return reprlib.repr([str(one) for one in given])
    return reprlib.repr(given)


def _along(labels: Sequence[str] | Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Labels that come with an array."""
    if not isinstance(labels, Mapping):
        if labels:
            raise ValueError(f"with an array, labels= are name -> (N,) values, got {_shown(labels)}")
        return {}
    return {name: np.asarray(values) for name, values in labels.items()}


def _table(
    data: str | os.PathLike[str] | Any,
    spec: Modality,
    bands: Sequence[str] | None,
    dates: Any,
    columns: Columns | None,
    pixel: str | None,
    labels: Sequence[str] | Mapping[str, Any],
    valid: np.ndarray | None,
) -> tuple[Series, dict[str, np.ndarray]]:
    """A table as a series, and the labels of its pixels."""
    if not isinstance(data, str | os.PathLike) and not hasattr(data, "columns"):
        raise ValueError(
            "series of pixels come as an (N, T, C) array, a DataFrame, or a .parquet or .csv file, got "
            f"{type(data).__name__}"
        )
    if bands is not None or valid is not None:
        raise ValueError("bands= and valid= go with an array; a table names its bands by columns=, and has gaps")
    if isinstance(labels, str | Mapping):
        raise ValueError(f"with a table, labels= are names of columns, in a list, got {_shown(labels)}")
    table = read_table(data)
    if not len(table):
        raise ValueError("the table has no rows")
    if pixel is None:
        if isinstance(dates, str):
            raise ValueError(f"a column of dates, {dates!r}, goes with a long table: say pixel= as well")
        series = wide(table, spec, columns or "{band}_{step}", None if dates is None else _first_month(dates))
    elif dates is None or isinstance(dates, str):
        series = long(table, spec, columns or "{band}", pixel, dates or "date")
    else:
        raise ValueError("the dates of a long table are a column of it: say dates= with its name")
    return series, labels_of(table, labels, series.rows, pixel)


def _first_month(dates: Any) -> int:
    """The month 0..11 of the first date that is given."""
    given = np.asarray(dates)
    triples = given.dtype.kind in "iu" and given.ndim > 1 and given.shape[-1] == 3
    flat = given.reshape(-1, 3) if triples else given.reshape(-1)
    return int(parse_dates(flat[:1])[0, 1])


def _order(steps: Sequence[str], timestamps: np.ndarray) -> list[str]:
    """A note on which step of the columns is which date."""
    if not steps:
        return []
    if (timestamps != timestamps[:1]).any():
        return [f"steps of the columns in order of time: {', '.join(steps)}"]
    read = [
        f"{step} as {year}-{month + 1:02d}-{day:02d}"
        for step, (day, month, year) in zip(steps, timestamps[0].tolist(), strict=True)
    ]
    return [f"steps of the columns were read as dates: {', '.join(read)}"]


def _timestamps(dates: Any, shape: tuple[int, ...]) -> np.ndarray:
    """(N, T, 3) day, month, year of dates in common or of each pixel.

    Raises:
        ValueError: if they do not fit, are no dates, or not in order of time.
    """
    pixels, steps = shape[:2]
    given = np.asarray(dates if dates is not None else [])
    triples = given.dtype.kind in "iu" and given.ndim > 1 and given.shape[-1] == 3
    if given.ndim - triples < 2:  # in common
        stamps = parse_dates(dates)
        if len(stamps) != steps:
            raise ValueError(
                f"there are {counted(steps, 'timestep')} (axis 1 of {shape}), but {counted(len(stamps), 'date')}"
            )
        return np.broadcast_to(stamps, (pixels, steps, 3)).copy()
    if given.shape[:2] != (pixels, steps):
        raise ValueError(f"dates of each pixel are (N, T) = {(pixels, steps)}, got {given.shape}")
    if steps > MAX_TIMESTEPS:
        raise ValueError(f"{steps} dates given; the models take at most {MAX_TIMESTEPS}, choose or composite them")
    flat = given.reshape(-1, 3) if triples else given.reshape(-1)
    days, which = np.unique(flat if flat.dtype != object else flat.astype(str), axis=0, return_inverse=True)
    stamps = np.stack([parse_dates(days[i : i + 1])[0] for i in range(len(days))])[which.reshape(-1)]
    stamps = stamps.reshape(pixels, steps, 3)
    order = (stamps @ np.array([1, 31, 372])).reshape(pixels, steps)  # grows with time
    late = np.flatnonzero((np.diff(order) < 0).any(1))
    if len(late):
        raise ValueError(
            f"dates must be in order of time, but not those of {counted(len(late), 'pixel')}, first of {late[0]}"
        )
    return stamps


def _observed(
    series: Series, spec: Modality, nodata: float | Sequence[float], decibel: tuple[float, float] | None
) -> tuple[Series, list[str]]:
    """The series without what the caller calls no data, in dB where it is stored otherwise; and notes."""
    values, valid, notes = series.values, series.valid, []
    named = np.atleast_1d(np.asarray(nodata, dtype=np.float64))
    if decibel is not None and values.dtype.kind in "ui":  # after the conversion nobody could tell them
        named = np.concatenate([named, [np.iinfo(values.dtype).min, np.iinfo(values.dtype).max]])
    if len(named):
        valid = valid & ~np.isin(values, named.astype(values.dtype) if values.dtype.kind == "f" else named)
    if decibel is not None:
        if spec.name != "sentinel1":
            raise ValueError(f"decibel= is for Sentinel-1, not for {spec.title}")
        factor, offset = map(float, decibel)
        valid = valid & (values > 0)
        values = (factor * np.log10(np.where(valid, values, 1)) + offset).astype(np.float32)
        notes.append(f"dB = {factor:g} log10(stored) {offset:+g}")
    gone = 1 - valid.mean()
    if gone:
        notes.insert(0, f"{gone:.1%} of the {spec.title} values are gaps or no data")
    return replace(series, values=values, valid=valid), notes
