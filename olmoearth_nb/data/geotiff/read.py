"""What stands in one GeoTIFF: values, names of bands, dates, place, and what its tags say of the offset."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.data.offset import Declared, read_offset
from olmoearth_nb.georeference import Georeference

DATE_TAGS = ("DATE", "datetime", "ACQUISITION_DATE")
"""Tags of a file that are read as its date, in this order. (TIFF's own tag 306 says when the *file* was made.)"""

_NAMES = {f"B{i}": f"B{i:02d}" for i in range(1, 13)} | {"B8A": "B8A"}
_RADAR = {"VV": "vv", "VH": "vh"}
_LANDSAT = {f"B{i}": f"B{i}" for i in range(1, 12)} | {f"B{i:02d}": f"B{i}" for i in range(1, 10)}
_KNOWN = {
    "sentinel2_l2a": _NAMES | {name: name for name in _NAMES.values()},
    "sentinel1": _RADAR,
    "landsat": _LANDSAT,
}
_LANDSAT_QUALITY = {"QA_PIXEL", "QA_RADSAT"}
_ISO = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")


@dataclass(frozen=True, eq=False)
class Raster:
    """One file.

    Attributes:
        path: where it lies.
        values: (bands, H, W) masked array.
        names: descriptions of the bands, None where there is none.
        tags: of the file, and of its first band.
        scaling: scale and offset of each band, where the file has any.
        grid: coordinate system, origin and pixel size, size.
        place: latitude and longitude of the centre, or None.
        georeference: where the pixels lie, or None.
    """

    path: Path
    values: np.ma.MaskedArray
    names: list[str | None]
    tags: dict[str, str]
    scaling: list[dict[str, Any]]
    grid: tuple[Any, ...]
    place: tuple[float, float] | None
    georeference: Georeference | None

    def offset(self) -> Declared:
        """What the file says of the offset of Sentinel-2's digital numbers."""
        try:
            return read_offset(self.tags, self.scaling)
        except ValueError as error:
            raise ValueError(f"{self.path.name}: {error}") from error


def read(path: Path) -> Raster:
    """Reads a GeoTIFF, and nothing that only calls itself one.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a whole GeoTIFF.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with rasterio.open(path, driver="GTiff") as file:
            values = file.read(masked=True)
            centre = file.xy(file.height / 2, file.width / 2, offset="ul")
            place = None
            if file.crs is not None:
                lon, lat = (found[0] for found in transform(file.crs, "EPSG:4326", [centre[0]], [centre[1]]))
                place = (lat, lon)
            scaling = [
                {"scale": scale} | ({"offset": offset} if offset else {})
                for scale, offset in zip(file.scales, file.offsets, strict=True)
            ]
            grid = (file.crs, tuple(round(x, 9) for x in file.transform), file.shape)
            tags = {**file.tags(1), **file.tags()}
            return Raster(path, values, list(file.descriptions), tags, scaling, grid, place, _georeference(file))
    except RasterioError as error:
        raise ValueError(f"{path.name} is not a whole GeoTIFF ({error.__cause__ or error})") from error


def _georeference(file: Any) -> Georeference | None:
    """Where the pixels of an open file lie, if it says so."""
    if file.crs is None or file.transform.is_identity:
        return None
    return Georeference(file.crs.to_string(), tuple(file.transform)[:6])


def same_grid(rasters: Sequence[Raster]) -> None:
    """Raises a ValueError unless all files have one coordinate system, one origin and one size."""
    first = rasters[0]
    for other in rasters[1:]:
        for what, mine, theirs in zip(
            ("coordinate system", "origin and pixel size", "size"), first.grid, other.grid, strict=True
        ):
            if mine != theirs:
                raise ValueError(
                    f"all files must lie on one pixel grid: {first.path.name} has {what} {mine}, "
                    f"{other.path.name} has {theirs}"
                )


def by_date(raster: Raster, bands: Sequence[str] | None, sensor: str | None) -> tuple[np.ndarray, list[str], str]:
    """Values of one file ordered by date.

    Args:
        raster: the file.
        bands: names of one date's bands; by default the file's own, whose number behind an underscore is the date's.
        sensor: whose bands to read; by default those of Sentinel-2 and Sentinel-1, or, where there is Landsat's
            quality band (`QA_PIXEL`, `QA_RADSAT`), those of Landsat.

    Returns:
        (H, W, T, C) values with NaN where nothing was observed, the names of its C bands, those that we know, and
        the sensor: "landsat" or "sentinel".

    Raises:
        ValueError: for bands that are not named, named twice, or not the same at every date.
    """
    title = raster.path.name
    found, sensor = _found(_named(raster, bands), sensor, title)
    steps = sorted({step for _, step, _ in found})
    names = [name for name, step, _ in found if step == steps[0]]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{title} has bands twice: {twice}; dates behind one another need numbers, as in B04_1")
    index = {(name, step): i for name, step, i in found}
    lacking = [f"{name}_{step}" for step in steps for name in names if (name, step) not in index]
    if lacking or len(index) != len(steps) * len(names):
        raise ValueError(f"{title} does not have the same bands at every date; absent: {lacking[:5]}")
    values = np.ma.filled(raster.values.astype(np.float64), np.nan)
    stack = np.stack([np.stack([values[index[name, step]] for name in names], -1) for step in steps], 2)
    return stack, names, sensor


def _found(described: list[tuple[str, int]], sensor: str | None, title: str) -> tuple[list[tuple[str, int, int]], str]:
    """Our name, the date's number and the position of each band that we know, and whether they are Landsat's."""
    given = [(name.strip().upper(), step, i) for i, (name, step) in enumerate(described)]
    upper = {name for name, _, _ in given}
    if sensor is None and upper & _LANDSAT_QUALITY:
        sensor = "landsat"
    known = _KNOWN[sensor] if sensor else _KNOWN["sentinel2_l2a"] | _RADAR
    found = [(known[name], step, i) for name, step, i in given if name in known]
    if not found:
        level2 = any(name.startswith(("SR_", "ST_")) for name in upper)
        raise ValueError(
            f"{title} has no band of {sensor or 'Sentinel-2 or Sentinel-1'}; its bands are "
            f"{[name for name, _ in described][:20]}{'; SR_ and ST_ are Level 2, the models read Level 1' * level2}"
        )
    own = {name for name, _, _ in found}
    if sensor is None and own >= {"B10", "B11"} and not own & {"B8A", "B12"}:
        raise ValueError(
            f"{title}: bands B10 and B11 without B8A and B12 may be Landsat's or Sentinel-2's; say modality='landsat' "
            "or modality='sentinel2_l2a' to load_geotiff"
        )
    return found, "landsat" if sensor == "landsat" else "sentinel"


def _named(raster: Raster, bands: Sequence[str] | None) -> list[tuple[str, int]]:
    """Name and number of the date of every band of a file."""
    count, title = len(raster.values), raster.path.name
    if bands is not None:
        if count % len(bands):
            raise ValueError(f"{title} has {count} bands, which is no multiple of the {len(bands)} named ones")
        return [(name, i) for i in range(count // len(bands)) for name in bands]
    if None in raster.names:
        raise ValueError(f"{title} does not name its {count} bands; {_ask('bands')}, the names of one date's bands")
    parts = [re.fullmatch(r"(.+?)(?:_(\d+))?", str(name)) for name in raster.names]
    return [(part.group(1), int(part.group(2) or 0)) for part in parts if part]


def dates_of(raster: Raster, steps: int) -> list[dt.date]:
    """Dates of a file from its tags or its name.

    Raises:
        ValueError: if neither says them, or they contradict each other.
    """
    name = raster.path.name
    days = [_day(found, name) for found in _ISO.finditer(raster.path.stem)]
    tag = next((tag for tag in DATE_TAGS if tag in raster.tags), None)
    if tag is not None and steps == 1:
        found = _ISO.search(raster.tags[tag].replace(":", "-", 2))
        if found is None:
            raise ValueError(f"{name}: the tag {tag} is {raster.tags[tag]!r}, which is not a date; {_ask('dates')}")
        day = _day(found, name)
        if days and not min(days) <= day <= max(days):
            raise ValueError(f"{name}: the tag {tag} says {day}, the name says {days[0]}; {_ask('dates')}")
        return [day]
    if len(days) == 1 and steps == 1:
        return days
    if len(days) == 2 and (days[1] - days[0]).days == 30 * steps:
        return [days[0] + dt.timedelta(days=30 * i) for i in range(steps)]
    if len(days) == 2 and days[0] == days[1]:
        raise ValueError(f"{name} has two times of {days[0]} in its name; {_ask('dates')}")
    raise ValueError(
        f"{name} does not say when its {steps} timesteps are: there is none of the tags {', '.join(DATE_TAGS)}, and "
        f"its name holds {[day.isoformat() for day in days]}, not one date for one timestep or a first and last day "
        f"{30 * steps} days apart; {_ask('dates')}"
    )


def _day(found: re.Match[str], name: str) -> dt.date:
    """A date that a pattern found."""
    try:
        return dt.date(*(int(part) for part in found.groups()))
    except ValueError as error:
        raise ValueError(f"{name}: {found.group()} is not a date ({error}); {_ask('dates')}") from error


def _ask(option: str) -> str:
    """How to say what a file does not."""
    return f"give {option}= by load_geotiff(path, {option}=[...])"
