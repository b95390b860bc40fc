"""The simulated world as labelled data: scenes and what each of them is, or what each of their pixels is."""

from __future__ import annotations

import csv
import os
from functools import cached_property
from pathlib import Path

import numpy as np

from olmoearth_nb.data.simulate.geography import COVERS, CROPS, SCENE_CLASSES
from olmoearth_nb.data.simulate.library import SPLITS
from olmoearth_nb.data.simulate.tile import LEVELS
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.sample import Batch, Sample

LABELS: dict[str, tuple[tuple[str, ...], str]] = {
    "cover": (COVERS, ""),
    "crop": (CROPS, ""),
    "height": ((), "m"),
    "elevation": ((), "m"),
}
"""What is known of each pixel: names of its classes, and the unit of real values."""


class _Scenes:
    """Scenes of a simulated world, whatever is asked of them; those of one tile are a group."""

    of = "scenes"

    def __init__(self, world: World | str | os.PathLike[str]) -> None:
        self.world = world if isinstance(world, World) else _opened(Path(world))
        version, level = _about(self.world.folder)
        other = "" if (version, level) == (1, LEVELS[0]) else f" (version {version}, {level})"
        self.name = f"{self.of} of {self.world.folder.name}{other}"
        self.notes = (
            f"scenes are simulated, by version {version} of the world with Sentinel-2 of level {level}: scores say "
            "nothing about real data",
            "scenes of one tile are one group, and each tile is in one split",
        )

    def __len__(self) -> int:
        """How many scenes there are."""
        return len(self.world)

    @property
    def ids(self) -> list[str]:
        """(n,) tile and upper left pixel of each scene."""
        places = zip(self.world.tile.tolist(), self.world.corner.tolist(), strict=True)
        return [f"tile {tile}, row {row}, column {column}" for tile, (row, column) in places]

    @property
    def groups(self) -> np.ndarray:
        """(n,) tile of each scene."""
        return self.world.tile

    @property
    def split(self) -> np.ndarray:
        """(n,) "train", "valid" or "test"."""
        return np.array(SPLITS)[self.world.split]

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] = ("sentinel2_l2a",)) -> list[Sample]:
        """Some of the scenes as samples."""
        return self.world.samples(np.arange(len(self))[np.asarray(numbers)], modalities)

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...] = ("sentinel2_l2a",), /) -> Batch:
        """Some of the scenes as one normalised batch."""
        return Batch.from_samples(self.samples(numbers, modalities))


class WorldSet(_Scenes):
    """Scenes of a simulated world and the class of each, as a `LabelledSet`.

    Args:
        world: the world, or the folder that `simulate` made.

    Raises:
        FileNotFoundError: if the folder holds no finished world.
        ValueError: if its list of scenes or what it says of itself is damaged.
    """

    unit = ""
    classes = tuple(SCENE_CLASSES)

    @property
    def answers(self) -> np.ndarray:
        """(n,) index of each scene's class."""
        return self.world.kind


class WorldPixels(_Scenes):
    """Scenes of a simulated world and an answer for each pixel, as `LabelledPixels`.

    Args:
        world: the world, or the folder that `simulate` made.
        label: "cover" or "crop", or "height" of what grows and "elevation" in metres.

    Raises:
        FileNotFoundError: if the folder holds no finished world.
        ValueError: for another label, or a damaged world.
    """

    def __init__(self, world: World | str | os.PathLike[str], label: str = "cover") -> None:
        if label not in LABELS:
            raise ValueError(f"pixels of a simulated world have the labels {', '.join(LABELS)}, got {label!r:.50}")
        self.of = f"{label} of scenes"
        super().__init__(world)
        self.classes, self.unit = LABELS[label]
        self.label = label

    @cached_property
    def answers(self) -> np.ndarray:
        """(n, H, W) classes, -1 where there is none, or metres."""
        return self.world.answers(self.label, np.arange(len(self)), 1)


def _about(folder: Path) -> tuple[int, str]:
    """Version of a world, and the level of its Sentinel-2."""
    path = folder / "world.json"
    parameters = read_json(path).get("parameters")
    if not isinstance(parameters, dict) or type(parameters.get("version")) is not int:
        raise ValueError(f"{path} does not say which version of the world it is")
    level = parameters.get("level", LEVELS[0])
    if level not in LEVELS:
        raise ValueError(f"{path}: Sentinel-2 has the levels {', '.join(LEVELS)}, got {level!r:.50}")
    return parameters["version"], level


def _opened(folder: Path) -> World:
    """The world in a folder."""
    try:
        return World(folder)
    except (KeyError, IndexError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{folder / 'scenes.csv'} is not the list of scenes of a world ({error!r})") from error
