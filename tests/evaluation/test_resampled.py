"""Intervals over groups and drawn folds cover the truth, and do not find what is not there."""

import numpy as np
import pytest
from folded import answered

from olmoearth_nb.evaluation.intervals import TRAINED, Resampled, accuracy, compare_resampled, group_weights

FOLDS = [{"fold_spread": 0.0}, {"fold_spread": 0.6}, {"fold_spread": 0.3, "groups": 120, "size": 1}]
NAMES = ["groups alone", "folds that differ", "single places"]


def scored(right, groups, draws=200, seed=0):
    """The accuracy of (seeds, repeats, places) right answers."""
    weights = group_weights(groups, draws, seed)
    found = right @ weights.T / weights.sum(1)
    return Resampled(found[..., 0], found[..., 1:], len(np.unique(groups)))


def truth(**options):
    right, _ = answered(np.random.default_rng(1), 2, repeats=40, **{**options, "groups": 4000})
    return right.mean((1, 2))


@pytest.mark.parametrize("options", FOLDS, ids=NAMES)
def test_coverage_of_a_score(options):
    generator, covered, expected = np.random.default_rng(5), [], truth(**options)[1]
    for repeat in range(400):
        right, groups = answered(generator, **options)
        found = scored(right, groups, seed=repeat).interval()
        covered.append(found.low <= expected <= found.high)
    assert 0.94 <= np.mean(covered) <= 0.998, np.mean(covered)


@pytest.mark.parametrize("options", FOLDS, ids=NAMES)
def test_coverage_of_a_paired_difference(options):
    generator, covered, (better, other) = np.random.default_rng(6), [], truth(lift=0.4, **options)
    for repeat in range(400):
        right, groups = answered(generator, 2, lift=0.4, **options)
        first, second = (scored(one[None], groups, seed=repeat) for one in right)
        found = (first - second).interval()
        covered.append(found.low <= better - other <= found.high)
    assert 0.94 <= np.mean(covered) <= 0.998, np.mean(covered)


@pytest.mark.parametrize("options", FOLDS, ids=NAMES)
def test_equal_arms_are_rarely_told_apart(options):
    generator, found = np.random.default_rng(7), []
    for repeat in range(400):
        right, groups = answered(generator, 2, **options)
        first, second = (scored(one[None], groups, seed=repeat) for one in right)
        found.append(compare_resampled([first - second])[0].p)
    assert np.mean(np.array(found) < 0.05) <= 0.05, np.mean(np.array(found) < 0.05)


def test_places_of_a_group_are_not_independent():
    """Were each place its own group, intervals would be too narrow, and would cover too rarely."""
    options = {"groups": 20, "size": 12, "group_spread": 1.5}
    generator, covered, expected = np.random.default_rng(8), [], truth(**options)[1]
    for repeat in range(200):
        right, groups = answered(generator, **options)
        ends = [scored(right, known, seed=repeat).interval() for known in (groups, np.arange(len(groups)))]
        covered.append([one.low <= expected <= one.high for one in ends])
    by_group, by_place = np.mean(covered, 0)
    assert by_group >= 0.9
    assert by_place <= 0.8


def test_luck_of_folds_widens():
    generator = np.random.default_rng(9)
    right, groups = answered(generator, groups=400, fold_spread=1.5, repeats=6)
    all_repeats, one = scored(right, groups), scored(right.mean(1, keepdims=True), groups)
    assert one.interval().value == pytest.approx(all_repeats.interval().value)
    wide, narrow = (ends.high - ends.low for ends in (all_repeats.interval(), one.interval()))
    assert wide > narrow
    spread = all_repeats.value.var(ddof=1) / 6
    assert (wide**2 - narrow**2) / 4 == pytest.approx(2.5706**2 * spread, rel=1e-3), "Student's, 5 degrees of freedom"


def test_one_repeat_is_the_interval_of_seeds_and_scenes():
    generator = np.random.default_rng(10)
    right, groups = generator.integers(0, 2, (3, 50)).astype(float), np.arange(50)
    one, other = scored(right[:, None], groups, 1000).interval(0.9, 0, 1), accuracy(right, np.ones(50), 0.9)
    assert one.value == pytest.approx(other.value)
    assert one.low <= other.low < other.high <= one.high
    alone, scenes = scored(right[:1, None], groups, 1000).interval(0.9), accuracy(right[0], np.ones(50), 0.9)
    assert alone.high - alone.low == pytest.approx(TRAINED**0.5 * (scenes.high - scenes.low))


def test_one_seed_stands_against_several():
    generator = np.random.default_rng(11)
    right, groups = generator.integers(0, 2, (4, 1, 60)).astype(float), np.arange(60)
    single, several = scored(right[:1], groups), scored(right[1:], groups)
    found = single - several
    assert found.value.shape == (3, 1)
    assert found.interval().value == pytest.approx(right[0].mean() - right[1:].mean())
    pair, alone = compare_resampled([found, single - scored(right[1:2], groups)])
    assert pair.p != alone.p
    (by_itself,) = compare_resampled([single - scored(right[1:2], groups)])
    assert alone.p == by_itself.p
    assert alone.detectable < 0.6, "twins of the other pair do not spread this one"
    assert compare_resampled([]) == []


def test_what_cannot_be_subtracted_or_scored():
    weights = group_weights(np.array([3, 3, 8]), 20)
    assert weights.shape == (21, 3)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[1:, 0] + weights[1:, 2] == 2).all(), "two groups are drawn each time"
    with pytest.raises(ValueError, match="at least two groups, got 1"):
        group_weights(np.zeros(5, int))
    one = Resampled(np.ones((2, 1)), np.ones((2, 1, 9)), 5)
    for other in ((np.ones((3, 1)), np.ones((3, 1, 9)), 5), (np.ones((2, 1)), np.ones((2, 1, 9)), 6)):
        with pytest.raises(ValueError, match=r"the same groups, repeats and draws, and as many seeds \(or one\)"):
            one - Resampled(*other)
    with pytest.raises(ValueError, match="NaN or infinite"):
        Resampled(np.full((1, 1), np.nan), np.ones((1, 1, 3)), 4)
    with pytest.raises(ValueError, match=r"got \(2, 1\) and \(1, 1, 3\)"):
        Resampled(np.ones((2, 1)), np.ones((1, 1, 3)), 4)
    with pytest.raises(ValueError, match="level"):
        one.interval(95)
