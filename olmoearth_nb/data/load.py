"""One call for every kind of file: it ends in a `Sample`, or in an error that says what was given and what is valid."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.arrays import fit
from olmoearth_nb.data.eurosat import is_eurosat_chip, load_eurosat_chip
from olmoearth_nb.data.geobench.chip import load_geobench_chip
from olmoearth_nb.data.geotiff.folder import holds_tifs
from olmoearth_nb.data.geotiff.load import load_geotiff
from olmoearth_nb.data.geotiff.scene import open_scene
from olmoearth_nb.data.npz import load_npz
from olmoearth_nb.data.official import is_tile, read_tile
from olmoearth_nb.data.safe.find import is_safe
from olmoearth_nb.data.safe.load import load_safe
from olmoearth_nb.data.safe.scene import open_safe
from olmoearth_nb.data.tables import SUFFIXES as TABLES
from olmoearth_nb.io.shipped import data_dir, pretrained_dir, pretrained_names
from olmoearth_nb.sample import Sample
from olmoearth_nb.scene import Scene

__all__ = [
    "data_dir",
    "embedded_names",
    "load_embedded",
    "load_place",
    "load_sample",
    "load_scene",
    "pretrained_dir",
    "pretrained_names",
]


OPTIONS = frozenset(
    "level scale dates date offset missing_bands names bands modality resolution sentinel1 place size mask_clouds "
    "modalities rows columns all_timesteps provenance".split()
)
"""What any of the loaders is told beyond the path."""

Loader = Callable[..., Sample]


def _hdf5(path: Path) -> tuple[Loader, Any]:
    """A tile of the official format, or an m-eurosat chip."""
    return (read_tile if is_tile(path) else load_geobench_chip), path


def _tif(path: Path) -> tuple[Loader, Any]:
    """A EuroSAT chip, which names no bands, or a GeoTIFF that does."""
    return (load_eurosat_chip if is_eurosat_chip(path) else load_geotiff), path


def _folder(folder: Path) -> tuple[Loader, Any]:
    """A folder that holds .SAFE products of one tile, or GeoTIFFs of one place."""
    products = [path for path in sorted(folder.iterdir()) if path.suffix.upper() == ".SAFE"]
    if products:
        return load_safe, products
    if not holds_tifs(folder) or any(map(is_eurosat_chip, folder.glob("*.tif"))):
        raise ValueError(
            f"{folder} is a folder of neither .SAFE products nor GeoTIFFs of one place; data sets of many places are "
            "opened by `data.geobench.dataset.GeoBench`, `data.eurosat.EuroSAT` and `data.official.OfficialDataset`"
        )
    return load_geotiff, folder


_LOADERS: dict[str, Callable[[Path], tuple[Loader, Any]]] = {
    ".hdf5": _hdf5,
    ".h5": _hdf5,
    ".npz": lambda path: (load_npz, path),
    ".tif": _tif,
    ".tiff": _tif,
}


_SCENES: dict[Loader | None, Callable[..., Scene]] = {load_geotiff: open_scene, load_safe: open_safe}


def _checked(loader: Callable[..., Any], path: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options under the loader's own names.

    Raises:
        ValueError: for an option that the loader has not, listing those that it has.
    """
    valid = [name for name in inspect.signature(loader).parameters if name in OPTIONS]
    given = dict(options)
    if isinstance(given.get("dates"), str):  # one date, not the letters of it
        given["dates"] = [given["dates"]]
    if "dates" in given and "dates" not in valid and "date" in valid and len(given["dates"]) == 1:
        (given["date"],) = given.pop("dates")
    wrong = [name for name in given if name not in valid]
    if wrong:
        first = Path(path[0] if isinstance(path, list) else path).name
        there = f"it has {', '.join(f'{name}=' for name in valid)}" if valid else "it has no option"
        raise ValueError(f"the loader of {first} has no {', '.join(f'{name}=' for name in wrong)}; {there}")
    return given


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
    path = data_dir() / "chips" / f"{name}.npz"
    return load_npz(path, provenance="simulated (earthlib spectra, invented scene)", offset=None)


def load_sample(data: str | os.PathLike[str] = "", **options: Any) -> Sample:
    """Opens any file that there is a loader for.

    Args:
        data: path of one of these, the name of an embedded chip, or empty for the default chip:

            * a GeoTIFF with named bands and dates (see `load_geotiff`), or a EuroSAT all-bands chip (`.tif`);
            * a Sentinel-2 product (a `.SAFE` folder, the middle 64 x 64 px), or a folder of several dates of one tile;
            * a GeoBench m-eurosat chip (`.hdf5`);
            * a tile of the official pretraining format (`.h5`);
            * a folder of nothing but GeoTIFFs of one place, in order of their names;
            * an `.npz` with `image` (H, W, T, C), `bands` and `dates`.
        options: what the loader is told beyond the path, such as ``level=``, ``scale=``, ``dates=``, ``offset=``,
            ``missing_bands=`` or ``names=``; see its own page. A loader refuses what it has not, and says what it has.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if no loader fits, the loader has no such option, or the file is not what its loader expects.
    """
    text = os.fspath(data)
    path = Path(text).expanduser()
    if not text or (not path.exists() and text in embedded_names()):
        name = text or "fields"
        return load_embedded(name, **_checked(load_embedded, name, options))
    loader, argument = _loader_of(path)
    return loader(argument, **_checked(loader, argument, options))


def load_scene(data: str | os.PathLike[str] = "", **options: Any) -> Scene:
    """Opens what lies somewhere on Earth, to be read window by window; nothing large is read whole.

    Args:
        data: see `load_sample`.
        options: see `load_sample`.

    Returns:
        A `Sample`, or a scene of GeoTIFFs or a product that are too large to be one.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: see `load_sample`.
    """
    path = Path(os.fspath(data)).expanduser()
    loader, argument = _loader_of(path) if os.fspath(data) and path.exists() else (None, None)
    if loader not in _SCENES:
        return load_sample(data, **options)
    signature = loader if loader is load_geotiff else _SCENES[loader]  # `open_scene` takes what `load_geotiff` takes
    return _SCENES[loader](argument, **_checked(signature, argument, options))


def _loader_of(path: Path) -> tuple[Loader, Any]:
    """The loader of what lies at a path, and what to give it.

    Raises:
        FileNotFoundError: if nothing lies there.
        ValueError: if no loader fits.
    """
    if path.exists() and is_safe(path):
        return load_safe, [path]
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}; give a {' or '.join(_LOADERS)} file, a .SAFE folder, or one of {embedded_names()}"
        )
    if path.suffix.lower() in TABLES:
        raise ValueError(
            f"{path.name} is a table; series of pixels in tables are opened by to_samples of olmoearth_nb.data.series, "
            "on the command line by 'olmoearth-nb embed --data'"
        )
    if path.suffix.lower() not in _LOADERS:
        raise ValueError(
            f"cannot read {path.name}: there is no loader for {path.suffix!r}; there are some for {', '.join(_LOADERS)}"
        )
    return _LOADERS[path.suffix.lower()](path)


def load_place(data: str | os.PathLike[str] = "", edge: int = 64, **options: Any) -> Sample:
    """A sample as the notebooks show it: Sentinel-2 alone, dates that have any, the middle 64 x 64 px.

    Args:
        data: see `load_sample`.
        edge: largest edge in pixels, a multiple of 8.
        options: see `load_sample`.

    Raises:
        ValueError: if there is no Sentinel-2 in it.
    """
    sample = load_sample(data, **options)
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
