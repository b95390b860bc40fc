"""What a pretraining run costs, before it is run: tokens a sample, multiply-accumulates, passes over the data.

Crops and masks are drawn as in training, with every date and map present. A multiply-accumulate of the forward pass
counts three times, since the backward pass multiplies twice as much; targets are not trained and count once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.config import ModelConfig
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.masking import draw_roles
from olmoearth_nb.patch_embed import PATCH
from olmoearth_nb.plan import Plan

DRAWS = 8
"""Masks drawn for each size of crop."""

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
        roles = draw_roles(plan.recipe.masking, grid, present, 0, range(DRAWS), 0, 0)
        counts = np.array([(roles == role).sum(1).tolist() for role in (Role.ONLINE, Role.DECODER)], dtype=float)
        macs = float(np.mean([_views(config, *pair) for pair in counts.T])) + _embedding(config, grid, plan)
        found.append((len(grid), *counts.mean(1), macs))
    return TrainingCost(*(float(mean) for mean in np.mean(found, 0)))


def _views(config: ModelConfig, encoded: float, hidden: float) -> float:
    """Encoder and predictor of two views, forward and backward."""
    width = config.width
    encoder = config.depth * (12 * width**2 * encoded + 2 * encoded**2 * width)
    block = 10 * width**2 * hidden + 2 * width**2 * encoded + 2 * hidden * encoded * width
    predictor = config.decoder_depth * block + width**2 * (encoded + hidden)
    return 6 * (encoder + predictor)


def _embedding(config: ModelConfig, grid: TokenGrid, plan: Plan) -> float:
    """Embedding the patches: once for targets, and for the encoder once, or once a view with band dropout."""
    passes = 1 + 3 * (2 if plan.recipe.band_dropout else 1)
    units, total = config.pixel_hidden, 0.0
    for name, (rows, columns, dates, _) in grid.shapes.items():
        for group in config.tokenization.groups_of(name):
            inputs = len(group) * units + units * config.width if units else len(group) * config.width
            times = 1 if MODALITIES[name].decode_only else passes
            total += times * rows * columns * dates * PATCH**2 * inputs
    return total


def describe(plan: Plan) -> str:
    """A plan and its cost in words, for people who are about to pay it."""
    cost, samples = training_cost(plan), plan.budgets[-1]
    said = {
        "size": f"{plan.size}, {plan.precision}, seed {plan.seed}",
        "patch sizes": f"{' '.join(map(str, plan.crops.patch_sizes))} px",
        "edges of crops": f"{' '.join(map(str, plan.crops.fitting))} patches",
        "budget of tokens": f"{plan.crops.budget:,}, counted as {plan.crops.counted.name}",
        "samples": ", ".join(f"{budget:,}" for budget in plan.budgets),
        "optimiser steps": f"{samples // plan.batch:,} of {plan.batch}",
        "passes over the data": f"{samples / OFFICIAL_SAMPLES:.3g} of the official {OFFICIAL_SAMPLES:,} samples",
        "tokens a sample": f"{cost.tokens:,.0f}; encoded {cost.encoded:,.0f}, predicted {cost.hidden:,.0f} a view",
        "MACs a sample": f"{cost.macs / 1e9:,.2f} G, two views, forward and backward",
        "MACs of the run": f"{cost.macs * samples:.2e}",
    }
    return "\n".join([str(plan.recipe), *(f"{name:24} {value}" for name, value in said.items())])
