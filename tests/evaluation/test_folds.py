"""Folds: no group is divided, classes are spread, and what chooses is never what is tested."""

import numpy as np
import pytest
from labelled import InMemorySet, bright

from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.folds import leave_one_out, published, stratified


def labelled(answers, groups, classes=("a", "b"), split=None):
    return InMemorySet(np.zeros((len(answers), 1)), np.asarray(answers), np.asarray(groups), classes, split=split)


def test_the_twin_is_a_labelled_set():
    assert isinstance(bright(), LabelledSet)


def check(folds, groups, repeat):
    """Every place is tested once; the parts of a round share neither place nor group."""
    tested = []
    for turn in folds.rounds(repeat):
        parts = [set(np.asarray(groups)[rows].tolist()) for rows in (turn.fit, turn.check, turn.test)]
        assert all(parts)
        assert len(set.union(*parts)) == sum(map(len, parts))
        assert set(turn.train) == {*turn.fit, *turn.check}
        tested += turn.test.tolist()
    assert sorted(tested) == list(range(len(groups)))


@pytest.mark.parametrize("real", [False, True])
def test_no_group_is_divided_and_answers_are_spread(real):
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 70, 300)
    answers = generator.normal(size=300) if real else generator.choice(3, 300, p=[0.6, 0.3, 0.1])
    found = stratified(labelled(answers, groups, () if real else tuple("abc")), 5, 4, seed=3)
    high = answers > np.quantile(answers, 0.8) if real else answers == 2
    for repeat in range(4):
        check(found, groups, repeat)
        sizes = np.bincount(found.number[repeat])
        assert len(sizes) == 5
        assert sizes.min() > 40
        assert np.bincount(found.number[repeat], high).min() >= 3
    assert len({number.tobytes() for number in found.number}) == 4, "each repeat is drawn anew"
    again = stratified(labelled(answers, groups, () if real else tuple("abc")), 5, 4, seed=3)
    assert (again.number == found.number).all()


def test_single_places_of_equal_classes_are_divided_equally():
    answers = np.repeat(np.arange(5), 20)
    found = stratified(labelled(answers, np.arange(100), tuple("abcde")), 5, 2)
    for number in found.number:
        counts = np.array([np.bincount(number[answers == c], minlength=5) for c in range(5)])
        assert (counts == 4).all()


def test_leave_one_group_out():
    groups = [7, 7, 3, 3, 9, 11, 12, 13]
    found = leave_one_out(labelled([0, 1] * 4, groups))
    assert found.name == "leave one group out"
    check(found, groups, 0)
    assert len(list(found.rounds(0))) == 6
    assert leave_one_out(labelled([0, 1, 0], [2, 0, 1])).name == "leave one out"


def test_the_published_split_is_taken():
    split = np.array(["train"] * 6 + ["valid"] * 3 + ["test"] * 3)
    found = published(labelled([0, 1] * 6, np.arange(12), split=split))
    (turn,) = found.rounds(0)
    assert (turn.train.tolist(), turn.fit.tolist()) == ([*range(6)], [*range(6)])
    assert (turn.check.tolist(), turn.test.tolist()) == ([6, 7, 8], [9, 10, 11])
    assert found.tested.tolist() == [False] * 9 + [True] * 3


def test_without_validation_a_fifth_chooses_and_then_trains():
    split = np.array(["train"] * 20 + ["test"] * 3)
    (turn,) = published(labelled([0] * 23, np.arange(23), split=split)).rounds(0)
    assert len(turn.check) == 4
    assert sorted([*turn.fit, *turn.check]) == turn.train.tolist() == [*range(20)]


def test_bad_divisions():
    few = labelled([0, 1, 0, 1], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="folds must be from 3 to the 2 groups of twin, which are not divided, got 5"):
        stratified(few)
    with pytest.raises(ValueError, match="at least once, got repeats=0"):
        stratified(labelled([0, 1] * 5, np.arange(10)), 3, 0)
    with pytest.raises(ValueError, match="needs at least 3 groups to leave one out, it has 2"):
        leave_one_out(few)
    with pytest.raises(ValueError, match=r"must train and test, it has \['train'\]"):
        published(labelled([0, 1], [0, 1], split=np.array(["train", "train"])))
    assert published(few) is None


def test_a_published_split_through_groups_says_so():
    data = bright(12, per_group=2)
    data.split = np.array(["train", "train", "train", "test", "test", "test"] * 2)
    assert published(data).name == "the published split, which divides 2 of the 4 tested groups"
    data.split = np.array((["train"] * 4 + ["test"] * 2) * 2)
    assert published(data).name == "the published split"
