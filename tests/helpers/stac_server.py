"""A STAC API on 127.0.0.1 with cloud-optimised GeoTIFFs by range requests, which may be slow, fail, or lie."""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform, transform_bounds

from olmoearth_nb import SENTINEL2
from olmoearth_nb.data.stac.load import load_stac

EARTH_SEARCH_NAMES = dict(
    zip(
        "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12 SCL".split(),
        "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir16 swir22 scl".split(),
        strict=True,
    )
)
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#query",
]


CORNER = (500_040, 4_800_000)
"""Upper left of the usual scene: a multiple of 60 m in UTM zone 31."""

KEPT_GRID = {"B01": 4, "B09": 4}
"""The official data, and so the simulated world, keep 60 m bands on a grid of 40 m."""

NUMBERS = count(1000)
"""Part of every file's address, so that GDAL does not take one server for an earlier one on the same port."""


class Quiet(ThreadingHTTPServer):
    """A server that does not mind when a connection is broken off on the other side."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class StacServer:
    """Serves the items and files that it is given.

    `refusals` maps a part of a path to the status codes of the next requests of such paths (None serves one);
    `delay` is waited before each file; `stall` maps a part of a path to the bytes after which the next connection
    falls silent; `breaks` to the number of connections yet to break half-way; `lies` to what is sent instead of the
    truth, bytes or a function of the true bytes. `secret` is a query without which no file is given.

    Args:
        folder: files, served below /files.
        page: items a page.
    """

    def __init__(self, folder, page=5):
        self.folder, self.page, self.items = Path(folder), page, []
        self.requests, self.sent, self.delay = [], 0, 0.0
        self.refusals, self.stall, self.breaks, self.lies = {}, {}, {}, {}
        self.retry_after, self.secret = "0", ""
        self.closing = threading.Event()
        self.number = next(NUMBERS)
        stac = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                stac.answer(self, None)

            def do_HEAD(self):
                stac.answer(self, None)

            def do_POST(self):
                stac.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *arguments):
                """Keeps the test's output clean."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def add(self, name, numbers, classes=None, *, corner=CORNER, crs="EPSG:32631", **options):
        """Writes an acquisition's files and publishes its item; returns the item.

        Args:
            name: of the item, which ends in the date: ``..._20230515``.
            numbers: (H, W, 12) in the models' order, 20 m and 60 m bands repeated.
            classes: (H, W) scene classification, repeated; all vegetation by default.
            corner: upper left, in metres.
            crs: of the files.
            options: `step`, band -> pixels of 10 m in one pixel of its file; `names`, our band names -> assets' names;
                `properties` and `fields` (of each asset) to be added.
        """
        classes = np.full(numbers.shape[:2], 4, np.uint8) if classes is None else classes.astype(np.uint8)
        step = {band.name: int(band.resolution) // 10 for band in SENTINEL2.bands} | {"SCL": 2}
        step |= options.get("step", {})
        assets = {}
        for i, band in enumerate([*SENTINEL2.band_names, "SCL"]):
            own = classes if band == "SCL" else numbers[..., i].astype(np.uint16)
            write_cog(
                self.folder / f"{name}_{band}.tif", own[:: step[band], :: step[band]], corner, crs, 10 * step[band]
            )
            href = f"{self.url}/{self.number}/files/{name}_{band}.tif"
            assets[options.get("names", {}).get(band, band)] = {"href": href, **options.get("fields", {})}
        height, width = numbers.shape[:2]
        bounds = (corner[0], corner[1] - 10 * height, corner[0] + 10 * width, corner[1])
        west, south, east, north = transform_bounds(crs, "EPSG:4326", *bounds)
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        day = name[-8:]
        known = {
            "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T10:50:30Z",
            "proj:epsg": int(crs[5:]),
            "eo:cloud_cover": 5.0,
        }
        item = {"type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": []}
        item |= {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, south, east, north]}
        item |= {"properties": known | options.get("properties", {}), "assets": assets}
        self.items.append(item)
        return item

    def asked(self, part):
        """Requests whose path holds this part."""
        return [request for request in self.requests if part in request[1]]

    def answer(self, request, body):
        """One request of any kind."""
        path = urlparse(request.path).path.removeprefix(f"/{self.number}")
        self.requests.append((request.command, path, request.headers.get("Range")))
        for part, codes in self.refusals.items():
            if fits(part, path) and codes and (code := codes.pop(0)) is not None:
                return self.send(request, code, b"busy", {"Retry-After": self.retry_after})
        if path.startswith("/files/"):
            if self.secret not in request.path:
                return self.send(request, 403, b"not signed", {})
            return self.file(request, path.removeprefix("/files/"))
        if path == "/search":
            answer = self.search(body)
        elif path == "/":
            answer = self.landing()
        else:
            return self.send(request, 404, b"nothing here", {})
        data = json.dumps(answer).encode()
        return self.send(request, 200, self.lie(path, data), {"Content-Type": "application/json"})

    def landing(self):
        """The landing page."""
        links = [{"rel": rel, "href": self.url, "type": "application/json"} for rel in ("self", "root")]
        links += [
            {"rel": "search", "href": f"{self.url}/search", "type": "application/geo+json", "method": method}
            for method in ("GET", "POST")
        ]
        about = {"type": "Catalog", "id": "test", "stac_version": "1.0.0", "description": "a server of a test"}
        return about | {"conformsTo": CONFORMS, "links": links}

    def search(self, asked):
        """One page of the items that fit, with a link to the next."""
        west, south, east, north = asked["bbox"]
        first, last = asked["datetime"].split("/")
        below = asked.get("query", {}).get("eo:cloud_cover", {}).get("lt", 101)
        found = [
            item
            for item in self.items
            if item["collection"] in asked["collections"]
            and (west > east or item["bbox"][0] > item["bbox"][2] or item["bbox"][0] <= east)
            and (west > east or item["bbox"][0] > item["bbox"][2] or west <= item["bbox"][2])
            and item["bbox"][1] <= north
            and south <= item["bbox"][3]
            and first <= item["properties"]["datetime"] <= last
            and item["properties"].get("eo:cloud_cover", 0) < below
        ]
        start = int(asked.get("token", 0))
        links = []
        if start + self.page < len(found):
            body = {**asked, "token": start + self.page}
            links = [{"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": body}]
        return {"type": "FeatureCollection", "features": found[start : start + self.page], "links": links}

    def lie(self, path, data):
        """What is sent instead of the truth."""
        for part, other in self.lies.items():
            if fits(part, path):
                return other(data) if callable(other) else other
        return data

    def file(self, request, name):
        """A file, or the span of it that is asked for."""
        self.closing.wait(self.delay)
        if not (self.folder / name).is_file():
            return self.send(request, 404, b"no such file", {})
        data = self.lie(name, (self.folder / name).read_bytes())
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if span is None:
            return self.send(request, 200, data, {"Accept-Ranges": "bytes"}, name)
        first, last = int(span.group(1)), min(int(span.group(2) or len(data)), len(data) - 1)
        if first >= len(data):
            return self.send(request, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Accept-Ranges": "bytes"}
        return self.send(request, 206, data[first : last + 1], headers, name)

    def send(self, request, status, data, headers, name=""):
        """Writes an answer; where it is told to, falls silent or breaks off in the middle of it."""
        request.send_response(status)
        length = len(data)
        for key, value in {"Content-Length": str(length), **headers}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "HEAD":
            return
        for part in [part for part in self.stall if name and part in name]:
            request.wfile.write(data[: self.stall.pop(part)])
            request.wfile.flush()
            self.closing.wait(60)
            request.close_connection = True
            return
        for part in [part for part, left in self.breaks.items() if name and part in name and left]:
            self.breaks[part] -= 1
            request.wfile.write(data[: len(data) // 2])
            request.close_connection = True
            return
        request.wfile.write(data)
        self.sent += len(data)


def fits(part, path):
    """Whether a path is meant: "/" is the landing page alone."""
    return part == path if part == "/" else part in path


def write_cog(path, values, corner, crs, resolution, nodata=0):
    """A cloud-optimised GeoTIFF of one band."""
    options = {"driver": "COG", "dtype": values.dtype, "crs": crs, "nodata": nodata, "compress": "deflate"}
    options |= {"transform": from_origin(*corner, resolution, resolution), "blocksize": 128}
    height, width = values.shape
    with rasterio.open(path, "w", count=1, height=height, width=width, **options) as file:
        file.write(values, 1)


def middle(corner, size, crs="EPSG:32631"):
    """Latitude and longitude of the middle of a square of so many pixels."""
    (lon,), (lat,) = transform(crs, "EPSG:4326", [corner[0] + 5 * size], [corner[1] - 5 * size])
    return lat, lon


def load(server, place=None, start="2023-01-01", end="2023-12-31", **options):
    """The door as the tests use it: 16 px around the middle of the usual scene, in 2023."""
    options = {"size": 16, "catalogue": server.url, "cache": server.cache, "quiet": True} | options
    return load_stac(place or middle(CORNER, options["size"]), start, end, **options)


def field(seed=0, size=16):
    """(H, W, 12) digital numbers of noise whose coarse bands repeat as those of the official data do."""
    numbers = np.random.default_rng(seed).integers(1100, 5000, (size, size, 12)).astype(np.float32)
    for i, band in enumerate(SENTINEL2.bands):
        step = KEPT_GRID.get(band.name, int(band.resolution) // 10)
        numbers[..., i] = numbers[::step, ::step, i].repeat(step, 0).repeat(step, 1)
    return numbers


def add(server, name, numbers, classes=None, **options):
    """Publishes an acquisition whose 60 m bands are kept as the official data keep them."""
    return server.add(name, numbers, classes, **{"step": KEPT_GRID} | options)


def images(sample):
    """(H, W, 12) of each date."""
    return [sample.images["sentinel2_l2a"][:, :, t] for t in range(len(sample.dates))]
