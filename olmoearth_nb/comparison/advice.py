"""Should you switch? One rule, written down: accuracy first, then single classes, then cost.

1. The candidate tells less than the current model: stay.
2. It tells less of a class: look at that class first, whatever it gains elsewhere.
3. It tells more: switch, if it costs no more; otherwise weigh the gain against the cost.
4. No difference is seen, but a loss larger than the margin could have hidden: undecided, more labels are needed.
5. No difference is seen, and no such loss could have hidden: switch if the candidate is cheaper, otherwise stay.

Where the advice is to switch, it names the classes with too few groups: of those it says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from olmoearth_nb.comparison.classes import ClassDifference
from olmoearth_nb.comparison.cost import Costs
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.evaluation.summary import LEVEL, Difference

MARGIN = 0.05
"""Default of the largest loss of accuracy (or R2) that is worth ignoring for the sake of cost."""

Action = Literal["switch", "look first", "stay", "weigh", "undecided"]


@dataclass(frozen=True)
class Advice:
    """One line.

    Attributes:
        action: what to do.
        reason: why, in one sentence.
    """

    action: Action
    reason: str

    def __str__(self) -> str:
        """Such as "Switch: ..."."""
        return f"{self.action[0].upper()}{self.action[1:]}: {self.reason}"


def advise(
    gain: Difference,
    classes: Sequence[ClassDifference],
    costs: Costs,
    groups: int,
    metric: str = "accuracy",
    margin: float = MARGIN,
) -> Advice:
    """The rule of this module.

    Args:
        gain: score of the candidate minus that of the current model.
        classes: single classes; none for real values.
        costs: of both.
        groups: how many groups of places were tested.
        metric: name of the score.
        margin: see `MARGIN`.
    """
    apart = gain.comparison.difference
    shown = apart.signed()
    seen, unjudged = gain.p_holm < 1 - LEVEL, _unjudged(classes)
    if seen and apart.value < 0:
        return Advice("stay", f"the candidate loses {metric}, {shown}; it {costs}")
    lost = [one for one in classes if one.finding == "regression"]
    if lost:
        named = ", ".join(f"{one.name} ({one.current:.2f} to {one.candidate:.2f})" for one in lost)
        return Advice("look first", f"the candidate loses in {named}; over all classes {metric} changes by {shown}")
    if seen:
        action: Action = "weigh" if costs.verdict == "dearer" else "switch"
        return Advice(action, f"the candidate gains {metric}, {shown}, and {costs}{unjudged}")
    unseen = f"no difference in {metric} is seen, {shown}"
    return _unseen(unseen, _hidden(apart, groups), costs, margin, unjudged)


def _unjudged(classes: Sequence[ClassDifference]) -> str:
    """What is not known of single classes, as the end of a sentence."""
    named = [one.name for one in classes if one.comparison is None]
    if not named:
        return ""
    return f"; {len(named)} of {len(classes)} classes have too few groups to be judged ({', '.join(named)})"


def _unseen(seen: str, hidden: float, costs: Costs, margin: float, unjudged: str) -> Advice:
    """The advice where no difference is seen, and a loss of so much could have hidden."""
    if hidden > margin:
        reason = f"{seen}, but a loss of {hidden:.2f} could have hidden; label more places, or say margin={hidden:.2f}"
        return Advice("undecided", f"{reason} if that does not matter to you; the candidate {costs}")
    could = f"a loss larger than {hidden:.3f} is unlikely"
    if costs.verdict == "cheaper":
        return Advice("switch", f"{seen} ({could}), and the candidate {costs}{unjudged}")
    return Advice("stay", f"{seen} ({could}), and the candidate is not cheaper: it {costs}")


def _hidden(apart: Interval, groups: int) -> float:
    """The largest loss that is not excluded.

    Where both models tell the same everywhere, there is no spread to make an interval of. Of so many groups without
    any difference, three divided by their number is what 95 % leave open.
    """
    low = apart.low if apart.high > apart.low else apart.low - 3 / groups
    return max(-low, 0.0)
