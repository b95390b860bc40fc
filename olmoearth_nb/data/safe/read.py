"""Pixels of a Sentinel-2 product: windows of JPEG 2000 files of 10, 20 and 60 m on one grid of 10 m."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.georeference import LONLAT, Georeference, degrees, transformed
from olmoearth_nb.io.raster import open_raster

PIXEL = 10
"""Edge of the finest pixels in metres."""

_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"


@dataclass(frozen=True)
class Grid:
    """The pixels of 10 m of a tile.

    Attributes:
        crs: coordinate system, such as "EPSG:32631".
        origin: x and y of the upper left corner in metres.
        shape: rows and columns.
    """

    crs: str
    origin: tuple[float, float]
    shape: tuple[int, int]

    @classmethod
    def of(cls, file: Any, times: int = 1) -> Grid:
        """The grid of an open file whose pixels are so many times larger than 10 m."""
        crs = "no coordinate system" if file.crs is None else file.crs.to_string()
        return cls(crs, (file.transform.c, file.transform.f), (file.height * times, file.width * times))

    def __str__(self) -> str:
        return f"{self.crs} from {self.origin} on, {self.shape[0]} x {self.shape[1]} px of {PIXEL} m"


_DRIVERS = ("JP2OpenJPEG", "JP2KAK", "GTiff")
"""JPEG 2000 by the free library, or by a faster one where GDAL has it; and GeoTIFFs in the layout of a product."""


@contextmanager
def open_band(path: Path) -> Iterator[Any]:
    """Opens a band's file.

    Raises:
        ValueError: if it is not whole, or not a JPEG 2000 (or GeoTIFF) image of one band.
    """
    from rasterio.errors import NotGeoreferencedWarning

    _require_whole(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # `Grid` refuses what has no place
        with open_raster(path, _DRIVERS) as file:
            if file.count != 1:
                raise ValueError(f"{path.name} must be an image of one band, it has {file.count}")
            yield file


def read_grid(path: Path) -> Grid:
    """The grid of a 10 m band.

    Raises:
        ValueError: if it has no coordinate system or other pixels.
    """
    with open_band(path) as file:
        if file.crs is None or not file.crs.is_projected:
            raise ValueError(f"{path.name} has no coordinate system in metres")
        if file.res != (PIXEL, PIXEL):
            raise ValueError(f"{path.name} must have pixels of {PIXEL} m, it has {file.res}")
        return Grid.of(file)


def read_window(path: Path, grid: Grid, resolution: int, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A window of a band, its pixels repeated to 10 m.

    Args:
        path: the band's file.
        grid: the tile's grid of 10 m.
        resolution: edge of the band's pixels in metres.
        corner: row and column of the window's upper left pixel in the grid.
        size: height and width of the window in pixels of 10 m.

    Returns:
        (height, width) numbers as stored.

    Raises:
        ValueError: if the band does not lie on the grid, or cannot be read.
    """
    from rasterio.windows import Window

    times = resolution // PIXEL
    top, left = (n // times for n in corner)
    bottom, right = (-(-(n + length) // times) for n, length in zip(corner, size, strict=True))
    with open_band(path) as file:
        own = Grid.of(file, times)
        if own != grid or file.res != (resolution, resolution):
            raise ValueError(
                f"{path.name} must lie on the tile's grid ({grid}) with pixels of {resolution} m; it is {own}, with "
                f"pixels of {file.res[0]:g} m"
            )
        if file.dtypes[0] not in ("uint8", "uint16"):
            raise ValueError(f"{path.name} must hold digital numbers (uint16), it holds {file.dtypes[0]}")
        values = file.read(1, window=Window(left, top, right - left, bottom - top))
    repeated = values.repeat(times, axis=0).repeat(times, axis=1)
    top, left = corner[0] - top * times, corner[1] - left * times
    return repeated[top : top + size[0], left : left + size[1]]


def window_of(grid: Grid, place: tuple[float, float] | None, size: int) -> tuple[tuple[int, int], list[str]]:
    """Corner of a window around a place or the tile's middle, and a note if it had to be moved.

    Args:
        grid: the tile.
        place: latitude and longitude in degrees, or None for the middle.
        size: edge in pixels.

    Raises:
        ValueError: if the place lies outside of the tile, or the window does not fit into it.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= min(grid.shape):
        raise ValueError(f"size must be a whole number of pixels, 1 to {min(grid.shape)}, got {size!r}")
    row, column = (n // 2 for n in grid.shape)
    if place is not None:
        row, column = _pixel_of(grid, place)
    wanted = row - size // 2, column - size // 2
    corner = tuple(min(max(at, 0), edge - size) for at, edge in zip(wanted, grid.shape, strict=True))
    notes = [] if corner == wanted else [f"the window was moved into the tile by {_moved(corner, wanted)} px"]
    return (corner[0], corner[1]), notes


def place_of(grid: Grid, corner: tuple[int, int], size: int) -> str:
    """Where the middle of a window lies, in words."""
    return degrees(*georeference(grid, corner).centre(size, size))


def georeference(grid: Grid, corner: tuple[int, int]) -> Georeference:
    """Where the pixels of a window lie."""
    x, y = grid.origin[0] + PIXEL * corner[1], grid.origin[1] - PIXEL * corner[0]
    return Georeference(grid.crs, (PIXEL, 0.0, x, 0.0, -PIXEL, y))


def _moved(corner: tuple[int, ...], wanted: tuple[int, int]) -> str:
    """How far a window was moved, down and to the right."""
    return " and ".join(str(at - of) for at, of in zip(corner, wanted, strict=True))


def _pixel_of(grid: Grid, place: tuple[float, float]) -> tuple[int, int]:
    """Row and column of a place."""
    lat, lon = (float(x) for x in place)
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise ValueError(f"place is latitude and longitude in degrees, got {place}")
    x, y = transformed(LONLAT, grid.crs, lon, lat)
    row, column = (grid.origin[1] - float(y)) // PIXEL, (float(x) - grid.origin[0]) // PIXEL
    if not (0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]):
        edges = [grid.origin[0] + PIXEL * n for n in (0, grid.shape[1])]
        sides = [grid.origin[1] - PIXEL * n for n in (0, grid.shape[0])]
        lons, lats = transformed(grid.crs, LONLAT, edges, sides)
        raise ValueError(
            f"{degrees(lat, lon)} lies outside of the tile, which reaches from {degrees(lats[0], lons[0], 3)} to "
            f"{degrees(lats[1], lons[1], 3)}; place is latitude, then longitude"
        )
    return int(row), int(column)


def _require_whole(path: Path) -> None:
    """Raises a ValueError if a JPEG 2000 file ends before its last box does (GDAL reads what is left of it)."""
    size, start = path.stat().st_size, 0
    with path.open("rb") as file:
        if file.read(len(_JP2)) != _JP2:
            return
        while start < size:
            file.seek(start)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if length == 0:  # until the end, wherever it is
                return
            if length < 8 or start + length > size:
                raise ValueError(f"{path.name} is not a whole JPEG 2000 file: it ends after {size:,} bytes")
            start += length
