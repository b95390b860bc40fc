"""Figures of pretraining: losses over samples, and what a step hides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from olmoearth_nb.pretrain.curves import smoothed
from olmoearth_nb.pretrain.log import LOG, read_log
from olmoearth_nb.pretrain.plan import TRUNK

RECIPE_COLOURS = {"v1": "#0072B2", "naive": "#009E73", "v1.1": "#D55E00", "v1 tokens": "#56B4E9"}
"""Colour of each recipe; `v1 tokens` is v1.1's recipe on the tokens of v1."""


def plot_run(folder: str | Path) -> Figure:
    """Losses of a run: the trunk and its branches, with chance and a perfect predictor.

    Args:
        folder: of the run.
    """
    folder = Path(folder)
    plan = json.loads((folder / "plan.json").read_text(encoding="utf8"))
    drawing, axes = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
    for log in sorted(folder.glob(f"*/{LOG}")):
        lines = read_log(log)
        samples = np.array([line["samples"] for line in lines])
        trunk = log.parent.name == TRUNK
        colour = RECIPE_COLOURS.get(plan["recipe"], "black")
        loss = smoothed(np.array([line["patches"] for line in lines]))
        axes[0].plot(samples, loss, color=colour, lw=1.4 if trunk else 0.8, label=log.parent.name)
        looked = [line for line in lines if "chance" in line]
        if trunk and looked:
            at = [line["samples"] for line in looked]
            axes[0].plot(
                at, smoothed(np.array([line["chance"] for line in looked]), 9), ":", color="grey", label="chance"
            )
            best = smoothed(np.array([line["best"] for line in looked]), 9)
            axes[0].plot(at, best, "--", color="grey", label="perfect predictor")
            ranked = [line for line in looked if "rank" in line]
            axes[1].plot([line["samples"] for line in ranked], [line["rank"] for line in ranked], color=colour)
    axes[0].set(xlabel="samples", ylabel="patch discrimination", title=f"{plan['recipe']} {plan['size']}")
    axes[1].set(xlabel="samples", ylabel="effective rank", title="rank of the embeddings")
    axes[1].set_ylim(0, 1.1 * axes[1].get_ylim()[1])
    axes[0].legend(fontsize=7, frameon=False)
    return drawing
