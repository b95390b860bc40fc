"""Doors to data: each ends in a `Sample`, or raises an error that says what was given and what is valid."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.geobench import load_geobench_chip
from olmoearth_nb.data.geotiff import load_geotiff
from olmoearth_nb.data.npz import load_npz
from olmoearth_nb.data.official import is_tile, read_tile
from olmoearth_nb.door import fit
from olmoearth_nb.sample import Sample


def _load_hdf5(path: Path) -> Sample:
    """A tile of the official format, or an m-eurosat chip."""
    return read_tile(path) if is_tile(path) else load_geobench_chip(path)


_DOORS: dict[str, Callable[[Path], Sample]] = {
    ".hdf5": _load_hdf5,
    ".h5": _load_hdf5,
    ".npz": load_npz,
    ".tif": load_geotiff,
    ".tiff": load_geotiff,
}


def data_dir() -> Path:
    """The folder of the embedded data: in the repository, or inside the installed package."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "_data", here.parents[2] / "data"):
        if (folder / "chips").is_dir():
            return folder
    raise FileNotFoundError("the embedded data are not installed; install olmoearth_nb from its wheel or a clone")


def embedded_names() -> list[str]:
    """Names of the embedded chips."""
    return sorted(path.stem for path in (data_dir() / "chips").glob("*.npz"))


def load_embedded(name: str = "fields") -> Sample:
    """One of the embedded chips: simulated, 64 x 64 px, 12 dates.

    Raises:
        ValueError: for an unknown name, listing the valid ones.
    """
    if name not in embedded_names():
        raise ValueError(f"there is no embedded chip {name!r}; there are {', '.join(embedded_names())}")
    return load_npz(data_dir() / "chips" / f"{name}.npz", provenance="simulated (earthlib spectra, invented scene)")


def load_sample(data: str | os.PathLike[str] = "") -> Sample:
    """Opens any file that we have a door for.

    Args:
        data: path of a GeoBench m-eurosat chip (`.hdf5`), a tile of the official format (`.h5`), a GeoTIFF with named
            bands and dates (see `load_geotiff`), or an `.npz` with `image` (H, W, T, C), `bands` and `dates`; or the
            name of an embedded chip; empty for the default chip.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if no door fits, or the file is not what its door expects.
    """
    text = os.fspath(data)
    if not text:
        return load_embedded()
    path = Path(text).expanduser()
    if not path.exists() and text in embedded_names():
        return load_embedded(text)
    if not path.is_file():
        raise FileNotFoundError(f"no file {text}; give a {' or '.join(_DOORS)} file, or one of {embedded_names()}")
    if path.suffix.lower() not in _DOORS:
        raise ValueError(
            f"cannot read {path.name}: there is no door for {path.suffix!r}; there are doors for {', '.join(_DOORS)}"
        )
    return _DOORS[path.suffix.lower()](path)


def load_place(data: str | os.PathLike[str] = "", edge: int = 64) -> Sample:
    """A sample as the notebooks show it: Sentinel-2 alone, dates that have any, the middle 64 x 64 px.

    Args:
        data: see `load_sample`.
        edge: largest edge in pixels, a multiple of 8.

    Raises:
        ValueError: if there is no Sentinel-2 in it.
    """
    sample = load_sample(data)
    if "sentinel2_l2a" not in sample.images:
        raise ValueError(f"the notebooks show Sentinel-2; {sample.title} has {list(sample.images)}")
    image = sample.images["sentinel2_l2a"]
    seen = (image != MISSING).any((0, 1, 3))
    sample = replace(sample, images={"sentinel2_l2a": image}).select_times(seen.nonzero()[0].tolist())
    sample = fit(sample, 8, crop="center")
    height, width = sample.images["sentinel2_l2a"].shape[:2]
    if max(height, width) <= edge:
        return sample
    rows, columns = min(height, edge), min(width, edge)
    middle = sample.window((height - rows) // 2, (width - columns) // 2, rows, columns)
    return replace(middle, notes=(*sample.notes, f"the middle {rows}x{columns} of {height}x{width} px"))
