"""What is compared on a labelled set: encoders, their random twins, and what is read without any encoder.

A *random twin* of a model is an encoder of its size and tokens whose weights are those of a seed, never trained: what
it tells comes from the input and the architecture alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.baselines import beside_months, month_circle
from olmoearth_nb.evaluation.embed import embed
from olmoearth_nb.model.encoder import Encoder

BATCH = 32
"""Places that are read at once."""

STATISTICS, WITH_MONTH, MONTH = "image statistics", "image statistics and month", "month alone"
"""Names of baselines; the last two are there where places have different months."""


@dataclass(frozen=True, eq=False)
class Arm:
    """One row of a table.

    Attributes:
        name: in tables.
        features: (n, D) of each seed; none for the commonest answer.
        kind: "model", "random" for random weights, or "baseline".
        of: the model whose random twin it is.
    """

    name: str
    features: tuple[np.ndarray, ...]
    kind: str = "model"
    of: str = ""


def default_patch_size(labelled: LabelledSet, modalities: tuple[str, ...]) -> int:
    """4, which all shipped models read, or 1 where a place is smaller."""
    return 4 if min(labelled.samples(np.zeros(1, np.int64), modalities)[0].shape) >= 4 else 1


def of_encoders(
    name: str,
    encoders: Sequence[Encoder],
    labelled: LabelledSet,
    modalities: tuple[str, ...],
    patch_size: int = 4,
    cache: str | os.PathLike[str] | None = None,
    kind: str = "model",
    of: str = "",
    done: Callable[[], object] = lambda: None,
) -> Arm:
    """The means over all tokens of encoders that differ in their seed alone.

    Args:
        name: in tables.
        encoders: one for each seed.
        labelled: the set.
        modalities: sensors that the encoders see.
        patch_size: P.
        cache: folder in which embeddings are kept, by all that they depend on.
        kind: see `Arm`.
        of: see `Arm`.
        done: called after each encoder.
    """
    features = []
    for encoder in encoders:
        features.append(embed(encoder, labelled, None, patch_size, "scene", modalities, BATCH, cache))
        done()
    return Arm(name, tuple(features), kind, of)


def baselines(labelled: LabelledSet, modalities: tuple[str, ...]) -> list[Arm]:
    """What is read without an encoder: image statistics, band means, months where they differ, the commonest answer.

    Image statistics are the mean and the standard deviation of each band over all pixels and dates, in the sensor's
    own units; a place of which a band was never observed is NaN. Months are points on a circle (`month_circle`), alone
    and beside image statistics: where places were seen at different times of the year, the season alone may answer.
    """
    rows, dates = [], []
    for piece in np.split(np.arange(len(labelled)), range(BATCH, len(labelled), BATCH)):
        for sample in labelled.samples(piece, modalities):
            means, stds = zip(*(_moments(sample.images[name]) for name in modalities), strict=True)
            rows.append(np.stack([np.concatenate(means), np.concatenate(stds)]))
            dates.append(sample.timestamps)  # (T, 3)
    moments = np.stack(rows)  # (n, 2, bands)
    statistics = moments.reshape(len(moments), -1)  # (n, 2 bands)
    return [
        Arm(STATISTICS, (statistics,), "baseline"),
        Arm("band means", (moments[:, 0],), "baseline"),
        *_of_months(statistics, dates),
        Arm("majority" if labelled.classes else "mean", (), "baseline"),
    ]


def _of_months(statistics: np.ndarray, dates: Sequence[np.ndarray]) -> list[Arm]:
    """The baselines that are told the months, where places have different ones and as many dates."""
    if len({len(own) for own in dates}) != 1:
        return []
    months = month_circle(np.stack(dates))  # (n, 2 T)
    if (months == months[0]).all():
        return []
    return [Arm(WITH_MONTH, (beside_months(statistics, months),), "baseline"), Arm(MONTH, (months,), "baseline")]


def _moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each band of (H, W, T, C), NaN where it was never observed."""
    values = image.reshape(-1, image.shape[-1]).astype(np.float64)
    known = values != MISSING
    rows = np.where(known.any(0), known.sum(0), np.nan)
    mean = np.where(known, values, 0).sum(0) / rows
    return mean, np.sqrt((np.where(known, values - mean, 0) ** 2).sum(0) / rows)
