"""Tiles to pretrain on, read window by window.

A tile of the official format is compressed as a whole, so that a window costs as much as the tile. The first time a
tile is asked for, it is written again without compression into a cache, and windows are read from there.

What the cache promises: a copy lies in a folder named by the size and the time of change of its tile, so that a tile
that was written anew is copied anew (only one that was changed with its size and time kept would be missed); and every
byte that is read from a copy is checked, so that a copy that was cut off or changed is noticed, and made again.

Tiles that fit into a budget of memory are kept there as they are stored, some 10 MB each, for as long as their size and
time of change stay. The first that are read are kept, none is given up for another: in a random order of all tiles any
of them is as likely to be needed next.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from olmoearth_nb.bands import TILE
from olmoearth_nb.data.official import OfficialDataset, Tile, copy_uncompressed, read_tile, stored_tile
from olmoearth_nb.errors import warn
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.sample import Sample

MEMORY = 2 * 10**9
"""Bytes of tiles or chips that a process keeps in memory."""


class TileCorpus:
    """Tiles of an official data set that may be trained on.

    Args:
        folder: a folder of tiles in the official format; of a simulated world only training tiles are used.
        cache: folder for the uncompressed tiles, some 10 MB each, which data sets may share; None reads every tile
            that is not kept in memory whole every time.
        memory: bytes of tiles that are kept in memory; 0 for none. Each process that loads data has its own.

    Raises:
        FileNotFoundError: if there are no tiles.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        cache: str | os.PathLike[str] | None = None,
        memory: int = MEMORY,
    ) -> None:
        self.tiles = OfficialDataset(folder)
        self.numbers = training_tiles(self.tiles)
        if not len(self.numbers):
            raise FileNotFoundError(f"{folder} has {len(self.tiles)} tiles, but none that may be trained on")
        self.cache = Path(cache) / _key(self.tiles.folder) if cache else None
        self.memory = memory
        self._kept: dict[int, _Kept] = {}

    def __len__(self) -> int:
        """How many tiles may be trained on."""
        return len(self.numbers)

    def name(self, place: int) -> str:
        """Path of a tile, for errors, by its place among those that may be trained on."""
        return str(self.tiles.path(int(self.numbers[place])))

    def size(self, place: int) -> tuple[int, int]:
        """Height and width of a tile in pixels, the same for all."""
        return TILE, TILE

    def identity(self) -> dict[str, object]:
        """What a run remembers of its data, to go on with the same only."""
        about: dict[str, object] = {"tiles": len(self.tiles), "trained on": len(self)}
        about["index"] = _key(self.tiles.folder)
        if _world(self.tiles).is_file():
            about["world"] = read_json(_world(self.tiles)).get("parameters")
        return about

    def window(self, place: int, row: int, column: int, edge: int) -> Sample:
        """A square of a tile, all modalities, cut to the dates from the first to the last observed.

        Args:
            place: of the tile among those that may be trained on.
            row: upper edge in pixels.
            column: left edge in pixels.
            edge: in pixels.

        Raises:
            FileNotFoundError: if the tile is gone.
            ValueError: if the tile is not whole, or holds NaN.
        """
        rows, columns = slice(row, row + edge), slice(column, column + edge)
        tile = self.tiles.path(int(self.numbers[place]))
        changed = _changed(tile)
        kept = self._kept.get(place)
        if kept is not None and kept.changed == changed:
            return kept.window(rows, columns)
        if self.cache is None:
            return self._read(place, tile, changed, rows, columns)
        copy = self._copy(tile)
        try:
            return self._read(place, copy, changed, rows, columns)
        except (FileNotFoundError, ValueError) as error:
            sample = read_tile(tile, rows=rows, columns=columns)  # where the tile itself is wrong, this names it
            warn(f"the copy of a tile in the cache was not whole, it is made again ({error})")
            copy_uncompressed(tile, copy)
            return sample

    def copy_all(self, quiet: bool = False) -> None:
        """Brings all tiles into the cache, so that the first run over them takes as long as the next."""
        from rich.progress import track

        for tile in track(self.numbers.tolist(), "unpacking tiles", transient=True, disable=quiet):
            if self.cache is not None:
                self._copy(self.tiles.path(tile))

    def _read(self, place: int, path: Path, changed: tuple[int, int], rows: slice, columns: slice) -> Sample:
        """A window of a file, which is kept where it fits."""
        others = sum(kept.size for other, kept in self._kept.items() if other != place)
        if others + path.stat().st_size > self.memory:  # what is kept of a compressed file is larger still
            return read_tile(path, rows=rows, columns=columns)
        kept = _Kept(changed, *stored_tile(path))
        sample = kept.window(rows, columns)
        if others + kept.size <= self.memory:
            self._kept[place] = kept
        return sample

    def _copy(self, tile: Path) -> Path:
        """The uncompressed copy of a tile as it is now."""
        assert self.cache is not None
        size, time = _changed(tile)
        copy = self.cache / f"{size}-{time}" / tile.name
        if not copy.is_file():
            copy_uncompressed(tile, copy)
        return copy


@dataclass(frozen=True)
class _Kept:
    """A tile in memory, as it was when its file had this size and time of change."""

    changed: tuple[int, int]
    tile: Tile
    images: Mapping[str, np.ndarray]

    @cached_property
    def size(self) -> int:
        """Bytes."""
        return sum(image.nbytes for image in self.images.values())

    def window(self, rows: slice, columns: slice) -> Sample:
        """A window as a sample of its own."""
        return self.tile.window(lambda name, square: self.images[name][square], rows, columns)


def _changed(path: Path) -> tuple[int, int]:
    """Size and time of change of a file."""
    known = path.stat()
    return known.st_size, known.st_mtime_ns


def training_tiles(tiles: OfficialDataset) -> np.ndarray:
    """Numbers of the tiles that may be trained on: all of a real subset, the training tiles of a simulated world."""
    if not _world(tiles).is_file():
        return np.arange(len(tiles))
    from olmoearth_nb.data.simulate.tile import split_of

    return np.array([tile for tile in range(len(tiles)) if split_of(tile) == "train"])


def _world(tiles: OfficialDataset) -> Path:
    """What a simulated world says of itself, three folders above its tiles, wherever a path given to it pointed."""
    return tiles.folder.parents[2] / "world.json"


def _key(folder: Path) -> str:
    """Name for the tiles of a data set, from the list of them and where they lie on Earth."""
    digest = hashlib.sha256()
    for name in ("sample_metadata.csv", "latlon_distribution.npy"):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]
