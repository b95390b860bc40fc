"""GeoBench chips of Sentinel-2 (m-eurosat, m-brick-kiln): one HDF5 file with 13 bands.

Three traps are dealt with here.

* The metadata are a pickle, which can run code when it is read. We read it without running anything:
  classes other than plain containers become inert stand-ins, and no function is ever called.
* The names of the last five bands do not fit their content. EuroSAT stores B8A *last*, and the names
  were laid over it in the order of the band numbers. In the published statistics of the data set
  "09 - Water vapour" has a mean of 12 digital numbers, which is the cirrus band, and
  "08A - Vegetation Red Edge" shows the 60 m pixels of water vapour. `names="content"` reads what the
  pixels are; `names="published"` follows the labels, as the published evaluations of OlmoEarth do.
* m-brick-kiln has the same 13 labels over other content: ten bands in an order of their own, without B06 and B09, and
  the three colours of a picture (GeoBench's issue 29).
"""

from __future__ import annotations

import ast
import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olmoearth_nb.data.arrays import to_sample
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.io.hdf5 import Hdf5, open_hdf5
from olmoearth_nb.sample import Sample

LABELS = (
    "01 - Coastal aerosol,02 - Blue,03 - Green,04 - Red,05 - Vegetation Red Edge,06 - Vegetation Red Edge,"
    "07 - Vegetation Red Edge,08 - NIR,08A - Vegetation Red Edge,09 - Water vapour,10 - SWIR - Cirrus,"
    "11 - SWIR,12 - SWIR"
).split(",")
FILE_ORDER = "B01 B02 B03 B04 B05 B06 B07 B08 B09 B10 B11 B12 B8A".split()
"""Order of the bands in the files of EuroSAT, and so, in spite of their labels, in the chips."""

ORDERS = {"content": FILE_ORDER, "published": "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12".split()}
"""Band of each label: what the pixels are, or what the labels say."""

KINDS = ("m-eurosat", "m-brick-kiln")

BRICK_KILN = [*"B01 B02 B03 B04 B05 B07 B8A B08 B11 B12".split(), None, None, None]
"""What m-brick-kiln holds under each label; None is a colour of a picture, red, green and blue."""

MOST_METADATA = 100_000
"""Bytes of a pickle that is read."""

_LARGEST_EDGE = 1024
_UNREADABLE = (
    *(ValueError, SyntaxError, EOFError, AttributeError, TypeError, IndexError, KeyError),
    *(pickle.UnpicklingError, struct.error, RecursionError, MemoryError, OverflowError),
)

_CORRECTED = {
    "m-eurosat": "labels 08A, 09, 10, 11, 12 hold B09, B10, B11, B12, B8A (see names='published')",
    "m-brick-kiln": "labels 06, 07, 08A, 09 hold B07, B8A, B11, B12, and 10 to 12 a picture (see names='published'); "
    "the processing level is not recorded, and it is read as L2A, because L1C comes without such a picture",
}

EVALUATION_DATE = "2020-07-01"
"""The constant date of the official evaluation: month index 6 of 2020. The chips have none of their own."""


class Inert:
    """Stands for an object of a class that we do not load; keeps its state as data."""

    args: tuple[Any, ...]
    state: Any
    entries: list[Any]

    def __new__(cls, *args: Any) -> Inert:
        """Takes whatever the pickle gives and does nothing with it."""
        inert = super().__new__(cls)
        inert.args, inert.state, inert.entries = args, None, []
        return inert

    def __init__(self, *args: Any) -> None:
        """Does nothing more."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries.append((key, value))

    def append(self, value: Any) -> None:
        """Keeps what a list of a class of its own would hold."""
        self.entries.append(value)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _InertUnpickler(pickle._Unpickler):  # in Python, so that a forged index cannot claim memory
    """Never imports a module: every class of the file becomes `Inert`."""

    def find_class(self, module: str, name: str) -> type:
        return type(name, (Inert,), {"source": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("persistent references are not allowed")


def read_pickle(data: bytes, what: str) -> Any:
    """Reads a pickle without running code.

    Args:
        data: its bytes.
        what: whose it is, for the error.

    Returns:
        Plain containers, numbers and texts; objects of all classes are `Inert`.

    Raises:
        ValueError: if it is too large, not whole, or needs more than that.
    """
    if len(data) > MOST_METADATA:
        raise ValueError(f"{what} have {len(data):,} bytes or more; at most {MOST_METADATA:,} are read")
    try:
        return _InertUnpickler(io.BytesIO(data)).load()
    except _UNREADABLE as error:
        raise ValueError(f"{what} cannot be read safely: {error}") from error


def read_metadata(text: str) -> dict[str, Any]:
    """Reads GeoBench's pickled metadata without running code.

    Args:
        text: the attribute as stored, a Python bytes literal.

    Returns:
        The metadata; objects of unknown classes are `Inert`.

    Raises:
        ValueError: if it is not such a literal or not a pickled dictionary.
    """
    if len(text) > MOST_METADATA:
        raise ValueError(f"the chip's metadata have {len(text):,} characters; at most {MOST_METADATA:,} are read")
    try:
        data = ast.literal_eval(text)
    except _UNREADABLE as error:
        raise ValueError(f"the chip's pickled metadata cannot be read safely: {error}") from error
    if not isinstance(data, bytes):
        raise ValueError(f"the chip's pickled metadata must be a bytes literal, got {type(data).__name__}")
    metadata = read_pickle(data, "the chip's pickled metadata")
    if not isinstance(metadata, dict):
        raise ValueError(f"the chip's pickled metadata must be a dictionary, got {type(metadata).__name__}")
    return metadata


def read_label(path: str | os.PathLike[str]) -> int:
    """The class index of a chip, from its metadata alone.

    Raises:
        ValueError: if the file is not HDF5, or its metadata do not hold a whole number as `label`.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        label = _metadata(file, path).get("label")
    if not isinstance(label, int) or isinstance(label, bool):
        raise ValueError(f"{path} has no class: the label in its metadata is {label!r}")
    return label


def read_place(path: str | os.PathLike[str]) -> tuple[float, float] | None:
    """Latitude and longitude of a chip's centre, from the metadata of its first band; None if they lead nowhere.

    All chips of m-eurosat have the place of the first picture that was converted.

    Raises:
        ValueError: if the file is not HDF5 or its metadata cannot be read.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        band = _metadata(file, path).get(LABELS[0])
        height, width = file.shape(LABELS[0])[:2] if LABELS[0] in file else (0, 0)
    transform, crs = (band.get("transform"), band.get("crs")) if isinstance(band, dict) else (None, None)
    if not isinstance(transform, Inert) or len(transform.args) < 6:
        return None
    try:
        grid = Georeference(crs.state if isinstance(crs, Inert) else str(crs), transform.args[:6])
        place = grid.centre(height, width)
    except (ValueError, TypeError):  # what somebody else wrote is no place
        return None
    return place if np.isfinite(place).all() else None


def check_names(names: str) -> None:
    """Raises a ValueError unless the word is one of `ORDERS`."""
    if names not in ORDERS:
        raise ValueError(f"names must be 'content' or 'published', got {names!r}")


def order_of(names: str, kind: str) -> list[str | None]:
    """The band under each label of a chip.

    Args:
        names: "content" or "published".
        kind: one of `KINDS`.

    Raises:
        ValueError: for any other.
    """
    check_names(names)
    if kind not in KINDS:
        raise ValueError(f"kind must be {' or '.join(map(repr, KINDS))}, got {kind!r}")
    return BRICK_KILN if (names, kind) == ("content", "m-brick-kiln") else list(ORDERS[names])


def load_geobench_chip(
    path: str | os.PathLike[str],
    names: Literal["content", "published"] = "content",
    kind: Literal["m-eurosat", "m-brick-kiln"] = "m-eurosat",
    missing_bands: Literal["zero", "nearest"] = "nearest",
) -> Sample:
    """Opens a chip of GeoBench.

    Args:
        path: the `.hdf5` file.
        names: "content" names the bands after what they hold; "published" after their labels, which is
            what published results rest on. Either way cirrus (or what is labelled so) is dropped.
        kind: of which set the chip is.
        missing_bands: how B06 and B09, which m-brick-kiln lacks, are filled where the content names the bands; see
            `data.arrays.to_sample`.

    Returns:
        A sample of one timestep, dated as in the official evaluation.

    Raises:
        ValueError: if the file is not HDF5 or lacks bands, or a word is not one of those above.
    """
    path = Path(path)
    order = order_of(names, kind)
    with open_hdf5(path) as file:
        image = _read_bands(file, path, kind)
        date = _date(_metadata(file, path), path)
    notes = []
    if date is None:
        notes.append(f"the chip has no date; it gets that of the official evaluation, {EVALUATION_DATE}")
    if names == "content":
        notes.append(_CORRECTED[kind])
    kept = [i for i, band in enumerate(order) if band is not None]
    absent = len(kept) < len(order)
    try:
        return to_sample(
            image[:, :, None, kept],
            [band for band in order if band is not None],
            [date or EVALUATION_DATE],
            level=None if absent else "L1C",  # without B10
            missing_bands=missing_bands if absent else "error",
            title=path.stem,
            provenance=f"GeoBench {kind}, {path.name}",
            notes=notes,
        )
    except ValueError as error:  # which of the thousand chips it is must be in the message
        raise ValueError(f"{path}: {error}") from error


def _read_bands(file: Hdf5, path: Path, kind: str) -> np.ndarray:
    """(H, W, 13) pixels of the band data sets, of which nothing is read before their shapes are right."""
    absent = [label for label in LABELS if label not in file]
    if absent:
        raise ValueError(f"{path} is no {kind} chip: no bands {absent}; it has {file.names()}")
    shapes = {file.shape(label) for label in LABELS}
    shape = shapes.pop()
    if shapes or len(shape) != 2 or not 0 < max(shape) <= _LARGEST_EDGE:
        raise ValueError(f"{path} is no {kind} chip: its bands must be 2-D and of one size, to {_LARGEST_EDGE} px")
    return np.stack([file.read(label) for label in LABELS], axis=-1)


def _metadata(file: Hdf5, path: Path) -> dict[str, Any]:
    """The metadata of an open chip; none if it brings none."""
    text = file.text("pickle")
    try:
        return read_metadata(text) if text else {}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _date(metadata: dict[str, Any], path: Path) -> str | None:
    """ISO date of the first band, if the metadata have one; dates and datetimes are pickled by class."""
    band = metadata.get(LABELS[0])
    date = band.get("date") if isinstance(band, dict) else None
    if isinstance(date, str):
        return date or None
    if not isinstance(date, Inert) or getattr(date, "source", "") not in ("datetime.date", "datetime.datetime"):
        return None
    packed = date.args[0] if date.args else None
    if not isinstance(packed, bytes) or len(packed) < 4:
        raise ValueError(f"{path}: the date in its metadata is none")
    year_high, year_low, month, day = packed[:4]
    return f"{256 * year_high + year_low:04d}-{month:02d}-{day:02d}"
