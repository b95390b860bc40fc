"""What pretraining has learnt: python benchmarks/pretrained.py WORLD FOLDER ... [--valid] [--scenes N] [--seeds N]
[--together] [--readers kNN,probe,network] [--questions scene,water,radar]

Every designed question, read from patches of 4 x 4 px with time averaged, and scene classes: a trained encoder against
its own random initialisation, against raw band means of the same readout, and against the time-aware raw linear probe.
The traits that questions are made of can be asked for alone: `--questions water,chlorophyll,anthocyanin,early,late,
radar`.
95 % intervals over seeds (of the drawn training patches) and test tiles. `--together` takes the folders as runs of one
recipe with seeds 0, 1, ...: each seed then has its own model, and intervals are over training seeds, too. `--valid`
scores validation tiles instead, which is what anything may be chosen on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.data.simulate.scenes import QUESTIONS
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.intervals import accuracy, difference
from olmoearth_nb.evaluation.tasks import Task, encoded, raw
from olmoearth_nb.weights.small import load_trained, load_untrained


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("world")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--valid", action="store_true")
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--readers", default="kNN,probe,network")
    parser.add_argument("--questions", default=",".join(["scene", *QUESTIONS]))
    parser.add_argument("--cache", default=None)
    given = parser.parse_args()
    torch.set_num_threads(1)
    world, asked, start = World(given.world), "valid" if given.valid else "test", time.perf_counter()
    readers, questions = given.readers.split(","), given.questions.split(",")
    readouts = {question: "scene" if question == "scene" else "patches" for question in questions}
    tasks = [Task(q, readouts[q], reader, most=given.scenes) for q in questions for reader in readers]
    aware = {q: Task(q, "patches by date", "probe", most=given.scenes) for q in questions if q != "scene"}
    found = {}
    for task in tasks:
        found[task.name, "raw"] = rights(task, world, [raw(task)] * given.seeds, asked)
    for question, task in aware.items():
        found[question, "aware"] = rights(task, world, [raw(task)] * given.seeds, asked)
    if given.together and len(given.folders) != given.seeds:
        parser.error(f"--together needs a folder for each of {given.seeds} seeds, got {len(given.folders)}")
    for folders in [given.folders] if given.together else [[folder] for folder in given.folders]:
        each = given.seeds // len(folders)
        models = [load_trained(Path(folder)).encoder for folder in folders] * each
        starts = [load_untrained(Path(folder)) for folder in folders] * each
        print(f"\n### {', '.join(folders)}, {asked} tiles\n")
        print(
            "| task | trained | untrained | raw, same readout | trained - untrained | trained - raw | time-aware raw |"
        )
        print("|---|---|---|---|---|---|---|")
        for task in tasks:
            trained = rights(task, world, reads(models, task, given.cache), asked)
            before = rights(task, world, reads(starts, task, given.cache), asked)
            floor, rows = found[task.name, "raw"][0], trained[1]
            cells = [accuracy(x, rows) for x in (trained[0], before[0], floor)]
            cells += [difference(trained[0], x, rows) for x in (before[0], floor)]
            last = found.get((task.question, "aware"))
            print(f"| {task.name} | {' | '.join(map(str, cells))} | {accuracy(*last) if last else ''} |", flush=True)
    print(f"\n{(time.perf_counter() - start) / 60:.0f} minutes")


def reads(models, task, cache):
    """How a task reads the model of each seed; one function for one model."""
    found = {model: encoded(model, task, cache) for model in models}
    return [found[model] for model in models]


class Once:
    """Features that are kept: what a seed does not change is computed once."""

    def __init__(self, read):
        self.read, self.kept = read, {}

    def __call__(self, world, scenes, sensors):
        key = scenes.tobytes()
        if key not in self.kept:
            self.kept[key] = self.read(world, scenes, sensors)
        return self.kept[key]


def rights(task, world, features, asked):
    """Right answers (seeds, tiles) and rows of a reader for each seed."""
    once = {read: Once(read) for read in features}
    found = [task.right(world, once[read], seed, asked) for seed, read in enumerate(features)]
    rows = [rows for _, rows in found]
    assert all((one == rows[0]).all() for one in rows), "questions must be the same for all seeds"
    return np.stack([right for right, _ in found]), rows[0]


if __name__ == "__main__":
    main()
