"""Should you switch? One rule, written down: accuracy first, then single classes, then cost.

1. The candidate tells less than the current model: stay.
2. It tells less of a class: look at that class first, whatever it gains elsewhere.
3. It tells more: switch, if it costs no more; otherwise weigh the gain against the cost.
4. No difference is seen, and one larger than the margin could have hidden: undecided, more labels are needed.
5. No difference is seen, none larger than the margin could have hidden: switch if it is cheaper, otherwise stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from olmoearth_nb.comparison.classes import ClassDifference
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
    gain: Difference, classes: Sequence[ClassDifference], time: Interval, metric: str = "accuracy",
    margin: float = MARGIN,
) -> Advice:  # fmt: skip
    """The rule of this module.

    Args:
        gain: score of the candidate minus that of the current model.
        classes: single classes; none for real values.
        time: of the candidate, divided by that of the current model.
        metric: name of the score.
        margin: see `MARGIN`.

    Raises:
        ValueError: for a margin that is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"a margin is a loss above 0 that may be ignored, got margin={margin}")
    apart = gain.comparison.difference
    shown = f"{apart.value:+.3f} [{apart.low:+.3f}, {apart.high:+.3f}]"
    seen, cost = gain.p_holm < 1 - LEVEL, _cost(time)
    if seen and apart.value < 0:
        return Advice("stay", f"the candidate loses {metric}, {shown}; it takes {cost} the time")
    lost = [one for one in classes if one.finding == "regression"]
    if lost:
        named = ", ".join(f"{one.name} ({one.current:.2f} to {one.candidate:.2f})" for one in lost)
        return Advice("look first", f"the candidate loses in {named}; over all classes {metric} changes by {shown}")
    if seen:
        reason = f"the candidate gains {metric}, {shown}, and takes {cost} the time"
        return Advice("weigh" if time.low > 1 else "switch", reason)
    # the estimate alone says nothing here, the end of the interval says what cannot be excluded
    if apart.low < -margin:
        reason = (
            f"no difference in {metric} is seen, {shown}, but a loss larger than {margin:g} could have hidden; label "
            f"more places, or say margin={-apart.low:.2f} if such a loss does not matter (it takes {cost} the time)"
        )
        return Advice("undecided", reason)
    could = f"a loss larger than {max(-apart.low, 0):.3f} is unlikely"
    if time.high < 1:
        return Advice("switch", f"no difference in {metric} is seen, {shown} ({could}), and it takes {cost} the time")
    return Advice(
        "stay", f"no difference in {metric} is seen, {shown}, and it is not cheaper: it takes {cost} the time"
    )


def _cost(time: Interval) -> str:
    """A ratio of times in words."""
    return f"{time.value:.2f} [{time.low:.2f}, {time.high:.2f}] times"
