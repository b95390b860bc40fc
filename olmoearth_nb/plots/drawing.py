"""What schematic drawings are made of: rounded boxes, arrows, bands in the colours of their resolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.plots.style import RESOLUTION_COLOURS

PLAIN = {"facecolor": "white", "edgecolor": "#777777"}
"""The look of a box that has no meaning of its own."""

Point = tuple[float, float]


def draw_box(
    ax: Axes, left: float, low: float, width: float, height: float, text: str = "", look: Mapping[str, Any] = PLAIN
) -> None:
    """A rounded box with a text in its middle.

    Args:
        ax: where to draw; units are those of its axes.
        left: of the box; `low`, `width` and `height` likewise.
        low: lower edge.
        width: of the box.
        height: of the box.
        text: of one line or more.
        look: of its face and edge, as matplotlib's patches take them.
    """
    style = "round,pad=0.02,rounding_size=0.12"
    ax.add_patch(FancyBboxPatch((left, low), width, height, boxstyle=style, **{"lw": 1.2} | dict(look)))
    if text:
        ax.text(left + width / 2, low + height / 2, text, ha="center", va="center", fontsize=9)


def draw_arrow(ax: Axes, start: Point, end: Point, colour: str = "#999999") -> None:
    """An arrow from one point to another, behind the boxes."""
    arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=colour, lw=1.2, zorder=0)
    ax.add_patch(arrow)


def draw_band(ax: Axes, left: float, low: float, name: str, height: float = 0.8) -> None:
    """A band of Sentinel-2 in a box one unit wide, coloured by how many metres its pixels measure."""
    resolution = next(band.resolution for band in SENTINEL2.bands if band.name == name)
    colour = RESOLUTION_COLOURS[int(resolution)]
    ax.add_patch(Rectangle((left + 0.05, low), 0.9, height, facecolor=colour, edgecolor="#888888", lw=0.6))
    ax.text(left + 0.5, low + height / 2, name[1:], ha="center", va="center", fontsize=9)


def draw_number(ax: Axes, x: float, y: float, number: int, radius: float = 0.3) -> None:
    """A number in a circle: a step that the text explains."""
    ax.add_patch(Circle((x, y), radius, facecolor="#333333", edgecolor="none"))
    ax.text(x, y - 0.01, str(number), color="white", ha="center", va="center", fontsize=9)
