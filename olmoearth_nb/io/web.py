"""Servers that are not trusted, over requests: asked with patience, in parts, and never for more than a bound.

`Web` asks, `RemoteFile` is one file on a server that is read in parts. What comes is counted, also what is inflated
from it; links and redirects lead only where `addresses.Reach` allows.
"""

from __future__ import annotations

import io
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from olmoearth_nb.io import fetch
from olmoearth_nb.io.addresses import Reach, plain, public
from olmoearth_nb.io.fetch import CHUNK, DownloadError

T = TypeVar("T")

_LONGEST_WAIT = 60.0
_BUSY = (429, 500, 502, 503, 504)
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_BLOCK = 1 << 15
"""Bytes that are read at least: headers of a file are read in small steps."""

_SLOWEST = 20
"""How many times the patience with a silent server one answer may take, byte by byte."""

_CONNECTIONS = 16
_CONNECTION = re.compile(r"^\w+\(host=[^)]*\): ")
"""How urllib3 begins its messages: the connection, as Python prints it."""

_HOPS = 5
_NOT_GIVEN, _SAME_METHOD = 300, 307
"""From these status codes on an answer is not what was asked for, and a redirect keeps the method."""


class RefusedError(DownloadError):
    """A server answered that it does not give something."""


class Web:
    """Asks servers on behalf of a user who gave one address.

    Redirects are followed here, one by one, because requests reads their bodies whole, however long they are.

    Args:
        start: that address; what it may lead to follows from it (`Reach.of`).

    Raises:
        ValueError: if it is none of http or https.
    """

    def __init__(self, start: str) -> None:
        self.reach = Reach.of(start)
        self.session = _Session()
        self.session.headers.update({"User-Agent": "olmoearth_nb", "Accept-Encoding": "gzip, deflate"})
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Guarded(self.reach))

    def take(
        self, url: str, what: str, read: Callable[[requests.Response], T], method: str = "GET", **options: Any
    ) -> T:
        """What is read of an answer; asked for again as long as there is hope and as late as the server wants.

        Args:
            url: whom to ask.
            what: is asked for, as messages name it.
            read: reads the answer, of whatever status, whose body has not been read.
            method: GET or POST.
            options: of `requests.Session.request`.

        Raises:
            DownloadError: if the server cannot be reached, or may not be.
        """
        failed, hops = 0, 0
        while True:
            self._check(url, method)
            auth = None if url.lower().startswith("https://") else _anonymous  # None: by the user's netrc file
            try:
                with self.session.request(
                    method, url, stream=True, timeout=fetch.TIMEOUT, allow_redirects=False, auth=auth, **options
                ) as answer:
                    if answer.is_redirect and hops < _HOPS:
                        url, hops = self._led(url, answer.headers["Location"]), hops + 1
                        if answer.status_code < _SAME_METHOD and method == "POST":
                            method, options = "GET", {**options, "json": None}
                        continue
                    if answer.is_redirect:
                        raise RefusedError(f"{what} cannot be had: {public(url)} is redirected more than {_HOPS} times")
                    if answer.status_code not in _BUSY or failed == fetch.TRIES:
                        return read(answer)
                    wait = fetch.retry_after(answer.headers.get("Retry-After") or "")
            except _BROKEN as error:
                if failed >= _hope(error):  # without the error itself, whose message holds the whole address
                    raise DownloadError(f"{what} cannot be had ({_reason(error)}): {public(url)}") from None
                wait = None
            failed += 1
            time.sleep(min(max(2.0**failed if wait is None else wait, 0.0), _LONGEST_WAIT))

    def text(self, url: str, what: str, most: int, method: str = "GET", **options: Any) -> str:
        """The body of an answer.

        Args:
            url: see `take`.
            what: see `take`.
            most: bytes that it may have, also when it is inflated.
            method: see `take`.
            options: see `take`.

        Raises:
            RefusedError: a DownloadError, if the server refuses.
            DownloadError: if it cannot be had, or is longer, or no text.
        """

        def read(answer: requests.Response) -> str:
            body = _body(answer, most)
            if answer.status_code >= _NOT_GIVEN:
                raise RefusedError(f"{what} refused: {answer.status_code} {plain(body.decode(errors='replace'))}")
            try:
                return body.decode("utf8")
            except UnicodeDecodeError as error:
                raise DownloadError(f"{what} answers with no text in UTF-8 ({error}): {public(url)}") from error

        return self.take(url, what, read, method, **options)

    def _led(self, url: str, location: str) -> str:
        """Where a redirect leads.

        Raises:
            DownloadError: if that may not be asked, naming who leads there.
        """
        to = _joined(url, location)
        try:
            self.reach.check(to)
        except ValueError as error:
            raise DownloadError(f"{public(url)} leads elsewhere: {error}") from error
        return to

    def _check(self, url: str, method: str) -> None:
        """Raises a DownloadError unless this may be asked."""
        try:
            self.reach.check(url)
            if method not in ("GET", "POST"):
                raise ValueError(f"a server is asked by GET or POST, not {plain(method)!r}: {public(url)}")
        except ValueError as error:
            raise DownloadError(str(error)) from error


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leaves a request as it is: passwords do not go over plain http."""
    return request


class _Session(requests.Session):
    """Prepares no redirect by itself: it would read the body of the answer, however long."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None."""


def _joined(url: str, location: str) -> str:
    """Where a redirect leads."""
    try:
        return urllib.parse.urljoin(url, location)
    except ValueError as error:
        raise DownloadError(f"{public(url)} leads to what is no address ({plain(error)})") from error


class _Guarded(HTTPAdapter):
    """Connections that look whom they reached: a name may mean another host than when it was looked up."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        super().__init__(max_retries=0, pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Makes the pools, whose connections are checked once they are made."""
        super().init_poolmanager(*args, **options)
        reach = self.reach

        class Plain(HTTPConnection):
            def _new_conn(self) -> Any:
                return _checked(super()._new_conn(), reach)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> Any:
                return _checked(super()._new_conn(), reach)

        self.poolmanager.pool_classes_by_scheme = {
            "http": type("Http", (HTTPConnectionPool,), {"ConnectionCls": Plain}),
            "https": type("Https", (HTTPSConnectionPool,), {"ConnectionCls": Secure}),
        }


def _checked(connection: Any, reach: Reach) -> Any:
    """A connection, closed unless its other end may be asked."""
    try:
        reach.check_peer(connection.getpeername()[0])
    except ValueError as error:
        connection.close()
        raise DownloadError(str(error)) from error
    return connection


def _hope(error: Exception) -> int:
    """How often it makes sense to try again."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        return 0
    if isinstance(inner, urllib3.exceptions.NewConnectionError):
        return 2
    again = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)
    return fetch.TRIES if isinstance(error, again) or not isinstance(error, requests.RequestException) else 0


def _body(answer: requests.Response, most: int) -> bytes:
    """The whole body, inflated by us: what comes may be small, what it becomes is bounded.

    Raises:
        DownloadError: if it is longer, or takes too long.
    """
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise DownloadError(f"{public(answer.url)} answers in an encoding that was not asked for: {plain(packed)}")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32) if packed not in ("identity", "") else None
    body = bytearray()
    for block in _blocks(answer):
        try:
            body += inflate.decompress(block, most + 1 - len(body)) if inflate else block
        except zlib.error as error:
            raise DownloadError(f"{public(answer.url)} answers with damaged {packed} ({error})") from error
        if len(body) > most:
            raise DownloadError(f"{public(answer.url)} answers with more than {most:,} bytes; that is not read")
    return bytes(body)


def _blocks(answer: requests.Response, size: int | None = None) -> Iterator[bytes]:
    """What comes, as it comes and as it was sent, at most so many bytes.

    Raises:
        DownloadError: if it takes longer than any server needs.
    """
    until = time.monotonic() + _SLOWEST * fetch.TIMEOUT
    left = size
    while left != 0 and (block := answer.raw.read1(min(CHUNK, left or CHUNK), decode_content=False)):
        yield block
        left = None if left is None else left - len(block)
        if time.monotonic() > until:
            raise DownloadError(
                f"{public(answer.url)} sends too slowly; given up after {_SLOWEST * fetch.TIMEOUT:.0f} s"
            )


def _reason(error: BaseException) -> str:
    """Why a connection failed, without the address that requests puts into its messages."""
    inner = error.args[0] if error.args else error
    text = plain(_words(error))
    clock = "not yet valid" in text or "certificate has expired" in text
    if isinstance(getattr(inner, "reason", None), urllib3.exceptions.NewConnectionError):
        return f"{text}; are you online?"
    return f"{text}; is the clock of this machine right?" if clock else text


def _words(error: BaseException) -> str:
    """What an error of a library says, and what those inside it say, without the connections that it names in Python.

    An error that only wraps another, as requests' and urllib3's do, says what that says.
    """
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _words(reason)
    inner = [part for part in error.args if isinstance(part, BaseException)]
    texts = [part for part in error.args if isinstance(part, str) and not any(repr(one) in part for one in inner)]
    said = " ".join([*texts, *map(_words, inner)]) or str(error) or type(error).__name__
    return _CONNECTION.sub("", said)


@dataclass
class RemoteFile:
    """One file on a server, read in parts by those who open it (`rasterio.open(..., opener=self)`).

    Attributes:
        web: asks for it.
        url: its address.
        what: its name in messages.
        size: in bytes; known from the first part on.
        version: the server's name of its content, which must stay the same.
        failed: why a part could not be had; libraries that read by callbacks do not hand on exceptions.
    """

    web: Web
    url: str
    what: str
    size: int | None = None
    version: str | None = None
    failed: DownloadError | None = None
    _kept: dict[int, bytes] = field(default_factory=dict, repr=False)

    def __call__(self, path: str, mode: str = "rb") -> io.RawIOBase:
        """A new handle, as an opener gives it."""
        return _Handle(self)

    def read(self, start: int, stop: int) -> bytes:
        """Bytes from one position to another, or to the end; small parts by whole blocks, which are kept.

        Raises:
            DownloadError: if they cannot be had, or the file is not the one that it was.
        """
        if self.size is not None:
            stop = min(stop, self.size)
        if stop - start > _BLOCK:
            return self._part(start, stop)
        data, first = b"", start // _BLOCK
        for i in range(first, -(-stop // _BLOCK)):
            if i not in self._kept:
                self._kept[i] = self._part(i * _BLOCK, (i + 1) * _BLOCK)
            data += self._kept[i]
        return data[start - first * _BLOCK : stop - first * _BLOCK]

    def _part(self, start: int, stop: int) -> bytes:
        """One request, or several where the connection breaks off."""
        if self.size is not None:
            stop = min(stop, self.size)
        if stop <= start:
            return b""
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}

        def read(answer: requests.Response) -> bytes:
            size = self._accept(answer, start, stop) - start
            data = b"".join(_blocks(answer, size))
            if len(data) != size:
                raise ConnectionError(f"{len(data):,} of {size:,} bytes came")
            return data

        return self.web.take(self.url, self.what, read, headers=headers)

    def _accept(self, answer: requests.Response, start: int, stop: int) -> int:
        """Reads what a server is going to send; returns where it ends."""
        if answer.status_code == 416 and start == 0:
            self.size = 0
            return 0
        if answer.status_code >= _NOT_GIVEN:
            status = f"{answer.status_code} {plain(answer.reason)}"
            raise RefusedError(f"the server refused {self.what}: {status}: {public(self.url)}")
        if answer.status_code != 206 and start:
            raise DownloadError(f"the server of {self.what} gives no parts of files (ranges): {public(self.url)}")
        try:
            first, size = fetch.announced(answer.status_code, answer.headers)
        except ConnectionError as error:
            raise DownloadError(f"{self.what} cannot be had ({error}): {public(self.url)}") from error
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if size is None or first != start:
            raise DownloadError(f"the server of {self.what} does not say which bytes it sends: {public(self.url)}")
        if self.size is not None and (size, version) != (self.size, self.version):
            raise DownloadError(f"{self.what} changed on its server while it was read: {public(self.url)}")
        self.size, self.version = size, version
        return min(stop, size)


class _Handle(io.RawIOBase):
    """A position in a `RemoteFile`."""

    def __init__(self, file: RemoteFile) -> None:
        self.file, self.position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.file.size or 0}[whence]
        self.position = start + offset
        return self.position

    def read(self, size: int = -1) -> bytes:
        """Nothing where it fails: an exception would not come through GDAL, the reason is kept."""
        stop = self.position + size if size >= 0 else self.file.size or 0
        try:
            data = self.file.read(self.position, stop)
        except DownloadError as error:
            self.file.failed = error
            return b""
        self.position += len(data)
        return data
