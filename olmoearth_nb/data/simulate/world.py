"""Opens a set of simulated scenes: images, dates, answers, splits."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import numpy as np

from olmoearth_nb.data.official import OfficialDataset, read_tile
from olmoearth_nb.data.simulate.generate import simulate
from olmoearth_nb.data.simulate.geography import SCENE_CLASSES
from olmoearth_nb.data.simulate.library import SPLITS
from olmoearth_nb.data.simulate.scenes import answer, majority
from olmoearth_nb.io.durable import read_csv
from olmoearth_nb.sample import Batch, Sample


class World:
    """Scenes that `simulate` wrote.

    Args:
        folder: what `simulate` made.

    Attributes:
        folder: where it lies.
        tile: (scenes,) tile of each scene.
        corner: (scenes, 2) its upper left pixel in the tile.
        size: edge of a scene in pixels.
        timesteps: which of the twelve months a scene shows.
        split: (scenes,) index into `SPLITS`.
        kind: (scenes,) index into `SCENE_CLASSES`.

    Raises:
        FileNotFoundError: if the folder holds no finished world.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not (self.folder / "world.json").is_file():
            raise FileNotFoundError(f"{folder} holds no finished world; make one by `olmoearth-nb data simulate`")
        rows = read_csv(self.folder / "scenes.csv")
        self.tile = np.array([int(row["tile"]) for row in rows])
        self.corner = np.array([(int(row["row"]), int(row["column"])) for row in rows])
        self.size = int(rows[0]["size"])
        self.timesteps = [int(step) for step in rows[0]["slots"].split()]
        self.split = np.array([SPLITS.index(row["split"]) for row in rows])
        self.kind = np.array([SCENE_CLASSES.index(row["class"]) for row in rows])
        self.tiles = OfficialDataset(self.folder)

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.tile)

    def of(self, split: str) -> np.ndarray:
        """Numbers of the scenes of a split."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def samples(self, scenes: np.ndarray, modalities: tuple[str, ...] = ("sentinel2_l2a",)) -> list[Sample]:
        """The scenes as samples; months without a date are `bands.MISSING`."""
        found: dict[int, Sample] = {}
        for tile in np.unique(self.tile[scenes]):
            whole = read_tile(self.tiles.path(int(tile)), modalities, all_timesteps=True)
            whole = whole.select_times(self.timesteps)
            for scene in np.asarray(scenes)[self.tile[scenes] == tile].tolist():
                row, column = (int(edge) for edge in self.corner[scene])
                found[scene] = whole.window(row, column, self.size)
        return [found[scene] for scene in np.asarray(scenes).tolist()]

    def batch(self, scenes: np.ndarray, modalities: tuple[str, ...] = ("sentinel2_l2a",)) -> Batch:
        """The scenes as one normalised batch."""
        return Batch.from_samples(self.samples(scenes, modalities))

    def answers(self, target: str, scenes: np.ndarray, patch: int) -> np.ndarray:
        """(n, H / P, W / P) commonest answer in each patch, -1 where there is none; mean height or elevation."""
        windows = []
        for scene in np.asarray(scenes).tolist():
            row, column = self.corner[scene]
            inside = slice(row, row + self.size), slice(column, column + self.size)
            windows.append(self._answers(target, int(self.tile[scene]))[inside])
        values = np.stack(windows)
        if values.dtype.kind != "f":
            return majority(values, patch)
        n, height, width = values.shape
        return values.reshape(n, height // patch, patch, width // patch, patch).mean((2, 4))

    def _answers(self, target: str, tile: int) -> np.ndarray:
        """(128, 128) answers of a tile."""
        labels = self._labels[tile]
        return answer(target, labels)

    @cached_property
    def _labels(self) -> list[dict[str, np.ndarray]]:
        """Labels of all tiles; they are small."""
        found = []
        for number in range(len(self.tiles)):
            with np.load(self.folder / "labels" / f"labels_{number}.npz") as file:
                found.append(dict(file))
        return found


def open_world(
    scenes: int,
    size: int = 32,
    dates: int = 6,
    seed: int = 0,
    workers: int = 2,
    cache: str | os.PathLike[str] = "",
    version: int = 1,
    level: str = "L2A",
) -> World:
    """A world of these parameters, simulated once and kept.

    Args:
        scenes: how many.
        size: edge of a scene in pixels.
        dates: how many months a scene shows.
        seed: of the world.
        workers: processes, where it must be made.
        cache: where worlds are kept; ``~/.cache/olmoearth_nb`` by default.
        version: of the world, 1 or 2.
        level: of Sentinel-2, "L2A" or "L1C".
    """
    root = Path(cache) if cache else Path.home() / ".cache" / "olmoearth_nb"
    name = f"world{version}{'' if level == 'L2A' else level}-{scenes}x{size}x{dates}-seed{seed}"
    return World(simulate(root / name, scenes, size, dates, seed, workers, version=version, level=level))
