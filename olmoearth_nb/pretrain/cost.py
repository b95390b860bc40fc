"""What a pretraining run costs, before it is run: tokens a sample, multiply-accumulates, passes over the data.

Crops and masks are drawn as in training, with every date and map present. A multiply-accumulate (MAC) of the forward
pass counts three times, since the backward pass multiplies twice as much; but twice in the layer that reads pixels,
which pass no gradient on, and once in targets, which are not trained. Not counted: losses, norms, the enlargement of
patches, and padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.patch_embed import PATCH
from olmoearth_nb.model.pixel_mixers import mixer_macs
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.plan import Plan

DRAWS = 32
"""Samples that are masked for each size of crop."""

OFFICIAL_SAMPLES = 1_138_828


@dataclass(frozen=True)
class TrainingCost:
    """Means over the crops of a plan, for one sample.

    Attributes:
        tokens: all of them.
        encoded: seen by the encoder, in one view.
        hidden: predicted, in one view.
        macs: multiply-accumulates of a training step, both views, forward and backward.
    """

    tokens: float
    encoded: float
    hidden: float
    macs: float


def training_cost(plan: Plan) -> TrainingCost:
    """The mean cost of a sample under a plan."""
    config, found = plan.recipe.config(plan.size), []
    for edge in plan.crops.fitting:
        shape = (edge, edge, plan.crops.dates(edge))  # a patch of one pixel: tokens do not depend on its size
        grid = TokenGrid.build({name: shape for name in MODALITIES}, config.tokenization, 1)
        present = torch.zeros(DRAWS, len(grid), dtype=torch.bool)
        views = [draw_roles(plan.recipe.masking, grid, present, 0, range(DRAWS), 0, view) for view in range(2)]
        roles = torch.stack(views)  # (2, samples, N)
        encoded, predicted = (float((roles == role).sum(2).double().mean()) for role in (Role.ONLINE, Role.DECODER))
        macs = float(step_macs(config, grid, roles).mean())
        found.append((len(grid), encoded, predicted, macs))
    return TrainingCost(*(float(mean) for mean in np.mean(found, 0)))


def step_macs(config: ModelConfig, grid: TokenGrid, roles: Tensor) -> Tensor:
    """Multiply-accumulates of a training step, forward and backward.

    Args:
        config: the model.
        grid: the layout of the tokens.
        roles: (2, B, N) `Role` of every token in each view.

    Returns:
        (B,) of each sample, both views together.
    """
    online, hidden = (roles == role for role in (Role.ONLINE, Role.DECODER))  # (2, B, N)
    blocks = _blocks(config, online.sum(2).double(), hidden.sum(2).double()).sum(0)
    return blocks + _embedding(config, grid, online, hidden)


def _blocks(config: ModelConfig, encoded: Tensor, hidden: Tensor) -> Tensor:
    """Encoder and predictor of one view, forward and backward, from numbers of tokens of any shape."""
    width = config.width
    encoder = config.depth * (12 * width**2 * encoded + 2 * encoded**2 * width)
    block = 10 * width**2 * hidden + 2 * width**2 * encoded + 2 * hidden * encoded * width
    predictor = config.decoder_depth * block + width**2 * (encoded + hidden)
    return 3 * (encoder + predictor)


def _embedding(config: ModelConfig, grid: TokenGrid, online: Tensor, hidden: Tensor) -> Tensor:
    """(samples,) patches that each view sees, forward and backward, and targets that any view asks for, forward.

    Args:
        config: the model.
        grid: the layout.
        online: (2, samples, N) bool.
        hidden: the same.
    """
    bands = torch.tensor([len(config.tokenization.groups_of(name)[group]) for name, group in grid.band_sets])
    inputs = bands[grid.band_set].double() * PATCH**2  # (N,) numbers that a token is made of
    units = config.pixel_hidden
    mixed = torch.tensor([mixer_macs(config.pixel_mixer, count) for count in bands.tolist()])
    reads_pixels = inputs * (units or config.width) + PATCH**2 * mixed[grid.band_set].double()
    behind = torch.full_like(inputs, PATCH**2 * units * config.width)
    seen = online.double() @ (2 * reads_pixels + 3 * behind)
    return seen.sum(0) + hidden.any(0).double() @ (reads_pixels + behind)


def describe(plan: Plan, minutes: float | None = None, official: bool = False) -> str:
    """A plan and its cost in words, for people who are about to pay it.

    Args:
        plan: the run.
        minutes: the budget, if it was given so; how many samples that is will only be known when steps were timed.
        official: whether to say how many passes over the official data the run makes.
    """
    cost, samples = training_cost(plan), plan.budgets[-1]
    timed = minutes is not None
    facts = {
        "size": f"{plan.size}, {plan.precision}, seed {plan.seed}",
        "patch sizes": f"{' '.join(map(str, plan.crops.patch_sizes))} px",
        "edges of crops": f"{' '.join(map(str, plan.crops.fitting))} patches",
        "budget of tokens": f"{plan.crops.budget:,}, counted as {plan.crops.counted.name}",
        "samples": f"those of {minutes:g} minutes, known when steps were timed"
        if timed
        else ", ".join(f"{budget:,}" for budget in plan.budgets),
        "optimiser steps": ("" if timed else f"{samples // plan.batch:,}, ") + f"batches of {plan.batch}",
    }
    if official and not timed:
        facts["passes over the data"] = f"{samples / OFFICIAL_SAMPLES:.3g} of the official {OFFICIAL_SAMPLES:,} samples"
    facts["tokens a sample"] = f"{cost.tokens:,.0f}; encoded {cost.encoded:,.0f}, predicted {cost.hidden:,.0f} a view"
    facts["MACs a sample"] = f"{cost.macs / 1e9:,.2f} G, two views, forward and backward"
    if not timed:
        facts["MACs of the run"] = f"{cost.macs * samples:.2e}"
    return "\n".join([str(plan.recipe), *(f"{name:24} {value}" for name, value in facts.items())])
