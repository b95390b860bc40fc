"""Figures and tables of the simulated world: python benchmarks/world.py WORLD [REAL.hdf5]

WORLD is a folder that `olmoearth-nb data simulate` made, REAL a GeoBench m-eurosat chip to compare with. Writes
docs/figures/world_*.png and prints the tables of docs/results/world.md.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from olmoearth_nb import MODALITIES
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_sample
from olmoearth_nb.data.simulate.geography import CROPS, SCENE_CLASSES
from olmoearth_nb.data.simulate.library import library
from olmoearth_nb.data.simulate.tile import make_tile
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.plots import world as plots_world
from olmoearth_nb.plots.indices import clearest
from olmoearth_nb.plots.style import use_style

FIGURES = Path(__file__).parents[1] / "docs" / "figures"


def save(name, draw, *arguments):
    """Draws a figure and writes it instead of showing it."""
    show, plt.show = plt.show, lambda: None
    try:
        draw(*arguments)
    finally:
        plt.show = show
    plt.savefig(FIGURES / f"world_{name}.png", dpi=80)
    plt.close("all")


def values_of(samples, name):
    """(n, bands) observed values of a modality."""
    flat = np.concatenate([s.images[name].reshape(-1, s.images[name].shape[-1]) for s in samples if name in s.images])
    return flat[(flat != MISSING).all(1)]


def power(image):
    """Radial power spectrum of (H, W) images' mean, relative to its first value."""
    height, width = image.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    spectrum = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij"))
    edges = np.geomspace(1 / min(height, width), 0.5, 9)
    mean = [spectrum[(radius >= a) & (radius < b)].mean() for a, b in pairwise(edges)]
    return (edges[:-1] * edges[1:]) ** 0.5, np.array(mean)


def table(samples):
    """Mean and spread of every band beside the official statistics."""
    print("| band | world, mean | official, mean | world, std | official, std |\n|---|---|---|---|---|")
    for name in ("sentinel2_l2a", "sentinel1", "landsat"):
        values = values_of(samples, name)
        for band, mean, std in zip(MODALITIES[name].bands, values.mean(0), values.std(0), strict=True):
            label = band.name if name != "landsat" else f"Landsat {band.name}"
            print(f"| {label} | {mean:.1f} | {band.mean:.1f} | {std:.1f} | {band.std:.1f} |")


def years(tiles=40):
    """NDVI of one pixel of up to thirty fields of each crop, northern tiles."""
    found = {crop: [] for crop in CROPS}
    for number in range(tiles):
        tile = make_tile(0, number)
        if tile.latlon[0] < 0:
            continue
        image = tile.images["sentinel2_l2a"].astype(float)
        ndvi = (image[..., 3] - image[..., 2]) / (image[..., 3] + image[..., 2])
        ndvi[image[..., 0] > 2500] = np.nan
        ndvi[:, :, ~tile.present["sentinel2_l2a"]] = np.nan
        for index, crop in enumerate(CROPS):
            rows, columns = np.nonzero(tile.labels["crop"] == index)
            if len(rows) and len(found[crop]) < 30:
                found[crop] += [ndvi[rows[i], columns[i]] for i in (len(rows) // 4, 3 * len(rows) // 4)]
    return {crop: np.array(values) for crop, values in found.items()}


def main():
    use_style()
    world = World(sys.argv[1])
    every = [np.flatnonzero(world.kind == kind) for kind in range(len(SCENE_CLASSES))]
    chosen = np.concatenate([own[np.linspace(0, len(own) - 1, 5).astype(int)[1:4]] for own in every])
    samples = world.samples(chosen)
    save("scenes", plots_world.show_scenes, samples, [SCENE_CLASSES[world.kind[i]] for i in chosen])
    save("spectra", plots_world.show_library, library("train"))
    save("years", plots_world.show_years, years())
    some = world.samples(np.arange(0, len(world), max(1, len(world) // 300)), ("sentinel2_l2a", "sentinel1", "landsat"))
    table(some)
    clear = [s.images["sentinel2_l2a"][:, :, clearest(s)] for s in some]
    matrices = {"world, clear dates": np.corrcoef(np.concatenate([c.reshape(-1, 12) for c in clear]).T)}
    tile = [make_tile(0, i).images["sentinel2_l2a"] for i in range(8)]
    month = [int(np.argmin(t[..., 0].mean((0, 1)))) for t in tile]
    curves = {}
    for band, label in ((3, "B08"), (2, "B04")):
        spectra = [power(t[:64, :64, m, band].astype(float)) for t, m in zip(tile, month, strict=True)]
        mean = np.exp(np.mean([np.log(p) for _, p in spectra], 0))
        curves[f"world {label}"] = (spectra[0][0], mean / mean[0])
    if len(sys.argv) > 2:
        real = load_sample(sys.argv[2]).images["sentinel2_l2a"][:, :, 0]
        matrices["one m-eurosat chip"] = np.corrcoef(real.reshape(-1, 12).T)
        for band, label in ((3, "B08"), (2, "B04")):
            frequency, value = power(real[..., band])
            curves[f"m-eurosat chip {label}"] = (frequency, value / value[0])
    save("correlation", plots_world.show_correlations, matrices)
    save("power", plots_world.show_power, curves)
    counts = np.bincount(world.kind, minlength=len(SCENE_CLASSES))
    print("\nscenes by class:", ", ".join(f"{name} {n}" for name, n in zip(SCENE_CLASSES, counts, strict=True)))


if __name__ == "__main__":
    main()
