"""Where count and clock part: what each part of an encoder computes, moves and takes, on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.comparison.clock import FEWEST, WALL, Clock, interleaved
from olmoearth_nb.comparison.speed import OURS, Measured, Setting
from olmoearth_nb.model.config import published_config
from olmoearth_nb.model.cost import encoder_cost
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.transformer import Block
from olmoearth_nb.sample import Batch

REST = "rest"
"""What no part below counts: norms, sums of branches, encodings, and bookkeeping."""


@dataclass(frozen=True)
class Part:
    """A part of a forward pass, all blocks and samples together.

    Attributes:
        macs: multiply-accumulates.
        moved: least bytes that it reads and writes: inputs, weights and outputs, once.
        seconds: measured.
    """

    macs: float
    moved: float
    seconds: float

    @property
    def intensity(self) -> float:
        """Multiply-accumulates a byte."""
        return self.macs / self.moved

    @property
    def rate(self) -> float:
        """Multiply-accumulates a second."""
        return self.macs / self.seconds


def untrained(version: str, size: str) -> Encoder:
    """A published encoder for Sentinel-2 alone with random weights: what time and memory need, and nothing else."""
    return Encoder(replace(published_config(version, size), modalities=(SENTINEL2.name,))).eval()


def noise(setting: Setting) -> Batch:
    """Sentinel-2 images of noise."""
    shape = (setting.samples, setting.edge, setting.edge, setting.timesteps, len(SENTINEL2.bands))
    dates = torch.tensor([[15, 0, 2023]]).repeat(setting.timesteps, 1)
    dates[:, 1] = torch.arange(setting.timesteps) % 12
    return Batch({SENTINEL2.name: torch.randn(shape)}, dates.repeat(setting.samples, 1, 1))


@torch.inference_mode()
def parts_of(
    encoder: Encoder, setting: Setting, seconds: float = 0.5, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Part]:
    """The parts of an encoder, measured one by one in turns, and the rest of a whole pass.

    Args:
        encoder: of Sentinel-2.
        setting: what is encoded.
        seconds: see `clock.interleaved`.
        clock: seconds.
    """
    batch, config = noise(setting), encoder.config
    shape = (setting.edge, setting.edge, setting.timesteps)
    cost, depth, width = encoder_cost(config, shape, setting.patch_size), config.depth, config.width
    tokens = setting.samples * cost.tokens
    blocks = 12 * depth * width**2
    calls = _calls(encoder, batch, setting.patch_size, cost.tokens)
    times = np.median(interleaved(list(calls.values()), seconds, clock), axis=0)
    spent = dict(zip(calls, times, strict=True))
    numbers = batch.images[SENTINEL2.name].numel()
    weights = sum(weight.numel() for weight in encoder.patch_embeddings.parameters())
    counted = {
        "patches": (setting.samples * (cost.linear_macs - blocks * cost.tokens), numbers + weights + tokens * width),
        "q, k, v, output": (depth * 4 * width**2 * tokens, depth * 4 * (2 * tokens * width + width**2)),
        "attention": (setting.samples * cost.attention_macs, depth * 4 * tokens * width),
        "MLP": (depth * 8 * width**2 * tokens, depth * (10 * tokens * width + 8 * width**2)),
    }
    parts = {
        name: Part(macs, 4 * moved, spent[name] * (1 if name == "patches" else depth))
        for name, (macs, moved) in counted.items()
    }
    left = spent["all"] - sum(part.seconds for part in parts.values())
    return parts | {REST: Part(0, 1, max(left, 0.0))}


def _calls(encoder: Encoder, batch: Batch, patch_size: int, tokens: int) -> dict[str, Callable[[], object]]:
    """What is timed: the patch embedding, three parts of one block, and the whole pass; each was run once."""
    block, grid = encoder.blocks[0], batch.grid(encoder.config.tokenization, patch_size)
    assert isinstance(block, Block)
    attention, x = block.attn, torch.randn(len(batch), tokens, encoder.config.width)
    q, k, v = (torch.randn_like(x).unflatten(2, (encoder.config.heads, -1)).transpose(1, 2) for _ in range(3))

    def products() -> list[Tensor]:
        return [layer(x) for layer in (attention.q, attention.k, attention.v, attention.proj)]

    calls: dict[str, Callable[[], object]] = {
        "patches": lambda: encoder.patch_embeddings(batch.images, grid),
        "q, k, v, output": products,
        "attention": lambda: F.scaled_dot_product_attention(q, k, v),
        "MLP": lambda: block.mlp(x),
        "all": lambda: encoder(batch, patch_size),
    }
    for call in calls.values():
        call()
    return calls


@torch.inference_mode()
def timed(
    size: str, settings: Sequence[Setting], seconds: float, clock: Clock = WALL, fewest: int = FEWEST
) -> list[Measured]:
    """Times v1 and v1.1 in several settings on this machine, all in turns.

    Args:
        size: of the models.
        settings: what is encoded.
        seconds: see `clock.interleaved`.
        clock: what tells the time.
        fewest: runs in any case.
    """
    calls: dict[tuple[str, Setting], Callable[[], object]] = {}
    for version in ("v1", "v1.1"):
        encoder = untrained(version, size)
        encoder(noise(Setting(8, 1, 8)), 8)  # the first pass of all is slower
        calls |= {(version, setting): _pass(encoder, noise(setting), setting.patch_size) for setting in settings}
    times = 1000 * interleaved(list(calls.values()), seconds, clock.read, fewest)
    return [
        Measured(size, version, OURS, setting, tuple(runs.tolist()), 0, 0.0, 0.0, clock.name)
        for (version, setting), runs in zip(calls, times.T, strict=True)
    ]


def _pass(encoder: Encoder, batch: Batch, patch_size: int) -> Callable[[], object]:
    return lambda: encoder(batch, patch_size)
