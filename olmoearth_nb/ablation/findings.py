"""What the scores of a study show, and what its design could not have seen.

Every arm is compared with the first one on the same seeds and test tiles. p-values are adjusted by Holm's rule over
all comparisons of a budget (tasks x arms), so that the chance of any false finding in a table is at most 1 - level.
"""

from __future__ import annotations

from dataclasses import dataclass

from olmoearth_nb.ablation.scores import Table
from olmoearth_nb.evaluation.intervals import Comparison, Interval, accuracy, compare_all, difference, holm, not_seen
from olmoearth_nb.evaluation.metrics import bounds

LEVEL = 0.95


@dataclass(frozen=True)
class Finding:
    """An arm against the baseline.

    Attributes:
        budget: name.
        task: name.
        arm: name.
        against: the baseline's name.
        comparison: difference with interval, p, smallest detectable difference.
        p_holm: p adjusted over the budget's comparisons.
    """

    budget: str
    task: str
    arm: str
    against: str
    comparison: Comparison
    p_holm: float

    @property
    def seen(self) -> bool:
        """Whether it is a finding after Holm's rule."""
        return self.p_holm < 1 - LEVEL

    @property
    def largest(self) -> float:
        """The largest difference that there can be: 1 of accuracies; none of R2, which has no lower end."""
        low, high = bounds(Table.measure(self.task))
        return high - low

    @property
    def verdict(self) -> str:
        """In words; a null comes with what the design could have seen."""
        if self.seen:
            return "better" if self.comparison.difference.value > 0 else "worse"
        if self.comparison.detectable < 1e-9:
            return "no difference at all: both gave the same answers with every seed"
        return not_seen(self.comparison.detectable, self.largest)


def findings(table: Table, budget: str) -> list[Finding]:
    """All arms against the baseline in all tasks, at one budget."""
    first, *others = table.arms
    pairs = [(task, arm) for task in table.tasks for arm in others]
    right = table.right
    answers = [(right[arm, budget, task], right[first, budget, task], table.rows[task]) for task, arm in pairs]
    compared = compare_all(answers, LEVEL, stretch=[table.stretch(task) for task, _ in pairs])
    adjusted = holm([one.p for one in compared])
    return [
        Finding(budget, task, arm, first, one, p) for (task, arm), one, p in zip(pairs, compared, adjusted, strict=True)
    ]


def accuracies(table: Table, budget: str) -> dict[tuple[str, str], Interval]:
    """(arm, task) -> accuracy with its interval, at one budget; "untrained" and "floor" are budgets too."""
    return {
        (arm, task): accuracy(
            right, table.rows[task], LEVEL, stretch=table.stretch(task), bounds=bounds(table.measure(task))
        )
        for (arm, at, task), right in table.right.items()
        if at == budget
    }


def gate(table: Table, budget: str) -> dict[tuple[str, str], Interval]:
    """(arm, task) -> accuracy above that of raw band means with the same readout.

    An arm that is not above them has learnt nothing that the bands do not say: what is compared then is how fast
    arms learn, not what their representations are worth.
    """
    right = table.right
    return {
        (arm, task): difference(
            right[arm, budget, task],
            right["raw bands", "floor", task],
            table.rows[task],
            LEVEL,
            stretch=table.stretch(task),
        )
        for arm in table.arms
        for task in table.tasks
    }
