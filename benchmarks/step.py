"""Where the time of a training step goes: python benchmarks/step.py [v1 v1.1 ...] [--data FOLDER] [--steps N]

Milliseconds of processor time of one thread a step, by part: what was waited for because others computed beside it does
not count. Parts do not overlap: *crops* is what is left of drawing windows when their reading is taken off. Every
micro-batch is seen twice; the first time fills caches and is not counted.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.data.chips import open_corpus
from olmoearth_nb.pretrain import batches
from olmoearth_nb.pretrain.crops import TWO_CORES
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.weights.trained import initial_model

TILES = Path(__file__).parents[1] / "data" / "world" / "tiles"
PARTS = ("windows", "crops", "collating", "scaling", "missing", "masks", "other", "forward", "backward", "optimiser")

FUNCTIONS = {"collating": "collate", "missing": "observed", "masks": "draw_roles"}
SCALING = batches.Drawn.to


class Clock:
    """Processor time by part; a part that runs inside of another one is taken off it."""

    def __init__(self):
        self.seconds, self.inside = Counter(), [0.0]

    def timed(self, part, function):
        """The function, its time counted under a part."""

        def run(*arguments, **options):
            start = time.process_time()
            self.inside.append(0.0)
            try:
                return function(*arguments, **options)
            finally:
                whole = time.process_time() - start
                self.seconds[part] += whole - self.inside.pop()
                self.inside[-1] += whole

        return run


def watched(clock, corpus, stream):
    """Puts the clock around the parts of what makes a micro-batch; a function that is not there has no time."""
    corpus.window = clock.timed("windows", corpus.window)
    if hasattr(corpus, "windows"):  # of many chips at once
        corpus.windows = clock.timed("windows", corpus.windows)
    stream._crop = clock.timed("crops", stream._crop)
    for part, name in FUNCTIONS.items():
        setattr(batches, name, clock.timed(part, getattr(batches, name)))
    batches.Drawn.to = clock.timed("scaling", SCALING)
    return clock.timed("other", stream.__getitem__)


def measure(name, size, corpus, steps):
    """Seconds a step by part, of every step after the first pass."""
    recipe, clock = two_cores(name, size), Clock()
    stream = batches.MicroBatches(corpus, recipe, TWO_CORES, 0, steps)
    micro_batch = watched(clock, corpus, stream)
    pretraining = Pretraining(initial_model(recipe.config(size), 0), recipe).train()
    trained = [p for p in pretraining.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-4)
    forward = clock.timed("forward", pretraining)

    def update():
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()

    update = clock.timed("optimiser", update)
    rows = []
    for number in [*range(steps), *range(steps)]:
        clock.seconds.clear()
        loss = forward(micro_batch(number)).loss
        clock.timed("backward", loss.backward)()
        update()
        rows.append([clock.seconds[part] for part in PARTS])
    return np.array(rows[steps:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=["v1", "v1.1"])
    parser.add_argument("--size", default="mini")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--data", type=Path, default=TILES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.machine()}, 1 thread, torch {torch.__version__.split('+')[0]}, {given.size}, {given.steps} steps")
    print(f"| recipe | {' | '.join(PARTS)} | data | all |\n|---{'|---' * (len(PARTS) + 2)}|")
    originals = {name: getattr(batches, name) for name in FUNCTIONS.values()}
    for name in given.recipes:
        for function, original in originals.items():
            setattr(batches, function, original)
        with tempfile.TemporaryDirectory() as cache:
            mean = 1000 * measure(name, given.size, open_corpus(given.data, cache), given.steps).mean(0)
        data = mean[: PARTS.index("forward")].sum()
        shown = " | ".join(f"{value:.1f}" for value in (*mean, data, mean.sum()))
        print(f"| {name} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
