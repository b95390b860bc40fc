"""What was measured of pretrained encoders at each number of labels, as it comes with the package.

`docs/results/finetune.md` says how.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from olmoearth_nb.evaluation.intervals import Interval, not_seen
from olmoearth_nb.io.shipped import published


@dataclass(frozen=True)
class Point:
    """A curve at one number of labels.

    Attributes:
        count: labels.
        interval: accuracy, or a difference of accuracies.
        seeds: over which it is a mean.
        seconds: that a fit took on one busy core; 0 for a difference.
        learnt: how many parameters a fit trains; 0 for a difference.
        p: of a difference, after Holm's rule; 1 for an accuracy.
        detectable: of a difference, what would be seen with a power of 80 %; 0 for an accuracy.
    """

    count: int
    interval: Interval
    seeds: int
    seconds: float = 0.0
    learnt: int = 0
    p: float = 1.0
    detectable: float = 0.0

    @property
    def found(self) -> bool:
        """Whether it is a difference, after Holm's rule."""
        return self.p < 0.05

    @property
    def finding(self) -> str:
        """A difference in words."""
        if not self.found:
            return not_seen(self.detectable)
        return "larger" if self.interval.value > 0 else "smaller"


Curves = dict[str, dict[str, list[Point]]]
"""Data -> curve -> its points."""


def label_efficiency() -> Curves:
    """Accuracy of all curves: baselines, random initialisations and pretrained encoders by several ways."""
    return _read("accuracy", lambda row: {"seconds": float(row["seconds"]), "learnt": int(row["learnt"])})


def worth() -> Curves:
    """Differences that the plan asked for, such as that of pretrained encoders and random initialisations."""
    return _read("difference", lambda row: {"p": float(row["p_holm"]), "detectable": float(row["detectable"])})


def _read(kind: str, more: Callable[[dict[str, str]], dict[str, float]]) -> Curves:
    """The rows of one kind."""
    found: Curves = {}
    for row in published("finetune"):
        if row["kind"] == kind:
            interval = Interval(*(float(row[name]) for name in ("value", "low", "high")))
            point = Point(int(row["count"]), interval, int(row["seeds"]), **more(row))  # type: ignore[arg-type]
            found.setdefault(row["data"], {}).setdefault(row["curve"], []).append(point)
    return found
