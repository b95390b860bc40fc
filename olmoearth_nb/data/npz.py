"""The simplest loader: an `.npz` with named bands and dates."""

from __future__ import annotations

import os
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
from olmoearth_nb.data.offset import KEYS, UNSAID, Offset, offset_tags, read_offset, take_off
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.io import durable
from olmoearth_nb.sample import Sample

_NEEDED = ("image", "bands", "dates")
_SAID = ("title", "provenance", "notes", "crs", "transform", "modality")
_OPTIONS = ("level", "scale", "missing_bands")
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, MemoryError),
    *(NotImplementedError, RuntimeError, SyntaxError),  # of zipfile and of numpy's headers
)

LARGEST = 4 * 10**9
"""Bytes of the largest file that is read, unpacked."""


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
) -> Sample:
    """Opens an `.npz` of one sensor.

    Args:
        path: holds `image` (H, W, T, C), `bands` (C names in any order) and `dates` (T ISO dates); and, if it was
            written by `save_npz`, `title`, `provenance`, `notes`, and `crs` and `transform` of the pixel grid. Its
            fields `level`, `scale`, `missing_bands` and `valid` are read as arguments of `to_sample`.
        provenance: where the data come from; by default what the file says, or else its name.
        offset: of baseline 04.00 (see `offset.py`); "auto" reads `BOA_OFFSET_APPLIED` or `BOA_ADD_OFFSET`, numbers
            for the whole file, if they are in it; of reflectance its ten-thousandth is taken off.
        level: see `to_sample`; goes before the file's own, as do the following.
        scale: digital numbers ("native") or "reflectance" 0..1.
        missing_bands: see `to_sample`.
        dates: one for each timestep.
        bands: one name for each channel.
        modality: one of `SENSORS`; by default Sentinel-1 where all bands are its, else Sentinel-2.

    Raises:
        ValueError: if an array is absent or does not fit, the file holds Python objects, or what the file says of
            itself is not valid.
    """
    path = Path(path)
    given = {"bands": bands, "dates": dates}
    arrays, tags = _read(path, [name for name in _NEEDED if given.get(name) is None])
    image = arrays["image"]
    if image.dtype.kind not in "uif":
        raise ValueError(f"{path.name}: image must hold numbers, got {image.dtype}")
    days = _texts(arrays["dates"]) if dates is None else list(dates)
    names = _texts(arrays["bands"]) if bands is None else list(bands)
    sensor = modality or _text(arrays, "modality", "") or _sensor_of(names)
    options = {name: _text(arrays, name, "") for name in _OPTIONS if name in arrays}
    options |= {name: value for name, value in zip(_OPTIONS, (level, scale, missing_bands), strict=True) if value}
    notes: list[str] = []
    if sensor == SENTINEL2.name and image.ndim == 4 and image.shape[2] == len(days):
        declared = [read_offset(tags)] * len(days)
        image, notes = take_off(image, offset, declared, days, scale=options.get("scale", "native"))
    image, gaps = _observed(image)
    notes += gaps
    if "notes" in arrays:  # of `save_npz`, whose sample knew
        notes = [*_texts(arrays["notes"]), *(note for note in notes if note != UNSAID)]
    try:
        sample = to_sample(
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
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if "crs" not in arrays or "transform" not in arrays:
        return sample
    return replace(sample, georeference=_georeference(arrays, path.name))


def _sensor_of(names: Sequence[str]) -> str:
    """Sentinel-1 where all bands are its, else Sentinel-2, whose names Landsat shares."""
    radar = modality_of("sentinel1")
    return radar.name if names and all(radar.spelled(name) for name in names) else SENTINEL2.name


def _observed(image: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The image with what is NaN or infinite masked: a file has no other way to mark gaps of floats."""
    if image.dtype.kind != "f" or np.isfinite(image).all():
        return image, []
    gaps = ~np.isfinite(image)
    return np.ma.MaskedArray(image, gaps), [f"{gaps.mean():.2%} of the values are NaN or infinite, not observed"]


def _read(path: Path, needed: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a file by name, and what it says of the offset."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is not a whole .npz file")
    try:
        with np.load(path, allow_pickle=False) as file:
            absent = [name for name in needed if name not in file.files]
            if absent:
                error = UndatedError if absent == ["dates"] else ValueError
                raise error(f"{path.name} has no {absent}; it has {file.files} and needs {list(_NEEDED)}")
            _require_size(path)
            arrays = {name: file[name] for name in (*_NEEDED, *_SAID, *_OPTIONS, "valid") if name in file.files}
            tags = {name: file[name].ravel()[0] for name in KEYS if name in file.files and file[name].size}
    except _BROKEN as error:
        raise ValueError(f"{path.name} is not a whole .npz file ({error})") from error
    return arrays, tags


def _require_size(path: Path) -> None:
    """Raises a ValueError if the arrays of an .npz, unpacked, are larger than any sample."""
    with zipfile.ZipFile(path) as packed:
        size = sum(entry.file_size for entry in packed.infolist())
    if size > LARGEST:
        raise ValueError(
            f"{path.name} holds {size / 1e9:.1f} GB unpacked, at most {LARGEST / 1e9:.0f} GB are read; cut it in pieces"
        )


def _georeference(arrays: dict[str, np.ndarray], name: str) -> Georeference:
    """Where the pixels lie, by the file's `crs` and `transform`."""
    transform = arrays["transform"]
    if transform.dtype.kind not in "uif" or transform.size != 6:
        raise ValueError(f"{name}: transform must be six numbers, got {transform.dtype} {transform.shape}")
    try:
        return Georeference(_text(arrays, "crs", ""), tuple(transform.ravel().tolist()))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


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
