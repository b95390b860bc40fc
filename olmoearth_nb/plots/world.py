"""Figures of the simulated world; the look is that of `olmoearth_nb.plots.style`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.simulate.library import CANOPIES, LAI, UNIT, Library, surface_spectra
from olmoearth_nb.plots.indices import clearest
from olmoearth_nb.plots.sample import spread, wavelengths
from olmoearth_nb.plots.style import BY_WAVELENGTH, true_colour
from olmoearth_nb.sample import Sample


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


_LOOK = {
    "clear water": ("#2166ac", "--"),
    "bare soil": ("#8c510a", "-"),
    "green leaves": ("#1b7837", "--"),
    "dry plants": ("#c9a227", "-"),
    "tile roof": ("#d6604d", "-"),
    "asphalt": ("#4d4d4d", "-"),
    "snow": ("#74add1", "--"),
    "cloud": ("#9e9e9e", "--"),
}
"""Surface of `library.SURFACES` -> colour and line: solid for measured spectra, dashed for modelled ones."""


def show_surfaces(library: Library, own: np.ndarray, label: str) -> None:
    """What surfaces reflect in each band: grounds and plants beside a place of one's own, snow and cloud apart.

    Args:
        library: the world's spectra.
        own: (12,) reflectance of the place in channel order.
        label: what to call it.
    """
    spectra = surface_spectra(library)
    _, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5), width_ratios=[1.7, 1], layout="constrained")
    centres = [SENTINEL2.bands[i].centre or 0.0 for i in BY_WAVELENGTH]
    for name, values in spectra.items():
        colour, line = _LOOK[name]
        ax = right if name in ("snow", "cloud") else left
        ax.plot(centres, values[BY_WAVELENGTH], line, marker="o", ms=3.5, lw=1.5, color=colour, label=name)
    left.plot(centres, own[BY_WAVELENGTH], "D", ms=5, mfc="none", mec="black", label=label)
    highest = float(np.nanmax(own, initial=0.6))
    for ax, top in ((left, highest * 1.04), (right, 1.05)):
        ax.set(xscale="log", xlim=(420, 2400), ylim=(0, top), xlabel="wavelength, nm")
        ax.legend(frameon=False, fontsize=8, handlelength=1.6)
    wavelengths(left)
    wavelengths(right, (500, 1000, 1500, 2000))
    for channel, centre, label in zip(BY_WAVELENGTH, centres, np.exp(spread(np.log(centres), 0.06)), strict=True):
        left.annotate(
            SENTINEL2.bands[channel].name, (centre, 1), (label, 1.06), rotation=90, fontsize=7, ha="center",
            xycoords=("data", "axes fraction"), textcoords=("data", "axes fraction"),
            arrowprops={"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    left.set_ylabel("reflectance")
    right.set_ylabel("reflectance, another scale")
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
