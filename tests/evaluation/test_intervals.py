"""The intervals cover the truth as often as they say."""

import numpy as np
import pytest
from crossed import scores

from olmoearth_nb.evaluation.intervals import accuracy, compare, contrast, difference, holm
from olmoearth_nb.evaluation.metrics import bounds


@pytest.mark.parametrize(("seeds", "seed_spread"), [(3, 0.3), (5, 0.1), (5, 0.3), (3, 0.0)])
def test_coverage_of_the_accuracy(seeds, seed_spread):
    generator = np.random.default_rng(seeds)
    truth = float(scores(generator, 2000, 2000, seed_spread=seed_spread).mean() / 4)
    rows, covered = np.full(150, 4.0), []
    for repeat in range(400):
        interval = accuracy(scores(generator, seeds, 150, seed_spread=seed_spread), rows, draws=300, seed=repeat)
        covered.append(interval.low <= truth <= interval.high)
    assert 0.94 <= np.mean(covered) <= 0.998, np.mean(covered)


def test_coverage_of_a_paired_difference():
    generator, rows, covered = np.random.default_rng(9), np.full(150, 4.0), []
    big = np.random.default_rng(1)
    truth = float((scores(big, 1500, 2000, lift=0.3).mean() - scores(big, 1500, 2000).mean()) / 4)
    for repeat in range(400):
        arms = [scores(generator, 5, 150, lift=lift) for lift in (0.3, 0.0)]
        interval = difference(*arms, rows, draws=300, seed=repeat)
        covered.append(interval.low <= truth <= interval.high)
    assert 0.94 <= np.mean(covered) <= 0.998, np.mean(covered)


@pytest.mark.parametrize("seeds", [(3, 3), (5, 3)])
def test_coverage_of_a_contrast_of_independent_trainings(seeds):
    """Scenes are shared, trainings are not; arms may have different numbers of them."""
    generator, rows, covered = np.random.default_rng(11), np.full(100, 4.0), []
    for repeat in range(400):
        both = scores(generator, sum(seeds), 100)
        interval = contrast([both[: seeds[0]]], [both[seeds[0] :]], rows, draws=200, seed=repeat)
        covered.append(interval.low <= 0 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.998, np.mean(covered)


def test_a_contrast_does_not_depend_on_which_seed_comes_first():
    generator, rows = np.random.default_rng(3), np.full(50, 4.0)
    first, second = scores(generator, 3, 50), scores(generator, 3, 50)
    one, other = contrast([first], [second], rows), contrast([first[::-1]], [second], rows)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
    assert difference(first, second, rows).low != pytest.approx(difference(first[::-1], second, rows).low)
    twice = contrast([first, first], [second, second], rows)
    assert twice.value == pytest.approx(2 * one.value)
    assert twice.high - twice.low > one.high - one.low
    assert contrast([first], [], rows).value == pytest.approx(accuracy(first, rows).value)


def test_pairing_narrows():
    generator, rows = np.random.default_rng(3), np.full(200, 4.0)
    first = scores(generator, 5, 200)
    second = np.clip(first + generator.integers(-1, 2, first.shape), 0, 4)
    paired, single = difference(first, second, rows), accuracy(first, rows)
    assert paired.high - paired.low < (single.high - single.low)
    assert str(single).count(".") == 3


def test_scenes_of_different_size_and_bad_input():
    rows = np.array([1.0, 9.0, 4.0])
    assert accuracy(np.array([1.0, 0.0, 4.0]), rows).value == pytest.approx(5 / 14)
    with pytest.raises(ValueError, match="same seeds and scenes"):
        difference(np.ones((2, 3)), np.ones((3, 3)), rows)
    with pytest.raises(ValueError, match="at least two scenes"):
        accuracy(np.ones((2, 1)), np.ones(1))
    with pytest.raises(ValueError, match="level"):
        accuracy(np.ones((2, 3)), rows, level=95)


@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_arms_are_rarely_told_apart(seeds):
    generator, rows, found = np.random.default_rng(7), np.full(80, 4.0), []
    for repeat in range(300):
        arms = [scores(generator, seeds, 80, seed_spread=0.1) for _ in range(2)]
        found.append(compare(*arms, rows, draws=200, seed=repeat).p)
    assert np.mean(np.array(found) < 0.05) <= 0.08


def test_p_says_what_the_interval_says():
    generator, rows, seen = np.random.default_rng(8), np.full(60, 4.0), set()
    for lift in (0.0, 0.2, 0.5, 1.0, 2.0):
        first, other = scores(generator, 5, 60, lift=lift), scores(generator, 5, 60)
        for level in (0.9, 0.95):
            found = compare(first, other, rows, level=level)
            inside = found.difference.low <= 0 <= found.difference.high
            assert inside == (found.p >= 1 - level)
            assert found.difference == difference(first, other, rows, level=level)
            seen.add(inside)
    assert seen == {True, False}


def test_the_detectable_difference_is_detected_as_often_as_said():
    """A shift of every scene by what the design can see, in arms that differ by seeds and rows of chance alone."""
    generator, rows, detected = np.random.default_rng(9), np.full(120, 20.0), []
    ease = generator.normal(0, 0.05, 120)

    def arm(lift):
        return generator.binomial(20, np.clip(0.5 + lift + ease + generator.normal(0, 0.005, (5, 1)), 0, 1))

    shift = np.mean([compare(arm(0), arm(0), rows, draws=200).detectable for _ in range(40)])
    for repeat in range(200):
        detected.append(compare(arm(shift), arm(0), rows, draws=200, seed=repeat).p < 0.05)
    assert np.mean(detected) >= 0.7


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


@pytest.mark.case("15")
@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_no_interval_is_made_of_nan(hole):
    right, rows = np.ones((3, 40)), np.full(40, 2.0)
    bad = right.copy()
    bad[1, [4, 9]] = hole
    for call in (lambda: accuracy(bad, rows), lambda: difference(right, bad, rows), lambda: compare(bad, right, rows)):
        with pytest.raises(ValueError, match="2 of 40 scenes hold NaN or infinity; leave them out of all arms alike"):
            call()
    with pytest.raises(ValueError, match="1 of 40 scenes hold NaN"):
        accuracy(right, np.where(np.arange(40) == 3, hole, rows))
    with pytest.raises(ValueError, match="scenes have at least 0 rows"):
        accuracy(right, rows - 3)


def test_an_r2_below_0_stays_within_its_interval():
    right = np.random.default_rng(0).normal(-0.5, 0.2, (3, 40))
    with pytest.raises(ValueError, match=r"outside 0 to 1; say bounds=\(-inf, 1\) for R2"):
        accuracy(right, np.ones(40))
    found = accuracy(right, np.ones(40), bounds=bounds("R2"))
    assert found.low < found.value < found.high < 0
    near = accuracy(right + 0.51, np.ones(40), bounds=bounds("R2"))
    assert near.low < 0 < near.value, "cut at nothing below"
