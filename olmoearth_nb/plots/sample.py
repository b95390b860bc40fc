"""Figures of a sample: its bands, its resolutions, its year; the look is that of `olmoearth_nb.plots.style`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.plots.indices import ndvi, reflectance, square_means
from olmoearth_nb.plots.style import BY_WAVELENGTH, GAMMA, RESOLUTION_COLOURS, true_colour
from olmoearth_nb.sample import Sample

WHITE = 0.25
"""Reflectance of B02 above which a field is taken for cloud or snow."""

_LIGHT = {
    "#8d6fd1": (380, 450),
    "#5b8fe8": (450, 495),
    "#6cc070": (495, 570),
    "#f2dd55": (570, 590),
    "#f0a040": (590, 620),
    "#e2604e": (620, 700),
}
"""What we see: a colour, and the wavelengths in nm that look like it."""


def show_bands(sample: Sample, time: int = 0) -> None:
    """Where the bands lie in the light, the place in true colours, and what each band sees, by wavelength.

    Each band is stretched from its 2nd to its 98th percentile and brightened as true colours are, so that a few roofs
    do not make the fields black.

    Args:
        sample: a sample with Sentinel-2.
        time: timestep.
    """
    figure = plt.figure(figsize=(8.6, 6.1), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.35, 2.3])
    above, below = parts
    windows, eye = above.subplots(1, 2, width_ratios=[3.2, 1])
    _draw_windows(windows)
    eye.imshow(true_colour(sample, time))
    eye.set_title("B04, B03, B02; 0.3 is white", fontsize=8)
    eye.set(xticks=[], yticks=[])
    values = reflectance(sample)[:, :, time]
    for ax, channel in zip(below.subplots(2, 6).flat, BY_WAVELENGTH, strict=True):
        grey = values[..., channel]
        low, high = np.nanpercentile(grey, (2, 98)) if not np.isnan(grey).all() else (0, 1)
        ax.imshow(grey, cmap="gray", norm=PowerNorm(1 / GAMMA, low, max(high, low + 1e-4), clip=True))
        band = SENTINEL2.bands[channel]
        _title(ax, f"{band.name}, {band.centre:.0f} nm, {band.resolution:.0f} m", band.resolution)
        ax.set(xticks=[], yticks=[])
    plt.show()


def _title(ax: Axes, text: str, resolution: float) -> None:
    """A small title on the ground of a resolution."""
    ax.set_title(text, fontsize=8, backgroundcolor=RESOLUTION_COLOURS[int(resolution)])


def _draw_windows(ax: Axes) -> None:
    """Every band as a bar from its shortest to its longest wavelength, in a row of its resolution."""
    for colour, (low, high) in _LIGHT.items():
        ax.axvspan(low, high, color=colour, alpha=0.28, lw=0)
    rows = {10: 2, 20: 1, 60: 0}
    for metres, row in rows.items():
        bands = [SENTINEL2.bands[i] for i in BY_WAVELENGTH if SENTINEL2.bands[i].resolution == metres]
        labels = np.exp(spread(np.log([band.centre or 0.0 for band in bands]), 0.085))
        for band, label in zip(bands, labels, strict=True):
            corner, width = ((band.centre or 0.0) - (band.width or 0.0) / 2, row + 0.08), band.width or 0.0
            ax.add_patch(Rectangle(corner, width, 0.42, fc=RESOLUTION_COLOURS[metres], ec="#444444", lw=0.8))
            ax.text(label, row + 0.54, band.name, ha="center", va="bottom", fontsize=6.5)
    ax.set(xscale="log", xlim=(400, 2500), ylim=(0, 3), xlabel="wavelength, nm")
    wavelengths(ax)
    ax.set_yticks([row + 0.3 for row in rows.values()], [f"{metres} m" for metres in rows])
    ax.tick_params(axis="y", length=0)
    ax.text(530, 3.05, "visible light", ha="center", va="bottom", fontsize=8)
    ax.text(1300, 3.05, "infrared", ha="center", va="bottom", fontsize=8)


def wavelengths(ax: Axes, ticks: Sequence[int] = (400, 500, 600, 700, 800, 1000, 1300, 1600, 2000, 2500)) -> None:
    """Round numbers on a logarithmic axis of wavelengths, between its limits."""
    low, high = ax.get_xlim()
    inside = [tick for tick in ticks if low <= tick <= high]
    ax.set_xticks(inside, [str(tick) for tick in inside])
    ax.set_xticks([], minor=True)


def spread(positions: Sequence[float] | np.ndarray, gap: float) -> np.ndarray:
    """Sorted positions of labels, neighbours moved apart, each by as much, until they are `gap` from one another."""
    moved = np.array(positions, dtype=float)
    for _ in range(100):
        short = np.maximum(gap - np.diff(moved), 0)
        moved[:-1] -= short / 2
        moved[1:] += short / 2
    return moved


def show_resolutions(sample: Sample, time: int, row: int, column: int, size: int = 24) -> None:
    """A small square as a band of each resolution sees it, with the edges of the blocks that hold one value.

    A coarse band without such blocks, as interpolation makes it, gets no lines.

    Args:
        sample: a sample with Sentinel-2.
        time: timestep.
        row: upper row of the square in pixels; moved inwards where the image is too small.
        column: its left column; the same.
        size: its edge in pixels.
    """
    values = reflectance(sample)[:, :, time]
    size = min(size, *values.shape[:2])
    row, column = min(row, values.shape[0] - size), min(column, values.shape[1] - size)
    inside = (slice(row, row + size), slice(column, column + size))
    _, axes = plt.subplots(1, 5, figsize=(8.6, 2.0), layout="constrained")
    picture = true_colour(sample, time)
    for ax, part, title in ((axes[0], picture, "the place"), (axes[1], picture[inside], "a corner of it")):
        ax.imshow(part)
        ax.set_title(title, fontsize=8)
    axes[0].add_patch(Rectangle((column - 0.5, row - 0.5), size, size, fill=False, ec="yellow", lw=1.8))
    for ax, name in zip(axes[2:], ("B04", "B05", "B01"), strict=True):
        channel = SENTINEL2.indices([name])[0]
        band = SENTINEL2.bands[channel]
        ax.imshow(values[inside][..., channel], cmap="gray")
        _title(ax, f"{name}, {band.centre:.0f} nm, {band.resolution:.0f} m", band.resolution)
        across, down = (block_edges(values[inside][..., channel], axis) for axis in (0, 1))
        if band.resolution == 10 or max(len(across), len(down)) < size - 1:
            ax.hlines(across - 0.5, -0.5, size - 0.5, color="#ffe08a", lw=0.25)
            ax.vlines(down - 0.5, -0.5, size - 0.5, color="#ffe08a", lw=0.25)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    plt.show()


def block_edges(values: np.ndarray, axis: int) -> np.ndarray:
    """Rows (axis 0) or columns (axis 1) that differ from the one before them; gaps are equal to gaps."""
    differs = np.diff(np.nan_to_num(values, nan=MISSING), axis=axis) != 0
    return np.flatnonzero(differs.any(1 - axis)) + 1


def show_band(sample: Sample, band: str, time: int) -> None:
    """One band at one date beside the true colours, on one scale of reflectance for all dates of the band.

    Args:
        sample: a sample with Sentinel-2.
        band: its name.
        time: timestep.
    """
    band_figure(sample, band, time, plt.figure(figsize=(7.2, 3.3)))
    plt.show()


def band_figure(sample: Sample, band: str, time: int, figure: Figure | None = None) -> Figure:
    """What `show_band` shows, on a figure that is not shown: the given one, or a new one."""
    figure = figure or Figure(figsize=(7.2, 3.3))
    figure.set_layout_engine("constrained")
    series, date = reflectance(sample)[..., SENTINEL2.indices([band])[0]], sample.dates[time]
    left, right = figure.subplots(1, 2)
    left.imshow(true_colour(sample, time))
    left.set_title(f"true colours, {date}")
    right.set_facecolor("#999999")
    shown = right.imshow(series[:, :, time], cmap="gray", vmin=0, vmax=float(np.nanpercentile(series, 95)))
    right.set_title(f"{band}, {date}" + (": no data" if np.isnan(series[:, :, time]).all() else ""))
    figure.colorbar(shown, ax=right, label="reflectance")
    for ax in (left, right):
        ax.set(xticks=[], yticks=[])
    return figure


def show_year(sample: Sample, row: int, column: int, size: int = 8) -> None:
    """A square of pixels through all dates: what lies around it, a table of twelve bands, and how green it is.

    Args:
        sample: a sample with Sentinel-2.
        row: upper row of the square in pixels.
        column: its left column.
        size: its edge in pixels.
    """
    means = square_means(sample, row, column, size)  # (T, 12)
    steps, each, left, height = len(sample.dates), 0.6, 0.62, 5.3  # inches
    width = left + max(steps, 6) * each + 0.95
    figure = plt.figure(figsize=(width, height))

    def axes(bottom: float, tall: float, start: float = left, wide: float = steps * each) -> Axes:
        return figure.add_axes((start / width, bottom / height, wide / width, tall / height))

    _draw_pictures(axes(4.25, each), sample, row, column, size)
    table = axes(1.72, 2.45)
    table.set_facecolor("#cccccc")
    shown = table.imshow(means[:, BY_WAVELENGTH].T, cmap="cividis", vmin=0, vmax=0.6, aspect="auto")
    table.set_yticks(range(12), [SENTINEL2.bands[i].name for i in BY_WAVELENGTH], fontsize=8)
    table.set_xticks([])
    bar = axes(1.72, 2.45, left + steps * each + 0.1, 0.12)
    plt.colorbar(shown, cax=bar, label="reflectance", extend="max")
    _draw_green(axes(0.6, 1.02), sample.dates, means)
    plt.show()


def _draw_pictures(ax: Axes, sample: Sample, row: int, column: int, size: int) -> None:
    """The square and as much again on each side, at every date."""
    height, width = sample.images["sentinel2_l2a"].shape[:2]
    edge = min(4 * size, height, width)
    top = int(np.clip(row + size / 2 - edge / 2, 0, height - edge))
    first = int(np.clip(column + size / 2 - edge / 2, 0, width - edge))
    part = sample.window(top, first, edge)
    for step in range(len(sample.dates)):
        ax.imshow(true_colour(part, step), extent=(step - 0.47, step + 0.47, 0.0, 1.0), aspect="auto")
        corner = (step - 0.47 + 0.94 * (column - first) / edge, 1 - (row - top + size) / edge)
        ax.add_patch(Rectangle(corner, 0.94 * size / edge, size / edge, fill=False, ec="yellow", lw=1))
        ax.add_patch(Rectangle((step - 0.47, 0), 0.94, 1, fill=False, ec="#bbbbbb", lw=1))
    ax.set(xlim=(-0.5, len(sample.dates) - 0.5), ylim=(0, 1), xticks=[], yticks=[])
    ax.set_title(
        "a square of the place, date by date:\nin true colours, in twelve bands, as NDVI", fontsize=10, loc="left"
    )
    ax.spines[:].set_visible(False)


def _draw_green(ax: Axes, dates: list[str], means: np.ndarray) -> None:
    """NDVI of the square; a date on which it is white is hollow, and neither it nor a gap is bridged."""
    green, white = ndvi(means), means[:, SENTINEL2.indices(["B02"])[0]] > WHITE
    steps = np.arange(len(dates))
    ax.plot(steps, np.where(white, np.nan, green), "o-", color="#009E73", ms=5, lw=1.5)
    ax.plot(steps[white], green[white], "o", mfc="none", mec="#888888", ms=6)
    ax.set(xlim=(-0.5, len(dates) - 0.5), ylim=(-0.2, 1), ylabel="NDVI")
    ax.set_xticks(steps, [date[:7] for date in dates], rotation=45, fontsize=8, ha="right", rotation_mode="anchor")
    labels = {"no data": np.isnan(green), "cloud\nor snow": white}
    for text, where in labels.items():
        for step in steps[where]:
            ax.text(step, 0.5, text, rotation=90, ha="center", va="center", fontsize=7.5)
    for step in steps[np.isnan(green)]:
        ax.axvspan(step - 0.5, step + 0.5, color="#cccccc", lw=0)
