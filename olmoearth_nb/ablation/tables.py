"""Writes the tables of a study whose jobs are done: `scores.csv`, `runs.csv` and `results.json`.

Where labelled sets are scored, `metrics.csv` has their other metrics and `sets.csv` what must be known of them.

`scores.csv` holds nothing that depends on how the study was run: with the same timings, one worker and two write the
same bytes on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from olmoearth_nb.ablation.folder import Job, result
from olmoearth_nb.ablation.jobs import environment, read_study
from olmoearth_nb.ablation.scores import METRICS, RUNS, SCORES, SETS
from olmoearth_nb.ablation.scoring import Scores
from olmoearth_nb.io.durable import write_csv, write_json


def write_scores(folder: Path) -> Path:
    """Writes the tables of a study whose jobs are done."""
    study = read_study(folder)
    chosen = {arm.name: result(folder, Job("chosen", arm.name)) for arm in study.arms} if study.rates else {}
    cells = [result(folder, Job("cell", arm.name, str(seed))) for arm in study.arms for seed in study.seeds]
    rows, runs, metrics = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for cell in cells:
        own = cell["environment"]
        for found in cell["budgets"]:
            known = {"arm": cell["arm"], "seed": cell["seed"]} | {key: found[key] for key in ("budget", "samples")}
            known["rate"] = found["rate"]
            rows += _rows(known, found["scores"])
            metrics += _metrics(known, found["scores"])
            if found["samples"]:
                runs.append(
                    known | {"at_edge": chosen.get(cell["arm"], {}).get("at the edge", False)}
                    | {key: found[key] for key in ("steps", "loss", "seconds")}
                    | {key: own[key] for key in ("threads", "host", "commit")}
                )  # fmt: skip
    floors = result(folder, Job("floors"))
    for floor in floors["floors"]:
        known = {"arm": floor["arm"], "seed": floor["seed"], "budget": "floor", "samples": 0, "rate": 0.0}
        rows += _rows(known, floor["scores"])
        metrics += _metrics(known, floor["scores"])
    write_csv(folder / "scores.csv", SCORES, rows)
    write_csv(folder / "runs.csv", RUNS, runs)
    if study.sets:
        write_csv(folder / "metrics.csv", METRICS, metrics)
        notes = [{"set": name, "note": note} for name, own in floors["notes"].items() for note in own]
        write_csv(folder / "sets.csv", SETS, notes)
    timed = {arm.name: result(folder, Job("timing", arm.name)) for arm in study.arms} if study.minutes else {}
    about = {"study": study.to_dict(), "rates": chosen, "timings": timed, "environment": environment()}
    write_json(folder / "results.json", about | {"runs": runs})
    return folder


def _rows(known: dict[str, Any], scores: Scores) -> Iterator[dict[str, Any]]:
    """Rows of `scores.csv` of one model: of a world a row for each tile, of a set for each group and repeat."""
    for task, found in scores.items():
        numbers = found.get("groups", range(len(found["rows"])))
        repeats = enumerate(found["right"]) if "groups" in found else [("", found["right"])]
        for repeat, counted in repeats:
            for number, right, rows in zip(numbers, counted, found["rows"], strict=True):
                yield known | {"task": task, "tile": number, "right": right, "rows": rows, "repeat": repeat}


def _metrics(known: dict[str, Any], scores: Scores) -> Iterator[dict[str, Any]]:
    """Rows of `metrics.csv` of one model; worlds have none."""
    for task, found in scores.items():
        for metric, value in found.get("metrics", {}).items():
            yield known | {"task": task, "metric": metric, "value": value}
