"""What a STAC catalogue says of one Sentinel-2 acquisition: when, where, and which asset is which band."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.offset import KEYS, boa_offset
from olmoearth_nb.georeference import check_crs
from olmoearth_nb.io.addresses import host_of, plain

CLASSES = "SCL"
"""Our name of the scene classification."""

_COMMON = {
    **{"B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2"},
    **{"B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22"},
}
"""Asset names of Earth Search v1; all but the red edges are common names of the STAC eo extension, too."""

_SYSTEM = ("proj:code", "proj:epsg")
_READ = {*KEYS, *_SYSTEM, "updated"}
_READ_OF_ASSETS = {"href", "raster:bands", "bands", "proj:shape", "proj:transform", *_SYSTEM}
"""Fields that are read later; the others, which may be large, are not kept."""

ODD = (ArithmeticError, AttributeError, KeyError, IndexError, RecursionError, TypeError, ValueError)
"""What reading JSON of another form than expected may raise."""

_LONGEST_NAME = 200


class ItemError(ValueError):
    """What a catalogue says of one item cannot be used; the message names the item."""


@dataclass(frozen=True)
class StacItem:
    """One acquisition of one tile.

    Attributes:
        id: the catalogue's name of it.
        day: date of the acquisition, UTC.
        properties: what the catalogue says of the whole, as far as it is read later.
        bbox: west, south, east, north in degrees.
        cloud: cloud cover of the whole tile in percent, or None where the catalogue does not say so.
        assets: our name of a band, or `CLASSES` -> what the catalogue says of its file, as far as it is read later.
    """

    id: str
    day: dt.date
    properties: Mapping[str, Any]
    bbox: tuple[float, float, float, float]
    cloud: float | None
    assets: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_dict(cls, raw: Any) -> StacItem:
        """Reads an item as the catalogue sent it.

        Raises:
            ItemError: if it is not a STAC item, or lacks a band.
        """
        name = "an item"
        try:
            name = _name(raw)
            properties, geometry = raw["properties"], raw["geometry"]
            if raw["type"] != "Feature" or geometry["type"] not in ("Polygon", "MultiPolygon"):
                raise ValueError(f"it is a {raw['type']!r} of a {geometry['type']!r}")
            cloud = properties.get("eo:cloud_cover")
            item = cls(
                name,
                _day(properties["datetime"]),
                {key: value for key, value in properties.items() if key in _READ},
                _box(raw["bbox"]),
                None if cloud is None else _number(cloud),
                _by_band(raw["assets"]),
            )
            for fields in (item.properties, *item.assets.values()):
                said_crs(fields)
            for band in SENTINEL2.band_names:
                _require_digital(item.assets[band])
        except ODD as error:
            raise ItemError(f"{name} cannot be used ({_words(error)})") from error
        return item

    @property
    def crs(self) -> str | None:
        """Coordinate system of the files, such as ``"EPSG:32631"``, if the catalogue says so."""
        return said_crs(self.properties)

    def offsets(self) -> list[int]:
        """What must be taken off the digital numbers of each band, in the models' order.

        Raises:
            ItemError: if the catalogue says it in a way that cannot be read.
        """
        assets = [self.assets[band] for band in SENTINEL2.band_names]
        try:
            return [boa_offset(self.properties, asset.get("raster:bands") or asset.get("bands")) for asset in assets]
        except ODD as error:
            raise ItemError(
                f"what {self.id} says of its offset cannot be read ({_words(error)}); give offset="
            ) from error


def said_crs(fields: Mapping[str, Any]) -> str | None:
    """Coordinate system by the projection extension, version 1 (`proj:epsg`) or 2 (`proj:code`).

    Raises:
        ValueError: if it is none, or names a file or an address.
    """
    if fields.get("proj:code"):
        return check_crs(fields["proj:code"])
    return check_crs(f"EPSG:{fields['proj:epsg']}") if fields.get("proj:epsg") else None


def _words(error: Exception) -> str:
    """An error for a message: of a plain one only what it says."""
    said = plain(error)
    return said if type(error) is ValueError else f"{type(error).__name__}: {said}"


def _require_digital(asset: Mapping[str, Any]) -> None:
    """Raises a ValueError unless numbers are 10,000 x reflectance, where a catalogue says what they are."""
    for band in asset.get("raster:bands") or asset.get("bands") or []:
        scale = band.get("scale", band.get("raster:scale"))
        if scale is not None and not any(math.isclose(_number(scale), ours, rel_tol=1e-3) for ours in (1e-4, 1)):
            raise ValueError(f"reflectance is {scale:g} x number, but 0.0001 x number is expected")


def _name(raw: Any) -> str:
    """The name of an item, which goes into messages and names of files."""
    name = raw["id"]
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"its id is {plain(repr(name))}")
    return name


def _day(said: str) -> dt.date:
    """The date of a time, in UTC."""
    time = dt.datetime.fromisoformat(said.replace("Z", "+00:00"))
    return (time if time.tzinfo is None else time.astimezone(dt.UTC)).date()


def _number(value: Any) -> float:
    """A number of JSON; texts and truth values are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"it holds {plain(repr(value))} in the place of a number")
    return float(value)


def _box(said: Any) -> tuple[float, float, float, float]:
    """West, south, east, north of a box of two dimensions, or of three."""
    numbers = [_number(x) for x in said]
    if len(numbers) not in (4, 6):
        raise ValueError(f"its bbox has {len(numbers)} numbers")
    west, south, east, north = numbers if len(numbers) == 4 else (*numbers[:2], *numbers[3:5])
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError(f"its bbox is {said}")
    return west, south, east, north


def _by_band(offered: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The assets that hold our bands and the scene classification."""
    keys = {key.lower(): key for key in offered}
    chosen: dict[str, Mapping[str, Any]] = {}
    for band in (*SENTINEL2.bands, None):
        ours = band.name if band else CLASSES
        resolution = f"{ours}_{band.resolution:.0f}m" if band else f"{ours}_20m"
        names = [text.lower() for text in (ours, _COMMON.get(ours, ours), resolution)]
        key = next((keys[text] for text in names if text in keys), "") or _described(offered, names)
        if key:
            chosen[ours] = {field: value for field, value in offered[key].items() if field in _READ_OF_ASSETS}
    absent = [name for name in (*SENTINEL2.band_names, CLASSES) if name not in chosen]
    if absent:
        raise ValueError(f"it has no assets for {', '.join(absent)}; its assets are {', '.join(offered) or 'none'}")
    for asset in chosen.values():
        host_of(asset["href"])
    return chosen


def _described(offered: Mapping[str, Mapping[str, Any]], names: list[str]) -> str:
    """Key of an asset of one band whose metadata (`eo:bands`, or `bands` since STAC 1.1) name it so."""
    for key, asset in offered.items():
        bands = asset.get("eo:bands") or asset.get("bands") or []
        named = [bands[0].get(field) for field in ("name", "common_name", "eo:common_name")] if len(bands) == 1 else []
        if any(str(text).lower() in names for text in named if text):
            return key
    return ""


def listed(names: list[str], most: int = 20) -> str:
    """Names for a note, not without end."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
