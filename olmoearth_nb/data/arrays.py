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
from olmoearth_nb.errors import warn
from olmoearth_nb.sample import Sample
from olmoearth_nb.tokenization import check_patch_size

Date = str | dt.date | np.datetime64

_FIRST_YEAR = {"sentinel2_l2a": 2015, "sentinel1": 2014, "landsat": 2013}
"""Launch of the first satellite of each mission."""


def to_sample(
    image: np.ndarray,
    bands: Sequence[str],
    dates: Sequence[Date] | np.ndarray,
    *,
    modality_name: str = "sentinel2_l2a",
    scale: Literal["native", "reflectance", "linear"] = "native",
    level: Literal["L2A", "L1C"] = "L2A",
    valid: np.ndarray | None = None,
    missing_bands: Literal["error", "zero", "nearest"] = "error",
    title: str = "sample",
    provenance: str = "unknown",
    notes: Sequence[str] = (),
) -> Sample:
    """Checks one modality of one place and brings its bands into the models' order.

    Args:
        image: (H, W, T, C) values; `bands.MISSING` where unobserved.
        bands: the C names of the last axis, in any order.
        dates: T dates (ISO strings, dates, datetimes), or (T, 3) integers of day, month 0..11 and year.
        modality_name: which modality the bands belong to.
        scale: "native" (digital numbers, dB); "reflectance" (0..1) and "linear" radar power are converted.
        level: "L1C" lets top-of-atmosphere Sentinel-2 pass with a warning, without its cirrus band B10.
        valid: (H, W), (H, W, T) or (H, W, T, C) bool, True = observed.
        missing_bands: "error"; "zero" is 0 after normalisation (the policy of v1.1 and later, trained with
            dropped bands); "nearest" copies the band nearest in wavelength (the policy for v1).
        title: what to call it in a figure.
        provenance: where it comes from, in words.
        notes: what the caller had to assume.

    Raises:
        ValueError: naming what was given and what is valid.
    """
    spec = modality(modality_name)
    image, names = _named(np.asarray(image), bands, spec, level)
    timestamps = parse_dates(dates, _FIRST_YEAR.get(modality_name, 1970))
    if len(timestamps) != image.shape[2]:
        raise ValueError(f"image has {image.shape[2]} timesteps (axis 2 of {image.shape}) but {len(timestamps)} dates")
    image = _scaled(_masked(image.astype(np.float32), valid), spec, scale)
    image, filled = completed(image, names, spec, missing_bands)
    message = [*notes, *_warned(spec, level)]
    if filled:
        message.append(f"bands not in the data, filled by {missing_bands!r}: {', '.join(filled)}")
    return Sample({modality_name: image}, timestamps, title, provenance, tuple(message))


def _warned(spec: Modality, level: str) -> list[str]:
    """Warns of top-of-atmosphere data and returns the note to keep with the sample."""
    if level not in ("L2A", "L1C"):
        raise ValueError(f"level must be 'L2A' or 'L1C', got {level!r}")
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
    if dates is None or len(dates) == 0:
        raise ValueError("dates are needed: the models read the month of every timestep; give one ISO date for each")
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
    latest = dt.date.today() + dt.timedelta(days=1)
    for day in days:
        if day.year < first_year or day > latest:
            raise ValueError(f"{day} cannot be the date of such an image; valid are {first_year}-01-01 to today")
    return np.array([(day.day, day.month - 1, day.year) for day in days], dtype=np.int64)


def _iso(given: Date) -> dt.date:
    """A date from text or a date type."""
    try:
        return dt.date.fromisoformat(str(given)[:10])
    except ValueError as error:
        raise ValueError(f"{given!r} is not a date; give ISO dates such as '2020-07-01'") from error


def _day(day: int, month: int, year: int) -> dt.date:
    """A date from the models' own triple, whose month counts from 0."""
    if not 0 <= month <= 11:
        raise ValueError(f"months run from 0 (January) to 11 (December), got {month} in {(day, month, year)}")
    try:
        return dt.date(year, month + 1, day)
    except ValueError as error:
        raise ValueError(f"{(day, month, year)} is no date (day, month 0..11, year): {error}") from error


def _named(image: np.ndarray, bands: Sequence[str], spec: Modality, level: str) -> tuple[np.ndarray, list[str]]:
    """The image and its band names, all valid and each once."""
    if bands is None or isinstance(bands, str) or len(bands) == 0:
        raise ValueError(
            f"name the bands of the last axis: archives order them differently, and the models expect "
            f"{' '.join(spec.band_names)}; got bands={bands!r}"
        )
    names = [str(band) for band in bands]
    if image.ndim != 4 or image.shape[-1] != len(names):
        raise ValueError(
            f"image must be (H, W, T, C) with one of the {len(names)} named bands per channel, got {image.shape}"
        )
    if image.dtype.kind not in "uif":
        raise ValueError(f"image must hold numbers, got {image.dtype}")
    spec.indices(name for name in names if name != "B10" or spec.name != "sentinel2_l2a")
    if spec.name == "sentinel2_l2a" and "B10" in names:
        if level != "L1C":
            raise ValueError("B10 (cirrus) exists in top-of-atmosphere data only; say level='L1C' to go on without it")
        image, names = image[..., [i for i, n in enumerate(names) if n != "B10"]], [n for n in names if n != "B10"]
    twice = sorted({band for band in names if names.count(band) > 1})
    if twice:
        raise ValueError(f"{spec.title} bands given twice: {twice}")
    return image, names


def _masked(image: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """The image with `MISSING` where it is not valid, free of NaN."""
    if valid is not None:
        valid = np.asarray(valid)
        shapes = (image.shape[:2], image.shape[:3], image.shape)
        if valid.dtype != bool or valid.shape not in shapes:
            raise ValueError(
                f"valid must be a bool array (True = observed) of shape {', '.join(map(str, shapes))}; "
                f"got {valid.dtype} {valid.shape}"
            )
        image = np.where(valid.reshape(valid.shape + (1,) * (4 - valid.ndim)), image, np.float32(MISSING))
    if not np.isfinite(image).all():
        count = int((~np.isfinite(image)).sum())
        raise ValueError(
            f"{count:,} values are NaN or infinite; mark what was not observed by valid= (bool, True = observed) "
            f"or by the value {MISSING:.0f}"
        )
    return image


def _scaled(image: np.ndarray, spec: Modality, scale: str) -> np.ndarray:
    """The image in the modality's native unit, after a look whether it can be what was said."""
    valid_scales = {"sentinel2_l2a": ("native", "reflectance"), "sentinel1": ("native", "linear")}
    if scale not in valid_scales.get(spec.name, ("native",)):
        raise ValueError(f"{spec.title} has no scale {scale!r}; valid are {valid_scales.get(spec.name, ('native',))}")
    seen = image[image != MISSING]
    if seen.size == 0:
        raise ValueError(f"{spec.title} holds no observed value")
    small = float(seen.max()) <= 2.0 and float(seen.max()) > 0
    if spec.name == "sentinel2_l2a":
        if scale == "native" and small:
            raise ValueError(
                f"values up to {seen.max():.3g} look like reflectance 0..1, but digital numbers (10,000 x reflectance) "
                "are expected; say scale='reflectance' to to_sample or load_geotiff"
            )
        if scale == "reflectance" and not small:
            raise ValueError(f"scale='reflectance' means 0..1, but values reach {seen.max():.4g}; leave scale out")
        return np.where(image == MISSING, image, image * 10_000) if scale == "reflectance" else image
    if spec.name == "landsat" and small:
        raise ValueError(
            f"values up to {seen.max():.3g} look like reflectance 0..1, but digital numbers of Collection 2 Level 1 "
            "are expected"
        )
    if spec.name == "sentinel1":
        if scale == "native" and seen.min() >= 0:
            raise ValueError(
                f"Sentinel-1 values from {seen.min():.3g} to {seen.max():.3g} look like linear power, but dB are "
                "expected; say scale='linear', or sentinel1='linear' to load_geotiff"
            )
        if scale == "linear":
            if seen.min() < 0:
                raise ValueError(f"linear power cannot be negative, but values reach {seen.min():.3g}; leave scale out")
            return np.where(image == MISSING, image, 10 * np.log10(np.maximum(image, 1e-10)))
    return image


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
