"""Curves of pretraining runs on a common scale; the look is that of `olmoearth_nb.plots.style`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from olmoearth_nb.plots.training import RECIPE_COLOURS
from olmoearth_nb.pretrain.curves import Curve, share_of_the_way, smoothed

STYLES = ("-", "--", "-.")
"""Lines of the sizes of models, in the order in which they come."""

FIRST = 100
"""Samples at which fractions are first drawn: before, each is a single step."""


def show_curves(live: Curve, long: Mapping[tuple[str, str], Sequence[Curve]]) -> None:
    """A short run with chance and a perfect predictor; then all runs, as fractions of the way from one to the other.

    Args:
        live: curve of the short run, drawn black.
        long: (recipe, size and length) -> curves of its seeds, which have the same steps and are drawn as one.
    """
    figure, axes = plt.subplots(1, 3, figsize=(10.4, 2.8), layout="constrained")
    axes[0].plot(live["samples"], live["chance"], ":", color="grey", label="chance")
    axes[0].plot(live["samples"], live["patches"], "o-", color="black", ms=3, label="loss")
    axes[0].plot(live["samples"], live["best"], "--", color="grey", label="perfect predictor")
    axes[0].set(title="the live run", xlabel="samples", ylabel="patch discrimination", ylim=(0, None))
    sizes = list(dict.fromkeys(size for _, size in long))
    for (recipe, size), curves in long.items():
        style = {"color": RECIPE_COLOURS.get(recipe, "#666666"), "ls": STYLES[sizes.index(size) % len(STYLES)]}
        seeds = f", {len(curves)} seeds" if len(curves) > 1 else ""
        _draw(axes[1:], curves, {"label": f"{recipe}, {size}{seeds}"} | style)
    _draw(axes[1:], [live], {"label": "the live run", "color": "black"})
    axes[1].axhline(0, color="grey", ls=":", lw=1)
    axes[1].set(title="from chance (0) to perfect (1)", ylabel="fraction of the way", ylim=(None, 1.2))
    axes[2].set(title="rank of the embeddings", ylabel="directions in use", ylim=(0, None))
    for ax in axes[1:]:
        ax.set(xscale="log", xlabel="samples", xlim=(FIRST, None))
        ax.xaxis.set_minor_formatter(NullFormatter())  # less than a decade would be labelled at every tick
    axes[0].legend(frameon=False, fontsize=8)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=7)
    plt.show()


def _draw(axes: Sequence[Axes], curves: Sequence[Curve], style: Mapping[str, Any]) -> None:
    """Runs of one recipe: their fraction of the way, and their rank where that was measured."""
    samples = curves[0]["samples"]
    over = max(1, len(samples) // 12)
    axes[0].plot(samples, share_of_the_way(curves, over), **style)
    rank = np.mean([curve["rank"] for curve in curves], axis=0)
    known = np.isfinite(rank)
    if known.any():
        axes[1].plot(samples[known], smoothed(rank[known], over), **style)
