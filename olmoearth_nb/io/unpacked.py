"""A folder that comes as one archive from the web: downloaded, verified, unpacked, in its place only when whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from olmoearth_nb.io.addresses import check_address, public
from olmoearth_nb.io.fetch import DownloadError, fetch, sha256
from olmoearth_nb.io.pins import RECORDED, read_pins, require, write_pin
from olmoearth_nb.io.untar import ArchiveError
from olmoearth_nb.io.unzip import unpack_zip

Content = TypeVar("Content")

_PIN = "archive"


def fetch_unpacked(
    out: str | os.PathLike[str],
    url: str,
    opened: Callable[[Path], Content],
    unpack: Callable[[Path, Path], object],
    *,
    what: str,
    suffix: str,
    room: float = 2.0,
    quiet: bool = False,
) -> Content:
    """Downloads and unpacks an archive; a call that was killed is gone on with by the next.

    Beside the folder lie, while it is being made, the archive (`<out><suffix>`) and what is unpacked of it
    (`<out>.unpacking`), and for good `<out>.sha256.json`, which records the archive's checksum. Before the first byte
    the disk must have room for the archive and its content together. An archive that is refused is kept as
    `<out><suffix>.refused` and loaded anew by the next call.

    Args:
        out: the folder to make. A finished one is opened as it is, without the network.
        url: address of the archive.
        opened: opens the finished folder.
        unpack: makes a folder of an archive, whole or not at all.
        what: the content is, for errors.
        suffix: of the archive.
        room: how many times the archive's size must be free on the disk.
        quiet: whether to leave out progress bars.

    Returns:
        What `opened` gives.

    Raises:
        ValueError: if the address is not http or https.
        DownloadError: if the archive cannot be had, or the disk is too small for it and its content.
        ChecksumError: if the archive is not the one that was recorded.
        ArchiveError: if it is not whole, not safe to unpack, or does not hold what it should.
        FileExistsError: if `out` holds something else.
        OSError: if the disk fills up meanwhile.
    """
    from filelock import FileLock

    check_address(url)
    out = Path(out).expanduser().resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    archive, record = out.with_name(out.name + suffix), out.with_name(out.name + ".sha256.json")
    with FileLock(out.with_name(out.name + ".lock")):
        if out.is_dir() and any(out.iterdir()):
            return _finished(out, opened, what)
        if not archive.is_file():
            fetch(url, archive, room=room, quiet=quiet)
        _enforce(archive, record, url, quiet)
        try:
            unpack(archive, out)
        except ArchiveError as error:
            record.unlink(missing_ok=True)
            refused = archive.replace(archive.with_name(archive.name + ".refused"))
            raise ArchiveError(f"{error}; kept as {refused}, the next call loads it anew") from error
        archive.unlink()
    return opened(out)


def unpack_checked(archive: Path, out: Path, accept: Callable[[Path], object]) -> None:
    """Unpacks a .zip whose content passes a check, or nothing.

    Args:
        archive: the `.zip`.
        out: the folder to make.
        accept: raises a ValueError or a FileNotFoundError if the unpacked folder is not what it should be.

    Raises:
        ArchiveError: if the archive is damaged, unsafe, or not accepted.
        OSError: if the disk is too small.
    """
    part = out.with_name(out.name + ".unpacking")
    shutil.rmtree(part, ignore_errors=True)
    try:
        accept(unpack_zip(archive, part))
        if out.is_dir():  # an empty one
            out.rmdir()
        part.replace(out)
    except (ValueError, FileNotFoundError) as error:
        raise ArchiveError(f"{archive.name} is refused: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _finished(out: Path, opened: Callable[[Path], Content], what: str) -> Content:
    """The content of a folder that an earlier call made."""
    try:
        return opened(out)
    except (FileNotFoundError, ValueError) as error:
        raise FileExistsError(
            f"{out} is there and is not a whole {what} ({error}); remove it or choose another"
        ) from error


def _enforce(archive: Path, record: Path, url: str, quiet: bool) -> None:
    """Records the archive's checksum, or requires the one that was recorded."""
    found, pinned = sha256(archive, quiet), read_pins(record).get(_PIN)
    if pinned is None:
        write_pin(record, _PIN, {"url": public(url), "bytes": archive.stat().st_size, "sha256": found})
        return
    known = pinned.get("sha256") if isinstance(pinned, dict) else None
    if not isinstance(known, str):
        raise DownloadError(f"{record} records no sha256 of the archive; remove it to record anew")
    require([(archive, found, known)], f"{RECORDED} (remove {record} to accept another version)")
