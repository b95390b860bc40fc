"""The one table of the ladder that notebook 05 and docs/claims.md read, from the tables of its studies.

    python benchmarks/ladder_table.py docs/results/ladder data/published/ladder.csv

Reads each study of the folder that is there (r1, s, r2, ...; `benchmarks/ladder.py keep` puts them there), the primary
comparisons and the label test's own tables. A row is one number with its interval. Kinds of rows:

* score: of an arm after a budget, untrained, or of a baseline without a model;
* difference: of two arms, right names and published names apart;
* cost: what the published names cost an arm, or how much more they cost one arm than another;
* effect: of an ingredient, over the eight combinations of R2;
* primary: the six comparisons of the plan.

Part "labels" is the label test asked of models token by token (`benchmarks/labels.py`); its costs are those of the
condition in the column of names.

p is adjusted by Holm's rule over all rows of one part, kind, way to name the bands and budget; in part "labels" over
those of one condition.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ladder import WRONG, factors, primary, published, read_study

from olmoearth_nb.ablation.findings import accuracies
from olmoearth_nb.ablation.scores import Table, read_rows
from olmoearth_nb.evaluation.intervals import Comparison, compare_all, holm
from olmoearth_nb.evaluation.summary import COST
from olmoearth_nb.io.durable import write_csv

COLUMNS = (
    "part",
    "kind",
    "what",
    "score",
    "names",
    "budget",
    "seeds",
    "value",
    "low",
    "high",
    "p",
    "p_holm",
    "detectable",
)
PARTS = ("r1", "s", "r2", "r3", "r3_ten_bands", "r4")
SQUARE = (("naive", "v1"), ("v1.1", "naive"), ("v1.1", "v1 tokens"), ("v1 tokens", "v1"), ("v1.1", "v1"))
"""What is compared where the arms are two tokenizations x two recipes."""
LESS_ONE = (("no pixel layer", "v1.1"), ("no band dropout", "v1.1"), ("old contrast", "v1.1"))
"""What R2 compares beside each arm with naive."""
Row = dict[str, object]


@dataclass(frozen=True)
class Asked:
    """A difference before it has a p: two sets of right answers on the same rows."""

    what: str
    task: str
    more: np.ndarray
    less: np.ndarray
    count: np.ndarray
    stretch: float


def right_names(task: str) -> str:
    """The task without a word about names."""
    return task.replace(WRONG, "")


def names_of(task: str) -> str:
    """How the bands are named: "published", "content", or nothing in a world."""
    return "published" if WRONG in task else "content" if task.startswith("EuroSAT") else ""


def pairs(part: str, arms: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Which arms are compared: all with the first one, but for the square of tokens and recipes."""
    if part in ("r1", "s"):
        return SQUARE
    return (*((arm, arms[0]) for arm in arms[1:]), *(LESS_ONE if part == "r2" else ()))


def differences(part: str, table: Table, budget: str, names: str) -> Iterator[Asked]:
    """Arms against each other."""
    for task in (one for one in table.tasks if names_of(one) == names):
        for more, less in pairs(part, table.arms):
            both = table.right[more, budget, task], table.right[less, budget, task]
            yield Asked(f"{more} - {less}", task, *both, table.rows[task], table.stretch(task))


def costs(part: str, table: Table, budget: str) -> Iterator[Asked]:
    """Right names minus published ones, of each arm and of one arm minus another."""
    for task in (one for one in table.tasks if published(one) in table.tasks):
        cost = {arm: table.right[arm, budget, task] - table.right[arm, budget, published(task)] for arm in table.arms}
        about = table.rows[task], table.stretch(task)
        for arm, one in cost.items():
            yield Asked(arm, task, one, np.zeros_like(one), *about)
        for more, less in pairs(part, table.arms):
            yield Asked(f"{more} - {less}", task, cost[more], cost[less], *about)


def compared(part: str, kind: str, table: Table, budget: str, asked: Iterable[Asked]) -> Iterator[Row]:
    """Rows of one family."""
    family = list(asked)
    if not family:
        return
    found = compare_all([(one.more, one.less, one.count) for one in family], stretch=[one.stretch for one in family])
    for one, result, p in zip(family, found, holm([result.p for result in found]), strict=True):
        names = "" if kind == "cost" else names_of(one.task)
        about = (part, kind, one.what, right_names(one.task), names, budget, len(table.seeds))
        yield dict(zip(COLUMNS, (*about, *numbers(result, p)), strict=True))


def numbers(result: Comparison, adjusted: float) -> list[str]:
    """The last six columns."""
    apart = result.difference
    values = (apart.value, apart.low, apart.high, result.p, adjusted, result.detectable)
    return [f"{value:.6f}" for value in values]


def of_study(part: str, table: Table) -> Iterator[Row]:
    """All rows of one study."""
    for budget in ("floor", "untrained", *table.budgets):
        for (arm, task), one in accuracies(table, budget).items():
            about = (part, "score", arm, right_names(task), names_of(task), budget, len(table.seeds))
            values = (f"{one.value:.6f}", f"{one.low:.6f}", f"{one.high:.6f}", "", "", "")
            yield dict(zip(COLUMNS, (*about, *values), strict=True))
    for budget in ("untrained", *table.budgets):
        for names in ("content", "published", ""):
            yield from compared(part, "difference", table, budget, differences(part, table, budget, names))
        yield from compared(part, "cost", table, budget, costs(part, table, budget))


def of_primary(folder: Path) -> Iterator[Row]:
    """The six comparisons; those that were not run have no numbers."""
    for one in primary(folder):
        about = {key: one[key] for key in ("budget", "seeds", "low", "high", "p", "p_holm")}
        what, score = f"{one['comparison']}: {one['what']}", one["score"]
        start = {"part": "primary", "kind": "primary", "what": what, "score": score, "names": "", "detectable": ""}
        yield start | about | {"value": one["difference"]}


def of_effects(folder: Path, seeds: int) -> Iterator[Row]:
    """The factorial of R2."""
    for one in factors(folder):
        task = str(one["task"])
        about = {"part": "r2", "kind": "effect", "what": one["effect"], "score": right_names(task), "seeds": seeds}
        about |= {key: one[key] for key in ("budget", "low", "high", "p", "p_holm", "detectable")}
        yield about | {"names": names_of(task), "value": one["difference"]}


def of_labels(folder: Path, table: Table) -> Iterator[Row]:
    """What each condition of the label test costs each arm and each of its tokens, trained as those of R2's table."""
    about = {"part": "labels", "kind": "cost", "budget": table.budgets[-1], "seeds": len(table.seeds)}
    for one in read_rows(folder / "differences.csv"):
        if one["question"] == COST:
            own = {"what": one["what"], "score": f"EuroSAT, {one['probe']}", "names": one["names"]}
            same = {key: one[key] for key in ("low", "high", "p", "p_holm", "detectable")}
            yield about | own | same | {"value": one["difference"]}


def rows(folder: Path) -> Iterator[Row]:
    """All rows of the table, in a fixed order."""
    yield from of_primary(folder)
    for part in (one for one in PARTS if any((folder / one).glob("scores.csv*"))):
        table = read_study(folder / part)
        yield from of_study(part, table)
        if part == "r2":
            yield from of_effects(folder / part, len(table.seeds))
            if (folder / "labels").is_dir():
                yield from of_labels(folder / "labels", table)


def main() -> None:
    """Reads the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    write_csv(given.out, COLUMNS, rows(given.folder))
    print(given.out)


if __name__ == "__main__":
    main()
