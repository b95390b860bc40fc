"""What a STAC catalogue says of one Sentinel-2 acquisition: when, where, and which asset is which band."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.offset import boa_offset
from olmoearth_nb.io.fetch import DownloadError

CLASSES = "SCL"
"""Our name of the scene classification."""

_COMMON = {
    **{"B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2"},
    **{"B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22"},
}
"""Asset names of Earth Search v1; all but the red edges are common names of the STAC eo extension, too."""


@dataclass(frozen=True)
class StacItem:
    """One acquisition of one tile.

    Attributes:
        id: the catalogue's name of it.
        day: date of the acquisition, UTC.
        properties: all that the catalogue says of the whole.
        geometry: GeoJSON footprint in degrees.
        bbox: west, south, east, north in degrees.
        cloud: cloud cover of the whole tile in percent, or None where the catalogue does not say so.
        assets: our name of a band, or `CLASSES` -> what the catalogue says of its file.
    """

    id: str
    day: dt.date
    properties: Mapping[str, Any]
    geometry: Mapping[str, Any]
    bbox: tuple[float, ...]
    cloud: float | None
    assets: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> StacItem:
        """Reads an item as the catalogue sent it.

        Raises:
            DownloadError: if it is not a STAC item, or lacks a band.
        """
        try:
            name, properties, geometry = str(raw["id"]), raw["properties"], raw["geometry"]
            bbox = tuple(float(x) for x in raw["bbox"])
            cloud = properties.get("eo:cloud_cover")
            cloud = None if cloud is None else float(cloud)
            day = dt.datetime.fromisoformat(properties["datetime"].replace("Z", "+00:00")).date()
            offered = {str(key): {**asset, "href": str(asset["href"])} for key, asset in raw["assets"].items()}
            assets = _by_band(name, offered)
            valid = raw["type"] == "Feature" and "type" in geometry and len(bbox) == 4
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DownloadError(
                f"the catalogue's answer holds something that is no STAC item ({type(error).__name__}: {error})"
            ) from error
        if not valid:
            raise DownloadError(f"the catalogue's item {name} is no STAC item: type {raw['type']!r}, bbox {bbox}")
        return cls(name, day, properties, geometry, bbox, cloud, assets)

    @property
    def crs(self) -> str | None:
        """Coordinate system of the files, such as ``"EPSG:32631"``, if the catalogue says so."""
        return said_crs(self.properties)

    def offsets(self) -> list[int]:
        """What must be taken off the digital numbers of each band, in the models' order.

        Raises:
            DownloadError: if the catalogue says it in a way that cannot be read.
        """
        assets = [self.assets[band] for band in SENTINEL2.band_names]
        try:
            return [boa_offset(self.properties, asset.get("raster:bands") or asset.get("bands")) for asset in assets]
        except (AttributeError, TypeError, ValueError) as error:
            raise DownloadError(f"what {self.id} says of its offset cannot be read ({error}); give offset=") from error


def said_crs(fields: Mapping[str, Any]) -> str | None:
    """Coordinate system by the projection extension, version 1 (`proj:epsg`) or 2 (`proj:code`)."""
    if fields.get("proj:code"):
        return str(fields["proj:code"])
    return f"EPSG:{fields['proj:epsg']}" if fields.get("proj:epsg") else None


def _by_band(name: str, offered: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The assets that hold our bands and the scene classification."""
    keys = {key.lower(): key for key in offered}
    found: dict[str, Mapping[str, Any]] = {}
    for band in (*SENTINEL2.bands, None):
        own = band.name if band else CLASSES
        resolution = f"{own}_{band.resolution:.0f}m" if band else f"{own}_20m"
        names = [text.lower() for text in (own, _COMMON.get(own, own), resolution)]
        key = next((keys[text] for text in names if text in keys), "") or _described(offered, names)
        if key:
            found[own] = offered[key]
    absent = [own for own in (*SENTINEL2.band_names, CLASSES) if own not in found]
    if absent:
        raise DownloadError(
            f"the item {name} has no assets for {', '.join(absent)}; its assets are {', '.join(offered) or 'none'}"
        )
    far = [asset["href"] for asset in found.values() if not asset["href"].startswith(("http://", "https://"))]
    if far:
        raise DownloadError(f"assets are read over http or https, but {name} has {far[0]}")
    return found


def _described(offered: Mapping[str, Mapping[str, Any]], names: list[str]) -> str:
    """Key of an asset of one band whose metadata (`eo:bands`, or `bands` since STAC 1.1) name it so."""
    for key, asset in offered.items():
        bands = asset.get("eo:bands") or asset.get("bands") or []
        named = [bands[0].get(field) for field in ("name", "common_name", "eo:common_name")] if len(bands) == 1 else []
        if any(str(text).lower() in names for text in named if text):
            return key
    return ""


def counted(number: int, noun: str) -> str:
    """A number with its noun, as in 1 item, 2 items."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
