"""Tables of a study: `scores.csv`, a row for each arm, seed, budget, task and test tile; `runs.csv`; `results.json`.

`scores.csv` holds nothing that depends on how the study was run: with the same timings, one worker and two write the
same bytes on one machine.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.ablation.folder import Job, result
from olmoearth_nb.ablation.kinds import environment, read_study
from olmoearth_nb.io.durable import write, write_json

SCORES = ("arm", "seed", "budget", "samples", "rate", "task", "tile", "right", "rows")
RUNS = ("arm", "seed", "budget", "samples", "steps", "rate", "at_edge", "loss", "seconds", "threads", "host", "commit")
FLOORS = ("majority", "raw bands")
"""Arms that are no model; their budget is "floor"."""


def write_scores(folder: Path) -> Path:
    """Writes the tables of a study whose jobs are done."""
    study = read_study(folder)
    chosen = {arm.name: result(folder, Job("chosen", arm.name)) for arm in study.arms} if study.rates else {}
    cells = [result(folder, Job("cell", arm.name, str(seed))) for arm in study.arms for seed in study.seeds]
    rows, runs = [], []
    for cell in cells:
        own = cell["environment"]
        for found in cell["budgets"]:
            known = {"arm": cell["arm"], "seed": cell["seed"]} | {key: found[key] for key in ("budget", "samples")}
            known["rate"] = found["rate"]
            rows += _rows(known, found["scores"])
            if found["samples"]:
                runs.append(
                    known | {"at_edge": chosen.get(cell["arm"], {}).get("at the edge", False)}
                    | {key: found[key] for key in ("steps", "loss", "seconds")}
                    | {key: own[key] for key in ("threads", "host", "commit")}
                )  # fmt: skip
    for floor in result(folder, Job("floors"))["floors"]:
        known = {"arm": floor["arm"], "seed": floor["seed"], "budget": "floor", "samples": 0, "rate": 0.0}
        rows += _rows(known, floor["scores"])
    _write_csv(folder / "scores.csv", SCORES, rows)
    _write_csv(folder / "runs.csv", RUNS, runs)
    timed = {arm.name: result(folder, Job("timing", arm.name)) for arm in study.arms} if study.minutes else {}
    about = {"study": study.to_dict(), "rates": chosen, "timings": timed, "environment": environment()}
    write_json(folder / "results.json", about | {"runs": runs})
    return folder


def _rows(known: dict[str, Any], scores: dict[str, dict[str, list[int]]]) -> list[dict[str, Any]]:
    """Rows of `scores.csv` of one model."""
    return [
        known | {"task": task, "tile": tile, "right": right, "rows": count}
        for task, found in scores.items()
        for tile, (right, count) in enumerate(zip(found["right"], found["rows"], strict=True))
    ]


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Writes a table with its head."""

    def save(part: Path) -> None:
        with part.open("w", newline="", encoding="utf8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    write(path, save)


@dataclass(frozen=True, eq=False)
class Table:
    """What `scores.csv` holds.

    Attributes:
        arms: in the order of the study, floors left out; the first is the baseline.
        seeds: of training.
        budgets: names, "untrained" left out.
        tasks: names.
        right: (arm, budget, task) -> (seeds, tiles) right answers; budgets of floors are "floor".
        rows: task -> (tiles,) questions.
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
    cells: dict[tuple[str, str, str], dict[int, list[tuple[int, int]]]] = {}
    for row in sorted(found, key=lambda row: int(row["tile"])):
        by_seed = cells.setdefault((row["arm"], row["budget"], row["task"]), {})
        by_seed.setdefault(int(row["seed"]), []).append((int(row["right"]), int(row["rows"])))
    right, rows = {}, dict[str, list[int]]()
    seeds = tuple(sorted({seed for by_seed in cells.values() for seed in by_seed}))
    for key, by_seed in cells.items():
        asked = [[count for _, count in tiles] for tiles in by_seed.values()]
        first = rows.setdefault(key[2], asked[0])
        if tuple(sorted(by_seed)) != seeds or any(counts != first for counts in asked):
            raise ValueError(f"{path}: {' / '.join(key)} has not the seeds and questions that others have")
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
