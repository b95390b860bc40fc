"""How time and memory of several computations are measured side by side, and how fast this machine could be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from olmoearth_nb.model.linear import Linear

Result = TypeVar("Result")

FEWEST, MOST = 3, 40
"""Runs of `interleaved`, whatever they take."""

FREE, TRIED = 0.8, 0.5
"""Fraction of the processors that a free machine gives at least; seconds of trying."""

COPIED = 2**26
"""Bytes that `copy_rate` copies: more than any cache of a processor core holds."""


class Clock(NamedTuple):
    """What tells the time of a computation.

    Attributes:
        read: seconds.
        name: in words, with the number of threads.
    """

    read: Callable[[], float]
    name: str


WALL = Clock(time.perf_counter, "wall time")


def fair_clock() -> Clock:
    """Wall time on a machine that is free, and processor time of a single thread where other work runs beside.

    A product of matrices is tried for a moment. If it gets less than `FREE` of the processors that torch would use,
    what is waited for says more about the other work than about a model: torch is set to one thread for good, and only
    the time counts that the processor spends on this process.
    """
    threads, one = torch.get_num_threads(), torch.randn(1024, 1024)
    wall, spent = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < TRIED:
        one @ one
    got = (time.process_time() - spent) / (time.perf_counter() - wall) / threads
    if got >= FREE:
        return Clock(time.perf_counter, f"wall time of {threads} thread{'s' if threads > 1 else ''}")
    torch.set_num_threads(1)
    return Clock(time.process_time, "processor time of 1 thread, as other work runs beside")


def interleaved(
    calls: Sequence[Callable[[], object]],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    fewest: int = FEWEST,
    most: int = MOST,
) -> np.ndarray:
    """Times several computations in turns, A B A B, so that what slows the machine down slows all of them.

    Args:
        calls: the computations; the first and the last change places from run to run.
        seconds: after which no further run is begun.
        clock: seconds.
        fewest: runs in any case.
        most: runs at most.

    Returns:
        (runs, calls) seconds. A row holds neighbours, whose ratio is to be trusted more than that of medians.
    """
    rows: list[list[float]] = []
    begin = clock()
    while len(rows) < fewest or (clock() - begin < seconds and len(rows) < most):
        spent = [0.0] * len(calls)
        for number in sorted(range(len(calls)), reverse=len(rows) % 2 == 1):
            start = clock()
            calls[number]()
            spent[number] = clock() - start
        rows.append(spent)
    return np.array(rows)


def peak_bytes(call: Callable[[], Result]) -> tuple[int, Result]:
    """The most memory that a computation holds at a time on a CPU, beside what was there before, and its result."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        result = call()
    assert profiled.profiler is not None
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events), default=0), result


@torch.inference_mode()
def product_rate(
    tokens: int, width: int, seconds: float = 0.2, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Multiply-accumulates a second of the widest matrix product of a block, (tokens, D) x (D, 4 D), alone.

    This is what the machine reaches at this size, so it is the peak that an encoder is held against. torch's own
    product and the one that the encoder uses are tried, and the faster one counts.

    Args:
        tokens: rows, those of all samples.
        width: D.
        seconds: see `interleaved`.
        clock: seconds.
    """
    x, layer = torch.randn(tokens, width), Linear(width, 4 * width)
    calls = [lambda: torch.nn.functional.linear(x, layer.weight, layer.bias), lambda: layer(x)]
    interleaved(calls, 0, clock, 1)
    return float(tokens * 4 * width**2 / np.median(interleaved(calls, seconds, clock), axis=0).min())


def copy_rate(seconds: float = 0.2, clock: Callable[[], float] = time.perf_counter) -> float:
    """Bytes a second that this machine reads and writes when it copies a large block of memory."""
    source = torch.zeros(COPIED // 4)
    target = torch.empty_like(source)
    call = [lambda: target.copy_(source)]
    interleaved(call, 0, clock, 1)
    return float(2 * COPIED / np.median(interleaved(call, seconds, clock)))
