"""Numbers in the unit that a sensor's statistics are in, after a look whether they can be what the caller says.

The look is at the 99th percentile, not at the maximum: one glint on water does not make reflectance digital numbers.
"""

from __future__ import annotations

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
        _check_optical(seen, top, spec, scale, stored)
        if scale == "native":
            _check_mixed(image, spec)
    elif spec.name == "sentinel1":
        _check_radar(seen, top, scale)
    return converted(image, scale)


def converted(image: np.ndarray, scale: str) -> np.ndarray:
    """The image in the native unit, its numbers looked at before; linear power of 0 is no data.

    Args:
        image: float32, `MISSING` where unobserved.
        scale: one of `SCALES`.

    Raises:
        ValueError: for linear power below 0.
    """
    if scale == "reflectance":
        return np.where(image == MISSING, image, image * np.float32(10_000))
    if scale == "linear":
        powered = image > 0  # neither MISSING nor 0
        lowest = image.min(initial=0, where=image != MISSING)
        if lowest < 0:
            raise ValueError(f"linear power cannot be negative, but values reach {lowest:.3g}; leave scale out")
        return np.where(powered, 10 * np.log10(np.where(powered, image, 1)), np.float32(MISSING))
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


def _check_radar(seen: np.ndarray, top: float, scale: str) -> None:
    """Raises a ValueError if numbers of radar contradict the scale."""
    lowest = float(seen.min())
    if top > 100:
        raise ValueError(
            f"Sentinel-1 values up to {seen.max():.4g} look like amplitudes as stored, which are neither dB nor linear "
            "power; calibrate them first, or say decibel=(a, b) where a table's dB are a log10(stored) + b"
        )
    if scale == "native" and lowest >= 0:
        raise ValueError(
            f"Sentinel-1 values from {lowest:.3g} to {seen.max():.3g} look like linear power, but dB are expected; "
            "say scale='linear', or sentinel1='linear' where a file holds Sentinel-2 as well"
        )
