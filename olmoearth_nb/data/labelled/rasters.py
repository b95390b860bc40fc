"""A folder of chips with a raster of labels beside each of them, as `LabelledPixels`.

`images/` holds chips in any format of one file that `load_sample` opens, `labels/` a GeoTIFF of the same stem for each:
one band of whole numbers from 0 on for classes, or of real values if their unit is said. What the raster masks, by
nodata or otherwise, has no label. `labels/classes.txt` may name the classes, a line each.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.data.geotiff.read import read_header
from olmoearth_nb.data.labelled.neighbours import APART, by_place
from olmoearth_nb.data.load import load_sample
from olmoearth_nb.errors import printable
from olmoearth_nb.sample import Batch, Sample

IMAGES, LABELS, NAMES = "images", "labels", "classes.txt"

MOST_CLASSES = 256
"""Classes that labels may have; more are most likely something else."""

MOST_PIXELS = 1 << 22
"""Pixels of a chip; its encoder would need more memory than there is long before."""

LARGEST = 100_000
"""Bytes of a list of names that is read."""


class RasterPixels:
    """Chips whose pixels have labels.

    Args:
        folder: holds `images/` and `labels/`.
        unit: of real values; empty for classes.
        apart: kilometres between the centres of two chips from which they are independent.
        options: of `load_sample`.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if chips and rasters do not belong together, one by one, or labels are no classes.
    """

    split = None

    def __init__(self, folder: str | os.PathLike[str], *, unit: str = "", apart: float = APART, **options: Any) -> None:
        self.folder, self.unit, self._apart, self._options = Path(folder), unit, apart, options
        self._paths = _paired(self.folder)
        self.name, self.ids = f"pixels of {self.folder.name}", [image.stem for image, _ in self._paths]
        self._kept: dict[int, Sample] = {}
        rasters = [self._labels(number) for number in range(len(self))]
        if len({raster.shape for raster in rasters}) > 1:
            raise ValueError(f"{self.folder}: all chips must have one size, got {sorted({r.shape for r in rasters})}")
        self.classes: tuple[str, ...] = ()
        if unit:
            self.answers = np.stack([np.ma.filled(raster.astype(np.float32), np.nan) for raster in rasters])
        else:
            self.answers = np.stack([np.ma.filled(raster.astype(np.int64), -1) for raster in rasters])
            self.classes = self._named(int(self.answers.max(initial=-1)))

    def __len__(self) -> int:
        """How many chips there are."""
        return len(self._paths)

    @cached_property
    def _grouped(self) -> tuple[np.ndarray, str]:
        places = [sample.georeference for sample in self.samples(np.arange(len(self)))]
        shape = self.answers.shape[1:]
        centres = [(np.nan, np.nan) if one is None else one.centre(*shape) for one in places]
        return by_place(np.array(centres), self._apart)

    @property
    def groups(self) -> np.ndarray:
        """(n,) chips that lie near each other have the same number."""
        return self._grouped[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its scores must know, one sentence each."""
        return (self._grouped[1],)

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] | None = None) -> list[Sample]:
        """Some of the chips as samples."""
        return [self._sample(number) for number in np.arange(len(self))[np.asarray(numbers)].tolist()]

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...], /) -> Batch:
        """Some of the chips as one normalised batch.

        Raises:
            ValueError: for a sensor that a chip does not have.
        """
        found = []
        for sample in self.samples(numbers):
            if absent := [name for name in modalities if name not in sample.images]:
                raise ValueError(f"{sample.title} has {', '.join(sample.images)}, not {', '.join(absent)}")
            images = {name: sample.images[name] for name in modalities}
            found.append(Sample(images, sample.timestamps, sample.title, sample.provenance))
        return Batch.from_samples(found)

    def _sample(self, number: int) -> Sample:
        """A chip, which is read once."""
        if number not in self._kept:
            image, raster = self._paths[number]
            sample = load_sample(image, **self._options)
            labels = read_header(raster)
            if sample.shape != labels.shape:
                raise ValueError(f"{raster} has {labels.shape} pixels, the chip {image.name} has {sample.shape}")
            here, there = sample.georeference, labels.georeference
            if here is not None and there is not None and here != there:
                raise ValueError(f"{raster} lies at {there}, the chip {image.name} at {here}; bring both on one grid")
            self._kept[number] = sample
        return self._kept[number]

    def _labels(self, number: int) -> np.ma.MaskedArray:
        """(H, W) labels of a chip, masked where there is none."""
        path = self._paths[number][1]
        raster = read_header(path)
        if len(raster.names) != 1 or (not self.unit and raster.dtype.kind not in "iu"):
            raise ValueError(
                f"{path} must have one band of whole numbers, or of real values whose unit is said (unit='m'); it has "
                f"{len(raster.names)} of {raster.dtype}"
            )
        if raster.shape[0] * raster.shape[1] > MOST_PIXELS:
            raise ValueError(f"{path} has {raster.shape} pixels; at most {MOST_PIXELS:,} are read, cut it into chips")
        values = raster.values([0])[:, :, 0]
        if not self.unit and values.count() and not 0 <= values.min() <= values.max() < MOST_CLASSES:
            raise ValueError(
                f"{path}: classes are numbers from 0 to {MOST_CLASSES - 1}, got {values.min()} to {values.max()}; what "
                "has no class is to be masked, such as by the file's nodata value"
            )
        return values

    def _named(self, last: int) -> tuple[str, ...]:
        """Names of the classes up to the last one that there is."""
        path = self.folder / LABELS / NAMES
        if not path.is_file():
            return tuple(f"class {number}" for number in range(last + 1))
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path} has {path.stat().st_size:,} bytes; at most {LARGEST:,} are read")
        names = tuple(printable(line.strip()) for line in path.read_text(encoding="utf8").splitlines() if line.strip())
        if len(names) <= last or len(set(names)) < len(names):
            raise ValueError(f"{path} must name {last + 1} classes or more, each once; it names {len(set(names))}")
        return names


def is_rasters(folder: Path) -> bool:
    """Whether a folder holds chips and rasters of labels."""
    return (folder / IMAGES).is_dir() and (folder / LABELS).is_dir()


def _paired(folder: Path) -> list[tuple[Path, Path]]:
    """Each chip with its labels."""
    if not is_rasters(folder):
        raise FileNotFoundError(f"{folder} must hold {IMAGES}/ and {LABELS}/")
    chips = {path.stem: path for path in sorted((folder / IMAGES).iterdir()) if not path.name.startswith(".")}
    rasters = {
        path.stem: path for path in sorted((folder / LABELS).iterdir()) if path.suffix.lower() in (".tif", ".tiff")
    }
    alone = sorted(chips.keys() ^ rasters.keys())
    if alone or not chips:
        raise ValueError(
            f"{folder}: each chip of {IMAGES}/ needs a GeoTIFF of its name in {LABELS}/; alone are {alone[:5]} "
            f"({len(alone)} of {len(chips | rasters)})"
        )
    return [(chips[stem], rasters[stem]) for stem in chips]
