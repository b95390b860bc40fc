"""Chips with an answer each, such as one file a chip, as a `LabelledSet`.

Each chip is read once, as long as all together take no more than `MOST_KEPT`. What a loader has to warn of is warned of
once for the set, not once for each chip.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from olmoearth_nb.errors import warn
from olmoearth_nb.sample import Batch, Sample

SENTINEL = "sentinel2_l2a"

LOOKED_AT = 64
"""Chips, spread over the set, of which the content is compared with the names when the set is opened."""

MOST_KEPT = 1 << 30
"""Bytes of images that a set keeps in memory: some 5,000 chips of 64 x 64 px."""


Chip = TypeVar("Chip")
"""What a chip is opened by and called in errors: the path of its file, or whatever its loader reads."""


class ChipSet(Generic[Chip]):
    """Chips with a class, or a real value, each.

    Args:
        name: what tables call the set.
        paths: file of each chip, or where else it is.
        read: opens one.
        answers: (n,) class indices, or real values.
        classes: names of the classes; none for real values.
        group: says which chips are not independent: (n,) numbers, and a sentence about them. It is asked when somebody
            wants to know, because it may have to look into every file.
        split: (n,) "train", "valid" or "test", where there is a published one.
        notes: what a reader of scores must know, beyond what all chips note.
        ids: (n,) what tells the chips apart; by default the names of their files.
        modalities: sensors that every chip has.
        unit: of real values.

    Raises:
        ValueError: if there are no chips, or one of those that are looked at cannot be read.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[Chip],
        read: Callable[[Chip], Sample],
        answers: np.ndarray,
        classes: tuple[str, ...],
        *,
        group: Callable[[], tuple[np.ndarray, str]],
        split: np.ndarray | None = None,
        notes: Sequence[str] = (),
        ids: Sequence[str] | None = None,
        modalities: Sequence[str] = (SENTINEL,),
        unit: str = "",
    ) -> None:
        if not len(paths):
            raise ValueError(f"{name} holds no chips")
        self.name, self.paths, self.answers, self.classes, self.split = name, list(paths), answers, classes, split
        self.ids = tuple(Path(str(path)).stem for path in paths) if ids is None else tuple(ids)
        self.modalities, self.unit = tuple(modalities), unit
        self._read, self._group = read, group
        self._kept: dict[int, Sample] = {}
        self._room, self._told, self._shape = MOST_KEPT, set[str](), (0, 0)
        self._notes = (*notes, *self._look())

    def __len__(self) -> int:
        """How many chips there are."""
        return len(self.paths)

    def __repr__(self) -> str:
        """Name and numbers, in one line."""
        return f"ChipSet({self.name}: {len(self)} chips, {len(self.classes)} classes)"

    @cached_property
    def _grouped(self) -> tuple[np.ndarray, str]:
        return self._group()

    @property
    def groups(self) -> np.ndarray:
        """(n,) numbers of groups that must not be split."""
        return self._grouped[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its scores must know, one sentence each."""
        return (*self._notes, self._grouped[1])

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] = (SENTINEL,)) -> list[Sample]:
        """Some of the chips as samples.

        Raises:
            ValueError: for a sensor that there is not, or a chip that is damaged or of another size.
        """
        if not modalities or set(modalities) - set(self.modalities):
            raise ValueError(f"{self.name} has {', '.join(self.modalities)} alone, not {', '.join(modalities)}")
        return [self._seen_by(number, modalities) for number in np.arange(len(self))[np.asarray(numbers)].tolist()]

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...] = (SENTINEL,), /) -> Batch:
        """Some of the chips as one normalised batch."""
        return Batch.from_samples(self.samples(numbers, modalities))

    def _seen_by(self, number: int, modalities: tuple[str, ...]) -> Sample:
        """A chip as some of its sensors see it."""
        sample = self._sample(number)
        if tuple(sample.images) == tuple(modalities):
            return sample
        return replace(sample, images={name: sample.images[name] for name in modalities})

    def _sample(self, number: int) -> Sample:
        """A chip, from memory if it was read before."""
        if number in self._kept:
            return self._kept[number]
        sample, told = self._opened(number)
        for sentence in told:
            if sentence not in self._told:
                self._told.add(sentence)
                warn(sentence)
        return sample

    def _opened(self, number: int) -> tuple[Sample, list[str]]:
        """A chip from its file, kept where there is room, and what its loader warns of."""
        path = self.paths[number]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sample = self._read(path)
        self._shape = self._shape if any(self._shape) else sample.shape
        if sample.shape != self._shape:
            sizes = [f"{height}x{width}" for height, width in (sample.shape, self._shape)]
            raise ValueError(f"all chips must have one size, but {path} has {sizes[0]} px, others have {sizes[1]}")
        size = sum(image.nbytes for image in sample.images.values())
        if size <= self._room:
            self._room -= size
            self._kept[number] = sample
        return sample, [str(one.message) for one in caught]

    def _look(self) -> list[str]:
        """Notes that the chips have in common, and how many contradict the names of their bands, of which it warns."""
        from rich.progress import track

        numbers = np.unique(np.linspace(0, len(self) - 1, LOOKED_AT).astype(int)).tolist()
        steps = track(numbers, f"looking at {self.name}", transient=True, disable=len(self) < 500)
        opened = [self._opened(number) for number in steps]
        odd: Counter[str] = Counter()  # sentences of `data.sanity`, which a sample notes with its own evidence behind
        for sample, told in opened:
            odd.update(one for one in told if any(note.startswith(f"{one} (") for note in sample.notes))
        for sentence in dict.fromkeys(sentence for _, told in opened for sentence in told):
            self._told.add(sentence)
            if sentence not in odd:
                warn(sentence)
        looked = f"{len(numbers)} chips that were looked at"
        contradicted = [f"in {count} of {looked}, {sentence}" for sentence, count in odd.items()]
        if contradicted:
            warn(f"{self.name}: {'; '.join(contradicted)}")
        shared = [note for note in opened[0][0].notes if all(note in sample.notes for sample, _ in opened)]
        return [*(note for note in shared if not note.startswith(tuple(odd))), *contradicted]
