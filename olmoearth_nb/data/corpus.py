"""Tiles to pretrain on, read window by window.

A tile of the official format is compressed as a whole, so that a window costs as much as the tile. The first time a
tile is asked for, it is written again without compression into a cache, and windows are read from there.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from olmoearth_nb.data.official import OfficialDataset, copy_uncompressed, read_tile
from olmoearth_nb.sample import Sample


class Corpus:
    """Tiles of an official data set that may be trained on.

    Args:
        folder: a folder of tiles in the official format; of a simulated world only training tiles are used.
        cache: folder for the uncompressed tiles, some 10 MB each; None reads every tile whole every time.

    Raises:
        FileNotFoundError: if there are no tiles.
    """

    def __init__(self, folder: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None) -> None:
        self.tiles = OfficialDataset(folder)
        self.numbers = training_tiles(Path(folder), len(self.tiles))
        if not len(self.numbers):
            raise FileNotFoundError(f"{folder} has {len(self.tiles)} tiles, but none that may be trained on")
        self.cache = Path(cache) if cache else None

    def __len__(self) -> int:
        """How many tiles may be trained on."""
        return len(self.numbers)

    def window(self, place: int, row: int, column: int, edge: int) -> Sample:
        """A square of a tile, all modalities, cut to the dates from the first to the last observed.

        Args:
            place: of the tile among those that may be trained on.
            row: upper edge in pixels.
            column: left edge in pixels.
            edge: in pixels.
        """
        rows, columns = slice(row, row + edge), slice(column, column + edge)
        return read_tile(self._file(int(self.numbers[place])), rows=rows, columns=columns)

    def _file(self, tile: int) -> Path:
        """The file to read a tile from."""
        path = self.tiles.path(tile)
        if self.cache is None:
            return path
        copy = self.cache / path.name
        if not copy.is_file():
            self.cache.mkdir(parents=True, exist_ok=True)
            copy_uncompressed(path, copy)
        return copy


def training_tiles(folder: Path, count: int) -> np.ndarray:
    """Numbers of the tiles that may be trained on: all of a real subset, the training tiles of a simulated world."""
    if not (folder / "world.json").is_file():
        return np.arange(count)
    from olmoearth_nb.data.simulate.tile import split_of

    return np.array([tile for tile in range(count) if split_of(tile) == "train"])


def identity(corpus: Corpus) -> dict[str, object]:
    """What a run remembers of its data, to go on with the same only."""
    about = corpus.tiles.folder.parents[2] / "world.json"
    index = hashlib.sha256((corpus.tiles.folder / "sample_metadata.csv").read_bytes()).hexdigest()[:16]
    found: dict[str, object] = {"tiles": len(corpus.tiles), "trained on": len(corpus), "index": index}
    if about.is_file():
        found["world"] = json.loads(about.read_text(encoding="utf8"))["parameters"]
    return found
