"""A hub on 127.0.0.1 that keeps to the protocol, or breaks it in a named way."""

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = (".pth", ".zip", ".tar", ".parquet")
"""Files that the hub keeps as large ones, with a sha256."""
LIES = {"says less than it has": 0.6, "says more than it has": 1.5, "says more than it has, always": 1.5}
"""Faults by which the server announces a wrong length, and how wrong."""


class Hub:
    """Serves one repository's files, or misbehaves.

    `requests` holds (method, path, range) of all requests, `tokens` what they carried as authorization.
    `fault` names what is wrong with all answers, `breaks` counts connections yet to break half-way, `refusals` holds
    the status codes of the next requests of a file (None serves one), `stall_after` the bytes after which a connection
    falls silent.

    Args:
        files: name -> content.
        repository: "owner/name".
        kind: "models" or "datasets".
    """

    def __init__(self, files, repository, kind="models"):
        self.files, self.repository, self.fault = dict(files), repository, None
        self.listed = f"/api/{kind}/{repository}"
        self.served = f"/{repository}" if kind == "models" else f"/{kind}/{repository}"
        self.requests, self.tokens, self.commit, self.breaks = [], [], "a" * 40, 0
        self.refusals, self.stall_after, self.stalled = [], None, threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self, body=True)

            def do_HEAD(self):
                hub.answer(self, body=False)

            def log_message(self, *arguments):
                """Keeps the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request, body):
        """One request: the listing, or a file with ranges."""
        self.requests.append((request.command, request.path, request.headers.get("Range")))
        self.tokens.append(request.headers.get("Authorization"))
        if self.fault in (404, 429, 500):
            return self.send(request, self.fault, b"{}", {"Retry-After": "0"}, body)
        if request.path.startswith(self.listed):
            return self.send(request, 200, json.dumps(self.listing()).encode(), {}, body)
        name = re.fullmatch(rf"{self.served}/resolve/{self.commit}/(.+)", request.path)
        if name is None or name.group(1) not in self.files:
            return self.send(request, 404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        return self.file(request, name.group(1), body)

    def listing(self):
        """The files with the checksums that the hub would give."""
        siblings = []
        for name, data in self.files.items():
            if self.fault == "wrong checksum":
                data = data + b"!"
            entry = {"rfilename": name, "size": len(data)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if name.endswith(LARGE):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        return {"id": self.repository, "sha": self.commit, "siblings": siblings}

    def file(self, request, name, body):
        """A file, whole or from the byte that is asked for."""
        status = self.refusals.pop(0) if self.refusals else None
        if status is not None:
            return self.send(request, status, b"", {"Retry-After": "0"}, body)
        data = self.files[name]
        headers = {
            "X-Repo-Commit": self.commit,
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "Accept-Ranges": "bytes",
        }
        if self.fault == "wrong content":
            data = bytes(len(data))
        start = int(re.match(r"bytes=(\d+)-", request.headers.get("Range", "bytes=0-")).group(1))
        if request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
            start = 0
        if start >= len(data):
            size = len(data) * 2 if self.fault == "says more than it has, always" else len(data)
            return self.send(request, 416, b"", {"Content-Range": f"bytes */{size}"}, body)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        part = data[start:]
        if self.fault in LIES:
            headers["Content-Length"] = str(int(len(part) * LIES[self.fault]))
            return self.send(request, 206 if start else 200, part, headers, body, cut=len(part))
        if self.breaks and body and name.endswith(LARGE):
            self.breaks -= 1
            return self.send(request, 206 if start else 200, part, headers, body, cut=len(part) // 2)
        return self.send(request, 206 if start else 200, part, headers, body)

    def send(self, request, status, data, headers, body, cut=None):
        """Writes an answer; `cut` stops after so many bytes and drops the connection."""
        request.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            request.send_header(key, value)
        request.end_headers()
        if body and self.stall_after and len(data) > self.stall_after:
            request.wfile.write(data[: self.stall_after])
            request.wfile.flush()
            self.stall_after = None
            self.stalled.set()
            return time.sleep(60)
        if body:
            request.wfile.write(data[:cut])
        if cut is not None:
            request.close_connection = True
