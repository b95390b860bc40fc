"""The strict loader: arrays, band names and dates become a `Sample`, or an error that a student understands.

Every check here is a mistake that goes unnoticed otherwise: the model runs, and the numbers are wrong.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, Modality, modality
from olmoearth_nb.data.fill import completed
from olmoearth_nb.data.observed import require_possible, unmasked, without_empty, without_fills
from olmoearth_nb.data.sanity import contradictions
from olmoearth_nb.data.units import check_scale, converted, to_native
from olmoearth_nb.errors import warn
from olmoearth_nb.sample import Sample
from olmoearth_nb.tokenization import check_patch_size

Date = str | dt.date | np.datetime64

_FIRST_YEAR = {"sentinel2_l2a": 2015, "sentinel1": 2014, "landsat": 2013}
"""Launch of the first satellite of each mission."""

_RELEASED = dt.date(2026, 11, 26)
"""A day on which this was written: whatever the clock says, today is not earlier."""


class UndatedError(ValueError):
    """Nothing says when a picture was taken; who knows it can say so."""


def to_sample(
    image: np.ndarray,
    bands: Sequence[str],
    dates: Sequence[Date] | np.ndarray,
    *,
    modality_name: str = "sentinel2_l2a",
    scale: Literal["native", "reflectance", "linear"] = "native",
    level: Literal["L2A", "L1C"] | None = None,
    valid: np.ndarray | None = None,
    missing_bands: Literal["error", "zero", "nearest"] = "error",
    empty_dates: Literal["drop", "keep"] = "drop",
    title: str = "sample",
    provenance: str = "unknown",
    notes: Sequence[str] = (),
) -> Sample:
    """Checks one modality of one place and brings its bands into the models' order.

    Args:
        image: (H, W, T, C) values, also a numpy masked array; `bands.MISSING` and the usual fill values (-9999, -32768
            and others, see `data.observed`) are not observed, nor is Sentinel-2 where all bands are 0.
        bands: the C names of the last axis, in any order; ``B1``, ``b8a`` and ``VV`` are read as B01, B8A and vv.
        dates: T dates (ISO strings, dates, datetimes), or (T, 3) integers of day, month 0..11 and year.
        modality_name: which modality the bands belong to.
        scale: "native" (digital numbers, dB); "reflectance" (0..1) and "linear" radar power are converted.
        level: of Sentinel-2: "L1C" is top-of-atmosphere data, which pass with a warning, without their cirrus band
            B10; by default L1C where there is B10, else L2A.
        valid: (H, W), (H, W, T) or (H, W, T, C) bool, True = observed.
        missing_bands: "error"; "zero" is 0 after normalisation (the policy of v1.1 and later, trained with
            dropped bands); "nearest" copies the band nearest in wavelength (the policy for v1).
        empty_dates: whether to leave out timesteps of which nothing was observed, with a note.
        title: what to call it in a figure.
        provenance: where it comes from, in words.
        notes: what the caller had to assume.

    Raises:
        ValueError: naming what was given and what is valid.
    """
    spec = modality(modality_name)
    check_scale(spec, scale)
    if empty_dates not in ("drop", "keep"):
        raise ValueError(f"empty_dates must be 'drop' or 'keep', got {empty_dates!r}")
    image = image if isinstance(image, np.ma.MaskedArray) else np.asarray(image)
    require_axes(image, bands, dates, spec)
    names, spelling = read_names(bands, spec)
    known_level = _level(level, names, spec)
    timestamps = parse_dates(dates, _FIRST_YEAR.get(modality_name, 1970))
    values, observing = observe(image, spec, scale, valid)
    if "B10" in names and spec.name == "sentinel2_l2a":
        kept = [i for i, name in enumerate(names) if name != "B10"]
        values, names = values[..., kept], [names[i] for i in kept]
    message = [*notes, *spelling, *_repeated(timestamps), *observing, *_warned(spec, known_level)]
    if spec.name == "sentinel2_l2a":
        odd = contradictions(values, names, known_level)
        for one in odd:
            warn(one.sentence)  # the same for a thousand chips, so that Python shows it once
        message += map(str, odd)
    values, filled = completed(values, names, spec, missing_bands)
    if filled:
        message.append(f"bands not in the data, filled by {missing_bands!r}: {', '.join(filled)}")
    sample = Sample({modality_name: values}, timestamps, title, provenance, tuple(message))
    return without_empty_dates(sample) if empty_dates == "drop" else sample


def observe(
    image: np.ndarray,
    spec: Modality,
    scale: str = "native",
    valid: np.ndarray | None = None,
    *,
    judged: bool = False,
) -> tuple[np.ndarray, list[str]]:
    """Foreign numbers as observed values in the sensor's native unit, and notes on what does not count as observed.

    Args:
        image: (H, W, T, C) numbers, also a masked array.
        spec: whose numbers they are, C of its bands.
        scale: see `to_sample`.
        valid: see `to_sample`.
        judged: whether this is a window of an image whose numbers were looked at before: then it is converted as that
            was, and may hold no observed value.

    Returns:
        (H, W, T, C) float32, `MISSING` where nothing was observed.

    Raises:
        ValueError: for numbers that cannot be those of the sensor in this scale.
    """
    unit = 1e-4 if scale == "reflectance" else 1.0
    values, notes = without_fills(unmasked(image, valid), spec, unit)
    values = converted(values, scale) if judged else to_native(values, spec, scale, image.dtype)
    values, empty = without_empty(values, spec)
    require_possible(values, spec)
    if not judged and (values == MISSING).all():
        raise ValueError(f"{spec.title} holds no observed value")
    return values, [*notes, *empty]


def without_empty_dates(sample: Sample) -> Sample:
    """The sample without timesteps of which no sensor observed anything, and a note that names them."""
    sensors = [image for name, image in sample.images.items() if modality(name).multitemporal]
    seen = np.any([(image != MISSING).any((0, 1, 3)) for image in sensors], axis=0)
    if not sensors or seen.all() or not seen.any():
        return sample
    gone = ", ".join(date for date, kept in zip(sample.dates, seen, strict=True) if not kept)
    kept = sample.select_times(np.flatnonzero(seen).tolist())
    return replace(kept, notes=(*sample.notes, f"nothing was observed on {gone}: left out"))


def _level(level: str | None, names: Sequence[str], spec: Modality) -> str:
    """The processing level, which a cirrus band gives away."""
    if level not in (None, "L2A", "L1C"):
        raise ValueError(f"level must be 'L2A' or 'L1C', got {level!r}")
    cirrus = spec.name == "sentinel2_l2a" and "B10" in names
    if cirrus and level == "L2A":
        raise ValueError("B10 (cirrus) exists in top-of-atmosphere data only; say level='L1C', or leave level out")
    return level or ("L1C" if cirrus else "L2A")


def _repeated(timestamps: np.ndarray) -> list[str]:
    """A note on days that are given more than once: two orbits, or the same picture twice."""
    days, counts = np.unique(timestamps[:, ::-1], axis=0, return_counts=True)
    repeated = [
        f"{year}-{month + 1:02d}-{day:02d} is the date of {count} timesteps"
        for (year, month, day), count in zip(days.tolist(), counts.tolist(), strict=True)
        if count > 1
    ]
    return [f"{', '.join(repeated)}: the same picture twice?"] if repeated else []


def _warned(spec: Modality, level: str) -> list[str]:
    """Warns of top-of-atmosphere data and returns the note to keep with the sample."""
    if level == "L2A" or spec.name != "sentinel2_l2a":
        return []
    warn(
        "top-of-atmosphere data (L1C) are fed to a model of surface reflectance (L2A): haze brightens the blue bands, "
        "and embeddings of the two levels should not be mixed"
    )
    return ["top-of-atmosphere reflectance (L1C): the models were trained on surface reflectance (L2A)"]


def parse_dates(dates: Sequence[Date] | np.ndarray | None, first_year: int = 1970) -> np.ndarray:
    """Dates to the models' timestamps.

    Args:
        dates: ISO strings (``"2020-07-01"``), dates, datetimes or numpy datetimes in order of time, or
            (T, 3) integers of day, month 0..11 and year.
        first_year: earlier years are refused.

    Returns:
        (T, 3) int64 rows of day 1..31, month 0..11 and year.

    Raises:
        ValueError: for no dates, text that is no date, impossible or disordered dates.
    """
    if dates is None or isinstance(dates, str) or len(dates) == 0:
        raise ValueError(
            "dates are needed, in a list: the models read the month of every timestep; give one ISO date for each, got "
            f"dates={dates!r}"
        )
    table = np.asarray(dates)
    if table.ndim == 2 and table.shape[1] == 3 and table.dtype.kind in "iu":
        days = [_day(*row) for row in table.tolist()]
    else:
        days = [_iso(given) for given in dates]
    if len(days) > MAX_TIMESTEPS:
        raise ValueError(f"{len(days)} dates given; the models take at most {MAX_TIMESTEPS}, choose or composite them")
    for day, previous in zip(days[1:], days, strict=False):
        if day < previous:
            raise ValueError(f"dates must be in order of time, but {day} is given after {previous} and is earlier")
    latest = max(dt.date.today(), _RELEASED) + dt.timedelta(days=1)  # a clock may be wrong, but not by that
    for day in days:
        if day.year < first_year or day > latest:
            raise ValueError(f"{day} cannot be the date of such an image; valid are {first_year}-01-01 to today")
    return np.array([(day.day, day.month - 1, day.year) for day in days], dtype=np.int64)


def _iso(given: Date) -> dt.date:
    """A date from text or a date type; a time of day is left out, anything else behind the date is refused."""
    if isinstance(given, (int, float, np.number)):
        raise ValueError(
            f"{given} is a number, not a date; give ISO dates such as '2020-07-01', or rows of day, month 0..11, year"
        )
    try:
        if isinstance(given, dt.date):  # a datetime, and so a pandas Timestamp, is one; NaT has the year NaN
            return dt.date(int(given.year), int(given.month), int(given.day))
        text = str(np.datetime_as_string(given, unit="D")) if isinstance(given, np.datetime64) else str(given).strip()
        return dt.datetime.fromisoformat(text).date()
    except ValueError as error:
        raise ValueError(f"{str(given)!r} is not a date; give ISO dates such as '2020-07-01'") from error


def _day(day: int, month: int, year: int) -> dt.date:
    """A date from the models' own triple, whose month counts from 0."""
    if not 0 <= month <= 11:
        raise ValueError(f"months run from 0 (January) to 11 (December), got {month} in {(day, month, year)}")
    try:
        return dt.date(year, month + 1, day)
    except ValueError as error:
        raise ValueError(f"{(day, month, year)} is no date (day, month 0..11, year): {error}") from error


def read_names(bands: Sequence[str], spec: Modality) -> tuple[list[str], list[str]]:
    """Names of bands in our spelling, each once, and a note on those that were spelled otherwise.

    Raises:
        ValueError: for a name that is no band, or bands given twice.
    """
    given = [str(band) for band in bands]
    names = [spec.spelled(name) or name for name in given]
    spec.indices(given[i] for i, name in enumerate(names) if name not in spec.band_names and name != "B10")
    if spec.name != "sentinel2_l2a":
        spec.indices(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{spec.title} bands given twice: {twice}")
    other = [f"{old} as {new}" for old, new in zip(given, names, strict=True) if old != new]
    return names, [f"names of bands were read as ours: {', '.join(other)}"] if other else []


def require_axes(image: np.ndarray, bands: Sequence[str], dates: Sequence[Date] | np.ndarray, spec: Modality) -> None:
    """Raises a ValueError unless the image is (H, W, T, C) with a name for each channel and a date for each timestep.

    The message says which axes seem to be swapped, if that can be told.
    """
    if bands is None or isinstance(bands, str) or len(bands) == 0:
        raise ValueError(
            f"name the bands of the last axis: archives order them differently, and the models expect "
            f"{' '.join(spec.band_names)}; got bands={bands!r}"
        )
    if dates is None or isinstance(dates, str) or len(dates) == 0:
        parse_dates(dates)
    if image.dtype.kind not in "uif":
        raise ValueError(f"image must hold numbers, got {image.dtype}")
    shape, channels, steps = image.shape, len(bands), len(dates)
    if image.ndim == 4 and shape[2:] == (steps, channels):
        return
    hint = _swapped(shape, channels, steps)
    if image.ndim != 4 or shape[-1] != channels or hint:
        raise ValueError(
            f"image must be (H, W, T, C) with one of the {channels} named bands per channel and one of the {steps} "
            f"dates per timestep, got {shape}{hint}"
        )
    raise ValueError(f"image has {shape[2]} timesteps (axis 2 of {shape}) but {steps} dates")


def _swapped(shape: tuple[int, ...], channels: int, steps: int) -> str:
    """Advice on axes that stand in another order, where only one order fits."""
    if len(shape) == 3 and steps == 1 and shape[-1] == channels:
        return "; there is no axis of timesteps: image[:, :, None]"
    if len(shape) == 3 and steps == 1 and shape[0] == channels:
        return "; it looks like (C, H, W): image.transpose(1, 2, 0)[:, :, None]"
    if len(shape) in (2, 3) and shape[-2:] == (steps, channels):
        return "; series of pixels without height and width go through to_samples"
    fitting = [
        (t, c)
        for t, size in enumerate(shape)
        for c, count in enumerate(shape)
        if t != c and size == steps and count == channels
    ]
    if len(shape) != 4 or len(fitting) != 1:
        return ""
    (time, channel), order = fitting[0], [axis for axis in range(4) if axis not in fitting[0]]
    names = {time: "T", channel: "C", order[0]: "H", order[1]: "W"}
    looks = ", ".join(names[axis] for axis in range(4))
    return f"; it looks like ({looks}): image.transpose({', '.join(map(str, [*order, time, channel]))})"


def fit(
    sample: Sample, patch_size: int, *, crop: Literal["center", "top-left"] | None = None, pad: bool = False
) -> Sample:
    """Makes a sample's size divisible by the patch size, in a way that you name.

    Args:
        sample: any sample.
        patch_size: P.
        crop: cut to whole patches around the centre or from the top left.
        pad: add unobserved pixels at the bottom and right instead; patches that hold any are not encoded.

    Raises:
        ValueError: if the size does not fit and neither way out was chosen, or both.
    """
    check_patch_size(patch_size)
    height, width = next(iter(sample.images.values())).shape[:2]
    if height % patch_size == 0 and width % patch_size == 0:
        return sample
    if (crop is None) == (not pad):
        raise ValueError(
            f"{height}x{width} px do not divide into patches of {patch_size} px; choose one of crop='center', "
            "crop='top-left' and pad=True"
        )
    if pad:
        grow = [(0, -height % patch_size), (0, -width % patch_size), (0, 0), (0, 0)]
        images = {k: np.pad(image, grow, constant_values=MISSING) for k, image in sample.images.items()}
        fitted = replace(sample, images=images)
    elif crop in ("center", "top-left"):
        rows, columns = height - height % patch_size, width - width % patch_size
        if not rows or not columns:
            raise ValueError(f"{height}x{width} px hold no whole patch of {patch_size} px")
        top, left = ((height - rows) // 2, (width - columns) // 2) if crop == "center" else (0, 0)
        fitted = sample.window(top, left, rows, columns)
    else:
        raise ValueError(f"crop must be 'center' or 'top-left', got {crop!r}")
    message = f"{'padded' if pad else 'cropped'} from {height}x{width} px to whole patches of {patch_size} px"
    return replace(fitted, notes=(*sample.notes, message))
