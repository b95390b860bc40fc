"""A labelled set whose Sentinel-2 bands are not what their names say, or are lost: to ask what that costs a model.

m-eurosat's files name the pixels of five bands wrongly, as one of OlmoEarth's authors reported (ServiceNow/geo-bench,
issue 28). `as_published` does the same to any image, so that it can be asked where everything else is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.sample import Batch, Sample

NAME = SENTINEL2.name

HELD = {"B8A": "B09", "B11": "B12", "B12": "B8A"}
"""Band that is read -> band that it holds under m-eurosat's names; B09 holds B10, which only level 1C has."""

TOUCHED = (*HELD, "B09")
"""Bands that are read wrongly under m-eurosat's names."""

CIRRUS = 12.0
"""Digital number of B10 over ground that is not covered by cirrus: next to no light comes through."""

AT_ONCE = 16
"""Places whose samples are opened together."""

Change = Callable[[np.ndarray], np.ndarray]
"""(H, W, T, C) digital numbers as read -> the same as a condition has them; missing stays missing."""


class Changed:
    """A labelled set whose Sentinel-2 bands are changed; all else is the set's own.

    Args:
        labelled: the set.
        change: of each image.
        note: in words.
    """

    def __init__(self, labelled: LabelledSet, change: Change, note: str) -> None:
        self.labelled, self.change, self.notes = labelled, change, (*labelled.notes, note)

    def __getattr__(self, name: str) -> object:
        return getattr(self.labelled, name)

    def __len__(self) -> int:
        return len(self.labelled)

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] = (NAME,)) -> list[Sample]:
        """The samples, changed."""
        return [
            replace(one, images={**one.images, NAME: self.change(one.images[NAME])})
            for one in self.labelled.samples(numbers, modalities)
        ]

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...] = (NAME,)) -> Batch:
        """The same as one normalised batch."""
        return Batch.from_samples(self.samples(numbers, modalities))


def as_published(image: np.ndarray) -> np.ndarray:
    """m-eurosat's permutation where there is no B10: its place is taken by what a cirrus band shows of the ground."""
    made = image.copy()
    for read, held in HELD.items():
        made[..., _channel(read)] = image[..., _channel(held)]
    made[..., _channel("B09")] = np.where(image[..., _channel("B09")] == MISSING, MISSING, CIRRUS)
    return made


def exchanged(image: np.ndarray) -> np.ndarray:
    """B01 and B09 in each other's place, which share a token of v1 and leave its others as they are."""
    made = image.copy()
    made[..., [_channel("B01"), _channel("B09")]] = image[..., [_channel("B09"), _channel("B01")]]
    return made


def by_means(labelled: LabelledSet, bands: Sequence[str] = TOUCHED) -> Change:
    """Bands replaced by their means over a set, of which no answer is used.

    Args:
        labelled: the set.
        bands: to replace.
    """
    channels = [_channel(band) for band in bands]
    total, count = np.zeros(len(channels)), np.zeros(len(channels))
    for piece in np.array_split(np.arange(len(labelled)), -(-len(labelled) // AT_ONCE)):
        for sample in labelled.samples(piece, (NAME,)):
            values = sample.images[NAME][..., channels].reshape(-1, len(channels)).astype(np.float64)
            known = values != MISSING
            total, count = total + np.where(known, values, 0).sum(0), count + known.sum(0)
    means = total / count

    def change(image: np.ndarray) -> np.ndarray:
        made = image.copy()
        made[..., channels] = np.where(image[..., channels] == MISSING, MISSING, means)
        return made

    return change


def _channel(band: str) -> int:
    """Place of a band."""
    return SENTINEL2.indices([band])[0]
