"""Writes the tables of a study whose jobs are done: `scores.csv`, `runs.csv` and `results.json`.

`scores.csv` holds nothing that depends on how the study was run: with the same timings, one worker and two write the
same bytes on one machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olmoearth_nb.ablation.folder import Job, result
from olmoearth_nb.ablation.jobs import environment, read_study
from olmoearth_nb.ablation.scores import RUNS, SCORES
from olmoearth_nb.io.durable import write_csv, write_json


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
    write_csv(folder / "scores.csv", SCORES, rows)
    write_csv(folder / "runs.csv", RUNS, runs)
    timed = {arm.name: result(folder, Job("timing", arm.name)) for arm in study.arms} if study.minutes else {}
    about = {"study": study.to_dict(), "rates": chosen, "timings": timed, "environment": environment()}
    write_json(folder / "results.json", about | {"runs": runs})
    return folder


def _rows(known: dict[str, Any], scores: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """Rows of `scores.csv` of one model."""
    return [
        known | {"task": task, "tile": tile, "right": right, "rows": count}
        for task, found in scores.items()
        for tile, (right, count) in enumerate(zip(found["right"], found["rows"], strict=True))
    ]
