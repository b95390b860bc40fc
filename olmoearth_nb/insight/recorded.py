"""`RecordedAttention`: what `record_attention` leaves, and the tables and maps that are read off it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from olmoearth_nb.bands import SENTINEL2, modality
from olmoearth_nb.errors import counted
from olmoearth_nb.insight.arrangement import Arrangement
from olmoearth_nb.insight.groups import BandGroup
from olmoearth_nb.insight.one_sample import Sums, Wanted
from olmoearth_nb.insight.rollout import uniform_rollout
from olmoearth_nb.insight.summary import MEAN, Summary, relative_to
from olmoearth_nb.insight.token import Token


@dataclass(frozen=True, eq=False)
class TokenAttention:
    """What one token attends to.

    Attributes:
        token: the token that asks.
        groups: the S band groups.
        layers: L names of the blocks.
        heads: H names of the heads.
        weight: (L, H, T, S, rows, columns) attention to each token, 0 where there is none; sums to 1 over the last four
            axes.
        uniform: (T, S, rows, columns) the same if every token that is there got as much.
        rollout: (T, S, rows, columns) of each input token in this one after all blocks, or None if not recorded.
    """

    token: Token
    groups: tuple[BandGroup, ...]
    layers: tuple[str, ...]
    heads: tuple[str, ...]
    weight: np.ndarray
    uniform: np.ndarray
    rollout: np.ndarray | None

    @property
    def ratio(self) -> np.ndarray:
        """(L, H, T, S, rows, columns) weight relative to the uniform one; NaN where there is no token."""
        return relative_to(self.uniform, self.weight)


class RecordedAttention:
    """Attention of an encoder, summed by kinds of pairs while it ran.

    The tables are `Summary`: names, weights, what uniform attention over the same tokens would give, and their ratio.
    The tokens of all recorded samples count alike. `by_sample` gives a recording of each sample alone, for intervals.

    Args:
        wanted: what is recorded.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._known: Arrangement | None = None
        self._samples: list[Sums] = []

    def __len__(self) -> int:
        """Number of samples recorded."""
        return len(self._samples)

    def __repr__(self) -> str:
        """How much was recorded, in one line."""
        layers, heads = counted(len(self._wanted.layers), "layer"), counted(len(self._wanted.heads), "head")
        return f"RecordedAttention({counted(len(self), 'sample')}, {layers}, {heads})"

    def add(self, arrangement: Arrangement, samples: list[Sums]) -> None:
        """Takes the samples of one finished pass of the encoder, whose tokens `check` has let pass."""
        self._known = arrangement
        self._samples += samples

    def check(self, arrangement: Arrangement) -> None:
        """Raises a ValueError if samples of these tokens cannot be added to those that are there."""
        if self._known is None or arrangement.fits(self._known):
            return
        before, now = (
            f"{dict(a.grid.shapes)} at patches of {a.grid.patch_size} px" for a in (self._known, arrangement)
        )
        raise ValueError(
            f"samples of one recording have the same tokens, got {before} and then {now}; record each kind of sample "
            "by itself"
        )

    def by_sample(self) -> Iterator[RecordedAttention]:
        """A recording of each sample alone, in the order in which they were encoded."""
        for sums in self._samples:
            alone = RecordedAttention(self._wanted)
            alone.add(self._arrangement, [sums])
            yield alone

    @property
    def groups(self) -> tuple[BandGroup, ...]:
        """The S band groups, in the order of all tables."""
        return self._arrangement.groups

    def between_groups(
        self, *, same_patch: bool | None = None, same_timestep: bool | None = None, itself: bool = True
    ) -> Summary:
        """Attention of band groups to band groups.

        Args:
            same_patch: True counts keys of the query's own patch alone, False those of other patches, None all.
            same_timestep: likewise of timesteps.
            itself: whether a token's attention to itself counts; it lies within a group.

        Returns:
            A `Summary` whose rows sum to 1 where all keys count. Its note says so where Sentinel-2 has one token, and
            attention between bands is undefined.
        """
        table = self._table(
            f"attention between band groups{_words(same_patch, same_timestep, itself)}",
            lambda sums: _chosen(sums, same_patch, same_timestep, itself).sum((-3, -1)),
            self._names,
        )
        own = [group for group in self.groups if group.modality == SENTINEL2.name]
        if len(own) != 1:
            return table
        note = (
            f"Sentinel-2 has one band group here ({own[0].name}), so attention between its bands is undefined: they "
            "act together inside their token"
        )
        return replace(table, note=note)

    def between_modalities(
        self, *, same_patch: bool | None = None, same_timestep: bool | None = None, itself: bool = True
    ) -> Summary:
        """Attention of sensors to sensors; arguments as of `between_groups`."""
        sensors = list(dict.fromkeys(group.modality for group in self.groups))
        belongs = np.array([[group.modality == name for name in sensors] for group in self.groups], dtype=np.float64)
        return self._table(
            f"attention between sensors{_words(same_patch, same_timestep, itself)}",
            lambda sums: _chosen(sums, same_patch, same_timestep, itself).sum((-3, -1)) @ belongs,
            tuple(modality(name).title for name in sensors),
            belongs,
        )

    def by_patch(self) -> Summary:
        """Attention of each band group to tokens of its own patch, itself among them, and to those of others."""
        kinds = ("same patch", "other patches")
        return self._table("attention within a patch and beyond it", _by_patch, kinds)

    def by_timestep(self) -> Summary:
        """Attention of each band group to tokens of its own timestep, itself among them, and to those of others."""
        kinds = ("same timestep", "other timesteps")
        return self._table("attention within a timestep and beyond it", lambda sums: sums.sum((-2, -1)), kinds)

    def by_distance(self) -> Summary:
        """Attention of each band group by the distance between the middles of patches, in bins that double."""
        return self._table("attention by distance", lambda sums: sums.sum((-3, -2)), self._arrangement.distances)

    def rollout(self) -> Summary:
        """Rollout between band groups after each block; the formula is in `olmoearth_nb.insight.rollout`.

        Returns:
            A `Summary` whose layer l tells how much of the inputs of a group (column) is in the tokens of a group (row)
            after blocks 1 to l: the mean over its tokens.

        Raises:
            ValueError: if it was not recorded.
        """
        if not self._wanted.rollout:
            raise ValueError("the rollout was not recorded: say rollout=True")
        arrangement, asking = self._arrangement, self._queries[:, None]
        weight = _mean(np.sum([sums.rollout for sums in self._samples], axis=0), asking)  # (L, S, S)
        expected = np.sum([sums.expected for sums in self._samples], axis=0).sum((-3, -1))  # (S, S)
        uniform = uniform_rollout(_mean(expected, asking), len(weight))
        layers = tuple(f"after block {number}" for number in range(1, len(weight) + 1))
        names = tuple(group.name for group in arrangement.groups)
        return Summary("rollout between band groups", names, names, layers, (MEAN,), weight[:, None], uniform[:, None])

    def of(self, token: Token, sample: int = 0) -> TokenAttention:
        """Attention of a chosen token to every token.

        Args:
            token: one of `rows`.
            sample: which of the recorded samples.

        Raises:
            ValueError: if the token was not chosen or there is no such sample.
        """
        arrangement, wanted = self._arrangement, self._wanted
        places = [chosen.index(arrangement.grid) for chosen in wanted.rows]
        if token.index(arrangement.grid) not in places:  # another band of its group names the same token
            kept = f"; kept are {', '.join(map(str, wanted.rows))}" if wanted.rows else ""
            raise ValueError(f"attention of {token} was not kept: say rows=[{token}] when recording{kept}")
        if not 0 <= sample < len(self):
            raise ValueError(f"samples run from 0 to {len(self) - 1}, got {sample}")
        sums, number = self._samples[sample], places.index(token.index(arrangement.grid))
        grid = (*arrangement.shape[:2], *arrangement.size)  # (T, S, rows, columns)
        weight = np.stack([sums.rows[layer][number] for layer in wanted.layers])  # (L, H, T, S, P)
        rollout = None if sums.rollout_rows is None else sums.rollout_rows[number].reshape(grid)
        return TokenAttention(
            token,
            arrangement.groups,
            self._layers,
            self._heads,
            weight.reshape(*weight.shape[:2], *grid),
            (sums.valid / sums.valid.sum()).reshape(grid),
            rollout,
        )

    @property
    def _arrangement(self) -> Arrangement:
        """The arrangement of all samples."""
        if self._known is None:
            raise ValueError("nothing was recorded: call the encoder inside the block of `with record_attention(...)`")
        return self._known

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(group.name for group in self.groups)

    @property
    def _layers(self) -> tuple[str, ...]:
        return tuple(f"block {number + 1}" for number in self._wanted.layers)

    @property
    def _heads(self) -> tuple[str, ...]:
        return tuple(f"head {number + 1}" for number in self._wanted.heads)

    @property
    def _queries(self) -> np.ndarray:
        """(S,) number of tokens that ask."""
        return np.sum([sums.queries for sums in self._samples], axis=0)

    def _table(
        self,
        what: str,
        kinds: Callable[[np.ndarray], np.ndarray],
        keys: tuple[str, ...],
        belongs: np.ndarray | None = None,
    ) -> Summary:
        """A table of sums.

        Args:
            what: what it tells.
            kinds: (..., S, 2, S, bins) sums to (..., S, K): the kinds of keys.
            keys: names of the K kinds.
            belongs: (S, Q) which groups make a row, which is then named as the column is; by default each group.
        """
        names = self._names if belongs is None else keys
        rows = np.eye(len(names)) if belongs is None else belongs
        total = np.sum([[sums.weight[layer] for layer in self._wanted.layers] for sums in self._samples], axis=0)
        expected = np.sum([sums.expected for sums in self._samples], axis=0)
        asking = (rows.T @ self._queries)[:, None]  # (Q, 1)
        weight, uniform = (_mean(rows.T @ kinds(sums), asking) for sums in (total, expected))
        return Summary(what, names, keys, self._layers, self._heads, weight, uniform[None, None])


def _mean(sums: np.ndarray, asking: np.ndarray) -> np.ndarray:
    """Sums over queries by the number of queries; NaN where there was none."""
    return np.divide(sums, asking, out=np.full(sums.shape, np.nan), where=asking > 0)


def _by_patch(sums: np.ndarray) -> np.ndarray:
    """(..., S, 2, S, bins) to (..., S, 2): same patch, other patches."""
    by_bin = sums.sum((-3, -2))
    return np.stack([by_bin[..., 0], by_bin[..., 1:].sum(-1)], axis=-1)


def _chosen(sums: np.ndarray, same_patch: bool | None, same_timestep: bool | None, itself: bool) -> np.ndarray:
    """(..., S, 2, S, bins) with 0 for the kinds of keys that do not count."""
    _, times, groups, bins = sums.shape[-4:]
    counts = np.ones(sums.shape[-4:], dtype=bool)
    if same_patch is not None:
        counts &= (np.arange(bins) == 0) == same_patch
    if same_timestep is not None:
        counts &= ((np.arange(times) == 0) == same_timestep)[:, None, None]
    if not itself:  # of its own group, timestep and patch there is no other token
        counts[range(groups), 0, range(groups), 0] = False
    return np.where(counts, sums, 0.0)


def _words(same_patch: bool | None, same_timestep: bool | None, itself: bool) -> str:
    """Which keys count, for the title of a table."""
    parts = [
        *([] if same_patch is None else ["of the same patch" if same_patch else "of other patches"]),
        *([] if same_timestep is None else ["of the same timestep" if same_timestep else "of other timesteps"]),
        *([] if itself else ["without the token itself"]),
    ]
    return f" ({', '.join(parts)})" if parts else ""
