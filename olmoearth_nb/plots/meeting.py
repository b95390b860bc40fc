"""A drawing of where the bands of one patch can meet on their way through an encoder."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.plots.style import RESOLUTION_COLOURS
from olmoearth_nb.tokenization import Tokenization

MEETS = "#D55E00"
"""Where bands of different tokens, or of one token, can meet."""

GREY = "#bbbbbb"

_WIDTH = 12.0
"""Of a panel: a band is 1 wide."""

_ROWS = {"bands": 0.0, "embedding": 1.7, "tokens": 3.2, "attention": 4.7, "MLP": 6.1}
"""Height of each row above the bands."""


def show_meeting(*designs: Tokenization) -> None:
    """The way of a patch's bands through patch embedding, attention and MLP, a panel for each tokenization.

    What lets bands of different resolution meet is orange. Attention joins tokens; patch embedding and MLP work inside
    one token.

    Args:
        designs: tokenizations of Sentinel-2.
    """
    _, axes = plt.subplots(1, len(designs), figsize=(4.6 * len(designs), 4.2), layout="constrained", squeeze=False)
    for ax, design in zip(axes[0], designs, strict=True):
        _draw(ax, design)
    plt.show()


def _draw(ax: Axes, design: Tokenization) -> None:
    """One panel, from the bands below to the block above."""
    groups = design.groups_of(SENTINEL2.name)
    resolutions = {band.name: band.resolution for band in SENTINEL2.bands}
    mixed = [len({resolutions[band] for band in group}) > 1 for group in groups]
    left, middles = 0.0, []
    for group, mixes in zip(groups, mixed, strict=True):
        for place, band in enumerate(group):
            _band(ax, left + place, band, resolutions[band])
        middle = left + len(group) / 2
        _box(ax, middle, "embedding", len(group) * 0.92, "patch embedding" if len(group) > 3 else "p. e.", mixes)
        _box(ax, middle, "tokens", min(len(group), 3.4) * 0.92, "token", False)
        _box(ax, middle, "MLP", min(len(group), 3.4) * 0.92, "MLP" if len(group) > 1 else "", mixes)
        _up(ax, middle, "embedding", "tokens")
        _up(ax, middle, "tokens", "MLP")
        middles.append(middle)
        left += len(group)
    _attention(ax, middles)
    title = f"{design.name}: {len(groups)} token{'s' * (len(groups) > 1)} a patch and date"
    ax.set(xlim=(-0.2, _WIDTH + 0.2), ylim=(-0.3, 7.2), title=title)
    ax.axis("off")


def _band(ax: Axes, left: float, band: str, resolution: float) -> None:
    """A band, coloured by how many metres its pixels measure."""
    colour = RESOLUTION_COLOURS[int(resolution)]
    ax.add_patch(Rectangle((left + 0.05, 0), 0.9, 0.8, facecolor=colour, edgecolor="#888888", lw=0.6))
    ax.text(left + 0.5, 0.4, band, ha="center", va="center", fontsize=7)
    ax.add_patch(FancyArrowPatch((left + 0.5, 0.82), (left + 0.5, 1.66), arrowstyle="-", color=GREY, lw=0.8))


def _box(ax: Axes, middle: float, row: str, width: float, text: str, meets: bool) -> None:
    """A part of the encoder; orange where bands of different resolution meet in it."""
    y = _ROWS[row]
    style = "round,pad=0.02,rounding_size=0.12"
    face, edge = ("#fbe3d3", MEETS) if meets else ("white", "#777777")
    box = FancyBboxPatch((middle - width / 2, y), width, 0.7, boxstyle=style, facecolor=face, edgecolor=edge, lw=1.2)
    ax.add_patch(box)
    ax.text(middle, y + 0.34, text, ha="center", va="center", fontsize=8)


def _up(ax: Axes, middle: float, low: str, high: str) -> None:
    """A token goes up to the next part."""
    start, end = (middle, _ROWS[low] + 0.74), (middle, _ROWS[high] - 0.04)
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, color=GREY, lw=1, zorder=0))


def _attention(ax: Axes, middles: list[float]) -> None:
    """Arcs between the tokens of the patch; a loop to other patches and dates where there is one token."""
    y = _ROWS["attention"]
    if len(middles) == 1:
        ax.text(middles[0] + 0.4, y + 0.25, "attention to other\npatches and dates alone", fontsize=8, va="center")
        return
    for place, start in enumerate(middles):
        for end in middles[place + 1 :]:
            arc = f"arc3,rad={-0.9 / (end - start) - 0.06}"
            arrow = FancyArrowPatch((start, y - 0.05), (end, y - 0.05), connectionstyle=arc, arrowstyle="<|-|>",
                                    mutation_scale=9, color=MEETS, lw=1.4)  # fmt: skip
            ax.add_patch(arrow)
    ax.text(_WIDTH, y + 0.95, "attention", fontsize=8, color=MEETS, ha="right", va="center")
