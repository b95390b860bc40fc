"""Answers to exercises: right ones, wrong ones with a reason, and things that are no answers."""

import pytest
import torch

from olmoearth_nb.notebook import exercises


def test_not_answered_is_no_mistake(capsys):
    assert not exercises.check(1, None, exercises.chance_of_24)
    assert exercises.check(2, 0.6356, exercises.chance_of_24)
    assert not exercises.check(3, 3.178, exercises.chance_of_24)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Exercise 1: not answered yet"
    assert said[1] == "Exercise 2: solved"
    assert "there is a factor" in said[2]


@pytest.mark.parametrize("answer", ["0.64", True, [0.6356]])
def test_chance_is_a_number(answer):
    assert exercises.chance_of_24(answer) == "give a number"


def test_what_beats_the_targets():
    targets = torch.randn(8, 16, generator=torch.Generator().manual_seed(0)) + 2
    assert exercises.beats_the_targets(targets - targets.mean(0), targets) == ""
    assert "its loss is" in exercises.beats_the_targets(targets, targets)
    assert "its loss is" in exercises.beats_the_targets(torch.zeros(8, 16), targets)
    assert "its loss is nan" in exercises.beats_the_targets(torch.full((8, 16), float("nan")), targets)
    assert exercises.beats_the_targets(targets[:4], targets) == "give a tensor of shape (8, 16)"
    assert exercises.beats_the_targets(targets.numpy(), targets) == "give a tensor of shape (8, 16)"


def test_between_bands():
    assert exercises.predicts_between_bands("v1") == ""
    assert "how many Sentinel-2 tokens" in exercises.predicts_between_bands("naive")
    assert exercises.predicts_between_bands("v2") == "give 'v1', 'naive' or 'v1.1'"
