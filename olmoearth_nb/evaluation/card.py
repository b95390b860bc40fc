"""What an encoder keeps of what it sees, and what it forgets: read off its embeddings, layer by layer.

All is read by ridge regressions, which sensor it is by one for each. A model stands beside its random twin and beside
the raw bands. No group of places is divided between training and test.

* *random twin*: encoders of the model's size and tokens whose weights were drawn and never trained;
* *own part* of a band: what a linear regression of the band on all other bands leaves over;
* *weight of the month*: fraction of an embedding's variance that lies between months.

Shapes: n observations, D features of an embedding, K columns of answers, and 1 + draws scores: as they are, then in
bootstrap samples of whole groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from olmoearth_nb.evaluation.folds import Folds
from olmoearth_nb.evaluation.intervals import Interval, Resampled, group_weights
from olmoearth_nb.evaluation.layers import embed_layers
from olmoearth_nb.evaluation.metrics import balanced_accuracy
from olmoearth_nb.evaluation.observations import Observations, View
from olmoearth_nb.evaluation.questions import WEIGHT, Asked, Question, ask
from olmoearth_nb.evaluation.regression import ridge_told
from olmoearth_nb.model.encoder import Encoder

FOLDS = 5
"""Rounds in which all groups are tested once; as many as there are groups where there are fewer."""

DRAWS = 500
"""Bootstrap samples of the groups."""

EACH = 300
"""Observations of each sensor that the sensor is told from, at most; it is told easily, and slowly."""

RAW = "raw bands"
"""Name of the baseline without an encoder, and of its only layer."""

MEANS = {"band": "bands", "own part": "own parts", "place": "place"}
"""Kind -> name of the mean over all its questions."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What a card is about: encoders that differ in their seed alone.

    Attributes:
        name: in tables.
        encoders: one for each seed.
        kind: "model", or "random" for random weights.
        of: the models whose random twin it is, with commas between them.
    """

    name: str
    encoders: tuple[Encoder, ...]
    kind: str = "model"
    of: str = ""


@dataclass(frozen=True)
class Row:
    """One number of a card.

    Attributes:
        data: name of the observations.
        model: name of the model, its random twin, or `RAW`.
        source: "model", "random" or "raw bands".
        layer: "tokens", "block 1" and so on, "norm"; of raw bands `RAW`.
        question: what was asked.
        value: R2, or balanced accuracy from 0 (chance) to 1, with its interval over groups (and seeds).
        seeds: how many encoders.
    """

    data: str
    model: str
    source: str
    layer: str
    question: Question
    value: Interval
    seeds: int


@dataclass(frozen=True, eq=False)
class Card:
    """What was read off the embeddings of several subjects, on the same observations.

    Attributes:
        data: name of the observations.
        sensor: whose bands were asked.
        questions: in the order of tables; the means over bands and own parts first.
        sources: name of a subject, or `RAW` -> "model", "random" or "raw bands".
        of: name of a random twin -> the models that it is the twin of.
        scores: (subject, layer, question) -> score with its bootstrap samples.
        notes: what a reader must know, and what was not asked, one sentence each.
    """

    data: str
    sensor: str
    questions: tuple[Question, ...]
    sources: dict[str, str]
    of: dict[str, tuple[str, ...]]
    scores: dict[tuple[str, str, str], Resampled]
    notes: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return [name for name, source in self.sources.items() if source == "model"]

    def layers(self, name: str) -> list[str]:
        """Layers of a subject, in their order."""
        return list(dict.fromkeys(layer for subject, layer, _ in self.scores if subject == name))

    def twin(self, model: str) -> str:
        """The random twin of a model; empty where there is none."""
        return next((name for name, models in self.of.items() if model in models), "")

    @property
    def summary(self) -> list[Question]:
        """The few questions that stand for all, in the order of figures."""
        order = ("bands", "own parts", "NDVI", "month", WEIGHT.name, "place", SENSOR.name)
        known = {question.name: question for question in self.questions}
        return [known[name] for name in order if name in known]

    def last(self, name: str, question: str) -> Resampled | None:
        """Score at the last layer; None where it was not asked, as the sensor of raw bands."""
        return self.scores.get((name, self.layers(name)[-1], question))

    @property
    def rows(self) -> Iterator[Row]:
        """All numbers, subject by subject and layer by layer."""
        known = {question.name: question for question in self.questions}
        for (name, layer, question), score in self.scores.items():
            lowest = 0.0 if known[question].metric != "R2" else -np.inf
            yield Row(
                self.data,
                name,
                self.sources[name],
                layer,
                known[question],
                score.interval(lowest=lowest, highest=1.0),
                len(score.value),
            )


def make_card(
    subjects: Sequence[Subject],
    observations: Observations,
    sensor: str = "sentinel2_l2a",
    folds: int = FOLDS,
    draws: int = DRAWS,
    done: Callable[[], object] = lambda: None,
) -> Card:
    """Reads off embeddings what can be asked of some observations.

    Args:
        subjects: models and their random twins.
        observations: what the encoders see.
        sensor: whose bands, month and place are asked; which sensor an observation is of is asked of all that every
            encoder reads.
        folds: rounds, 3 at least.
        draws: bootstrap samples of the groups.
        done: called after each encoder.

    Raises:
        ValueError: for two subjects of one name, or fewer than three groups.
    """
    names = [subject.name for subject in subjects]
    if not names or len({*names, RAW}) <= len(names):
        raise ValueError(f"subjects have names of their own, other than {RAW!r}, got {names}")
    asked, view = ask(observations, sensor), observations.of(sensor)
    groups = observations.groups[view.place]
    divided = by_group(groups, folds)
    reading = _Reading(asked, groups, divided, group_weights(groups, draws))
    sensors, note = _Sensors.of(observations, subjects, folds, draws)
    scores = {(RAW, RAW, name): score for name, score in reading.scores([asked.bands]).items()}
    for subject in subjects:
        layers: dict[str, list[np.ndarray]] = {}
        told: dict[str, list[np.ndarray]] = {}
        for encoder in subject.encoders:
            for layer, x in embed_layers(encoder, view).items():
                layers.setdefault(layer, []).append(x)
            for layer, x in sensors.embedded(encoder).items() if sensors else ():
                told.setdefault(layer, []).append(x)
            done()
        for layer, features in layers.items():
            found = reading.scores(features) | ({"sensor": sensors.score(told[layer])} if sensors else {})
            scores |= {(subject.name, layer, name): score for name, score in found.items()}
    questions = (*_means(asked.questions), *asked.questions, *([SENSOR] if sensors else []))
    return Card(
        observations.name,
        sensor,
        questions,
        {subject.name: subject.kind for subject in subjects} | {RAW: RAW},
        {subject.name: tuple(subject.of.split(", ")) for subject in subjects if subject.kind == "random"},
        scores,
        (*observations.notes, *asked.notes, note, f"{divided.name}, over groups"),
    )


def by_group(groups: np.ndarray, count: int = FOLDS, seed: int = 0) -> Folds:
    """Folds of about equally many rows that divide no group.

    Args:
        groups: (n,) group of each row.
        count: folds, 3 at least: one is tested, one chooses a penalty, one trains.
        seed: of the order in which groups of one size are dealt out.

    Raises:
        ValueError: for fewer folds or groups than 3.
    """
    known, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(known) < 3 or count < 3:
        raise ValueError(f"a card needs at least 3 folds and 3 groups of places, got {count} and {len(known)}")
    count = min(count, len(known))
    shuffled = np.random.default_rng([seed, 13]).permutation(len(known))
    fold, filled = np.empty(len(known), np.int64), np.zeros(count, np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:  # the largest first, each where room is left
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return Folds(f"{count} folds", fold[number][None])


SENSOR = Question("sensor", "sensor", metric="balanced accuracy")


def _means(questions: Sequence[Question]) -> list[Question]:
    """The questions that stand for the mean over a kind."""
    kinds = {question.kind for question in questions}
    return [Question(name, "mean") for kind, name in MEANS.items() if kind in kinds]


@dataclass(frozen=True, eq=False)
class _Reading:
    """How real values are read: the same answers, folds and bootstrap samples for all features."""

    asked: Asked
    groups: np.ndarray
    folds: Folds
    weights: np.ndarray

    def scores(self, features: Sequence[np.ndarray]) -> dict[str, Resampled]:
        """Question -> score of each seed, (seeds, 1), with those of its bootstrap samples."""
        questions, found = self.asked.questions, dict[str, Resampled]()
        told = [self._r2(ridge_told(x, self.asked.answers, self.folds)) for x in features]  # (1 + draws, K) each
        for question in questions:
            if question is WEIGHT:
                drawn = [self._weight(x) for x in features]
            else:  # of the two columns of a month the mean counts
                drawn = [one[:, question.columns].mean(1) for one in told]  # (1 + draws,) each
            found[question.name] = _resampled(drawn, self.groups)
        for kind, name in MEANS.items():
            own = [found[question.name] for question in questions if question.kind == kind]
            if own:
                # (questions, seeds, 1[, draws]) to (seeds, 1[, draws])
                value, every = np.mean([one.value for one in own], 0), np.mean([one.drawn for one in own], 0)
                found[name] = Resampled(value, every, own[0].groups)
        return found

    def _r2(self, told: np.ndarray) -> np.ndarray:
        """(1 + draws, columns) R2 as `metrics.r2` gives it, of all columns at once."""
        return 1 - self.weights @ (told - self.asked.answers) ** 2 / self._spread

    @cached_property
    def _spread(self) -> np.ndarray:
        """(1 + draws, columns) squared deviations of the answers from their mean."""
        centred = self.asked.answers - self.asked.answers.mean(0)  # (n, K)
        return self.weights @ centred**2 - (self.weights @ centred) ** 2 / self.weights.sum(1)[:, None]

    def _weight(self, x: np.ndarray) -> np.ndarray:
        """(1 + draws,) fraction of the variance of standardised features that lies between months."""
        assert self.asked.month is not None
        x = (x - x.mean(0, dtype=np.float64)) / np.maximum(x.std(0, dtype=np.float64), 1e-12)  # (n, D)
        # all (1 + draws, D): between months, in all, and sums of features; rows (1 + draws, 1)
        between, total = np.zeros((len(self.weights), x.shape[1])), self.weights @ x**2
        rows, sums = self.weights.sum(1)[:, None], self.weights @ x
        for month in np.unique(self.asked.month):
            here = self.asked.month == month
            between += (self.weights[:, here] @ x[here]) ** 2 / np.maximum(self.weights[:, here].sum(1), 1e-12)[:, None]
        centre = sums**2 / rows
        return (between - centre).sum(1) / (total - centre).sum(1)


def _resampled(drawn: Sequence[np.ndarray], groups: np.ndarray) -> Resampled:
    """Scores of each seed, as they are and in bootstrap samples, (1 + draws,) each."""
    every = np.stack(drawn)[:, None]  # (seeds, 1, 1 + draws)
    return Resampled(every[..., 0], every[..., 1:], len(np.unique(groups)))


@dataclass(frozen=True, eq=False)
class _Sensors:
    """How it is read which sensor an observation is of."""

    observations: Observations
    rows: Mapping[str, np.ndarray]
    answers: np.ndarray
    folds: Folds
    weights: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(
        cls, observations: Observations, subjects: Sequence[Subject], folds: int, draws: int
    ) -> tuple[_Sensors | None, str]:
        """The question, or None with a sentence why it cannot be asked."""
        read = [{*encoder.config.modalities} for subject in subjects for encoder in subject.encoders]
        known = [name for name in observations.views if all(name in names for names in read)]
        if len(known) < 2:
            return None, f"sensor is not asked: there is one alone, {', '.join(known) or 'none'}"
        rows = {name: _some(observations.views[name]) for name in known}
        views = [observations.views[name].select(own) for name, own in rows.items()]
        answers = np.repeat(np.arange(len(rows)), [len(view) for view in views])  # (n,) of all sensors together
        groups = np.concatenate([observations.groups[view.place] for view in views])  # (n,)
        made = cls(observations, rows, answers, by_group(groups, folds), group_weights(groups, draws), groups)
        return made, f"sensor is told among {', '.join(rows)}; raw bands differ in number and cannot be asked"

    def embedded(self, encoder: Encoder) -> dict[str, np.ndarray]:
        """Layer -> (n, D) embeddings of the observations of all sensors, one sensor behind the other."""
        parts = [embed_layers(encoder, self.observations.views[name].select(own)) for name, own in self.rows.items()]
        return {layer: np.concatenate([part[layer] for part in parts]) for layer in parts[0]}

    def score(self, features: Sequence[np.ndarray]) -> Resampled:
        """Balanced accuracy of each seed, from 0 (chance) to 1."""
        chance = 1 / len(self.rows)
        # (n, sensors), a column for each sensor; the largest that is told is the answer
        is_it = np.eye(len(self.rows))[self.answers]
        drawn = [balanced_accuracy(ridge_told(x, is_it, self.folds), self.answers, self.weights) for x in features]
        return _resampled([(one - chance) / (1 - chance) for one in drawn], self.groups)


def _some(view: View) -> np.ndarray:
    """Numbers of so many patches, evenly spread, that there are no more than `EACH` observations."""
    patches, dates = len(view.images), view.images.shape[3]
    return np.unique(np.linspace(0, patches - 1, max(1, EACH // dates)).astype(int))
