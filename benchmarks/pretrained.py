"""What pretraining has learnt: python benchmarks/pretrained.py WORLD FOLDER ... [--valid] [--scenes N] [--seeds N]
[--together] [--probes kNN,probe,network] [--targets scene,water,radar]

Every designed target, read from patches of 4 x 4 px with time averaged, and scene classes: a trained encoder against
its own random initialisation, against raw band means of the same readout, and against the time-aware raw linear probe.
The traits that targets are made of can be tested alone: `--targets water,chlorophyll,anthocyanin,early,late,
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

from olmoearth_nb.data.simulate.scenes import TARGETS
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.intervals import accuracy, difference
from olmoearth_nb.evaluation.tasks import Task, encoded, raw
from olmoearth_nb.weights.trained import load_trained, load_untrained


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("world")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--valid", action="store_true")
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--probes", default="kNN,probe,network")
    parser.add_argument("--targets", default=",".join(["scene", *TARGETS]))
    parser.add_argument("--cache", default=None)
    given = parser.parse_args()
    torch.set_num_threads(1)
    world, split, start = World(given.world), "valid" if given.valid else "test", time.perf_counter()
    probes, targets = given.probes.split(","), given.targets.split(",")
    readouts = {target: "scene" if target == "scene" else "patches" for target in targets}
    tasks = [Task(target, readouts[target], probe, most=given.scenes) for target in targets for probe in probes]
    aware = {
        target: Task(target, "patches by date", "probe", most=given.scenes) for target in targets if target != "scene"
    }
    found, means = {}, {}
    for task in tasks:
        found[task.name, "raw"] = rights(task, world, [raw(task, means)] * given.seeds, split)
    for target, task in aware.items():
        found[target, "aware"] = rights(task, world, [raw(task, means)] * given.seeds, split)
    if given.together and len(given.folders) != given.seeds:
        parser.error(f"--together needs a folder for each of {given.seeds} seeds, got {len(given.folders)}")
    for folders in [given.folders] if given.together else [[folder] for folder in given.folders]:
        each = given.seeds // len(folders)
        models = [load_trained(Path(folder)).encoder for folder in folders] * each
        starts = [load_untrained(Path(folder)) for folder in folders] * each
        print(f"\n### {', '.join(folders)}, {split} tiles\n")
        print(
            "| task | trained | untrained | raw, same readout | trained - untrained | trained - raw | time-aware raw |"
        )
        print("|---|---|---|---|---|---|---|")
        for task in tasks:
            trained = rights(task, world, reads(models, task, given.cache), split)
            before = rights(task, world, reads(starts, task, given.cache), split)
            baseline, rows = found[task.name, "raw"][0], trained[1]
            cells = [accuracy(x, rows) for x in (trained[0], before[0], baseline)]
            cells += [difference(trained[0], x, rows) for x in (before[0], baseline)]
            last = found.get((task.target, "aware"))
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


def rights(task, world, features, split):
    """Right answers (seeds, tiles) and rows of a reader for each seed."""
    once = {read: Once(read) for read in features}
    found = [task.right(world, once[read], seed, split) for seed, read in enumerate(features)]
    rows = [rows for _, rows in found]
    assert all((one == rows[0]).all() for one in rows), "targets must be the same for all seeds"
    return np.stack([right for right, _ in found]), rows[0]


if __name__ == "__main__":
    main()
