"""A scene as two models see it: heads that were fitted to labelled places of it tell the class of every square."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olmoearth_nb.comparison.agreement import latlon_of
from olmoearth_nb.comparison.compare import Compared
from olmoearth_nb.evaluation.arms import BATCH
from olmoearth_nb.evaluation.contenders import Contender
from olmoearth_nb.evaluation.embed import embed
from olmoearth_nb.evaluation.evaluate import FITTED, refitted
from olmoearth_nb.evaluation.folds import CHOSEN_ON
from olmoearth_nb.evaluation.probes import Split
from olmoearth_nb.points.labelled import PlaceSet

COLUMNS = ("lat", "lon", "current", "candidate")
"""Of `map.csv`."""

MOST = 10_000
"""Squares of a map: of a larger scene, a part with the labels in its middle."""


@dataclass(frozen=True, eq=False)
class SceneMap:
    """What two models tell of the squares of a scene.

    Attributes:
        current: (rows, columns) class by the current model, -1 where nothing was observed.
        candidate: the same by the candidate.
        classes: names.
        latlon: (rows columns, 2) degrees of the middles.
    """

    current: np.ndarray
    candidate: np.ndarray
    classes: tuple[str, ...]
    latlon: np.ndarray

    @property
    def agree(self) -> float:
        """Fraction of the observed squares of which both tell the same."""
        seen = (self.current >= 0) & (self.candidate >= 0)
        return float((self.current == self.candidate)[seen].mean())

    def rows(self) -> Iterator[dict[str, object]]:
        """Rows of `map.csv`: the observed squares."""
        pairs = zip(self.current.ravel().tolist(), self.candidate.ravel().tolist(), self.latlon.tolist(), strict=True)
        for one, other, (lat, lon) in pairs:
            if one >= 0 and other >= 0:
                where = (f"{lat:.6f}", f"{lon:.6f}", self.classes[one], self.classes[other])
                yield dict(zip(COLUMNS, where, strict=True))


def scene_map(
    compared: Compared,
    contenders: Sequence[Contender],
    places: PlaceSet,
    modalities: tuple[str, ...],
    cache: str | os.PathLike[str] | None = None,
    most: int = MOST,
) -> SceneMap:
    """What linear heads of both models, fitted to all labelled places, tell of the squares of their scene.

    Args:
        compared: both models on these places, whose answers are classes.
        contenders: the models that were compared.
        places: the labelled places.
        modalities: sensors that the encoders see.
        cache: folder in which embeddings are kept.
        most: squares at most.
    """
    grid, shape = places.grid(most)
    arms, found = {arm.name: arm.features[0] for arm in compared.evaluation.arms[:2]}, []
    kept = Path(cache) / "embeddings" if cache else None
    for name in (compared.current, compared.candidate):
        encoder = next(one.encoders[0] for one in contenders if one.name == name)
        seen = embed(encoder, grid, None, compared.patch_size, "scene", modalities, BATCH, kept)
        found.append(_told(arms[name], places, seen).reshape(shape))
    return SceneMap(found[0], found[1], places.classes, latlon_of(grid, np.arange(len(grid)), modalities))


def _told(labelled: np.ndarray, places: PlaceSet, asked: np.ndarray) -> np.ndarray:
    """(m,) class of each square by a linear head, -1 where it has none; strength chosen on a fifth of the groups."""
    _, group = np.unique(places.groups, return_inverse=True)
    whole = np.isfinite(labelled).all(1)
    check = whole & (group % CHOSEN_ON == 0)
    fit = whole & ~check
    answers = np.asarray(places.answers)
    head = FITTED["linear"](*(Split(labelled[rows], answers[rows], group[rows]) for rows in (fit, check)))
    head = refitted(head, labelled[whole], answers[whole])
    told = np.full(len(asked), -1)
    there = np.isfinite(asked).all(1)
    told[there] = head.predict(asked[there])
    return told
