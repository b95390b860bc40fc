"""What one sample's tokens attend to, reduced while the blocks run: some queries at a time, never all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from olmoearth_nb.insight.arrangement import Arrangement
from olmoearth_nb.insight.rollout import rows_of_rollout, step
from olmoearth_nb.insight.token import Token
from olmoearth_nb.model.transformer import attention_weights

AT_ONCE = 2**23
"""Bytes of attention weights that exist at once; a few copies of them do."""


@dataclass(frozen=True)
class Wanted:
    """What is recorded.

    Attributes:
        layers: numbers of blocks, from 0.
        heads: numbers of heads, from 0.
        rows: tokens whose attention to every token is kept.
        rollout: whether attention is followed through the blocks.
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    rows: tuple[Token, ...]
    rollout: bool


@dataclass(eq=False)
class Sums:
    """What is kept of one sample.

    Attributes:
        expected: (S, 2, S, bins) uniform attention, summed over queries; axes as of `Arrangement.sums`.
        queries: (S,) number of tokens of each band group.
        valid: (T, S, P) bool, True = the encoder saw the token.
        weight: layer -> (heads, S, 2, S, bins) attention, summed over queries.
        rollout: for each block (S, S) rollout after it, summed over queries; empty if it was not wanted.
        rows: layer -> (rows, heads, T, S, P) attention of the chosen tokens.
        rollout_rows: (rows, T, S, P) rollout of the chosen tokens through all blocks, or None.
    """

    expected: np.ndarray
    queries: np.ndarray
    valid: np.ndarray
    weight: dict[int, np.ndarray] = field(default_factory=dict)
    rollout: list[np.ndarray] = field(default_factory=list)
    rows: dict[int, np.ndarray] = field(default_factory=dict)
    rollout_rows: np.ndarray | None = None


class OneSample:
    """Takes the queries and keys of block after block of one sample.

    Args:
        arrangement: of the tokens.
        online: (N,) bool, True = the encoder sees the token; on the host.
        wanted: what is recorded.
        device: where the encoder runs.

    Raises:
        ValueError: if a chosen token is not in the grid, or is hidden or missing.
    """

    def __init__(self, arrangement: Arrangement, online: Tensor, wanted: Wanted, device: torch.device) -> None:
        self.arrangement, self.wanted = arrangement, wanted
        self.place = arrangement.place[online].to(device)  # (M,) of the tokens in the order in which they are packed
        self.valid = online[arrangement.order].to(device)  # (T S P,)
        self.rows = torch.tensor([self._row(token, online) for token in wanted.rows], dtype=torch.long, device=device)
        queries = self.valid.unflatten(0, arrangement.shape).sum((0, 2)).cpu().numpy()
        self.sums = Sums(self._expected(), queries, self.valid.unflatten(0, arrangement.shape).cpu().numpy())
        group = torch.arange(len(self.valid), device=device) // arrangement.shape[2] % arrangement.shape[1]
        self.asking = F.one_hot(group, arrangement.shape[1]).float() * self.valid[:, None]  # (T S P, S)
        self.rolled = self.asking  # columns of the rollout, summed over the tokens of a group
        self.kept: list[tuple[Tensor, Tensor]] = []

    def take(self, layer: int, q: Tensor, k: Tensor) -> None:
        """Reduces the attention of one block.

        Args:
            layer: number of the block, from 0.
            q: (heads, M, head_dim) queries in the order of the sequence, behind them padding; only what is wanted of
                the heads unless a rollout needs them all.
            k: keys likewise.
        """
        q, k = self._arranged(q), self._arranged(k)
        heads = list(self.wanted.heads) if self.wanted.rollout else list(range(len(q)))
        if layer in self.wanted.layers:
            kinds = (self.arrangement.shape[1], 2, self.arrangement.shape[1], len(self.arrangement.reach))
            self.sums.weight[layer] = np.zeros((len(heads), *kinds))
            rows = attention_weights(q[None, heads][:, :, self.rows], k[None, heads], self.valid[None])[0]
            self.sums.rows[layer] = rows.transpose(0, 1).unflatten(-1, self.arrangement.shape).cpu().numpy()
        rolled = torch.zeros_like(self.rolled)
        for places, weights in self._attention(q, k):
            if layer in self.wanted.layers:
                self.sums.weight[layer] += self._sums(weights[heads], places).numpy()
            if self.wanted.rollout:
                rolled[places] = step(weights.mean(0) @ self.rolled, self.rolled[places])
        if self.wanted.rollout:
            self.rolled = rolled
            self.sums.rollout.append((self.asking.T @ rolled).cpu().double().numpy())
            self.kept += [(q, k)] if len(self.rows) else []

    def finish(self) -> Sums:
        """What is kept, when all blocks have been taken."""
        if self.kept:
            start = F.one_hot(self.rows, len(self.valid)).float()
            rows = rows_of_rollout(start, (self._attention(q, k) for q, k in reversed(self.kept)))
            self.sums.rollout_rows = rows.unflatten(-1, self.arrangement.shape).cpu().numpy()
            self.kept.clear()
        return self.sums

    def _row(self, token: Token, online: Tensor) -> int:
        """Place of a chosen token in the array."""
        index = token.index(self.arrangement.grid)
        if not online[index]:
            raise ValueError(f"the encoder did not see {token}: it was not observed, or a role hides it")
        return int(self.arrangement.place[index])

    def _expected(self) -> np.ndarray:
        """(S, 2, S, bins) of uniform attention: sums of counts, exact, over the number of tokens."""
        groups = self.arrangement.shape[1]
        sums = np.zeros((groups, 2, groups, len(self.arrangement.reach)))
        for places in self._chunks(heads=1):
            sums += self._sums(self.valid.float().expand(1, len(places), -1), places)[0].numpy()
        return sums / int(self.valid.sum())

    def _sums(self, weights: Tensor, places: Tensor) -> Tensor:
        """`Arrangement.sums` of queries at places of the array that are of one timestep."""
        _, groups, patches = self.arrangement.shape
        return self.arrangement.sums(weights, int(places[0]) // (groups * patches), places % (groups * patches))

    def _arranged(self, x: Tensor) -> Tensor:
        """(heads, M, head_dim) as (heads, T S P, head_dim) float32, 0 where the encoder saw nothing."""
        full = x.new_zeros(len(x), len(self.valid), x.shape[-1], dtype=torch.float32)
        full[:, self.place] = x[:, : len(self.place)].float()
        return full

    def _chunks(self, heads: int) -> Iterator[Tensor]:
        """(c,) places of queries that are handled together, all of one timestep."""
        count = max(1, AT_ONCE // (4 * heads * len(self.valid)))
        for start, moment in enumerate(self.valid.view(self.arrangement.shape[0], -1)):
            if moment.any():
                yield from (moment.nonzero()[:, 0] + start * len(moment)).split(count)

    def _attention(self, q: Tensor, k: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Places of some queries and their (heads, c, T S P) attention, until all have come."""
        for places in self._chunks(len(q)):
            yield places, attention_weights(q[None, :, places], k[None], self.valid[None])[0]
