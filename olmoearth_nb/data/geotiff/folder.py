"""Folders of GeoTIFFs as programs leave them: with side-car files, thumbnails and notes beside the pictures."""

from __future__ import annotations

from pathlib import Path

from olmoearth_nb.data.geotiff.beside import names_beside
from olmoearth_nb.errors import counted

_TIFS = (".tif", ".tiff")
_BESIDE = tuple(
    ".aux.xml .ovr .msk .tfw .tifw .tiffw .wld .prj .xml .html .json .geojson .qgz .qgs .qml .lyr .cpg .txt .md .pdf "
    ".csv .png .jpg .jpeg".split()
)
_DOWNLOADED = ("zone.identifier", "dropbox.attrs")  # Windows and others mark files that came from elsewhere
_NAMES = ("thumbs.db", "desktop.ini", "icon\r", "readme", "license")
_MOST = 5


def holds_tifs(folder: Path) -> bool:
    """Whether any GeoTIFF lies in a folder."""
    return any(_is_tif(path) for path in folder.iterdir())


def tifs_of(folder: Path) -> tuple[list[Path], list[str]]:
    """The GeoTIFFs of a folder in order of their names, and a note on what lies beside them and is ignored.

    Raises:
        ValueError: if there is none, something else lies there, such as an unfinished download or a folder,
            or a link leaves the folder.
    """
    paths = sorted(folder.iterdir())
    tifs = [path for path in paths if _is_tif(path)]
    beside = [path.name for path in paths if path not in tifs and path.is_file() and _is_beside(path.name.lower())]
    other = [path.name for path in paths if path not in tifs and path.name not in beside]
    if not tifs or other:
        named = f" and {', '.join(map(repr, other[:_MOST]))}{' and more' * (len(other) > _MOST)}" if other else ""
        raise ValueError(
            f"{folder} must hold GeoTIFFs (.tif) of one place, one for each date, and nothing else; it holds "
            f"{counted(len(tifs), 'GeoTIFF')}{named}"
        )
    leaving = [path.name for path in tifs if not path.resolve().is_relative_to(folder.resolve())]
    if leaving:
        raise ValueError(
            f"{leaving[0]} in {folder} is a link that leaves the folder; put a copy in its place, or name the files "
            "themselves in a list"
        )
    read = {name for path in tifs for name in names_beside(path)}
    ignored = [name for name in beside if not name.startswith(".") and name not in read]
    if not ignored:
        return tifs, []
    return tifs, [f"ignored beside the GeoTIFFs: {', '.join(ignored[:_MOST])}{' and more' * (len(ignored) > _MOST)}"]


def _is_tif(path: Path) -> bool:
    """Whether a file is named like a GeoTIFF; macOS keeps ``._x.tif`` beside each file."""
    return path.suffix.lower() in _TIFS and not path.name.startswith(".") and path.is_file()


def _is_beside(name: str) -> bool:
    """Whether a file, named in small letters, belongs to pictures without being one."""
    return name.startswith(".") or name in _NAMES or name.endswith((*_BESIDE, *_DOWNLOADED))
