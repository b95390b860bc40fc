"""EuroSAT with all bands: a folder of GeoTIFFs for each of ten classes, 13 bands of top-of-atmosphere Sentinel-2.

The files do not name their bands. B8A comes *last* in them, not behind B08; whole benchmarks have read them in the
order of the band numbers. So the order is looked for in the numbers themselves: cirrus is dark wherever there are no
clouds, and B8A is as bright as its neighbour B07, while water vapour darkens B09. A chip in another order is refused.

The chips have no date; they get that of the official m-eurosat evaluation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olmoearth_nb.data.arrays import Date, to_sample
from olmoearth_nb.data.geobench.chip import EVALUATION_DATE, FILE_ORDER, ORDERS, check_names
from olmoearth_nb.data.geotiff.beside import beside_notes
from olmoearth_nb.data.geotiff.read import read_header
from olmoearth_nb.georeference import degrees
from olmoearth_nb.io.paths import inside
from olmoearth_nb.io.raster import RasterError, open_raster
from olmoearth_nb.sample import Sample

CLASSES = tuple(
    "AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential River SeaLake".split()
)
"""The class folders; a label is the position in this order."""

_CHIP = re.compile(rf"({'|'.join(CLASSES)})_\d+")
_SUFFIXES = (".tif", ".tiff")
_LARGEST = 4096


def is_eurosat_chip(path: str | os.PathLike[str]) -> bool:
    """Whether a file is named like a EuroSAT chip (``Forest_12.tif``) and has 13 bands without names."""
    if not _CHIP.fullmatch(Path(path).stem):
        return False
    try:
        with open_raster(path) as file:
            return file.count == len(FILE_ORDER) and set(file.descriptions) == {None}
    except RasterError:
        return False


def load_eurosat_chip(
    path: str | os.PathLike[str], date: Date | None = None, names: Literal["content", "published"] = "content"
) -> Sample:
    """Opens a chip with all 13 bands.

    Args:
        path: the `.tif` file.
        date: of the picture, if you know it.
        names: "content" names the bands after what they hold; "published" as m-eurosat's labels name the same pixels,
            so that the effect of wrong names can be measured.

    Returns:
        A sample of one timestep without the cirrus band, which warns that it is top-of-atmosphere data.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a whole GeoTIFF of 13 bands of digital numbers, or their order is another.
    """
    path = Path(path)
    check_names(names)
    raster = read_header(path)
    if len(raster.names) != len(FILE_ORDER):
        raise ValueError(f"{path.name} must have the {len(FILE_ORDER)} bands of EuroSAT, it has {len(raster.names)}")
    if raster.dtype not in (np.uint16, np.int16):
        raise ValueError(f"{path.name} must hold digital numbers (uint16), it holds {raster.dtype}")
    if set(raster.scales) != {1.0} or set(raster.offsets) != {0.0}:
        raise ValueError(
            f"{path.name} must hold digital numbers, but its tags scale them; EuroSAT's chips have no scale"
        )
    if max(raster.shape) > _LARGEST:
        raise ValueError(f"{path.name} must be a chip of 64 x 64 px, it has {raster.shape[0]} x {raster.shape[1]}")
    image = raster.values(range(len(FILE_ORDER)))
    check_order(np.ma.getdata(image)[~np.ma.getmaskarray(image).any(-1)], path.name)
    notes = [] if date else [f"the chip has no date; it gets that of the m-eurosat evaluation, {EVALUATION_DATE}"]
    notes += beside_notes([raster.beside])
    if names == "published":
        wrong = [(name, band) for name, band in zip(ORDERS[names], FILE_ORDER, strict=True) if name != band]
        notes.append(f"wrong names on purpose, m-eurosat's: {', '.join(f'{name} is {band}' for name, band in wrong)}")
    place = raster.place
    where = "place unknown" if place is None else degrees(*place)
    sample = to_sample(
        image[:, :, None],
        ORDERS[names],
        [date or EVALUATION_DATE],
        level="L1C",
        title=path.stem,
        provenance=f"EuroSAT, {path.name}, {where}",
        notes=notes,
    )
    return replace(sample, georeference=raster.georeference)


def check_order(image: np.ndarray, name: str) -> None:
    """Raises a ValueError if the numbers contradict EuroSAT's order of bands.

    Args:
        image: (..., 13) digital numbers that were observed.
        name: of the file, for the error.
    """
    if image.size == 0:
        raise ValueError(f"{name} holds no observed value")
    mean = dict(zip(FILE_ORDER, np.maximum(image.reshape(-1, len(FILE_ORDER)).mean(0), 1.0), strict=True))
    wrong = []
    bright = {band: value for band, value in mean.items() if band not in ("B10", "B11", "B12")}
    darkest = min(bright, key=lambda band: bright[band])
    if mean["B10"] >= bright[darkest]:
        wrong.append(
            f"the 10th band should be cirrus, darker than all but the short-wave infrared, but its mean is "
            f"{mean['B10']:.0f} and that of the {FILE_ORDER.index(darkest) + 1}th {bright[darkest]:.0f}"
        )
    b8a, b09 = (abs(np.log(mean[band] / mean["B07"])) for band in ("B8A", "B09"))
    if b8a > b09:
        wrong.append(
            f"the 13th should be B8A, near to B07 (mean {mean['B07']:.0f}), but its mean is {mean['B8A']:.0f}, and "
            f"that of the 9th, which should be B09, {mean['B09']:.0f}"
        )
    if wrong:
        raise ValueError(f"{name} is not in EuroSAT's order of bands ({' '.join(FILE_ORDER)}): {'; '.join(wrong)}")


class EuroSAT(Sequence[tuple[Sample, int]]):
    """A folder of class folders, as samples and class indices.

    Args:
        folder: holds class folders of `.tif` chips, itself or in one folder below it.
        names: see `load_eurosat_chip`.

    Attributes:
        class_names: the ten classes; the index of a sample's class counts in their order.
        paths: file of each chip.
        labels: (n,) class index of each.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it does not hold class folders, one is empty or unknown, or a chip is a link out of it.
    """

    class_names = CLASSES

    def __init__(self, folder: str | os.PathLike[str], names: Literal["content", "published"] = "content") -> None:
        check_names(names)
        self.names, folder = names, Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {folder}")
        roots = {path.parent for path in folder.rglob("*") if path.is_dir() and path.name in CLASSES}
        if len(roots) != 1:
            raise ValueError(
                f"{folder} must hold the class folders of EuroSAT ({', '.join(CLASSES)}) in one place, they are in "
                f"{len(roots)}"
            )
        self.folder = roots.pop()
        found = {path.name: _chips(folder, path) for path in sorted(self.folder.iterdir()) if path.is_dir()}
        unknown = [name for name in found if name not in CLASSES]
        if unknown:
            raise ValueError(f"{self.folder} has folders that are no class of EuroSAT: {unknown}")
        empty = [name for name, paths in found.items() if not paths]
        if empty:
            raise ValueError(f"{self.folder} has class folders without a .tif: {empty}")
        self.paths = [path for paths in found.values() for path in paths]
        self.labels = np.array([CLASSES.index(name) for name, paths in found.items() for _ in paths])

    def __len__(self) -> int:
        """Number of chips."""
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        """The chip's sample and its class index."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return load_eurosat_chip(self.paths[index], names=self.names), int(self.labels[index])


def _chips(root: Path, folder: Path) -> list[Path]:
    """The chips of a class in the order of their numbers."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.name[0] != "."]
    paths = [inside(root, path.relative_to(root).as_posix()) for path in paths]
    return sorted(
        paths, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem)]
    )
