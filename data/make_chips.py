"""Makes the simulated chips in data/chips: python data/make_chips.py (needs the [simulate] extra).

Three places of 640 x 640 m over the twelve months of 2023. Soils, dry plants, roofs and roads are measured
spectra of earthlib 1.1.0; green canopies are its PROSAIL-modelled ones, because it holds no measured
ones. Everything else (outlines, season, mixing, noise) is invented here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from earthlib.endmembers import full_library, full_metadata

from olmoearth_nb.bands import SENTINEL2

SIZE = 64  # pixels of 10 m
FINE = 264  # 66 x 66 px, divisible by the 60 m grid, in cells of 2.5 m
DATES = [f"2023-{month:02d}-01" for month in range(1, 13)]
Fractions = dict[str, np.ndarray]


def band_reflectance(kind: str, generator: np.random.Generator) -> np.ndarray:
    """(12,) reflectance in the Sentinel-2 bands of one random spectrum of an earthlib LEVEL_3 class.

    Drawn from the half of the class that is nearest to its median brightness. Bands are Gaussians of the
    published centre and full width at half maximum.
    """
    rows = np.flatnonzero((full_metadata["LEVEL_3"] == kind).to_numpy())
    brightness = full_library.data[rows].mean(1)
    rows = rows[np.abs(brightness - np.median(brightness)).argsort()[: len(rows) // 2]]
    spectrum = full_library.data[generator.choice(rows)]
    wavelength = np.asarray(full_library.sensor.band_centers) * 1000  # micrometres to nm
    centre = np.array([band.centre for band in SENTINEL2.bands])[:, None]
    sigma = np.array([band.width for band in SENTINEL2.bands])[:, None] / 2.355
    weight = np.exp(-0.5 * ((wavelength - centre) / sigma) ** 2)
    return (weight * spectrum).sum(1) / weight.sum(1)


def parcels(count: int, generator: np.random.Generator) -> np.ndarray:
    """(FINE, FINE) labels 0..count-1 of parcels with straight borders."""
    seeds = generator.uniform(0, FINE, (count, 2)) * [1.0, 1.6]
    y, x = np.mgrid[:FINE, :FINE]
    turn = generator.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), 1.6 * (y * np.cos(turn) - x * np.sin(turn))
    centre = np.array([[(u.min() + u.max()) / 2, (v.min() + v.max()) / 2]]) - [FINE / 2, 0.8 * FINE]
    distance = np.hypot(u[..., None] - (seeds + centre)[:, 0], v[..., None] - (seeds + centre)[:, 1])
    return distance.argmin(-1)


def road(generator: np.random.Generator, width: float = 5.0) -> np.ndarray:
    """(FINE, FINE) bool mask of a straight road; width in cells of 2.5 m."""
    y, x = np.mgrid[:FINE, :FINE] - FINE / 2
    turn, offset = generator.uniform(0, np.pi), generator.uniform(-60, 60)
    return np.abs(x * np.cos(turn) + y * np.sin(turn) - offset) < width / 2


def observe(reflectance: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(FINE, FINE, 12) reflectance to (SIZE, SIZE, 12) digital numbers.

    Each band is averaged over its native pixel of 10, 20 or 60 m, gets noise of 1 %, and is brought to
    10 m by repetition.
    """
    bands = []
    for i, band in enumerate(SENTINEL2.bands):
        cells = int(band.resolution / 2.5)
        native = reflectance[..., i].reshape(FINE // cells, cells, FINE // cells, cells).mean((1, 3))
        native = native * (1 + 0.01 * generator.standard_normal(native.shape))
        bands.append(native.repeat(cells // 4, 0).repeat(cells // 4, 1)[:SIZE, :SIZE])
    return np.round(10_000 * np.stack(bands, -1)).clip(1, 65_535).astype(np.uint16)


def season(month: int, peak: float, width: float) -> float:
    """Green cover in a month, 0..1, around the month of its peak."""
    return float(np.exp(-0.5 * ((month - peak + 6) % 12 - 6) ** 2 / width**2))


def scene(name: str, seed: int) -> np.ndarray:
    """(SIZE, SIZE, 12 dates, 12 bands) digital numbers of a place: "fields", "forest" or "town"."""
    generator = np.random.default_rng(seed)
    pick = lambda kind: band_reflectance(kind, generator)  # noqa: E731
    count = {"fields": 14, "forest": 9, "town": 60}[name]
    label, track = parcels(count, generator), road(generator)
    soil = np.stack([pick("soil") for _ in range(count)])
    green = np.stack([pick("canopy") for _ in range(count)])
    dry = np.stack([pick("litter") for _ in range(count)])
    roof = np.stack([pick(["comp_shingle", "concrete_tile", "metal", "tile"][i % 4]) for i in range(count)])
    built = generator.uniform(size=count) < {"fields": 0.0, "forest": 0.0, "town": 0.6}[name]
    forest = generator.uniform(size=count) < {"fields": 0.1, "forest": 0.7, "town": 0.1}[name]
    peak = np.where(forest, 6.5, generator.choice([4.5, 6.0, 7.5], count))
    width = np.where(forest, 3.2, generator.uniform(1.0, 1.8, count))
    texture = 1 + 0.06 * generator.standard_normal((FINE, FINE, 1))
    tarmac, images = pick("road"), []
    for month in range(12):
        cover = np.array([season(month, p, w) for p, w in zip(peak, width, strict=True)])[:, None]
        cover = np.where(forest[:, None], 0.15 + 0.8 * cover, 0.9 * cover)
        ground = 0.7 * soil + 0.3 * dry
        plants = cover * green + (1 - cover) * ground
        surface = np.where(built[:, None], 0.8 * roof + 0.2 * plants, plants)
        fine = surface[label] * texture
        fine[track] = tarmac
        images.append(observe(fine, generator))
    return np.stack(images, axis=2)


def main() -> None:
    """Writes one .npz a place."""
    folder = Path(__file__).parent / "chips"
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(("fields", "forest", "town")):
        image = scene(name, seed)
        np.savez_compressed(folder / f"{name}.npz", image=image, bands=list(SENTINEL2.band_names), dates=DATES)
        print(name, image.shape, f"{(folder / f'{name}.npz').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
