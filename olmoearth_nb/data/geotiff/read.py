"""What one GeoTIFF says of itself, and windows of its values with a mask of what was not observed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.data.geotiff.beside import Beside, read_beside
from olmoearth_nb.data.paged import Window
from olmoearth_nb.errors import printable
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.io.raster import InMemory, open_raster

NODATA_TAGS = ("_fillvalue", "missing_value", "nodata", "nodata_value", "nodatavalue")
"""Tags of a band, in small letters, that programs write beside or instead of the file's own nodata value."""

_LARGEST_BLOCK = 1 << 30


@dataclass(frozen=True, eq=False)
class Raster:
    """One file, of which nothing but the header was read.

    Attributes:
        path: where it lies, or its bytes.
        shape: height and width.
        dtype: number type of the values.
        names: descriptions of the bands, None where there is none.
        alpha: bands without a name that say which pixels of the others are valid, counted from 0.
        tags: of the file.
        band_tags: of each band.
        scales: scale of each band, 1 where none is given.
        offsets: offset of each band, 0 where none is given.
        grid: coordinate system, origin and pixel size, size.
        georeference: where the pixels lie, or None.
        nowhere: why that is not known, in words, or "".
        beside: what lies beside the file.
    """

    path: Path | InMemory
    shape: tuple[int, int]
    dtype: np.dtype
    names: list[str | None]
    alpha: tuple[int, ...]
    tags: dict[str, str]
    band_tags: list[dict[str, str]]
    scales: list[float]
    offsets: list[float]
    grid: tuple[Any, ...]
    georeference: Georeference | None
    nowhere: str
    beside: Beside

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude of the centre, or None."""
        return None if self.georeference is None else self.georeference.centre(*self.shape)

    def values(self, bands: Sequence[int], window: Window | None = None) -> np.ma.MaskedArray:
        """Values as stored, masked by the file's masks, alpha bands and nodata values, and where they are NaN.

        Args:
            bands: which, counted from 0.
            window: by default the whole file.

        Returns:
            (height, width, bands).

        Raises:
            ValueError: if the file is not whole.
        """
        from rasterio.windows import Window as Cut

        row, column, height, width = window or (0, 0, *self.shape)
        cut = Cut(column, row, width, height)
        with _opened(self.path) as file:
            values = file.read([band + 1 for band in bands], window=cut)
            hidden = np.zeros(values.shape, bool)
            for i, band in enumerate(bands):
                for nodata in self._nodata(file, band):
                    hidden[i] |= np.isnan(values[i]) if np.isnan(nodata) else values[i] == nodata
                if _has_mask(file.mask_flag_enums[band]):
                    hidden[i] |= file.read_masks(band + 1, window=cut) == 0
            for band in self.alpha:
                hidden |= file.read(band + 1, window=cut) == 0
        if self.beside.mask is not None:
            with _opened(self.beside.mask) as mask:
                hidden |= mask.read(1 if mask.count == 1 else [band + 1 for band in bands], window=cut) == 0
        if values.dtype.kind == "f":
            hidden |= np.isnan(values)
        return np.ma.MaskedArray(values, hidden).transpose(1, 2, 0)

    def _nodata(self, file: Any, band: int) -> set[float]:
        """Values that mean no data in a band, by the file's own word."""
        given = [file.nodatavals[band]]
        given += [value for key, value in self.band_tags[band].items() if key.lower() in NODATA_TAGS]
        numbers = set()
        for value in given:
            if value is None:
                continue
            try:
                number = float(value)
            except ValueError as error:
                raise ValueError(f"{self.path.name}: band {band + 1} has the nodata value {value!r}") from error
            numbers.add(float(np.float32(number)) if self.dtype == np.float32 else number)
        return numbers


def read_header(path: Path | InMemory) -> Raster:
    """What a GeoTIFF says of itself.

    Args:
        path: of the file, or its bytes, beside which nothing lies.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a whole GeoTIFF of numbers, or cannot be read in parts.
    """
    from rasterio.enums import ColorInterp

    beside = Beside() if isinstance(path, InMemory) else read_beside(path)
    with _opened(path) as file:
        _require_readable(file, path.name)
        _require_fitting(file, path.name, beside)
        crs, transform = beside.crs or file.crs, beside.transform or file.transform
        if transform.is_identity and beside.world is not None:
            transform = beside.world
        georeference, nowhere = _georeference(file, crs, transform)
        given = [name or beside.fields.get(i, {}).get("Description") for i, name in enumerate(file.descriptions)]
        names = [printable(name) if name else None for name in given]
        alpha = [
            i
            for i, (colour, name) in enumerate(zip(file.colorinterp, names, strict=True))
            if colour == ColorInterp.alpha and (not name or name.lower() == "alpha")
        ]
        return Raster(
            path,
            file.shape,
            np.dtype(file.dtypes[0]),
            names,
            tuple(alpha) if len(alpha) < file.count else (),
            _shown({**file.tags(), **beside.tags}),
            [_band_tags(file, i, beside) for i in range(file.count)],
            [beside.number(i, "Scale", scale) for i, scale in enumerate(file.scales)],
            [beside.number(i, "Offset", offset) for i, offset in enumerate(file.offsets)],
            (crs, tuple(round(x, 9) for x in transform), file.shape),
            georeference,
            nowhere,
            beside,
        )


def _band_tags(file: Any, band: int, beside: Beside) -> dict[str, str]:
    """Tags of a band, in the file and beside it."""
    tags = {**file.tags(band + 1), **beside.band_tags.get(band, {})}
    nodata = beside.fields.get(band, {}).get("NoDataValue")
    return _shown(tags if nodata is None else {**tags, "NoDataValue": nodata})


def _shown(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that can be shown in messages."""
    return {printable(name): printable(value) for name, value in tags.items()}


def _require_fitting(file: Any, title: str, beside: Beside) -> None:
    """Raises a ValueError unless what lies beside a file has its bands and pixels."""
    other = [band + 1 for band in (*beside.fields, *beside.band_tags) if not 0 <= band < file.count]
    if other:
        raise ValueError(f"{title}.aux.xml tells of band {other[0]}, but {title} has {file.count}")
    if beside.mask is not None:
        with _opened(beside.mask) as mask:
            shape, count = mask.shape, mask.count
        if shape != file.shape or count not in (1, file.count):
            raise ValueError(
                f"{beside.mask.name} is a mask of {shape[0]} x {shape[1]} px x {count}, but {title} has "
                f"{file.height} x {file.width} px x {file.count}"
            )


@contextmanager
def _opened(path: Path | InMemory) -> Iterator[Any]:
    """An open GeoTIFF; that it has no place is noted (`Raster.nowhere`), not warned of at every window."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with open_raster(path) as file:
                yield file
        except UnicodeDecodeError as error:
            raise ValueError(f"{path.name} has tags or names of bands that are no text in UTF-8 ({error})") from error


def block_shape(raster: Raster) -> tuple[int, int]:
    """Height and width of what a file keeps together."""
    with _opened(raster.path) as file:
        height, width = file.block_shapes[0]
        return height, width


def written_blocks(raster: Raster, band: int) -> list[Window]:
    """The blocks of a band that the file holds: a sparse file leaves out those without any data.

    Of a file of very many blocks, some are looked at, evenly spread.
    """
    with _opened(raster.path) as file:
        height, width = file.block_shapes[band]
        rows, columns = -(-file.height // height), -(-file.width // width)
        blocks = np.unique(np.linspace(0, rows * columns - 1, min(rows * columns, _MOST_BLOCKS)).astype(np.int64))
        places = [(int(block // columns), int(block % columns)) for block in blocks]
        return [
            (
                row * height,
                column * width,
                min(height, file.height - row * height),
                min(width, file.width - column * width),
            )
            for row, column in places
            if file.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band + 1) is not None
        ]


_MOST_BLOCKS = 100_000


def _require_readable(file: Any, title: str) -> None:
    """Raises a ValueError for values that are no real numbers, or blocks that do not fit into memory."""
    kinds = {np.dtype(kind).kind if kind != "complex_int16" else "c" for kind in file.dtypes}
    if not kinds <= set("uif"):
        raise ValueError(f"{title} must hold real numbers, it holds {', '.join(dict.fromkeys(file.dtypes))}")
    (height, width), bands = file.block_shapes[0], file.count if str(file.interleaving).endswith("pixel") else 1
    size = height * width * bands * np.dtype(file.dtypes[0]).itemsize
    if size > _LARGEST_BLOCK and file.compression is not None:
        raise ValueError(
            f"{title} is stored in blocks of {height} x {width} px x {bands} bands, {size / 1e9:.1f} GB each, which "
            "can only be read whole; write it anew in tiles (gdal_translate -co TILED=YES)"
        )


def _has_mask(flags: Sequence[Any]) -> bool:
    """Whether a band has a mask of its own; its nodata value and alpha bands are looked at by themselves."""
    from rasterio.enums import MaskFlags

    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _georeference(file: Any, crs: Any, transform: Any) -> tuple[Georeference | None, str]:
    """Where the pixels of an open file lie, or why that is not known."""
    if crs is None:
        control = bool(file.gcps[0]) or file.rpcs is not None
        return None, "no coordinate system" + ", but control points: warp it to a map first" * control
    if transform.is_identity:
        return None, "a coordinate system, but not where the pixels lie in it"
    try:
        georeference = Georeference(crs.to_string(), tuple(transform)[:6])
        georeference.to_lonlat(file.width / 2, file.height / 2)
    except ValueError as error:
        return None, f"its coordinate system leads to no place on Earth: {str(error)[:200]}"
    return georeference, ""


def same_grid(rasters: Sequence[Raster]) -> None:
    """Raises a ValueError unless all files have one coordinate system, one origin and one size."""
    first = rasters[0]
    for other in rasters[1:]:
        for what, mine, theirs in zip(
            ("coordinate system", "origin and pixel size", "size"), first.grid, other.grid, strict=True
        ):
            if mine != theirs:
                raise ValueError(
                    f"all files must lie on one pixel grid: {first.path.name} has {what} {mine}, "
                    f"{other.path.name} has {theirs}"
                )
