"""Tar archives from elsewhere: looked through before anything is written, unpacked whole or not at all.

A tar may name any path and any kind of file, so nothing of it is believed. Only plain files and folders that stay in
the target pass; owners, modes and times of the archive are never applied. What a tar does not say is asked for: its
end, without which a cut-off archive looks whole.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, cast

from olmoearth_nb.io.fetch import CHUNK, Bar

MOST_BYTES = 1 << 30
"""Largest member that is unpacked; a tile of the official data has some tens of MB."""

_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}

_UNREADABLE = (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError, MemoryError)


class ArchiveError(ValueError):
    """An archive that is not whole, not safe, or not what it should be. Nothing of it is left unpacked."""


def look_through(archive: Path) -> dict[PurePosixPath, tarfile.TarInfo]:
    """Everything in an archive by its path in the target, after all checks that need no unpacking.

    Args:
        archive: an uncompressed tar.

    Raises:
        ArchiveError: if it is not a whole tar, or naming the first member that must not be unpacked.
    """
    found: dict[PurePosixPath, tarfile.TarInfo] = {}
    seen: dict[str, str] = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            last = -1
            while (member := tar.next()) is not None:
                if fault := _fault(member, last):
                    raise ArchiveError(f"{archive.name}: {member.name!r} {fault}")
                last, place = member.offset, PurePosixPath(member.name)
                key = place.as_posix().casefold()
                if key in seen:
                    raise ArchiveError(f"{archive.name}: {member.name!r} comes twice, first as {seen[key]!r}")
                found[place], seen[key] = member, member.name
            _require_end(archive, tar.offset)
    except ArchiveError:
        raise
    except _UNREADABLE as error:
        raise ArchiveError(f"{archive.name} is not a whole tar archive ({error})") from error
    files = {place for place, member in found.items() if member.isreg()}
    for place in found:
        if under := files.intersection(place.parents):
            raise ArchiveError(f"{archive.name}: {str(place)!r} lies in {str(under.pop())!r}, which is a file")
    return found


def _fault(member: tarfile.TarInfo, last: int) -> str:
    """What is wrong with a member, "" for nothing.

    Args:
        member: from an archive.
        last: position of the member before it.
    """
    name, place = member.name, PurePosixPath(member.name)
    if name.startswith("/") or PureWindowsPath(name).drive:
        return "is an absolute path"
    if ".." in place.parts:
        return "leads out of the folder"
    too_long = any(len(part.encode("utf8", "surrogateescape")) > 255 for part in place.parts)
    if not name.isprintable() or "\\" in name or too_long or not (place.parts or member.isdir()):
        return "is no name for a file"
    if member.type in _KINDS:
        return f"is {_KINDS[member.type]}{f' to {member.linkname!r}' if member.linkname else ''}, not a plain file"
    if member.issparse() or not (member.isreg() or member.isdir()):
        return f"is of the kind {member.type!r}, not a plain file or a folder"
    if member.isreg() and member.mode & 0o6000:
        return "would run as another user (setuid or setgid)"
    if not 0 <= member.size <= MOST_BYTES:
        return f"has {member.size:,} bytes; at most {MOST_BYTES:,} are unpacked"
    if member.offset <= last:
        return "stands before the member that it follows"
    return ""


def _require_end(archive: Path, position: int) -> None:
    """Raises unless the mark of a tar's end, a block of zeros, stands behind the last member."""
    with archive.open("rb") as file:
        file.seek(position)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ArchiveError(f"{archive.name} is not a whole tar archive: it has no end after {position:,} bytes")


def unpack(archive: Path, folder: Path, accept: Callable[[Path], None] | None = None, *, quiet: bool = False) -> Path:
    """Unpacks a tar into a folder that appears only when everything is in it and accepted.

    What is being unpacked lies in `<folder>.unpacking`; a call that finds one left by a kill begins it anew.

    Args:
        archive: an uncompressed tar.
        folder: does not exist yet, or is empty.
        accept: looks at the unpacked folder before it gets its name, and raises if it is not what it should be.
        quiet: whether to leave out the progress bar.

    Returns:
        The folder.

    Raises:
        ArchiveError: if the archive is not whole or not safe, naming the member.
        FileExistsError: if the folder has anything in it.
        OSError: if the disk is too small, before the first byte, or another program fills it meanwhile.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise FileExistsError(f"{folder} exists and is not an empty folder")
    members, temporary = look_through(archive), folder.with_name(folder.name + ".unpacking")
    if temporary.exists():
        shutil.rmtree(temporary)
    size, free = sum(member.size for member in members.values()), shutil.disk_usage(folder.parent).free
    if size > free:
        raise OSError(f"unpacking {archive.name} takes {size / 1e9:.2f} GB, {folder.parent} has {free / 1e9:.2f} free")
    temporary.mkdir()
    try:
        with tarfile.open(archive, "r:") as tar, Bar(f"unpacking {archive.name}", quiet) as bar:
            bar.begin(0, size)
            for place, member in members.items():
                _write(tar, member, temporary, place)
                bar.advance(member.size)
        if accept is not None:
            accept(temporary)
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path, place: PurePosixPath) -> None:
    """One member on the disk, through Python's own filter as well as ours."""
    path = root / place
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    try:
        if hasattr(tarfile, "data_filter"):  # since Python 3.11.4
            tarfile.data_filter(member, str(root))
        path.parent.mkdir(parents=True, exist_ok=True)
        with cast(IO[bytes], tar.extractfile(member)) as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, CHUNK)
            file.flush()
            os.fsync(file.fileno())
    except tarfile.TarError as error:
        raise ArchiveError(f"{str(place)!r} cannot be unpacked ({error})") from error
    if path.stat().st_size != member.size:
        raise ArchiveError(f"{str(place)!r} has {path.stat().st_size:,} bytes, not {member.size:,}")
