"""Curves of pretraining runs on a common scale; the look is that of `olmoearth_nb.plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from olmoearth_nb.curves import Curve, share_of_the_way
from olmoearth_nb.plots_training import RECIPE_COLOURS, smoothed

STYLES = ("-", "--", "-.")
"""Lines of the sizes of models, in the order in which they come."""


def show_curves(live: Curve, long: Mapping[str, tuple[str, str, Curve]]) -> None:
    """A short run with chance and a perfect predictor; then all runs, as shares of the way from one to the other.

    Args:
        live: curve of the short run, drawn black.
        long: name of a model -> (recipe, size, curve). Models of one recipe and size share a label.
    """
    _, axes = plt.subplots(1, 3, figsize=(9.6, 3.0), layout="constrained")
    axes[0].plot(live["samples"], live["chance"], ":", color="grey", label="chance")
    axes[0].plot(live["samples"], live["patches"], "o-", color="black", ms=3, label="loss")
    axes[0].plot(live["samples"], live["best"], "--", color="grey", label="perfect predictor")
    axes[0].set(title="the live run", xlabel="samples", ylabel="patch discrimination", ylim=(0, None))
    sizes = list(dict.fromkeys(size for _, size, _ in long.values()))
    for recipe, size, curve in long.values():
        style = {"color": RECIPE_COLOURS.get(recipe, "#666666"), "ls": STYLES[sizes.index(size) % len(STYLES)]}
        _draw(axes[1:], curve, f"{recipe}, {size}", style)
    _draw(axes[1:], live, "the live run", {"color": "black"})
    axes[1].axhline(0, color="grey", ls=":", lw=1)
    axes[1].set(title="from chance (0) to perfect (1)", ylabel="share of the way")
    axes[2].set(title="rank of the embeddings", ylabel="directions in use", ylim=(0, None))
    for ax in axes[1:]:
        ax.set(xscale="log", xlabel="samples")
        ax.xaxis.set_minor_formatter(NullFormatter())  # less than a decade would be labelled at every tick
    for ax in axes[:2]:
        labels = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
        ax.legend(labels.values(), labels.keys(), frameon=False, fontsize=8)
    plt.show()


def _draw(axes: Sequence[Axes], curve: Curve, label: str, style: Mapping[str, Any]) -> None:
    """One run: its share of the way, and its rank where that was measured."""
    over = max(1, len(curve["samples"]) // 12)
    axes[0].plot(curve["samples"], smoothed(share_of_the_way(curve), over), label=label, **style)
    known = curve["rank"] == curve["rank"]
    if known.any():
        axes[1].plot(curve["samples"][known], smoothed(curve["rank"][known], over), **style)
