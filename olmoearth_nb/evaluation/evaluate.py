"""Models on a labelled set: what probes tell from their embeddings, with intervals over groups, seeds and folds."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.arms import Arm
from olmoearth_nb.evaluation.folds import CHOOSES, Folds
from olmoearth_nb.evaluation.intervals import Resampled, group_weights
from olmoearth_nb.evaluation.metrics import OF_CLASSES, OF_VALUES, Metric
from olmoearth_nb.evaluation.probes import Split, explained, fitted_logistic, knn_votes
from olmoearth_nb.evaluation.regression import fitted_ridge
from olmoearth_nb.io.durable import read_array, write_array

NEIGHBOURS: dict[str, tuple[int, float | None]] = {"kNN-5": (5, None), "kNN-20": (20, 0.07)}
"""k and temperature: equal votes as independent benchmarks have them, and the votes of the official evaluation."""

ROWS = ("data", "names", "model", "seed", "probe", "division", "repeat", "group", "right", "rows")
"""Columns of `scores.csv`; a seed is the place of an encoder among those of its row."""

FITTED: dict[str, Callable[[Split, Split], Any]] = {"linear": fitted_logistic, "ridge": fitted_ridge}
"""Probes that choose a strength."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was told from each arm of a set.

    Attributes:
        data: name of the set.
        notes: what a reader of the scores must know.
        answers: (n,) of the places that were tested.
        groups: (n,) their groups.
        classes: names; none for real values.
        unit: of real values.
        arms: in the order of tables.
        probes: probe -> how the places were divided for it.
        predicted: (arm, probe) -> (seeds, repeats, n, classes), or (seeds, repeats, n) real values.
        scores: (arm, probe, metric) -> score with its bootstrap samples.
    """

    data: str
    notes: tuple[str, ...]
    answers: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    unit: str
    arms: tuple[Arm, ...]
    probes: dict[str, str]
    predicted: dict[tuple[str, str], np.ndarray]
    scores: dict[tuple[str, str, str], Resampled]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names; the first is what models are compared by."""
        return tuple(OF_CLASSES if self.classes else OF_VALUES)


def default_probes(labelled: LabelledSet) -> tuple[str, ...]:
    """All probes that fit the answers of a set."""
    return (*NEIGHBOURS, "linear") if labelled.classes else ("ridge",)


def evaluate(
    arms: Sequence[Arm],
    labelled: LabelledSet,
    folds: Folds,
    neighbours: Folds | None = None,
    probes: Sequence[str] = (),
    draws: int = 1000,
    cache: str | os.PathLike[str] | None = None,
    done: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Scores of arms on a labelled set, all of the same places.

    Args:
        arms: features of encoders and baselines.
        labelled: the set.
        folds: how places are divided.
        neighbours: how they are divided for nearest neighbours, which nothing is fitted for; None for `folds`.
        probes: names; by default all that fit the answers.
        draws: bootstrap samples of the groups.
        cache: folder in which what probes tell is kept, by all that it depends on; None for none.
        done: called after each arm and probe.

    Raises:
        ValueError: for unknown probes, those that do not fit the answers, arms of other places, or no tested place
            that all arms can embed.
    """
    probes = tuple(probes) or default_probes(labelled)
    ways = _checked(arms, labelled, probes, folds, neighbours or folds)
    whole = np.all([np.isfinite(x).all(1) for arm in arms for x in arm.features] or [True], axis=0)
    keep = np.broadcast_to(whole, len(labelled))
    if not (keep & folds.tested).any():
        raise ValueError(f"{labelled.name} has no tested place that all arms can embed")
    answers = np.asarray(labelled.answers)[keep]
    ways = {probe: replace(way, number=way.number[:, keep]) for probe, way in ways.items()}
    only = replace(folds, number=folds.number[:, keep])
    tested = only.tested
    groups = np.asarray(labelled.groups)[keep][tested]
    weights, metrics = group_weights(groups, draws), OF_CLASSES if labelled.classes else OF_VALUES
    predicted, scores = {}, {}
    for arm in arms:
        for probe in probes:
            # left out of very many, the commonest class would be the one that the place is not of
            way = ways[probe] if arm.features else only
            told = _told(arm, keep, answers, len(labelled.classes), probe, way, cache)  # (seeds, repeats, n, ...)
            told = told[:, :, tested]  # (seeds, repeats, tested, classes), of real values without the last axis
            predicted[arm.name, probe] = told
            for metric, score in metrics.items():
                scores[arm.name, probe, metric] = resampled(told, answers[tested], weights, groups, score)
            done()
    lost = len(labelled) - int(keep.sum())
    notes = (
        *labelled.notes,
        *([f"{lost} places are left out, of which a band or all was never observed"] if lost else []),
    )
    named = {probe: way.name for probe, way in ways.items()}
    about = (labelled.name, notes, answers[tested], groups, labelled.classes, labelled.unit)
    return Evaluation(*about, tuple(arms), named, predicted, scores)


def _checked(
    arms: Sequence[Arm], labelled: LabelledSet, probes: Sequence[str], folds: Folds, neighbours: Folds
) -> dict[str, Folds]:
    """How places are divided for each probe."""
    fitting = default_probes(labelled)
    if wrong := [probe for probe in probes if probe not in fitting]:
        what = "classes" if labelled.classes else "real values"
        raise ValueError(
            f"the answers of {labelled.name} are {what}, no probe for them is {', '.join(wrong)}; say "
            f"probes={','.join(fitting)!r}, or some of them"
        )
    if len({arm.name for arm in arms}) < len(arms) or not arms:
        raise ValueError(f"arms need names of their own, got {[arm.name for arm in arms]}")
    for arm in arms:
        if bad := [x.shape for x in arm.features if len(x) != len(labelled)]:
            raise ValueError(f"{labelled.name} has {len(labelled)} places, the features of {arm.name} are {bad[0]}")
    if (folds.tested != neighbours.tested).any():
        raise ValueError(f"{folds.name} and {neighbours.name} must test the same places")
    return {probe: neighbours if probe in NEIGHBOURS else folds for probe in probes}


def _told(
    arm: Arm,
    keep: np.ndarray,
    answers: np.ndarray,
    classes: int,
    probe: str,
    folds: Folds,
    cache: str | os.PathLike[str] | None,
) -> np.ndarray:
    """(seeds, repeats, n, classes) what a probe tells from an arm; without classes (seeds, repeats, n)."""
    repeats = range(len(folds.number))
    if not arm.features:
        return np.stack([[_commonest(answers, classes, folds, repeat) for repeat in repeats]])
    tell, told = _neighbours if probe in NEIGHBOURS else _fitted, []
    for x in (features[keep] for features in arm.features):  # (n, D) of a seed
        # a ridge regression solves its equations in the numbers that it is given, and embeddings are float32
        x = x.astype(np.float64) if probe == "ridge" else x
        path = Path(cache) / f"{_key(probe, classes, x, answers, folds.number)}.npy" if cache else None
        kept = read_array(path) if path is not None and path.is_file() else None
        if kept is None:
            # (repeats, n, classes) or (repeats, n)
            kept = np.stack([tell(x, answers, classes, probe, folds, repeat) for repeat in repeats])
            if path is not None:
                write_array(path, kept)
        told.append(kept)
    return np.stack(told)


def _key(probe: str, classes: int, *arrays: np.ndarray) -> str:
    """Checksum of all that a probe's predictions depend on."""
    digest = hashlib.sha256(repr((probe, classes, [(x.shape, x.dtype.str) for x in arrays])).encode())
    for x in arrays:
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()[:32]


def _empty(answers: np.ndarray, classes: int) -> np.ndarray:
    """Room for what is told: of classes a column for each, of real values one number."""
    return np.zeros(len(answers)) if answers.dtype.kind == "f" else np.zeros((len(answers), classes))


def _commonest(answers: np.ndarray, classes: int, folds: Folds, repeat: int) -> np.ndarray:
    """The fractions of the classes, or the mean, of the places that train."""
    told = _empty(answers, classes)
    for turn in folds.rounds(repeat):
        known = answers[turn.train]
        told[turn.test] = known.mean() if told.ndim == 1 else np.bincount(known, minlength=classes) / len(known)
    return told


def _neighbours(x: np.ndarray, answers: np.ndarray, classes: int, probe: str, folds: Folds, repeat: int) -> np.ndarray:
    """Votes of the nearest places that train; the places of one round do not vote for each other."""
    number, told = folds.number[repeat], _empty(answers, classes)
    votes, asked = number != CHOOSES, number >= 0
    k, temperature = NEIGHBOURS[probe]
    found = knn_votes(Split(x[votes], answers[votes], number[votes]), x[asked], k, temperature, number[asked])
    told[asked, : found.shape[1]] = found  # (asked, classes), but for last classes that no place of the bank has
    return told


def _fitted(x: np.ndarray, answers: np.ndarray, classes: int, probe: str, folds: Folds, repeat: int) -> np.ndarray:
    """Probabilities, or values, of a probe whose strength is chosen apart from what is tested."""
    told = _empty(answers, classes)
    for turn in folds.rounds(repeat):
        parts = (Split(x[rows], answers[rows], rows) for rows in (turn.fit, turn.check))
        model = FITTED[probe](*parts)
        if len(turn.train) > len(turn.fit):
            model = refitted(model, x[turn.train], answers[turn.train])
        if told.ndim == 1:
            told[turn.test] = model.predict(x[turn.test])
        else:
            told[turn.test[:, None], model.classes_] = model.predict_proba(x[turn.test])
    return told


def refitted(chosen: Any, x: np.ndarray, answers: np.ndarray) -> Any:
    """A probe of the strength that was chosen, fitted anew.

    Args:
        chosen: of one of `FITTED`.
        x: (n, D) features of all places that train.
        answers: (n,) of the places.
    """
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # as while the strength was chosen
        return clone(chosen).fit(x, answers)


def resampled(
    told: np.ndarray, answers: np.ndarray, weights: np.ndarray, groups: np.ndarray, metric: Metric
) -> Resampled:
    """The score of each seed and repeat in each bootstrap sample.

    Args:
        told: (seeds, repeats, n, classes), or (seeds, repeats, n) real values.
        answers: (n,) of the places.
        weights: (1 + draws, n) of `group_weights`.
        groups: (n,) of the places.
        metric: what is scored.
    """
    # (seeds, repeats, 1 + draws): the score as it is comes first
    found = np.stack([[metric(repeat, answers, weights) for repeat in seed] for seed in told])
    return Resampled(found[..., 0], found[..., 1:], len(np.unique(groups)))


def score_rows(names: str, evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Rows of `scores.csv`, whose columns are `ROWS`: right answers of each model, seed, probe, repeat and group.

    Of real values, `right` and `rows` are what `probes.explained` counts: sum(right) / sum(rows) is R2.

    Args:
        names: how its bands were named.
        evaluation: of a set.
    """
    known, rows = np.unique(evaluation.groups), rows_by_group(evaluation)
    for arm, probe in evaluation.predicted:
        about = (evaluation.data, names, arm)
        for seed, repeats in enumerate(right_by_group(evaluation, arm, probe)):
            for repeat, right in enumerate(repeats):
                for group, good, count in zip(known.tolist(), right.tolist(), rows.tolist(), strict=True):
                    one = (*about, seed, probe, evaluation.probes[probe], repeat, group, f"{good:.6g}", round(count, 6))
                    yield dict(zip(ROWS, one, strict=True))


def right_by_group(evaluation: Evaluation, arm: str, probe: str) -> np.ndarray:
    """Right answers of an arm by a probe; of real values what `probes.explained` counts.

    Args:
        evaluation: of a set.
        arm: name.
        probe: name.

    Returns:
        (seeds, repeats, groups), groups in the order of their numbers.
    """
    _, number = np.unique(evaluation.groups, return_inverse=True)
    told, answers = evaluation.predicted[arm, probe], evaluation.answers
    return np.array([[np.bincount(number, _right(repeat, answers)) for repeat in repeats] for repeats in told])


def rows_by_group(evaluation: Evaluation) -> np.ndarray:
    """(groups,) how many answers each group has; of real values what `probes.explained` counts."""
    _, number = np.unique(evaluation.groups, return_inverse=True)
    answers = evaluation.answers
    return np.bincount(number, None if evaluation.classes else explained(answers, answers)[1])


def _right(told: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """(n,) 1 for a right answer of (n, classes); of (n,) real values what `probes.explained` counts as right."""
    if told.ndim == 2:
        return (told.argmax(1) == answers).astype(float)
    return explained(told, answers)[0]
