"""Figures of the simulated world; the look is that of `olmoearth_nb.plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.simulate.library import CANOPIES, LAI, UNIT, Library
from olmoearth_nb.plots import true_colour
from olmoearth_nb.sample import Sample

BY_WAVELENGTH = sorted(range(12), key=lambda i: SENTINEL2.bands[i].centre or 0.0)
"""Channels of Sentinel-2 in the order of their wavelengths."""


def clearest(sample: Sample) -> int:
    """Timestep with the least cloud: every pixel observed, lowest mean of the blue band in summer's half."""
    image = sample.images["sentinel2_l2a"]
    gaps = (image == MISSING).any((0, 1, 3))
    infrared, blue = image[..., 3].mean((0, 1)), image[..., 0].mean((0, 1))
    return int(np.argmax(np.where(gaps, -np.inf, (infrared - 3 * blue) / (infrared + blue + 1))))


def show_scenes(samples: Sequence[Sample], titles: Sequence[str], columns: int = 6) -> None:
    """Scenes in true colour, each at its greenest clear date.

    Args:
        samples: the scenes.
        titles: one each.
        columns: scenes in a row.
    """
    rows = -(-len(samples) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(1.45 * columns, 1.65 * rows), layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, sample, title in zip(axes.flat, samples, titles, strict=False):
        ax.imshow(true_colour(sample.select_times([clearest(sample)])))
        ax.set_title(title, fontsize=8)
    plt.show()


def show_library(library: Library) -> None:
    """Spectra of the world through the bands of Sentinel-2: grounds, waters and whites, canopies by leaf area."""
    _, axes = plt.subplots(1, 3, figsize=(10.5, 3.3), layout="constrained")
    centres = [SENTINEL2.bands[i].centre for i in BY_WAVELENGTH]
    colours = plt.get_cmap("tab20")(np.linspace(0, 1, 20))
    dry = [name for name in library.grounds if name not in ("clear", "turbid", "algal", "snow", "cloud")]
    for ax, names, title in (
        (axes[0], dry, "measured grounds (earthlib), medians"),
        (axes[1], ["clear", "turbid", "algal", "snow", "cloud"], "modelled water, snow and cloud"),
    ):
        for name, colour in zip(names, colours, strict=False):
            middle = np.median(library.grounds[name], 0)[:12][BY_WAVELENGTH] * UNIT
            ax.plot(centres, middle, "o-", ms=3, lw=1.2, color=colour, label=name)
        ax.set(title=title, xlabel="wavelength, nm", ylim=(0, None))
        ax.legend(frameon=False, fontsize=7, ncols=2)
    green = plt.get_cmap("viridis")(np.linspace(0.95, 0.1, len(LAI)))
    for i, (area, colour) in enumerate(zip(LAI, green, strict=True)):
        spectrum = library.canopies[CANOPIES.index("cereal"), 0, 1, 0, 1, 0, i, :12][BY_WAVELENGTH] * UNIT
        axes[2].plot(centres, spectrum, "o-", ms=3, lw=1.2, color=colour, label=f"LAI {area:g}")
    axes[2].set(title="a cereal (PROSAIL)", xlabel="wavelength, nm", ylim=(0, None))
    axes[2].legend(frameon=False, fontsize=7)
    axes[0].set_ylabel("reflectance")
    plt.show()


def show_years(series: Mapping[str, np.ndarray]) -> None:
    """NDVI of fields through twelve months.

    Args:
        series: crop -> (fields, 12) NDVI, NaN where clouded or missing.
    """
    _, axes = plt.subplots(1, len(series), figsize=(2.0 * len(series), 2.4), layout="constrained", sharey=True)
    for ax, (crop, values) in zip(axes, series.items(), strict=True):
        ax.plot(np.arange(1, 13), values.T, "-", color="#009E73", alpha=0.35, lw=1)
        ax.plot(np.arange(1, 13), np.nanmedian(values, 0), "o-", color="black", ms=3)
        ax.set(title=crop, xlabel="month", xticks=[1, 4, 7, 10], ylim=(-0.1, 1))
    axes[0].set_ylabel("NDVI")
    plt.show()


def show_correlations(matrices: Mapping[str, np.ndarray]) -> None:
    """Correlation of the twelve bands, in the order of wavelengths, one matrix a source."""
    _, axes = plt.subplots(1, len(matrices), figsize=(4.2 * len(matrices), 3.8), layout="constrained", squeeze=False)
    names = [SENTINEL2.bands[i].name for i in BY_WAVELENGTH]
    for ax, (title, matrix) in zip(axes[0], matrices.items(), strict=True):
        picture = ax.imshow(matrix[np.ix_(BY_WAVELENGTH, BY_WAVELENGTH)], cmap="RdBu_r", vmin=-1, vmax=1)
        ax.set_xticks(range(12), names, rotation=90, fontsize=7)
        ax.set_yticks(range(12), names, fontsize=7)
        ax.set_title(title, fontsize=9)
    plt.colorbar(picture, ax=axes[0], shrink=0.8)
    plt.show()


def show_power(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Spatial power spectra: frequency in cycles per pixel against power, both logarithmic."""
    _, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    for (label, (frequency, power)), style in zip(curves.items(), ("-", "--", ":", "-."), strict=False):
        ax.loglog(frequency, power, style, label=label)
    ax.set(xlabel="cycles per pixel of 10 m", ylabel="power, relative to the first")
    ax.legend(frameon=False, fontsize=8)
    plt.show()
