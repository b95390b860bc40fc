"""Blocks as one cloud-optimised GeoTIFF, which is read back before it counts as whole."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.georeference import Georeference
from olmoearth_nb.io.durable import DiskFullError, write
from olmoearth_nb.io.raster import open_raster
from olmoearth_nb.maps.coding import Coding, colours
from olmoearth_nb.maps.windows import Block

_CACHE = 64
"""Megabytes of blocks that GDAL keeps; its default is a part of the machine's memory."""

_TILE = 256
"""Edge of the file's tiles."""

_OPTIONS = {"blocksize": _TILE, "compress": "DEFLATE", "predictor": "YES", "bigtiff": "IF_SAFER"}


def write_cog(
    folder: Path,
    shape: tuple[int, int],
    coding: Coding,
    georeference: Georeference,
    tags: Mapping[str, str],
    blocks: Mapping[Block, Path],
) -> Path:
    """Writes a cloud-optimised GeoTIFF from blocks, and compares it with them.

    Args:
        folder: where it is made, as `map.tif`.
        shape: rows and columns.
        coding: what the numbers are.
        georeference: of its pixels.
        tags: what else it says of itself.
        blocks: block -> the `.npy` of (bands, height, width) stored numbers.

    Raises:
        DiskFullError: if the disk is full.
        OSError: if the file is not what was written.
    """
    import rasterio
    from rasterio.shutil import copy

    flat, out = folder / "flat.tif", folder / "map.tif"
    sampling = "MODE" if coding.output == "classes" else "AVERAGE"
    with rasterio.Env(GDAL_CACHEMAX=_CACHE, GDAL_PAM_ENABLED="NO", GDAL_TIFF_INTERNAL_MASK="YES"):
        with _explained(out):
            write(flat, lambda part: _write_flat(part, shape, coding, georeference, tags, blocks))
            write(out, lambda part: copy(flat, part, driver="COG", overview_resampling=sampling, **_OPTIONS))
        _require_same(out, blocks)
    flat.unlink()
    return out


def _write_flat(
    path: Path,
    shape: tuple[int, int],
    coding: Coding,
    georeference: Georeference,
    tags: Mapping[str, str],
    blocks: Mapping[Block, Path],
) -> None:
    """The same as a plain GeoTIFF in tiles, which the driver of cloud-optimised ones copies."""
    import rasterio
    from rasterio.transform import Affine

    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": coding.dtype,
        "count": len(coding.bands),
        "height": shape[0],
        "width": shape[1],
        "nodata": coding.nodata,
        "crs": georeference.crs,
        "transform": Affine(*georeference.transform),
        "photometric": "RGB" if coding.output == "pca" else "MINISBLACK",
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "bigtiff": "IF_SAFER",
    }
    with rasterio.open(path, "w", **profile) as file:
        file.descriptions = coding.bands
        file.scales, file.offsets = coding.scales, coding.offsets
        file.update_tags(**tags)
        if coding.output == "classes":
            file.write_colormap(1, dict(enumerate((*colour, 255) for colour in colours(json.loads(tags["CLASSES"])))))
        for (row, column, height, width), stored in _each(blocks):
            file.write(stored, window=((row, row + height), (column, column + width)))


def _each(blocks: Mapping[Block, Path]) -> Iterator[tuple[Block, np.ndarray]]:
    """The blocks with their numbers, one at a time."""
    for block, path in blocks.items():
        yield block, np.load(path, allow_pickle=False)


def _require_same(path: Path, blocks: Mapping[Block, Path]) -> None:
    """Raises an OSError unless a file holds the blocks: libraries do not tell of everything that a disk refuses."""
    with open_raster(path) as file:
        for (row, column, height, width), stored in _each(blocks):
            if not np.array_equal(file.read(window=((row, row + height), (column, column + width))), stored):
                raise OSError(errno.EIO, f"{path} does not hold what was written; is the disk full or damaged?")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns GDAL's errors of writing, which have no number, into one that says what to do."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        raise DiskFullError(f"{path} could not be written ({error.__cause__ or error}); is the disk full?") from error


def free_for(path: Path, needed: int, what: str) -> None:
    """Raises a DiskFullError unless a disk has so many bytes left.

    Args:
        path: a folder on it.
        needed: bytes.
        what: is to be written.
    """
    import shutil

    free = shutil.disk_usage(path).free
    if free < needed:
        raise DiskFullError(
            f"{what} takes {needed / 1e9:.3g} GB beside it while it is made, {free / 1e9:.3g} GB are free; "
            "give another disk, or larger patches"
        )


def sizes(blocks: Iterable[Block], coding: Coding) -> int:
    """Bytes of all blocks, uncompressed."""
    cells = sum(height * width for _, _, height, width in blocks)
    return cells * len(coding.bands) * np.dtype(coding.dtype).itemsize
