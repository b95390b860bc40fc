"""Checksums recorded when a file is first seen, in a small JSON file, and enforced from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from olmoearth_nb.io import durable
from olmoearth_nb.io.fetch import ChecksumError, DownloadError

RECORDED = "recorded when it was first downloaded"


def read_pins(path: Path) -> dict[str, Any]:
    """What was recorded so far: name -> entry.

    Raises:
        DownloadError: if the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        pins = json.loads(path.read_text(encoding="utf8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(pins, dict):
        raise _damaged(path, f"it holds a {type(pins).__name__}, not a dictionary")
    return pins


def _damaged(path: Path, why: str) -> DownloadError:
    """The error of a lock file that cannot be read."""
    return DownloadError(f"the lock file {path} is damaged ({why}); mend it, or remove it to record anew")


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
