"""The simplest loader: an `.npz` with named bands and dates."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.arrays import to_sample
from olmoearth_nb.data.offset import KEYS, UNSAID, Offset, offset_tags, read_offset, take_off
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.io import durable
from olmoearth_nb.sample import Sample

_NEEDED = ("image", "bands", "dates")
_SAID = ("title", "provenance", "notes", "crs", "transform")


def load_npz(path: str | os.PathLike[str], provenance: str | None = None, offset: Offset = "auto") -> Sample:
    """Opens an `.npz` of Sentinel-2 digital numbers.

    Args:
        path: holds `image` (H, W, T, C), `bands` (C names in any order) and `dates` (T ISO dates); and, if it was
            written by `save_npz`, `title`, `provenance`, `notes`, and `crs` and `transform` of the pixel grid.
        provenance: where the data come from; by default what the file says, or else its name.
        offset: of baseline 04.00 (see `offset.py`); "auto" reads `BOA_OFFSET_APPLIED` or `BOA_ADD_OFFSET`, numbers
            for the whole file, if they are in it.

    Raises:
        ValueError: if an array is absent or does not fit, or the file holds Python objects.
    """
    path = Path(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is not a whole .npz file")
    try:
        with np.load(path, allow_pickle=False) as file:
            absent = [name for name in _NEEDED if name not in file.files]
            if absent:
                raise ValueError(f"{path.name} has no {absent}; it has {file.files} and needs {list(_NEEDED)}")
            arrays = {name: file[name] for name in (*_NEEDED, *_SAID) if name in file.files}
            tags = {name: file[name].ravel()[0] for name in KEYS if name in file.files and file[name].size}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, MemoryError) as error:
        raise ValueError(f"{path.name} is not a whole .npz file ({error})") from error
    if arrays["image"].dtype.kind not in "uif":
        raise ValueError(f"{path.name}: image must hold numbers, got {arrays['image'].dtype}")
    image, dates = arrays["image"], _texts(arrays["dates"])
    notes: list[str] = []
    if image.ndim == 4 and image.shape[2] == len(dates):
        image, notes = take_off(image, offset, [read_offset(tags)] * len(dates), dates)
    if "notes" in arrays:  # of `save_npz`, whose sample knew
        notes = [*_texts(arrays["notes"]), *(note for note in notes if note != UNSAID)]
    sample = to_sample(
        image,
        _texts(arrays["bands"]),
        dates,
        title=_text(arrays, "title", path.stem),
        provenance=provenance or _text(arrays, "provenance", f"the file {path.name}"),
        notes=list(dict.fromkeys(notes)),
    )
    if "crs" not in arrays or "transform" not in arrays:
        return sample
    return replace(sample, georeference=Georeference(_text(arrays, "crs", ""), tuple(arrays["transform"].tolist())))


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
    return _texts(arrays[name])[0] if name in arrays else otherwise


def _texts(values: np.ndarray) -> list[str]:
    """Names or dates as text, whether stored as text, bytes or numpy datetimes of any precision."""
    values = np.atleast_1d(values)
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values, unit="D")
    return [str(value) for value in values.astype(str).tolist()]
