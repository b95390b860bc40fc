"""Answers to the exercises of notebooks 05 and 11."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from olmoearth_nb.comparison.ladder import final_budget, one
from olmoearth_nb.notebook import exercises
from olmoearth_nb.pretrain.recipes import two_cores

NAIVE = two_cores("naive")


def test_chance_of_a_false_finding():
    assert exercises.chance_of_a_false_finding(0.4596) == ""
    for right in (np.float64(0.4596), torch.tensor(0.4596), Fraction(4596, 10_000), 1 - np.array([0.95]) ** 12):
        assert exercises.chance_of_a_false_finding(right) == ""
    assert "none has it" in exercises.chance_of_a_false_finding(0.6)
    assert exercises.chance_of_a_false_finding(45.96) == "give a number from 0 to 1"
    assert exercises.chance_of_a_false_finding("46 %") == exercises.chance_of_a_false_finding(True) == "give a number"


def test_the_fewest_seeds():
    verdicts = [exercises.seeds_to_see(seeds) for seeds in (2, 5, 6, 7)]
    assert verdicts[0].startswith("with 2 seeds 2.")
    assert verdicts[1].startswith("with 5 seeds 0.05")
    assert verdicts[2:] == ["", "fewer seeds do it, too"]
    assert exercises.seeds_to_see(2, smallest=10) == ""
    assert [exercises.seeds_to_see(six) for six in (6.0, np.int64(6), torch.tensor(6))] == ["", "", ""]


@pytest.mark.parametrize("answer", [1, 31, 5.5, True, "5", float("nan"), np.array([6, 6])])
def test_seeds_are_a_whole_number(answer):
    assert exercises.seeds_to_see(answer) == "give a whole number from 2 to 30"


def test_one_step_from_naive_towards_v1_1():
    step = {"pixel_layer": True, "band_dropout": 0.2, "masked_negatives": True, "contrast": 0.05}
    assert [exercises.one_step(replace(NAIVE, **{name: value})) for name, value in step.items()] == [""] * 4
    assert exercises.one_step(NAIVE) == "it differs from naive in nothing"
    assert exercises.one_step(replace(NAIVE, contrast=0.2)) == "v1.1 has no such contrast"
    assert exercises.one_step(replace(NAIVE, masking=two_cores("v1.1").masking)) == "that arm is there already"
    assert "pixel_layer, band_dropout" in exercises.one_step(two_cores("v1.1"))
    assert exercises.one_step("v1.1").startswith("give a Recipe")


def test_tokens_that_hold_a_wrongly_named_band():
    assert exercises.touched_tokens(2) == exercises.touched_tokens(torch.tensor(2.0)) == ""
    for wrong in (1, 3, 5):
        assert exercises.touched_tokens(wrong) == "B8A, B11, B12, B09 are read wrongly; B09 is not read by Galileo"
    assert exercises.touched_tokens("two") == "give a whole number"


def test_what_the_ladder_could_have_seen():
    about = {"part": "r1", "kind": "difference", "what": "naive - v1", "score": "EuroSAT, kNN-20", "names": "content"}
    row = one(**about, budget=final_budget("r1"))
    assert exercises.smallest_seen(row.detectable) == exercises.smallest_seen(np.float32(row.detectable)) == ""
    for wrong in (row.interval.value, row.interval.low, row.interval.high):
        assert "detectable" in exercises.smallest_seen(wrong)
    assert "from 0 to 1" in exercises.smallest_seen(100 * row.detectable)


def test_what_holms_rule_leaves():
    assert exercises.left_by_holm(0) == exercises.left_by_holm(np.int64(0)) == ""
    for wrong in (1, 2, 3):  # after Bonferroni's thought, in the middle, and without any rule
        assert "smallest p" in exercises.left_by_holm(wrong)
    assert exercises.left_by_holm(None) == "give a whole number"
