"""Figures of the ladder: what merging costs, what an ingredient does, and which tokens read wrongly named bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.comparison.independent import Independent, independent
from olmoearth_nb.comparison.ladder import Measured
from olmoearth_nb.plots.style import BASELINES, MARKS, MISLABELLED
from olmoearth_nb.plots.training import RECIPE_COLOURS
from olmoearth_nb.tokenization import TOKENIZATIONS

SPREAD = 0.16
"""How far arms stand apart that would hide each other, in units of the axis."""

WRONG = "#CC3311"
"""Ground of a band that is not what its name says."""


def show_answer(
    savings: Mapping[str, Mapping[str, float]], here: Mapping[str, Measured], costs: Mapping[str, Measured]
) -> None:
    """What merging saves, what it costs in our own trainings, and what others measured of the published models.

    Args:
        savings: what is saved -> model size -> how many times less v1.1 needs than v1.
        here: label -> a difference of accuracy in our trainings, drawn from top to bottom in points.
        costs: label -> how much more wrong names of bands cost the first of two arms, drawn below them.
    """
    _, axes = plt.subplots(1, 3, figsize=(11.6, 4.1), layout="constrained", width_ratios=[1, 1.25, 1.15])
    draw_sizes(axes[0], savings, {})
    most = max(max(by_size.values()) for by_size in savings.values())
    axes[0].set(title="a  what v1.1 saves", xlabel="v1 divided by v1.1", xlim=(0, 1.1 * most))
    axes[0].axvline(1, color="grey", ls=":", lw=1)
    axes[0].legend(frameon=False, fontsize=8, loc="upper right")
    draw_differences(axes[1], {**here, **costs})
    axes[1].set(title="b  here: our own trainings", xlabel="points", ylim=(len(here) + len(costs) - 0.5, -0.8))
    axes[1].axhline(len(here) - 0.5, color="grey", lw=0.8)
    for y, words in ((-0.75, "right of 0: the first is better"), (len(here) - 0.45, "right of 0: the first pays more")):
        axes[1].text(0.99, y, words, transform=axes[1].get_yaxis_transform(), ha="right", va="top", fontsize=7.5)
    rows = elsewhere()
    draw_sizes(axes[2], {name: row.by_size for name, row in rows.items()},
               {name: MISLABELLED for name, row in rows.items() if row.mislabelled})  # fmt: skip
    axes[2].axvline(0, color="grey", ls=":", lw=1)
    axes[2].margins(x=0.12)
    axes[2].set(title="c  elsewhere: v1.1 - v1", xlabel="points of kNN")
    plt.show()


def elsewhere() -> dict[str, Independent]:
    """v1.1 minus v1 in points of kNN, as torchgeo-bench measured it, by names for an axis; wrong band names first."""
    rows = sorted((one for one in independent() if one.probe == "kNN"), key=lambda one: not one.mislabelled)
    return {one.dataset + ("\n(wrong band names)" if one.mislabelled else ""): one for one in rows}


def draw_sizes(ax: Axes, rows: Mapping[str, Mapping[str, float]], colours: Mapping[str, str]) -> None:
    """One row for each name with a mark for each model size; hollow where the row has a colour of its own."""
    for y, (name, values) in enumerate(rows.items()):
        colour = colours.get(name, "black")
        for step, (size, mark) in enumerate(MARKS.items()):
            if size in values:
                face, label = "none" if name in colours else colour, size if y == len(rows) - 1 else None
                ax.scatter(values[size], y + 0.2 * (step - 1), 22, marker=mark, fc=face, ec=colour, label=label)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=8.5)
    ax.invert_yaxis()


def draw_differences(ax: Axes, rows: Mapping[str, Measured]) -> None:
    """Differences in points with their intervals, one row each; filled where they are found after Holm's rule."""
    for y, row in enumerate(rows.values()):
        _draw_points(ax, y, row, "black")
    ax.axvline(0, color="grey", ls=":", lw=1)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=8.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)


def _draw_points(ax: Axes, y: float, row: Measured, colour: str, label: str | None = None) -> None:
    """A difference in points with its interval, filled where it is a finding."""
    apart = row.points
    ax.plot([apart.low, apart.high], [y, y], color=colour, lw=1.5)
    ax.plot(apart.value, y, "o", color=colour, markerfacecolor=colour if row.found else "white", label=label)


def show_by_task(panels: Mapping[str, Mapping[str, Measured]]) -> None:
    """The same differences task by task, one panel for each two arms, in points.

    Args:
        panels: title -> task in words -> a difference; all panels have the same tasks, drawn from top to bottom.
    """
    tasks = len(next(iter(panels.values())))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(3.2 * len(panels) + 1.4, 0.24 * tasks + 1.1),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for number, (ax, (title, rows)) in enumerate(zip(axes[0], panels.items(), strict=True)):
        draw_differences(ax, rows)
        ax.set_title(title, fontsize=10)
        ax.tick_params("y", labelleft=number == 0)
    figure.supxlabel("points of accuracy", fontsize=10)
    plt.show()


def show_learning(panels: Mapping[str, Sequence[Measured]]) -> None:
    """Scores over the samples of a training, one panel for each way to score, untrained models at the left.

    Args:
        panels: title -> the scores of one probe and one way to name bands; among them those of image statistics, which
            are called "raw bands" in a study.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.4 * len(panels) + 1.6, 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, (title, rows) in zip(axes[0], panels.items(), strict=True):
        arms = [arm for arm in RECIPE_COLOURS if any(row.what == arm for row in rows)]
        for number, arm in enumerate(arms):
            curve = sorted((row for row in rows if row.what == arm), key=lambda row: row.samples)
            at = np.array([row.samples for row in curve]) / 1000 + 1.4 * (number - (len(arms) - 1) / 2)
            colour = RECIPE_COLOURS[arm]
            ax.vlines(at, *np.transpose([(row.interval.low, row.interval.high) for row in curve]), color=colour, lw=1)
            ax.plot(at, [row.interval.value for row in curve], "o-", ms=4, lw=1.3, color=colour, label=arm)
        for row in (row for row in rows if row.budget == "floor" and row.what == "raw bands"):
            ax.axhline(row.interval.value, color=BASELINES[1], ls="--", lw=1, label="image statistics")
        ax.set(title=title, xlabel="thousand samples")
    axes[0, 0].set_ylabel("accuracy")
    named = axes[0, -1].get_legend_handles_labels()
    figure.legend(*named, frameon=False, fontsize=9, loc="outside right upper")
    plt.show()


def show_permutation(held: Mapping[str, str]) -> None:
    """Which bands of v1's three tokens, and of the merged one, get pixels that are not what their names say.

    Args:
        held: name that a band is read under -> band whose pixels it gets, where the two differ.
    """
    groups = {name: TOKENIZATIONS[name].groups_of(SENTINEL2.name) for name in ("v1", "v1.1")}
    titles = {"v1": "v1, three tokens", "v1.1": "merged, one token"}
    _, ax = plt.subplots(figsize=(9.6, 2.5), layout="constrained")
    for row, (name, of) in enumerate(groups.items()):
        x = 0.0
        for group in of:
            wrong = [band for band in group if band in held]
            ax.add_patch(FancyBboxPatch((x - 0.08, -row - 0.36), len(group) - 0.02, 0.62, fc="none", ec="black",
                                        boxstyle="round,pad=0.04"))  # fmt: skip
            text = f"{len(wrong)} of {len(group)} wrong" if wrong else "untouched"
            ax.text(x + len(group) / 2 - 0.1, -row - 0.48, text, ha="center", va="top", fontsize=8.5)
            for band in group:
                _draw_band(ax, x, -row, band, held.get(band, band))
                x += 1
            x += 0.35
        ax.text(-0.4, -row, titles[name], ha="right", va="center", fontsize=10)
    ax.set(xlim=(-2.6, 13), ylim=(-1.75, 0.5))
    ax.set_axis_off()
    plt.show()


def _draw_band(ax: Axes, x: float, y: float, name: str, held: str) -> None:
    """A band as it is called, and below it what its pixels are."""
    wrong = held != name
    ground = {"fc": WRONG, "alpha": 0.25} if wrong else {"fc": "#EEEEEE"}
    ax.add_patch(FancyBboxPatch((x, y - 0.28), 0.72, 0.46, boxstyle="round,pad=0.02", lw=0, **ground))
    ax.text(x + 0.36, y + 0.06, name, ha="center", va="center", fontsize=9)
    colour, text = ("black", f"is {held}") if wrong else ("#777777", "right")
    ax.text(x + 0.36, y - 0.16, text, ha="center", va="center", fontsize=7.5, color=colour)


def show_costs(rows: Sequence[Measured]) -> None:
    """What wrong names cost each arm, by the probe that reads the embeddings, in points.

    Args:
        rows: costs of arms.
    """
    scores = list(dict.fromkeys(row.score for row in rows))
    arms = [arm for arm in RECIPE_COLOURS if any(row.what == arm for row in rows)]
    _, ax = plt.subplots(figsize=(7.2, 0.75 * len(scores) + 1.0), layout="constrained")
    for row in rows:
        if row.what in arms:
            number = arms.index(row.what)
            y = scores.index(row.score) + (number - (len(arms) - 1) / 2) * SPREAD
            _draw_points(ax, y, row, RECIPE_COLOURS[row.what], row.what if row.score == scores[0] else None)
    ax.axvline(0, color="grey", ls=":", lw=1)
    ax.set_yticks(range(len(scores)), scores)
    ax.set(ylim=(len(scores) - 0.5, -0.5), xlabel="accuracy with right names minus that with published names, points")
    ax.legend(frameon=False, fontsize=9)
    plt.show()


def show_lost(accuracies: Mapping[str, Mapping[str, float]]) -> None:
    """Accuracy of models where bands are wrong or lost.

    Args:
        accuracies: recipe -> condition -> accuracy.
    """
    conditions = list(next(iter(accuracies.values())))
    figure, ax = plt.subplots(figsize=(8.2, 3.1), layout="constrained")
    width = 0.8 / len(accuracies)
    for number, (recipe, by_condition) in enumerate(accuracies.items()):
        at = np.arange(len(conditions)) + (number - (len(accuracies) - 1) / 2) * width
        colour = RECIPE_COLOURS.get(recipe, "#666666")
        bars = ax.bar(at, list(by_condition.values()), 0.92 * width, label=recipe, color=colour)
        ax.bar_label(bars, fmt="%.2f", fontsize=8)
    ax.set_xticks(range(len(conditions)), conditions)
    ax.set(ylabel="accuracy")
    figure.legend(frameon=False, fontsize=9, ncols=len(accuracies), loc="outside upper center")
    plt.show()
