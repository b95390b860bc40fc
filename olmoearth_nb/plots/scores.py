"""Scores of models on a labelled set: dots with their intervals, baselines as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.plots.style import COLOURS

LINES = (("-", "#444444"), ("--", "#777777"), ("-", "#8a6d3b"), ("--", "#8a6d3b"), (":", "#999999"))
"""Looks of baselines."""


def plot_scores(
    panels: Mapping[tuple[str, str], Mapping[str, Interval]],
    hollow: Sequence[str],
    lines: Sequence[str],
    label: str = "accuracy",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """One row of panels for each way to name bands, one column for each probe.

    Args:
        panels: (names, probe) -> arm -> score; names are empty where there is one way to name bands alone.
        hollow: arms of random weights, drawn hollow.
        lines: arms without a model, drawn as lines.
        label: what the scores are.
        colours: of some arms; others are blue.

    Returns:
        The figure.
    """
    rows, columns = (list(dict.fromkeys(key[axis] for key in panels)) for axis in (0, 1))
    arms = [arm for arm in next(iter(panels.values())) if arm not in lines]
    size = (3.0 * len(columns) + 1.0 + 0.07 * max(map(len, arms)), (0.28 * len(arms) + 0.9) * len(rows) + 0.5)
    drawing = Figure(figsize=size, layout="constrained")
    grid = drawing.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey=True)
    for (names, probe), found in panels.items():
        axes = grid[rows.index(names), columns.index(probe)]
        for place, arm in enumerate(arms):
            one = found[arm]
            colour = (colours or {}).get(arm, "#777777" if arm in hollow else COLOURS["v1"])
            axes.plot([one.low, one.high], [-place, -place], color=colour, lw=1.6)
            axes.plot(one.value, -place, "o", color=colour, markerfacecolor="white" if arm in hollow else colour, ms=5)
        for arm, (dashes, grey) in zip(lines, LINES, strict=False):
            axes.axvline(found[arm].value, ls=dashes, color=grey, lw=1, label=arm)
        axes.set_yticks([-place for place in range(len(arms))], arms, fontsize=8)
        axes.set_title(f"{probe}, names: {names}" if names else probe, fontsize=9)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel(label, fontsize=8)
    named = dict(zip(*reversed(drawing.axes[0].get_legend_handles_labels()), strict=True))
    drawing.legend(named.values(), named.keys(), loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    return drawing
