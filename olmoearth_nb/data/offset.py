"""The offset of Sentinel-2's processing baseline 04.00: taken off once, said aloud, never twice.

Products *processed* since 25 January 2022 (baseline 04.00 and later; also Collection 1, which holds earlier years
anew) hold 10,000 x reflectance + 1,000, so that dark surfaces are not cut off at zero: the date of the picture says
nothing of it. The models were trained on numbers without it. Nothing in the numbers says whether it is in them;
metadata do:

* `BOA_ADD_OFFSET` (L2A) and `RADIO_ADD_OFFSET` (L1C) of a product's metadata, -1000 for every band;
* `earthsearch:boa_offset_applied` of an item: True says that its files are without the offset, whatever else the item
  says; False says nothing, because it also stands at older items;
* the processing baseline: there is no offset before 04.00;
* `raster:bands` of an item, or scale and offset of a GeoTIFF: reflectance = scale x number + offset.

What we write is marked by the tag `BOA_OFFSET_APPLIED` (`offset_tags`), and a sample by a note (`offset_done`).
Source: Sentinel-2 Products Specification Document, and the documentation of the catalogues named above.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from olmoearth_nb.data.arrays import Date, parse_dates
from olmoearth_nb.data.units import PERCENT
from olmoearth_nb.sample import Sample

Offset = Literal["auto"] | int | None
"""What a loader is told: decide by the metadata, take this much off, or take nothing off."""

DONE = "taken off the digital numbers"
"""Words of the note that marks a sample without the offset."""

UNSAID = (
    "no metadata say whether an offset of 1000 (0.1 in reflectance) is in the numbers, as in products processed since "
    "25 January 2022, of whatever date; not taken off: if it is in them, say offset=1000"
)
"""The note where metadata are silent."""

TAG = "BOA_OFFSET_APPLIED"
"""Tag of a file that marks its digital numbers as being without the offset."""

_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied", TAG)
_ADDED = ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
_BASELINE = (
    *("s2:processing_baseline", "sentinel:processing_baseline", "PROCESSING_BASELINE"),
    "processing_baseline",
)
KEYS = (*_APPLIED, *_ADDED, *_BASELINE)
"""Properties and tags that `read_offset` reads, whatever the case of their letters."""

_VERSION = re.compile(r"N?(\d{1,2})(?:\.?(\d{2})|\.(\d))")
_MOST = 2000
_SATURATED = 65535
_FIRST_BASELINE = 400

_REFLECTANCE = 1e-4
"""Reflectance of one digital number."""

_BELOW, _RARE = 0.5, 0.01
"""Numbers that hold an offset lie above it but for noise over dark water: hardly one below half of it, which is a
reflectance of -0.05. Of 2,116 Level 2A chips without an offset, 97 % have more than this fraction below 500."""

_LOOKED = 1_000_000
"""Values that a percentile is taken of."""


@dataclass(frozen=True)
class Declared:
    """What metadata say of the offset.

    Attributes:
        offset: digital numbers still to be subtracted, or None where nothing is said.
        why: the words that say it.
        done: whether they say that it was in the numbers and is taken off.
    """

    offset: int | None = None
    why: str = ""
    done: bool = False


def read_offset(properties: Mapping[str, Any], raster_bands: Sequence[Mapping[str, Any]] | None = None) -> Declared:
    """What an item's properties, or a file's tags, say of the offset.

    Args:
        properties: of a STAC item, or the tags of a file.
        raster_bands: `raster:bands` of the assets, or scale and offset of the file's bands.

    Raises:
        ValueError: for metadata that cannot be read, or bands of different offsets.
    """
    properties = _known(properties)
    for key in _APPLIED:
        if key in properties and _true(properties[key], key):
            return Declared(0, f"{key} is {properties[key]}", done=True)
    for key in _ADDED:
        if key in properties:
            return Declared(_checked(-_number(properties[key], key), key), f"{key} is {properties[key]}")
    baseline, why = _baseline(properties)
    if baseline is not None and baseline < _FIRST_BASELINE:
        return Declared(0, why)
    stated = {_of_band(band) for band in raster_bands or [] if _get(band, "offset") is not None}
    if len(stated) > 1:
        raise ValueError(f"the bands have different offsets: {sorted(stated)}; take them off band by band")
    if stated:
        offset = stated.pop()
        return Declared(_checked(offset, "the offset of the bands"), f"scale and offset of the bands put {offset:g} on")
    return Declared(1000, why) if baseline is not None else Declared()


def boa_offset(properties: Mapping[str, Any], raster_bands: Sequence[Mapping[str, Any]] | None = None) -> int:
    """Digital numbers still to be subtracted from the bands of a Sentinel-2 L2A item.

    Args:
        properties: of the item.
        raster_bands: `raster:bands` of its reflectance bands, if it has them (not of its masks).

    Returns:
        1000 or 0; 0 also where nothing is said (`read_offset` tells the two apart).

    Raises:
        ValueError: see `read_offset`.
    """
    return read_offset(properties, raster_bands).offset or 0


def remove_offset(image: np.ndarray, offset: int | np.ndarray, scale: str = "native") -> np.ndarray:
    """Takes the offset off, not below one digital number.

    What is 0 (no data), 65535 (saturated), negative (`bands.MISSING`) or NaN stays, and no
    valid number becomes one of these.

    Args:
        image: numbers of any shape and type.
        offset: digital numbers to subtract; an array of one for each date or band is broadcast.
        scale: what the numbers are: digital ("native"), or "reflectance".

    Returns:
        An array of the same shape and type.

    Raises:
        ValueError: for an offset below 0 or above 2000.
    """
    offset = np.asarray(offset)
    if offset.size == 0 or offset.min() < 0 or offset.max() > _MOST:
        raise ValueError(f"offset is what must be taken off, 0 to {_MOST} (usually 1000), got {offset.tolist()}")
    image, unit = np.asarray(image), _unit(scale)
    signed = image.astype(np.int64) if image.dtype.kind in "ui" else image
    reduced = np.where(offset > 0, np.maximum(signed - offset * unit, unit), signed)
    special = (signed <= 0) | (np.abs(signed - _SATURATED * unit) < unit / 10)
    return np.where(special, signed, reduced).astype(image.dtype)


def without_offset(image: np.ndarray, offset: int | np.ndarray, scale: str = "native") -> tuple[Any, list[str]]:
    """Takes the offset off numbers that can hold it, and notes how many of them lay below it.

    Args:
        image: numbers of any shape and type, also a masked array, which stays one.
        offset: see `remove_offset`.
        scale: see `remove_offset`.

    Raises:
        ValueError: if so many numbers lie far below the offset that it cannot be in them.
    """
    offset, numbers = np.asarray(offset), np.ma.getdata(image)
    if not offset.any():
        return image, []
    most, limit = int(offset.max()), offset * _unit(scale)
    seen = (numbers > 0) & (offset > 0) & ~np.ma.getmaskarray(image)
    count = int(seen.sum())
    if not count or (scale == "native" and np.quantile(numbers[seen][:: max(1, count // _LOOKED)], 0.99) <= PERCENT):
        return image, []  # nothing was observed, or in another unit, which is told when the unit is judged
    far = int((seen & (numbers < _BELOW * limit)).sum()) / count
    if far > _RARE:
        raise ValueError(
            f"an offset of {most} cannot be in these numbers: {far:.0%} of them lie below half of it; it was taken off "
            "before, or never put on: say offset=None"
        )
    low = int((seen & (numbers < limit)).sum()) / count
    notes = [f"{low:.2%} of the values lay below the offset of {most}, and became 1"] if low else []
    taken = remove_offset(numbers, offset, scale)
    return np.ma.MaskedArray(taken, image.mask) if isinstance(image, np.ma.MaskedArray) else taken, notes


def _unit(scale: str) -> float:
    """One digital number in the unit of a scale."""
    return _REFLECTANCE if scale == "reflectance" else 1


def settle(given: Offset, declared: Sequence[Declared], dates: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """What to take off, and the notes that say so.

    Args:
        given: what the caller wants.
        declared: what the metadata say, one for each date (or band and date).
        dates: ISO date of each.

    Returns:
        Integers like `declared`, and notes for the sample.

    Raises:
        ValueError: if the caller's number is none, or the metadata say another.
    """
    wanted = 0 if given is None else given
    number = isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool)
    if wanted != "auto" and not (number and 0 <= int(wanted) <= _MOST):
        raise ValueError(
            f"offset is 0 to {_MOST} digital numbers to take off, offset='auto' or offset=None; got {given!r}"
        )
    notes: dict[str, list[str]] = {}
    offsets = []
    for one, date in zip(declared, dates, strict=True):
        offset, note = _settled(wanted, one, date)
        offsets.append(offset)
        if note:
            notes.setdefault(note, []).append(date)
    every = len(set(dates))
    return np.array(offsets, dtype=np.int64), [
        note if len(set(at)) == every else f"{note}; so on {', '.join(sorted(set(at)))}" for note, at in notes.items()
    ]


def take_off(
    image: np.ndarray,
    given: Offset,
    declared: Sequence[Declared],
    dates: Sequence[Date] | np.ndarray,
    *,
    scale: str = "native",
) -> tuple[np.ndarray, list[str]]:
    """A series without the offset, and the notes that say so.

    Args:
        image: (H, W, T, C) numbers.
        given: what the caller wants, in digital numbers.
        declared: what the metadata say of each date.
        dates: see `parse_dates`.
        scale: see `remove_offset`.

    Raises:
        ValueError: see `settle` and `without_offset`; or if there is not one date for each timestep.
    """
    days = [f"{year}-{month + 1:02d}-{day:02d}" for day, month, year in parse_dates(dates).tolist()]
    if len(days) != len(declared):
        raise ValueError(f"{len(declared)} timesteps of digital numbers but {len(days)} dates")
    offsets, notes = settle(given, declared, days)
    taken, low = without_offset(image, offsets[:, None], scale)
    return taken, [*notes, *low]


def _settled(wanted: int | str, declared: Declared, date: str) -> tuple[int, str]:
    """What to take off one date, and the note."""
    if wanted == "auto":
        if declared.offset:
            return declared.offset, f"{declared.offset} {DONE} ({declared.why})"
        if declared.done:
            return 0, f"an offset was {DONE} before ({declared.why}); nothing more is"
        return 0, UNSAID if declared.offset is None else ""
    if not wanted:
        return (
            0,
            f"an offset of {declared.offset} is in the digital numbers ({declared.why}) and stays"
            if declared.offset
            else "",
        )
    if declared.offset is not None and declared.offset != wanted:
        raise ValueError(
            f"offset={wanted} would be {'taken off twice' if declared.done else 'wrong'} at {date}: {declared.why}, so "
            f"that {declared.offset} is to be taken off; say offset='auto' or leave it out"
        )
    return int(wanted), f"{wanted} {DONE} (by the caller's word)"


def offset_done(sample: Sample) -> bool:
    """Whether a sample's notes say that the offset was taken off."""
    return any(DONE in note for note in sample.notes)


def offset_tags(sample: Sample) -> dict[str, str]:
    """Tags to write into a file of this sample, so that nobody takes the offset off again."""
    return {TAG: "True"} if offset_done(sample) else {}


def _known(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties by the spelling of `KEYS`; GDAL parts ``s2:processing_baseline=05.09`` at the colon."""
    small = {key.lower(): key for key in reversed(KEYS)}
    known = {}
    for name, value in properties.items():
        if isinstance(value, str) and "=" in value and f"{name}:{value.partition('=')[0]}".lower() in small:
            name, value = f"{name}:{value.partition('=')[0]}", value.partition("=")[2]
        if name.lower() in small:
            known[small[name.lower()]] = value
    return known


def _true(value: Any, key: str) -> bool:
    """A flag, also as the text of a tag."""
    text = str(value).strip().lower()
    if text not in ("true", "yes", "1", "false", "no", "0"):
        raise ValueError(f"{key} must be true or false, got {value!r}")
    return text in ("true", "yes", "1")


def _number(value: Any, key: str) -> float:
    """A number, also as the text of a tag."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} must be a number, got {value!r}") from error


def _checked(offset: float, key: str) -> int:
    """A whole number of digital numbers that an offset can have."""
    if not 0 <= offset <= _MOST or abs(offset - round(offset)) > 1e-6:
        raise ValueError(f"{key} says that {offset:g} digital numbers are to be taken off; valid are 0 to {_MOST}")
    return round(offset)


def _baseline(properties: Mapping[str, Any]) -> tuple[int | None, str]:
    """The processing baseline, 400 for 04.00, and the words that say it."""
    for key in _BASELINE:
        if key in properties:
            found = _VERSION.fullmatch(str(properties[key]).strip())
            if found is None:
                raise ValueError(f"{key} must be like 04.00, got {properties[key]!r}")
            return int(found[1]) * 100 + int(found[2] or f"{found[3]}0"), f"{key} is {properties[key]}"
    return None, ""


def _get(band: Mapping[str, Any], key: str) -> Any:
    """A field of a band as the raster extension names it, before or since STAC 1.1."""
    return band.get(key, band.get(f"raster:{key}"))


def _of_band(band: Mapping[str, Any]) -> float:
    """The offset of one band in digital numbers."""
    scale = _number(1.0 if _get(band, "scale") is None else _get(band, "scale"), "scale")
    if not scale > 0:
        raise ValueError(f"the scale of a band must be positive, got {scale:g}")
    return round(-_number(_get(band, "offset"), "offset") / scale, 6) + 0.0
