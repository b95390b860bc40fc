"""What two encoders cost on the same places: tokens, multiply-accumulates, measured time, memory.

Time is measured in turns, A B A B, so that what slows the machine down slows both. The ratio is that of each turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.evaluation.intervals import Interval, mean_of
from olmoearth_nb.model.cost import encoder_cost
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.memory import activation_bytes
from olmoearth_nb.sample import Batch

TOGETHER = 16
"""Places that are encoded at once, at most."""

LEAST, OFTEN = 0.05, 50
"""Seconds that a turn takes at least, and how often it repeats a pass for it at most."""

COLUMNS = ("model", "tokens", "macs", "parameters", "width", "milliseconds", "fastest", "slowest", "memory_mb",
           "memory")  # fmt: skip
"""Of `cost.csv`."""


@dataclass(frozen=True)
class ModelCost:
    """What one encoder costs for one place.

    Attributes:
        tokens: of a place.
        macs: multiply-accumulates of a forward pass.
        parameters: of the encoder.
        width: numbers of an embedding.
        milliseconds: of each turn.
        memory: bytes of weights and activations at their peak, for so many places at once.
        together: places at once.
        measured: whether memory was measured (on a GPU), or is an estimate that is right within a factor of two.
    """

    tokens: int
    macs: int
    parameters: int
    width: int
    milliseconds: tuple[float, ...]
    memory: int
    together: int
    measured: bool


@dataclass(frozen=True)
class Costs:
    """Of the current model and the candidate.

    Attributes:
        current: in use.
        candidate: might take its place.
    """

    current: ModelCost
    candidate: ModelCost

    @property
    def time(self) -> Interval:
        """Time of the candidate divided by that of the current model, with an interval of 95 % over the turns."""
        turns = mean_of(np.log(np.array(self.candidate.milliseconds) / np.array(self.current.milliseconds)).tolist())
        return Interval(*(float(np.exp(end)) for end in (turns.value, turns.low, turns.high)))

    @property
    def macs(self) -> float:
        """Multiply-accumulates of the candidate divided by those of the current model."""
        return self.candidate.macs / self.current.macs

    @property
    def verdict(self) -> Literal["cheaper", "dearer", "alike"]:
        """What measured time says of the candidate; where it says nothing, multiply-accumulates."""
        if self.time.low <= 1 <= self.time.high:
            return "cheaper" if self.macs < 1 else "dearer" if self.macs > 1 else "alike"
        return "cheaper" if self.time.high < 1 else "dearer"

    def __str__(self) -> str:
        """As the end of a sentence."""
        time = f"{self.time.value:.2f} [{self.time.low:.2f}, {self.time.high:.2f}]"
        return f"takes {time} times the time and {self.macs:.2f} times the multiply-accumulates"


def measure(
    current: Encoder,
    candidate: Encoder,
    labelled: LabelledSet,
    modalities: tuple[str, ...],
    patch_size: int,
    turns: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> Costs:
    """Encodes the first places of a set by both encoders in turns, which take at least `LEAST` seconds.

    Args:
        current: in use.
        candidate: might take its place.
        labelled: the set.
        modalities: sensors that the encoders see.
        patch_size: P.
        turns: how often each of them encodes the places, after once that does not count; at least 3.
        clock: seconds.
    """
    if turns < 3:
        raise ValueError(f"a spread needs at least 3 turns, got turns={turns}")
    batch = labelled.batch(np.arange(min(len(labelled), TOGETHER)), modalities)
    encoders = (current.eval(), candidate.eval())
    seconds: tuple[list[float], list[float]] = ([], [])
    _ = [_seconds(encoder, batch, patch_size, clock) for encoder in encoders]  # the first pass of all is slower
    quickest = min(_seconds(encoder, batch, patch_size, clock) for encoder in encoders)
    passes = int(np.clip(np.ceil(LEAST / max(quickest, 1e-9)), 1, OFTEN))
    for _turn in range(turns):
        for encoder, own in zip(encoders, seconds, strict=True):
            own.append(_seconds(encoder, batch, patch_size, clock, passes) / passes)
    found = [_cost(encoder, batch, patch_size, own) for encoder, own in zip(encoders, seconds, strict=True)]
    return Costs(*found)


def _seconds(encoder: Encoder, batch: Batch, patch_size: int, clock: Callable[[], float], passes: int = 1) -> float:
    """How long so many forward passes take."""
    device = next(encoder.parameters()).device
    moved = batch.to(device)
    with torch.inference_mode():
        before = clock()
        for _ in range(passes):
            encoder(moved, patch_size)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - before


def _cost(encoder: Encoder, batch: Batch, patch_size: int, seconds: Sequence[float]) -> ModelCost:
    """What an encoder costs, with the measured times."""
    shapes = {name: tuple(image.shape[1:4]) for name, image in batch.images.items()}
    counted, together = encoder_cost(encoder.config, shapes, patch_size), len(batch)
    weights = sum(one.numel() * one.element_size() for one in encoder.parameters())
    device = next(encoder.parameters()).device
    memory = weights + activation_bytes(encoder.config, batch.grid(encoder.config.tokenization, patch_size), together)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        _seconds(encoder, batch, patch_size, time.perf_counter)
        memory = torch.cuda.max_memory_allocated(device)
    return ModelCost(
        counted.tokens,
        counted.macs,
        sum(one.numel() for one in encoder.parameters()),
        encoder.config.width,
        tuple(1000 * one / together for one in seconds),
        memory,
        together,
        device.type == "cuda",
    )
