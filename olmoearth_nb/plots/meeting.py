"""A drawing of where the bands of one patch can act together on their way through an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.plots.drawing import draw_arrow, draw_band, draw_box
from olmoearth_nb.pretrain.recipes import Recipe

LOOKS = {
    "apart": {"facecolor": "white", "edgecolor": "#777777"},
    "adds": {"facecolor": "#f0f0f0", "edgecolor": "#777777", "linestyle": "--"},
    "together": {"facecolor": "#fbe3d3", "edgecolor": "#D55E00"},
}
"""What a part does with bands of different resolution: never sees both, adds them up, or lets them act together."""

_ROWS = {"pixel layer": 1.5, "patch embedding": 2.8, "token": 4.1, "attention": 5.4, "MLP": 6.7}
"""Height of each part above the bands, which begin at 0."""


def show_meeting(*recipes: Recipe) -> None:
    """The way of a patch's bands from the pixels to the first MLP, a panel for each recipe.

    What lets bands of different resolution act together is orange; what adds them up is grey with a dashed edge. An
    MLP, and the norm and softmax of an attention, act on all that a token holds.

    Args:
        recipes: tokenizations of Sentinel-2, with or without a pixel layer.
    """
    _, axes = plt.subplots(1, len(recipes), figsize=(3.7 * len(recipes), 3.9), layout="constrained", squeeze=False)
    for ax, recipe in zip(axes[0], recipes, strict=True):
        _draw(ax, recipe)
    plt.show()


def _draw(ax: Axes, recipe: Recipe) -> None:
    """One panel, from the bands below to the MLP above."""
    groups = recipe.tokenization.groups_of(SENTINEL2.name)
    resolutions = {band.name: band.resolution for band in SENTINEL2.bands}
    read = sum(map(len, groups))
    left = 0.0
    for group in groups:
        mixed, middle, width = len({resolutions[band] for band in group}) > 1, left + len(group) / 2, 0.92 * len(group)
        for place, band in enumerate(group):
            column = left + place + 0.5
            ax.add_patch(FancyArrowPatch((column, 0.8), (column, 2.8), arrowstyle="-", color="#cccccc", zorder=0))
            draw_band(ax, left + place, 0, band)
        if recipe.pixel_layer:
            _part(ax, middle, "pixel layer", width, "together" if mixed else "apart")
        _part(ax, middle, "patch embedding", width, "adds" if mixed else "apart")
        _part(ax, middle, "token", min(width, 3.2), "apart")
        _part(ax, middle, "MLP", min(width, 3.2), "together" if mixed or len(groups) > 1 else "apart")
        for low, high in (("patch embedding", "token"), ("token", "attention"), ("attention", "MLP")):
            _up(ax, middle, low, high)
        left += len(group)
    _part(ax, read / 2, "attention", 0.92 * read, "together", _of_attention(groups))
    title = f"{recipe.name}: {len(groups)} token{'s' * (len(groups) > 1)}"
    ax.set(xlim=(-0.3, read + 0.3), ylim=(-0.2, 7.7), title=title)
    ax.axis("off")


def _of_attention(groups: Sequence[Sequence[str]]) -> str:
    """What attention joins."""
    return "attention, between tokens of the patch too" if len(groups) > 1 else "attention, to other patches and dates"


def _part(ax: Axes, middle: float, row: str, width: float, look: str, text: str = "") -> None:
    """A part of the encoder; its name where there is room for it."""
    words = text or row
    shown = words if len(words) * 0.26 < width else ""
    draw_box(ax, middle - width / 2, _ROWS[row], width, 0.7, shown, LOOKS[look])


def _up(ax: Axes, middle: float, low: str, high: str) -> None:
    """A token goes up to the next part."""
    draw_arrow(ax, (middle, _ROWS[low] + 0.74), (middle, _ROWS[high] - 0.04), "#aaaaaa")
