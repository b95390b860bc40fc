"""Figures of fine-tuning: what labels are worth, what learns how fast, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter, ScalarFormatter

from olmoearth_nb.finetune.measured import Curves, Point
from olmoearth_nb.plots.style import true_colour
from olmoearth_nb.plots.world import clearest
from olmoearth_nb.sample import Sample

SHOWN = {
    "raw bands": ("#999999", ":", "."),
    "image statistics": ("#444444", ":", "s"),
    "random, frozen": ("#E69F00", ":", "o"),
    "random, layer decay": ("#E69F00", "--", "o"),
    "random, one rate": ("#E69F00", "-", "v"),
    "pretrained, frozen": ("#56B4E9", ":", "o"),
    "pretrained, full": ("#0072B2", "--", "D"),
    "pretrained, layer decay": ("#0072B2", "-", "o"),
    "pretrained, LoRA": ("#009E73", "-", "^"),
}
"""Curves that are drawn: colour (who), line and mark (by which way)."""

WAYS = ("frozen", "full", "layer decay", "LoRA")
PARTS = ("tokens", "block 1", "block 2", "block 3", "head")
"""What learns or stands still, from the input to the head."""


FIRST = (
    "raw bands",
    "image statistics",
    "random, layer decay",
    "pretrained, frozen",
    "pretrained, layer decay",
    "pretrained, LoRA",
)
"""Curves that say most; all nine with their intervals hide each other."""


def show_curves(curves: Curves, names: Sequence[str] = FIRST) -> None:
    """Accuracy over the number of labels, a panel for each data set, with intervals.

    Args:
        curves: of `measured.label_efficiency`.
        names: which of them, some of `SHOWN`.
    """
    figure, axes = plt.subplots(
        1, len(curves), figsize=(4.4 * len(curves) + 1.9, 3.6), layout="constrained", squeeze=False
    )
    for ax, (data, mine) in zip(axes[0], curves.items(), strict=True):
        there = [name for name in names if name in mine]
        for number, name in enumerate(there):
            _draw(ax, mine[name], name, 1 + 0.025 * (number - len(there) / 2))
        _counts(ax, [point.count for point in mine[there[0]]])
        ax.set(title=data, xlabel="labels", ylabel="accuracy", ylim=(0, None))
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    plt.show()


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
    """What learns by each way, and at which part of the learning rate: the darker, the faster.

    Args:
        decay: of layer decay, a block's rate in parts of the next one's.
        factor: of full fine-tuning, the rate behind the thaw.
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
            if name == "LoRA" and 1 <= row <= 3:  # the weight stands still, its delta learns
                ax.add_patch(Rectangle((column + 0.54, row + 0.18), 0.32, 0.64, fc=_shade(1.0), ec="none"))
                for text, left, colour in (("W", 0.26, "black"), ("+", 0.44, "black"), ("B A", 0.7, "white")):
                    ax.text(column + left, row + 0.5, text, ha="center", va="center", color=colour)
                continue
            text, colour = f"{rate:.2g}" if rate else "still", "white" if rate > 0.5 else "black"
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour)
    ax.set(xlim=(0, len(columns)), ylim=(0, len(PARTS)))
    ax.set_xticks(np.arange(len(columns)) + 0.5, list(columns))
    ax.set_yticks(np.arange(len(PARTS)) + 0.5, PARTS)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    plt.show()


def _shade(rate: float) -> tuple[float, float, float]:
    """White for what stands still, blue for the whole rate."""
    full = np.array([0.0, 0.447, 0.698])
    red, green, blue = 1 - (1 - full) * rate**0.5
    return float(red), float(green), float(blue)


def show_cost(curves: Mapping[str, Sequence[Point]], count: int) -> None:
    """Accuracy over the numbers that a fit learns, and over its seconds, at one number of labels.

    Args:
        curves: of one data set.
        count: labels.
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.0), layout="constrained", sharey=True)
    for name in (name for name in SHOWN if name in curves):
        for point in (point for point in curves[name] if point.count == count):
            colour, _, mark = SHOWN[name]
            for ax, cost in zip(axes, (point.learnt, max(point.seconds, 0.01)), strict=True):
                ax.plot(cost, point.interval.value, mark, color=colour, ms=7, label=name)
                fc = "none" if name.endswith("frozen") else colour
                ax.lines[-1].set_markerfacecolor(fc)
    axes[0].set(xscale="log", xlabel="numbers that a fit learns", ylabel=f"accuracy, {count} labels")
    axes[1].set(xscale="log", xlabel="seconds a fit, one core")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
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
    ax.axhline(chance, color="grey", lw=0.8, ls=":")
    _counts(ax, list(next(iter(scores.values()))))
    ax.set(xlabel="labels", ylabel="accuracy", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    plt.show()


def show_told(sample: Sample, told: np.ndarray, classes: Sequence[str]) -> None:
    """A place in true colour, what each of its pixels was told to be, and how sure that is.

    Args:
        sample: the place.
        told: (H, W, classes) probabilities, NaN where nothing was observed.
        classes: their names.
    """
    _, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), layout="constrained")
    seen = np.isfinite(told).all(-1)
    best = np.where(seen, told.argmax(-1), np.nan)
    colours = plt.get_cmap("tab20", 20)
    axes[0].imshow(true_colour(sample, clearest(sample)))
    axes[1].imshow(best, cmap=colours, vmin=-0.5, vmax=19.5)
    sure = axes[2].imshow(np.where(seen, told.max(-1), np.nan), cmap="Greys", vmin=0, vmax=1)
    plt.colorbar(sure, ax=axes[2], shrink=0.8)
    there = np.unique(best[seen]).astype(int).tolist()
    marks = [Rectangle((0, 0), 1, 1, fc=colours(number)) for number in there]
    axes[1].legend(
        marks,
        [classes[number] for number in there],
        fontsize=7,
        frameon=False,
        bbox_to_anchor=(1.0, 1.0),
        loc="upper left",
    )
    for ax, title in zip(axes, (sample.title, "predicted", "probability of it"), strict=True):
        ax.set(title=title, xticks=[], yticks=[])
    plt.show()
