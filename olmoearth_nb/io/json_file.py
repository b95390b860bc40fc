"""The one place where a JSON file that somebody else wrote is read: an object, bounded, or an error that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LARGEST = 20_000_000
"""Bytes of a JSON file that is read; a `config.json` has 10,000."""


def read_json(path: Path, largest: int = LARGEST) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: of the file.
        largest: bytes that it may have.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is too large, no whole JSON, nested too deeply, or no object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.stat().st_size > largest:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; at most {largest:,} are read")
    return parse_json(path.read_bytes(), str(path))


def parse_json(text: str | bytes, name: str) -> dict[str, Any]:
    """The object in a JSON text.

    Args:
        text: in UTF-8.
        name: whose it is, for errors.

    Raises:
        ValueError: if it is no whole JSON, nested too deeply, or no object.
    """
    try:
        value = json.loads(text.decode("utf8") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not whole JSON ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name} must hold a dictionary, it is a {type(value).__name__}")
    return value
