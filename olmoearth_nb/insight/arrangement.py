"""`Arrangement`: the tokens that an encoder can see as one array, and the kinds of pairs that they form.

Sensors share the patches and the timesteps of their sample. So their tokens fill an array (T, S, P): timesteps, band
groups of all sensors, patches. Sums over keys of one kind are then sums along its axes.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from olmoearth_nb.bands import modality
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.insight.groups import band_groups


class Arrangement:
    """The array (T, S, P) of the tokens of a grid.

    Args:
        grid: what each token is.

    Attributes:
        grid: the same.
        groups: the S band groups.
        shape: (T, S, P).
        size: (rows, columns) of patches, P together.
    """

    def __init__(self, grid: TokenGrid) -> None:
        self.grid, self.groups = grid, band_groups(grid)
        sensors = [name for name in grid.shapes if not modality(name).decode_only]
        rows, columns, times, _ = grid.shapes[sensors[0]]
        self.size, self.shape = (rows, columns), (times, len(self.groups), rows * columns)
        numbers = torch.arange(len(grid))[None]  # (1, N)
        parts = [grid.unflatten(numbers, name)[0].permute(2, 3, 0, 1).flatten(2) for name in sensors]  # (T, G, P) each
        self.order = torch.cat(parts, dim=1).flatten()
        """(T S P,) place in the sequence of each token of the array."""
        self.place = torch.full((len(grid),), -1)
        """(N,) place in the array of each token of the sequence; -1 for maps."""
        self.place[self.order] = torch.arange(len(self.order))

    def fits(self, other: Arrangement) -> bool:
        """Whether both arrange the same tokens, so that sums over them can be added."""
        mine, theirs = self.grid, other.grid
        same = mine.patch_size == theirs.patch_size and mine.tokenization == theirs.tokenization
        return same and self.size == other.size and self.shape == other.shape and self.groups == other.groups

    @cached_property
    def reach(self) -> list[int]:
        """Upper ends of the bins of distance in patches: 0, 1, 2, 4, 8 and so on to the diagonal."""
        rows, columns = self.size
        farthest, ends = (rows - 1) ** 2 + (columns - 1) ** 2, [0]
        while ends[-1] ** 2 < farthest:
            ends.append(max(1, 2 * ends[-1]))
        return ends

    @property
    def distances(self) -> tuple[str, ...]:
        """Names of the bins of distance, in metres between the middles of patches."""
        edges = [10 * self.grid.patch_size * end for end in self.reach]
        beyond = [f"{low} to {high} m" for low, high in pairwise(edges[1:])]
        return ("same patch", *([f"up to {edges[1]} m"] if len(edges) > 1 else []), *beyond)

    def bins(self, patches: Tensor) -> Tensor:
        """(c,) patches to (c, P, bins) float: 1 where a patch is that far from them."""
        columns = self.size[1]
        every = torch.arange(self.shape[2], device=patches.device)
        down = patches[:, None] // columns - every // columns
        across = patches[:, None] % columns - every % columns
        ends = torch.tensor([end**2 for end in self.reach], device=patches.device)
        return F.one_hot(torch.bucketize(down**2 + across**2, ends), len(self.reach)).float()

    def sums(self, weights: Tensor, time: int, queries: Tensor) -> Tensor:
        """Attention of some tokens of one timestep, summed over them and over keys of one kind.

        Args:
            weights: (heads, c, T S P) of c queries.
            time: timestep of the queries.
            queries: (c,) place of each query among the S P tokens of its timestep.

        Returns:
            (heads, S, 2, S, bins) float64 on the CPU: band group of the query; same timestep, other timestep; band
            group of the key; bin of their distance, of which the first is the same patch.
        """
        _, groups, patches = self.shape
        weights = weights.unflatten(-1, self.shape)  # (heads, c, T, S, P)
        same = weights[:, :, time]
        other = weights[:, :, :time].sum(2) + weights[:, :, time + 1 :].sum(2)
        by_patch = torch.stack([same, other], dim=2)  # (heads, c, 2, S, P)
        by_bin = torch.einsum("hcysp,cpb->chysb", by_patch, self.bins(queries % patches))
        asking = F.one_hot(queries // patches, groups).to(by_bin.dtype)  # (c, S)
        return torch.einsum("chysb,ca->haysb", by_bin, asking).cpu().double()
