"""Scale and offset that the tags of a GeoTIFF state for each band: the one place where they are applied.

reflectance (or radar power, or dB) = scale x number + offset. Numbers of Sentinel-2 become digital numbers, 10,000 x
reflectance; what such an offset says of processing baseline 04.00 is left to `data.offset`, so that it is taken off
once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose, isfinite
from typing import Any

from olmoearth_nb.data.geotiff.read import Raster

DIGITAL = 1e-4
"""Scale of digital numbers of Sentinel-2."""

_SCALES = ("scale_factor", "reflectanceconversion", "reflectance_scale", "reflectance_mult")
_OFFSETS = ("add_offset", "reflectance_offset", "reflectance_add")
_DIVISORS = ("quantification_value", "boa_quantification_value", "quantificationvalue")
_MOST = 0.2
_LEVEL1 = (2e-5, -0.1)
_LEVEL2 = ((2.75e-5, -0.2), (0.00341802, 149.0))
_DIVISOR = 100.0
"""Scale from which on it is no scale: reflectance of digital number 1 would be 100."""

_LEVEL_2_NAME = re.compile(r"L[COTEM]0[45789]_L2S[PR]", re.IGNORECASE)
_THERMAL = ("B10", "B11")


@dataclass(frozen=True)
class Scaling:
    """How the numbers of one band become the sensor's: ``factor x number + shift``.

    Attributes:
        factor: usually 1.
        shift: in the sensor's unit.
        stated: scale and offset as `data.offset.read_offset` takes them.
        note: what was done, in words, or "".
    """

    factor: float = 1.0
    shift: float = 0.0
    stated: tuple[tuple[str, float], ...] = ()
    note: str = ""

    @property
    def changes(self) -> bool:
        """Whether the numbers are not the sensor's as they are stored."""
        return (self.factor, self.shift) != (1.0, 0.0)


def scaling_of(raster: Raster, band: int, sensor: str, name: str, scale: str, alone: bool) -> Scaling:
    """What the tags say of one band.

    Args:
        raster: the file.
        band: position in it, counted from 0.
        sensor: whose band it is.
        name: of the band, in our spelling.
        scale: what the caller says of Sentinel-2's numbers.
        alone: whether the file holds no other sensor; otherwise tags of the whole file are not radar's.

    Raises:
        ValueError: for tags that contradict each other, or that say that the numbers are not the sensor's.
    """
    if sensor == "landsat":
        _require_no_level_2(raster)
    factor, shift = _stated(raster, band, raster.tags if alone or sensor != "sentinel1" else {})
    if (factor, shift) == (1.0, 0.0):
        return Scaling()
    words = f"{factor:g} x number{f' {shift:+g}' if shift else ''}"
    if sensor == "sentinel1":
        return Scaling(factor, shift, note=f"radar was converted as the tags say: {words}")
    if sensor == "landsat":
        _require_level_1(raster, factor, shift, name, words)
        return Scaling()
    if scale == "reflectance":
        return _of_reflectance(factor, shift, words)
    if factor >= _DIVISOR:
        named = ", ".join(f"{key}={value}" for key, value in raster.tags.items() if key.lower() in _SCALES)
        raise ValueError(
            f"{raster.path.name}: reflectance is {words} by {f'the tag {named}' if named else 'its tags'}, which can "
            f"only be a divisor: if it is, set it to {1 / factor:g}"
            + f", by `rio edit-info {raster.path.name} --tag {named.partition('=')[0]}={1 / factor:g}`"
            * bool(named)
        )
    digital = isclose(factor, DIGITAL, rel_tol=1e-5)
    if factor == 1 or digital:
        return Scaling(stated=_pair(factor, shift))
    note = f"digital numbers were converted as the tags say: reflectance is {words}"
    if -_MOST <= shift <= 0:  # an offset as baselines have it, or none
        return Scaling(factor / DIGITAL, 0.0, _pair(DIGITAL, shift), note)
    return Scaling(factor / DIGITAL, shift / DIGITAL, (("scale", DIGITAL), ("offset", 0.0)), note)


def _of_reflectance(factor: float, shift: float, words: str) -> Scaling:
    """What tags say of numbers that are reflectance by the caller's word."""
    done = (("scale", DIGITAL), ("offset", 0.0)) if shift else ()
    if factor != 1:  # they were applied before
        note = f"the tags say that reflectance is {words}; by the caller's word the numbers are reflectance"
        return Scaling(stated=done, note=note)
    if -_MOST <= shift < 0:
        return Scaling(stated=_pair(DIGITAL, shift))
    return Scaling(1.0, shift, done, f"reflectance is {words}, as the tags say")


def _pair(scale: float, offset: float) -> tuple[tuple[str, float], ...]:
    """Scale and offset; an offset of 0 says nothing, because GDAL gives it for none."""
    return (("scale", scale), ("offset", offset)) if offset else (("scale", scale),)


def _stated(raster: Raster, band: int, tags: Mapping[str, str]) -> tuple[float, float]:
    """Scale and offset of a band by its own tags or those of the file, 1 and 0 where nothing is said."""
    own, whole = _small(raster.band_tags[band]), _small(tags)
    title = f"{raster.path.name}: band {band + 1}"
    scales = {key: _number(own[key], key, title) for key in (*_SCALES, "scale") if key in own}
    offsets = {key: _number(own[key], key, title) for key in (*_OFFSETS, "offset") if key in own}
    scales |= {key: _number(whole[key], key, title) for key in _SCALES if key in whole and not scales}
    offsets |= {key: _number(whole[key], key, title) for key in _OFFSETS if key in whole and not offsets}
    plain = _number(whole["scale"], "scale", title) if "scale" in whole and not scales else 1.0
    if 0 < plain < 1:  # from 1 on it is a size of pixels in metres, as Earth Engine calls it
        scales["scale"] = plain
        offsets |= {"offset": _number(whole["offset"], "offset", title)} if "offset" in whole and not offsets else {}
    if raster.scales[band] != 1:
        scales["the band's scale"] = raster.scales[band]
    if raster.offsets[band] != 0:
        offsets["the band's offset"] = raster.offsets[band]
    if not scales:
        scales = {key: 1 / _number(whole[key], key, title) for key in _DIVISORS if _digital(raster) and key in whole}
    scale, offset = _one(scales, 1.0, title), _one(offsets, 0.0, title)
    if not (isfinite(scale) and scale > 0 and isfinite(offset)):
        raise ValueError(f"{title}: the scale of a band must be positive, its tags say {scale:g} and offset {offset:g}")
    return scale, offset


def _digital(raster: Raster) -> bool:
    """Whether a file holds whole numbers, which a quantification value is of."""
    return raster.dtype.kind in "ui"


def _small(tags: Mapping[str, Any]) -> dict[str, str]:
    """Tags by their names in small letters."""
    return {key.lower(): str(value) for key, value in tags.items()}


def _number(value: str, key: str, title: str) -> float:
    """The number of a tag."""
    try:
        number = float(value)
    except ValueError as error:
        raise ValueError(f"{title}: the tag {key} must be a number, it is {value!r}") from error
    if key in _DIVISORS and not number > 0:
        raise ValueError(f"{title}: the tag {key} must be positive, it is {value!r}")
    return number


def _one(given: Mapping[str, float], default: float, title: str) -> float:
    """The number that all of the tags agree on."""
    numbers = list(given.values())
    if any(not isclose(number, numbers[0], rel_tol=1e-5) for number in numbers):
        raise ValueError(
            f"{title}: its tags contradict each other: {', '.join(f'{k} {v:g}' for k, v in given.items())}"
        )
    return numbers[0] if numbers else default


def _require_no_level_2(raster: Raster) -> None:
    """Raises a ValueError if a tag or the name says that Landsat's numbers are of Level 2."""
    level = _small(raster.tags).get("processing_level", "")
    name = _LEVEL_2_NAME.search(raster.path.name)
    if level.upper().startswith("L2") or (name and not level):
        says = f"its tag PROCESSING_LEVEL is {level}" if level else f"its name says {name.group() if name else ''}"
        raise ValueError(
            f"{raster.path.name}: {says}, surface reflectance of Level 2; the models read digital numbers of "
            "Collection 2 Level 1 (L1TP)"
        )


def _require_level_1(raster: Raster, factor: float, shift: float, name: str, words: str) -> None:
    """Raises a ValueError if tags say that Landsat's numbers are not digital numbers of Level 1."""

    def is_pair(pair: tuple[float, float]) -> bool:
        return isclose(factor, pair[0], rel_tol=1e-3) and isclose(shift, pair[1], rel_tol=1e-3)

    if name in _THERMAL and shift != 149 and factor < 1e-3:
        return  # radiance of a digital number
    if not is_pair(_LEVEL1):
        level2 = any(is_pair(pair) for pair in _LEVEL2)
        raise ValueError(
            f"{raster.path.name}: {name} is {words} by its tags, {'of Level 2' if level2 else 'not of Level 1'}; the "
            "models read digital numbers of Collection 2 Level 1, whose reflectance is 2e-05 x number -0.1"
        )
