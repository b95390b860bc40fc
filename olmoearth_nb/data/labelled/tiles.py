"""A few tiles of the simulated world in memory, as labelled scenes or labelled pixels: no folder, made in seconds."""

from __future__ import annotations

import copy

import numpy as np

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.labelled.chips import SENTINEL
from olmoearth_nb.data.labelled.world import LABELS
from olmoearth_nb.data.simulate.geography import SCENE_CLASSES
from olmoearth_nb.data.simulate.scenes import scene_class, timesteps, windows
from olmoearth_nb.data.simulate.tile import Tile, make_tile
from olmoearth_nb.sample import Batch, Sample


class TileSet:
    """Windows of tiles that are made when they are asked for, with Sentinel-2 alone; those of one tile are a group.

    Args:
        tiles: how many; each takes about a second. They are those of the world of that seed and version.
        size: edge of a window in pixels.
        dates: months that a window shows.
        seed: of the world.
        label: "" for the class of each window; "cover", "crop", "height" or "elevation" for each of its pixels.
        version: of the world.

    Raises:
        ValueError: for another label, or a size or number of dates that there is not.
    """

    def __init__(
        self, tiles: int, size: int = 16, dates: int = 4, seed: int = 0, label: str = "", version: int = 2
    ) -> None:
        self._tiles = [make_tile(seed, number, version) for number in range(tiles)]
        self._corners, self._size, steps = windows(size), size, timesteps(dates)
        self.notes = (f"windows are simulated, by version {version} of the world: scores say nothing about real data",)
        self.ids = [
            f"tile {tile}, row {row}, column {column}" for tile in range(tiles) for row, column in self._corners
        ]
        self.groups, self.split = np.repeat(np.arange(tiles), len(self._corners)), None
        self._samples = [_window(tile, corner, size, steps) for tile in self._tiles for corner in self._corners]
        self._ask(label)

    def asking(self, label: str) -> TileSet:
        """The same windows with other answers.

        Args:
            label: see the class.
        """
        other = copy.copy(self)
        other._ask(label)
        return other

    def _ask(self, label: str) -> None:
        """Sets what is asked."""
        if label not in ("", *LABELS):
            raise ValueError(f"label must be empty or one of {', '.join(LABELS)}, got {label!r}")
        self.classes, self.unit = LABELS[label] if label else (tuple(SCENE_CLASSES), "")
        self.name = f"{f'{label} of ' if label else ''}windows of {len(self._tiles)} simulated tiles"
        parts = [
            tile.labels[label or "scene"][row : row + self._size, column : column + self._size]
            for tile in self._tiles
            for row, column in self._corners
        ]
        self.answers = np.stack(parts) if label else np.array([scene_class(part) for part in parts])

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.ids)

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] = (SENTINEL,)) -> list[Sample]:
        """Some of the windows as samples.

        Raises:
            ValueError: for a sensor other than Sentinel-2.
        """
        if tuple(modalities) != (SENTINEL,):
            raise ValueError(f"{self.name} have {SENTINEL} alone, not {', '.join(modalities)}")
        return [self._samples[number] for number in np.arange(len(self))[np.asarray(numbers)].tolist()]

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...] = (SENTINEL,), /) -> Batch:
        """Some of the windows as one normalised batch."""
        return Batch.from_samples(self.samples(numbers, modalities))


def _window(tile: Tile, corner: tuple[int, int], size: int, steps: list[int]) -> Sample:
    """A window of a tile at some months; those that Sentinel-2 lacks are `MISSING`."""
    row, column = corner
    image = tile.images[SENTINEL][row : row + size, column : column + size, steps].astype(np.float32)
    image[:, :, ~tile.present[SENTINEL][steps]] = MISSING
    return Sample({SENTINEL: image}, tile.timestamps[steps], f"row {row}, column {column}", "simulated")
