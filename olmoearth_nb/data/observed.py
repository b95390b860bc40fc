"""Where a foreign number becomes an observed value: masks, fill values, impossible values, zeros that mean no data.

Archives mark what was not observed in many ways, and most files that people exchange have lost the tag that says so.
Taken as an observation, -9999 is a reflectance of -1, and the model embeds it without a word. So a number is observed
only if its sensor can have measured it: known fill values become `bands.MISSING` with a note, other impossible values
are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olmoearth_nb.bands import MISSING, Modality

FILLS = (-9999.0, -99999.0, -32768.0, -32767.0, -2147483648.0)
"""Numbers that programs write for "no data" (GDAL, netCDF, Earth Engine and others), whatever the sensor."""

HUGE = 1e15
"""From here on, in whatever unit, a number is the fill value of some program: 9.97e36 of netCDF, 3.4e38 of float32."""

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Limits:
    """What numbers of a sensor can be, in its native unit.

    Attributes:
        low: the smallest.
        high: the largest.
        fills: further numbers that mean no data in this sensor.
        zero: what 0 means: "value"; "band", no data in that band; "pixel", no data where all bands are 0.
        noise: below it lies what no instrument resolves: the trace of a 0 in another unit.
    """

    low: float
    high: float
    fills: tuple[float, ...] = ()
    zero: str = "value"
    noise: float = -np.inf


LIMITS = {
    # 10,000 x reflectance; below 0 by the atmospheric correction, 65535 is saturated or no data, as is 32767 of int16
    "sentinel2_l2a": Limits(-2000, 65534, (65535.0, 32767.0), "pixel"),
    # dB; 0 dB in both bands at once is a frame around the scene; Sentinel-1's noise lies at -22 to -35 dB
    "sentinel1": Limits(-100, 60, (), "pixel", noise=-60),
    "landsat": Limits(1, 65534, (65535.0,), "band"),  # Collection 2 Level 1: 0 is fill
    "srtm": Limits(-600, 9000),
    "wri_canopy_height_map": Limits(0, 150),
}
"""By modality. Class maps have no limits here: their codes are their own."""


def unmasked(image: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """A float32 image with `MISSING` where it is masked, not valid, or a fill value of any sensor.

    Args:
        image: (H, W, T, C) numbers, also a numpy masked array.
        valid: (H, W), (H, W, T) or (H, W, T, C) bool, True = observed; None for all.

    Raises:
        ValueError: for a mask of another shape or type, or NaN and infinite values that no mask covers.
    """
    hidden = np.ma.getmaskarray(image) if isinstance(image, np.ma.MaskedArray) else np.zeros((1,) * image.ndim, bool)
    values = np.ma.getdata(image)
    if values.dtype.itemsize > 4 and values.dtype.kind == "f":  # a fill value of float64 stays one
        values = np.where(np.isfinite(values), np.clip(values, -_LARGEST, _LARGEST), values)
    values = values.astype(np.float32)
    if valid is not None:
        hidden = hidden | ~_broadcast(np.asarray(valid), values.shape)
    values = np.where(hidden, np.float32(MISSING), values)
    if not np.isfinite(values).all():
        bad = ~np.isfinite(values)
        raise ValueError(
            f"{int(bad.sum()):,} values are NaN or infinite; mark what was not observed by valid= (bool, True = "
            f"observed), by a numpy mask, or by the value {MISSING:.0f}"
        )
    return values


def _broadcast(valid: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask that broadcasts to the image."""
    shapes = (shape[:2], shape[:3], shape)
    if valid.dtype != bool or valid.shape not in shapes:
        raise ValueError(
            f"valid must be a bool array (True = observed) of shape {', '.join(map(str, shapes))}; "
            f"got {valid.dtype} {valid.shape}"
        )
    return valid.reshape(valid.shape + (1,) * (4 - valid.ndim))


def without_fills(image: np.ndarray, spec: Modality, unit: float = 1.0) -> tuple[np.ndarray, list[str]]:
    """The image with `MISSING` in place of fill values, and a note that names them.

    Args:
        image: (..., C) float32; `MISSING` where unobserved already.
        spec: whose numbers they are.
        unit: of the numbers; fill values that were scaled with the rest are recognised, too.
    """
    limits = LIMITS.get(spec.name)
    known = np.array([*FILLS, *(limits.fills if limits else ())], dtype=np.float32)
    filled = np.isin(image, known) | (np.abs(image) >= HUGE)
    if unit != 1:
        near = np.rint(image / np.float32(unit))
        filled |= np.isin(near, known) & (np.abs(near * np.float32(unit) - image) < 1e-3 * unit * np.abs(near))
    filled &= image != MISSING
    if not filled.any():
        return image, []
    names = ", ".join(f"{value:g}" for value in np.unique(image[filled]).tolist()[:4])
    note = f"{filled.mean():.2%} of the {spec.title} values are fill values ({names}), and count as not observed"
    return np.where(filled, np.float32(MISSING), image), [note]


def without_empty(image: np.ndarray, spec: Modality) -> tuple[np.ndarray, list[str]]:
    """The image with `MISSING` where numbers mean no data in the sensor's native unit, and notes on how often.

    Those are zeros (`Limits.zero`), what lies below the noise, and one small number in all bands of Sentinel-2: the 0
    of a product from which an offset was taken, or that was clipped.

    Args:
        image: (..., C) float32.
        spec: whose numbers they are.
    """
    limits = LIMITS.get(spec.name)
    if limits is None:
        return image, []
    seen, notes = image != MISSING, []
    if limits.zero == "band":
        empty, what = seen & (image == 0), "0"
    else:
        empty = _flat(image, seen, limits.low) if limits.zero == "pixel" else np.zeros_like(seen)
        what = "0 in all bands" if (image[empty] == 0).all() else "one small number in all bands"
    if empty.any():
        notes.append(f"{empty.any(-1).mean():.1%} of the {spec.title} pixels are {what}, which means no data")
    below = seen & (image < limits.noise) & (image >= limits.low)
    if below.any():
        notes.append(f"{below.mean():.1%} of the {spec.title} values lie below {limits.noise:g}, which is no data")
    hidden = empty | below
    return (np.where(hidden, np.float32(MISSING), image), notes) if hidden.any() else (image, [])


def _flat(image: np.ndarray, seen: np.ndarray, low: float) -> np.ndarray:
    """Where all observed bands of a pixel are 0, or, from three bands on, the same possible number up to 1."""
    highest = np.where(seen, image, -np.inf).max(-1, keepdims=True)
    lowest = np.where(seen, image, np.inf).min(-1, keepdims=True)
    same = (highest == lowest) & (
        (highest == 0) | ((low <= highest) & (highest <= 1) & (seen.sum(-1, keepdims=True) >= 3))
    )
    return same & seen


def require_possible(image: np.ndarray, spec: Modality) -> None:
    """Raises a ValueError if the image holds numbers that its sensor cannot have measured.

    Args:
        image: (..., C) in the sensor's native unit; `MISSING` where unobserved.
        spec: whose numbers they are.
    """
    limits = LIMITS.get(spec.name)
    if limits is None:
        return
    seen = image != MISSING
    wrong = seen & ((image < limits.low) | (image > limits.high))
    if wrong.any():
        values, counts = np.unique(image[wrong], return_counts=True)
        most = values[counts.argmax()]
        raise ValueError(
            f"{int(wrong.sum()):,} {spec.title} values are impossible, most often {most:g}: they lie within "
            f"{limits.low:g} and {limits.high:g} ({spec.unit}). If that number means no data, mark it by valid= (bool, "
            f"True = observed) or by {MISSING:.0f}; if the numbers are scaled, take the scale off first"
        )
