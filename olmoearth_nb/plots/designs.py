"""One patch under several tokenizations, and what each of them costs.

Functions draw and return None, so that a notebook cell ends in a figure and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.model.cost import Cost
from olmoearth_nb.plots.style import BY_WAVELENGTH, GAMMA, RESOLUTION_COLOURS, colour_of, true_colour, values_at
from olmoearth_nb.sample import Sample
from olmoearth_nb.tokenization import Tokenization

FIGURE_INCHES = 9.4
"""Width of `tokens_figure`: shown 900 px wide, its smallest letters are 10 points high."""

ROW_INCHES = 0.755
"""Height of a tokenization in `tokens_figure`."""

PITCH = 1.06
"""Distance of two bands in one token, in widths of a band's picture."""

_GREYS = plt.get_cmap("gray").with_extremes(bad="#e8d8c0")


def show_patch_grid(sample: Sample, patch_size: int, row: int, column: int, time: int = 0) -> None:
    """The picture with its patch grid, one patch marked, and that patch's spectrum.

    Args:
        sample: a sample with Sentinel-2.
        patch_size: P in pixels.
        row: patch row of the marked patch.
        column: patch column of the marked patch.
        time: timestep shown.
    """
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[1, 1.5], layout="constrained")
    picture = true_colour(sample, time)
    left.imshow(picture)
    left.hlines(np.arange(0, picture.shape[0], patch_size) - 0.5, -0.5, picture.shape[1] - 0.5, color="white", lw=0.4)
    left.vlines(np.arange(0, picture.shape[1], patch_size) - 0.5, -0.5, picture.shape[0] - 0.5, color="white", lw=0.4)
    corner = (column * patch_size - 0.5, row * patch_size - 0.5)
    left.add_patch(Rectangle(corner, patch_size, patch_size, fill=False, ec="yellow", lw=2.5))
    left.set(
        title=f"{sample.title}, {sample.dates[time]}: {patch_size} x {patch_size} px patches", xticks=[], yticks=[]
    )
    pixels = _patch(sample, patch_size, row, column, time).reshape(-1, len(SENTINEL2.bands))
    seen = pixels[~np.isnan(pixels).any(1)]
    low, middle, high = (
        np.percentile(seen, [0, 50, 100], axis=0)[:, BY_WAVELENGTH] if len(seen) else np.full((3, 12), np.nan)
    )
    x = np.arange(len(BY_WAVELENGTH))
    right.vlines(x, low, high, color="#bbbbbb", lw=6)
    right.plot(x, middle, "o-", color="black", ms=4, lw=1)
    right.set_xticks(x, [SENTINEL2.bands[i].name for i in BY_WAVELENGTH], rotation=60)
    right.set(title="the marked patch: median and range of its pixels", ylabel="digital number", ylim=(0, None))
    plt.show()


def _patch(sample: Sample, patch_size: int, row: int, column: int, time: int) -> np.ndarray:
    """(P, P, C) raw pixels of a Sentinel-2 patch."""
    image = values_at(sample, time)
    rows = slice(row * patch_size, (row + 1) * patch_size)
    return image[rows, column * patch_size : (column + 1) * patch_size]


def show_tokens(
    sample: Sample,
    tokenizations: Sequence[Tokenization],
    *,
    row: int,
    column: int,
    patch_size: int = 8,
    time: int = 0,
) -> None:
    """One patch of a sample under several tokenizations: bands in one frame share a token.

    At the left stands the place with its patches, and the marked patch enlarged. At the right, each small picture is
    one band of that patch. A band has one grey scale in all rows, from the 2nd to the 98th percentile of its values in
    the whole place. The colour under a band is its resolution. Bands that a tokenization does not read are faded and
    stand outside all frames.

    Args:
        sample: a sample with Sentinel-2.
        tokenizations: one row each.
        row: patch row.
        column: patch column.
        patch_size: P in pixels.
        time: timestep.
    """
    tokens_figure(sample, tokenizations, row=row, column=column, patch_size=patch_size, time=time, figure=plt.figure())
    plt.show()


def tokens_figure(
    sample: Sample,
    tokenizations: Sequence[Tokenization],
    *,
    row: int,
    column: int,
    patch_size: int = 8,
    time: int = 0,
    figure: Figure | None = None,
) -> Figure:
    """What `show_tokens` shows, on a figure that is not shown: the given one, or a new one."""
    height = max(0.1 + ROW_INCHES * len(tokenizations), 2.9)
    figure = figure or Figure()
    figure.set_layout_engine("none")
    figure.set_size_inches(FIGURE_INCHES, height)
    _draw_place(figure, true_colour(sample, time), patch_size, row, column)
    _draw_resolutions(figure)
    rows = slice(row * patch_size, (row + 1) * patch_size)
    columns = slice(column * patch_size, (column + 1) * patch_size)
    patch = _grey(values_at(sample, time))[rows, columns]
    for number, tokenization in enumerate(tokenizations, 1):
        bottom = height - 0.05 - ROW_INCHES * number
        size = ((FIGURE_INCHES - 2.35) / FIGURE_INCHES, ROW_INCHES / height)
        _draw_row(figure.add_axes((2.3 / FIGURE_INCHES, bottom / height, *size)), patch, tokenization)
    return figure


def _draw_place(figure: Figure, picture: np.ndarray, patch_size: int, row: int, column: int) -> None:
    """The place in true colour with one patch marked; below it that patch enlarged, where the figure is high enough."""
    width, height = figure.get_size_inches()
    place = figure.add_axes((0.1 / width, (height - 2.35) / height, 2.0 / width, 2.0 / height))
    top, left = row * patch_size, column * patch_size
    place.imshow(picture)
    for colour, line in (("white", 4.0), ("black", 2.0)):  # seen on bright and on dark ground
        mark = Rectangle((left - 0.5, top - 0.5), patch_size, patch_size, fill=False, ec=colour, lw=line)
        place.add_patch(mark)
    place.set_title(f"a place of {picture.shape[0]} x {picture.shape[1]} px", fontsize=10)
    place.set(xticks=[], yticks=[])
    place.spines[:].set_visible(False)
    if height < 5.3:
        return
    enlarged = figure.add_axes((0.1 / width, (height - 4.8) / height, 2.0 / width, 2.0 / height))
    enlarged.imshow(picture[top : top + patch_size, left : left + patch_size])
    enlarged.set_title(f"its marked patch, {patch_size} x {patch_size} px", fontsize=10)
    enlarged.set(xticks=[], yticks=[])
    enlarged.spines[:].set(visible=True, lw=2.0)


def _draw_resolutions(figure: Figure) -> None:
    """The key of the colours under the bands, at the lower left."""
    names = [f"{metres} m" for metres in RESOLUTION_COLOURS]
    keys = [Rectangle((0, 0), 1, 1, fc=colour) for colour in RESOLUTION_COLOURS.values()]
    look = {"fontsize": 10, "frameon": False, "handlelength": 0.9, "handletextpad": 0.3, "columnspacing": 0.8}
    where = (0.1 / figure.get_figwidth(), 0.02)
    figure.legend(keys, names, title="pixels of", loc="lower left", bbox_to_anchor=where, ncols=3, borderpad=0, **look)


def _grey(values: np.ndarray) -> np.ndarray:
    """(H, W, C) values from 0 to 1: each band from its 2nd to its 98th percentile, brightened; gaps stay NaN."""
    flat = values.reshape(-1, values.shape[-1])
    low, high = np.stack([np.nanpercentile(band, (2, 98)) if (~np.isnan(band)).any() else (0, 1) for band in flat.T]).T
    return np.clip((values - low) / np.maximum(high - low, 1), 0, 1) ** (1 / GAMMA)


def _draw_row(ax: Axes, patch: np.ndarray, tokenization: Tokenization) -> None:
    """One tokenization: a frame for each group around pictures of its bands; then the bands that it leaves out."""
    groups = tokenization.groups_of("sentinel2_l2a")
    x = 0.0
    for group in groups:
        frame = FancyBboxPatch(
            (x - 0.06, -0.42), PITCH * len(group) + 0.05, 1.48,
            boxstyle="round,pad=0,rounding_size=0.1", fc="white", ec="#222222", lw=1.3, zorder=0,
        )  # fmt: skip
        ax.add_patch(frame)
        for band in group:
            _draw_band(ax, patch, band, x, alpha=1.0)
            x += PITCH
        x += 0.2
    x += 0.2
    for band in tokenization.left_out("sentinel2_l2a"):
        _draw_band(ax, patch, band, x, alpha=0.35)
        x += PITCH
    ax.text(-0.3, 0.62, tokenization.name, ha="right", va="center", fontsize=11, weight="bold")
    ax.text(-0.3, 0.12, f"{len(groups)} token{'s' if len(groups) > 1 else ''}", ha="right", va="center", fontsize=10)
    ax.set(xlim=(-2.3, 12 * PITCH + 11 * 0.2 + 0.1), ylim=(-0.5, 1.25), aspect="equal", anchor="W")
    ax.axis("off")


def _draw_band(ax: Axes, patch: np.ndarray, band: str, x: float, alpha: float) -> None:
    """One band of the patch as a picture of unit width at x, its name below on the colour of its resolution."""
    channel = SENTINEL2.indices([band])[0]
    ground = RESOLUTION_COLOURS[int(SENTINEL2.bands[channel].resolution)]
    ax.add_patch(Rectangle((x, -0.36), 1, 0.38, fc=ground, lw=0, alpha=alpha, zorder=1))
    ax.imshow(patch[..., channel], cmap=_GREYS, extent=(x, x + 1, 0.02, 1.02), alpha=alpha, vmin=0, vmax=1, zorder=1)
    ax.text(x + 0.5, -0.18, band, ha="center", va="center", fontsize=10, alpha=max(alpha, 0.6))


def show_costs(costs: Mapping[str, Cost], title: str) -> None:
    """Tokens and multiply-accumulates of several tokenizations side by side, cheapest first.

    Args:
        costs: name of the tokenization -> its cost.
        title: what was encoded by which model.
    """
    costs = dict(sorted(costs.items(), key=lambda item: item[1].macs))
    names = list(costs)
    y = np.arange(len(names))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 0.4 * len(names) + 1.4), sharey=True, layout="constrained")
    colours = [colour_of(name) for name in names]
    bars = left.barh(y, [cost.tokens for cost in costs.values()], color=colours)
    left.bar_label(bars, labels=[f"{cost.tokens:,}" for cost in costs.values()], padding=3, fontsize=9)
    linear = np.array([cost.linear_macs for cost in costs.values()]) / 1e9
    attention = np.array([cost.attention_macs for cost in costs.values()]) / 1e9
    right.barh(y, linear, color=colours, label="linear layers")
    hatched = {"alpha": 0.45, "hatch": "///", "ec": "white", "label": "attention (grows with N²)"}
    top = right.barh(y, attention, left=linear, color=colours, **hatched)
    right.bar_label(top, labels=[f"{value:,.2f}" for value in linear + attention], padding=3, fontsize=9)
    left.set_yticks(y, names)
    left.invert_yaxis()
    left.set(title="tokens of one sample", xlim=(0, 1.2 * max(cost.tokens for cost in costs.values())))
    right.set(title="giga-MACs of the encoder", xlim=(0, 1.22 * (linear + attention).max()))
    right.legend(frameon=False, loc="upper right", fontsize=8.5, labelcolor="black")
    figure.suptitle(title, fontsize=11)
    plt.show()
