"""A study of track R or S as `olmoearth-nb ablate` leaves it, whose truth is known."""

import csv

import numpy as np

from olmoearth_nb.ablation.scores import SCORES

SEEDS, GROUPS, EACH = range(10, 15), range(60), 10
RIGHT = {"v1": 0.80, "naive": 0.60, "v1.1": 0.80, "v1 tokens": 0.80}
COST = {"v1": 0.05, "naive": 0.25, "v1.1": 0.05, "v1 tokens": 0.05}


def named(task):
    """As a sweep names it that is tested on a part of its set."""
    name, probe = task.split(", ", 1)
    return f"{name} (part 2-5/5), {probe}" if name.startswith("EuroSAT") else task


def write_table(folder, tasks, accuracy, budget="65536 samples", repeat=""):
    """Answers that are right with a known probability, the same luck for all arms."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0).random((len(tasks), len(SEEDS), len(GROUPS), EACH))
    with (folder / "scores.csv").open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, SCORES)
        writer.writeheader()
        for (arm, (number, task)), (place, seed) in (
            ((arm, one), own) for arm in RIGHT for one in enumerate(tasks) for own in enumerate(SEEDS)
        ):
            for group in GROUPS:
                right = int((draw[number, place, group] < accuracy(arm, task)).sum())
                about = {"arm": arm, "seed": seed, "budget": budget, "samples": 1, "rate": 0.1, "task": named(task)}
                writer.writerow(about | {"tile": group, "right": right, "rows": EACH, "repeat": repeat})
