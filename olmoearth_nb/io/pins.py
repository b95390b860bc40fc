"""Checksums recorded when a file is first seen, in a small JSON file, and enforced from then on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olmoearth_nb.io import durable
from olmoearth_nb.io.fetch import ChecksumError, DownloadError
from olmoearth_nb.io.json_file import read_json

RECORDED = "recorded when it was first downloaded"


def read_pins(path: Path) -> dict[str, Any]:
    """What was recorded so far: name -> entry.

    Raises:
        DownloadError: if the file is damaged.
    """
    try:
        return read_json(path) if path.is_file() else {}
    except ValueError as error:
        raise DownloadError(f"the lock file is damaged: {error}; mend it, or remove it to record anew") from error


def write_pin(path: Path, name: str, entry: dict[str, Any]) -> None:
    """Records one entry beside those that are there, replacing the file whole.

    Raises:
        DownloadError: if the file is damaged.
        DiskFullError: if the disk is full; the old file stays.
    """
    durable.write_json(path, read_pins(path) | {name: entry})


def require(files: list[tuple[Path, str, str]], source: str) -> None:
    """Raises unless every checksum is right; wrong files are removed, so that the next try loads them anew.

    Args:
        files: (path, checksum of the file, checksum that it must have).
        source: where the second checksum comes from.

    Raises:
        ChecksumError: naming the wrong files.
    """
    wrong = [(path, actual, wanted) for path, actual, wanted in files if actual != wanted]
    for path, _, _ in wrong:
        path.unlink(missing_ok=True)
    if wrong:
        named = [f"{path.name} has checksum {actual[:12]}, not {wanted[:12]}" for path, actual, wanted in wrong]
        raise ChecksumError(f"{'; '.join(named)}, which was {source}; removed, the next try loads it anew")
