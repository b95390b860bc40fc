"""Figures with one look: size, colours of tokenizations, order and colours of bands.

Functions draw and return None, so that a notebook cell ends in a figure and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.model.cost import Cost
from olmoearth_nb.sample import Sample
from olmoearth_nb.tokenization import Tokenization

COLOURS = {
    "v1": "#0072B2",
    "v1.1": "#D55E00",
    "per_band": "#009E73",
    "spectral": "#CC79A7",
    "satmae": "#E69F00",
    "galileo": "#56B4E9",
    "croma": "#7F6A3F",
}
"""Colour of each tokenization (Okabe-Ito, safe for colour-blind readers); others are grey."""

GROUP_COLOURS = plt.get_cmap("Set3").colors  # type: ignore[attr-defined]
"""Twelve pale grounds, one for each group of a tokenization, in order."""

BY_WAVELENGTH = sorted(range(len(SENTINEL2.bands)), key=lambda i: SENTINEL2.bands[i].centre or 0.0)
"""Channels of Sentinel-2 in the order of their wavelengths."""

BRIGHTEST = 0.3
"""Reflectance that is white in a true-colour picture: above dry soil, below snow and cloud."""

GAMMA = 1.5
"""How much a true-colour picture lifts what is dark, such as forest and water."""


def use_style() -> None:
    """The one look of every figure."""
    plt.rcParams.update(
        {
            "figure.dpi": 80,
            "savefig.dpi": 80,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "image.interpolation": "nearest",
            "svg.hashsalt": "olmoearth_nb",
        }
    )


def colour_of(name: str) -> str:
    """Colour of a tokenization."""
    return COLOURS.get(name, "#666666")


def true_colour(sample: Sample, time: int = 0) -> np.ndarray:
    """(H, W, 3) true-colour picture; gaps are grey.

    Every picture of every place and date is stretched alike, red, green and blue with it: reflectance from 0 to
    `BRIGHTEST` becomes 0 to 1, brightened by `GAMMA`. So hues are the ground's own, two pictures can be compared,
    and haze shows as what it is.
    """
    rgb = _values(sample, time)[..., SENTINEL2.indices(["B04", "B03", "B02"])]
    picture = np.clip(rgb / (10_000 * BRIGHTEST), 0, 1) ** (1 / GAMMA)
    return np.where(np.isnan(rgb).any(-1, keepdims=True), 0.6, picture)


def _values(sample: Sample, time: int) -> np.ndarray:
    """(H, W, C) Sentinel-2 values of one date, NaN where nothing was observed."""
    image = sample.images["sentinel2_l2a"][:, :, time]
    return np.where(image == MISSING, np.nan, image)


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
    image = _values(sample, time)
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
    """One real patch under several tokenizations: bands on one ground share a token.

    Each little picture is one band of the patch in its own grey scale; bands that a tokenization does
    not read stand at the right, faded and on no ground.

    Args:
        sample: a sample with Sentinel-2.
        tokenizations: one line each.
        row: patch row.
        column: patch column.
        patch_size: P in pixels.
        time: timestep.
    """
    patch = _patch(sample, patch_size, row, column, time)
    _, axes = plt.subplots(
        len(tokenizations), 1, figsize=(10, 0.83 * len(tokenizations)), layout="constrained", squeeze=False
    )
    for ax, tokenization in zip(axes[:, 0], tokenizations, strict=True):
        _draw_line(ax, patch, tokenization)
    plt.show()


def _draw_line(ax: Axes, patch: np.ndarray, tokenization: Tokenization) -> None:
    """One tokenization: its groups as frames around the bands."""
    groups = tokenization.groups_of("sentinel2_l2a")
    x = 0.0
    for number, group in enumerate(groups):
        colour = GROUP_COLOURS[number % len(GROUP_COLOURS)]
        frame = FancyBboxPatch(
            (x + 0.02, -0.30), len(group) - 0.04 + 0.08 * (len(group) - 1), 1.38,
            boxstyle="round,pad=0,rounding_size=0.12", fc=colour, ec="#999999", lw=0.4, zorder=0,
        )  # fmt: skip
        ax.add_patch(frame)
        for band in group:
            _draw_band(ax, patch, band, x, alpha=1.0)
            x += 1.08
        x += 0.16
    x += 0.5
    for band in tokenization.left_out("sentinel2_l2a"):
        _draw_band(ax, patch, band, x, alpha=0.3)
        x += 1.08
    count = len(groups)
    ax.text(-0.3, 0.55, tokenization.name, ha="right", va="center", weight="bold", color=colour_of(tokenization.name))
    ax.text(-0.3, 0.1, f"{count} token{'s' if count > 1 else ''}", ha="right", va="center", fontsize=8.5)
    ax.set(xlim=(-2.2, 15.7), ylim=(-0.36, 1.14), aspect="equal")
    ax.axis("off")


def _draw_band(ax: Axes, patch: np.ndarray, band: str, x: float, alpha: float) -> None:
    """One band of the patch as a picture of unit size at x, its name below."""
    pixels = patch[..., SENTINEL2.indices([band])[0]]
    extent = (x + 0.06, x + 0.94, 0.14, 1.02)
    low, high = (0, 1) if np.isnan(pixels).all() else (np.nanmin(pixels), max(np.nanmax(pixels), np.nanmin(pixels) + 1))
    ax.imshow(pixels, cmap="gray", extent=extent, alpha=alpha, vmin=low, vmax=high, zorder=1)
    ax.text(x + 0.5, -0.08, band, ha="center", va="center", fontsize=8, alpha=max(alpha, 0.6))


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
