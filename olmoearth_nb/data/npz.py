"""The simplest loader: an `.npz` with named bands and dates."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.bands import modality as modality_of
from olmoearth_nb.data.arrays import Date, UndatedError, to_sample
from olmoearth_nb.data.offset import KEYS, UNSAID, Declared, Offset, offset_tags, read_offset, take_off
from olmoearth_nb.data.resolution import size_notes
from olmoearth_nb.errors import counted
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.io import durable
from olmoearth_nb.io.memory import require_memory
from olmoearth_nb.sample import Sample

_NEEDED = ("image", "bands", "dates")
_SAID = ("title", "provenance", "notes", "crs", "transform", "modality")
_OPTIONS = ("level", "scale", "missing_bands")
_MASKS = ("valid", "nodata")
_FIELDS = {name.lower(): name for name in (*_NEEDED, *_SAID, *_OPTIONS, *_MASKS, *reversed(KEYS))}
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, MemoryError, ValueError, OverflowError, struct.error),
    *(NotImplementedError, RuntimeError, SyntaxError, tokenize.TokenError),  # of zipfile and of numpy's headers
)

LARGEST = 4 * 10**9
"""Bytes of the largest file that is read, unpacked."""

_BYTES = 20
"""Memory that a value takes at most while it is read: as stored, its mask, and copies in float32."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_npz(
    path: str | os.PathLike[str],
    *,
    provenance: str | None = None,
    offset: Offset = "auto",
    level: Literal["L2A", "L1C"] | None = None,
    scale: Literal["native", "reflectance"] | None = None,
    missing_bands: Literal["error", "zero", "nearest"] | None = None,
    dates: Sequence[Date] | None = None,
    bands: Sequence[str] | None = None,
    modality: str | None = None,
    resolution: Literal["10 m", "as is"] = "10 m",
) -> Sample:
    """Opens an `.npz` of one sensor.

    Args:
        path: holds `image` (H, W, T, C), `bands` (C names in any order) and `dates` (T ISO dates); and, if it was
            written by `save_npz`, `title`, `provenance`, `notes`, and `crs` and `transform` of the pixel grid. Its
            fields `level`, `scale`, `missing_bands` and `valid` are read as arguments of `to_sample`, `nodata` as
            numbers that mean "not observed"; other fields are not read, with a note.
        provenance: where the data come from; by default what the file says, or else its name.
        offset: of baseline 04.00 (see `offset.py`); "auto" reads `BOA_OFFSET_APPLIED`, `BOA_ADD_OFFSET` or
            `PROCESSING_BASELINE`, one for the file or one for each date, if they are in it; of reflectance its
            ten-thousandth is taken off.
        level: see `to_sample`; goes before the file's own, as do the following.
        scale: digital numbers ("native") or "reflectance" 0..1.
        missing_bands: see `to_sample`.
        dates: one for each timestep.
        bands: one name for each channel.
        modality: one of `SENSORS`; by default Sentinel-1 where all bands are its, else Sentinel-2.
        resolution: "10 m" refuses pixels that are not 5 to 15 m on the ground, where `crs` and `transform` are there.

    Raises:
        ValueError: if an array is absent or does not fit, the file holds Python objects, or what the file says of
            itself is not valid.
    """
    path = Path(path)
    given = {"bands": bands, "dates": dates}
    arrays, notes = _read(path, [name for name in _NEEDED if given.get(name) is None])
    named = (bands, dates, modality)
    options = {name: _text(arrays, name, "") for name in _OPTIONS if name in arrays}
    options |= {name: value for name, value in zip(_OPTIONS, (level, scale, missing_bands), strict=True) if value}
    try:
        sample = _sample(arrays, named, options, offset, notes, path, provenance)
        return _placed(sample, arrays, resolution, path.name)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _sample(
    arrays: dict[str, np.ndarray],
    named: tuple[Sequence[str] | None, Sequence[Date] | None, str | None],
    options: dict[str, str],
    offset: Offset,
    notes: list[str],
    path: Path,
    provenance: str | None,
) -> Sample:
    """The sample in the arrays of a file, of bands, dates and a sensor that the caller may name."""
    image, (bands, dates, modality) = arrays["image"], named
    if image.dtype.kind not in "uif":
        raise ValueError(f"image must hold numbers, got {image.dtype}")
    days = _texts(arrays["dates"]) if dates is None else list(dates)
    names = _texts(arrays["bands"]) if bands is None else list(bands)
    sensor = modality or _text(arrays, "modality", "") or _sensor_of(names)
    image, gaps = _observed(image, arrays.get("nodata"))
    notes = [*notes, *gaps]
    if sensor == SENTINEL2.name and image.ndim == 4 and image.shape[2] == len(days):
        declared = _declared(arrays, len(days))
        image, taken = take_off(image, offset, declared, days, scale=options.get("scale", "native"))
        notes += taken
    if "notes" in arrays:  # of `save_npz`, whose sample knew
        notes = [*_texts(arrays["notes"]), *(note for note in notes if note != UNSAID)]
    return to_sample(
        image,
        names,
        days,
        modality_name=sensor,
        valid=arrays.get("valid"),
        title=_text(arrays, "title", path.stem),
        provenance=provenance or _text(arrays, "provenance", f"the file {path.name}"),
        notes=list(dict.fromkeys(notes)),
        **options,  # type: ignore[arg-type]
    )


def _declared(arrays: dict[str, np.ndarray], steps: int) -> list[Declared]:
    """What a file says of the offset of each date.

    Raises:
        ValueError: for neither one value nor one for each date.
    """
    tags = {name: arrays[name].ravel().tolist() for name in KEYS if name in arrays and arrays[name].size}
    for name, values in tags.items():
        if len(set(values)) > 1 and len(values) != steps:
            raise ValueError(
                f"{name} holds {len(values)} values, {', '.join(map(str, values[:4]))}, but there are "
                f"{counted(steps, 'date')}: one for the file, or one for each date"
            )
    each = {name: values if len(set(values)) > 1 else values[:1] * steps for name, values in tags.items()}
    return [read_offset({name: values[step] for name, values in each.items()}) for step in range(steps)]


def _sensor_of(names: Sequence[str]) -> str:
    """Sentinel-1 where all bands are its, else Sentinel-2, whose names Landsat shares."""
    radar = modality_of("sentinel1")
    return radar.name if names and all(radar.spelled(name) for name in names) else SENTINEL2.name


def _observed(image: np.ndarray, nodata: np.ndarray | None) -> tuple[np.ndarray, list[str]]:
    """The image with `nodata` and what is NaN or infinite masked: a file has no other way to mark gaps of floats."""
    gaps, notes = np.zeros(image.shape, bool), []
    if nodata is not None:
        if nodata.dtype.kind not in "uif":
            raise ValueError(f"nodata must be a number, got {nodata.dtype}")
        gaps = np.isin(image, nodata.astype(image.dtype) if image.dtype.kind == "f" else nodata)
        notes = [f"{gaps.mean():.2%} of the values are nodata, not observed"] if gaps.any() else []
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        odd = ~np.isfinite(image)
        gaps, notes = gaps | odd, [*notes, f"{odd.mean():.2%} of the values are NaN or infinite, not observed"]
    return (np.ma.MaskedArray(image, gaps) if gaps.any() else image), notes


def _read(path: Path, needed: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of a file by our names of its fields, and a note on those that are not read."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is not a whole .npz file")
    try:
        with np.load(path, allow_pickle=False) as file:
            fields = {_FIELDS.get(name.lower(), name): name for name in sorted(file.files, reverse=True)}
            known = [name for name in fields if name in _FIELDS.values()]
            headers = {name: _header(file, fields[name]) for name in known}
            absent = [name for name in needed if name not in fields]
            if not absent and not any(dtype.hasobject for _, dtype in headers.values()):
                _require_size(path, headers["image"] if "image" in headers else ((0,), np.dtype("u1")))
                arrays = {name: file[fields[name]] for name in known}
            names = list(file.files)
    except TooLargeError:
        raise
    except _BROKEN as error:
        raise ValueError(f"{path.name} is not a whole .npz file ({error})") from error
    objects = [name for name, (_, dtype) in headers.items() if dtype.hasobject]
    if absent:
        kind = UndatedError if absent == ["dates"] else ValueError
        raise kind(f"{path.name} has no {', '.join(absent)}; it has {', '.join(names)} and needs {', '.join(_NEEDED)}")
    if objects:
        raise ValueError(
            f"{path.name} holds Python objects in {', '.join(objects)}, which are not read: save numbers and text"
        )
    unread = sorted(name for name in fields if name not in known)
    hint = "; of masks, valid is read (bool, True = observed)" if {"mask", "masks"} & {*map(str.lower, unread)} else ""
    return arrays, [f"fields of {path.name} that are not read: {', '.join(unread[:8])}{hint}"] if unread else []


class TooLargeError(ValueError):
    """A file that would not fit."""


def _header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array, of which as much must be there as it announces."""
    entry = next(one for one in file.zip.infolist() if one.filename in (name, f"{name}.npy"))
    with file.zip.open(entry) as packed:
        version = np.lib.format.read_magic(packed)
        shape, _, dtype = _HEADERS.get(version, np.lib.format.read_array_header_2_0)(packed)
    if min(shape, default=1) < 0 or (math.prod(shape) * dtype.itemsize > entry.file_size and not dtype.hasobject):
        raise ValueError(f"{name} announces {shape} of {dtype}, more than is there")
    return shape, dtype


def _require_size(path: Path, image: tuple[tuple[int, ...], np.dtype]) -> None:
    """Raises an error if the arrays of an .npz, unpacked, are larger than any sample, or than the memory."""
    with zipfile.ZipFile(path) as packed:
        size = sum(entry.file_size for entry in packed.infolist())
    if size > LARGEST:
        raise TooLargeError(
            f"{path.name} holds {size / 1e9:.1f} GB unpacked, at most {LARGEST / 1e9:.0f} GB are read; cut it in pieces"
        )
    try:
        require_memory(path.name, math.prod(image[0]) * _BYTES, "cut it in pieces")
    except ValueError as error:
        raise TooLargeError(str(error)) from error


def _placed(sample: Sample, arrays: dict[str, np.ndarray], resolution: str, name: str) -> Sample:
    """The sample where the file's `crs` and `transform` put it, or with a note that one of them is absent."""
    there = [field for field in ("crs", "transform") if field in arrays]
    if len(there) < 2:
        absent = "transform" if there == ["crs"] else "crs"
        notes = [f"place unknown: {name} has {there[0]}, but no {absent}"] if there else []
        return replace(sample, notes=(*sample.notes, *notes))
    transform = arrays["transform"]
    if transform.dtype.kind not in "uif" or transform.size != 6:
        raise ValueError(f"transform must be six numbers, got {transform.dtype} {transform.shape}")
    crs, numbers = _text(arrays, "crs", ""), transform.ravel().tolist()
    _check_order(crs, numbers, sample.shape)
    georeference = Georeference(crs, tuple(numbers))
    notes = size_notes(georeference, sample.shape, "the file", resolution)
    return replace(sample, georeference=georeference, notes=tuple(dict.fromkeys([*sample.notes, *notes])))


def _check_order(crs: str, numbers: list[float], shape: tuple[int, int]) -> None:
    """Raises a ValueError for a transform in the order of GDAL's `GetGeoTransform`, the corner first."""
    c, a, b, f, d, e = numbers
    ours = [a, b, c, d, e, f]
    if max(abs(numbers[0]), abs(numbers[4])) <= 1000 or a == 0 or e == 0:
        return  # a pixel is not so large in any unit
    try:
        size = Georeference(crs, (a, b, c, d, e, f)).pixel_size(*shape)
    except ValueError:
        return  # what is wrong with it is told of what was given
    if max(size) < 1000:
        raise ValueError(
            f"transform {numbers} begins with the corner, as GDAL's does; store the order of affine.Affine, {ours}"
        )


def save_npz(sample: Sample, path: str | os.PathLike[str]) -> Path:
    """Writes a Sentinel-2 sample for `load_npz` and ``make run DATA=``; the file appears only when it is whole.

    Args:
        sample: unobserved pixels, title, provenance, notes and georeference are kept.
        path: an `.npz` file; an existing one is replaced.

    Raises:
        ValueError: if the sample holds another modality, or the path is no `.npz`.
        DiskFullError: if the disk is full.
    """
    path = Path(path)
    if set(sample.images) != {SENTINEL2.name}:
        raise ValueError(f"an .npz holds Sentinel-2 alone; {sample.title} has {', '.join(sample.images)}")
    if path.suffix.lower() != ".npz":
        raise ValueError(f"the file must be named *.npz to be opened again, got {path.name}")
    arrays: dict[str, Any] = {"image": sample.images[SENTINEL2.name], "bands": np.array(SENTINEL2.band_names)}
    arrays |= {"dates": np.array(sample.dates), "title": np.array(sample.title)}
    arrays |= {"provenance": np.array(sample.provenance), "notes": np.array(sample.notes, dtype=np.str_)}
    if sample.georeference is not None:
        arrays |= {"crs": np.array(sample.georeference.crs), "transform": np.array(sample.georeference.transform)}
    arrays |= offset_tags(sample)
    return durable.write_arrays(path, arrays)


def _text(arrays: dict[str, np.ndarray], name: str, otherwise: str) -> str:
    """What a file says of itself, in one text."""
    return next(iter(_texts(arrays[name])), otherwise) if name in arrays else otherwise


def _texts(values: np.ndarray) -> list[str]:
    """Names or dates as text, whether stored as text, bytes or numpy datetimes of any precision."""
    values = np.atleast_1d(values).ravel()
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values, unit="D")
    return [str(value) for value in values.astype(str).tolist()]
