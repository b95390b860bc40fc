"""Names that come from elsewhere, kept inside the folder that they were given for."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

_LONGEST = 1000


def inside(folder: Path, name: str) -> Path:
    """Path of a file below a folder, which neither its name nor a link on the way may leave.

    Args:
        folder: an existing folder.
        name: relative, with ``/`` between its parts.

    Raises:
        ValueError: if the name is absolute or goes up, is none, or a link leads out of the folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or ":" in parts[0] or ".." in parts or "\0" in name:
        raise ValueError(f"{name!r} is no name of a file inside of {folder.name}: it would leave the folder")
    try:
        long = len(os.fsencode(name)) > _LONGEST
    except UnicodeEncodeError as error:
        raise ValueError(f"{name!r} is no name of a file: it has letters that a name cannot have here") from error
    if long:
        raise ValueError(f"{name[:50]!r}... is no name of a file: it is longer than {_LONGEST} bytes")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name} is a link that leaves the folder {folder.name}; copy the file into it")
    return path
