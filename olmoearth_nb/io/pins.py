"""Checksums recorded when a file is first seen, in a small JSON file, and enforced from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from olmoearth_nb.io.fetch import ChecksumError, DownloadError

RECORDED = "recorded when it was first downloaded"


def read_pins(path: Path) -> dict[str, Any]:
    """What was recorded so far.

    Raises:
        DownloadError: if the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise DownloadError(
            f"the lock file {path} is damaged ({error}); mend it, or remove it to record anew"
        ) from error


def write_pin(path: Path, name: str, entry: dict[str, Any]) -> None:
    """Records one thing, replacing the file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(read_pins(path) | {name: entry}, indent=2) + "\n", encoding="utf8")
    part.replace(path)


def require(files: list[tuple[Path, str, str]], source: str) -> None:
    """Raises unless every checksum is right; wrong files are removed, so that the next try loads them anew.

    Args:
        files: (path, checksum found, checksum wanted).
        source: who says what is wanted.

    Raises:
        ChecksumError: naming the wrong files.
    """
    wrong = [(path, found, wanted) for path, found, wanted in files if found != wanted]
    for path, _, _ in wrong:
        path.unlink(missing_ok=True)
    if wrong:
        said = "; ".join(f"{path.name} has checksum {found[:12]}, not {wanted[:12]}" for path, found, wanted in wrong)
        raise ChecksumError(f"{said}, which was {source}; removed, the next try loads it anew")
