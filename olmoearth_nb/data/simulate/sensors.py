"""How three sensors see a tile: point spread and native pixels, light and haze, clouds, noise, digital numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from olmoearth_nb.bands import SENTINEL2, modality
from olmoearth_nb.data.simulate.geography import CELLS, COVERS, FINE, MARGIN, TILE, Geography
from olmoearth_nb.data.simulate.library import BANDS, LANDSAT_REFLECTIVE, UNIT, Library
from olmoearth_nb.data.simulate.noise import quantise, rough
from olmoearth_nb.data.simulate.season import MONTHS, Climate, Year
from olmoearth_nb.data.simulate.version import Version

SPREAD = 1.1
"""Full width at half maximum of a sensor's point spread in its native pixels (declared; Sentinel-2's is near 1)."""

CENTRE: dict[str, float] = {band.name: band.centre or 0.0 for band in SENTINEL2.bands} | {
    "LB8": 589.5, "LB1": 442.96, "LB2": 482.04, "LB3": 561.41, "LB4": 654.59, "LB5": 864.67, "LB6": 1608.86,
    "LB7": 2200.73, "LB9": 1373.43,
}  # fmt: skip
"""Centre wavelengths in nm (ESA; USGS for Landsat 8, whose names carry an L)."""

NOISE = 0.004
"""Standard deviation of the noise of a native pixel, relative to its reflectance, plus `NOISE_FLOOR`."""

NOISE_FLOOR = 0.0008

TEXTURE = 0.09
"""Logarithmic contrast of the texture at the size of a crown, before a pixel averages it."""

SMOOTH = ("water", "roof", "paved")
"""Covers without such texture."""

CIRRUS = 0.15
"""Reflectance of an opaque cloud in Landsat's cirrus band, whose vapour lies below the cloud's top."""

WINDOW = 0.95
"""What gases let pass where a band lies in a window of the atmosphere."""

LOOKS = 9
"""Independent looks in a monthly Sentinel-1 value: speckle is Gamma distributed with this shape."""


def kernel(cells: int) -> np.ndarray:
    """(2 r,) whole-number weights of a Gaussian point spread, r a native pixel of so many cells, cut at one pixel."""
    at = np.arange(-cells, cells) + 0.5
    sigma = SPREAD * cells / 2.3548
    return np.round(256 * np.exp(-0.5 * (at / sigma) ** 2))


def shares(label: np.ndarray, cells: int, surfaces: int) -> tuple[np.ndarray, float]:
    """How much of each surface a native pixel sees.

    Args:
        label: (FINE, FINE) surface of each cell.
        cells: edge of a native pixel in cells.
        surfaces: K.

    Returns:
        (pixels, K) whole-number weights, row by row, and their sum for one pixel. The pixels cover the tile
        and begin at its upper left corner; the last row and column may reach beyond it.
    """
    weight = kernel(cells)
    edge = -(-TILE * CELLS // cells)
    first = MARGIN + (cells - 1) // 2 + 1 - cells  # first cell under the kernel of the first pixel
    at = np.clip(first + cells * np.arange(edge)[:, None] + np.arange(2 * cells), 0, FINE - 1)  # (edge, 2 r)
    index = np.arange(edge * edge).reshape(edge, edge)[:, :, None, None] * surfaces
    seen = label[at[:, None, :, None], at[None, :, None, :]]  # (edge, edge, 2 r, 2 r)
    weights = np.broadcast_to(weight[:, None] * weight, seen.shape)
    counted = np.bincount((index + seen).ravel(), weights.ravel(), minlength=edge * edge * surfaces)
    return counted.reshape(edge * edge, surfaces), float(weight.sum() ** 2)


class View:
    """The tile through every native grid, each computed once."""

    def __init__(self, geography: Geography) -> None:
        self.geography = geography
        self._shares: dict[int, tuple[np.ndarray, float]] = {}

    def __call__(self, cells: int, values: np.ndarray) -> np.ndarray:
        """Mixes values of surfaces.

        Args:
            cells: edge of the native pixel in cells of 2.5 m.
            values: (K, ...) of each surface.

        Returns:
            (rows, columns, ...) of each native pixel.
        """
        if cells not in self._shares:
            self._shares[cells] = shares(self.geography.label, cells, len(values))
        weights, total = self._shares[cells]
        edge = int(np.sqrt(len(weights)))
        mixed = weights @ values.reshape(len(values), -1) / total
        return mixed.reshape(edge, edge, *values.shape[1:])

    def dominant(self, cells: int) -> np.ndarray:
        """(rows, columns) the largest surface of the cover that fills most of each pixel, of a grid looked at."""
        weights, _ = self._shares[cells]
        edge = int(np.sqrt(len(weights)))
        cover = np.asarray(self.geography.cover)
        top = (weights @ np.eye(len(COVERS))[cover]).argmax(1)
        return np.where(cover == top[:, None], weights, -1).argmax(1).reshape(edge, edge)


def light(geography: Geography, climate: Climate) -> np.ndarray:
    """(TILE, TILE, 12) brightness of slopes, cosine of incidence over that of the zenith angle, and fine texture."""
    inner = slice(MARGIN, MARGIN + TILE * CELLS)
    height = geography.elevation[inner, inner].reshape(TILE, CELLS, TILE, CELLS).mean((1, 3))
    down, right = np.gradient(ndimage.uniform_filter(height, 5), 10.0)
    towards = (down[..., None] * climate.north - right[..., None] * climate.east) / climate.sun
    slopes = np.clip((1 + towards) / np.sqrt(1 + down**2 + right**2)[..., None], 0.4, 1.6)
    smooth = np.isin(geography.cover, [COVERS.index(name) for name in SMOOTH])[geography.label]
    grain = np.where(smooth, 0, geography.grain)[inner, inner].reshape(TILE, CELLS, TILE, CELLS).mean((1, 3))
    return quantise(slopes * np.exp(TEXTURE * grain)[..., None])


def clouds(climate: Climate, generator: np.random.Generator, version: Version) -> np.ndarray:
    """(TILE, TILE, 12) opacity of clouds and their shadows: above 0 cloud, below 0 shadow, cast away from the sun."""
    cover, far = np.zeros((TILE, TILE, MONTHS)), 16
    inner = slice(far, far + TILE)
    for month in range(MONTHS):
        amount = generator.choice([0.0, 0.05, 0.2, 0.6, 1.0], p=version.cloud_chances)
        field = rough((TILE + 2 * far, TILE + 2 * far), generator.uniform(25, 60), generator)
        if amount:
            opacity = np.clip((field - np.quantile(field, 1 - amount)) * 1.5, 0, generator.uniform(0.6, 1.0))
            away = np.round(12 * np.array([climate.north[month], -climate.east[month]])).astype(int)
            shadow = np.roll(opacity, away, (0, 1)) * (opacity == 0)
            cover[..., month] = (opacity - 0.5 * shadow)[inner, inner]
    return quantise(cover)


def spread_out(native: np.ndarray, cells: int) -> np.ndarray:
    """Brings a native grid to 10 m as the official data are: by repetition; 60 m by way of a 40 m grid.

    Args:
        native: (rows, columns, ...).
        cells: edge of the native pixel in cells of 2.5 m.
    """
    target = {24: 16, 40: 8, 12: 8, 6: 4}.get(cells, cells)  # 60 m is kept at 40 m, 30 and 100 m at 20, 15 at 10
    edge = TILE * CELLS // target
    nearest = ((np.arange(edge) + 0.5) * target / cells).astype(int)
    kept = native[nearest][:, nearest]
    return kept.repeat(target // CELLS, 0).repeat(target // CELLS, 1)


def at_native(field: np.ndarray, cells: int) -> np.ndarray:
    """(TILE, TILE, 12) a field of 10 m as a coarser native grid sees it, brought back to 10 m."""
    wide = max(1, cells // CELLS)
    blurred = ndimage.uniform_filter(field, (wide, wide, 1))
    edge = -(-TILE * CELLS // cells)
    at = np.minimum(((np.arange(edge) + 0.5) * cells / CELLS).astype(int), TILE - 1)
    return quantise(spread_out(blurred[at][:, at], cells))


def optical(
    view: View,
    year: Year,
    library: Library,
    names: Mapping[str, int],
    scene: Mapping[str, np.ndarray],
    generator: np.random.Generator,
) -> np.ndarray:
    """Surface reflectance under clouds, as a sensor samples it.

    Args:
        view: the tile.
        year: its surfaces.
        library: for the cloud's spectrum.
        names: band of `BANDS` -> edge of its native pixel in cells.
        scene: `light` and `clouds`, (TILE, TILE, 12), and `haze`, (12,) reflectance at 550 nm.
        generator: draws the noise.

    Returns:
        (TILE, TILE, 12, bands) reflectance.
    """
    out = np.empty((TILE, TILE, MONTHS, len(names)))
    white = library.grounds["cloud"]
    white = white[int(generator.integers(len(white)))] * UNIT
    for cells in sorted(set(names.values())):
        at = [i for i, own in enumerate(names.values()) if own == cells]
        bands = [name for name, own in names.items() if own == cells]
        column = [BANDS.index(name) for name in bands]
        native = view(cells, year.reflectance[..., column]) * UNIT
        native *= quantise(1 + view.geography.version.gain * generator.standard_normal((MONTHS, len(bands))))
        native *= 1 + NOISE * generator.standard_normal(native.shape)
        native += NOISE_FLOOR * generator.standard_normal(native.shape)
        image = spread_out(native, cells)
        cover, shine = at_native(scene["clouds"], cells), at_native(scene["light"], cells)
        opaque = np.clip(cover, 0, 1)
        haze = quantise(scene["haze"][:, None] * np.array([(550 / CENTRE[name]) ** 1.3 for name in bands]))
        image *= (shine * (1 - 0.9 * np.clip(-cover, 0, 1)) * (1 - opaque))[..., None]
        image += (1 - opaque)[..., None] * haze + opaque[..., None] * white[column]
        out[..., at] = image
    return out


def scattering(names: Sequence[str], climate: Climate) -> tuple[np.ndarray, np.ndarray]:
    """Reflectance of clean air, and what it lets pass on both ways, (12, bands) each.

    Rayleigh depth of Hansen and Travis 1974 (doi:10.1007/BF00168069), single scattering, seen from the zenith.
    """
    micron = np.array([CENTRE[name] for name in names]) / 1000
    depth = 0.008569 * micron**-4 * (1 + 0.0113 * micron**-2 + 0.00013 * micron**-4)
    mu = climate.sun[:, None]
    return depth * 0.75 * (1 + mu**2) / (4 * mu), np.exp(-0.5 * depth * (1 / mu + 1))


def vapour(climate: Climate) -> np.ndarray:
    """(12,) water vapour on the way from the sun to the ground and up to the sensor, in cm of liquid water.

    Leckner 1978 (doi:10.1016/0038-092X(78)90187-1): 0.493 h / T exp(26.23 - 5416 / T) in the zenith, T in kelvin;
    the relative humidity h of the air is this world's own, from .4 over dry to .8 over wet ground.
    """
    humidity = 0.4 + 0.4 * climate.moisture
    zenith = 0.493 * humidity / climate.warmth * np.exp(26.23 - 5416 / climate.warmth)
    return zenith * (1 / climate.sun + 1)


def top_of_atmosphere(surface: np.ndarray, names: Sequence[str], climate: Climate, clouds: np.ndarray) -> np.ndarray:
    """Surface reflectance as it looks from above the air: path radiance, scattering, and vapour in B09.

    Vapour lets exp(.02 - .651 sqrt(W)) pass at 940 nm (Kaufman and Gao 1992, doi:10.1109/36.175321), W in cm on the
    slant path; a fifth of it lies above an opaque cloud. In the windows gases let `WINDOW` pass.

    Args:
        surface: (TILE, TILE, 12, bands) reflectance.
        names: of the bands.
        climate: sun, warmth and moisture of the months.
        clouds: (TILE, TILE, 12) as of `clouds`.
    """
    path, passed = (quantise(values) for values in scattering(names, climate))
    gases = np.full(surface.shape, WINDOW)
    opaque = np.clip(at_native(clouds, 24), 0, 1)
    gases[..., list(names).index("B09")] = quantise(
        np.exp(0.02 - 0.651 * np.sqrt(vapour(climate) * (1 - 0.8 * opaque)))
    )
    return path + passed * gases * surface


def sentinel2(
    view: View,
    year: Year,
    library: Library,
    climate: Climate,
    scene: Mapping[str, np.ndarray],
    generator: np.random.Generator,
    level: str,
) -> np.ndarray:
    """(TILE, TILE, 12, 12) uint16 digital numbers of Sentinel-2, of the ground (L2A) or from above the air (L1C)."""
    names = {band.name: int(band.resolution / 2.5) for band in SENTINEL2.bands}
    image = optical(view, year, library, names, scene, generator)
    if level == "L1C":
        image = top_of_atmosphere(image, list(names), climate, scene["clouds"])
    return np.round(1e4 * image).clip(1, 65_535).astype(np.uint16)


def landsat(
    view: View,
    year: Year,
    library: Library,
    climate: Climate,
    scene: Mapping[str, np.ndarray],
    generator: np.random.Generator,
) -> np.ndarray:
    """(TILE, TILE, 12, 11) uint16 digital numbers of Landsat 8 Collection 2 Level 1.

    Reflectance at the top of the atmosphere: `scattering`, water vapour closes the cirrus band; reflectance =
    DN 2e-5 - 0.1 over the sun's cosine, radiance = DN 3.342e-4 + 0.1, and Planck's constants K1, K2 as in every
    scene's metadata (USGS).
    """
    names = {f"L{name}": 6 if name == "B8" else 12 for name in LANDSAT_REFLECTIVE}
    surface = optical(view, year, library, names, scene, generator)
    path, passed = scattering(list(names), climate)
    passed = passed * np.where(np.array(list(names)) == "LB9", 0.02, WINDOW)
    toa = quantise(path) + quantise(passed) * surface
    cirrus = list(names).index("LB9")
    toa[..., cirrus] += CIRRUS * np.clip(at_native(scene["clouds"], 12), 0, 1)
    toa *= climate.sun[:, None]
    reflective = (toa + 0.1) / 2e-5
    native = view(40, year.temperature)
    warm = spread_out(native + 0.3 * generator.standard_normal(native.shape), 40)
    warm = warm + np.clip(at_native(scene["clouds"], 40), 0, 1) * (climate.warmth - 25 - warm)
    thermal = [
        (k1 / (np.exp(k2 / warm) - 1) - 0.1) / 3.342e-4 for k1, k2 in ((774.8853, 1321.0789), (480.8883, 1201.1442))
    ]
    order = [f"L{name}" for name in modality("landsat").band_names[:-2]]
    images = [reflective[..., list(names).index(name)] for name in order] + thermal
    return np.round(np.stack(images, -1)).clip(1, 65_535).astype(np.uint16)


def sentinel1(view: View, year: Year, generator: np.random.Generator) -> np.ndarray:
    """(TILE, TILE, 12, 2) float32 backscatter of VV and VH in dB, speckled, in steps of 1/256 dB."""
    power = view(CELLS, year.backscatter)
    power = ndimage.uniform_filter(power, (2, 2, 1, 1))
    power = power * generator.gamma(LOOKS, 1 / LOOKS, power.shape)
    return (np.round(10 * np.log10(np.clip(power, 1e-4, None)) * 256) / 256).astype(np.float32)
