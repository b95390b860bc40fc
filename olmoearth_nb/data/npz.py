"""The simplest door: an `.npz` with named bands and dates."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.offset import offset_tags
from olmoearth_nb.door import to_sample
from olmoearth_nb.sample import Sample

_NEEDED = ("image", "bands", "dates")
_SAID = ("title", "provenance", "notes")


def load_npz(path: str | os.PathLike[str], provenance: str | None = None) -> Sample:
    """Opens an `.npz` of Sentinel-2 digital numbers.

    Args:
        path: holds `image` (H, W, T, C), `bands` (C names in any order) and `dates` (T ISO dates); and, if it was
            written by `save_npz`, `title`, `provenance` and `notes`.
        provenance: where the data come from; by default what the file says, or else its name.

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
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, MemoryError) as error:
        raise ValueError(f"{path.name} is not a whole .npz file ({error})") from error
    if arrays["image"].dtype.kind not in "uif":
        raise ValueError(f"{path.name}: image must hold numbers, got {arrays['image'].dtype}")
    return to_sample(
        arrays["image"],
        _texts(arrays["bands"]),
        _texts(arrays["dates"]),
        title=_text(arrays, "title", path.stem),
        provenance=provenance or _text(arrays, "provenance", f"the file {path.name}"),
        notes=_texts(arrays["notes"]) if "notes" in arrays else (),
    )


def save_npz(sample: Sample, path: str | os.PathLike[str]) -> Path:
    """Writes a Sentinel-2 sample for `load_npz` and ``make run DATA=``; the file appears only when it is whole.

    Args:
        sample: unobserved pixels, title, provenance and notes are kept.
        path: an `.npz` file; an existing one is replaced.

    Raises:
        ValueError: if the sample holds another modality, or the path is no `.npz`.
    """
    path = Path(path)
    if set(sample.images) != {SENTINEL2.name}:
        raise ValueError(f"an .npz holds Sentinel-2 alone; {sample.title} has {', '.join(sample.images)}")
    if path.suffix.lower() != ".npz":
        raise ValueError(f"the file must be named *.npz to be opened again, got {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"image": sample.images[SENTINEL2.name], "bands": np.array(SENTINEL2.band_names)}
    arrays |= {"dates": np.array(sample.dates), "title": np.array(sample.title)}
    arrays |= {"provenance": np.array(sample.provenance), "notes": np.array(sample.notes, dtype=np.str_)}
    arrays |= offset_tags(sample)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return path


def _text(arrays: dict[str, np.ndarray], name: str, otherwise: str) -> str:
    """What a file says of itself, in one text."""
    return _texts(arrays[name])[0] if name in arrays else otherwise


def _texts(values: np.ndarray) -> list[str]:
    """Names or dates as text, whether stored as text, bytes or numpy datetimes of any precision."""
    values = np.atleast_1d(values)
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values, unit="D")
    return [str(value) for value in values.astype(str).tolist()]
