"""The answers of docs/results/ladder-plan.md, from the tables of its studies.

    python benchmarks/ladder.py keep STUDY docs/results/ladder/r1
    python benchmarks/ladder.py primary docs/results/ladder
    python benchmarks/ladder.py factors docs/results/ladder/r2
    python benchmarks/ladder.py pause s docs/results/ladder/s      # and on another machine, before `ablate` goes on:
    python benchmarks/ladder.py resume s docs/results/ladder/s

`keep` copies the tables of a finished sweep; scores.csv, which has a row for each group of chips, is packed
(scores.csv.gz, which `olmoearth-nb report` reads as well). `primary` makes the six primary comparisons with Holm's rule
over them: primary.csv and primary.md. One whose tables are not there counts as p = 1. `factors` takes the eight arms of
R2 as a factorial: three main effects and their interactions over all of its runs. `pause` packs the jobs that an
unfinished sweep has done (unfinished.json.gz), `resume` puts them into a folder in which `ablate` goes on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.ablation.scores import Table, read_rows, read_scores
from olmoearth_nb.evaluation.intervals import Comparison, Interval, compare_all, holm
from olmoearth_nb.evaluation.summary import EXTRA
from olmoearth_nb.io.durable import write, write_csv, write_json

COLUMNS = ("comparison", "hypothesis", "what", "score", "budget", "seeds", "difference", "low", "high", "p", "p_holm")
TABLES = ("runs.csv", "metrics.csv", "sets.csv", "comparisons.csv", "report.md", "accuracies.png", "differences.png")
UNFINISHED = "unfinished.json.gz"
WRONG = " (published names)"
"""What tasks have in their names that are asked with the bands as m-eurosat's files name them."""
KNN, LINEAR = "EuroSAT, kNN-20", "EuroSAT, linear"
TRACK_R, TRACK_S = 65_536, 32_768
"""Samples after which arms are tested, if all seeds have reached them."""
DESIGNED = ("one band", "one resolution", "two resolutions", "time", "two sensors")
FACTORS: dict[str, tuple[bool, bool, bool]] = {
    "naive": (False, False, False),
    "pixel layer": (True, False, False),
    "band dropout": (False, True, False),
    "contrast": (False, False, True),
    "no pixel layer": (False, True, True),
    "no band dropout": (True, False, True),
    "old contrast": (True, True, False),
    "v1.1": (True, True, True),
}
"""Arms of R2: whether they have the pixel layer, band dropout and the weaker contrast."""
NAMES = ("pixel layer", "band dropout", "weaker contrast")


@dataclass(frozen=True)
class Primary:
    """A primary comparison as the plan names it; `two` are the arms, of P1 to P4 on track R."""

    name: str
    hypothesis: str
    two: tuple[str, str]
    score: str


PRIMARY = (
    Primary("P1", "merging costs accuracy under v1's recipe", ("naive", "v1"), KNN),
    Primary("P2", "v1.1's recipe buys it back", ("v1.1", "naive"), KNN),
    Primary("P3", "merging still costs accuracy under v1.1's recipe", ("v1.1", "v1 tokens"), KNN),
    Primary("P4", "wrong names cost merged tokens more", ("naive", "v1"), f"cost of published names, {LINEAR}"),
    Primary("P5", "merging costs accuracy in the world", ("naive", "v1"), "mean of the designed tasks, world, network"),
    Primary(
        "P6", "wrong names cost merged tokens more, world", ("naive", "v1"), "cost of published names, world, kNN-20"
    ),
)


def plain(task: str) -> str:
    """A task without the part of its set that is tested, which is the same in all studies of the plan."""
    return re.sub(r" \(part [^)]*\)", "", task)


def read_study(folder: Path) -> Table:
    """The scores of a study, by plain names of tasks."""
    table = read_scores(folder)
    right = {(arm, budget, plain(task)): own for (arm, budget, task), own in table.right.items()}
    rows, tiles = ({plain(task): own for task, own in by.items()} for by in (table.rows, table.tiles))
    return replace(table, tasks=tuple(map(plain, table.tasks)), right=right, rows=rows, tiles=tiles)


def budget_of(table: Table, planned: int) -> str:
    """The planned budget, or the next lower one that all seeds have."""
    count = {name: int(name.removesuffix(" samples")) for name in table.budgets if name.endswith(" samples")}
    return max((name for name in count if count[name] <= planned), key=count.__getitem__)


def published(task: str) -> str:
    """The same task with the bands as m-eurosat's files name them."""
    return task.replace(", ", f"{WRONG}, ", 1)


def of_track_r(table: Table, one: Primary, budget: str) -> Comparison:
    """P1 to P4."""
    first, second = one.two
    if one.name == "P4":
        cost = {arm: table.right[arm, budget, LINEAR] - table.right[arm, budget, published(LINEAR)] for arm in one.two}
        pair = (cost[first], cost[second], table.rows[LINEAR])
    else:
        pair = (table.right[first, budget, KNN], table.right[second, budget, KNN], table.rows[KNN])
    return compare_all([pair], stretch=[table.stretch(KNN)])[0]


def of_world(table: Table, one: Primary, budget: str) -> Comparison:
    """P5: each task's rows count as much as the other tasks' together, tile by tile.

    A tile that a task was not asked on (two sensors need both) counts by its other tasks.
    """
    tasks = [f"{name}, patches, network" for name in DESIGNED]
    every = np.unique(np.concatenate([table.tiles[task] for task in tasks]))
    weights, both = np.zeros(len(every)), [np.zeros((len(table.seeds), len(every))) for _ in one.two]
    for task in tasks:
        at, own = np.searchsorted(every, table.tiles[task]), table.rows[task]
        weights[at] += own / own.sum()
        for arm, total in zip(one.two, both, strict=True):
            total[:, at] += table.right[arm, budget, task] / own.sum()
    return compare_all([(*both, weights)])[0]


def of_names(folder: Path, one: Primary) -> Comparison | None:
    """P6, from the table that `benchmarks/labels.py` wrote."""
    path = folder / "world22" / "differences.csv"
    if not path.is_file():
        return None
    wanted = {"question": EXTRA, "names": "published", "probe": "kNN-20"}
    rows = [row for row in read_rows(path) if all(row[key] == value for key, value in wanted.items())]
    found = [row for row in rows if row["what"] == " - ".join(one.two)]
    if len(found) != 1:
        raise ValueError(f"{path} has {len(found)} rows of {' - '.join(one.two)}, {wanted}")
    value, low, high, p, detectable = (float(found[0][key]) for key in ("difference", "low", "high", "p", "detectable"))
    return Comparison(Interval(value, low, high), p, detectable)


def primary(folder: Path) -> list[dict[str, object]]:
    """The six comparisons, as rows of `COLUMNS`."""
    tables = {name: read_study(folder / name) for name in ("r1", "s") if any((folder / name).glob("scores.csv*"))}
    found: list[tuple[Primary, str, int, Comparison | None]] = []
    for one in PRIMARY:
        which, planned = ("r1", TRACK_R) if one.name <= "P4" else ("s", TRACK_S)
        if which not in tables:
            found.append((one, "", 0, None))
            continue
        table = tables[which]
        budget = budget_of(table, planned)
        if one.name == "P6":
            compared = of_names(folder, one)
        else:
            compared = (of_track_r if which == "r1" else of_world)(table, one, budget)
        found.append((one, budget, len(table.seeds), compared))
    adjusted = holm([1.0 if compared is None else compared.p for *_, compared in found])
    return [row(*parts, p) for parts, p in zip(found, adjusted, strict=True)]


def row(one: Primary, budget: str, seeds: int, compared: Comparison | None, adjusted: float) -> dict[str, object]:
    """A row of `COLUMNS`; what was not run has no numbers."""
    about = (one.name, one.hypothesis, " - ".join(one.two), one.score)
    if compared is None:
        return dict(zip(COLUMNS, (*about, "not run", "", "", "", "", "", f"{adjusted:.6f}"), strict=True))
    apart = compared.difference
    numbers = (f"{x:.6f}" for x in (apart.value, apart.low, apart.high, compared.p, adjusted))
    return dict(zip(COLUMNS, (*about, budget, seeds, *numbers), strict=True))


def lines(rows: list[dict[str, object]]) -> list[str]:
    """A table of a page."""
    found = ["| | hypothesis | comparison | score | budget | difference | p, Holm |", "|---" * 7 + "|"]
    for one in rows:
        apart = "not run"
        if one["difference"]:
            apart = Interval(*(float(str(one[key])) for key in ("difference", "low", "high"))).signed()
        cells = (*(one[key] for key in COLUMNS[:5]), apart, f"{float(str(one['p_holm'])):.3f}")
        found.append(f"| {' | '.join(map(str, cells))} |")
    return found


def effects(right: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Main effects and interactions of the eight arms: half of the sum with signs, as factorials have them."""
    found = {}
    for chosen in product((False, True), repeat=3):
        if any(chosen):
            name = " x ".join(label for label, use in zip(NAMES, chosen, strict=True) if use)
            signs = {
                arm: np.prod([1 if has else -1 for has, use in zip(own, chosen, strict=True) if use])
                for arm, own in FACTORS.items()
            }
            found[name] = sum(signs[arm] * right[arm] for arm in FACTORS) / 4
    return found


def factors(folder: Path) -> list[dict[str, object]]:
    """The effects of R2 at each budget and task, Holm's rule over each budget."""
    table, found = read_study(folder), []
    for budget in table.budgets:
        asked = [
            (task, name, one)
            for task in table.tasks
            for name, one in effects({arm: table.right[arm, budget, task] for arm in FACTORS}).items()
        ]
        pairs = [(one, np.zeros_like(one), table.rows[task]) for task, _, one in asked]
        compared = compare_all(pairs, stretch=[table.stretch(task) for task, *_ in asked])
        for (task, name, _), one, p in zip(asked, compared, holm([x.p for x in compared]), strict=True):
            apart = one.difference
            numbers = (apart.value, apart.low, apart.high, one.p, p, one.detectable)
            keys = ("difference", "low", "high", "p", "p_holm", "detectable")
            shown = dict(zip(keys, (f"{x:.6f}" for x in numbers), strict=True))
            found.append({"budget": budget, "task": task, "effect": name} | shown)
    return found


def by_name(value: Any) -> Any:
    """The same with the names of folders in place of where they lay."""
    if isinstance(value, dict):
        return {key: by_name(own) for key, own in value.items()}
    if isinstance(value, list):
        return [by_name(own) for own in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def keep(study: Path, folder: Path) -> None:
    """Copies the tables of a sweep; the same scores give the same packed bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        if (study / name).is_file():
            shutil.copyfile(study / name, folder / name)
    about = json.loads((study / "study.json").read_text(encoding="utf8"))
    text = json.dumps(by_name(about), indent=2) + "\n"
    write(folder / "study.json", lambda part: part.write_text(text, encoding="utf8"))
    packed = gzip.compress((study / "scores.csv").read_bytes(), 9, mtime=0)
    write(folder / "scores.csv.gz", lambda part: part.write_bytes(packed))


def pause(study: Path, folder: Path) -> None:
    """Packs what the jobs of a sweep have found so far; the same jobs give the same bytes."""
    found = {path.name: json.loads(path.read_text(encoding="utf8")) for path in sorted((study / "jobs").glob("*.json"))}
    folder.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(json.dumps(found).encode(), 9, mtime=0)
    write(folder / UNFINISHED, lambda part: part.write_bytes(packed))


def resume(study: Path, folder: Path) -> None:
    """Puts packed jobs into the folder of a sweep, which may be new; a job that is done there stays as it is."""
    (study / "jobs").mkdir(parents=True, exist_ok=True)
    for name, content in json.loads(gzip.decompress((folder / UNFINISHED).read_bytes())).items():
        if not (study / "jobs" / name).is_file():
            write_json(study / "jobs" / name, content)


def main() -> None:
    """Reads the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    moves = {"keep": keep, "pause": pause, "resume": resume}
    with_study = [steps.add_parser(name) for name in moves]
    for step in with_study:
        step.add_argument("study", type=Path)
    for step in (*with_study, steps.add_parser("primary"), steps.add_parser("factors")):
        step.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.step in moves:
        moves[given.step](given.study, given.folder)
    elif given.step == "primary":
        rows = primary(given.folder)
        write_csv(given.folder / "primary.csv", COLUMNS, rows)
        text = "\n".join([*lines(rows), ""])
        write(given.folder / "primary.md", lambda part: part.write_text(text, encoding="utf8"))
        print(text)
    else:
        rows = factors(given.folder)
        write_csv(given.folder / "factors.csv", tuple(rows[0]), rows)
        print(f"{given.folder}: factors.csv, {len(rows)} effects")


if __name__ == "__main__":
    main()
