"""Folders of chips to pretrain on, and the function that tells every kind of corpus apart.

A chip is a small place of its own: a file (GeoTIFF, EuroSAT's, `.npz`, GeoBench's), or a row of an HDF5 shard. Most
chips that people exchange have one date and say nothing of it. The models read the month of every timestep, so that an
undated chip gets that of the official m-eurosat evaluation, July 2020, and says so; a model that has seen no other
month has learnt nothing about months.
"""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.arrays import UndatedError, observe, parse_dates, read_names
from olmoearth_nb.data.corpus import MEMORY, TileCorpus
from olmoearth_nb.data.geobench.chip import EVALUATION_DATE
from olmoearth_nb.data.load import load_sample
from olmoearth_nb.data.sanity import contradictions
from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.errors import warn
from olmoearth_nb.io.fetch import sha256
from olmoearth_nb.io.hdf5 import Hdf5, open_hdf5
from olmoearth_nb.io.paths import inside
from olmoearth_nb.sample import Sample

IMAGES, BANDS = "dn", "bands"
"""What a shard holds: a data set (N, C, H, W) of digital numbers, and an attribute that names the C bands."""

UNDATED = f"the chip has no date; it gets that of the m-eurosat evaluation, {EVALUATION_DATE}"

_SHARDS, _FILES = (".h5", ".hdf5"), (".tif", ".tiff", ".npz")
_LARGEST = 1024
_BLOCK = 64
"""Chips that are checked at a time."""

UNOBSERVED = 65535
"""What stands for `bands.MISSING` in digital numbers of two bytes; Sentinel-2 measures none that is so large."""


class ChipsInMemory:
    """Chips of Sentinel-2 Level 2A in memory, of one date that nobody knows, from which many windows are cut at once.

    Args:
        images: (N, H, W, C) digital numbers of N chips each, all bands in channel order.
        whole: (N,) bool for each of them, True = every pixel of the chip was observed.
        names: of the arrays.
    """

    def __init__(self, images: Sequence[np.ndarray], whole: Sequence[np.ndarray], names: Sequence[str]) -> None:
        self._images, self._whole, self._names = list(images), list(whole), list(names)
        self._starts = np.cumsum([0, *map(len, self._images)])
        self.timestamps = parse_dates([EVALUATION_DATE])
        """(1, 3) of every chip."""

    def __len__(self) -> int:
        """Number of chips."""
        return int(self._starts[-1])

    def name(self, place: int) -> str:
        """Array of a chip, and which one of it."""
        array, row = self._at(place)
        return f"{self._names[array]}, chip {row}"

    def size(self, place: int) -> tuple[int, int]:
        """Height and width of a chip in pixels."""
        height, width = self._images[self._at(place)[0]].shape[1:3]
        return int(height), int(width)

    def window(self, place: int, row: int, column: int, edge: int) -> Sample:
        """A square of a chip."""
        array, chip = self._at(place)
        square = self._images[array][chip, row : row + edge, column : column + edge]  # (h, w, C)
        values, notes = observe(square[:, :, None], SENTINEL2, judged=True)
        where = f"{Path(self._names[array]).name}, chip {chip}"
        return Sample({SENTINEL2.name: values}, self.timestamps, where, f"the file {where}", (UNDATED, *notes))

    def sizes(self, places: np.ndarray) -> np.ndarray:
        """(B, 2) heights and widths of chips in pixels."""
        return np.array([image.shape[1:3] for image in self._images])[self._at(places)[0]]

    def windows(self, places: np.ndarray, rows: np.ndarray, columns: np.ndarray, edge: int) -> np.ndarray | None:
        """Squares of many chips at once, the numbers of `window` as they are stored.

        Args:
            places: (B,) chips.
            rows: (B,) upper edges in pixels.
            columns: (B,) left edges in pixels.
            edge: in pixels.

        Returns:
            (B, edge, edge, 1, C) uint16, `UNOBSERVED` where nothing was observed; None if the numbers are of another
            type.
        """
        if any(image.dtype != np.uint16 for image in self._images):
            return None
        arrays, chips = self._at(places)
        found = np.empty((len(places), edge, edge, 1, len(SENTINEL2.bands)), np.uint16)
        for array in np.unique(arrays).tolist():
            mine = arrays == array
            squares = sliding_window_view(self._images[array], (edge, edge), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
            found[mine, :, :, 0] = squares[chips[mine], rows[mine], columns[mine]]  # (b, edge, edge, C)
            gaps = np.flatnonzero(mine)[~self._whole[array][chips[mine]]]
            for i in gaps.tolist():  # seldom: what counts as observed is decided in one place
                values = self.window(int(places[i]), int(rows[i]), int(columns[i]), edge).images[SENTINEL2.name]
                found[i] = np.where(values == MISSING, UNOBSERVED, values)
        return found

    def identity(self) -> dict[str, object]:
        """What a run remembers of its data: a checksum of all numbers."""
        digest = hashlib.sha256()
        for image in self._images:
            digest.update(image.tobytes())
        return {"chips": len(self), "numbers": digest.hexdigest()[:16], "undated": EVALUATION_DATE}

    def _at(self, place: Any) -> tuple[Any, Any]:
        """Which array a chip is in, and which one of it; of one number or of many."""
        array = np.searchsorted(self._starts[1:], place, side="right")
        return array, place - self._starts[array]


class Shards(ChipsInMemory):
    """Chips of Sentinel-2 Level 2A in HDF5 files, of one date that nobody knows.

    Args:
        paths: the files; each has `dn` (N, C, H, W), digital numbers of N chips, and in the attribute `bands` the names
            of the C bands in any order, in one text.
        memory: most bytes that all of them may take; they are read once.

    Attributes:
        notes: what was found in the numbers, one sentence each.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if a file is not whole, is no such shard, holds numbers that Sentinel-2 cannot have measured, or all
            together are too large.
    """

    def __init__(self, paths: Sequence[Path], memory: int = MEMORY) -> None:
        self.paths = list(paths)
        images, whole, notes = list[np.ndarray](), list[np.ndarray](), list[str]()
        for path in self.paths:
            with open_hdf5(path) as file:
                _require_shard(file, path, memory)
                bands, stored = _bands(file, path), file.read(IMAGES)
            images.append(_in_order(stored, bands))
            memory -= stored.nbytes
            found, observed = _checked(images[-1], path)
            notes += found
            whole.append(observed)
        super().__init__(images, whole, [str(path) for path in self.paths])
        self.notes = (UNDATED, *notes)

    def identity(self) -> dict[str, object]:
        """What a run remembers of its data: the sha256 of every shard."""
        shards = {path.name: sha256(path) for path in self.paths}
        return {"chips": len(self), "shards": shards, "undated": EVALUATION_DATE}


def _require_shard(file: Hdf5, path: Path, room: int) -> None:
    """Raises a ValueError unless a file is a shard that fits into the room that is left."""
    if IMAGES not in file:
        raise ValueError(f"{path} is no shard of chips: it has no {IMAGES} (N, C, H, W), it has {file.names()}")
    shape = file.shape(IMAGES)
    if len(shape) != 4 or min(shape) < 1 or max(shape[2:]) > _LARGEST:
        raise ValueError(
            f"{path}: {IMAGES} must be (N, C, H, W), chips of at most {_LARGEST} px along an edge, got {shape}"
        )
    if 2 * math.prod(shape) > room:  # digital numbers have two bytes
        raise ValueError(
            f"{path}: {shape[0]:,} chips of {shape[2]} x {shape[3]} px do not fit into the memory for chips, of which "
            f"{room / 1e9:.1f} GB are left; give fewer shards, or more by memory="
        )


def _bands(file: Hdf5, path: Path) -> list[str]:
    """Bands of a shard in their order, in our spelling.

    Raises:
        ValueError: if they are not named, or are not those of Sentinel-2 Level 2A.
    """
    text = file.text(BANDS)
    if text is None:
        raise ValueError(f"{path} does not name its bands: give the attribute {BANDS}, such as 'B01 B02 B03'")
    try:
        names = read_names(text.replace(",", " ").split(), SENTINEL2)[0]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    shape = file.shape(IMAGES)
    absent = [name for name in SENTINEL2.band_names if name not in names]
    if absent or len(names) != shape[1]:
        problem = f"lacks {' '.join(absent)}" if absent else f"names {len(names)} of {shape[1]} bands"
        raise ValueError(f"{path}: a shard holds all bands of Sentinel-2 Level 2A; this one {problem}")
    if "B10" in names:
        raise ValueError(f"{path}: B10 (cirrus) exists in top-of-atmosphere data only; shards hold Level 2A")
    return names


def _in_order(stored: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """(N, C, H, W) of a shard in its order of bands as (N, H, W, C) in ours, of which windows are cut."""
    image = np.empty((len(stored), *stored.shape[2:], len(SENTINEL2.bands)), stored.dtype)
    for channel, name in enumerate(SENTINEL2.band_names):
        image[..., channel] = stored[:, bands.index(name)]
    return image


def _checked(image: np.ndarray, path: Path) -> tuple[list[str], np.ndarray]:
    """Looks at all numbers of a shard, (N, H, W, C); notes on them, and (N,) bool, True = observed everywhere.

    Raises:
        ValueError: for numbers that are no digital numbers of Sentinel-2.
    """
    parts, whole = list[str](), list[np.ndarray]()
    spread = image[:: max(1, len(image) // _BLOCK)]  # one look at all of a shard: a chip of dark water proves nothing
    try:
        values, _ = observe(_rows(spread), SENTINEL2)
        odd = [str(one) for one in contradictions(values, SENTINEL2.band_names, "L2A")]
        for start in range(0, len(image), _BLOCK):
            block = image[start : start + _BLOCK]
            values, notes = observe(_rows(block), SENTINEL2, judged=True)
            parts += notes
            whole.append((values != MISSING).reshape(len(block), -1).all(1))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for sentence in odd:
        warn(f"{path.name}: {sentence}")
    return [f"{path.name}: {note}" for note in (*odd, *dict.fromkeys(parts))], np.concatenate(whole)


def _rows(chips: np.ndarray) -> np.ndarray:
    """(N, H, W, C) chips one below the other, (N H, W, 1, C)."""
    return chips.reshape(-1, *chips.shape[2:])[:, :, None]


class ChipFiles:
    """Chips of which each is a file that `load_sample` opens, of any sensors and dates.

    Args:
        folder: in which they lie.
        paths: the files.
        memory: bytes of chips that are kept in memory; 0 for none. Each process that loads data has its own.

    Raises:
        ValueError: if a file is a link that leaves the folder.
    """

    def __init__(self, folder: Path, paths: Sequence[Path], memory: int = MEMORY) -> None:
        self.folder = folder
        self.paths = [inside(folder, path.relative_to(folder).as_posix()) for path in paths]
        self._kept: dict[int, Sample] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._room, self._told = memory, set[str]()

    def __len__(self) -> int:
        """Number of chips."""
        return len(self.paths)

    def name(self, place: int) -> str:
        """File of a chip."""
        return str(self.paths[place])

    def size(self, place: int) -> tuple[int, int]:
        """Height and width of a chip in pixels; a chip is opened for it once."""
        if place not in self._sizes:
            self._sample(place)
        return self._sizes[place]

    def window(self, place: int, row: int, column: int, edge: int) -> Sample:
        """A square of a chip, all its sensors and dates."""
        return self._sample(place).window(row, column, edge)

    def identity(self) -> dict[str, object]:
        """What a run remembers of its data: names and sizes of all files."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(
                f"{path.relative_to(self.folder).as_posix()} {path.stat().st_size}\n".encode(errors="replace")
            )
        return {"chips": len(self), "files": digest.hexdigest()[:16], "undated": EVALUATION_DATE}

    def _sample(self, place: int) -> Sample:
        """A chip, which is kept where it fits."""
        if place in self._kept:
            return self._kept[place]
        path = self.paths[place]
        sample = self._loaded(path)
        if max(sample.shape) > _LARGEST:
            raise ValueError(f"{path.name} is no chip: it has {sample.shape} px, at most {_LARGEST} along an edge are")
        size = sum(image.nbytes for image in sample.images.values())
        self._sizes[place] = sample.shape
        if size <= self._room:
            self._room -= size
            self._kept[place] = sample
        return sample

    def _loaded(self, path: Path) -> Sample:
        """A chip from its file; what the loader warns of is said once for all chips."""
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                sample = load_chip(path)
            except ValueError as error:
                raise ValueError(str(error) if path.name in str(error) else f"{path.name}: {error}") from error
        for message in dict.fromkeys(str(one.message) for one in heard):
            if message not in self._told:
                warn(message)
            self._told.add(message)
        return sample


def load_chip(path: Path, **options: Any) -> Sample:
    """Opens a chip; one without a date gets July 2020, with a note.

    Args:
        path: of any file that `load_sample` opens.
        options: what `load_sample` takes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: see `load_sample`.
    """
    try:
        return load_sample(path, **options)
    except UndatedError:
        sample = load_sample(path, **{**options, "dates": [EVALUATION_DATE]})
        return replace(sample, notes=(*sample.notes, UNDATED))


def open_corpus(
    path: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None, memory: int = MEMORY
) -> Corpus:
    """Opens what may be pretrained on, whatever it is.

    Args:
        path: a folder of tiles in the official format, simulated or real; a folder of chips, whether GeoTIFFs (also in
            EuroSAT's class folders, whose classes are not read), `.npz`, GeoBench's `.hdf5`, or HDF5 shards; or one
            shard.
        cache: of tiles; see `TileCorpus`. Chips need none.
        memory: bytes that are kept in memory; see `TileCorpus`, `ChipFiles` and `Shards`.

    Raises:
        FileNotFoundError: if nothing is there.
        ValueError: if it is none of these, or chips of several kinds.
    """
    path = Path(path).expanduser()
    if path.is_file() and path.suffix.lower() in _SHARDS:
        return Shards([path], memory)
    if not path.is_dir():
        raise FileNotFoundError(f"no folder {path}; give a folder of tiles or of chips, or a shard of chips (.h5)")
    if next(path.rglob("sample_metadata.csv"), None) is not None:
        return TileCorpus(path, cache, memory)
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in (*_SHARDS, *_FILES) and not file.name.startswith(".") and file.is_file()
    ]
    if not files:
        raise FileNotFoundError(
            f"{path} holds nothing to train on: neither tiles of the official format (a sample_metadata.csv beside "
            f"them) nor chips ({', '.join((*_FILES, *_SHARDS))})"
        )
    shards = [file for file in files if file.suffix.lower() in _SHARDS and _is_shard(file)]
    if not shards:
        return ChipFiles(path, files, memory)
    if len(shards) < len(files):
        other = next(file for file in files if file not in shards)
        raise ValueError(f"{path} holds shards of chips and files of another kind, such as {other.name}; part them")
    return Shards([inside(path, file.relative_to(path).as_posix()) for file in shards], memory)


def _is_shard(path: Path) -> bool:
    """Whether an HDF5 file holds chips in one data set."""
    with open_hdf5(path) as file:
        return IMAGES in file
