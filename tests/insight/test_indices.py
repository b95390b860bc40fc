"""Exact interaction indices against their definitions, and against shapiq where it is installed."""

from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest

from olmoearth_nb.insight.indices import (
    all_coalitions,
    from_moebius,
    moebius,
    shapley_interactions,
    shapley_taylor,
    shapley_values,
)


def values(players, seed=0):
    return np.random.default_rng(seed).normal(size=2**players)


def number(coalition):
    return sum(1 << player for player in coalition)


def subsets(players):
    return [part for size in range(len(players) + 1) for part in combinations(players, size)]


def second_difference(v, i, j, rest):
    s = number(rest)
    return v[s | 1 << i | 1 << j] - v[s | 1 << i] - v[s | 1 << j] + v[s]


def by_definition(v, n):
    """Shapley values, interaction indices and Shapley-Taylor indices, summed over coalitions as they are defined."""
    players = range(n)
    single, pairs, taylor = np.zeros(n), np.zeros((n, n)), np.zeros((n, n))
    for i in players:
        for rest in subsets([k for k in players if k != i]):
            weight = factorial(len(rest)) * factorial(n - len(rest) - 1) / factorial(n)
            single[i] += weight * (v[number(rest) | 1 << i] - v[number(rest)])
        taylor[i, i] = v[1 << i] - v[0]
    for i, j in combinations(players, 2):
        for rest in subsets([k for k in players if k not in (i, j)]):
            weight = factorial(len(rest)) * factorial(n - len(rest) - 2) / factorial(n - 1)
            pairs[i, j] += weight * second_difference(v, i, j, rest)
            taylor[i, j] += 2 / n * second_difference(v, i, j, rest) / comb(n - 1, len(rest))
    return single, pairs + pairs.T + np.diag(single), taylor + np.triu(taylor, 1).T


@pytest.mark.parametrize("players", [2, 3, 4, 5])
def test_as_defined(players):
    v = values(players)
    found = shapley_values(v), shapley_interactions(v), shapley_taylor(v)
    for one, other in zip(found, by_definition(v, players), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_moebius_is_what_no_part_adds():
    v = values(4)
    found = moebius(v)
    inside = all_coalitions(4)
    for coalition in range(16):
        parts = [part for part in range(16) if part & ~coalition == 0]
        signs = [(-1) ** int(inside[coalition].sum() - inside[part].sum()) for part in parts]
        np.testing.assert_allclose(found[coalition], np.dot(signs, v[parts]), atol=1e-12)
    np.testing.assert_allclose(from_moebius(found), v, atol=1e-12)


def test_twelve_players_are_complete():
    v = np.stack([values(12, seed) for seed in range(3)])
    total = v[:, -1] - v[:, 0]
    np.testing.assert_allclose(shapley_values(v).sum(1), total, atol=1e-9)
    np.testing.assert_allclose(np.triu(shapley_taylor(v)).sum((1, 2)), total, atol=1e-9)


def test_a_known_pair_is_all_there_is():
    """v = x0 + 2 x1 + 5 x0 x2: nothing but the pair (0, 2) interacts."""
    x = all_coalitions(4).astype(float)
    v = x[:, 0] + 2 * x[:, 1] + 5 * x[:, 0] * x[:, 2]
    expected = np.zeros((4, 4))
    expected[0, 2] = expected[2, 0] = 5
    for found in (shapley_interactions(v), shapley_taylor(v)):
        np.testing.assert_allclose(found - np.diag(np.diag(found)), expected, atol=1e-12)
    np.testing.assert_allclose(shapley_values(v), [3.5, 2, 2.5, 0], atol=1e-12)


@pytest.mark.parametrize("shape", [(), (1,), (6,), (3, 5)])
def test_not_all_coalitions(shape):
    with pytest.raises(ValueError, match="all coalitions"):
        moebius(np.zeros(shape))


@pytest.mark.parametrize(("index", "ours"), [("SII", shapley_interactions), ("STII", shapley_taylor)])
def test_as_shapiq_computes(index, ours):
    shapiq = pytest.importorskip("shapiq")
    v = values(6)
    game = lambda coalitions: v[coalitions @ (1 << np.arange(6))] - v[0]  # noqa: E731
    found = shapiq.ExactComputer(n_players=6, game=game)(index, order=2)
    expected = np.array([[found[(i, j)] if i != j else 0 for j in range(6)] for i in range(6)])
    np.testing.assert_allclose(ours(v) - np.diag(np.diag(ours(v))), expected, atol=1e-9)
