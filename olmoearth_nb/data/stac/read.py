"""The window of one acquisition: read from cloud-optimised GeoTIFFs by range requests, checked, and kept.

The parts come by `io.web.RemoteFile`, which waits as long as a server wants and tells a refusal, a web page and a
broken file apart; GDAL itself asks nobody. What has been read is kept, so that a later call goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.stac.composite import clear
from olmoearth_nb.data.stac.item import CLASSES, ODD, StacItem, said_crs
from olmoearth_nb.io import durable
from olmoearth_nb.io.addresses import plain, public
from olmoearth_nb.io.fetch import DownloadError
from olmoearth_nb.io.raster import RasterError, open_raster
from olmoearth_nb.io.web import RemoteFile, Web

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_THREADS = len(SENTINEL2.bands)
_LARGEST_BLOCK = 1 << 26
"""Pixels of one block of a file, which is inflated whole: 8,192 x 8,192."""


@dataclass(frozen=True)
class Reader:
    """Reads items on one pixel grid.

    Attributes:
        grid: an `odc.geo.geobox.GeoBox`.
        cache: folder where windows are kept.
        web: asks the servers.
    """

    grid: Any
    cache: Path
    web: Web

    def path(self, item: StacItem) -> Path:
        """Where an item's window is kept, named by all that it depends on."""
        hrefs = [public(item.assets[name]["href"]) for name in (*SENTINEL2.band_names, CLASSES)]
        grid = (str(self.grid.crs), tuple(self.grid.transform), tuple(self.grid.shape))
        updated = item.properties.get("updated")
        key = json.dumps([hrefs, updated if isinstance(updated, str) else None, grid], default=str)
        name = re.sub(r"[^\w-]", "_", item.id)[:80]
        return self.cache / f"{name}_{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"

    def read(self, item: StacItem) -> tuple[np.ndarray, np.ndarray | None]:
        """Scene classification and digital numbers of an item, from what is kept or from the web.

        Returns:
            (H, W) uint8 classes, and (H, W, 12) uint16 digital numbers as the files hold them, 0 = no data; None
            instead of these, without any request for them, where no pixel is clear.

        Raises:
            DownloadError: if a file cannot be had, is no GeoTIFF, or is not what the catalogue says.
        """
        from rasterio.errors import NotGeoreferencedWarning

        path, kept = self.path(item), _read_kept(self.path(item), tuple(self.grid.shape))
        if kept is None:
            with warnings.catch_warnings():  # here, because rasterio switches it off and on in every thread
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                kept = self._fetch(item)
            _keep(path, *kept)
        return kept

    def _fetch(self, item: StacItem) -> tuple[np.ndarray, np.ndarray | None]:
        """What `read` returns, from the web."""
        classes = self._file(item, CLASSES)
        try:
            seen = clear(classes).any()
        except ValueError as error:
            raise DownloadError(f"{item.id}: {error}") from error
        if not seen:
            return classes.astype(np.uint8), None
        with ThreadPoolExecutor(_THREADS) as pool:
            bands = list(pool.map(lambda name: self._file(item, name), SENTINEL2.band_names))
        return classes.astype(np.uint8), np.stack(bands, axis=-1)

    def _file(self, item: StacItem, name: str) -> np.ndarray:
        """(H, W) window of one file."""
        what = f"{name} of {item.id}"
        remote = RemoteFile(self.web, item.assets[name]["href"], what)
        start = remote.read(0, len(_TIFF[0]) * 4)
        if not start.startswith(_TIFF):
            raise DownloadError(f"{what} is not a GeoTIFF, it begins with {start!r}: {public(remote.url)}")
        try:
            with open_raster(remote) as file:
                _check(file, item, name)
                return self._window(file)
        except RasterError as error:
            raise DownloadError(f"{plain(error)}: {public(remote.url)}") from error
        except ODD as error:
            raise DownloadError(
                f"what the catalogue says of {what} cannot be right ({type(error).__name__}: {plain(error)})"
            ) from error

    def _window(self, file: Any) -> np.ndarray:
        """An open file on the grid, nearest neighbour; 0 beyond its edges."""
        import rasterio
        from rasterio.warp import Resampling, reproject

        window = np.zeros(tuple(self.grid.shape), np.uint16)
        reproject(
            rasterio.band(file, 1),
            window,
            src_nodata=0,
            dst_nodata=0,
            dst_transform=self.grid.transform,
            dst_crs=str(self.grid.crs),
            resampling=Resampling.nearest,
        )
        return window


def _check(file: Any, item: StacItem, name: str) -> None:
    """Raises unless an open file is what the catalogue says."""
    from rasterio.crs import CRS
    from rasterio.warp import transform_bounds

    asset, what = item.assets[name], f"{name} of {item.id}"
    if file.count != 1 or np.dtype(file.dtypes[0]).kind != "u":
        raise DownloadError(f"{what} must be one band of unsigned integers, it is {file.count} of {file.dtypes[0]}")
    if math.prod(file.block_shapes[0]) > _LARGEST_BLOCK:
        raise DownloadError(f"{what} is stored in blocks of {file.block_shapes[0]} px, which are not read")
    if file.crs is None or not (file.crs.is_projected or file.crs.is_geographic):
        raise DownloadError(f"{what} has no coordinate system of the Earth: {public(asset['href'])}")
    declared = said_crs(asset) or item.crs
    if declared is not None and CRS.from_user_input(declared) != file.crs:
        raise DownloadError(f"{what} is in {file.crs}, but the catalogue says {declared}")
    shape = asset.get("proj:shape")
    if shape is not None and tuple(shape) != file.shape:
        raise DownloadError(f"{what} has {file.shape} px, but the catalogue says {tuple(shape)}")
    origin = asset.get("proj:transform")
    if origin is not None and not np.allclose(origin[:6], tuple(file.transform)[:6]):
        raise DownloadError(f"{what} has the transform {tuple(file.transform)[:6]}, but the catalogue says {origin}")
    west, south, east, north = transform_bounds(file.crs, "EPSG:4326", *file.bounds)
    across = west > east or item.bbox[0] > item.bbox[2]  # 180 degrees: longitudes tell nothing
    apart = not across and (item.bbox[0] > east or item.bbox[2] < west)
    if apart or item.bbox[1] > north or item.bbox[3] < south:
        raise DownloadError(
            f"{what} lies at {west:.2f} {south:.2f} {east:.2f} {north:.2f}, but the catalogue says {item.bbox}"
        )


def _read_kept(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray | None] | None:
    """What is kept of an item, or None; a damaged file counts as none."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            classes, numbers = file["classes"], file["numbers"] if "numbers" in file.files else None
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, ValueError):
        return None
    whole = classes.shape == shape and (numbers is None or numbers.shape[:2] == shape)
    return (classes, numbers) if whole else None


def _keep(path: Path, classes: np.ndarray, numbers: np.ndarray | None) -> None:
    """Keeps an item's window; the file appears only when it is whole."""
    arrays: dict[str, Any] = {"classes": classes} | ({} if numbers is None else {"numbers": numbers})
    try:
        durable.write_arrays(path, arrays)
    except (OSError, durable.DiskFullError) as error:
        raise DownloadError(f"{path.name} cannot be kept in {path.parent} ({error}); give another cache=") from error
