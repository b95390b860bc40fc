"""The folder of a Sentinel-2 product, whichever of its parts people give, and what is wrong with others."""

from __future__ import annotations

import re
from pathlib import Path

_METADATA = re.compile(r"MTD_MSI(L2A|L1C)\.xml", re.IGNORECASE)
_PARTS = re.compile(
    r"MTD_(?:MSIL\w+|TL|DS)\.xml|GRANULE|IMG_DATA|QI_DATA|R[126]0m|L\d\w_T\d{2}[A-Z]{3}_.+", re.IGNORECASE
)
_OLD = re.compile(r"S2\w_(?:OPER|USER)_(?:PRD|MTD)_.+", re.IGNORECASE)


def metadata_of(folder: Path) -> dict[str, Path]:
    """Metadata files of a folder by level, "L2A" or "L1C", whatever case their names are in."""
    named = [(found[1].upper(), path) for path in sorted(folder.iterdir()) if (found := _METADATA.fullmatch(path.name))]
    return dict(named)


def is_safe(path: Path) -> bool:
    """Whether a path is that of a product (or of a packed one), or of a file or folder in one."""
    name = path.name.upper()
    return name.endswith((".SAFE", ".SAFE.ZIP")) or bool(_PARTS.fullmatch(path.name)) or _is_packed(path)


def product_folder(path: Path) -> Path:
    """The folder of a product that holds its metadata.

    Args:
        path: of the folder, of a folder that holds nothing but it (``X.SAFE/X.SAFE``), or of its metadata file, its
            granule or a folder of its images.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if it is packed, of the format before December 2016, or not whole.
    """
    path = path.expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no folder {path}; a .SAFE product is a folder, unpack it if it is a .zip")
    if _is_packed(path):
        raise ValueError(f"{path.name} is packed; unpack it, and give the .SAFE folder that comes out")
    inner = path if path.is_dir() else path.parent
    if path.is_file() and not _PARTS.fullmatch(path.name) and not _OLD.fullmatch(path.name):
        raise ValueError(f"{path.name} is no .SAFE product, which is a folder, nor its metadata")
    above = [inner, *inner.absolute().parents[:4]] if _PARTS.fullmatch(path.name) else [inner]
    folder = next((folder for folder in above if metadata_of(folder)), None)
    if folder is None:
        below = [below for below in sorted(inner.iterdir()) if below.is_dir() and below.suffix.upper() == ".SAFE"]
        if len(below) == 1:
            return product_folder(below[0])
        raise ValueError(_wrong(inner, path))
    return folder


def _is_packed(path: Path) -> bool:
    """Whether a file is a packed product."""
    return path.is_file() and path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z")


def _wrong(folder: Path, path: Path) -> str:
    """What is wrong with a folder without metadata."""
    if any(_OLD.fullmatch(name) for name in (folder.name, path.name, *(inside.name for inside in folder.iterdir()))):
        return (
            f"{path.name} is of the format before December 2016, which holds several tiles; it is not read: get the "
            "product anew in the compact format, one tile in each"
        )
    return (
        f"{path.name} must hold one of MTD_MSIL2A.xml and MTD_MSIL1C.xml, it holds 0: it is not a whole Sentinel-2 "
        "product of the compact format (since December 2016)"
    )
