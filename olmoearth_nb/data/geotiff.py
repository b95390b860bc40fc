"""GeoTIFFs as samples: one file of all bands and dates, or one file a date.

Bands are named by the files' band descriptions or by the caller, dates by the caller, the files' tags or their names,
in two documented patterns. Nothing is guessed: what cannot be told is asked for.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.bands import MISSING, modality
from olmoearth_nb.door import Date, to_sample
from olmoearth_nb.place import Georeference
from olmoearth_nb.sample import Sample

DATE_TAGS = ("DATE", "datetime", "ACQUISITION_DATE", "TIFFTAG_DATETIME")
"""Tags of a file that are read as its date, in this order."""

OFFSET_SINCE = dt.date(2022, 1, 25)
"""Files processed since then (baseline 04.00) hold digital numbers + 1000, unless their source has taken it off."""

_NAMES = {f"B{i}": f"B{i:02d}" for i in range(1, 13)} | {"B8A": "B8A", "VV": "vv", "VH": "vh"}
_ISO = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")


def load_geotiff(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    bands: Sequence[str] | None = None,
    dates: Sequence[Date] | None = None,
    offset: int | None = None,
    missing_bands: Any = "error",
) -> Sample:
    """Opens one GeoTIFF, or one for each date, on one pixel grid.

    Args:
        paths: the file or files.
        bands: names of a date's bands, in the order of the file; by default the files' band descriptions, which may
            carry a number of the date behind an underscore (``B4_11``). Bands that we do not know are left out.
        dates: one for each timestep. By default the tag of each file (`DATE_TAGS`), or its name: one date
            (``2020-07-01`` or ``20200701``) for one timestep, or a first and a last day that hold T windows of 30
            days, each dated by its first day.
        offset: digital numbers to take off Sentinel-2: 1000 for files straight from the archive since baseline
            04.00. By default nothing is taken off, and a note says so where it might be needed.
        missing_bands: see `to_sample`.

    Returns:
        A sample with Sentinel-2, Sentinel-1, or both. A cirrus band B10 says that Sentinel-2 is top-of-atmosphere data:
        the sample warns of it.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: naming what was given and what is valid.
    """
    files = [Path(p) for p in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]
    if not files:
        raise ValueError("give at least one GeoTIFF")
    read = [_read(path) for path in files]
    _same_grid(read)
    stacks = [_by_date(one, bands) for one in read]
    values = np.concatenate([stack for stack, _ in stacks], axis=2)
    names = stacks[0][1]
    if any(own != names for _, own in stacks):
        raise ValueError(f"all files need the same bands, got {sorted({' '.join(own) for _, own in stacks})}")
    if dates is None:
        dates = [day for (stack, _), one in zip(stacks, read, strict=True) for day in _dates(one, stack.shape[2])]
    return _assemble(values, names, dates, read, offset, missing_bands)


def _read(path: Path) -> dict[str, Any]:
    """Values and everything that is said about them."""
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with rasterio.open(path) as file:
            values = file.read(masked=True)
            centre = file.xy(file.height / 2, file.width / 2, offset="ul")
            place = None
            if file.crs is not None:
                lon, lat = (found[0] for found in transform(file.crs, "EPSG:4326", [centre[0]], [centre[1]]))
                place = (lat, lon)
            grid = (file.crs, tuple(round(x, 9) for x in file.transform), file.shape)
            return {
                "path": path,
                "values": values,
                "names": list(file.descriptions),
                "tags": file.tags(),
                "grid": grid,
                "place": place,
                "georeference": _georeference(file),
            }
    except RasterioError as error:
        raise ValueError(f"{path.name} is not a whole GeoTIFF ({error})") from error


def _georeference(file: Any) -> Georeference | None:
    """Where the pixels of an open file lie, if it says so."""
    if file.crs is None or file.transform.is_identity:
        return None
    return Georeference(file.crs.to_string(), tuple(file.transform)[:6])


def _same_grid(read: list[dict[str, Any]]) -> None:
    """Raises unless all files have one coordinate system, one origin and one size."""
    for one in read[1:]:
        for what, first, other in zip(
            ("coordinate system", "origin and pixel size", "size"), read[0]["grid"], one["grid"], strict=True
        ):
            if first != other:
                raise ValueError(
                    f"all files must lie on one pixel grid: {read[0]['path'].name} has {what} {first}, "
                    f"{one['path'].name} has {other}"
                )


def _by_date(one: dict[str, Any], bands: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """(H, W, T, C) values of one file and the names of its C bands, those that we know."""
    count, title = len(one["values"]), one["path"].name
    if bands is not None:
        if count % len(bands):
            raise ValueError(f"{title} has {count} bands, which is no multiple of the {len(bands)} named ones")
        said = [(name, i) for i in range(count // len(bands)) for name in bands]
    elif None in one["names"]:
        raise ValueError(f"{title} does not name its {count} bands; give bands= with the names of one date's bands")
    else:
        parts = [re.fullmatch(r"(.+?)(?:_(\d+))?", name) for name in one["names"]]
        said = [(part.group(1), int(part.group(2) or 0)) for part in parts if part]
    known = [(_canonical(name), slot, i) for i, (name, slot) in enumerate(said) if _canonical(name)]
    if not known:
        raise ValueError(f"{title} has no band of Sentinel-2 or Sentinel-1; its bands are {[n for n, _ in said][:20]}")
    slots = sorted({slot for _, slot, _ in known})
    names = [name for name, slot, _ in known if slot == slots[0]]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{title} has bands twice: {twice}; dates behind one another need numbers, as in B04_1")
    index = {(name, slot): i for name, slot, i in known}
    lacking = [f"{name}_{slot}" for slot in slots for name in names if (name, slot) not in index]
    if lacking or len(index) != len(slots) * len(names):
        raise ValueError(f"{title} does not have the same bands at every date; absent: {lacking[:5]}")
    values = one["values"].astype(np.float64).filled(np.nan)
    stack = np.stack([np.stack([values[index[name, slot]] for name in names], -1) for slot in slots], 2)
    return stack, names


def _canonical(name: str) -> str:
    """Our name of a band, "" for what we do not know; ``B4``, ``b04`` and ``B04`` are one."""
    upper = name.strip().upper()
    return upper if upper in _NAMES.values() else _NAMES.get(upper, "")


def _dates(one: dict[str, Any], steps: int) -> list[dt.date]:
    """Dates of a file from its tags or its name.

    Raises:
        ValueError: if neither says them.
    """
    name = one["path"].name
    for tag in DATE_TAGS:
        if tag in one["tags"] and steps == 1:
            text = one["tags"][tag].replace(":", "-", 2)
            found = _ISO.search(text)
            if found is None:
                raise ValueError(f"{name}: the tag {tag} is {one['tags'][tag]!r}, which is not a date; give dates=")
            return [_day(found, name)]
    days = [_day(found, name) for found in _ISO.finditer(one["path"].stem)]
    if len(days) == 1 and steps == 1:
        return days
    if len(days) == 2 and (days[1] - days[0]).days == 30 * steps:
        return [days[0] + dt.timedelta(days=30 * i) for i in range(steps)]
    raise ValueError(
        f"{name} does not say when its {steps} timesteps are: there is none of the tags {', '.join(DATE_TAGS)}, and "
        f"its name holds {[day.isoformat() for day in days]}, not one date for one timestep or a first and last day "
        f"{30 * steps} days apart; give dates="
    )


def _day(found: re.Match[str], name: str) -> dt.date:
    """A date that a pattern found."""
    try:
        return dt.date(*(int(part) for part in found.groups()))
    except ValueError as error:
        raise ValueError(f"{name}: {found.group()} is not a date ({error}); give dates=") from error


def _assemble(
    values: np.ndarray,
    names: list[str],
    dates: Sequence[Date],
    read: list[dict[str, Any]],
    offset: int | None,
    missing_bands: Any,
) -> Sample:
    """The checked sample of both sensors."""
    title, place = read[0]["path"].stem, read[0]["place"]
    where = "place unknown (no coordinate system)" if place is None else f"{place[0]:.4f} N {place[1]:.4f} E"
    radar = [name for name in names if name in ("vv", "vh")]
    optical = [name for name in names if name not in radar]
    parts: dict[str, Sample] = {}
    for name, own in (("sentinel2_l2a", optical), ("sentinel1", radar)):
        if not own:
            continue
        image = values[..., [names.index(band) for band in own]]
        notes: list[str] = []
        gaps = np.isnan(image)
        if gaps.any():
            notes.append(f"{gaps.any(-1).mean():.1%} of the {modality(name).title} pixels are not observed")
        level = "L2A"
        if name == "sentinel2_l2a":
            level = "L1C" if "B10" in own else "L2A"
            image, done = _without_offset(image, offset, dates)
            notes += done
        parts[name] = to_sample(
            np.where(gaps, MISSING, image),
            own,
            list(dates),
            modality_name=name,
            level=level,  # type: ignore[arg-type]
            missing_bands=missing_bands if name == "sentinel2_l2a" else "error",
            notes=notes,
        )
    images = {name: part.images[name] for name, part in parts.items()}
    said = tuple(note for part in parts.values() for note in part.notes)
    timestamps, where = next(iter(parts.values())).timestamps, f"{title}, {where}"
    return Sample(images, timestamps, title, where, said, read[0]["georeference"])


def _without_offset(image: np.ndarray, offset: int | None, dates: Sequence[Date]) -> tuple[np.ndarray, list[str]]:
    """Takes the offset off, once, not below 1 (0 is no data and stays); says what was done or may be needed."""
    if offset is not None:
        if not 0 < offset <= 2000:
            raise ValueError(
                f"offset is what must be taken off digital numbers, 1 to 2000 (usually 1000), got {offset}"
            )
        return np.where(image > 0, np.maximum(image - offset, 1), image), [f"{offset} taken off the digital numbers"]
    from olmoearth_nb.door import parse_dates

    day, month, year = parse_dates(list(dates))[-1].tolist()
    if dt.date(year, month + 1, day) >= OFFSET_SINCE:
        return image, ["dates since 25 January 2022: files straight from the archive need offset=1000; not taken off"]
    return image, []
