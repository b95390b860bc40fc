"""What a study's tables say: `scores.csv`, a row for each arm, seed, budget, task and test tile, and `runs.csv`.

Of a labelled set a "tile" is a group of places, and rows have a `repeat`: how often folds were drawn before.

They are read without anything that trains or simulates; `tables` writes them.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olmoearth_nb.evaluation.intervals import TRAINED
from olmoearth_nb.io.durable import read_csv

SCORES = ("arm", "seed", "budget", "samples", "rate", "task", "tile", "right", "rows", "repeat")
RUNS = ("arm", "seed", "budget", "samples", "steps", "rate", "at_edge", "loss", "seconds", "threads", "host", "commit")
METRICS = ("arm", "seed", "budget", "samples", "rate", "task", "metric", "value")
SETS = ("set", "note")
KEY = ("arm", "seed", "budget", "task")
DATED = ("raw bands and month", "month alone")
"""Baselines of sets whose places have different months; other tasks have none."""
BASELINES = ("majority", "raw bands", "band means", *DATED)
"""Arms that are no model; their budget is "floor". Studies have the first two of every task, and of sets raw bands are
image statistics; `benchmarks/gpu.py` has band means as well."""


@dataclass(frozen=True, eq=False)
class Table:
    """What `scores.csv` holds.

    Attributes:
        arms: in the order of the study, those of `BASELINES` left out; the first is the baseline.
        seeds: of training.
        budgets: names, "untrained" left out.
        tasks: names.
        right: (arm, budget, task) -> (seeds, tiles) right answers, of labelled sets (seeds, repeats, groups); budgets
            of baselines are "floor".
        rows: task -> (tiles,) how many answers there are.
        tiles: task -> (tiles,) their numbers; a task that not every tile can be asked has fewer.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    budgets: tuple[str, ...]
    tasks: tuple[str, ...]
    right: dict[tuple[str, str, str], np.ndarray]
    rows: dict[str, np.ndarray]
    tiles: dict[str, np.ndarray]

    def stretch(self, task: str) -> float:
        """What the variance over a task's tiles is multiplied by; see `intervals.TRAINED`."""
        return TRAINED if next(right for (*_, one), right in self.right.items() if one == task).ndim == 3 else 1.0

    @staticmethod
    def measure(task: str) -> str:
        """What right answers divided by rows are: accuracy, or R2 where a ridge regression gives real values."""
        return "R2" if task.endswith(", ridge") else "accuracy"


def read_scores(folder: str | Path) -> Table:
    """The scores of a study.

    Raises:
        FileNotFoundError: if the folder has none.
        ValueError: if an arm lacks a seed, or tiles differ between arms.
    """
    path = Path(folder) / "scores.csv"
    found = read_rows(path)
    if not found or {*SCORES} - {"repeat"} - set(found[0]):
        raise ValueError(f"{path} has not the columns {', '.join(SCORES)}")
    if len({tuple(row.get(key) for key in (*KEY, "tile", "repeat")) for row in found}) < len(found):
        raise ValueError(f"{path} has the same tile twice for an arm, seed, budget and task")
    cells: dict[tuple[str, str, str], dict[int, list[dict[str, str]]]] = {}
    for row in sorted(found, key=lambda row: (int(row.get("repeat") or 0), int(row["tile"]))):
        by_seed = cells.setdefault((row["arm"], row["budget"], row["task"]), {})
        by_seed.setdefault(int(row["seed"]), []).append(row)
    right, rows = {}, dict[str, list[tuple[str | None, str, str]]]()
    seeds = tuple(sorted({seed for by_seed in cells.values() for seed in by_seed}))
    for key, by_seed in cells.items():
        counted = [[(row.get("repeat"), row["tile"], row["rows"]) for row in one] for one in by_seed.values()]
        first = rows.setdefault(key[2], counted[0])
        if tuple(sorted(by_seed)) != seeds or any(counts != first for counts in counted):
            raise ValueError(f"{path}: {' / '.join(key)} has not the seeds and rows that others have")
        found_here = np.array([[float(row["right"]) for row in by_seed[seed]] for seed in seeds])
        repeats = len({repeat for repeat, *_ in first})
        in_folds = bool(first[0][0])
        right[key] = found_here.reshape(len(seeds), repeats, -1) if in_folds else found_here
    order = dict.fromkeys((row["arm"], row["budget"], row["task"]) for row in found)
    return Table(
        arms=tuple(dict.fromkeys(arm for arm, budget, _ in order if budget != "floor")),
        seeds=seeds,
        budgets=tuple(dict.fromkeys(budget for _, budget, _ in order if budget not in ("floor", "untrained"))),
        tasks=tuple(dict.fromkeys(task for _, _, task in order)),
        right=right,
        rows={task: np.array([float(n) for repeat, _, n in own if repeat == own[0][0]]) for task, own in rows.items()},
        tiles={
            task: np.array([int(tile) for repeat, tile, _ in own if repeat == own[0][0]]) for task, own in rows.items()
        },
    )


def read_runs(folder: str | Path) -> list[dict[str, str]]:
    """Rows of a study's `runs.csv`.

    Raises:
        FileNotFoundError: if it has none.
    """
    return read_rows(Path(folder) / "runs.csv")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table of a study; one that is large may be kept as `.csv.gz`.

    Raises:
        FileNotFoundError: if it is not there.
    """
    packed = path.with_name(f"{path.name}.gz")
    if not path.is_file() and packed.is_file():
        with gzip.open(packed, "rt", encoding="utf8") as text:
            return list(csv.DictReader(text))
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.parent} has no {path.name}; `olmoearth-nb ablate` writes it when all arms are done"
        )
    return read_csv(path)
