"""The simplest door: an `.npz` with named bands and dates."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from olmoearth_nb.data.offset import KEYS, Offset, read_offset, take_off
from olmoearth_nb.door import to_sample
from olmoearth_nb.sample import Sample

_NEEDED = ("image", "bands", "dates")


def load_npz(path: str | os.PathLike[str], provenance: str | None = None, offset: Offset = "auto") -> Sample:
    """Opens an `.npz` of Sentinel-2 digital numbers.

    Args:
        path: holds `image` (H, W, T, C), `bands` (C names in any order) and `dates` (T ISO dates).
        provenance: where the data come from; by default the file's name.
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
            arrays = {name: file[name] for name in _NEEDED}
            tags = {name: file[name].ravel()[0] for name in KEYS if name in file.files and file[name].size}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, MemoryError) as error:
        raise ValueError(f"{path.name} is not a whole .npz file ({error})") from error
    if arrays["image"].dtype.kind not in "uif":
        raise ValueError(f"{path.name}: image must hold numbers, got {arrays['image'].dtype}")
    image, dates = arrays["image"], _texts(arrays["dates"])
    notes: list[str] = []
    if image.ndim == 4 and image.shape[2] == len(dates):
        image, notes = take_off(image, offset, [read_offset(tags)] * len(dates), dates)
    return to_sample(
        image,
        _texts(arrays["bands"]),
        dates,
        title=path.stem,
        provenance=provenance or f"the file {path.name}",
        notes=notes,
    )


def _texts(values: np.ndarray) -> list[str]:
    """Names or dates as text, whether stored as text, bytes or numpy datetimes of any precision."""
    values = np.atleast_1d(values)
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values, unit="D")
    return [str(value) for value in values.astype(str).tolist()]
