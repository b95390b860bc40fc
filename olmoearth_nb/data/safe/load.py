"""Sentinel-2 products as the archive delivers them: .SAFE folders of JPEG 2000 files, Level 2A or 1C."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, SENTINEL2
from olmoearth_nb.data.arrays import to_sample
from olmoearth_nb.data.offset import Declared, Offset, settle, without_offset
from olmoearth_nb.data.safe.find import product_folder
from olmoearth_nb.data.safe.metadata import Metadata, read_metadata
from olmoearth_nb.data.safe.read import PIXEL, Grid, georeference, place_of, read_grid, read_window, window_of
from olmoearth_nb.io.paths import inside
from olmoearth_nb.sample import Sample

NODATA, SATURATED = 0, 65535
"""Special digital numbers of every product."""

UNCLEAR = (0, 1, 3, 8, 9, 10)
"""Classes of the scene classification (SCL) that show no ground: no data, defective, cloud shadow, clouds of medium
and of high probability, thin cirrus."""


@dataclass(frozen=True)
class Product:
    """One .SAFE folder, whose pixels are not read yet."""

    folder: Path
    images: Path
    metadata: Metadata

    @property
    def date(self) -> str:
        """ISO date of sensing."""
        return self.metadata.sensed.date().isoformat()

    @property
    def tile(self) -> str:
        """Name of the tile, such as T31TCJ."""
        found = re.search(r"_(T\d{2}[A-Z]{3})_", self.folder.name + "_")
        return f"tile {found.group(1)}" if found else f"the product {self.folder.stem}"

    @cached_property
    def grid(self) -> Grid:
        """Its pixels of 10 m."""
        return read_grid(self.file("B02", PIXEL))

    def file(self, name: str, resolution: int) -> Path:
        """File of a band.

        Raises:
            ValueError: if there is none, or several, or it lies outside of the folder.
        """
        l2a = self.metadata.level == "L2A"
        ending = f"_{name}_{resolution}m.jp2" if l2a else f"_{name}.jp2"
        places = self.images.glob(f"R{resolution}m/*" if l2a else "*")
        found = sorted(path for path in places if path.name.lower().endswith(ending.lower()) and path.name[0] != ".")
        if len(found) != 1:
            raise ValueError(
                f"{self.folder.name} must hold one file of {name} at {resolution} m, it holds {len(found)} ending in "
                f"{ending}{'; it is not whole, get it anew' * (not found)}"
            )
        return inside(self.folder, found[0].relative_to(self.folder).as_posix())

    def read(self, name: str, resolution: int, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """Pixels of 10 m of a band."""
        return read_window(self.file(name, resolution), self.grid, resolution, corner, size)


def load_safe(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    place: tuple[float, float] | None = None,
    size: int = 64,
    offset: Offset = "auto",
    mask_clouds: bool = False,
) -> Sample:
    """Opens one product, or several dates of one tile.

    Bands of 20 and 60 m are repeated to 10 m. What is 0 (no data) or 65535 (saturated) is `bands.MISSING`.

    Args:
        paths: the .SAFE folder (also by its metadata file or its granule), or at most twelve; they are brought in order
            of time.
        place: latitude and longitude of the window's centre in degrees; the middle of the tile by default.
        size: edge of the window in pixels of 10 m. At the edge of the tile the window is moved into it.
        offset: of baseline 04.00. "auto" takes off what the metadata say of each band; a number is taken off all
            of them, None takes nothing off.
        mask_clouds: leave out what the scene classification of Level 2A calls clouds, their shadows or defective.

    Returns:
        A sample of Sentinel-2; Level 1C warns that it is top-of-atmosphere data.

    Raises:
        FileNotFoundError: if a folder is not there.
        ValueError: naming what was given and what is valid.
    """
    products, level = products_of(paths, mask_clouds)
    corner, notes = window_of(products[0].grid, place, size)
    image, masked = read_products(products, corner, (size, size), mask_clouds)
    offsets, taken = offsets_of(products, offset)
    image, low = without_offset(image, offsets)
    sample = to_sample(
        image,
        SENTINEL2.band_names,
        [product.date for product in products],
        level=level,  # type: ignore[arg-type]
        title=title_of(products),
        provenance=f"Sentinel-2 {level}, {products[0].tile}, {place_of(products[0].grid, corner, size)}: "
        + ", ".join(product.folder.name for product in products),
        notes=[*taken, *low, *notes, *masked],
    )
    return replace(sample, georeference=georeference(products[0].grid, corner))


def products_of(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], mask_clouds: bool
) -> tuple[list[Product], str]:
    """Products of one tile in order of time, whose pixels are not read yet, and their level.

    Raises:
        FileNotFoundError: if a folder is not there.
        ValueError: if one is not whole, or they do not go together.
    """
    folders = [Path(p) for p in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]
    if not 1 <= len(folders) <= MAX_TIMESTEPS:
        raise ValueError(f"give 1 to {MAX_TIMESTEPS} .SAFE folders, the models take no more; got {len(folders)}")
    products = sorted((_open(folder) for folder in folders), key=lambda product: product.metadata.sensed)
    level = _same_tile(products)
    if mask_clouds and level != "L2A":
        raise ValueError("Level 1C has no scene classification; mask_clouds=True needs Level 2A")
    return products, level


def title_of(products: Sequence[Product]) -> str:
    """What to call them in a figure."""
    return products[0].folder.stem if len(products) == 1 else products[0].tile


def _open(folder: Path) -> Product:
    """A product and its metadata."""
    folder = product_folder(folder)
    metadata = read_metadata(folder)
    granules = sorted(path for path in folder.glob("GRANULE/*") if (path / "IMG_DATA").is_dir())
    if len(granules) != 1:
        raise ValueError(f"{folder.name} must hold one granule with IMG_DATA (one tile), it holds {len(granules)}")
    return Product(folder, granules[0] / "IMG_DATA", metadata)


def _same_tile(products: list[Product]) -> str:
    """The common level of products of one tile and different times.

    Raises:
        ValueError: if they do not go together.
    """
    first = products[0]
    for previous, product in pairwise(products):
        if product.metadata.level != first.metadata.level:
            raise ValueError(f"{first.folder.name} is {first.metadata.level}, {product.folder.name} another level")
        if product.metadata.sensed == previous.metadata.sensed:
            raise ValueError(
                f"{previous.folder.name} and {product.folder.name} show the same moment "
                f"({product.metadata.sensed:%Y-%m-%d %H:%M:%S}); keep one of them"
            )
        if product.grid != first.grid:
            raise ValueError(
                f"all products must be of one tile: {first.folder.name} is {first.grid}; {product.folder.name} is "
                f"{product.grid}"
            )
    return first.metadata.level


def read_products(
    products: Sequence[Product], corner: tuple[int, int], size: tuple[int, int], mask_clouds: bool
) -> tuple[np.ma.MaskedArray, list[str]]:
    """(height, width, T, 12) digital numbers as stored, masked where they do not show ground, and notes on those."""
    bands = [(band.name, int(band.resolution)) for band in SENTINEL2.bands]
    dates = [np.stack([product.read(*band, corner, size) for band in bands], axis=-1) for product in products]
    image, notes = np.stack(dates, axis=2), []
    hidden = (image == NODATA) | (image == SATURATED)
    if (image == SATURATED).any():
        notes.append(f"{(image == SATURATED).mean():.2%} of the values are saturated, and left out")
    if mask_clouds:
        unclear = np.isin(np.stack([product.read("SCL", 20, corner, size) for product in products], axis=2), UNCLEAR)
        notes.append(f"{unclear.mean():.1%} of the pixels are clouds, shadows or defective by the SCL, and left out")
        hidden |= unclear[..., None]
    return np.ma.MaskedArray(image, hidden), notes


def offsets_of(products: Sequence[Product], offset: Offset) -> tuple[np.ndarray, list[str]]:
    """(T, 12) digital numbers to take off each band, and the notes that say so."""
    bands = SENTINEL2.band_names
    declared = [product.metadata.offsets.get(band, Declared()) for product in products for band in bands]
    unknown = [one for one in declared if one.offset is None and one.why]
    if unknown and offset == "auto":
        raise ValueError(f"{unknown[0].why}; say offset=1000 if it is in the digital numbers, offset=None if it is not")
    offsets, notes = settle(offset, declared, [product.date for product in products for _ in bands])
    return offsets.reshape(len(products), len(bands)), notes
