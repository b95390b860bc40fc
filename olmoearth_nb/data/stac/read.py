"""The window of one acquisition: read from cloud-optimised GeoTIFFs by range requests, checked, and kept.

GDAL asks once and without patience; when it fails, the file's server is asked for sixteen bytes with the patience of
`stac_search.patience`, which waits as long as the server wants (GDAL ignores `Retry-After`) and tells a refusal, a web
page and a broken file apart. What has been read is kept, so that a later call goes on from there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import time
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
from olmoearth_nb.data.stac.item import CLASSES, StacItem, said_crs
from olmoearth_nb.data.stac.search import patience
from olmoearth_nb.io import durable, fetch
from olmoearth_nb.io.fetch import DownloadError

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_THREADS = len(SENTINEL2.bands)
_BEYOND_THE_END = 416


@dataclass(frozen=True)
class Reader:
    """Reads items on one pixel grid.

    Attributes:
        grid: an `odc.geo.geobox.GeoBox`.
        cache: folder where windows are kept.
    """

    grid: Any
    cache: Path

    def path(self, item: StacItem) -> Path:
        """Where an item's window is kept, named by all that it depends on."""
        hrefs = [item.assets[name]["href"].split("?")[0] for name in (*SENTINEL2.band_names, CLASSES)]
        grid = (str(self.grid.crs), tuple(self.grid.transform), tuple(self.grid.shape))
        key = json.dumps([hrefs, item.properties.get("updated"), grid], default=str)
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
        """(H, W) window of one file, asked for again as long as there is hope."""
        import rasterio
        from rasterio.errors import RasterioError
        from shapely.errors import ShapelyError

        href = item.assets[name]["href"]
        for attempt in range(fetch.TRIES):
            if attempt:
                time.sleep(min(2.0**attempt - 2, 30.0))
            try:
                with rasterio.Env(**_gdal(fresh=attempt > 0)), rasterio.open(href) as file:
                    _check(file, item, name)
                    return self._window(item, name)
            except RasterioError as error:
                failed = error
            except (KeyError, TypeError, ValueError, ShapelyError) as error:
                raise DownloadError(
                    f"what the catalogue says of {name} of {item.id} cannot be right ({type(error).__name__}: {error})"
                ) from error
            _wait_for(href, f"{name} of {item.id}")
        raise DownloadError(f"{name} of {item.id} stays unreadable ({failed}): {href}")

    def _window(self, item: StacItem, name: str) -> np.ndarray:
        """One file on the grid, nearest neighbour."""
        import odc.stac
        import pystac

        alone = pystac.Item(
            item.id,
            dict(item.geometry),
            list(item.bbox),
            dt.datetime.combine(item.day, dt.time()),
            {},
            assets={name: pystac.Asset(item.assets[name]["href"])},
            collection="one file",
        )
        plain = {"one file": {"assets": {name: {"data_type": "uint16", "nodata": 0}}}}
        loaded = odc.stac.load([alone], [name], geobox=self.grid, resampling="nearest", stac_cfg=plain)
        return loaded[name].values[0]


def _gdal(fresh: bool) -> dict[str, Any]:
    """GDAL's settings for files on the web.

    Args:
        fresh: whether to ask anew where GDAL remembers that a file could not be had.
    """
    settings = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing, no side-car files
        "GDAL_HTTP_MAX_RETRY": 0,
        "GDAL_HTTP_CONNECTTIMEOUT": int(fetch.TIMEOUT),
        "GDAL_HTTP_LOW_SPEED_TIME": int(fetch.TIMEOUT),  # seconds below LOW_SPEED_LIMIT bytes a second
        "GDAL_HTTP_LOW_SPEED_LIMIT": 1,
        "GDAL_HTTP_USERAGENT": "olmoearth_nb",
    }
    return settings | ({"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http"} if fresh else {})


def _check(file: Any, item: StacItem, name: str) -> None:
    """Raises unless an open file is what the catalogue says."""
    from rasterio.crs import CRS
    from rasterio.warp import transform_bounds

    asset, what = item.assets[name], f"{name} of {item.id}"
    if file.count != 1 or np.dtype(file.dtypes[0]).kind != "u":
        raise DownloadError(f"{what} must be one band of unsigned integers, it is {file.count} of {file.dtypes[0]}")
    if file.crs is None:
        raise DownloadError(f"{what} has no coordinate system: {asset['href']}")
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


def _wait_for(href: str, what: str) -> None:
    """Waits until a server gives the first bytes of a file.

    Raises:
        DownloadError: if it refuses, cannot be reached, or gives something that is no GeoTIFF.
    """
    import requests
    from requests.adapters import HTTPAdapter

    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=patience()))
        headers = {"Range": "bytes=0-15", "User-Agent": "olmoearth_nb", "Accept-Encoding": "identity"}
        try:
            answer = session.get(href, headers=headers, stream=True, timeout=fetch.TIMEOUT)
        except requests.RequestException as error:
            raise DownloadError(f"{what} cannot be had ({error}): {href}") from error
        with answer:
            if not answer.ok and answer.status_code != _BEYOND_THE_END:
                raise DownloadError(f"the server refused {what}: {answer.status_code} {answer.reason}: {href}")
            try:
                start = next(answer.iter_content(16), b"") if answer.ok else b""
            except requests.RequestException:  # it broke off: there is something, and the caller asks again
                return
    if not start.startswith(_TIFF):
        raise DownloadError(f"{what} is not a GeoTIFF, it begins with {start!r}: {href}")


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
