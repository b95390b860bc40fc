"""What models are pretrained on and what they are tested on, whatever it is: three small protocols.

A `Corpus` gives windows, a `LabelledSet` gives places with an answer each, and `LabelledPixels` gives places with an
answer for each pixel. A simulated world is one of each; folders of real chips, EuroSAT, GeoBench's sets and tables of
pixel series are the first or the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from olmoearth_nb.sample import Batch, Sample


@runtime_checkable
class Corpus(Protocol):
    """Places to pretrain on, read window by window."""

    def __len__(self) -> int:
        """How many places may be trained on."""
        ...

    def name(self, place: int) -> str:
        """What a place is called in errors."""
        ...

    def size(self, place: int) -> tuple[int, int]:
        """Height and width of a place in pixels."""
        ...

    def window(self, place: int, row: int, column: int, edge: int) -> Sample:
        """A square of a place: all its modalities and dates.

        Args:
            place: from 0 to `len` - 1.
            row: upper edge in pixels.
            column: left edge in pixels.
            edge: in pixels.
        """
        ...

    def identity(self) -> dict[str, object]:
        """Plain data that tell this corpus from another; a run goes on with the same only."""
        ...


@runtime_checkable
class _Places(Protocol):
    """What all labelled places have, whatever their answers are."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """(n,) what tells each place from the others of the set, in whatever order they are listed."""
        ...

    @property
    def groups(self) -> np.ndarray:
        """(n,) numbers of groups that must not be split: places of one group are not independent."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; none for real values."""
        ...

    @property
    def unit(self) -> str:
        """Unit of real values; empty for classes."""
        ...

    @property
    def split(self) -> np.ndarray | None:
        """(n,) "train", "valid" or "test", where the publishers of the set have split it; None otherwise."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its scores must know, one sentence each."""
        ...

    def __len__(self) -> int:
        """How many places there are."""
        ...

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...], /) -> Batch:
        """Some of them as one normalised batch."""
        ...

    def samples(self, numbers: np.ndarray, modalities: tuple[str, ...] = ("sentinel2_l2a",)) -> list[Sample]:
        """Some of them as samples."""
        ...


@runtime_checkable
class LabelledSet(_Places, Protocol):
    """Places of which each has one answer."""

    @property
    def answers(self) -> np.ndarray:
        """(n,) class indices, or real values in `unit`; (n, classes) 0 or 1 where several classes may hold at once."""
        ...


@runtime_checkable
class LabelledPixels(_Places, Protocol):
    """Places of one size of which each pixel has an answer."""

    @property
    def answers(self) -> np.ndarray:
        """(n, H, W) class indices, -1 where there is none; or real values in `unit`, NaN where there is none."""
        ...


Labelled = LabelledSet | LabelledPixels
"""Places with answers of either kind."""
