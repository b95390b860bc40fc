"""Where two models agree: over places, over classes, and on a map of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.evaluate import Evaluation

COLUMNS = ("place", "lat", "lon", "answer", "current", "candidate", "agreement")
"""Of `agreement.csv`."""

KINDS = ("both right", "current alone right", "candidate alone right", "both wrong, alike", "both wrong, differently")
"""What can become of a place; of real values, see `Agreement`."""

_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Agreement:
    """What two models tell of the same places.

    Attributes:
        ids: (n,) names of the places.
        latlon: (n, 2) degrees, NaN where they are unknown.
        answers: (n,) classes, or real values.
        current: (n,) what the current model tells.
        candidate: (n,) what the candidate tells.
        classes: names; none for real values.
    """

    ids: tuple[str, ...]
    latlon: np.ndarray
    answers: np.ndarray
    current: np.ndarray
    candidate: np.ndarray
    classes: tuple[str, ...]

    @property
    def kind(self) -> np.ndarray:
        """(n,) index into `KINDS`; of real values 1 or 2, the model that is nearer to the answer, and 0 for both."""
        if not self.classes:
            near = np.abs(self.candidate - self.answers) - np.abs(self.current - self.answers)
            return np.select([near > 0, near < 0], [1, 2], 0)
        one, other = self.current == self.answers, self.candidate == self.answers
        return np.select([one & other, one, other, self.current == self.candidate], [0, 1, 2, 3], 4)

    @property
    def counts(self) -> dict[str, int]:
        """Places of each kind."""
        return dict(zip(KINDS, np.bincount(self.kind, minlength=len(KINDS)).tolist(), strict=True))

    @property
    def agree(self) -> float:
        """Fraction of places of which both tell the same; of real values, their correlation."""
        if not self.classes:
            return float(np.corrcoef(self.current, self.candidate)[0, 1])
        return float((self.current == self.candidate).mean())

    @property
    def matrix(self) -> np.ndarray:
        """(classes, classes) places by what the current model (rows) and the candidate (columns) tell."""
        count = len(self.classes)
        return np.bincount(self.current * count + self.candidate, minlength=count**2).reshape(count, count)


def agreement(
    evaluation: Evaluation, labelled: LabelledSet, tested: np.ndarray, modalities: tuple[str, ...], probe: str,
    current: str, candidate: str,
) -> Agreement:  # fmt: skip
    """What two models tell of the tested places, by the mean over seeds and repeats.

    Args:
        evaluation: of both.
        labelled: the set.
        tested: (n,) numbers of the places in the set, in the order of the evaluation.
        modalities: sensors.
        probe: name.
        current: name of the model that is in use.
        candidate: name of the one that might take its place.
    """
    means = [evaluation.predicted[arm, probe].mean((0, 1)) for arm in (current, candidate)]
    first, second = (mean.argmax(-1) if evaluation.classes else mean for mean in means)
    ids = tuple(labelled.ids[place] for place in tested.tolist())
    places = latlon_of(labelled, tested, modalities)
    return Agreement(ids, places, evaluation.answers, first, second, evaluation.classes)


def latlon_of(labelled: LabelledSet, numbers: np.ndarray, modalities: tuple[str, ...]) -> np.ndarray:
    """(n, 2) latitude and longitude of the middle of places, NaN where they are unknown.

    Args:
        labelled: the set.
        numbers: (n,) of the places.
        modalities: sensors.
    """
    found = np.full((len(numbers), 2), np.nan)
    for start in range(0, len(numbers), _AT_ONCE):
        for i, sample in enumerate(labelled.samples(numbers[start : start + _AT_ONCE], modalities)):
            if sample.georeference is not None:
                found[start + i] = sample.georeference.centre(*sample.shape)
    return found
