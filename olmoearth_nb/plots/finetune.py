"""Figures of fine-tuning: what pretraining adds at each number of labels, what is trained how fast, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter, ScalarFormatter

from olmoearth_nb.finetune.measured import Curves, Point
from olmoearth_nb.maps.coding import colours
from olmoearth_nb.plots.style import BASELINES, PRETRAINED, RANDOM, true_colour
from olmoearth_nb.plots.world import clearest
from olmoearth_nb.sample import Sample

SHOWN = {
    "raw bands": (BASELINES[0], ":", "."),
    "image statistics": (BASELINES[1], ":", "s"),
    "random, frozen": (RANDOM, ":", "o"),
    "random, layer decay": (RANDOM, "-", "o"),
    "random, one rate": (RANDOM, "--", "v"),
    "pretrained, frozen": (PRETRAINED, ":", "o"),
    "pretrained, full": (PRETRAINED, "--", "D"),
    "pretrained, layer decay": (PRETRAINED, "-", "o"),
    "pretrained, LoRA": (PRETRAINED, "-.", "^"),
}
"""Curves that are drawn: colour (which weights), line and mark (which way)."""

PARTS = ("patch embedding", "block 0", "block 1", "block 2", "head")
"""What is trained or frozen, from the input to the head."""

FIRST = (
    "image statistics",
    "random, frozen",
    "random, layer decay",
    "pretrained, frozen",
    "pretrained, full",
    "pretrained, layer decay",
)
"""Curves that say most; all nine with their intervals hide each other."""

DIFFERENCES = {
    "pretraining, by layer decay (primary)": ("pretrained - random weights,\nboth by layer decay", RANDOM, "o"),
    "pretraining, frozen (exploratory)": ("pretrained - random weights,\nboth frozen", PRETRAINED, "D"),
    "frozen, beyond image statistics": ("pretrained and frozen -\nimage statistics", BASELINES[1], "s"),
}
"""Families of differences that are drawn: label, colour and mark."""


def show_worth(worth: Curves) -> None:
    """Differences in accuracy over the number of labels, a panel for each data set; filled: found by Holm's rule.

    Args:
        worth: of `measured.worth`.
    """
    figure, axes = _panels(len(worth), sharey=True)
    for ax, (data, families) in zip(axes, worth.items(), strict=True):
        there = [name for name in DIFFERENCES if name in families]
        for number, name in enumerate(there):
            label, colour, mark = DIFFERENCES[name]
            for point in families[name]:
                at, one = point.count * (1 + 0.12 * (number - 1)), point.interval
                ax.vlines(at, one.low, one.high, color=colour, lw=1.6)
                ax.plot(at, one.value, mark, color=colour, mfc=colour if point.found else "white", ms=6)
            ax.plot([], [], mark, color=colour, label=label)
        ax.axhline(0, color="black", lw=0.8)
        _counts(ax, [point.count for point in families[there[0]]])
        ax.set(title=data, xlabel="labels")
    axes[0].set_ylabel("difference in accuracy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    plt.show()


def show_curves(curves: Curves, names: Sequence[str] = FIRST) -> None:
    """Accuracy over the number of labels, a panel for each data set, with intervals.

    Args:
        curves: of `measured.label_efficiency`.
        names: which of them, some of `SHOWN`.
    """
    figure, axes = _panels(len(curves))
    for ax, (data, mine) in zip(axes, curves.items(), strict=True):
        there = [name for name in names if name in mine]
        for number, name in enumerate(there):
            _draw(ax, mine[name], name, 1 + 0.025 * (number - len(there) / 2))
        _counts(ax, [point.count for point in mine[there[0]]])
        ax.set(title=data, xlabel="labels", ylabel="accuracy", ylim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    plt.show()


def _panels(count: int, sharey: bool = False) -> tuple[Figure, np.ndarray]:
    """A figure of so many panels side by side, with room for a legend at its right."""
    size = (3.7 * count + 2.2, 3.5)
    figure, axes = plt.subplots(1, count, figsize=size, layout="constrained", squeeze=False, sharey=sharey)
    return figure, axes[0]


def _draw(ax: Axes, points: Sequence[Point], name: str, shift: float) -> None:
    """One curve, moved a little so that intervals do not hide each other."""
    colour, line, mark = SHOWN[name]
    values = np.array([point.interval.value for point in points])
    ends = abs(np.array([[p.interval.low for p in points], [p.interval.high for p in points]]) - values)
    counts = [point.count * shift for point in points]
    style: dict[str, Any] = {"color": colour, "ls": line, "marker": mark, "ms": 4, "lw": 1.4, "elinewidth": 0.7}
    ax.errorbar(counts, values, ends, label=name, **style)


def _counts(ax: Axes, counts: Sequence[int]) -> None:
    """A logarithmic axis whose ticks are the numbers of labels."""
    ax.set_xscale("log")
    ax.set_xticks(counts)
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())


def show_ways(decay: float = 0.65, factor: float = 0.1) -> None:
    """What each way trains, and at which fraction of the learning rate: the darker, the faster.

    Args:
        decay: of layer decay, a block's rate as a fraction of the next one's.
        factor: of full fine-tuning, the fraction after the first fifth.
    """
    columns = {
        "frozen": [0.0] * 4 + [1.0],
        "full, first fifth": [0.0] * 4 + [1.0],
        "full, then": [factor] * 5,
        "layer decay": [decay**3, *(decay ** (3 - block) for block in range(3)), 1.0],
        "LoRA": [0.0] * 4 + [1.0],
    }
    _, ax = plt.subplots(figsize=(8.6, 3.2), layout="constrained")
    for column, (name, rates) in enumerate(columns.items()):
        for row, rate in enumerate(rates):
            ax.add_patch(Rectangle((column + 0.08, row + 0.1), 0.84, 0.8, fc=_shade(rate), ec="#555555", lw=0.8))
            if name == "LoRA" and 1 <= row <= 3:  # the weight is frozen, its low-rank update is trained
                ax.add_patch(Rectangle((column + 0.54, row + 0.18), 0.32, 0.64, fc=_shade(1.0), ec="none"))
                for text, left, colour in (("W", 0.26, "black"), ("+", 0.44, "black"), ("B A", 0.7, "white")):
                    ax.text(column + left, row + 0.5, text, ha="center", va="center", color=colour)
                continue
            text, colour = f"{rate:.2g}" if rate else "frozen", "white" if rate > 0.5 else "black"
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour)
    ax.set(xlim=(0, len(columns)), ylim=(0, len(PARTS)))
    ax.set_xticks(np.arange(len(columns)) + 0.5, list(columns))
    ax.set_yticks(np.arange(len(PARTS)) + 0.5, PARTS)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    plt.show()


def _shade(rate: float) -> tuple[float, float, float]:
    """White for what is frozen, dark for the whole rate."""
    full = np.array(to_rgb(PRETRAINED))
    red, green, blue = 1 - (1 - full) * rate**0.5
    return float(red), float(green), float(blue)


def show_cost(curves: Mapping[str, Sequence[Point]], count: int) -> None:
    """Accuracy over the parameters that a fit trains, and over its seconds, at one number of labels.

    Args:
        curves: of one data set.
        count: labels.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.4), layout="constrained", sharey=True)
    for name in (name for name in SHOWN if name in curves):
        for point in (point for point in curves[name] if point.count == count):
            colour, _, mark = SHOWN[name]
            one, trains = point.interval, not name.endswith(("frozen", "bands", "statistics"))
            for ax, cost in zip(axes, (point.learnt, max(point.seconds, 0.01)), strict=True):
                ax.vlines(cost, one.low, one.high, color=colour, lw=0.7)
                ax.plot(cost, one.value, mark, color=colour, ms=7, label=name, mfc=colour if trains else "white")
    axes[0].set(xscale="log", xlabel="trainable parameters", ylabel=f"accuracy, {count} labels")
    axes[1].set(xscale="log", xlabel="seconds a fit, one core")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    plt.show()


def show_live(scores: Mapping[str, Mapping[int, float]], chance: float) -> None:
    """Accuracy of live fits, a line for each name.

    Args:
        scores: name -> labels -> accuracy.
        chance: of a guess, drawn as a line.
    """
    _, ax = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
    for name, points in scores.items():
        colour, line, mark = SHOWN[name]
        ax.plot(list(points), list(points.values()), color=colour, ls=line, marker=mark, ms=5, label=name)
    ax.axhline(chance, color="grey", lw=0.8, ls=":", label="commonest class")
    _counts(ax, list(next(iter(scores.values()))))
    ax.set(xlabel="labels", ylabel="accuracy", ylim=(0, None))
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    plt.show()


def show_told(sample: Sample, told: np.ndarray, classes: Sequence[str]) -> None:
    """A place in true colour, the class that is predicted for each pixel, and its probability.

    Args:
        sample: the place.
        told: (H, W, classes) probabilities, NaN where nothing was observed.
        classes: their names.
    """
    _, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), layout="constrained")
    seen = np.isfinite(told).all(-1)
    best = np.where(seen, told.argmax(-1), np.nan)
    shades = ListedColormap(np.array(colours(classes)) / 255)
    axes[0].imshow(true_colour(sample, clearest(sample)))
    axes[1].imshow(best, cmap=shades, vmin=-0.5, vmax=len(classes) - 0.5)
    sure = axes[2].imshow(np.where(seen, told.max(-1), np.nan), cmap="Greys", vmin=0, vmax=1)
    plt.colorbar(sure, ax=axes[2], shrink=0.8, label="probability")
    there = np.unique(best[seen]).astype(int).tolist()
    marks = [Rectangle((0, 0), 1, 1, fc=shades(number)) for number in there]
    axes[1].legend(
        marks,
        [classes[number] for number in there],
        fontsize=9,
        frameon=False,
        bbox_to_anchor=(1.0, 1.0),
        loc="upper left",
    )
    for ax, title in zip(axes, (sample.title, "predicted", "how sure"), strict=True):
        ax.set(title=title, xticks=[], yticks=[])
    plt.show()
