"""What each class gains or loses: a model can be as good as another in all, and fail in the class that matters.

Of a class, the fraction of its places that are told is compared. Every error is a miss of some class, so that what one
class wrongly takes is seen in the class that it is taken from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from olmoearth_nb.evaluation.evaluate import Evaluation, resampled
from olmoearth_nb.evaluation.intervals import Comparison, compare_resampled, group_weights, holm, not_seen
from olmoearth_nb.evaluation.metrics import accuracy

LEAST = 5
"""Groups of a class from which on it is compared: a bootstrap of fewer groups says too little of their spread."""

LEVEL = 0.95

COLUMNS = ("probe", "class", "places", "groups", "current", "candidate", "difference", "low", "high", "p", "p_holm",
           "detectable", "finding")  # fmt: skip
"""Of `classes.csv`."""


@dataclass(frozen=True)
class ClassDifference:
    """One class under two models.

    Attributes:
        name: of the class.
        probe: name.
        places: tested places of the class.
        groups: their groups.
        current: fraction that is told by the current model.
        candidate: fraction that is told by the candidate.
        comparison: candidate minus current; None for too few groups.
        p_holm: p adjusted over the classes of the probe.
    """

    name: str
    probe: str
    places: int
    groups: int
    current: float
    candidate: float
    comparison: Comparison | None = None
    p_holm: float = 1.0

    @property
    def finding(self) -> str:
        """In words; a null comes with what could have been seen."""
        if self.comparison is None:
            return f"too few groups, {self.groups} of {LEAST}"
        if self.p_holm < 1 - LEVEL:
            return "gain" if self.comparison.difference.value > 0 else "regression"
        detectable = self.comparison.detectable
        if 1 / self.places < detectable < 1:
            return not_seen(detectable)
        return "not seen"


def class_differences(
    evaluation: Evaluation, current: str, candidate: str, probe: str, draws: int = 1000
) -> list[ClassDifference]:
    """The classes of a set under two models, by Holm's rule over the classes.

    Args:
        evaluation: of both models.
        current: name of the one that is in use.
        candidate: name of the one that might take its place.
        probe: name.
        draws: bootstrap samples of the groups of a class.

    Returns:
        Those classes that have tested places, in the order of the set; none for real values.
    """
    found, compared = [], []
    for number, name in enumerate(evaluation.classes):
        mine = evaluation.answers == number
        groups = evaluation.groups[mine]
        if not len(groups):
            continue
        arms = [evaluation.predicted[arm, probe][:, :, mine] for arm in (current, candidate)]
        before_told, after_told = (float((one.argmax(-1) == number).mean()) for one in arms)
        count = len(np.unique(groups))
        found.append(ClassDifference(name, probe, len(groups), count, before_told, after_told))
        if count < LEAST:
            continue
        weights = group_weights(groups, draws)
        before, after = (resampled(one, evaluation.answers[mine], weights, groups, accuracy) for one in arms)
        compared.append((len(found) - 1, after - before))
    comparisons = compare_resampled([one for _, one in compared], LEVEL)
    adjusted = holm([one.p for one in comparisons])
    for (place, _), one, p in zip(compared, comparisons, adjusted, strict=True):
        found[place] = replace(found[place], comparison=one, p_holm=p)
    return found
