"""Parameter groups of an optimiser: one learning rate, or one for each block that falls towards the input.

Layer-wise decay is what users of OlmoEarth are told since May 2026 in place of freezing: .65 a block, all of the
encoder learning from the first step (rslearn, pull request 632). As there, weight decay is the same for all groups,
norms and biases included.
"""

from __future__ import annotations

from typing import Any

import torch

from olmoearth_nb.finetune.tuned import Tuned

DECAY = 0.65
"""Learning rate of a block in parts of that of the next one."""

Group = dict[str, Any]
"""What torch calls a parameter group: its parameters, its rate, and here its name and what part of the rate it gets."""


def one_rate(tuned: Tuned, rate: float) -> list[Group]:
    """Everything that learns at one learning rate.

    Args:
        tuned: the model; what is frozen for now is in the group as well.
        rate: learning rate.
    """
    return [_group("all", list(tuned.learnable().values()), rate, 1.0)]


def layer_decay(tuned: Tuned, rate: float, decay: float = DECAY) -> list[Group]:
    """A learning rate for each block: rate x decay^(depth - number), numbers from 0.

    Patch embeddings and encodings have that of the first block. The final norm, the projection behind it and the head
    have the whole rate, so that the last block has `decay` of it.

    Args:
        tuned: the model; what is frozen for now is in its group as well.
        rate: learning rate of the head.
        decay: above 0 and up to 1, where all rates are the same.

    Returns:
        The groups from the input to the head, without those in which nothing learns.

    Raises:
        ValueError: for a decay that cannot be.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be above 0 and at most 1, got {decay!r}")
    depth = len(tuned.encoder.blocks)
    by_layer: dict[int, list[torch.nn.Parameter]] = {number: [] for number in range(depth + 1)}
    for name, weight in tuned.learnable().items():
        by_layer[_layer(name, depth)].append(weight)
    names = [*(f"block {number}" for number in range(depth)), "head"]
    return [
        _group(names[number], weights, rate, decay ** (depth - number))
        for number, weights in by_layer.items()
        if weights
    ]


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Gives every group its part of a learning rate, as schedules need it.

    Args:
        optimiser: of groups that were made here.
        rate: the whole rate.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate * group["part"]


def _group(name: str, weights: list[torch.nn.Parameter], rate: float, part: float) -> Group:
    return {"name": name, "params": weights, "lr": rate * part, "part": part}


def _layer(name: str, depth: int) -> int:
    """Number of the block whose rate a parameter has; the depth for the whole rate."""
    whose, *rest = name.split(".")
    if whose == "encoder" and rest[0] == "blocks":
        return int(rest[1])
    if whose == "encoder" and rest[0] in ("patch_embeddings", "composite_encodings"):
        return 0
    return depth
