"""Draws of labels are nested and fair, and rounds keep what trains, chooses and is tested apart."""

import numpy as np
import pytest
from fitting import chips

from olmoearth_nb.evaluation.folds import Round
from olmoearth_nb.finetune.draws import nested
from olmoearth_nb.finetune.rounds import chosen, divide, strata


def test_each_class_has_as_many_labels_as_can_be():
    answers = np.repeat([0, 1, 2], [20, 3, 7])
    order = nested(answers, seed=1)
    assert sorted(order.tolist()) == list(range(30))
    for count in range(1, 31):
        there = np.bincount(answers[order[:count]], minlength=3)
        left = np.array([20, 3, 7]) > there
        assert there[left].max(initial=0) - there[left].min(initial=99) <= 1 or left.sum() < 2
        assert not left.any() or (there[~left] <= there[left].min() + 1).all()
    assert np.array_equal(order, nested(answers, seed=1))
    assert not np.array_equal(order[:6], nested(answers, seed=2)[:6])


def test_few_real_values_are_high_and_low():
    values = np.random.default_rng(0).normal(size=100)
    assert len(set(np.searchsorted(np.quantile(values, [0.2, 0.4, 0.6, 0.8]), values[nested(values, 0)[:5]]))) == 5


def test_what_stands_for_a_place():
    assert strata(chips()).tolist() == chips().answers.tolist()
    pixels = chips(pixels=True)
    pixels.answers[0], pixels.answers[1, :, :5] = -1, 2
    assert strata(pixels)[:2].tolist() == [0, 2]
    heights = chips("values", pixels=True)
    heights.answers[0, :4] = np.nan
    assert strata(heights)[0] == pytest.approx(heights.answers[0, 4:].mean())
    truths = chips("truths")
    assert sorted(set(strata(truths).tolist())) == [0, 1, 2]  # the rarest that holds, or none
    assert (strata(truths)[truths.answers[:, 1] == 1] == 1).all()


def test_rounds_share_no_group_and_labels_are_nested():
    labelled = chips(pixels=True)
    folds = divide(labelled, 4)
    for turn in folds.rounds(0):
        few, many = (chosen(labelled, turn, count, seed=3) for count in (8, 16))
        every = chosen(labelled, turn, 0, seed=3)
        assert sum(map(len, few)) == 8
        assert all(map(len, many))  # some train, some choose
        assert set(np.concatenate(few)) < set(np.concatenate(many)) < set(np.concatenate(every))
        groups = [set(labelled.groups[part].tolist()) for part in (*every, turn.test)]
        assert not groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2]


def test_places_without_a_label_do_not_train():
    labelled, turn = chips(), Round(*(np.arange(a, b) for a, b in ((0, 36), (0, 24), (24, 36), (36, 48))))
    labelled.answers[:6] = -1
    train, valid = chosen(labelled, turn, 0, 0)
    assert (train.min(), len(train), len(valid)) == (6, 18, 12)
    labelled.answers[:24] = -1
    with pytest.raises(ValueError, match="none of the 12 labelled places of twin trains; give more labels"):
        chosen(labelled, turn, 0, 0)
    labelled.answers[:24] = 0
    with pytest.warns(UserWarning, match="no place of twin that trains is labelled grey, bright: it is never told"):
        chosen(labelled, turn, 0, 0)
