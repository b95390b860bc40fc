"""Tasks that embeddings are tested on: what is predicted, from which readout, by which probe.

A task gives, for one encoder and one seed of the drawn training patches, how many answers are right in every test tile.
Tiles are what intervals resample: the scenes of a tile share its weather.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.baselines import band_statistics, fill, patch_means, time_aware
from olmoearth_nb.evaluation.embed import READOUTS, embed
from olmoearth_nb.evaluation.network import network_probe
from olmoearth_nb.evaluation.probes import Split, by_scene, knn, linear_probe, majority
from olmoearth_nb.evaluation.regression import ridge_probe
from olmoearth_nb.model.encoder import Encoder

SENSORS = {"two sensors": ("sentinel2_l2a", "sentinel1"), "radar": ("sentinel1",)}
"""Modalities that a target is predicted from; Sentinel-2 alone where it is not named."""

PROBES: dict[str, Callable[[Split, Split, np.ndarray], np.ndarray]] = {
    "kNN": lambda train, valid, queries: knn(train, queries),
    "probe": linear_probe,
    "network": network_probe,  # from the same initial weights, whatever patches are drawn
    "ridge": ridge_probe,
    "majority": lambda train, valid, queries: majority(train, queries),
}

Features = Callable[[World, np.ndarray, tuple[str, ...]], np.ndarray]
"""(world, scenes, sensors) -> (scenes, patches, D); one patch a scene where a scene is read as a whole."""


@dataclass(frozen=True)
class Task:
    """What is predicted, and how.

    Attributes:
        target: one of the designed `TARGETS`, one of their traits or another label such as "cover", "scene" for the
            class of a scene, or a label of real values: "height" and "elevation".
        readout: one of `embed.READOUTS`.
        probe: "kNN", "probe" (linear), "network" (a small one), "majority", or "ridge" for real values.
        patch: edge of a patch in pixels.
        fraction: fraction of the patches that is drawn, for training and for the test.
        most: scenes of a split at most; 0 for all.
    """

    target: str
    readout: str = "patches"
    probe: str = "probe"
    patch: int = 4
    fraction: float = 0.2
    most: int = 0

    def __post_init__(self) -> None:
        if self.readout not in READOUTS or self.probe not in PROBES:
            raise ValueError(
                f"no readout {self.readout!r} or probe {self.probe!r}; there are {READOUTS} and {tuple(PROBES)}"
            )
        if (self.target == "scene") != (self.readout == "scene"):
            raise ValueError(f"the class of a scene goes with its mean, got {self.target!r} of {self.readout!r}")

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.target}, {self.readout}, {self.probe}"

    @property
    def sensors(self) -> tuple[str, ...]:
        """Modalities that are read."""
        return SENSORS.get(self.target, ("sentinel2_l2a",))

    def scenes(self, world: World, split: str) -> np.ndarray:
        """Numbers of the scenes of a split that the task uses, spread over its tiles."""
        found = world.of(split)
        if not self.most or len(found) <= self.most:
            return found
        return found[np.linspace(0, len(found) - 1, self.most).astype(int)]

    def right(self, world: World, features: Features, seed: int, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """Right answers and rows of every tile; of real values what `probes.by_scene` counts.

        Args:
            world: the scenes.
            features: of an encoder (`encoded`) or a baseline (`raw`).
            seed: of the drawn training patches; test patches are the same for all seeds, so that seeds and tiles
                are crossed.
            split: "test", or "valid" for choosing anything.

        Returns:
            Two (tiles,) arrays.
        """
        train, valid = (self._split(world, features, name, seed) for name in ("train", "valid"))
        queries = self._split(world, features, split, 0)
        answers = PROBES[self.probe](train, valid, queries.x)
        return by_scene(answers, queries)

    def _split(self, world: World, features: Features, split: str, seed: int) -> Split:
        """Drawn patches of a split that have an answer."""
        scenes = self.scenes(world, split)
        found = features(world, scenes, self.sensors)  # (n, patches, D)
        if self.target == "scene":
            return Split(found[:, 0], world.kind[scenes], world.tile[scenes])
        answers = world.answers(self.target, scenes, self.patch).reshape(len(scenes), -1)
        real = answers.dtype.kind == "f"
        # a fraction of the patches alone, since neighbours say nearly the same
        drawn = (real | (answers >= 0)) & (np.random.default_rng([seed, 7]).uniform(size=answers.shape) < self.fraction)
        return Split(
            found[drawn], answers[drawn].astype(float if real else int), np.repeat(world.tile[scenes], drawn.sum(1))
        )


def encoded(encoder: Encoder, task: Task, cache: str | os.PathLike[str] | None = None) -> Features:
    """Embeddings of an encoder as a task reads them."""

    def features(world: World, scenes: np.ndarray, sensors: tuple[str, ...]) -> np.ndarray:
        found = embed(encoder, world, scenes, task.patch, task.readout, sensors, cache=cache)
        return found[:, None] if task.readout == "scene" else found

    return features


def raw(task: Task, kept: dict[Any, np.ndarray] | None = None) -> Features:
    """The baseline of the same readout: means of the bands instead of embeddings.

    Args:
        task: how places are read.
        kept: of one world, where means are looked up and put, so that tasks on the same scenes read its files once.
    """
    kept = {} if kept is None else kept

    def features(world: World, scenes: np.ndarray, sensors: tuple[str, ...]) -> np.ndarray:
        key = (scenes.tobytes(), sensors, task.patch)
        if key not in kept:
            samples = world.samples(scenes, sensors)
            kept[key] = np.stack([patch_means(sample, task.patch, sensors) for sample in samples])
        means = kept[key]  # (n, patches, T, bands)
        n, patches = means.shape[:2]
        flat = means.reshape(n * patches, *means.shape[2:])
        if task.readout == "scene":
            return band_statistics(means.transpose(0, 2, 1, 3).reshape(n, -1, means.shape[-1]))[:, None]
        found = time_aware(flat) if task.readout == "patches by date" else fill(flat).mean(1)
        return found.reshape(n, patches, -1)

    return features
