"""Which tokens the encoder sees and which it has to predict.

Two strategies are those of the releases, three are plain ones to learn from. Each gives every token a `Role`:

* `modality_cross_random` (v1): the encoder sees half of the tokens of the band sets drawn for encoding; half of the
  tokens of all other band sets, of the maps, and of some of the encoded ones are predicted.
* `random_time_with_decode` (v1.1): the encoder sees half of the tokens, or of the dates, of half of the band sets;
  the same fraction of the other band sets is predicted, and the maps as a whole.
* `random`, `time`, `space`: the encoder sees half of all tokens, or all tokens of half of the dates, or of half of the
  patches; everything else is predicted.

A *band set* is one group of bands of one modality: v1 has three of Sentinel-2, v1.1 one. An unobserved token is
MISSING under every strategy. All randomness comes from (seed, sample, step, view), never from the order of the work.

Source: rules of the public OlmoEarth configuration and paper, checked in `tests/test_masking.py` as properties.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.bands import modality
from olmoearth_nb.grid import Role, TokenGrid

_ONLINE, _TARGET_ONLY, _DECODER, _MISSING = map(int, Role)

Strategy = Callable[[TokenGrid, np.ndarray, np.random.Generator], np.ndarray]
"""(grid, (N,) bool, True = missing, generator) -> (N,) roles."""

RANDOM_RATIO = 0.5
"""Chance that v1.1 hides tokens rather than dates."""


def draw_roles(
    strategy: str, grid: TokenGrid, missing: Tensor, seed: int, samples: Sequence[int], step: int, view: int
) -> Tensor:
    """Draws the roles of a batch.

    Args:
        strategy: one of `STRATEGIES`.
        grid: the layout of the N tokens.
        missing: (B, N) bool, True = not observed.
        seed: of the run.
        samples: B numbers of the samples in the data set.
        step: how many micro-batches were drawn before.
        view: 0 or 1; the two views of one sample are masked independently.

    Returns:
        (B, N) int64 `Role`, on the host.

    Raises:
        ValueError: for an unknown strategy, numbers that are not one a sample, or a sample of which no sensor
            observed anything.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown masking {strategy!r}; valid are {', '.join(STRATEGIES)}")
    if len(samples) != len(missing):
        raise ValueError(f"{len(missing)} samples need a number each, got {len(samples)} numbers")
    absent = missing.cpu().numpy()  # (B, N)
    empty = np.asarray(absent[:, _layout(grid).sensor].all(1))  # (B,)
    drawn = np.empty(absent.shape, dtype=np.int64)
    for row, sample in enumerate(samples):
        if empty[row]:
            raise ValueError(f"sample {sample} cannot be masked: no sensor observed any token of it")
        generator = np.random.default_rng([seed, step, sample, 1 + view])  # a 0 at the end would change nothing
        drawn[row] = STRATEGIES[strategy](grid, absent[row], generator)
    return torch.from_numpy(drawn)


def modality_cross_random(grid: TokenGrid, missing: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """v1: tokens are halved at random, then whole band sets are drawn to be encoded, to be decoded, or both.

    A band set that is not encoded keeps its DECODER tokens, drawn or not: the official code decodes it anyway.
    """
    layout = _layout(grid)
    roles = np.full(len(missing), _TARGET_ONLY)  # (N,)
    # 1. in each modality half of the tokens may be seen and half may be predicted, wherever they are
    for span in grid.slices.values():
        order = span.start + generator.permutation(span.stop - span.start)
        half = len(order) // 2
        roles[order[:half]], roles[order[half : 2 * half]] = _ONLINE, _DECODER
    roles[missing] = _MISSING
    # 2. whole band sets lose the right to be seen, or to be predicted: this is where v1 relates bands to each other
    encoded, decoded = (layout.among(band_sets) for band_sets in _drawn_band_sets(layout, roles, generator))
    roles[(roles == _ONLINE) & ~encoded[layout.number]] = _TARGET_ONLY
    roles[(roles == _DECODER) & (encoded & ~decoded)[layout.number]] = _TARGET_ONLY
    # 3. a draw that leaves nothing to see or nothing to predict teaches nothing
    if not (roles == _ONLINE).any() or not (roles == _DECODER).any():
        _halve(roles, layout.sensor & ~missing, generator)
    return roles


def _drawn_band_sets(
    layout: _Layout, roles: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Band sets to encode and to decode, as v1 draws them; none to encode if no sensor has an ONLINE token."""
    sensors = np.flatnonzero(~layout.maps & layout.has(roles == _ONLINE)).tolist()
    present = sensors + np.flatnonzero(layout.maps & layout.has(roles != _MISSING)).tolist()
    if not sensors or len(present) <= 2:
        return np.array(sensors[:1], dtype=int), np.array(present[1:], dtype=int)
    many = generator.integers(min(2, len(sensors)), len(sensors) + 1)  # at least two are seen, where there are two
    encoded = generator.permutation(sensors)[:many]
    decoded = generator.permutation(present)[: generator.integers(1, len(present) + 1)]
    return encoded, decoded


def random_time_with_decode(grid: TokenGrid, missing: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """v1.1: half of the band sets are encoded, the others decoded; in both, half of the tokens or of the dates.

    With one band set in the sample its tokens are halved. A band set without data at the dates that it should
    give falls back to random tokens; a single observed token is encoded in any case.
    """
    layout, seen = _layout(grid), ~missing
    roles = np.full(len(missing), _DECODER)  # (N,); maps stay so: they are predicted as a whole
    roles[missing] = _MISSING
    present = np.flatnonzero(~layout.maps & layout.has(seen))
    dates = np.flatnonzero(np.bincount(layout.time[seen & layout.sensor]))
    # hidden dates have to be filled in from other dates; hidden tokens can be copied from their neighbours
    by_date = len(dates) > 1 and generator.uniform() >= RANDOM_RATIO
    shuffled, many = generator.permutation(dates), _half_up(dates)
    if len(present) == 1:
        _halve(roles, (layout.number == present[0]) & seen, generator)
        return roles
    order = generator.permutation(present)
    for position, band_set in enumerate(order.tolist()):
        encode = position < _half_up(order)  # the first half of the drawn order is seen, the second predicted
        tokens = np.flatnonzero((layout.number == band_set) & seen)  # (n,) observed tokens of the band set
        chosen = np.empty(0, dtype=int)
        if by_date:
            chosen = tokens[np.isin(layout.time[tokens], shuffled[:many] if encode else shuffled[many:])]
        if len(chosen) == 0:
            chosen = generator.permutation(tokens)[: max(1, len(tokens) // 2)]
        roles[tokens] = _TARGET_ONLY
        roles[chosen] = _ONLINE if encode or len(tokens) == 1 else _DECODER
    return roles


class _Layout(NamedTuple):
    """What masks ask of a grid, as arrays.

    Attributes:
        number: (N,) band set of each token.
        time: (N,) timestep of each.
        sensor: (N,) bool, True = a token of a sensor, False = of a map, which is never encoded.
        maps: (G,) bool, True = the band set is of a map.
    """

    number: np.ndarray
    time: np.ndarray
    sensor: np.ndarray
    maps: np.ndarray

    def has(self, tokens: np.ndarray) -> np.ndarray:
        """(G,) bool, whether a band set has any of these tokens, (N,) bool."""
        return np.bincount(self.number[tokens], minlength=len(self.maps)) > 0

    def among(self, band_sets: np.ndarray) -> np.ndarray:
        """(G,) bool, True for the band sets of these numbers."""
        chosen = np.zeros(len(self.maps), dtype=bool)
        chosen[band_sets] = True
        return chosen


@lru_cache(maxsize=64)
def _layout(grid: TokenGrid) -> _Layout:
    """The layout of a grid, kept for the next sample."""
    maps = np.array([modality(name).decode_only for name, _ in grid.band_sets], dtype=bool)
    # copies: a process that sends a grid to another moves its tensors to other memory, and views of them would dangle
    return _Layout(grid.band_set.numpy().copy(), grid.time.numpy().copy(), ~grid.decode_only.numpy(), maps)


def _half_up(items: np.ndarray) -> int:
    """Half of how many there are, rounded up."""
    return -(-len(items) // 2)


def _plain(units: Callable[[TokenGrid], Tensor]) -> Strategy:
    """A strategy that encodes half of the units with any observed token and decodes the others; maps are decoded."""

    def strategy(grid: TokenGrid, missing: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        roles = np.where(missing, _MISSING, _DECODER)
        sensor = _layout(grid).sensor & ~missing
        unit = units(grid).numpy()
        present = generator.permutation(np.unique(unit[sensor]))
        roles[sensor & np.isin(unit, present[: _half_up(present)])] = _ONLINE
        return roles

    return strategy


def _halve(roles: np.ndarray, where: np.ndarray, generator: np.random.Generator) -> None:
    """Encodes half of the tokens, rounded up, and decodes the rest, in place."""
    order = generator.permutation(np.flatnonzero(where))
    half = _half_up(order)
    roles[order[:half]], roles[order[half:]] = _ONLINE, _DECODER


STRATEGIES: dict[str, Strategy] = {
    "modality_cross_random": modality_cross_random,
    "random_time_with_decode": random_time_with_decode,
    "random": _plain(lambda grid: torch.arange(len(grid))),
    "time": _plain(lambda grid: grid.time),
    "space": _plain(lambda grid: grid.row * (int(grid.column.max()) + 1) + grid.column),
}
"""Masking by name."""
