"""A figure of token sequences; the look is that of `olmoearth_nb.plots.style`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.plots.style import RESOLUTION_COLOURS, colour_of, true_colour
from olmoearth_nb.sample import Sample
from olmoearth_nb.tokenization import Tokenization


def show_sequences(
    sample: Sample, tokenizations: Sequence[Tokenization], *, row: int, column: int, patch_size: int = 8, time: int = 0
) -> None:
    """The tokens of one patch through all dates, one box a token, under several tokenizations.

    A box has the colour of its bands' resolution, and is grey where resolutions mix.

    Args:
        sample: a sample with Sentinel-2.
        tokenizations: one block of rows each.
        row: patch row.
        column: patch column.
        patch_size: P in pixels.
        time: timestep of the picture.
    """
    counts = [len(tokenization.groups_of("sentinel2_l2a")) for tokenization in tokenizations]
    figure = plt.figure(figsize=(8.6, 0.9 + 0.17 * sum(counts) + 0.42 * len(counts)), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=[1, 3.1])
    left, right = parts
    _draw_patches(left.subplots(), sample, row, column, patch_size, time)
    ratios = [count + 0.4 for count in counts]
    axes = right.subplots(len(counts), 1, squeeze=False, sharex=True, height_ratios=ratios)[:, 0]
    patch = sample.window(row * patch_size, column * patch_size, patch_size).images["sentinel2_l2a"]
    for ax, tokenization in zip(axes, tokenizations, strict=True):
        _draw_boxes(ax, patch, tokenization)
    steps = range(len(sample.dates))
    axes[-1].set_xticks(
        steps, [date[:7] for date in sample.dates], rotation=45, fontsize=8, ha="right", rotation_mode="anchor"
    )
    plt.show()


def _draw_patches(ax: Axes, sample: Sample, row: int, column: int, patch_size: int, time: int) -> None:
    """The place cut into patches, one of them marked."""
    picture = true_colour(sample, time)
    height, width = picture.shape[:2]
    ax.imshow(picture)
    ax.hlines(np.arange(0, height, patch_size) - 0.5, -0.5, width - 0.5, color="white", lw=0.4)
    ax.vlines(np.arange(0, width, patch_size) - 0.5, -0.5, height - 0.5, color="white", lw=0.4)
    corner = (column * patch_size - 0.5, row * patch_size - 0.5)
    ax.add_patch(Rectangle(corner, patch_size, patch_size, fill=False, ec="yellow", lw=2.5))
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{height // patch_size} x {width // patch_size} patches", fontsize=9)


def _draw_boxes(ax: Axes, patch: np.ndarray, tokenization: Tokenization) -> None:
    """One tokenization: a row a group, a column a date; what was not observed is empty."""
    groups = tokenization.groups_of("sentinel2_l2a")
    for number, channels in enumerate(tokenization.indices("sentinel2_l2a")):
        resolutions = {int(SENTINEL2.bands[channel].resolution) for channel in channels}
        colour = RESOLUTION_COLOURS[resolutions.pop()] if len(resolutions) == 1 else "#d0d0d0"
        for step in range(patch.shape[2]):
            seen = bool((patch[:, :, step, channels] != MISSING).all())
            look: dict[str, Any] = (
                {"fc": colour, "ec": "#555555"} if seen else {"fc": "none", "ec": "#bbbbbb", "ls": ":"}
            )
            ax.add_patch(Rectangle((step - 0.42, number - 0.42), 0.84, 0.84, lw=0.7, **look))
    names = ["all twelve" if len(group) == 12 else " ".join(group) for group in groups]
    ax.set_yticks(range(len(groups)), names, fontsize=7)
    ax.set(xlim=(-0.5, patch.shape[2] - 0.5), ylim=(len(groups) - 0.4, -0.6))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    each = f"{len(groups)} token{'s' if len(groups) > 1 else ''} for each patch and date"
    ax.set_title(f"{tokenization.name}: {each}", fontsize=9, loc="left", color=colour_of(tokenization.name))
