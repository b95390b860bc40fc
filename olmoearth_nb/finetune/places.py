"""Places as a fit reads them, epoch after epoch: normalised once, kept in memory as long as they are few."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.data.sets import Labelled
from olmoearth_nb.finetune.heads import Read
from olmoearth_nb.sample import Batch

MOST_KEPT = 1 << 30
"""Bytes of normalised images, or of what a frozen encoder makes of them, that are kept."""

LOOKED_AT = 8
"""Places, spread over the set, whose pixels tell one set from another."""


class Places:
    """Batches of a labelled set, by the numbers of its places.

    Args:
        labelled: the set.
        modalities: sensors that are read.
    """

    def __init__(self, labelled: Labelled, modalities: tuple[str, ...]) -> None:
        self.labelled, self.modalities = labelled, modalities
        self.answers = np.asarray(labelled.answers)
        self._kept: dict[int, Batch] = {}
        self._room = MOST_KEPT

    def batch(self, numbers: np.ndarray) -> Batch:
        """Some places as one batch.

        Raises:
            ValueError: for places of different sizes or dates, or without one of the sensors.
        """
        wanted = [number for number in numbers.tolist() if number not in self._kept]
        if not wanted:
            return joined([self._kept[number] for number in numbers.tolist()])
        read = self.labelled.batch(np.array(wanted), self.modalities)
        alone = dict(zip(wanted, apart(read), strict=True))
        whole = joined([alone[number] if number in alone else self._kept[number] for number in numbers.tolist()])
        size = sum(image.nbytes for image in read.images.values())
        if size <= self._room:
            self._room -= size
            self._kept.update(alone)
        return whole

    def identity(self) -> dict[str, object]:
        """Plain data that tell this set from another: a fit goes on with the same only.

        Of pixels and dates those of a few places are looked at, by which another scale, offset or order is noticed.
        """
        digest = hashlib.sha256("\n".join(self.labelled.ids).encode())
        digest.update(np.ascontiguousarray(self.answers).tobytes())
        digest.update(np.ascontiguousarray(self.labelled.groups).tobytes())
        some = self.batch(np.unique(np.linspace(0, len(self.answers) - 1, LOOKED_AT).astype(np.int64)))
        for tensor in (*some.images.values(), some.timestamps):
            digest.update(tensor.numpy().tobytes())
        about: dict[str, object] = {"name": self.labelled.name, "places": len(self.labelled)}
        return about | {"checksum": digest.hexdigest()[:16]}


class Features:
    """What heads read of a frozen encoder, made once for each place.

    `None` stands for a place of which nothing is kept yet; so it does for all once there is no room left.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Read] = {}
        self._room = MOST_KEPT

    def get(self, numbers: np.ndarray) -> Read | None:
        """What is read of some places; None unless all of them are kept."""
        known = [self._kept.get(number) for number in numbers.tolist()]
        kept = [one for one in known if one is not None]
        if len(kept) < len(known):
            return None
        seen = [one.seen for one in kept if one.seen is not None]
        return Read(torch.stack([one.features for one in kept]), torch.stack(seen) if seen else None)

    def put(self, numbers: np.ndarray, read: Read) -> None:
        """Keeps what was read of some places, if there is room."""
        if read.features.nbytes > self._room:
            return
        self._room -= read.features.nbytes
        seen: list[Tensor | None] = [None] * len(numbers) if read.seen is None else list(read.seen)
        for number, features, visible in zip(numbers.tolist(), read.features.detach(), seen, strict=True):
            self._kept[number] = Read(features, visible)


def order(numbers: np.ndarray, seed: int, epoch: int, size: int) -> list[np.ndarray]:
    """The batches of an epoch: every place once, in an order of its own.

    Args:
        numbers: of the places.
        seed: of the fit.
        epoch: from 0.
        size: places of a batch; the last one may have fewer.
    """
    shuffled = numbers[np.random.default_rng([seed, epoch, len(numbers)]).permutation(len(numbers))]
    return pieces(shuffled, size)


def pieces(numbers: np.ndarray, size: int) -> list[np.ndarray]:
    """Numbers in pieces of a size, in their order; the last one may be smaller."""
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def apart(batch: Batch) -> Iterator[Batch]:
    """The places of a batch, one by one."""
    for row in range(len(batch)):
        one = slice(row, row + 1)
        yield Batch({name: image[one] for name, image in batch.images.items()}, batch.timestamps[one])


def joined(batches: list[Batch]) -> Batch:
    """Places as one batch.

    Raises:
        ValueError: if their sizes, dates or sensors differ.
    """
    shapes = {tuple((name, tuple(image.shape[1:])) for name, image in batch.images.items()) for batch in batches}
    if len(shapes) > 1:
        raise ValueError(
            "the places of one fit must have one size and as many dates, got "
            f"{' and '.join(str(dict(shape)) for shape in sorted(shapes)[:2])}"
        )
    images = {name: torch.cat([batch.images[name] for batch in batches]) for name in batches[0].images}
    return Batch(images, torch.cat([batch.timestamps for batch in batches]))
