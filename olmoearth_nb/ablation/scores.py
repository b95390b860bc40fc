"""What a study's tables say: `scores.csv`, a row for each arm, seed, budget, task and test tile, and `runs.csv`.

They are read without anything that trains or simulates; `tables` writes them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCORES = ("arm", "seed", "budget", "samples", "rate", "task", "tile", "right", "rows")
RUNS = ("arm", "seed", "budget", "samples", "steps", "rate", "at_edge", "loss", "seconds", "threads", "host", "commit")
BASELINES = ("majority", "raw bands")
"""Arms that are no model; their budget is "floor"."""


@dataclass(frozen=True, eq=False)
class Table:
    """What `scores.csv` holds.

    Attributes:
        arms: in the order of the study, those of `BASELINES` left out; the first is the baseline.
        seeds: of training.
        budgets: names, "untrained" left out.
        tasks: names.
        right: (arm, budget, task) -> (seeds, tiles) right answers; budgets of baselines are "floor".
        rows: task -> (tiles,) how many answers there are.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    budgets: tuple[str, ...]
    tasks: tuple[str, ...]
    right: dict[tuple[str, str, str], np.ndarray]
    rows: dict[str, np.ndarray]


def read_scores(folder: str | Path) -> Table:
    """The scores of a study.

    Raises:
        FileNotFoundError: if the folder has none.
        ValueError: if an arm lacks a seed, or tiles differ between arms.
    """
    path = Path(folder) / "scores.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no scores.csv; `olmoearth-nb ablate` writes it when all arms are done")
    with path.open(encoding="utf8") as file:
        found = list(csv.DictReader(file))
    if not found or set(SCORES) - set(found[0]):
        raise ValueError(f"{path} has not the columns {', '.join(SCORES)}")
    if len({tuple(row[key] for key in ("arm", "seed", "budget", "task", "tile")) for row in found}) < len(found):
        raise ValueError(f"{path} has the same tile twice for an arm, seed, budget and task")
    cells: dict[tuple[str, str, str], dict[int, list[tuple[float, int]]]] = {}
    for row in sorted(found, key=lambda row: int(row["tile"])):
        by_seed = cells.setdefault((row["arm"], row["budget"], row["task"]), {})
        by_seed.setdefault(int(row["seed"]), []).append((float(row["right"]), int(row["rows"])))
    right, rows = {}, dict[str, list[int]]()
    seeds = tuple(sorted({seed for by_seed in cells.values() for seed in by_seed}))
    for key, by_seed in cells.items():
        counted = [[count for _, count in tiles] for tiles in by_seed.values()]
        first = rows.setdefault(key[2], counted[0])
        if tuple(sorted(by_seed)) != seeds or any(counts != first for counts in counted):
            raise ValueError(f"{path}: {' / '.join(key)} has not the seeds and rows that others have")
        right[key] = np.array([[one for one, _ in by_seed[seed]] for seed in seeds])
    order = dict.fromkeys((row["arm"], row["budget"], row["task"]) for row in found)
    return Table(
        arms=tuple(dict.fromkeys(arm for arm, budget, _ in order if budget != "floor")),
        seeds=seeds,
        budgets=tuple(dict.fromkeys(budget for _, budget, _ in order if budget not in ("floor", "untrained"))),
        tasks=tuple(dict.fromkeys(task for _, _, task in order)),
        right=right,
        rows={task: np.array(counts) for task, counts in rows.items()},
    )


def read_runs(folder: str | Path) -> list[dict[str, str]]:
    """Rows of a study's `runs.csv`.

    Raises:
        FileNotFoundError: if it has none.
    """
    path = Path(folder) / "runs.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no runs.csv; `olmoearth-nb ablate` writes it when all arms are done")
    with path.open(encoding="utf8") as file:
        return list(csv.DictReader(file))
