"""What our own trainings measured of the step from v1 to v1.1: the rows of `data/published/ladder.csv`.

`benchmarks/ladder_table.py` writes that table from the tables of the studies in `docs/results/ladder`; the plan, which
was written before them, is `docs/results/ladder-plan.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.io.shipped import published


@dataclass(frozen=True)
class Measured:
    """A number of the ladder.

    Attributes:
        part: of the plan: "r1" to "r4" (real chips), "s" (simulated world), "labels" (the label test), "primary".
        kind: "score", "difference", "cost" (of wrong names of bands), "effect" (of an ingredient) or "primary".
        what: an arm or one of its tokens, two arms, or an ingredient.
        score: of which set or task, by which probe.
        names: how bands were named, "content" (rightly) or "published", or the condition of a label test; empty where
            there is one way only.
        budget: samples of the training in words, "untrained", or "floor" of baselines without a model.
        seeds: of training.
        interval: the number with its interval of 95 %.
        p_holm: p after Holm's rule; NaN of scores.
        detectable: what the design sees with a power of 80 %; NaN where that was not asked.
    """

    part: str
    kind: str
    what: str
    score: str
    names: str
    budget: str
    seeds: int
    interval: Interval
    p_holm: float
    detectable: float

    @property
    def found(self) -> bool:
        """Whether it differs from 0 after Holm's rule."""
        return self.p_holm < 0.05

    @property
    def points(self) -> Interval:
        """The interval in points: hundredths of accuracy."""
        return self.interval.scaled(100)

    @property
    def samples(self) -> int:
        """Samples of the training; 0 before it, and of baselines."""
        count, _, unit = self.budget.partition(" ")
        return int(count) if unit == "samples" else 0


def ladder(**wanted: str) -> list[Measured]:
    """The rows whose columns are as wanted, such as ``ladder(part="r1", kind="cost")``; what was not run has none.

    Raises:
        ValueError: for a column that the table does not have.
    """
    rows = published("ladder")
    unknown = set(wanted) - set(rows[0])
    if unknown:
        raise ValueError(f"the ladder has no {', '.join(sorted(unknown))}; its columns are {', '.join(rows[0])}")
    chosen = [row for row in rows if row["value"] and all(row[key] == value for key, value in wanted.items())]
    return [_measured(row) for row in chosen]


def one(**wanted: str) -> Measured:
    """The one row that is as wanted.

    Raises:
        ValueError: if there is none, or more than one.
    """
    found = ladder(**wanted)
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows of the ladder are {wanted}; name more or other columns")
    return found[0]


def final_budget(part: str) -> str:
    """The budget at which the arms of a part are compared, as the plan fixes it: the largest."""
    return max(ladder(part=part, kind="score"), key=lambda row: row.samples).budget


def _measured(row: dict[str, str]) -> Measured:
    about = {key: row[key] for key in ("part", "kind", "what", "score", "names", "budget")}
    interval = Interval(*(float(row[key]) for key in ("value", "low", "high")))
    p, detectable = (float(row[key] or "nan") for key in ("p_holm", "detectable"))
    return Measured(**about, seeds=int(row["seeds"]), interval=interval, p_holm=p, detectable=detectable)
