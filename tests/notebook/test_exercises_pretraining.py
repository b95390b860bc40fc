"""Answers to exercises: right ones, wrong ones with a reason, and things that are no answers."""

import math

import numpy as np
import pytest
import torch

from olmoearth_nb.notebook import exercises
from olmoearth_nb.pretrain.recipes import RECIPES


def test_not_answered_is_no_mistake(capsys):
    assert not exercises.check(1, None, exercises.chance_of_24)
    assert exercises.check(2, 0.6356, exercises.chance_of_24)
    assert not exercises.check(3, 3.178, exercises.chance_of_24)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Exercise 1: not answered yet"
    assert lines[1] == "Exercise 2: solved"
    assert "there is a factor" in lines[2]


RIGHT = [0.2 * math.log(24), 0.2 * torch.tensor(24.0).log(), 0.2 * torch.tensor([24.0]).log(), np.float32(0.6356),
         0.2 * np.log(np.array(24)), torch.tensor(0.6356, dtype=torch.bfloat16, requires_grad=True)]  # fmt: skip


@pytest.mark.parametrize("answer", RIGHT, ids=repr)
def test_chance_in_every_form(answer):
    assert exercises.chance_of_24(answer) == ""


@pytest.mark.parametrize("answer", [float("nan"), float("inf"), -0.6356, torch.tensor(3.178)])
def test_another_number_is_not_chance(answer):
    assert "there is a factor" in exercises.chance_of_24(answer)


@pytest.mark.parametrize("answer", ["0.64", True, [0.6356], torch.tensor([0.6356, 0.6356]), torch.tensor(True), 1j])
def test_chance_is_a_number(answer):
    assert exercises.chance_of_24(answer) == "give a number"


def test_what_beats_the_targets():
    targets = torch.randn(8, 16, generator=torch.Generator().manual_seed(0)) + 2
    assert exercises.beats_the_targets(targets - targets.mean(0), targets) == ""
    assert "its loss is" in exercises.beats_the_targets(targets, targets)
    assert "its loss is" in exercises.beats_the_targets(torch.zeros(8, 16), targets)
    assert "its loss is nan" in exercises.beats_the_targets(torch.full((8, 16), float("nan")), targets)
    assert exercises.beats_the_targets(targets[:4], targets) == "give a tensor of shape (8, 16)"
    better = targets - targets.mean(0)
    for same in (better.numpy(), better.double(), better.clone().requires_grad_()):
        assert exercises.beats_the_targets(same, targets) == ""
    for none in (better.tolist(), better.numpy().astype(str), better.to(torch.complex64), better[None]):
        assert exercises.beats_the_targets(none, targets) == "give a tensor of shape (8, 16)"


def test_between_bands():
    for right in ("v1", "V1", RECIPES["v1"]):
        assert exercises.predicts_between_bands(right) == ""
    assert "how many Sentinel-2 tokens" in exercises.predicts_between_bands("naive")
    assert exercises.predicts_between_bands("v2") == "give one of 'v1', 'naive', 'v1.1'"
