"""Archives unpacked so that no file leaves the folder, no link is made, and the folder appears only when whole."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from olmoearth_nb.io.paths import inside

_BLOCK = 1 << 20


def unpack_zip(archive: Path, folder: Path) -> Path:
    """Unpacks a .zip into a folder, or finds that folder there.

    Args:
        archive: the `.zip`.
        folder: where its files go.

    Returns:
        The folder.

    Raises:
        ValueError: if the archive is damaged, or a name in it would leave the folder or is a link.
        OSError: if the disk is too small.
    """
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(folder.name + ".part")
    with FileLock(folder.with_name(folder.name + ".lock")):
        if folder.is_dir():
            return folder
        shutil.rmtree(part, ignore_errors=True)  # what an interrupted call has left
        try:
            with zipfile.ZipFile(archive) as packed:
                entries = packed.infolist()
                _require_space(archive, part, sum(entry.file_size for entry in entries))
                part.mkdir()
                _unpack(packed, entries, part)
            part.replace(folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"{archive.name} is not a whole .zip file ({error})") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _unpack(packed: zipfile.ZipFile, entries: list[zipfile.ZipInfo], part: Path) -> None:
    """Writes the files one by one, under a progress bar where they are many."""
    from rich.progress import track

    name = Path(packed.filename or "the archive").name
    for entry in track(entries, f"unpacking {part.stem}", transient=True, disable=len(entries) < 200):
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ValueError(f"{entry.filename} in {name} is a link; links are not unpacked")
        try:
            target = inside(part, entry.filename)
            (target if entry.is_dir() else target.parent).mkdir(parents=True, exist_ok=True)
            if not entry.is_dir():
                with packed.open(entry) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, _BLOCK)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise ValueError(f"{entry.filename} in {name} is a file in one place and a folder in another") from error
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _require_space(archive: Path, part: Path, need: int) -> None:
    """Raises an OSError unless so many bytes fit on the disk."""
    free = shutil.disk_usage(part.parent).free
    if need > free:
        raise OSError(
            f"{archive.name} needs {need / 1e9:.2f} GB unpacked and {part.parent} has {free / 1e9:.2f} GB free; "
            "nothing was written"
        )
