"""Fits in all rounds of a division, seed by seed: what each tested place is told by a fit that never saw it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from olmoearth_nb.data.sets import Labelled, LabelledSet
from olmoearth_nb.errors import warn
from olmoearth_nb.evaluation.folds import Folds, Round, published, stratified
from olmoearth_nb.evaluation.intervals import Resampled
from olmoearth_nb.finetune.draws import nested
from olmoearth_nb.finetune.fitted import fit
from olmoearth_nb.finetune.places import Places, pieces
from olmoearth_nb.finetune.scores import resampled
from olmoearth_nb.finetune.target import Target
from olmoearth_nb.finetune.ways import Settings
from olmoearth_nb.io.durable import read_array, write_array
from olmoearth_nb.model.encoder import Encoder

TOLD = "told.npy"


@dataclass(frozen=True, eq=False)
class Rounds:
    """What came of the fits of one way.

    Attributes:
        settings: of the first seed.
        predicted: of each seed, as `Target.predicted` gives it, of the tested places.
        tested: (n,) their numbers.
        labels: labelled places of a fit, those that choose the best epoch among them; the mean over fits.
        seconds: of a fit, likewise.
        learnt: numbers that a fit learns.
        scores: metric -> score with its bootstrap samples.
    """

    settings: Settings
    predicted: list[np.ndarray]
    tested: np.ndarray
    labels: float
    seconds: float
    learnt: int
    scores: dict[str, Resampled]


def strata(labelled: Labelled) -> np.ndarray:
    """(n,) one answer of each place, by which places are divided and drawn.

    Of pixels it is the commonest class, or the mean value; where several classes may hold, the rarest that does.
    """
    target, answers = Target.of(labelled), np.asarray(labelled.answers)
    if answers.ndim == 1:
        return answers
    if target.kind == "values":
        return np.array([place[target.known(place)].mean() if target.known(place).any() else 0.0 for place in answers])
    if target.kind == "truths":
        rare = np.argsort((answers == 1).sum(0), kind="stable")
        return np.where((answers == 1).any(1), rare[(answers[:, rare] == 1).argmax(1)], len(rare))
    counts = [np.bincount(place[place >= 0], minlength=len(target.classes)) for place in answers]
    return np.stack(counts).argmax(1)


class _Dividing:
    """A labelled set with one answer of each place, for what divides places."""

    def __init__(self, labelled: Labelled) -> None:
        self.name, self.groups, self.split, self.classes = (
            labelled.name,
            labelled.groups,
            labelled.split,
            labelled.classes,
        )
        self.answers = strata(labelled)


def divide(labelled: Labelled, count: int = 5, ignore_split: bool = False) -> Folds:
    """The published split of a set, or folds that divide no group.

    Args:
        labelled: places or pixels.
        count: folds, where there is no published split.
        ignore_split: whether to draw folds in any case.

    Raises:
        ValueError: for too few groups or places, see `evaluation.folds`.
    """
    dividing = cast(LabelledSet, _Dividing(labelled))
    split = None if ignore_split else published(dividing)
    return stratified(dividing, count, 1) if split is None else split


def chosen(labelled: Labelled, turn: Round, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The places that train in a round, and those by which the best epoch is chosen.

    Args:
        labelled: the set.
        turn: of a division.
        labels: how many places are labelled, both parts together; 0 for all. The draws of a seed are nested.
        seed: of the draw.

    Raises:
        ValueError: for more labels than there are places in the round, or none that trains.
    """
    every = np.union1d(turn.fit, turn.check)
    if labels > len(every):
        raise ValueError(f"{labels} labels are more than the {len(every)} places of {labelled.name} that may train")
    if labels:
        every = every[nested(strata(labelled)[every], seed)[:labels]]
    target, answers = Target.of(labelled), np.asarray(labelled.answers)
    every = every[target.known(answers[every]).reshape(len(every), -1).any(1)]
    train, valid = (every[np.isin(every, part)] for part in (turn.fit, turn.check))
    if not len(train):
        raise ValueError(f"none of the {len(every)} labelled places of {labelled.name} trains; give more labels")
    _warn_of_absent(labelled, target, answers[train])
    return train, valid


def _warn_of_absent(labelled: Labelled, target: Target, answers: np.ndarray) -> None:
    """Warns of classes that nothing that trains has: they will never be told."""
    if target.kind == "values":
        return
    if target.kind == "truths":
        there = (answers == 1).any(0)
    else:
        there = np.bincount(answers[target.known(answers)], minlength=len(target.classes)) > 0
    absent = [target.classes[number] for number in np.flatnonzero(~there)]
    if absent:
        warn(f"no place of {labelled.name} that trains is labelled {', '.join(absent)}: it is never told in some round")


def fit_rounds(
    encoder: Encoder,
    places: Places,
    folds: Folds,
    settings: list[Settings],
    out: Path,
    source: str,
    labels: int = 0,
    fabric: Any = None,
    quiet: bool = True,
) -> Rounds:
    """Fits an encoder in each round of a division with each seed, from wherever the folder stands.

    Args:
        encoder: to be fitted; it stays as it is.
        places: of a labelled set.
        folds: of `divide`.
        settings: of each seed.
        out: folder, in which each fit has one: `seed-0/fold-0` and so on.
        source: see `fitted.fit`.
        labels: see `chosen`.
        fabric: see `Engine`.
        quiet: see `Engine`.

    Raises:
        ValueError: if all tested places are one group, before anything is fitted; see `chosen` and `fitted.fit`.
    """
    labelled, tested = places.labelled, np.flatnonzero(folds.tested)
    if len(np.unique(np.asarray(labelled.groups)[tested])) < 2:
        raise ValueError(
            f"all places of {labelled.name} that are tested are one group, and intervals need two; give more places, "
            "or say ignore_split=True where there is a published split"
        )
    target, predicted, counts, seconds, learnt = Target.of(labelled), [], [], [], 0
    for one in settings:
        told = None
        for number, turn in enumerate(folds.rounds(0)):
            train, valid = chosen(labelled, turn, labels, one.seed)
            folder = out / f"seed-{one.seed}" / f"fold-{number}"
            fitted = fit(encoder, places, train, valid, one, folder, source, fabric, quiet)
            kept = read_array(folder / TOLD) if (folder / TOLD).is_file() else None
            if kept is None:
                kept = np.concatenate([fitted.predict(places.batch(part)) for part in pieces(turn.test, one.batch)])
                write_array(folder / TOLD, kept)
            if told is None:
                told = np.full((len(labelled), *kept.shape[1:]), np.nan, np.float32)
            told[turn.test] = kept
            counts.append(len(train) + len(valid))
            seconds.append(fitted.about["seconds"])
            learnt = fitted.about["learnt"]
        assert told is not None
        predicted.append(told[tested])
    scores = resampled(target, predicted, places.answers[tested], np.asarray(labelled.groups)[tested])
    return Rounds(settings[0], predicted, tested, float(np.mean(counts)), float(np.mean(seconds)), learnt, scores)
