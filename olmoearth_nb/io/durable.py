"""Files that are whole or not there, lines that are added, and folders that one process at a time works in."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch

from olmoearth_nb.errors import PlainError, warn

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SAID = ("inline_container.cc", "PytorchStreamWriter", "No space left", "quota exceeded", "File too large")
"""What torch and safetensors, whose errors have no number, say of a disk that takes no more."""


_SEAL = 64
"""Bytes of a sha256 in hexadecimal."""


class DiskFullError(PlainError):
    """A file could not be written; what was there before is untouched."""


def write(path: Path, save: Callable[[Path], Any]) -> Path:
    """Writes a file so that a crash at any moment leaves the old one or the new one.

    Args:
        path: the file.
        save: writes to the path that it is given.

    Raises:
        DiskFullError: if the disk is full; the part is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")
    try:
        part.touch()
        mode = part.stat().st_mode  # what the umask leaves; safetensors makes files that nobody else may read
        save(part)
        part.chmod(mode)
        sync(part)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if _is_full(error):
            raise _full(path) from error
        raise
    sync(path.parent)
    return path


def sync(path: Path) -> None:
    """Waits until a file, or the list of files in a folder, is on the disk; Windows has that for files alone."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> Path:
    """Writes a value as JSON."""
    return write(path, lambda part: part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf8"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Writes a table with its head; see `write`."""

    def save(part: Path) -> None:
        with part.open("w", newline="", encoding="utf8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    return write(path, save)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table, each as column -> text."""
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))


def write_array(path: Path, array: np.ndarray) -> Path:
    """Writes one array as an `.npy`, sealed."""

    def save(part: Path) -> None:
        with part.open("wb") as file:  # by its name, numpy would add .npy to it
            np.save(file, array)
        seal(part)

    return write(path, save)


def read_array(path: Path) -> np.ndarray | None:
    """An array that `write_array` wrote; None, with a warning, if the file was cut off or changed since."""
    if not is_sealed(path):
        warn(f"{path} is not as it was written; it is made again")
        return None
    return np.asarray(np.load(path, allow_pickle=False))


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> Path:
    """Writes arrays as a compressed `.npz`."""

    def save(part: Path) -> None:
        with part.open("wb") as file:  # by its name, numpy would add .npz to it
            np.savez_compressed(file, **arrays)

    return write(path, save)


def write_tensors(path: Path, state: Any) -> Path:
    """Writes nested dictionaries and lists of tensors and numbers, for `torch.load(..., weights_only=True)`."""
    return write(path, lambda part: torch.save(state, part))


def append(path: Path, line: str) -> None:
    """Adds a line to a file; after a crash its last line may be cut off.

    Raises:
        DiskFullError: if the disk is full.
    """
    text = f"{line}\n".encode(errors="surrogateescape")  # bytes of a path, which are no letters in an ASCII locale
    try:
        with path.open("ab", buffering=0) as file:
            written = file.write(text)
        if written < len(text):
            raise OSError(errno.ENOSPC, f"{written} of {len(text)} bytes were written")
    except OSError as error:
        if _is_full(error):
            raise _full(path) from error
        raise


def seal(path: Path) -> None:
    """Adds the sha256 of a file behind it; readers of `.npy` and of torch's files do not mind it."""
    digest = _digest(path, path.stat().st_size)
    with path.open("ab") as file:
        file.write(digest)


def is_sealed(path: Path) -> bool:
    """Whether a file is as it was when it was sealed, every byte of it checked."""
    size = path.stat().st_size - _SEAL
    if size < 0:
        return False
    with path.open("rb") as file:
        file.seek(size)
        return file.read() == _digest(path, size)


def _digest(path: Path, size: int) -> bytes:
    """The checksum of the first bytes of a file, in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(min(1 << 20, size - file.tell())):
            found.update(block)
    return found.hexdigest().encode()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder, and removes the parts of files that a killed one left.

    Raises:
        FileExistsError: if another process is in it. The lock of a process that ended, however it did, is open.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for part in folder.rglob("*.part"):
                part.unlink(missing_ok=True)
            yield
    except Timeout as error:
        raise FileExistsError(f"another process works in {folder}; wait for it, or give another folder") from error


def _is_full(error: BaseException) -> bool:
    """Whether an error says that the disk takes no more."""
    return getattr(error, "errno", None) in _FULL or any(message in str(error) for message in _FULL_SAID)


def _full(path: Path) -> DiskFullError:
    """The error of a file that could not be written."""
    return DiskFullError(f"{path} could not be written, the disk or its quota is full; what was there is kept")
