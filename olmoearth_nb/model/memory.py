"""How much memory a forward pass takes, estimated before it is computed, and a warning where that is too much."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from pathlib import Path

import torch

from olmoearth_nb.bands import modality
from olmoearth_nb.errors import warn
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.pixel_mixers import mixer_numbers

MANY_TOKENS = 50_000
"""Tokens of one sample above which the encoder warns: every block compares each pair of them, billions of them.

The largest tile of the official data, 128 x 128 px at twelve dates, is 36,864 tokens of v1 at patches of 4 px.
"""

SMALL = 2**30
"""Bytes of an estimate that are never looked at twice."""

PART = 0.5
"""Part of the memory above which an estimate is too much; the estimate is right within a factor of two."""

_FLOAT, _HELD, _HELD_ROTARY, _KEPT, _PATCH = 4, 10, 14, 20, 8
"""Bytes of a number; numbers of width D a token that a block holds at once; that it keeps for gradients; edge."""


def activation_bytes(config: ModelConfig, grid: TokenGrid, samples: int, gradients: bool = False) -> int:
    """Estimated peak of what the encoder holds besides its weights and the batch, in float32.

    Args:
        config: the model.
        grid: the tokens of a sample.
        samples: B.
        gradients: whether activations are kept for a backward pass.
    """
    pixels = {name: math.prod(shape[:3]) * _PATCH**2 for name, shape in grid.shapes.items()}  # enlarged, over dates
    frames = sum(count * len(modality(name).bands) for name, count in pixels.items())
    groups = [
        pixels[name] * (len(group) + 2 * config.pixel_hidden + mixer_numbers(config.pixel_mixer, len(group)))
        for name in grid.shapes
        for group in config.tokenization.groups_of(name)
    ]
    tokens = len(grid) * config.width
    held = tokens * (_HELD_ROTARY if config.rotary else _HELD)
    if gradients:
        return samples * _FLOAT * (frames + sum(groups) + held + config.depth * _KEPT * tokens)
    return samples * _FLOAT * max(frames + max(groups, default=0) + 2 * tokens, held)


def warn_if_large(config: ModelConfig, grid: TokenGrid, samples: int, device: torch.device) -> None:
    """Warns, before anything is computed, of more tokens or bytes than a forward pass should have."""
    estimate = activation_bytes(config, grid, samples, torch.is_grad_enabled())
    if len(grid) <= MANY_TOKENS and estimate <= SMALL:
        return
    memory = memory_of(str(device))
    reasons = []
    if len(grid) > MANY_TOKENS:
        reasons.append(f"{len(grid):,} tokens a sample, of which each block compares every pair")
    if estimate > PART * memory:
        reasons.append(f"about {estimate / 2**30:.1f} GiB of {memory / 2**30:.1f} GiB of memory, beside the batch")
    if reasons:
        ways = "fewer samples at a time, " if samples > 1 else ""
        warn(
            f"this is much for the encoder: {' and '.join(reasons)}; take {ways}windows (embed_place of "
            f"olmoearth_nb.evaluation.embed) or patches larger than {grid.patch_size} px"
        )


@lru_cache(maxsize=8)
def memory_of(device: str) -> int:
    """Bytes of memory of a device, or of what this process may take of the machine's."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_properties(device).total_memory
    known = [16 * 2**30]  # where the system does not say
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        known = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):  # of a container
        text = Path(limit).read_text() if os.access(limit, os.R_OK) else ""
        known += [int(text)] if text.strip().isdecimal() else []
    return min(known)
