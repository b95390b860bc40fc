"""The cost of a run that is said beforehand, against micro-batches that are drawn and steps that are counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.pretrain import cost as training_cost_module
from olmoearth_nb.pretrain.batches import MicroBatch
from olmoearth_nb.pretrain.cost import describe, training_cost
from olmoearth_nb.pretrain.crops import TWO_CORES, Crops
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.plan import Plan
from olmoearth_nb.pretrain.recipes import RECIPES, official, recipe, two_cores
from olmoearth_nb.weights.trained import initial_model


def plan(name, size="mini", crops=TWO_CORES, **changes):
    return Plan(replace(two_cores(name), **changes), size, crops)


def everything(tokenization, edge, dates, patch_size=8):
    """Grid of a sample that has all dates of all sensors, and all maps."""
    shapes = {n: (patch_size * edge, patch_size * edge, dates if s.multitemporal else 1) for n, s in MODALITIES.items()}
    return TokenGrid.build(shapes, tokenization, patch_size)


@pytest.mark.parametrize("crops", [TWO_CORES, Crops()], ids=["two cores", "official"])
@pytest.mark.parametrize("name", ["v1", "naive", "v1.1"])
def test_tokens_are_the_mean_over_drawn_micro_batches(name, crops):
    """Crops drawn as in training, every one masked once."""
    chosen, found = recipe(name), []
    for number in range(300):
        generator = np.random.default_rng([11, number])
        _, edge, dates = crops.draw(generator)
        grid = everything(chosen.tokenization, edge, dates)
        roles = draw_roles(chosen.masking, grid, torch.zeros(1, len(grid), dtype=torch.bool), 11, [0], number, 0)
        found.append([len(grid), *(int((roles == role).sum()) for role in (Role.ONLINE, Role.DECODER))])
    cost, mean = training_cost(plan(name, crops=crops)), np.mean(found, 0)
    assert [cost.tokens, cost.encoded, cost.hidden] == pytest.approx(mean, rel=0.1)


def test_tokens_of_one_crop_exactly():
    """Four patches, twelve dates, six maps: 6 band sets in v1, 3 in v1.1, of which 2 are encoded and all maps asked."""
    crops = Crops(edges=(2,))
    assert training_cost(plan("v1", crops=crops)).tokens == 6 * 48 + 24
    cost = training_cost(plan("v1.1", crops=crops))
    assert (cost.tokens, cost.encoded, cost.hidden) == (3 * 48 + 24, 2 * 24, 24 + 24)


def counted(name, size, edge, dates, samples):
    """MACs a sample of real steps, forward and backward, one sample at a time so that nothing is padded."""
    chosen = two_cores(name)
    pretraining = Pretraining(initial_model(chosen.config(size), 0), chosen).train()
    grid = everything(chosen.tokenization, edge, dates)
    missing, total = torch.zeros(1, len(grid), dtype=torch.bool), 0
    for sample in range(samples):
        roles = [draw_roles(chosen.masking, grid, missing, 0, [sample], 0, view) for view in range(2)]
        images = {
            n: torch.randn(1, 8 * edge, 8 * edge, dates if s.multitemporal else 1, len(s.bands))
            for n, s in MODALITIES.items()
        }
        stamps = torch.tensor([[1, 3, 2020]]).expand(1, dates, 3)
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            pretraining(MicroBatch(images, stamps, grid, torch.stack(roles), sample)).loss.backward()
        total += counter.get_total_flops() / 2
    return total / samples


@pytest.mark.parametrize(
    ("name", "size"),
    [("v1", "mini"), ("naive", "mini"), ("v1.1", "mini"), ("v1.2", "mini"), ("v1", "nano"), ("v1.1", "nano")],
)
def test_macs_are_those_of_real_steps(name, size, monkeypatch):
    """Within 1 %, losses left out; P = 8, where nothing is enlarged; the same masks of the same samples."""
    monkeypatch.setattr(training_cost_module, "DRAWS", 4)
    crops = Crops(edges=(3,), budget=300)
    assert training_cost(plan(name, size, crops)).macs == pytest.approx(
        counted(name, size, 3, crops.dates(3), samples=4), rel=0.01
    )


def test_longer_crops_and_larger_models_cost_more():
    small, large = (training_cost(plan("v1", crops=Crops(edges=(edge,)))).macs for edge in (2, 6))
    assert large > 2 * small
    assert training_cost(plan("v1", "nano")).macs > 3 * training_cost(plan("v1", "mini")).macs


def test_v1_1_costs_less_than_v1():
    """At the official budget, which leaves v1.1 about half of the tokens."""
    v1, v11 = (training_cost(Plan(official(name, "base"), "base")) for name in ("v1", "v1.1"))
    assert 0.45 < v11.tokens / v1.tokens < 0.65
    assert v11.macs < 0.75 * v1.macs


@pytest.mark.parametrize("name", RECIPES)
def test_described_in_words(name):
    chosen = replace(plan(name), budgets=(1024, 4096))
    text, cost = describe(chosen), training_cost(chosen)
    said = {line[:24].strip(): line[25:] for line in text.splitlines()}
    assert said["name"] == name
    assert said["size"] == "mini, 32-true, seed 0"
    assert said["samples"] == "1,024, 4,096"
    assert said["optimiser steps"] == f"{4096 // chosen.batch:,}, batches of {chosen.batch}"
    assert said["tokens a sample"].startswith(f"{cost.tokens:,.0f}; encoded {cost.encoded:,.0f}")
    assert float(said["MACs of the run"]) == pytest.approx(4096 * cost.macs, rel=0.01)
    assert float(said["MACs a sample"].split()[0]) == pytest.approx(cost.macs / 1e9, abs=0.006)


def test_the_official_run_in_words():
    """300 passes over 1,138,828 samples: 667,200 steps of 512 (the scripts drop the rest of each pass)."""
    text = describe(Plan(official("v1.1", "base"), "base", budgets=(300 * 1_138_828,)), official=True)
    assert "300 of the official 1,138,828 samples" in text
    assert "667,282, batches of 512" in text
    assert "2,250, counted as v1" in text
