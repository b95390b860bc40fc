"""The one place where an HDF5 file that somebody else wrote is opened.

HDF5 lets a file point to others: by links, by external storage, by virtual data sets. It lets a kilobyte announce a
petabyte, and names the program that unpacks a chunk. Here only what lies in the file itself is read, through filters
that we know, and nothing is allocated before the sizes in the headers are known to be small.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 1 << 28
"""Bytes that a data set, or a chunk of one, may take in memory: a tile's largest image has 12 MB."""

_CHUNKS = 10_000
_LARGEST_TEXT = 1_000_000
_HEAP = b"GCOL"
_DEFLATE, _SHUFFLE, _FLETCHER, _ZSTD = 1, 2, 3, 32015
_FILTERS = {_DEFLATE: "deflate", _SHUFFLE: "shuffle", _FLETCHER: "fletcher32", _ZSTD: "zstd"}
_KINDS = {"b": "truth values", "i": "whole numbers", "u": "whole numbers", "f": "decimal numbers"}
_LIBRARY = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError)
"""What h5py raises for a damaged file, depending on where the damage is."""


class Hdf5Error(ValueError):
    """A file that is not whole, or that has what we do not read."""


class Hdf5:
    """An open file, of which only what lies in the file itself can be read.

    Args:
        file: the `h5py.File`.
        path: for errors.
    """

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path = file, path
        self._seen: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        """Whether something of that name is there, be it a link; nothing is followed."""
        *groups, last = name.split("/")
        group = self._file
        for part in groups:
            if not self._holds(group, part):
                return False
            group = self._member(group, part)
        return self._holds(group, last)

    def _holds(self, group: Any, name: str) -> bool:
        """Whether a group has such a name; what is no group has none."""
        with _translated(self._path):
            return hasattr(group.id, "links") and group.id.links.exists(name.encode())

    def names(self) -> list[str]:
        """The first names in the file, for errors."""
        with _translated(self._path):
            return [name for name, _ in zip(self._file, range(20), strict=False)]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a data set, as its header announces it.

        Raises:
            Hdf5Error: if there is no data set of that name in the file itself, or it is stored elsewhere.
        """
        return tuple(self._dataset(name).shape)

    def read(self, name: str, kinds: str = "iuf", window: tuple[slice, ...] = ()) -> np.ndarray:
        """A data set, or a window of it, in the byte order of this machine.

        Args:
            name: with ``/`` between groups.
            kinds: numpy's letters of the types that are meant, of "biuf".
            window: what to read of the first axes; by default all.

        Raises:
            Hdf5Error: if it is not in the file itself, of another type, too large, or damaged.
        """
        data = self._dataset(name)
        self._check_type(name, data, kinds)
        with _translated(self._path):
            size, chunk = (math.prod(shape or ()) * data.dtype.itemsize for shape in (data.shape, data.chunks))
        if max(size, chunk) > LARGEST:
            raise self._refused(name, f"has {max(size, chunk):,} bytes; at most {LARGEST:,} are read")
        self._check_filters(name, data, chunk)
        with _translated(self._path):
            values = np.asarray(data[window])
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def text(self, attribute: str) -> str | None:
        """An attribute of the file that is one text; None if there is no such attribute.

        Raises:
            Hdf5Error: if it is something else, or long.
        """
        import h5py

        with _translated(self._path):
            if attribute not in self._file.attrs:
                return None
            header = self._file.attrs.get_id(attribute)
            single = header.shape == () and h5py.check_string_dtype(header.dtype) is not None
            if single and header.get_storage_size() <= _LARGEST_TEXT:
                _check_heaps(self._path)
                value = self._file.attrs[attribute]
                text = value.decode("utf8") if isinstance(value, bytes) else value
                if isinstance(text, str):
                    return text
        raise Hdf5Error(f"{self._path}: the attribute {attribute} must be one text, got {header.dtype} {header.shape}")

    def _member(self, group: Any, name: str) -> Any:
        """What a group itself holds under a name."""
        import h5py

        with _translated(self._path):
            link = group.id.links.get_info(name.encode()).type
        if link != h5py.h5l.TYPE_HARD:
            raise self._refused(name, "is a link, which is not followed")
        with _translated(self._path):
            return group[name]

    def _dataset(self, name: str) -> Any:
        """A data set whose values lie in the file itself."""
        import h5py

        if name in self._seen:
            return self._seen[name]
        if name not in self:
            raise self._refused(name, f"is not there; it has {self.names()}")
        data = self._file
        for part in name.split("/"):
            data = self._member(data, part)
        if not isinstance(data, h5py.Dataset) or data.shape is None:
            raise self._refused(name, "is no data set")
        with _translated(self._path):
            how = data.id.get_create_plist()
            elsewhere = how.get_layout() == h5py.h5d.VIRTUAL or how.get_external_count() > 0
        if elsewhere:
            raise self._refused(name, "is stored in other files (external or virtual storage), which are not read")
        self._seen[name] = data
        return data

    def _check_type(self, name: str, data: Any, kinds: str) -> None:
        """Raises unless a data set holds plain numbers of a kind."""
        import h5py

        with _translated(self._path):
            kind, named = data.dtype.kind, h5py.check_enum_dtype(data.dtype)
        if kind not in kinds or named is not None:
            wanted = " or ".join(dict.fromkeys(_KINDS[letter] for letter in kinds))
            raise self._refused(name, f"must hold {wanted}, got {data.dtype if named is None else 'an enumeration'}")

    def _check_filters(self, name: str, data: Any, chunk: int) -> None:
        """Raises unless chunks are unpacked by filters that we know, each to the size that the header announces."""
        with _translated(self._path):
            how = data.id.get_create_plist()
            filters = [how.get_filter(i)[0] for i in range(how.get_nfilters())]
            count = data.id.get_num_chunks() if filters else 0
        packers = [code for code in filters if code in (_DEFLATE, _ZSTD)]
        if not set(filters) <= set(_FILTERS) or len(packers) > 1:
            known = ", ".join(_FILTERS.values())
            raise self._refused(name, f"has the filters {filters}; read are {known}, and one compression")
        if count > _CHUNKS:
            raise self._refused(name, f"has {count:,} chunks; at most {_CHUNKS:,} are read")
        for i in range(count if packers else 0):
            with _translated(self._path):
                stored = data.id.get_chunk_info(i)
                fits = stored.size <= 2 * chunk + 1024
                skipped, packed = data.id.read_direct_chunk(stored.chunk_offset) if fits else (0, b"")
            packing = not skipped & (1 << filters.index(packers[0]))
            if not fits or (packing and _unpacked(packers[0], packed, chunk + 5) > chunk + 4):  # 4: a checksum
                raise self._refused(name, f"unpacks to more than the {chunk:,} bytes of a chunk")

    def _refused(self, name: str, why: str) -> Hdf5Error:
        return Hdf5Error(f"{self._path}: {name} {why}")


@contextmanager
def open_hdf5(path: str | os.PathLike[str]) -> Iterator[Hdf5]:
    """Opens a file for reading.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        PermissionError: if it may not be read.
        Hdf5Error: if it is not a whole HDF5 file.
    """
    import h5py
    import hdf5plugin  # noqa: F401  registers zstd

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    with _translated(path):
        file = h5py.File(path, "r")
    with file:
        yield Hdf5(file, path)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Says of all that the library raises for a damaged file that it is not whole."""
    try:
        yield
    except (PermissionError, Hdf5Error):
        raise
    except _LIBRARY as error:
        raise Hdf5Error(f"{path} is not a whole HDF5 file ({error})") from error


def _check_heaps(path: Path) -> None:
    """Raises unless the library comes to an end of the heaps in which a file keeps texts of any length.

    Met by damaging files: free space of the size 0 in such a heap keeps libhdf5 1.14 in a loop for ever. (HDF5 File
    Format Specification, III.E: 16 bytes of head, then objects of 16 bytes and their data, 0 is free space.)
    """
    if path.stat().st_size > LARGEST:
        raise Hdf5Error(f"{path} has {path.stat().st_size:,} bytes; files with texts have at most {LARGEST:,}")
    data = path.read_bytes()
    start = data.find(_HEAP)
    while start >= 0:
        end = min(start + int.from_bytes(data[start + 8 : start + 16], "little"), len(data))
        at = start + 16
        while at + 16 <= end:
            size = int.from_bytes(data[at + 8 : at + 16], "little")
            number = int.from_bytes(data[at : at + 2], "little")
            if number == 0 and size < 16:
                raise Hdf5Error(f"{path} is not a whole HDF5 file (a heap with free space of {size} bytes)")
            at += size if number == 0 else 16 + -(-size // 8) * 8
        start = data.find(_HEAP, start + 1)


def _unpacked(packer: int, packed: bytes, most: int) -> int:
    """Bytes that a chunk unpacks to, counted up to `most`; what is no such chunk counts as `most`."""
    if packer == _ZSTD:
        return _announced(packed, most)
    try:
        return len(zlib.decompressobj().decompress(packed, most))
    except zlib.error:
        return most


def _announced(frame: bytes, most: int) -> int:
    """Size that the header of a zstd frame announces, which its reader allocates (RFC 8878, 3.1.1.1)."""
    if len(frame) < 6 or frame[:4] != b"\x28\xb5\x2f\xfd":
        return most
    descriptor = frame[4]
    single = descriptor >> 5 & 1  # no byte of the window then, and always a size
    start = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    length = (single, 2, 4, 8)[descriptor >> 6]
    size = int.from_bytes(frame[start : start + length], "little") + 256 * (length == 2)
    return size if length else most
