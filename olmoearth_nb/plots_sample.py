"""Figures of a sample: its bands, its spectra, its year; the look is that of `olmoearth_nb.plots`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.plots import GROUP_COLOURS, true_colour
from olmoearth_nb.sample import Sample

PLACE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Colours of marked pixels, in order."""

YEAR_BANDS = {
    "B02": "#0072B2",
    "B03": "#009E73",
    "B04": "#D55E00",
    "B05": "#CC79A7",
    "B08": "#000000",
    "B11": "#E69F00",
}
"""Bands followed through a year, and their colours."""


def _series(sample: Sample, row: int, column: int) -> np.ndarray:
    """(T, C) values of one pixel, NaN where nothing was observed."""
    values = sample.images["sentinel2_l2a"][row, column]
    return np.where(values == MISSING, np.nan, values)


def show_bands(sample: Sample, time: int = 0) -> None:
    """Every band of one date in its own grey scale, in channel order, the ground coloured by resolution.

    Args:
        sample: a sample with Sentinel-2.
        time: timestep.
    """
    image = sample.images["sentinel2_l2a"][:, :, time]
    _, axes = plt.subplots(2, 6, figsize=(8.6, 3.6), dpi=84, layout="constrained")
    ground = {10: GROUP_COLOURS[0], 20: GROUP_COLOURS[1], 60: GROUP_COLOURS[2]}
    for ax, band, pixels in zip(axes.flat, SENTINEL2.bands, np.moveaxis(image, -1, 0), strict=True):
        pixels = np.where(pixels == MISSING, np.nan, pixels)
        ax.imshow(pixels, cmap="gray")
        title = f"{band.name}, {band.centre:.0f} nm, {band.resolution:.0f} m"
        ax.set_title(title, fontsize=8, backgroundcolor=ground[int(band.resolution)])
        ax.set(xticks=[], yticks=[])
    plt.show()


def show_spectra(sample: Sample, pixels: Mapping[str, tuple[int, int]], time: int = 0) -> None:
    """Spectra of a few pixels beside the picture that shows where they are.

    Args:
        sample: a sample with Sentinel-2.
        pixels: label -> (row, column), at most four.
        time: timestep.
    """
    _, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), width_ratios=[1, 1.8], layout="constrained")
    left.imshow(true_colour(sample, time))
    left.set(title=f"{sample.title}, {sample.dates[time]}", xticks=[], yticks=[])
    order = np.argsort([band.centre or 0 for band in SENTINEL2.bands])
    centres = [SENTINEL2.bands[i].centre for i in order]
    for (label, (row, column)), colour in zip(pixels.items(), PLACE_COLOURS, strict=False):
        left.plot(column, row, "o", mfc=colour, mec="white", ms=9)
        right.plot(centres, _series(sample, row, column)[time, order], "o-", color=colour, label=label)
    right.set(xlabel="wavelength, nm", ylabel="digital number", title="one pixel, twelve bands", ylim=(0, None))
    right.legend(frameon=False)
    plt.show()


def show_year(sample: Sample, row: int, column: int) -> None:
    """The place at up to four dates, and one pixel in six bands over time.

    Args:
        sample: a sample with Sentinel-2.
        row: pixel row of the followed pixel.
        column: its pixel column.
    """
    steps = np.unique(np.linspace(0, len(sample.dates) - 1, 4).round().astype(int))
    figure = plt.figure(figsize=(8.6, 4.6), dpi=80, layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[1, 1.7])
    above, below = parts
    for ax, step in zip(np.atleast_1d(above.subplots(1, len(steps))), steps, strict=True):
        ax.imshow(true_colour(sample, int(step)))
        ax.plot(column, row, "o", mfc="yellow", mec="black", ms=6)
        ax.set(title=sample.dates[step], xticks=[], yticks=[])
    ax, series = below.subplots(), _series(sample, row, column)
    for name, colour in YEAR_BANDS.items():
        index = SENTINEL2.indices([name])[0]
        label = f"{name}, {SENTINEL2.bands[index].centre:.0f} nm"
        ax.plot(sample.dates, series[:, index], "o-", ms=4, color=colour, label=label)
    ax.tick_params(axis="x", rotation=45)
    ax.set(ylabel="digital number", title="the marked pixel in six of its bands", ylim=(0, None))
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    plt.show()
