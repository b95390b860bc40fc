"""Figures of a study: accuracies with intervals, differences from the baseline, what a design could see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from olmoearth_nb.ablation.findings import Finding
from olmoearth_nb.ablation.scores import Table
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.plots.style import COLOURS

PALETTE = [*COLOURS.values(), "#000000"]
"""Eight colours, as many arms as a factorial of three has."""
GREYS = {
    "raw bands": ("--", "#444444"),
    "majority": (":", "#999999"),
    "band means": ("-.", "#999999"),
    "raw bands and month": ("--", "#8a6d3b"),
    "month alone": (":", "#8a6d3b"),
}


def plot_accuracies(found: Mapping[str, Mapping[tuple[str, str], Interval]]) -> Figure:
    """One panel a task: arms side by side at each budget, untrained ones hollow, arms without a model as lines.

    Args:
        found: budget -> (arm, task) -> accuracy; "untrained" and "floor" are budgets too.
    """
    budgets = [name for name in found if name not in ("untrained", "floor")]
    arms = list(dict.fromkeys(arm for arm, _ in found[budgets[0]]))
    tasks = list(dict.fromkeys(task for _, task in found[budgets[0]]))
    columns = min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    drawing = Figure(figsize=(3.1 * columns + 0.4, 2.7 * rows + 0.5), layout="constrained")
    panels = drawing.subplots(rows, columns, squeeze=False).flat
    for task, axes in zip(tasks, panels, strict=False):
        for place, budget in enumerate(["untrained", *budgets]):
            for number, arm in enumerate(arms):
                one, at = found[budget][arm, task], place + (number - (len(arms) - 1) / 2) * 0.6 / len(arms)
                colour = PALETTE[number % len(PALETTE)]
                axes.plot([at, at], [one.low, one.high], color=colour, lw=1.5)
                fill = "white" if budget == "untrained" else colour
                axes.plot(at, one.value, "o", color=colour, markerfacecolor=fill, ms=5, label=arm if place else None)
        for name, (dashes, grey) in GREYS.items():
            if (name, task) in found["floor"]:
                axes.axhline(found["floor"][name, task].value, ls=dashes, color=grey, lw=1, label=name)
        axes.set_xticks(range(len(budgets) + 1), ["untrained", *(name.replace(" ", "\n") for name in budgets)])
        axes.set_title((f"{task} (R2)" if Table.measure(task) == "R2" else task).replace("), ", "),\n"), fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels:
        axes.set_axis_off()
    named: dict[str, Artist] = {}
    for axes in drawing.axes:  # not every task has every baseline
        named |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    drawing.legend(named.values(), named.keys(), loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    measures = dict.fromkeys(map(Table.measure, tasks))
    drawing.supylabel(f"{' or '.join(measures)} on test places", fontsize=9)
    return drawing


def plot_differences(found: Sequence[Finding]) -> Figure:
    """Differences from the baseline with their intervals; filled where they count after Holm's rule.

    The grey band ends at what the design sees with a power of 80 %: inside it most differences go unseen.
    """
    budgets = list(dict.fromkeys(one.budget for one in found))
    arms = list(dict.fromkeys(one.arm for one in found))
    tasks = list(dict.fromkeys(one.task for one in found))
    height = 0.32 * len(arms) * len(tasks) + 1.1
    drawing = Figure(figsize=(4.2 * len(budgets) + 1.2, height), layout="constrained")
    for axes, budget in zip(np.atleast_1d(drawing.subplots(1, len(budgets), sharey=True)), budgets, strict=True):
        for one in (one for one in found if one.budget == budget):
            number, span = arms.index(one.arm), one.comparison.difference
            at = -tasks.index(one.task) - (number - (len(arms) - 1) / 2) * 0.7 / len(arms)
            colour = PALETTE[(number + 1) % len(PALETTE)]
            reach = min(one.largest, one.comparison.detectable)
            axes.barh(at, 2 * reach, 0.5 / len(arms), left=-reach, color="#eeeeee")
            axes.plot([span.low, span.high], [at, at], color=colour, lw=1.8)
            axes.plot(span.value, at, "o", color=colour, markerfacecolor=colour if one.seen else "white", label=one.arm)
        axes.axvline(0, color="#444444", lw=0.8)
        axes.set_yticks([-place for place in range(len(tasks))], tasks, fontsize=8)
        axes.set_title(budget, fontsize=9)
        measures = dict.fromkeys(map(Table.measure, tasks))
        axes.set_xlabel(f"{' or '.join(measures)} minus that of {found[0].against}", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    named = dict(zip(*reversed(drawing.axes[0].get_legend_handles_labels()), strict=True))
    drawing.legend(
        named.values(),
        named.keys(),
        loc="outside upper center",
        ncols=min(6, 3 * len(budgets)),
        fontsize=8,
        frameon=False,
    )
    return drawing


def plot_detectable(found: Mapping[int, Mapping[int, float]]) -> Figure:
    """The smallest detectable difference over the number of seeds; one line for each number of test tiles.

    Args:
        found: tiles -> seeds -> difference of accuracies.
    """
    drawing = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = drawing.subplots()
    for number, (tiles, by_seeds) in enumerate(found.items()):
        axes.plot([*by_seeds], [*by_seeds.values()], "o-", color=PALETTE[number % len(PALETTE)], label=f"{tiles} tiles")
    axes.axhline(1, color="#444444", lw=0.8, ls="--", label="the largest possible")
    axes.set(yscale="log", xlabel="seeds", ylabel="detectable difference of accuracies")
    low, high = axes.get_ylim()
    ticks = [place for place in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if low <= place <= high]
    axes.set_yticks(ticks, [f"{place:g}" for place in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted({seeds for by_seeds in found.values() for seeds in by_seeds}))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return drawing
