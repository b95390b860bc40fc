"""`TokenGrid`: which modality, patch row, column, timestep and band group each token of a sequence is.

One flat sequence replaces nested dictionaries. Modalities follow each other in the order of
`bands.MODALITIES`; inside a modality tokens run over (row, column, time, group), group fastest.
Masking, pooling, attention maps and cost all read the same grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import torch
from torch import Tensor

from olmoearth_nb.bands import MODALITIES, modality
from olmoearth_nb.tokenization import Tokenization


class Role(IntEnum):
    """What happens to a token. The numbers are those of the official masks."""

    ONLINE = 0
    """Seen by the encoder."""
    TARGET_ONLY = 1
    """Hidden from the encoder and not predicted."""
    DECODER = 2
    """Hidden from the encoder and predicted by the decoder."""
    MISSING = 3
    """Not observed: neither seen nor predicted."""


@dataclass(frozen=True, eq=False)
class TokenGrid:
    """The layout of a token sequence of length N.

    Attributes:
        tokenization: the band groups.
        patch_size: P, edge of a patch in pixels of 10 m.
        shapes: modality name -> (rows, columns, timesteps, groups), in sequence order.
    """

    tokenization: Tokenization
    patch_size: int
    shapes: Mapping[str, tuple[int, int, int, int]]

    @classmethod
    def build(cls, image_shapes: Mapping[str, Sequence[int]], tokenization: Tokenization, patch_size: int) -> TokenGrid:
        """Grid of a sample.

        Args:
            image_shapes: modality name -> (H, W, T) or (H, W, T, C).
            tokenization: the band groups.
            patch_size: P, 1 to 8.
        """
        for name in image_shapes:
            modality(name)  # a clear error for an unknown name
        ordered = [name for name in MODALITIES if name in image_shapes]
        shapes = {name: tokenization.token_shape(name, image_shapes[name], patch_size) for name in ordered}
        return cls(tokenization, patch_size, shapes)

    def __len__(self) -> int:
        """N, the number of tokens."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each modality's tokens stand in the sequence."""
        slices, start = {}, 0
        for name, shape in self.shapes.items():
            slices[name] = slice(start, start + math.prod(shape))
            start += math.prod(shape)
        return slices

    def _coordinate(self, axis: int) -> Tensor:
        """(N,) coordinate of every token along axis 0 row, 1 column, 2 time, 3 group."""
        parts = []
        for shape in self.shapes.values():
            view = [1, 1, 1, 1]  # a ramp along one axis, repeated along the three others
            view[axis] = shape[axis]
            parts.append(torch.arange(shape[axis]).view(view).expand(shape).reshape(-1))
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)

    @cached_property
    def row(self) -> Tensor:
        """(N,) patch row of each token."""
        return self._coordinate(0)

    @cached_property
    def column(self) -> Tensor:
        """(N,) patch column of each token."""
        return self._coordinate(1)

    @cached_property
    def time(self) -> Tensor:
        """(N,) timestep of each token; 0 for maps, which have no date."""
        return self._coordinate(2)

    @cached_property
    def group(self) -> Tensor:
        """(N,) band group of each token within its modality."""
        return self._coordinate(3)

    @cached_property
    def band_sets(self) -> list[tuple[str, int]]:
        """(modality, group) of every band set, in sequence order."""
        return [(name, group) for name, shape in self.shapes.items() for group in range(shape[3])]

    @cached_property
    def band_set(self) -> Tensor:
        """(N,) index into `band_sets` of each token: what masking encodes or decodes as a unit."""
        first = {name: self.band_sets.index((name, 0)) for name in self.shapes}  # groups count on over modalities
        return self.group + torch.cat([torch.full((s.stop - s.start,), first[n]) for n, s in self.slices.items()])

    @cached_property
    def decode_only(self) -> Tensor:
        """(N,) True for tokens that the encoder never sees."""
        return self._per_modality(lambda name: modality(name).decode_only)

    def _per_modality(self, test: Callable[[str], bool]) -> Tensor:
        flags = torch.zeros(len(self), dtype=torch.bool)
        for name, span in self.slices.items():
            flags[span] = test(name)
        return flags

    def where(
        self,
        modality: str | None = None,
        *,
        row: int | None = None,
        column: int | None = None,
        time: int | None = None,
        group: int | None = None,
    ) -> Tensor:
        """(N,) True for the tokens that match every given coordinate."""
        chosen = torch.ones(len(self), dtype=torch.bool)
        if modality is not None:
            chosen = self._per_modality(lambda name: name == modality)
        wanted = ((self.row, row), (self.column, column), (self.time, time), (self.group, group))
        for coordinate, value in wanted:
            if value is not None:
                chosen = chosen & (coordinate == value)
        return chosen

    def unflatten(self, values: Tensor, modality: str) -> Tensor:
        """One modality's part of a (B, N, ...) tensor as (B, rows, columns, timesteps, groups, ...)."""
        if modality not in self.shapes:
            raise ValueError(f"the grid holds {', '.join(self.shapes)}, not {modality!r}")
        return values[:, self.slices[modality]].unflatten(
            1, self.shapes[modality]
        )  # (B, n, ...) -> (B, h, w, T, G, ...)

    def labels(self) -> Iterator[tuple[str, int, int, int, int]]:
        """(modality, row, column, time, group) of every token, in order."""
        for name, span in self.slices.items():
            columns = (self.row[span], self.column[span], self.time[span], self.group[span])
            for row, column, time, group in zip(*(c.tolist() for c in columns), strict=True):
                yield name, row, column, time, group
