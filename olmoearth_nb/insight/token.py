"""`Token`: one token by what it stands for, in the same words under every tokenization."""

from __future__ import annotations

from dataclasses import dataclass

from olmoearth_nb.bands import SENTINEL2, modality
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.tokenization import Tokenization


@dataclass(frozen=True)
class Token:
    """The token of a patch and timestep that holds a band.

    Attributes:
        row: patch row, from 0.
        column: patch column, from 0.
        band: name of a band; the token is the one of the group that holds it.
        time: timestep, from 0.
        modality: name of the modality.
    """

    row: int
    column: int
    band: str
    time: int = 0
    modality: str = SENTINEL2.name

    def group(self, tokenization: Tokenization) -> int:
        """Number of the band's group within its modality.

        Raises:
            ValueError: for an unknown band or modality, a map, or a band that the tokenization does not read.
        """
        spec = modality(self.modality)
        if spec.decode_only:
            raise ValueError(f"{self} is a token of a map; encoders never see maps")
        spec.indices([self.band])
        groups = tokenization.groups_of(self.modality)
        holding = [number for number, group in enumerate(groups) if self.band in group]
        if not holding:
            read = " ".join(band for group in groups for band in group)
            raise ValueError(f"tokenization {tokenization.name!r} does not read {self.band}; it reads {read}")
        return holding[0]

    def index(self, grid: TokenGrid) -> int:
        """Place of the token in the sequence of a grid.

        Raises:
            ValueError: if the grid has no such token.
        """
        if self.modality not in grid.shapes:
            raise ValueError(f"{self} is not in the sample: it holds {', '.join(grid.shapes)}")
        group = self.group(grid.tokenization)
        rows, columns, times, groups = grid.shapes[self.modality]
        for name, size in (("row", rows), ("column", columns), ("time", times)):
            if not 0 <= getattr(self, name) < size:
                raise ValueError(f"{self} is not in the sample: {name} runs from 0 to {size - 1}")
        inside = ((self.row * columns + self.column) * times + self.time) * groups + group
        return grid.slices[self.modality].start + inside
