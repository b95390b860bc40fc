"""The curve of a run, small enough to be kept beside its model: `log.csv`.

A row is a mean over neighbouring steps at which the run looked closer (every 25th step: `monitor.LOOK_EVERY`), so that
loss, chance and a perfect predictor are those of the same steps.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from olmoearth_nb.io.durable import read_csv, write
from olmoearth_nb.pretrain.log import LOG, read_log
from olmoearth_nb.pretrain.plan import TRUNK
from olmoearth_nb.weights.trained import RUN

CURVE = "log.csv"
COLUMNS = ("samples", "patches", "chance", "best", "rank", "rate")
"""`patches` is patch discrimination; `best` is that of a predictor that gives the targets; `rate` the learning rate."""

ROWS = 200
"""Most rows of a curve."""

Curve = dict[str, np.ndarray]
"""Column -> values."""


def write_curve(run: Path, leg: str, out: Path, rows: int = ROWS) -> Path:
    """Writes the curve of one budget: the trunk up to where the branch leaves it, then the branch.

    Args:
        run: folder of the run.
        leg: name of the branch in it, such as "budget-8192"; it must be finished.
        out: folder that gets `log.csv`.
        rows: at most so many; neighbours are averaged.

    Returns:
        The file.

    Raises:
        FileNotFoundError: if the branch is not finished, or a log is missing.
        ValueError: if the run never looked closer, or fewer than one row is asked for.
    """
    if rows < 1:
        raise ValueError(f"a curve has at least one row, got {rows}")
    about = json.loads((run / leg / RUN).read_text(encoding="utf8"))
    lines = [line for line in read_log(run / TRUNK / LOG) if line["step"] <= about["falls"]]
    branch = run / leg / LOG
    lines += read_log(branch) if about["steps"] > about["falls"] else []
    looked = [line for line in lines if "chance" in line]
    if not looked:
        raise ValueError(f"{run}: no line of the logs tells chance from loss, so there is no curve")
    parts = np.array_split(np.arange(len(looked)), min(rows, len(looked)))
    means = [[_mean([looked[i].get(name) for i in part]) for name in COLUMNS] for part in parts]
    return write(out / CURVE, lambda part: _write(part, means))


def _mean(values: list[float | None]) -> float:
    """Mean of those that were measured, with six digits; NaN where none was."""
    known = [value for value in values if value is not None]
    return float(f"{np.mean(known):.6g}") if known else float("nan")


def _write(path: Path, rows: list[list[float]]) -> None:
    """Writes a table with its head."""
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def read_curve(folder: Path) -> Curve:
    """The curve beside a model.

    Args:
        folder: of the model.

    Raises:
        FileNotFoundError: if it has none.
        ValueError: if a column is missing.
    """
    found = read_csv(folder / CURVE)
    missing = [name for name in COLUMNS if not found or name not in found[0]]
    if missing:
        raise ValueError(f"{folder / CURVE} has no column {', '.join(missing)}; a curve has {', '.join(COLUMNS)}")
    return {name: np.array([float(row[name]) for row in found]) for name in COLUMNS}


def smoothed(values: np.ndarray, over: int = 25) -> np.ndarray:
    """Running mean over so many values, shorter at both ends."""
    weight = np.ones(min(over, len(values)))
    return np.convolve(values, weight, mode="same") / np.convolve(np.ones(len(values)), weight, mode="same")


def share_of_the_way(curves: Sequence[Curve], over: int = 1) -> np.ndarray:
    """How far the loss has come from chance (0) to a predictor that gives the targets (1); it may go beyond.

    Args:
        curves: of runs with the same steps, such as those of several seeds.
        over: rows of a running mean. Sums over runs and rows are divided, not averaged as ratios, because what chance
            is worth varies more from step to step than how far it is from the loss.
    """
    come = sum(curve["chance"] - curve["patches"] for curve in curves)
    all_of_it = sum(curve["chance"] - curve["best"] for curve in curves)
    return smoothed(np.asarray(come), over) / smoothed(np.asarray(all_of_it), over)
