"""Which players act together: pair interactions of vectors at every stage, exact Shapley interactions of a scalar.

from olmoearth_nb.insight import outputs
batch, others = Batch.from_samples(chips[:16]), Batch.from_samples(chips[16:])
found = pair_interaction(outputs.stages(encoder, 4), batch, Players.by_resolution(), by_draws(others))
found.matrix("norm")                      # 10 m x 20 m, 10 m x 60 m, 20 m x 60 m, relative
explained = outputs.logit(outputs.embedding(encoder, 4), score, answers)
exact = shapley(explained, batch, Players.each_band(), by_draws(others))
exact.synergy, exact.redundancy           # (12, 12) each
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from olmoearth_nb.insight.coalitions import Output, of_coalitions
from olmoearth_nb.insight.indices import all_coalitions, shapley_interactions, shapley_taylor, shapley_values
from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import Removal
from olmoearth_nb.sample import Batch


@dataclass(frozen=True, eq=False)
class PairInteraction:
    """What of a vector changes only where both players of a pair are there.

    Attributes:
        players: n of them.
        stages: what the vectors are, such as layers; "embedding" for one alone.
        together: (B, stages, pairs) ||f(N) - f(N-i) - f(N-j) + f(N-ij)||, mean over draws; pairs as `Players.pairs`.
        removed: (B, stages, pairs) ||f(N) - f(N-ij)||, what removing both changes, mean over draws.
    """

    players: Players
    stages: tuple[str, ...]
    together: np.ndarray
    removed: np.ndarray

    def index(self, pairs: np.ndarray | None = None) -> np.ndarray:
        """The interaction of some pairs relative to what removing both changes, of each sample.

        Args:
            pairs: (pairs,) bool; None for all, `Players.across` for those of different resolution.

        Returns:
            (B, stages): sum over the pairs of `together`, divided by that of `removed`; 0 where nothing changes.
        """
        chosen = np.ones(len(self.players.pairs), bool) if pairs is None else np.asarray(pairs, bool)
        if not chosen.any():
            raise ValueError("no pair is chosen; players of one resolution have no pair across resolutions")
        return _ratio(self.together[..., chosen].sum(-1), self.removed[..., chosen].sum(-1))

    def matrix(self, stage: str) -> np.ndarray:
        """(n, n) relative interaction of each pair at a stage, over all samples; the diagonal is NaN."""
        at, found = self.stage(stage), np.full((len(self.players),) * 2, np.nan)
        relative = _ratio(self.together[:, at].sum(0), self.removed[:, at].sum(0))
        for (i, j), value in zip(self.players.pairs, relative, strict=True):
            found[i, j] = found[j, i] = value
        return found

    def stage(self, name: str) -> int:
        """Number of a stage.

        Raises:
            ValueError: for an unknown one.
        """
        if name not in self.stages:
            raise ValueError(f"there is no stage {name!r}; there are {', '.join(self.stages)}")
        return self.stages.index(name)

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each stage and pair, over all samples: what ``pandas.DataFrame`` takes."""
        together, removed = self.together.mean(0), self.removed.mean(0)
        for at, stage in enumerate(self.stages):
            relative = _ratio(together[at], removed[at])
            for pair, (i, j) in enumerate(self.players.pairs):
                names = {"stage": stage, "first": self.players.names[i], "second": self.players.names[j]}
                values = (together[at, pair], removed[at, pair], relative[pair])
                yield names | dict(zip(("together", "removed", "relative"), map(float, values), strict=True))


def pair_interaction(output: Output, batch: Batch, players: Players, removal: Removal) -> PairInteraction:
    """The part of a vector that changes only where both players of a pair are there, all others being there.

    It is 0 for a sum of one function of each player, whatever the functions. The norm is taken of each draw, then
    averaged: a mean of few draws would have the noise of the draws in its norm.

    Args:
        output: (R changed samples, which) -> (R, D), or (R, stages, D) if it has an attribute `names`.
        batch: B samples.
        players: at least two.
        removal: what takes the place of removed bands.
    """
    n = len(players)
    gone = [(), *((i,) for i in range(n)), *players.pairs]
    coalitions = np.array([[player not in some for player in range(n)] for some in gone])
    i, j = np.array(players.pairs).T
    together, removed = [], []
    for values in of_coalitions(output, batch, players, removal, coalitions):  # (draws, 1 + n + pairs, ...)
        values = values if values.ndim == 4 else values[:, :, None]  # (draws, coalitions, stages, D)
        if values.ndim != 4:
            raise ValueError(f"pair interactions are those of vectors, got outputs of shape {values.shape[2:]}")
        full, one, both = values[:, :1], values[:, 1 : 1 + n], values[:, 1 + n :]
        norm = np.linalg.norm(full - one[:, i] - one[:, j] + both, axis=-1)  # (draws, pairs, stages)
        together.append(norm.mean(0).T)
        removed.append(np.linalg.norm(full - both, axis=-1).mean(0).T)
    stages = tuple(getattr(output, "names", ("embedding",)))
    return PairInteraction(players, stages, np.stack(together), np.stack(removed))


@dataclass(frozen=True, eq=False)
class ShapleyInteraction:
    """Exact Shapley values and interactions of a scalar.

    Attributes:
        players: n of them.
        values: (B, 2^n) the scalar of each coalition, mean over draws; see `indices` for their order.
    """

    players: Players
    values: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """(B,) v(everybody) - v(nobody): what all bands together do to the scalar."""
        return self.values[:, -1] - self.values[:, 0]

    @property
    def single(self) -> np.ndarray:
        """(B, n) Shapley values."""
        return shapley_values(self.values)

    @property
    def pairs(self) -> np.ndarray:
        """(B, n, n) Shapley interaction indices (Grabisch and Roubens); Shapley values on the diagonal."""
        return shapley_interactions(self.values)

    @property
    def taylor(self) -> np.ndarray:
        """(B, n, n) Shapley-Taylor indices of order 2; diagonal and upper triangle sum to `total`."""
        return shapley_taylor(self.values)

    @property
    def synergy(self) -> np.ndarray:
        """(n, n) mean over samples of the positive parts of `toward`: together the two do more than each of them."""
        return np.maximum(self.toward, 0).mean(0)

    @property
    def redundancy(self) -> np.ndarray:
        """(n, n) mean over samples of the negative parts of `toward`, as positive numbers: both say the same."""
        return np.maximum(-self.toward, 0).mean(0)

    @property
    def toward(self) -> np.ndarray:
        """(B, n, n) `pairs` without diagonal, positive where a pair moves the scalar the way that all bands move it."""
        found = self.pairs * np.where(self.total < 0, -1, 1)[:, None, None]
        found[:, range(len(self.players)), range(len(self.players))] = 0
        return found

    @property
    def strength(self) -> np.ndarray:
        """(n, n) mean over samples of the absolute values of `pairs`, whatever their direction; 0 on the diagonal."""
        return abs(self.toward).mean(0)

    @property
    def strongest(self) -> tuple[int, int]:
        """The pair that interacts most, by `strength`."""
        strength = self.strength
        return max(self.players.pairs, key=lambda pair: strength[pair])

    @property
    def incomplete(self) -> float:
        """Largest difference between the sum of Shapley-Taylor indices and `total`, relative to the largest value."""
        parts = np.triu(self.taylor).sum((1, 2))
        return float(abs(parts - self.total).max() / max(abs(self.values).max(), 1e-30))

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each pair, means over samples: what ``pandas.DataFrame`` takes."""
        pairs, taylor, synergy, redundancy = self.pairs.mean(0), self.taylor.mean(0), self.synergy, self.redundancy
        for i, j in self.players.pairs:
            names = {"first": self.players.names[i], "second": self.players.names[j]}
            values = {"interaction": pairs, "taylor": taylor, "synergy": synergy, "redundancy": redundancy}
            yield names | {name: float(value[i, j]) for name, value in values.items()}


def shapley(output: Output, batch: Batch, players: Players, removal: Removal) -> ShapleyInteraction:
    """Exact Shapley interactions of a scalar: 2^n passes for each sample and draw, 4,096 for 12 players.

    The indices are linear in the scalar, so that those of its mean over draws are the mean of those of the draws.

    Args:
        output: (R changed samples, which) -> (R,).
        batch: B samples.
        players: 2 to 12; what is shown for two is their only pair.
        removal: what takes the place of removed bands.
    """
    found = []
    for values in of_coalitions(output, batch, players, removal, all_coalitions(len(players))):
        if values.ndim != 2:
            raise ValueError(f"Shapley interactions are those of a number for each sample, got {values.shape[2:]}")
        found.append(values.mean(0))
    return ShapleyInteraction(players, np.stack(found))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """A part of a whole, 0 where nothing changes at all."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
