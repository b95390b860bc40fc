"""Interaction indices of a function of coalitions, exact: Moebius transform, Shapley values, pairs.

v is a function of the 2^n coalitions of n players, as an array whose index has bit i set where player i is in it. Its
Moebius transform m says what each coalition adds that none of its parts adds:

    m(S) = sum over T in S of (-1)^(|S| - |T|) v(T),        v(S) = sum over T in S of m(T).

All indices here share it out among players or pairs, each in its own way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def all_coalitions(players: int) -> np.ndarray:
    """(2^n, n) bool, who is in each coalition; row number = the coalition's number."""
    return (np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(bool)


def moebius(values: np.ndarray) -> np.ndarray:
    """What each coalition adds that none of its parts adds (Harsanyi's dividends; Rota 1964).

    n passes, each of which takes what is there without player i from what is there with player i.

    Args:
        values: (..., 2^n) of each coalition.

    Returns:
        (..., 2^n) float64.
    """
    return _butterflies(values, np.subtract)


def from_moebius(dividends: np.ndarray) -> np.ndarray:
    """The function whose Moebius transform this is: sums over the parts of each coalition, (..., 2^n)."""
    return _butterflies(dividends, np.add)


def _butterflies(values: np.ndarray, step: Callable[..., np.ndarray]) -> np.ndarray:
    """One pass for each player over (..., 2^n), in place on a copy."""
    found = np.array(values, dtype=np.float64)
    for player in range(players_of(found)):
        pairs = found.reshape(*found.shape[:-1], -1, 2, 1 << player)  # ..., without player i | with it, ...
        step(pairs[..., 1, :], pairs[..., 0, :], out=pairs[..., 1, :])
    return found


def players_of(values: np.ndarray) -> int:
    """The number of players of an array over all coalitions.

    Raises:
        ValueError: if the last axis is no power of two.
    """
    size = values.shape[-1] if values.ndim else 0
    if size < 2 or size & (size - 1):
        raise ValueError(f"the last axis must hold all coalitions, 2^n of them, got {size}")
    return size.bit_length() - 1


def shapley_values(values: np.ndarray) -> np.ndarray:
    """Each player's part of v(everybody) - v(nobody) (Shapley 1953): what a coalition adds is divided equally.

        phi_i = sum over S with i of m(S) / |S|

    Args:
        values: (..., 2^n) of each coalition.

    Returns:
        (..., n), whose sum is v(everybody) - v(nobody).
    """
    return _shared(values, lambda size: 1 / np.maximum(size, 1))


def shapley_interactions(values: np.ndarray) -> np.ndarray:
    """Shapley interaction index of each pair (Grabisch and Roubens 1999).

        I_ij = sum over S with i and j of m(S) / (|S| - 1)

    It is what i and j do together beyond what each does, averaged over who else is there in the order of Shapley:
    sum over S without i and j of |S|! (n - |S| - 2)! / (n - 1)! times v(S+ij) - v(S+i) - v(S+j) + v(S). It is not
    complete: `shapley_taylor` is.

    Args:
        values: (..., 2^n) of each coalition.

    Returns:
        (..., n, n), symmetric; the diagonal holds the Shapley values.
    """
    return _paired(values, lambda size: 1 / np.maximum(size - 1, 1), shapley_values(values))


def shapley_taylor(values: np.ndarray) -> np.ndarray:
    """Shapley-Taylor interaction index of order 2 (Dhamdhere, Agarwal and Sundararajan 2020).

        I_i = m({i}) = v({i}) - v(nobody),        I_ij = sum over S with i and j of 2 m(S) / (|S| (|S| - 1))

    Args:
        values: (..., 2^n) of each coalition.

    Returns:
        (..., n, n), symmetric; the diagonal holds what each player does alone. Diagonal and upper triangle together
        sum to v(everybody) - v(nobody).
    """
    dividends = moebius(values)
    alone = dividends[..., 1 << np.arange(players_of(dividends))]  # (..., n)
    return _paired(values, lambda size: 2 / np.maximum(size * (size - 1), 1), alone)


def _shared(values: np.ndarray, weight: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(..., n) sums over the coalitions of each player of weighted dividends."""
    weighted, inside = _weighted(values, weight)
    return weighted @ inside


def _paired(values: np.ndarray, weight: Callable[[np.ndarray], np.ndarray], diagonal: np.ndarray) -> np.ndarray:
    """(..., n, n) sums over the coalitions of each pair of weighted dividends, with a diagonal of its own."""
    weighted, inside = _weighted(values, weight)
    found = (weighted[..., None, :] * inside.T) @ inside  # (..., n, 2^n) @ (2^n, n)
    players = np.arange(inside.shape[1])
    found[..., players, players] = diagonal
    return found


def _weighted(values: np.ndarray, weight: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(..., 2^n) dividends, weighted by the size of their coalition, and (2^n, n) who is in each."""
    dividends = moebius(values)
    inside = all_coalitions(players_of(dividends)).astype(np.float64)
    return dividends * weight(inside.sum(1)), inside
