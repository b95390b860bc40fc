"""Arms trained in turn to the same numbers of samples, and scored there: equal budgets wherever it is cut.

The rate rises and then stays, since nobody knows beforehand how far the time reaches. What is scored is a mean of the
weights in which the last tenth of the samples has two thirds of the weight: it stands in for a rate that falls, costs
one pass over the weights a step, and leaves training as it was, so that one run gives every count.
"""

from __future__ import annotations

import copy
import csv
import math
import os
import platform
import shutil
import time
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from olmoearth_nb.ablation.scores import RUNS, SCORES
from olmoearth_nb.evaluation.embed import embed
from olmoearth_nb.evaluation.evaluate import NEIGHBOURS
from olmoearth_nb.evaluation.probes import Split, knn_votes
from olmoearth_nb.io.durable import write_csv
from olmoearth_nb.pretrain.batches import Draws, MicroBatches
from olmoearth_nb.pretrain.crops import TWO_CORES
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.weights.trained import initial_model

ARMS = ("v1", "naive", "v1.1", "v1 tokens")
AVERAGED = 0.1
"""Part of the samples over which weights are averaged."""

RATE = 0.5
"""Of the rate for batches of four, which are noisier; no rate was tried with large batches."""

RATES = dict.fromkeys(ARMS, RATE)
"""Arm -> the same of its own."""

WARM_UP = 128
"""Steps until the rate is reached."""

SHARED = 1 << 30
"""Bytes of shared memory that processes which load data want."""


def of_batch(name, size, batch, rate=None):
    """A recipe for batches of hundreds: what `two_cores` has, in large steps; `RATES` where no rate is given."""
    recipe = two_cores(name, size)
    optimisation = replace(
        recipe.optimisation,
        rate=rate or RATES.get(name, RATE) * recipe.optimisation.rate,
        batch=batch,
        micro_batch=batch,
        warmup=WARM_UP * batch,
    )
    return replace(recipe, optimisation=optimisation)


def loaded(stream, start, end, device, workers):
    """Micro-batches as they are drawn, ahead of the device where there are processes for it."""
    more = {"prefetch_factor": 4} if workers else {}
    part = Subset(Draws(stream), range(start, end))
    return DataLoader(part, batch_size=None, num_workers=workers, pin_memory=device.type == "cuda", **more)


def spare_processes(device):
    """How many processes load data: some beside a GPU, if there is memory that they share."""
    shared = "/dev/shm"
    roomy = os.path.isdir(shared) and shutil.disk_usage(shared).free > SHARED
    return min(6, max(0, (os.cpu_count() or 1) - 2)) if device.type == "cuda" and roomy else 0


class Line:
    """One arm of one size in training."""

    def __init__(self, arm, size, seed, batch, corpus, device, precision, rate=None):
        self.arm, self.size, self.seed, self.device, self.precision = arm, size, seed, device, precision
        self.recipe = of_batch(arm, size, batch, rate)
        self.stream = MicroBatches(corpus, self.recipe, TWO_CORES, seed, 1 << 40)
        self.pretraining = Pretraining(initial_model(self.recipe.config(size), seed), self.recipe).to(device).train()
        self.mean = copy.deepcopy(self.pretraining.model.encoder).eval().requires_grad_(False)
        self.trained = [p for p in self.pretraining.parameters() if p.requires_grad]
        optimisation = self.recipe.optimisation
        fused = device.type == "cuda"
        self.optimiser = torch.optim.AdamW(
            self.trained, optimisation.rate, weight_decay=optimisation.weight_decay, fused=fused
        )
        self.random = torch.Generator(device).manual_seed(seed)
        self.pretraining.draw_from(self.random)
        self.steps, self.seconds, self.loss = 0, 0.0, math.nan

    @property
    def name(self):
        return f"{self.arm} {self.size}"

    @property
    def samples(self):
        return self.steps * self.recipe.optimisation.batch

    def train(self, samples, workers):
        """Goes on to so many samples; nothing is asked of the device before the end."""
        started, end, loss = time.monotonic(), samples // self.recipe.optimisation.batch, None
        for drawn in loaded(self.stream, self.steps, end, self.device, workers):
            loss = self._step(drawn.to(self.device))
        if loss is not None:
            self.loss = float(loss)
        if not math.isfinite(self.loss):
            raise FloatingPointError(f"the loss of {self.name} after {self.samples} samples is {self.loss}")
        self.seconds += time.monotonic() - started

    def _step(self, micro):
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.optimisation.rate * min(1.0, (self.steps + 1) / WARM_UP)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            loss = self.pretraining(micro).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, self.recipe.optimisation.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.steps += 1
        ours, theirs = list(self.mean.parameters()), list(self.pretraining.model.encoder.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(ours, theirs, min(1.0, 1 / (AVERAGED * self.steps)))
        return loss.detach()


def votes(x, labelled):
    """Right answers by the nearest neighbours of (n, D) features, groups left out.

    Without features it is the commonest answer of all chips: of those of other groups it would be the one that a chip
    is not of.

    Returns:
        probe -> (groups,) right answers, and how many there are.
    """
    _, number = np.unique(labelled.groups, return_inverse=True)
    found = {}
    for probe, (k, temperature) in NEIGHBOURS.items():
        if x is None:
            told = np.bincount(labelled.answers).argmax()
        else:
            split = Split(x, labelled.answers, labelled.groups)
            told = knn_votes(split, x, k, temperature, labelled.groups).argmax(1)
        found[probe] = np.bincount(number, told == labelled.answers).tolist()
    return found, np.bincount(number).tolist()


class Ladder:
    """Lines that climb together, and what was found of them, on the disk after each count."""

    def __init__(self, lines, sets, folder, device, note):
        self.lines, self.sets, self.folder, self.device, self.note = lines, sets, folder, device, note
        self.scores, self.runs, self.accuracy = [], [], []

    def score(self, line):
        """Rows of a line as it stands; untrained it is the random initialisation."""
        known = {"arm": line.name, "seed": line.seed, "budget": str(line.samples) if line.samples else "untrained"}
        known |= {"samples": line.samples, "rate": line.recipe.optimisation.rate, "repeat": 0}
        for labelled in self.sets:
            x = embed(line.mean, labelled, batch_size=128 if self.device.type == "cuda" else 32)
            self.add(known, x, labelled)
        if line.samples:
            run = known | {"steps": line.steps, "at_edge": False, "loss": round(line.loss, 5)}
            run |= {"seconds": round(line.seconds, 2), "threads": torch.get_num_threads()}
            self.runs.append(run | {"host": platform.machine(), "commit": self.note})
        self.write()

    def score_baselines(self):
        """Rows of what is read without an encoder, as a study has them."""
        known = {"seed": self.lines[0].seed, "budget": "floor", "samples": 0, "rate": 0.0, "repeat": 0}
        for labelled in self.sets:
            for name, x in labelled.baselines.items():
                self.add({"arm": name} | known, x, labelled)
        self.write()

    def add(self, known, x, labelled):
        """Rows of (n, D) features on a set."""
        found, rows = votes(x, labelled)
        for probe, right in found.items():
            task = f"{labelled.name}, {probe}"
            cells = enumerate(zip(right, rows, strict=True))
            self.scores += [known | {"task": task, "tile": i, "right": r, "rows": n} for i, (r, n) in cells]
            self.accuracy.append([known["arm"], known["samples"], task, round(sum(right) / sum(rows), 4)])

    def write(self):
        """Whole tables; a cut loses nothing that was scored."""
        for name, columns, rows in (("scores.csv", SCORES, self.scores), ("runs.csv", RUNS, self.runs)):
            write_csv(self.folder / name, columns, [{key: row[key] for key in columns} for row in rows])

    def climb(self, first, most, seconds_left, workers, margin, say):
        """To doubling counts, each by all lines before any goes on; the last count is what the time leaves for all.

        Returns:
            Samples that all lines have.
        """
        batch = self.lines[0].recipe.optimisation.batch
        self.score_baselines()
        for line in self.lines:
            self.score(line)
        count, pace, scoring = first, None, 0.0
        while count <= most:
            if pace is not None:
                reach = self.lines[0].samples + (seconds_left() - margin - scoring) / pace
                count = min(count, int(reach) // batch * batch)
            if count <= self.lines[0].samples or seconds_left() < margin:
                break
            before, done, trained = time.monotonic(), self.lines[0].samples, 0.0
            for line in self.lines:
                started = line.seconds
                line.train(count, workers)
                trained += line.seconds - started
                self.score(line)
            pace = trained / (count - done)  # seconds a sample of all lines; what is left of the turn went into scores
            scoring = time.monotonic() - before - trained
            took = time.monotonic() - before
            say(f"{count:,} samples by each of {len(self.lines)}: {count - done:,} more took {took:.0f} s")
            count *= 2
        return min(line.samples for line in self.lines)


def equal_budgets(folder):
    """Whether every arm of a scores.csv has the same counts; what is read without an encoder has none."""
    with (folder / "scores.csv").open(encoding="utf8") as file:
        rows = [row for row in csv.DictReader(file) if row["budget"] != "floor"]
    counts = {}
    for row in rows:
        counts.setdefault(row["arm"], set()).add(int(row["samples"]))
    return len({frozenset(one) for one in counts.values()}) == 1
