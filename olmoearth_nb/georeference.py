"""`Georeference`: where on Earth the pixels of a sample lie."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

LONLAT = "OGC:CRS84"
"""Longitude, then latitude, in degrees of WGS84, as in GeoJSON."""


_AUTHORITY = "(?:EPSG|ESRI|OGC|IGNF|NKG|IAU|IAU_20\\d\\d)"
_NAMED = re.compile(
    rf"{_AUTHORITY}:[\w.]+(?:\+(?:{_AUTHORITY}:)?[\w.]+)?|urn:(?:x-)?ogc:def:crs(?:,crs)?:[\w:.,-]+", re.IGNORECASE
)
_PROJ = re.compile(r"(?:\+?[a-z_]\w*(?:=[\w.,+@-]+)?(?:\s+|$))+", re.IGNORECASE)
_WKT = re.compile(r"[A-Z_]+(?:CRS|CS)\s*[\[(]", re.IGNORECASE)
_FILES = re.compile(
    r"init\s*=|grids?\s*=(?!@null(?![\w,]))|\bfile\s*=|catalog\s*=|parameterfile|\+step\b", re.IGNORECASE
)
"""What names a file in a description of a coordinate system. `+nadgrids=@null` names none."""

_LONGEST = 1 << 16


def check_crs(text: object) -> str:
    """A coordinate system's text that somebody else wrote, once it is known to name no file and no address.

    PROJ and GDAL take paths, addresses and files of grids for coordinate systems, too, and open them.

    Args:
        text: a code such as ``"EPSG:32631"``, a URN of the OGC, WKT, PROJJSON, or a PROJ string.

    Returns:
        The text. Whether there is such a coordinate system, only its use says.

    Raises:
        ValueError: if it is something else, or names a file or an address.
    """
    shown = repr(text)[:100]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"a coordinate system is given as text, such as 'EPSG:32631', got {shown}")
    said = text.strip()
    if len(said) > _LONGEST:
        raise ValueError(f"a coordinate system of {len(said):,} letters is not read, it begins {shown}")
    known = _NAMED.fullmatch(said) or _WKT.match(said) or (said.startswith("+proj=") and _PROJ.fullmatch(said))
    if not known and not _is_projjson(said):
        raise ValueError(
            f"{shown} is no coordinate system: valid are codes such as 'EPSG:32631', URNs, WKT and PROJJSON"
        )
    if _FILES.search(said):
        raise ValueError(f"the coordinate system {shown} names a file; give its code, such as 'EPSG:32631'")
    return text


def _is_projjson(text: str) -> bool:
    """Whether a text is PROJJSON whose parameters are numbers, not names of files."""
    try:
        described = json.loads(text) if text.startswith("{") else None
        return isinstance(described, dict) and str(described.get("type")).endswith("CRS") and not _names(described)
    except (ValueError, RecursionError):
        return False


def _names(part: Any) -> bool:
    """Whether any value of a parameter is text, as names of grid files are."""
    if isinstance(part, dict):
        return isinstance(part.get("value"), str) or any(map(_names, part.values()))
    return isinstance(part, list) and any(map(_names, part))


def degrees(lat: float, lon: float, digits: int = 4) -> str:
    """A place as people write it, such as ``23.5468 S 46.6651 W``; 190 E is 170 W."""
    lon = lon if abs(lon) <= 180 else (lon + 180) % 360 - 180
    return f"{abs(lat):.{digits}f} {'S' if lat < 0 else 'N'} {abs(lon):.{digits}f} {'W' if lon < 0 else 'E'}"


@dataclass(frozen=True)
class Georeference:
    """A pixel grid on the Earth.

    Attributes:
        crs: coordinate system as text, such as ``"EPSG:32631"``, or WKT.
        transform: (a, b, c, d, e, f), the affine map of GeoTIFF, rasterio and GDAL tools: the pixel corner at `column`
            and `row`, both counted from the upper left corner, lies at x = a column + b row + c and
            y = d column + e row + f, in the unit of the coordinate system and in the order x (east), y (north).
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]

    def __post_init__(self) -> None:
        check_crs(self.crs)
        try:
            numbers = tuple(float(number) for number in self.transform)
        except (TypeError, ValueError) as error:
            raise ValueError(f"an affine transform is six numbers (a, b, c, d, e, f), got {self.transform}") from error
        if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
            raise ValueError(f"an affine transform is six finite numbers (a, b, c, d, e, f), got {numbers}")
        if numbers[0] * numbers[4] == numbers[1] * numbers[3]:
            raise ValueError(f"the affine transform {numbers} puts all pixels on one line")
        object.__setattr__(self, "transform", numbers)

    def shifted(self, row: int, column: int) -> Georeference:
        """The grid whose upper left corner is that of a pixel of this one."""
        a, b, c, d, e, f = self.transform
        return Georeference(self.crs, (a, b, a * column + b * row + c, d, e, d * column + e * row + f))

    def to_lonlat(self, column: Any, row: Any) -> tuple[np.ndarray, np.ndarray]:
        """Pixel coordinates, counted from the upper left corner, to degrees of longitude and latitude."""
        a, b, c, d, e, f = self.transform
        column, row = np.asarray(column, dtype=np.float64), np.asarray(row, dtype=np.float64)
        return transformed(self.crs, LONLAT, a * column + b * row + c, d * column + e * row + f)

    def to_pixels(self, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        """Degrees of longitude and latitude to columns and rows; not finite where the coordinate system ends.

        A place lies in the pixel ``floor(column), floor(row)``. A grid may go on beyond 180 degrees: 190 E is 170 W.
        """
        a, b, c, d, e, f = self.transform
        x, y = transformed(LONLAT, self.crs, lon, lat)
        x, y, area, turn = x - c, y - f, a * e - b * d, math.copysign(_turn(self.crs), a)
        if turn:  # up to a turn ahead of the corner, up to half a turn behind it
            x = x + turn * ((x / turn < -0.5).astype(float) - (x / turn >= 1))
        with np.errstate(invalid="ignore"):  # infinity times nothing, where there is no place
            return (e * x - b * y) / area, (a * y - d * x) / area

    def centre(self, height: int, width: int) -> tuple[float, float]:
        """Latitude and longitude of the middle of so many rows and columns."""
        lon, lat = self.to_lonlat(width / 2, height / 2)
        return float(lat), float(lon)

    def pixel_size(self, height: int, width: int) -> tuple[float, float]:
        """Width and height in metres, on the ground (WGS84), of the pixel in the middle of so many rows and columns.

        Raises:
            ValueError: if there is no such place on Earth.
        """
        from pyproj import Geod

        column, row = width / 2, height / 2
        columns, rows = [column - 0.5, column + 0.5, column, column], [row, row, row - 0.5, row + 0.5]
        lon, lat = self.to_lonlat(columns, rows)
        if not (np.isfinite([lon, lat]).all() and (abs(lat) <= 90).all()):
            raise ValueError(f"the middle of the pixels lies nowhere on Earth: {self.crs} with {self.transform}")
        metres = Geod(ellps="WGS84").inv(lon[::2], lat[::2], lon[1::2], lat[1::2])[2]
        return float(metres[0]), float(metres[1])


@lru_cache(maxsize=64)
def _turn(crs: str) -> float:
    """How far x goes once around the Earth, of systems in which it runs along parallels; 0 of all others."""
    lon, lat = np.array([-179.0, 179.0, -179.0, 179.0]), np.array([0.0, 0.0, 45.0, 45.0])
    x, y = transformed(LONLAT, crs, lon, lat)
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or not np.allclose(y[::2], y[1::2], rtol=1e-9):
        return 0.0
    first, second = np.diff(x)[::2] * 360 / 358
    return float(first) if np.isclose(first, second, rtol=1e-9) else 0.0


def utm_zone(latitude: float, longitude: float) -> str:
    """The code of the zone of UTM that a place lies in, such as "EPSG:32631"; without the exceptions of Norway."""
    return f"EPSG:{(32601 if latitude >= 0 else 32701) + int((longitude + 180) // 6) % 60}"


def transformed(source: str, target: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of one system in another, both in the order x (east), y (north).

    Raises:
        ValueError: if either system is unknown or names a file, or there is no way from one to the other.
    """
    from pyproj.exceptions import ProjError

    source, target = check_crs(source), check_crs(target)
    try:
        transformer = _transformer(source, target)
    except ProjError as error:
        raise ValueError(f"no way from coordinate system {source!r} to {target!r} ({error})") from error
    x, y = transformer.transform(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    return np.asarray(x), np.asarray(y)


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Any:
    """The way between two systems, which takes PROJ milliseconds to find."""
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)
