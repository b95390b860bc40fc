"""Compares two models on labelled places: all that the report shows, in one object."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from olmoearth_nb.comparison.advice import MARGIN, Advice, advise
from olmoearth_nb.comparison.agreement import Agreement, agreement
from olmoearth_nb.comparison.classes import ClassDifference, class_differences
from olmoearth_nb.comparison.cost import Costs, measure
from olmoearth_nb.comparison.heads import Heads, exchange
from olmoearth_nb.comparison.splits import SplitDifference, as_if_random, has_neighbours, spatial, split_differences
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.arms import BATCH, STATISTICS, Arm, baselines, default_patch_size, of_encoders
from olmoearth_nb.evaluation.contenders import Contender
from olmoearth_nb.evaluation.evaluate import NEIGHBOURS, Evaluation, evaluate
from olmoearth_nb.evaluation.folds import Folds
from olmoearth_nb.evaluation.summary import Difference, differences

DIFFER = "Do models differ?"
"""The question of `evaluation.summary` that advice rests on."""

NAMES = "content"
"""How bands are named: by what they hold."""

Progress = Callable[[str, int, bool], AbstractContextManager[Callable[[], object]]]
"""(what, steps, silent) -> a bar and what moves it on."""


@dataclass(frozen=True)
class Way:
    """How two models are compared.

    Attributes:
        modalities: sensors that the encoders see.
        patch_size: P; 0 for the default of the set.
        probes: names; by default kNN-5 and linear for classes, ridge for real values.
        folds: how many.
        repeats: how often they are drawn.
        ignore_split: whether folds are drawn even where a published split divides no group.
        margin: see `advice.MARGIN`.

    Raises:
        ValueError: for a margin that is not above 0.
    """

    modalities: tuple[str, ...] = ("sentinel2_l2a",)
    patch_size: int = 0
    probes: tuple[str, ...] = ()
    folds: int = 5
    repeats: int = 5
    ignore_split: bool = False
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if not self.margin > 0:
            raise ValueError(f"a margin is a loss above 0 that may be ignored, got margin={self.margin:g}")


@dataclass(frozen=True, eq=False)
class Compared:
    """Two models on the same places.

    Attributes:
        current: name of the model that is in use.
        candidate: name of the one that might take its place.
        probe: the one that advice, classes and agreement rest on.
        evaluation: scores of both, of random twins and of baselines, no group divided.
        differences: of models, and to what is read without them.
        splits: what scores gain by a random split; none where no places belong together.
        classes: gains and regressions of each class, by each probe.
        agreement: of both on each place.
        heads: what becomes of a head when its encoder is exchanged.
        costs: of both.
        advice: should you switch?
        patch_size: P.
        notes: of the division.
    """

    current: str
    candidate: str
    probe: str
    evaluation: Evaluation
    differences: tuple[Difference, ...]
    splits: tuple[SplitDifference, ...]
    classes: tuple[ClassDifference, ...]
    agreement: Agreement
    heads: Heads
    costs: Costs
    advice: Advice
    patch_size: int
    notes: tuple[str, ...]

    @property
    def gain(self) -> Difference:
        """Score of the candidate minus that of the current model, by the probe that advice rests on."""
        return next(one for one in self.differences if (one.question, one.probe) == (DIFFER, self.probe))

    @property
    def deciding(self) -> list[ClassDifference]:
        """The classes by the probe that advice rests on."""
        return [one for one in self.classes if one.probe == self.probe]

    @property
    def unneeded(self) -> bool:
        """Whether neither model is seen to be above image statistics."""
        above = [
            one
            for one in self.differences
            if one.what.endswith(f" - {STATISTICS}") and one.probe == self.probe and one.finding == "larger"
        ]
        return not above


@contextmanager
def _silent(what: str, steps: int, silent: bool = False) -> Iterator[Callable[[], object]]:
    """No bar."""
    yield lambda: None


def compare(
    contenders: Sequence[Contender],
    labelled: LabelledSet,
    way: Way | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = _silent,
) -> Compared:
    """Compares the first two models on labelled places, the second as a candidate for the place of the first.

    Args:
        contenders: the two models, then their random twins, as `open_contenders` gives them.
        labelled: the set.
        way: how.
        cache: folder in which embeddings and predictions are kept, so that an interrupted comparison goes on.
        progress: makes a bar.

    Raises:
        ValueError: for fewer than two models, one class alone, fewer groups than folds, or probes that do not fit.
    """
    way, cache = way or Way(), Path(cache) if cache else None
    models = [one for one in contenders if one.kind == "model"]
    if len(models) != 2:
        raise ValueError(f"two models are compared, got {', '.join(one.name for one in models) or 'none'}")
    require_answers(labelled)
    probes = way.probes or (("kNN-5", "linear") if labelled.classes else ("ridge",))
    patch_size = way.patch_size or default_patch_size(labelled, way.modalities)
    folds, neighbours, notes = spatial(labelled, way.folds, way.repeats, way.ignore_split)
    twins = [one for one in contenders if one.kind != "model"]
    arms = _arms([*models, *twins], labelled, way.modalities, patch_size, cache, progress)
    current, candidate = (one.name for one in models)
    evaluation = _scored(arms, labelled, (folds, neighbours), probes, cache, progress, "probes")
    splits: list[SplitDifference] = []
    if has_neighbours(labelled):
        random = (as_if_random(labelled, folds, way.folds), as_if_random(labelled, neighbours, way.folds))
        between = _scored(arms[:2], labelled, random, probes, cache, progress, "probes, random split")
        splits = split_differences(evaluation, between)
    probe = next((one for one in probes if one not in NEIGHBOURS), probes[0])
    classes = [one for name in probes for one in class_differences(evaluation, current, candidate, name)]
    found = differences({NAMES: evaluation}, current)
    gain = next(one for one in found if (one.question, one.probe) == (DIFFER, probe))
    costs = measure(models[0].encoders[0], models[1].encoders[0], labelled, way.modalities, patch_size)
    mine = [one for one in classes if one.probe == probe]
    embeddings = (arms[0].features[0], arms[1].features[0])
    tested = np.flatnonzero(folds.tested & np.isfinite(embeddings[0]).all(1))
    return Compared(
        current,
        candidate,
        probe,
        evaluation,
        tuple(found),
        tuple(splits),
        tuple(classes),
        agreement(evaluation, labelled, tested, way.modalities, probe, current, candidate),
        exchange(*embeddings, np.asarray(labelled.answers), len(labelled.classes), folds),
        costs,
        advise(gain, mine, costs, len(np.unique(evaluation.groups)), evaluation.metrics[0], way.margin),
        patch_size,
        tuple(notes),
    )


def _scored(
    arms: Sequence[Arm],
    labelled: LabelledSet,
    divided: tuple[Folds, Folds],
    probes: Sequence[str],
    cache: Path | None,
    progress: Progress,
    what: str,
) -> Evaluation:
    """Scores of arms, with a bar."""
    with progress(what, len(arms) * len(probes), False) as done:
        kept = cache / "predictions" if cache else None
        return evaluate(arms, labelled, *divided, probes, cache=kept, done=done)


def require_answers(labelled: LabelledSet) -> None:
    """Raises a ValueError unless a set has answers that differ."""
    if len(labelled) < 2:
        raise ValueError(f"{labelled.name} has {len(labelled)} labelled places; at least two of two classes are needed")
    values = np.unique(np.asarray(labelled.answers))
    if len(values) < 2:
        only = labelled.classes[int(values[0])] if labelled.classes else f"{values[0]:g}"
        raise ValueError(
            f"all {len(labelled)} places of {labelled.name} have one answer, {only}: there is nothing to tell apart"
        )


def _arms(
    contenders: Sequence[Contender],
    labelled: LabelledSet,
    modalities: tuple[str, ...],
    patch_size: int,
    cache: Path | None,
    progress: Progress,
) -> list[Arm]:
    """Features of all contenders and baselines, NaN in all of them where one of them has none."""
    arms, silent = list[Arm](), len(labelled) >= 20 * BATCH  # then each encoder has a bar of its own
    kept = cache / "embeddings" if cache else None
    with progress("embeddings", sum(len(one.encoders) for one in contenders), silent) as done:
        for name, encoders, kind, of in contenders:
            arms.append(of_encoders(name, encoders, labelled, modalities, patch_size, kept, kind, of, done))
    arms += baselines(labelled, modalities)
    whole = np.all([np.isfinite(x).all(1) for arm in arms for x in arm.features], axis=0)
    if not whole.any():
        raise ValueError(f"no place of {labelled.name} was observed by all bands")
    gone = np.where(whole, 0, np.nan)[:, None]
    return [replace(arm, features=tuple(x + gone.astype(x.dtype) for x in arm.features)) for arm in arms]
