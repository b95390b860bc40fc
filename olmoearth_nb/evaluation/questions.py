"""What a card asks of an observation: its bands, their own parts, NDVI, month and place.

The *own part* of a band is what the other bands cannot predict (`own_parts`): neighbouring bands are so alike that a
whole band can be told from its neighbours. The *weight of the month* is how much of an embedding is about the month
(`WEIGHT`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olmoearth_nb.bands import SENTINEL2, modality
from olmoearth_nb.evaluation.observations import Observations, View

LEAST = 1e-6
"""Fraction of a band's variance below which its own part is nothing but rounding."""


PLACES = 10
"""Groups of places from which on it can be asked where they lie."""


@dataclass(frozen=True)
class Question:
    """One thing that is read off an embedding.

    Attributes:
        name: in tables, such as "B04" or "own part of B04".
        kind: "band", "own part", "index", "month", "weight", "place", "sensor"; "mean" for the mean over a kind.
        columns: of the answers; several for a month, which is a point on a circle; none where nothing is predicted.
        metric: "R2", "fraction of variance", or "balanced accuracy" from 0 (chance) to 1.
    """

    name: str
    kind: str
    columns: tuple[int, ...] = ()
    metric: str = "R2"


WEIGHT = Question("weight of the month", "weight", metric="fraction of variance")
"""How much of an embedding is about the month: the fraction of its variance that lies between months, each feature with
a spread of 1. A regression finds what is weak as well; nearest neighbours and strong penalties see what is large."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of the observations of a sensor.

    Attributes:
        questions: in the order of tables.
        answers: (n, columns) real values of all questions.
        month: (n,) 0 to 11, or None where it is not asked.
        bands: (n, bands) those bands that were really measured: the baseline without an encoder.
        notes: what is not asked, and why, one sentence each.
    """

    questions: tuple[Question, ...]
    answers: np.ndarray
    month: np.ndarray | None
    bands: np.ndarray
    notes: tuple[str, ...]


def ask(observations: Observations, sensor: str) -> Asked:
    """All that can be asked of what a sensor saw; what cannot be is left out with a sentence.

    Args:
        observations: of any places.
        sensor: whose observations are asked.

    Raises:
        ValueError: if there is nothing of that sensor, or no band varies.
    """
    view = observations.of(sensor)
    where, groups = observations.latlon[view.place], observations.groups[view.place]
    used, notes = measured(view)
    names = [modality(sensor).band_names[channel] for channel in used]
    values = view.values[:, used]
    parts: list[tuple[str, str, np.ndarray]] = [(name, "band", values[:, [i]]) for i, name in enumerate(names)]
    residuals = own_parts(values)
    for i, name in enumerate(names):
        if len(names) < 2 or residuals[:, i].var() < LEAST * values[:, i].var():
            notes.append(f"{name} follows from the other bands and has no part of its own")
        else:
            parts.append((f"own part of {name}", "own part", residuals[:, [i]]))
    parts += _index(sensor, names, values, notes)
    seasons = _month(view, notes)
    parts += seasons
    parts += _place(where, groups, notes)
    questions, columns = [], 0
    for name, kind, answers in parts:
        questions.append(Question(name, kind, tuple(range(columns, columns + answers.shape[1]))))
        columns += answers.shape[1]
    month = view.month if seasons else None
    if seasons:
        questions.insert(questions.index(next(one for one in questions if one.kind == "month")) + 1, WEIGHT)
    return Asked(tuple(questions), np.concatenate([part for *_, part in parts], 1), month, values, tuple(notes))


def measured(view: View) -> tuple[list[int], list[str]]:
    """Channels that were really measured: filled ones are constant, or copies of another.

    Returns:
        Their numbers, and a sentence for each of the others.

    Raises:
        ValueError: if no band varies.
    """
    names, values = modality(view.sensor).band_names, view.values
    used: list[int] = []
    notes = []
    for channel, name in enumerate(names):
        twin = next((other for other in used if (values[:, other] == values[:, channel]).all()), None)
        if twin is not None:
            notes.append(f"{name} equals {names[twin]} everywhere, as a band that was filled in does, and is not asked")
        elif not len(values) or np.ptp(values[:, channel]) == 0:
            notes.append(f"{name} is the same everywhere, and is not asked")
        else:
            used.append(channel)
    if not used:
        raise ValueError(f"no band of {view.sensor} varies over {len(view)} observations: there is nothing to ask")
    return used, notes


def own_parts(values: np.ndarray) -> np.ndarray:
    """What the other bands cannot predict: the residuals of each band's linear regression on all others.

    Args:
        values: (n, C) values of the bands.

    Returns:
        (n, C), each column uncorrelated with all other bands.
    """
    scaled = (values - values.mean(0)) / np.maximum(values.std(0), 1e-12)
    found = np.empty_like(scaled)
    for channel in range(values.shape[1]):
        others = np.delete(scaled, channel, axis=1)
        weights = np.linalg.lstsq(others, scaled[:, channel], rcond=None)[0]
        found[:, channel] = scaled[:, channel] - others @ weights
    return found * values.std(0)


def _index(sensor: str, names: list[str], values: np.ndarray, notes: list[str]) -> list[tuple[str, str, np.ndarray]]:
    """NDVI, where Sentinel-2 measured red and near infrared."""
    if sensor != SENTINEL2.name:
        notes.append(f"NDVI is asked of Sentinel-2 alone, not of {modality(sensor).title}")
        return []
    if not {"B04", "B08"} <= {*names}:
        notes.append("NDVI is not asked, since B04 or B08 was not measured")
        return []
    red, near = values[:, names.index("B04")], values[:, names.index("B08")]
    return [("NDVI", "index", ((near - red) / np.maximum(near + red, 1))[:, None])]


def _month(view: View, notes: list[str]) -> list[tuple[str, str, np.ndarray]]:
    """The month as a point on a circle, so that December lies beside January."""
    months = view.month
    if len(np.unique(months)) < 3:
        shown = ", ".join(str(month + 1) for month in np.unique(months).tolist())
        notes.append(f"month is not asked: all observations are of month {shown}, as chips without a date are")
        return []
    angle = 2 * np.pi * months / 12
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    return [("month", "month", circle[:, circle.std(0) > 1e-9])]


def _place(where: np.ndarray, groups: np.ndarray, notes: list[str]) -> list[tuple[str, str, np.ndarray]]:
    """Latitude and longitude, where they are known of enough groups."""
    count = len(np.unique(groups))
    if not np.isfinite(where).all() or not (np.ptp(where, axis=0) > 0).all():
        notes.append("place is not asked: the data do not say where all observations lie, or they lie at one place")
    elif count < PLACES:
        notes.append(f"place is not asked: it is the same within a group, and {count} groups are fewer than {PLACES}")
    else:
        return [("latitude", "place", where[:, [0]]), ("longitude", "place", where[:, [1]])]
    return []
