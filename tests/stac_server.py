"""A STAC API on 127.0.0.1 with cloud-optimised GeoTIFFs by range requests: it keeps to the specifications, is slow, fails, or lies."""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#query",
]


class StacServer:
    """Serves the items and files that it is given.

    `refusals` maps a part of a path to the status codes of the next requests of such paths (None serves one);
    `delay` is waited before each file; `stall` maps a part of a path to the bytes after which the next connection
    falls silent; `lies` maps a part of a path to what is sent instead: bytes, or a function of the true bytes.

    Args:
        folder: files, served below /files.
        page: items a page.
    """

    def __init__(self, folder, page=5):
        self.folder, self.page, self.items = Path(folder), page, []
        self.requests, self.sent, self.delay = [], 0, 0.0
        self.refusals, self.stall, self.lies, self.retry_after = {}, {}, {}, "0"
        self.too_short = ()
        self.closing = threading.Event()
        stac = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                stac.answer(self, None)

            def do_HEAD(self):
                stac.answer(self, None)

            def do_POST(self):
                stac.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *arguments):
                """Keeps the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def asked(self, part):
        """Requests whose path holds this part."""
        return [request for request in self.requests if part in request[1]]

    def answer(self, request, body):
        """One request of any kind."""
        path = urlparse(request.path).path
        self.requests.append((request.command, path, request.headers.get("Range")))
        for part, codes in self.refusals.items():
            if part in path and codes and (code := codes.pop(0)) is not None:
                return self.send(request, code, b"busy", {"Retry-After": self.retry_after})
        if path.startswith("/files/"):
            return self.file(request, path.removeprefix("/files/"))
        if path == "/search":
            asked = body if body is not None else {k: v[0] for k, v in parse_qs(urlparse(request.path).query).items()}
            answer = self.search(asked)
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
            and item["bbox"][0] <= east
            and west <= item["bbox"][2]
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
            if part in path:
                return other(data) if callable(other) else other
        return data

    def file(self, request, name):
        """A file, or the span of it that is asked for."""
        time.sleep(self.delay)
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
        if any(name and part in name for part in self.too_short):
            request.wfile.write(data[: len(data) // 2])
            request.close_connection = True
            return
        request.wfile.write(data)
        self.sent += len(data)
