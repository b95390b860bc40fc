"""The labelled sets of a study, opened once a process, and what a study cannot ask of them."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from olmoearth_nb.ablation.sets import ScoredSet
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.data.labelled.common import in_common
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.labelled.part import Part, PartSet
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.errors import counted
from olmoearth_nb.evaluation.arms import Arm, baselines

_SHOWN = 3
"""Places that an error names."""


@lru_cache(maxsize=8)
def _opened_once(path: str, names: str, part: str, options: str) -> LabelledSet:
    """A set or a part of it, which all models of this process are scored on; options as JSON."""
    if part:
        return PartSet(_opened_once(path, names, "", options), Part.parse(part))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what a loader warns of is in the notes of the set
        return open_set(path, names=cast(Any, names), **json.loads(options))


def opened(spec: ScoredSet, names: str) -> LabelledSet:
    """The set, its bands named in one way."""
    return _opened_once(spec.path, names, spec.part, json.dumps(spec.options))


@lru_cache(maxsize=8)
def _baselines_once(path: str, names: str, part: str, options: str, modalities: tuple[str, ...]) -> list[Arm]:
    """What is read of a set without an encoder, the same for all models of this process."""
    return baselines(_opened_once(path, names, part, options), modalities)


def baselines_of(spec: ScoredSet, names: str) -> list[Arm]:
    """Image statistics, band means and the commonest answer of a set, its bands named in one way."""
    return _baselines_once(spec.path, names, spec.part, json.dumps(spec.options), spec.modalities)


def title(spec: ScoredSet, names: str) -> str:
    """A set's name in tables; its own says when bands are not named by content."""
    if not spec.name:
        return opened(spec, names).name
    return spec.name if names == "content" else f"{spec.name} ({names} names)"


def check_sets(study: Study) -> dict[str, list[str]]:
    """Opens all sets of a study, so that a mistake shows before anything is trained.

    Returns:
        The name of each tested set, and how it is known that rates are not chosen by its places, one sentence for each
        set that they are chosen by.

    Raises:
        ValueError: if two sets have one name, folds are asked for and the set's published split is taken, or rates are
            chosen by places that are tested.
    """
    for specs in (study.sets, study.choose):
        _check_names(specs)
        for spec in specs:
            _check_division(spec)
    apart = [[_apart(chosen, spec) for chosen in study.choose] for spec in study.sets]
    return {title(spec, names): own for spec, own in zip(study.sets, apart, strict=True) for names in spec.names}


def _check_names(specs: Sequence[ScoredSet]) -> None:
    """Scores are kept by the names of sets."""
    count = Counter(title(spec, names) for spec in specs for names in spec.names)
    if twice := sorted(name for name, times in count.items() if times > 1):
        raise ValueError(f"two sets are called {', '.join(twice)}; give one of them a name: in the study")


def _check_division(spec: ScoredSet) -> None:
    """Nothing is said of folds that are not drawn."""
    default = ScoredSet(spec.path)
    keys = [key for key in ("folds", "repeats", "knn_in_folds") if getattr(spec, key) != getattr(default, key)]
    labelled = opened(spec, spec.names[0])
    if keys and labelled.split is not None and not spec.ignore_split:
        raise ValueError(
            f"{labelled.name} has a published split, which is taken, so that {', '.join(keys)} would do nothing; leave "
            "out what the study says of folds, or say ignore_split: true"
        )


def _apart(chosen: ScoredSet, tested: ScoredSet) -> str:
    """How it is known that two sets have no place in common.

    Raises:
        ValueError: if they have.
    """
    names = [title(spec, spec.names[0]) for spec in (chosen, tested)]
    if chosen.path == tested.path:  # a study refuses all but parts that share no group
        return f"rates are chosen by {names[0]}, which has no group in common with {names[1]}"
    sensors = tuple(name for name in chosen.modalities if name in tested.modalities)
    if not sensors:
        return (
            f"rates are chosen by {names[0]}; whether {names[1]} has the same places was not compared, since they are "
            "seen by different sensors"
        )
    if both := in_common(opened(chosen, "content"), opened(tested, "content"), sensors):
        shown = ", ".join(f"{one} is {other}" for one, other in both[:_SHOWN])
        raise ValueError(
            f"what rates are chosen by is not tested on, but {names[0]} and {names[1]} have "
            f"{counted(len(both), 'place')} in common ({shown}{', ...' if len(both) > _SHOWN else ''}); give other "
            "sets, or parts of one, such as part: 1/5 under choose and part: 2-5/5 under evaluate"
        )
    return (
        f"rates are chosen by {names[0]}, which has no place in common with {names[1]} as far as pixels tell; places "
        "of one may still lie beside places of the other"
    )
