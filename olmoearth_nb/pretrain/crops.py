"""How much of a tile a micro-batch sees: patch size, edge in patches and dates under a budget of tokens.

Official training draws the patch size from 1 to 8 and the edge from 1 to 12 patches, once for a micro-batch, and fits
as many of the twelve dates as a budget of 2,250 tokens leaves room for. The scripts of v1.1 count the budget with the
band sets of v1, so its sequences are about half as long: `counted` says whose band sets are counted.

Source: the public OlmoEarth training configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, MODALITIES, SENSORS, TILE
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization, check_patch_size

MAPS = sum(spec.decode_only for spec in MODALITIES.values())


@dataclass(frozen=True)
class Crops:
    """What crops are drawn from.

    Attributes:
        patch_sizes: P, edges of a patch in pixels; what is listed twice is drawn twice as often.
        edges: edges of a crop in patches; likewise.
        budget: most tokens of a sample, maps included.
        counted: the tokenization that the budget counts; the official scripts count v1's for every model.
    """

    patch_sizes: tuple[int, ...] = tuple(range(1, 9))
    edges: tuple[int, ...] = tuple(range(1, 13))
    budget: int = 2250
    counted: Tokenization = field(default_factory=lambda: TOKENIZATIONS["v1"])

    def __post_init__(self) -> None:
        for patch_size in self.patch_sizes:
            check_patch_size(patch_size)
        if not self.patch_sizes or not self.edges or min(self.edges) < 1:
            raise ValueError(f"give patch sizes and edges of at least 1 patch, got {self.patch_sizes}, {self.edges}")
        if max(self.edges) * max(self.patch_sizes) > TILE:
            raise ValueError(
                f"{max(self.edges)} patches of {max(self.patch_sizes)} px do not fit into a tile of {TILE} px"
            )
        if not self.fitting:
            raise ValueError(
                f"a budget of {self.budget} tokens leaves no date for a crop of {min(self.edges)} x {min(self.edges)} "
                f"patches with {self.band_sets} band sets and {MAPS} maps"
            )

    @property
    def band_sets(self) -> int:
        """G, tokens of all sensors in one patch at one date."""
        return sum(len(self.counted.groups_of(name)) for name in SENSORS)

    def dates(self, edge: int) -> int:
        """Most dates of a crop: min(12, floor((budget - 6 edge^2) / (G edge^2))); 0 where not even one fits."""
        patches = edge * edge  # the maps have one date and one token each: 6 a patch, whatever the dates
        return max(0, min(MAX_TIMESTEPS, (self.budget - MAPS * patches) // (self.band_sets * patches)))

    @property
    def fitting(self) -> tuple[int, ...]:
        """The edges that leave room for at least one date; the official code stops with an error on the others."""
        return tuple(edge for edge in self.edges if self.dates(edge))

    def draw(self, generator: np.random.Generator, largest: int = TILE) -> tuple[int, int, int]:
        """Patch size, edge in patches and most dates of a micro-batch.

        Args:
            generator: what is random.
            largest: edge in pixels of the smallest place of the micro-batch; larger crops are not drawn.

        Raises:
            ValueError: if no crop is so small.
        """
        edges = [edge for edge in self.fitting if edge * min(self.patch_sizes) <= largest]
        if not edges:
            raise ValueError(
                f"no crop fits into a place of {largest} px: the smallest has {min(self.fitting)} patches of "
                f"{min(self.patch_sizes)} px along an edge; give smaller edges or patch sizes"
            )
        edge = int(generator.choice(edges))  # drawn first: the dates that fit follow from it
        sizes = [size for size in self.patch_sizes if edge * size <= largest]
        return int(generator.choice(sizes)), edge, self.dates(edge)


TWO_CORES = Crops(patch_sizes=(4,), edges=(4, 4, 4, 8), budget=1300)
"""For studies on two cores: mostly small places over all twelve dates, at times larger ones over two."""


def first_date(observed: np.ndarray, most: int, generator: np.random.Generator) -> int | None:
    """Draws where a series of at most so many dates begins; None if none of the first dates was observed.

    Args:
        observed: (T,) bool, True = some sensor has the date.
        most: dates that may be kept.
        generator: draws among the observed dates that leave room for `most`.
    """
    if len(observed) <= most:
        return 0
    # only dates from which a whole series follows: a crop at the end of the year would be shorter than the budget
    starts = np.flatnonzero(observed[: len(observed) - most + 1])
    return int(generator.choice(starts)) if len(starts) else None
