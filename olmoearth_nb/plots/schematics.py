"""Schematic drawings: the way of a patch through the encoder, and what a step of pretraining does."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.grid import Role
from olmoearth_nb.plots.drawing import draw_arrow, draw_band, draw_box, draw_number
from olmoearth_nb.plots.masking import ROLE_COLOURS
from olmoearth_nb.plots.style import COLOURS
from olmoearth_nb.tokenization import TOKENIZATIONS

_HEIGHTS = {"bands": 0.0, "pixel layer": 1.5, "matrix": 2.8, "token": 4.1, "codes": 5.2, "blocks": 6.5, "mean": 8.3}
"""Where the parts of the encoder begin, from below."""

_SEEN, _HIDDEN = ROLE_COLOURS[Role.ONLINE][0], ROLE_COLOURS[Role.DECODER][0]
"""Colours of tokens that the encoder sees, and of those that are to be predicted."""


def show_encoder() -> None:
    """The way of one patch from its bands to the embedding, in v1 and in v1.1, with the steps of notebook 03."""
    _, axes = plt.subplots(1, 2, figsize=(10.4, 5.2), layout="constrained")
    for ax, name in zip(axes, ("v1", "v1.1"), strict=True):
        groups = TOKENIZATIONS[name].groups_of(SENTINEL2.name)
        _draw_bands(ax, groups)
        for number, group in enumerate(groups):
            start = sum(map(len, groups[:number]))
            _draw_token(ax, start, len(group), name)
        _draw_rest(ax, sum(map(len, groups)), len(groups))
        title = f"{name}: {len(groups)} token{'s' * (len(groups) > 1)} a patch"
        ax.set(xlim=(-1.3, 12.2), ylim=(-0.2, 9.3), title=title)
        ax.axis("off")
    plt.show()


def _draw_bands(ax: Axes, groups: Sequence[Sequence[str]]) -> None:
    """The bands of a patch, side by side in the order of the array, with step 0 (scale) and step 1 (enlarge)."""
    for place, band in enumerate(band for group in groups for band in group):
        draw_band(ax, place, _HEIGHTS["bands"], band)
    draw_number(ax, -0.8, 0.4, 0)
    ax.text(6, 1.12, "scaled, and enlarged to 8 x 8 px", ha="center", va="center", fontsize=9)
    draw_number(ax, -0.8, 1.12, 1)


def _draw_token(ax: Axes, start: int, bands: int, name: str) -> None:
    """From the bands of one group to its token."""
    left, width, middle = start + 0.06, bands - 0.12, start + bands / 2
    look = {"facecolor": "white", "edgecolor": COLOURS[name]}
    draw_arrow(ax, (middle, 1.3), (middle, _HEIGHTS["matrix"]))
    if name == "v1.1":
        draw_box(ax, left, _HEIGHTS["pixel layer"], width, 0.7, "pixel layer: each pixel's bands are mixed", look)
    draw_box(ax, left, _HEIGHTS["matrix"], width, 0.7, "x matrix" if bands > 2 else "x", look)
    draw_arrow(ax, (middle, _HEIGHTS["matrix"] + 0.75), (middle, _HEIGHTS["token"]))
    draw_box(ax, middle - 0.9, _HEIGHTS["token"], 1.8, 0.6, "token", look | {"facecolor": COLOURS[name] + "33"})
    draw_arrow(ax, (middle, _HEIGHTS["token"] + 0.65), (middle, _HEIGHTS["codes"]))
    draw_arrow(ax, (middle, _HEIGHTS["codes"] + 0.75), (middle, _HEIGHTS["blocks"]))


def _draw_rest(ax: Axes, bands: int, tokens: int) -> None:
    """Codes, blocks and the mean, which do not depend on the tokenization."""
    draw_number(ax, -0.8, _HEIGHTS["matrix"] + 0.35, 2)
    draw_box(ax, 0.06, _HEIGHTS["codes"], bands - 0.12, 0.7, "+ codes of group, timestep, month and position")
    draw_number(ax, -0.8, _HEIGHTS["codes"] + 0.35, 3)
    draw_box(ax, 0.06, _HEIGHTS["blocks"], bands - 0.12, 1.3)
    with_whom = "with the patch's other tokens, all patches, all dates" if tokens > 1 else "with all patches, all dates"
    for height, line in ((0.95, f"attention {with_whom}"), (0.35, "then an MLP, token by token; L blocks")):
        ax.text(bands / 2, _HEIGHTS["blocks"] + height, line, ha="center", va="center", fontsize=9)
    draw_number(ax, -0.8, _HEIGHTS["blocks"] + 0.95, 4)
    draw_number(ax, -0.8, _HEIGHTS["blocks"] + 0.3, 5)
    draw_arrow(ax, (bands / 2, _HEIGHTS["blocks"] + 1.35), (bands / 2, _HEIGHTS["mean"]))
    draw_box(ax, bands / 2 - 3.2, _HEIGHTS["mean"], 6.4, 0.7, "mean over tokens: D numbers")
    draw_number(ax, -0.8, _HEIGHTS["mean"] + 0.35, 6)


def show_pretraining() -> None:
    """One step of pretraining: two masked views, encoder, predictor, frozen targets, and the two losses."""
    _, ax = plt.subplots(figsize=(10.4, 4.6), layout="constrained")
    rng = np.random.default_rng(3)
    for name, low in {"view 1": 6.6, "view 2": 2.9}.items():
        hidden = rng.permutation(16) < 8
        _draw_tokens(ax, 0, low, np.where(hidden, _HIDDEN, _SEEN), name)
        draw_arrow(ax, (2.3, low + 1), (3.8, low + 1))
        ax.text(3.05, low + 1.2, "seen", ha="center", va="bottom", fontsize=9)
        draw_box(ax, 3.9, low + 0.3, 2.6, 1.4, "encoder")
        if name == "view 1":
            first = hidden
    draw_box(ax, 3.4, 5.35, 3.6, 0.7, "contrast of the means")
    draw_arrow(ax, (5.2, 6.85), (5.2, 6.1))
    draw_arrow(ax, (5.2, 4.65), (5.2, 5.3))
    draw_arrow(ax, (6.6, 7.6), (8.1, 7.6))
    draw_box(ax, 8.2, 6.9, 2.8, 1.4, "predictor")
    ax.text(9.6, 6.7, "is asked for each hidden token", ha="center", va="top", fontsize=9)
    draw_arrow(ax, (11.1, 7.6), (12.3, 7.6))
    _draw_tokens(ax, 12.4, 6.6, np.where(first, _HIDDEN + "88", "white"), "predictions")
    _draw_tokens(ax, 0, 0.0, np.where(first, _HIDDEN, "white"), "hidden in view 1")
    draw_arrow(ax, (2.3, 1), (3.8, 1))
    frozen = "patch projection as it was before the first step: frozen"
    draw_box(ax, 3.9, 0.3, 7.1, 1.4, frozen, {"facecolor": "#eeeeee", "edgecolor": "#777777"})
    draw_arrow(ax, (11.1, 1), (12.3, 1))
    _draw_tokens(ax, 12.4, 0.0, np.where(first, _HIDDEN, "white"), "targets")
    draw_box(ax, 11.4, 3.9, 4.2, 1.1, "patch discrimination:\nwhich target is it?")
    draw_arrow(ax, (13.4, 6.5), (13.4, 5.1))
    draw_arrow(ax, (13.4, 2.75), (13.4, 3.85))
    ax.set(xlim=(-0.3, 16), ylim=(-0.2, 9.4))
    ax.axis("off")
    plt.show()


def _draw_tokens(ax: Axes, left: float, low: float, colours: np.ndarray, title: str) -> None:
    """Four by four tokens of the given colours under a title."""
    for number, colour in enumerate(colours):
        row, column = divmod(number, 4)
        place = (left + 0.5 * column + 0.03, low + 0.5 * (3 - row) + 0.03)
        ax.add_patch(Rectangle(place, 0.44, 0.44, facecolor=colour, edgecolor="#bbbbbb", lw=0.6))
    ax.text(left + 1, low + 2.15, title, ha="center", va="bottom", fontsize=9)
