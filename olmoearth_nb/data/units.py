"""Numbers in the unit that a sensor's statistics are in, after a look whether they can be what the caller says.

The look is at the 99th percentile, not at the maximum: one glint on water does not make reflectance digital numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olmoearth_nb.bands import MISSING, Modality

SCALES = {"sentinel2_l2a": ("native", "reflectance"), "sentinel1": ("native", "linear")}
"""Scales of each sensor; of all others "native" alone."""

REFLECTANCE = 2.0
"""99th percentile up to which numbers are reflectance 0..1: snow and clouds reach 1.5."""

PERCENT = 120.0
"""99th percentile up to which numbers are percent. As digital numbers it would be a reflectance of 0.012 in the
brightest band of the brightest pixels, which the haze over the darkest water exceeds."""

_TOLERATED = 0.001
"""Fraction of the pixels that may be of another unit: what resampling leaves at the edges of gaps."""

_ONE_UNIT = "bring all of them to one unit first"

_LEAST = 64
"""Values of a date or band below which it is not judged by itself: one pixel may be anything."""

_APART = 5.0
"""How many times brighter one date or band is than another, at least, if they are in two units of the three."""

_BRIGHT = -1.0
"""dB that hardly anything but metal exceeds. Of linear power nothing lies below it, not even where noise was taken off;
fill values of -1 lie on it."""

_NOISE = -60.0
"""dB below which nothing is measured (`observed.LIMITS`)."""

_NOTHING = -99.0
"""dB of power below 0: below the noise, so that `observed.without_empty` counts it and makes it `MISSING`."""

_MOST = 1_000_000
"""Values that a percentile is taken of."""


def check_scale(spec: Modality, scale: str) -> None:
    """Raises a ValueError unless a sensor has such a scale."""
    valid = SCALES.get(spec.name, ("native",))
    if scale not in valid:
        raise ValueError(f"{spec.title} has no scale {scale!r}; valid are {valid}")


def to_native(image: np.ndarray, spec: Modality, scale: str, stored: np.dtype) -> np.ndarray:
    """The image in the modality's native unit, after a look at its numbers.

    Args:
        image: (H, W, T, C) float32, `MISSING` where unobserved, without fill values.
        spec: whose numbers they are.
        scale: one of `SCALES`.
        stored: number type that the image came in.

    Raises:
        ValueError: if nothing was observed, or the numbers contradict the scale.
    """
    check_scale(spec, scale)
    seen = image[image != MISSING]
    if seen.size == 0:
        raise ValueError(f"{spec.title} holds no observed value")
    top = float(np.quantile(seen[:: max(1, seen.size // _MOST)], 0.99))
    if spec.name in ("sentinel2_l2a", "landsat"):
        _check_parts(image, spec, scale)
        _check_optical(seen, top, spec, scale, stored)
        if scale == "native":
            _check_mixed(image, spec)
    elif spec.name == "sentinel1":
        _check_radar(image, top, scale)
    return converted(image, scale)


def converted(image: np.ndarray, scale: str) -> np.ndarray:
    """The image in the native unit, its numbers looked at before.

    Linear power of 0 is no data, and below 0, where more noise was taken off than there was power, far below any dB.

    Args:
        image: float32, `MISSING` where unobserved.
        scale: one of `SCALES`.
    """
    if scale == "reflectance":
        return np.where(image == MISSING, image, image * np.float32(10_000))
    if scale == "linear":
        powered = image > 0  # neither MISSING nor 0
        nothing = np.where((image < 0) & (image != MISSING), np.float32(_NOTHING), np.float32(MISSING))
        return np.where(powered, 10 * np.log10(np.where(powered, image, 1)), nothing)
    return image


def _check_optical(seen: np.ndarray, top: float, spec: Modality, scale: str, stored: np.dtype) -> None:
    """Raises a ValueError if numbers of an optical sensor contradict the scale."""
    highest, wanted = float(seen.max()), f"{spec.unit.replace('number', 'numbers', 1)} are expected"
    if stored.kind in "ui" and stored.itemsize == 1:
        raise ValueError(f"{stored} numbers up to {highest:.0f} are an 8-bit picture or a map, but {wanted}")
    if highest > 0 and top <= REFLECTANCE:
        if stored.kind in "ui":
            raise ValueError(
                f"whole numbers up to {highest:.0f} are neither digital numbers nor reflectance; is it a mask or a map?"
            )
        if scale == "native":
            advice = "; say scale='reflectance'" if spec.name in SCALES else ""
            raise ValueError(f"values up to {highest:.3g} look like reflectance 0..1, but {wanted}{advice}")
    elif 0 < top <= PERCENT and (seen % 1 != 0).any():  # whole numbers may be of very dark water
        advice = "divide them by 100 and say scale='reflectance'" if spec.name in SCALES else "convert them"
        raise ValueError(f"values up to {highest:.3g} look like percent, but {wanted}; {advice}")
    elif scale == "reflectance" and np.quantile(seen, 0.25) <= REFLECTANCE:
        raise ValueError(f"part of the values is reflectance 0..1, others reach {highest:.4g}; {_ONE_UNIT}")
    elif scale == "reflectance":
        raise ValueError(f"scale='reflectance' means 0..1, but values reach {highest:.4g}; leave scale out")


def _check_mixed(image: np.ndarray, spec: Modality) -> None:
    """Raises a ValueError if some pixels, dates or bands of digital numbers are reflectance.

    Only numbers between whole ones are taken for reflectance: very dark water has small digital numbers, too.
    """
    small = (image > 0) & (image <= REFLECTANCE) & (image % 1 != 0)
    if not small.any():
        return
    seen = image != MISSING
    odd = small.any(-1) & (np.where(seen, image, 0).max(-1) <= REFLECTANCE)  # (H, W, T)
    if odd.sum() > _TOLERATED * seen.any(-1).sum():
        steps = ", ".join(map(str, np.flatnonzero(odd.any((0, 1))).tolist()))
        raise ValueError(
            f"{odd.sum() / seen.any(-1).sum():.1%} of the {spec.title} pixels look like reflectance 0..1 (timesteps "
            f"{steps}, counted from 0), the others like digital numbers; {_ONE_UNIT}"
        )
    bands = np.flatnonzero(small.sum((0, 1, 2)) > 0.9 * np.maximum(seen.sum((0, 1, 2)), 1))
    if len(bands):
        raise ValueError(
            f"{len(bands)} of {image.shape[-1]} {spec.title} bands (channels {', '.join(map(str, bands.tolist()))}, "
            f"counted from 0) look like reflectance 0..1, the others like digital numbers; {_ONE_UNIT}"
        )


def _check_parts(image: np.ndarray, spec: Modality, scale: str) -> None:
    """Raises a ValueError if some dates or bands are in another unit than the others.

    What contradicts the scale as a whole is left to `_check_optical`, reflectance among digital numbers to
    `_check_mixed`, and a band in percent among digital numbers to `sanity`, which knows its name.
    """
    for axis, what in ((2, "timesteps"), (3, "channels")):
        judged = [_unit(part, scale) for part in np.moveaxis(image, axis, 0)]
        units = dict.fromkeys(unit for unit, _ in judged if unit)
        lowest = min(units, key=_UNITS.index, default="")
        low = max((top for unit, top in judged if unit == lowest), default=0.0)
        high = min((top for unit, top in judged if unit not in ("", lowest)), default=0.0)
        foreign = scale == "reflectance" or (_UNITS[1] in units and (axis == 2 or _UNITS[2] not in units))
        if foreign and high >= _APART * low > 0:
            named = [f"{what} {_numbered([one == unit for one, _ in judged])} look like {unit}" for unit in units]
            raise ValueError(f"{spec.title}: {'; '.join(named)} (counted from 0): {_ONE_UNIT}")


_UNITS = ("reflectance 0..1", "percent", "digital numbers")


def _unit(part: np.ndarray, scale: str) -> tuple[str, float]:
    """What the numbers of one date or band look like, and their 99th percentile; "" of too few of them."""
    seen = part[(part != MISSING) & (part != 0)]
    if seen.size < _LEAST:
        return "", 0.0
    seen = seen[:: max(1, seen.size // _MOST)]
    top, between = float(np.quantile(seen, 0.99)), bool((seen % 1 != 0).mean() > 0.5)
    if top <= REFLECTANCE and (between or scale == "reflectance"):
        return _UNITS[0], top
    return (_UNITS[1] if top <= PERCENT and between else _UNITS[2]), top


def _numbered(which: Sequence[bool] | np.ndarray) -> str:
    """Positions of what is true."""
    return ", ".join(map(str, np.flatnonzero(which).tolist()))


def _check_radar(image: np.ndarray, top: float, scale: str) -> None:
    """Raises a ValueError if numbers of radar, or of one of its dates or bands, contradict the scale."""
    seen = image[(image != MISSING) & (image != 0)]  # 0 is the frame around a scene
    if top > 100:
        raise ValueError(
            f"Sentinel-1 values up to {seen.max():.4g} look like amplitudes as stored, which are neither dB nor linear "
            "power; calibrate them first, or say decibel=(a, b) where a table's dB are a log10(stored) + b"
        )
    steps, channels = range(image.shape[2]), range(image.shape[3])
    linear, decibel = (
        np.array([[looks(image[..., t, c]) for c in channels] for t in steps]) for looks in (_linear, _decibel)
    )
    if linear.any() and decibel.any():
        where = f"timesteps {_numbered(linear.max(axis=1))}, channels {_numbered(linear.max(axis=0))}"
        raise ValueError(f"Sentinel-1 {where} (counted from 0) look like linear power, others like dB: {_ONE_UNIT}")
    lowest, highest = (seen.min(), seen.max()) if seen.size else (0, 0)
    span = f"Sentinel-1 values from {lowest:.3g} to {highest:.3g}"
    if scale == "native" and (seen.size == 0 or _linear(seen, whole=True)):
        raise ValueError(
            f"{span} look like linear power, but dB are expected; say scale='linear', or sentinel1='linear' where a "
            "file holds Sentinel-2 as well"
        )
    if scale == "linear" and _decibel(seen, whole=True):
        raise ValueError(
            f"{span} look like dB, but linear power is expected, which is hardly ever below 0; leave scale out"
        )


def _linear(values: np.ndarray, whole: bool = False) -> bool:
    """Whether values look like linear power: next to none is as dark as dB are, whatever a few have below 0."""
    seen = _measured(values)
    if seen.size < (1 if whole else _LEAST):
        return False
    low, median = np.quantile(seen, (0.05, 0.5))
    return bool(low >= _BRIGHT and (whole or median < 1))  # a small part may be a roof of metal, which varies


def _decibel(values: np.ndarray, whole: bool = False) -> bool:
    """Whether values look like dB, which power below 0 is far from."""
    seen = _measured(values)
    return bool(seen.size >= (1 if whole else _LEAST) and np.median(seen) < _BRIGHT)


def _measured(values: np.ndarray) -> np.ndarray:
    """Not too many of the values that are some, and within what is measured."""
    seen = values[(values > _NOISE) & (values != 0)]
    return seen[:: max(1, seen.size // _MOST)]
