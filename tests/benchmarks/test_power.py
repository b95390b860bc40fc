"""The planted answers of benchmarks/power.py are what they are said to be, and larger differences are seen oftener."""

import numpy as np
import power
import pytest


def test_two_answers_disagree_as_measured():
    """Arms, names and seeds are apart by what `DISAGREE` says, at the accuracy that is asked for."""
    design = power.Design(costs=True, seeds=2, seed_spread=0.0, others=0, chips=60_000, groups=60_000, cost=0.0)
    hard = power.latent(design, np.random.default_rng(0))  # (arms, names, seeds, chips)
    right = hard < power.ndtri(0.6)
    assert right.mean() == pytest.approx(0.6, abs=0.01)
    first = right[0, 0, 0]
    others = {"arm": right[1, 0, 0], "names": right[0, 1, 0], "seed": right[0, 0, 1], "names and seed": right[0, 1, 1]}
    for what, other in others.items():
        assert (first != other).mean() == pytest.approx(power.DISAGREE[what], abs=0.01), what


def test_groups_have_all_chips():
    design = power.Design(costs=False, seeds=2, seed_spread=0.0)
    assert np.bincount(np.bincount(design.group)).tolist() == [0, 210, 30, 10]


def test_where_power_is_reached():
    powers = np.clip(power.GRID / 0.2, 0, 1)
    assert power.crossing(powers) == pytest.approx(0.16)
    assert np.isnan(power.crossing(powers * 0.7))


def test_a_study_sees_what_is_large_and_seldom_what_is_not():
    rows = list(power.power(power.Design(costs=False, seeds=5, seed_spread=0.01, others=2), 25))
    primary, of_three, _ = (float(row["difference"]) for row in rows)
    assert 0.04 < primary < of_three < 0.2
    assert float(rows[0]["false"]) <= 0.1
    assert power.markdown(rows)[-1].startswith("| difference of two arms | 5 | 0.01 |")
