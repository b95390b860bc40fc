"""What an encoder tells of a study's tasks: those of its simulated world, and its labelled sets.

Of every task the right answers are kept for each test tile of a world, or for each group of a set: that is what
intervals resample. A set that is answered in folds has a row for each time that the folds were drawn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.ablation.opened import baselines_of, check_sets, opened, title
from olmoearth_nb.ablation.scores import DATED
from olmoearth_nb.ablation.sets import ScoredSet
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.data.simulate.world import World, open_world
from olmoearth_nb.evaluation.arms import MONTH, WITH_MONTH, Arm, default_patch_size, of_encoders
from olmoearth_nb.evaluation.evaluate import Evaluation, evaluate, right_by_group, rows_by_group
from olmoearth_nb.evaluation.folds import divide
from olmoearth_nb.evaluation.tasks import Features, Task, encoded, raw
from olmoearth_nb.model.encoder import Encoder

Scores = dict[str, dict[str, Any]]
"""Task -> right answers and rows of every tile, in the order of the tiles' numbers; of a set also its groups, a list of
right answers for each repeat, and other metrics, the mean over repeats."""

FLOORS = {"majority": "majority", "raw bands": None}
"""What is read without an encoder -> the probe that replaces a task's own. Of sets, raw bands are image statistics, and
the baselines of `DATED` are there where places have different months."""


def world_of(study: Study, folder: Path) -> World:
    """The study's scenes; a simulated world is made in the study's folder where it is not there yet."""
    if "folder" in study.data:
        return World(study.data["folder"])
    return open_world(**study.data, cache=folder / "world")


def scores(study: Study, folder: Path, encoder: Encoder, seed: int, split: str = "test") -> Scores:
    """What an encoder tells of all tasks of a study.

    Args:
        study: its tasks and sets.
        folder: of the study.
        encoder: any.
        seed: draws the training patches of a world.
        split: "test", or "valid" to choose by: validation tiles, and the sets that the study names for it.
    """
    found: Scores = {}
    with tempfile.TemporaryDirectory(dir=folder) as cache:  # tasks share embeddings
        if study.tasks:
            world = world_of(study, folder)
            found |= _of_world(study.tasks, world, lambda task: encoded(encoder, task, cache), seed, split)
        for spec in study.sets if split == "test" else study.choose:
            for names in spec.names:
                found |= _of_set(spec, names, encoder, Path(cache), folder / "predictions")
    return found


def floors(study: Study, folder: Path) -> dict[str, Any]:
    """What the same probes make of no model: the commonest answer, and the bands in place of embeddings.

    Raises:
        ValueError: if a set cannot be scored as the study says (see `opened.check_sets`).
    """
    rows: list[dict[str, Any]] = []
    notes: dict[str, list[str]] = {}
    chosen_by = check_sets(study)
    world = world_of(study, folder) if study.tasks else None
    of_sets = [_floors_of_set(spec, names, folder / "predictions") for spec in study.sets for names in spec.names]
    for _, about in of_sets:
        notes |= {name: [*own, *chosen_by[name]] for name, own in about.items()}
    means: dict[Any, np.ndarray] = {}
    for name in (*FLOORS, *DATED):
        for seed in study.seeds:
            found: Scores = {}
            if world is not None and name in FLOORS:
                found |= _of_world(study.tasks, world, lambda task: raw(task, means), seed, "test", FLOORS[name])
            for one, _ in of_sets:
                found |= one.get(name, {})
            if found:
                rows.append({"arm": name, "seed": seed, "scores": found})
    return {"floors": rows, "notes": notes}


def mean_score(found: Scores) -> float:
    """The mean over tasks of accuracy, or of R2 where answers are real values."""
    return float(np.mean([np.atleast_2d(one["right"]).mean(0).sum() / np.sum(one["rows"]) for one in found.values()]))


def _of_world(
    tasks: Sequence[Task],
    world: World,
    features: Callable[[Task], Features],
    seed: int,
    split: str,
    probe: str | None = None,
) -> Scores:
    """Right answers to tasks of a world, by their own probes or another one."""
    found: Scores = {task.name: {} for task in tasks}
    for task in sorted(tasks, key=lambda task: task.readout == "scene"):  # last: the pass of patches leaves scenes
        read = replace(task, probe=probe or task.probe)
        right, rows = read.right(world, features(read), seed, split)
        found[task.name] = {"right": _plain(right), "rows": _plain(rows)}
    return found


def _plain(right: np.ndarray) -> list[float]:
    """Whole numbers as such; of real values there are none."""
    return [int(one) if one.is_integer() else one for one in right.astype(float).tolist()]


def _evaluated(spec: ScoredSet, labelled: LabelledSet, arms: Sequence[Arm], kept: Path) -> Evaluation:
    """The arms on a set, divided as the study says; one draw, since intervals are made from right answers."""
    folds, neighbours = divide(labelled, spec.folds, spec.repeats, spec.knn_in_folds, spec.ignore_split)
    return evaluate(arms, labelled, folds, neighbours, spec.probes, draws=1, cache=kept)


def _of_set(spec: ScoredSet, names: str, encoder: Encoder, cache: Path, kept: Path) -> Scores:
    """What an encoder tells of a set; places of which the baselines see nothing are left out for all alike."""
    labelled = opened(spec, names)
    patch_size = spec.patch_size or default_patch_size(labelled, spec.modalities)
    arm = of_encoders("embedding", [encoder], labelled, spec.modalities, patch_size, cache)
    return _scored(spec, names, _evaluated(spec, labelled, [arm, *baselines_of(spec, names)], kept), arm.name)


def _floors_of_set(spec: ScoredSet, names: str, kept: Path) -> tuple[dict[str, Scores], dict[str, list[str]]]:
    """What the baselines tell of a set, and notes on it by its name."""
    found = _evaluated(spec, opened(spec, names), baselines_of(spec, names), kept)
    there = {arm.name for arm in found.arms}
    same = {"majority": found.arms[-1].name, "raw bands": found.arms[0].name}  # of real values their mean
    same |= {name: arm for name, arm in zip(DATED, (WITH_MONTH, MONTH), strict=True) if arm in there}
    by_name = {name: _scored(spec, names, found, arm) for name, arm in same.items()}
    sizes = f"{len(found.answers)} places are tested, in {len(np.unique(found.groups))} groups"
    ways = "; ".join(f"{probe}: {way}" for probe, way in found.probes.items())
    return by_name, {title(spec, names): [f"{sizes}. {ways}.", *found.notes]}


def _scored(spec: ScoredSet, names: str, found: Evaluation, arm: str) -> Scores:
    """Right answers of an arm by group and repeat, and its other metrics."""
    name = title(spec, names)
    groups, rows = np.unique(found.groups), rows_by_group(found)
    return {
        f"{name}, {probe}": {
            "right": [_plain(repeat) for repeat in _right(found, arm, probe)],
            "rows": _plain(rows),
            "groups": groups.tolist(),
            "metrics": {name: float(found.scores[arm, probe, name].value.mean()) for name in found.metrics},
        }
        for probe in found.probes
    }


def _right(found: Evaluation, arm: str, probe: str) -> np.ndarray:
    """(repeats, groups) right answers, as many repeats as others have: the commonest answer is one of folds."""
    right = right_by_group(found, arm, probe)[0]
    _, repeats, *_ = found.predicted[found.arms[0].name, probe].shape
    return right if len(right) == repeats else right.mean(0, keepdims=True)
