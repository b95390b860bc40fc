"""One large file from the web: resumed, verified, and in its place only when whole.

What has arrived stays in a `.part` file beside the target, also when the process is killed; the next call asks
for the rest. Requests that fail are repeated, and a file is renamed into place after its size and checksum are
right.
"""

from __future__ import annotations

import email.utils
import errno
import hashlib
import http.client
import json
import math
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olmoearth_nb.errors import PlainError
from olmoearth_nb.io.addresses import Reach, check_address, plain, public
from olmoearth_nb.io.json_file import read_json

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""

TRIES = 5
"""Tries in a row that bring nothing, before giving up."""

_FINAL = (400, 401, 403, 404, 410)


class DownloadError(PlainError):
    """A file could not be downloaded; what has arrived is kept for the next try."""


class ChecksumError(DownloadError):
    """A file is not the one that was listed or recorded."""


def sha256(path: Path, quiet: bool = True) -> str:
    """Checksum of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file, Bar(f"checking {path.name}", quiet) as bar:
        bar.begin(0, path.stat().st_size)
        while block := file.read(CHUNK):
            digest.update(block)
            bar.advance(len(block))
    return digest.hexdigest()


def fetch(url: str, path: str | Path, *, checksum: str | None = None, quiet: bool = False, room: float = 1.0) -> Path:
    """Downloads a file, going on where an earlier call ended.

    Args:
        url: http or https address.
        path: where the whole file goes; an existing file is replaced.
        checksum: sha256 that the whole must have, if it is known.
        quiet: whether to leave out the progress bar, which shows from the third second on.
        room: how many times the file's size must be free before the first byte: 2 where it is unpacked next to it.

    Returns:
        The path.

    Raises:
        ValueError: if the address is not http or https.
        ChecksumError: if the whole has another checksum; it is removed.
        DownloadError: if the server refuses, breaks off five times in a row, or the disk is too small.
    """
    from filelock import FileLock

    check_address(url)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path.with_name(path.name + ".part"), url)
    with FileLock(path.with_name(path.name + ".lock")), Bar(path.name, quiet) as bar:
        failed, reached = 0, part.size
        while not part.whole:
            try:
                _receive(url, part, bar, room)
            except urllib.error.HTTPError as error:
                error.close()  # its connection, which a traceback would keep open
                failed += 1
                if error.code == 416 and part.size and failed < TRIES:
                    part.beyond_the_end(error)
                else:
                    _refused(url, error, failed)
            except (OSError, http.client.HTTPException) as error:
                failed = 1 if part.size > reached else failed + 1
                reached = max(reached, part.size)
                _broke_off(url, part, error, failed)
        actual = sha256(part.path)
        if checksum is not None and actual != checksum:
            part.remove()
            raise ChecksumError(f"{path.name} has sha256 {actual[:12]}, not {checksum[:12]}; removed")
        part.path.replace(path)
        part.remove()
    return path


def _receive(url: str, part: _Part, bar: Bar, room: float) -> None:
    """One connection: appends what comes to the part, or begins it anew if the server's file has changed."""
    request = urllib.request.Request(url, headers={"User-Agent": "olmoearth_nb", **part.headers()})
    with urllib.request.build_opener(_Redirects(url)).open(request, timeout=TIMEOUT) as answer:
        start = part.accept(answer)
        bar.begin(start, part.total)
        _require_space(part, room)
        with part.path.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            rest = (part.total or 0) - start
            while rest and (block := answer.read1(min(CHUNK, rest))):  # a server may send more than it announced
                rest -= file.write(block)
                bar.advance(len(block))
            file.flush()
            os.fsync(file.fileno())
    if not part.whole:
        raise ConnectionError(f"it ended after {part.size:,} of {part.total:,} bytes")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only where the address that a user gave may lead."""

    def __init__(self, url: str) -> None:
        self.reach = Reach.of(url)

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        try:
            self.reach.check(arguments[-1])
        except ValueError as error:
            raise DownloadError(f"a redirect is not followed: {error}") from error
        return super().redirect_request(*arguments)


@dataclass
class _Part:
    """What has arrived of a file, and which file it is part of."""

    path: Path
    url: str
    total: int | None = None

    @property
    def about(self) -> Path:
        """File that remembers the server's name of the version and its size."""
        return self.path.with_suffix(".json")

    @property
    def address(self) -> str:
        """What stands for the url in a file: its query may be a signature, and is not written down."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def whole(self) -> bool:
        """Whether all bytes are there, by the size that the server gave in this call."""
        return self.total is not None and self.size == self.total

    def headers(self) -> dict[str, str]:
        """Asks for the rest, on the condition that the server still has the same version."""
        try:
            known = read_json(self.about)
        except (FileNotFoundError, ValueError):  # then it is begun anew
            known = {}
        version = known.get("version")
        if not self.size or known.get("address") != self.address or not isinstance(version, str) or not version:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": version}

    def accept(self, answer: Any) -> int:
        """Reads what the server is going to send; returns the position of its first byte."""
        start, self.total = announced(answer.status, answer.headers)
        if start > self.size:
            raise ConnectionError(f"the server sent bytes from {start:,} on, {self.size:,} were asked for")
        if self.total is None:
            raise DownloadError(
                f"{public(self.url)} does not say how long it is, so a whole file cannot be told from a part"
            )
        if start == 0:
            self.remove()  # before the new version is noted: old bytes are never taken for part of it
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        weak = version is not None and version.startswith("W/")
        note = self.about.with_suffix(".note")
        note.write_text(json.dumps({"address": self.address, "version": None if weak else version}), encoding="utf8")
        note.replace(self.about)
        return start

    def beyond_the_end(self, error: urllib.error.HTTPError) -> None:
        """Nothing is left to send: either all has arrived, or this is part of something else."""
        if error.headers.get("Content-Range") == f"bytes */{self.size}":
            self.total = self.size
        else:
            self.remove()

    def remove(self) -> None:
        """Removes the part and what is remembered of it."""
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def announced(status: int, headers: Mapping[str, str]) -> tuple[int, int | None]:
    """The first byte that a server is going to send, and the size of the whole, if it says so.

    Args:
        status: of the answer; 206 for a part.
        headers: of the answer.

    Raises:
        ConnectionError: if its headers cannot be read.
    """
    length, span = headers.get("Content-Length"), headers.get("Content-Range")
    try:
        if status != 206:
            start, total = 0, int(length) if length is not None else None
        else:
            first, whole = str(span).removeprefix("bytes ").split("/")
            start, total = int(first.split("-")[0]), int(whole)
        if total is not None and not 0 <= start <= total:
            raise ValueError(f"{start:,} is not within {total:,} bytes")
        return start, total
    except ValueError as error:
        raise ConnectionError(f"Content-Length {length!r} and Content-Range {span!r} make no sense") from error


def _require_space(part: _Part, room: float) -> None:
    """Raises a DownloadError unless the rest of the file, and what is made of it, fits on the disk."""
    need, free = int((part.total or 0) * room) - part.size, shutil.disk_usage(part.path.parent).free
    if need > free:
        raise DownloadError(
            f"{part.path.name} needs {need / 1e9:.2f} GB more and {part.path.parent} has {free / 1e9:.2f} GB free"
        )


def _broke_off(url: str, part: _Part, error: Exception, failed: int) -> None:
    """Waits a little after a broken connection, or raises where that does not help."""
    if getattr(error, "errno", None) == errno.ENOSPC:
        raise DownloadError(f"the disk is full at {part.path}; {part.size:,} bytes are kept") from error
    if failed >= TRIES:
        raise DownloadError(
            f"{public(url)} broke off {failed} times in a row ({plain(error)}); {part.size:,} bytes are kept, "
            "the same call goes on from there"
        ) from error
    time.sleep(min(2.0**failed, 30.0))


def _refused(url: str, error: urllib.error.HTTPError, failed: int) -> None:
    """Waits as long as the server asks for, or raises where waiting does not help."""
    if error.code in _FINAL or failed >= TRIES:
        raise DownloadError(f"the server refused {public(url)}: {error.code} {plain(error.reason)}") from error
    wait = retry_after(error.headers.get("Retry-After") or "")
    time.sleep(min(max(2.0**failed if wait is None else wait, 0.0), 60.0))


def retry_after(text: str) -> float | None:
    """Seconds that a server asks to wait, given as a number or as a date; None if it is neither."""
    try:
        wait = email.utils.parsedate_to_datetime(text).timestamp() - time.time() if ":" in text else float(text)
    except (ValueError, OverflowError):
        return None
    return wait if math.isfinite(wait) else None


class Bar:
    """A progress bar that comes up only when there is time to look at it."""

    def __init__(self, name: str, quiet: bool) -> None:
        self.name, self.quiet, self.started = name, quiet, time.monotonic()
        self.progress: Any = None
        self.task: Any = None
        self.done, self.total = 0, 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self.progress is not None:
            self.progress.stop()

    def begin(self, done: int, total: int | None) -> None:
        """A connection starts at a byte of a total."""
        self.done, self.total = done, total or 0

    def advance(self, size: int) -> None:
        """So many bytes have come."""
        self.done += size
        if self.quiet or time.monotonic() - self.started < 3.0:
            return
        if self.progress is None:
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

            self.progress = Progress(
                "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
            )
            self.task = self.progress.add_task(self.name, total=self.total)
            self.progress.start()
        self.progress.update(self.task, completed=self.done, total=self.total)
