"""How like real pixels a simulated world is: python benchmarks/likeness.py SET... [--figure=PNG]

A SET is a simulated world (a folder with world.json), WorldCereal's pixel series (.parquet) or cube (.nc), chips with
digital numbers in an array `dn` and their bands in an attribute (.h5), or EuroSAT's class folders. Prints a table:
each figure of each set, and how near the worlds come to the range of the real ones, those given here and those
measured before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rasterio
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.simulate.sensors import CENTRE
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.plots.style import use_style

BANDS = ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12")
"""The ten bands that every figure but that of B09 is of."""

BRIGHT = 2000
"""Digital number of B02 from which a pixel counts as cloud, snow or bright haze."""

DENSE = 0.5
"""NDVI above which a pixel counts as dense vegetation."""

DRAWN = 20_000
"""Most pixels of a set that regressions and components are computed of."""

WINDOW = 32
"""Edge in pixels of the windows within which NDVI is correlated, whatever a scene's size."""

WITHIN = 1.5
"""A figure is near reality where it lies within this factor of the range of real sets."""

EARLIER = {
    "correlation B02, B08": (0.35, 0.78, 0.26),
    "correlation B04, B8A": (0.39, 0.81, 0.41),
    "correlation B05, B06": (0.70, 0.93, 0.81),
    "correlation B03, B04": (0.96, 0.96, 0.94),
    "effective rank": (2.38, 1.69, 2.13),
    "first component, %": (70, 88, 76),
    "second component, %": (23, 6, 19),
    "third component, %": (5, 3, 3),
    "own part of B03, %": (1.5, 2.8, 2.6),
    "own part of B04, %": (2.6, 2.7, 4.3),
    "own part of B03, DN": (36, 62, 18),
    "own part of B04, DN": (71, 85, 25),
    "own part of B11, DN": (144, 113, 58),
    "own part of B12, DN": (119, 109, 28),
    "effective rank within a scene": (1.92,),
    "variance between pixels, B8A": (0.78, 0.57),
    "variance between pixels, B09": (0.66, 0.47),
    "bright pixels, %": (5, 18),
    "NDVI autocorrelation, 1 px": (0.73,),
    "NDVI autocorrelation, 2 px": (0.43,),
    "NDVI autocorrelation, 4 px": (0.22,),
    "mean of clear land, B08": (2064, 2428),
    "mean of clear land, B06": (1819, 1973),
    "mean of clear land, B11": (2121, 1244),
    "dense: own part of B03, DN": (28,),
    "dense: own part of B04, DN": (46,),
    "dense: own part of B11, DN": (82,),
    "dense: own part of B12, DN": (57,),
    "dense: effective rank": (2.60,),
}
"""Figure -> what it is of fuel moisture (top of the atmosphere), of algae and of land use in Slovenia, in this order
where all three are known: measured before, on sets that are kept apart."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """A set of scenes.

    Attributes:
        name: of the set.
        bands: names of the bands.
        images: scenes (H, W, T, bands), digital numbers, NaN where nothing was observed.
    """

    name: str
    bands: tuple[str, ...]
    images: list[np.ndarray]

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, bands) observed pixels of all scenes and dates, drawn, and (n,) the scene of each."""
        flat, scene = [], []
        each = max(1, 4 * DRAWN // len(self.images))
        generator = np.random.default_rng(0)
        for number, image in enumerate(self.images):
            rows = image.reshape(-1, image.shape[-1])
            rows = rows[np.isfinite(rows).all(1)]
            flat.append(rows[generator.permutation(len(rows))[:each]])
            scene.append(np.full(len(flat[-1]), number))
        rows, scenes = np.concatenate(flat), np.concatenate(scene)
        drawn = generator.permutation(len(rows))[: 4 * DRAWN]
        return rows[drawn], scenes[drawn]

    def at(self, band: str) -> int:
        """Column of a band."""
        return self.bands.index(band)


def effective_rank(rows: np.ndarray) -> tuple[float, np.ndarray]:
    """Exponential of the entropy of the principal components' fractions of variance, and these fractions.

    Args:
        rows: (n, bands); every band counts alike, whatever its spread.
    """
    variance = np.clip(np.linalg.eigvalsh(np.corrcoef(rows.T)), 1e-12, None)[::-1]
    fraction = variance / variance.sum()
    return float(np.exp(-(fraction * np.log(fraction)).sum())), fraction


def own_part(rows: np.ndarray, column: int) -> tuple[float, float]:
    """What the other bands do not say of one: percent of its variance, and deviation in digital numbers.

    Ridge regression on the other bands, predicted for pixels that were not fitted (five parts).
    """
    y, x = rows[:, column], np.delete(rows, column, 1)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 7)))
    rest = y - cross_val_predict(model, x, y, cv=KFold(5, shuffle=True, random_state=0))
    return float(100 * rest.var() / y.var()), float(rest.std())


def autocorrelation(fields: Sequence[np.ndarray], lag: int) -> float:
    """Correlation of pixels so far apart, down and across, about the mean of their field; mean of all fields."""
    found = []
    for field in fields:
        field = field - np.nanmean(field)
        pairs = [(field[lag:], field[:-lag]), (field[:, lag:], field[:, :-lag])]
        found.append(np.mean([np.nanmean(a * b) for a, b in pairs]) / np.nanvar(field))
    return float(np.mean(found))


def between_pixels(images: Sequence[np.ndarray], column: int) -> float:
    """Fraction of a band's variance that lies between the means of pixels, the rest lying between their dates.

    Bright dates are left out, and pixels with fewer than two others; the variance that dates lend to a mean of few is
    taken off.
    """
    series = np.concatenate([image.reshape(-1, *image.shape[2:]) for image in images])
    values = np.where(series[..., 0] < BRIGHT, series[..., column], np.nan)
    count = np.isfinite(values).sum(1)
    values, count = values[count > 1], count[count > 1]
    mean = np.nanmean(values, 1)
    within = float(np.nansum((values - mean[:, None]) ** 2) / (count - 1).sum())
    between = float(mean.var() - (within / count).mean())
    return between / (between + within)


def ndvi(rows: np.ndarray, pixels: Pixels) -> np.ndarray:
    """Normalised difference of B08 and B04."""
    near, red = rows[..., pixels.at("B08")], rows[..., pixels.at("B04")]
    return (near - red) / np.maximum(near + red, 1)


def fields_of(pixels: Pixels) -> list[np.ndarray]:
    """NDVI of every window and date that is hardly bright or missing and not flat."""
    found = []
    for image in pixels.images:
        rows, columns = (range(0, edge - WINDOW + 1, WINDOW) for edge in image.shape[:2])
        for step, row, column in product(range(image.shape[2]), rows, columns):
            shown = image[row : row + WINDOW, column : column + WINDOW, step]
            clear = shown[..., pixels.at("B02")] < BRIGHT
            if clear.mean() > 0.95:
                field = np.where(clear, ndvi(shown, pixels), np.nan)
                if np.nanstd(field) > 0.02:
                    found.append(field)
    return found


def figures(pixels: Pixels) -> dict[str, float]:
    """Every figure that a set can give."""
    every, scene = pixels.table()
    ten = [i for i, band in enumerate(pixels.bands) if band in BANDS]
    dark = every[:, pixels.at("B02")] < BRIGHT
    clear, scene = every[dark], scene[dark]
    found = {"bright pixels, %": 100 * float(1 - dark.mean())}
    found |= bonds(clear, pixels) | ranks(clear[:, ten][:DRAWN]) | own_parts(clear[:DRAWN], pixels, ten, "")
    many = np.flatnonzero(np.bincount(scene) >= 150)
    if len(many):
        inner = [effective_rank(clear[:, ten][scene == number])[0] for number in many[:200]]
        found["effective rank within a scene"] = float(np.median(inner))
    if max(image.shape[2] for image in pixels.images) > 1:
        for band in ("B8A", "B09"):
            if band in pixels.bands:
                found[f"variance between pixels, {band}"] = between_pixels(pixels.images, pixels.at(band))
    fields = fields_of(pixels)
    if fields:
        found |= {f"NDVI autocorrelation, {lag} px": autocorrelation(fields, lag) for lag in (1, 2, 4)}
    green = ndvi(clear, pixels)
    land = clear[(green > 0.0) & (clear[:, pixels.at("B11")] > 300)]
    found |= {f"mean of clear land, {band}": float(land[:, pixels.at(band)].mean()) for band in ("B08", "B06", "B11")}
    if "B09" in pixels.bands and "B8A" in pixels.bands:
        found["B09 / B8A on clear land"] = float(land[:, pixels.at("B09")].mean() / land[:, pixels.at("B8A")].mean())
    dense = clear[green > DENSE][:DRAWN]
    found |= own_parts(dense, pixels, ten, "dense: ")
    found["dense: effective rank"] = effective_rank(dense[:, ten])[0]
    found["dense pixels, %"] = 100 * float((green > DENSE).mean())
    return found


def bonds(rows: np.ndarray, pixels: Pixels) -> dict[str, float]:
    """Correlations of four pairs of bands."""
    found = {}
    for pair in (("B02", "B08"), ("B04", "B8A"), ("B05", "B06"), ("B03", "B04")):
        if set(pair) <= set(pixels.bands):
            columns = [pixels.at(band) for band in pair]
            found[f"correlation {', '.join(pair)}"] = float(np.corrcoef(rows[:, columns].T)[0, 1])
    return found


def ranks(rows: np.ndarray) -> dict[str, float]:
    """Effective rank of all pixels and percent of the first three components."""
    rank, fraction = effective_rank(rows)
    names = ("first", "second", "third")
    return {"effective rank": rank} | {f"{name} component, %": 100 * float(fraction[i]) for i, name in enumerate(names)}


def own_parts(rows: np.ndarray, pixels: Pixels, ten: list[int], prefix: str) -> dict[str, float]:
    """Own parts of four bands among the ten: all in digital numbers, two in percent as well."""
    found = {}
    for band in ("B03", "B04", "B11", "B12"):
        percent, deviation = own_part(rows[:, ten], ten.index(pixels.at(band)))
        found[f"{prefix}own part of {band}, DN"] = deviation
        if band in ("B03", "B04") and not prefix:
            found[f"own part of {band}, %"] = percent
    return found


def open_pixels(path: Path, most: int = 400) -> Pixels:
    """A set by its path.

    Args:
        path: see this module's first lines.
        most: scenes, chips or pixels that are read, evenly spread.
    """
    if (path / "world.json").is_file():
        world = World(path)
        chosen = np.linspace(0, len(world) - 1, min(most, len(world))).astype(int)
        images = [sample.images["sentinel2_l2a"] for sample in world.samples(chosen)]
        about = json.loads((path / "world.json").read_text(encoding="utf8"))["parameters"]
        name = f"world {about['version']}" + (f" {about['level']}" if "level" in about else "")
        return Pixels(name, SENTINEL2.band_names, [np.where(i == MISSING, np.nan, i) for i in images])
    if path.suffix == ".parquet":
        return series(path)
    if path.suffix in (".nc", ".h5"):
        return cube(path) if path.suffix == ".nc" else chips(path, most)
    return eurosat(path, most)


def series(path: Path) -> Pixels:
    """WorldCereal's pixel series, twelve months each; 65535 is no data."""
    table = pd.read_parquet(path)
    edge = {band: 10 if band in BANDS[:4] else 20 for band in BANDS}
    columns = [[f"OPTICAL-{band}-ts{step}-{edge[band]}m" for band in BANDS] for step in range(12)]
    values = np.stack([table[names].to_numpy(float) for names in columns], 1)  # (pixels, 12, bands)
    values[(values == 65535).any(-1) | (values <= 0).any(-1)] = np.nan
    return Pixels("WorldCereal, Africa", BANDS, [pixel[None, None] for pixel in values])


def cube(path: Path) -> Pixels:
    """One WorldCereal cube of nine bands, without B8A."""
    bands = tuple(band for band in BANDS if band != "B8A")
    with h5py.File(path) as file:
        values = np.stack([np.asarray(file[f"S2-L2A-{band}"]).astype(np.uint16) for band in bands], -1).astype(float)
    values[(values == 65535).any(-1) | (values <= 0).any(-1)] = np.nan
    image = np.moveaxis(values, 0, 2)
    return Pixels("WorldCereal, Belgium", bands, [image])


def chips(path: Path, most: int) -> Pixels:
    """Chips of one date in an HDF5 file."""
    with h5py.File(path) as file:
        bands = tuple(str(file.attrs["bands"]).split())
        at = np.linspace(0, len(file["dn"]) - 1, min(most, len(file["dn"]))).astype(int)
        values = np.asarray(file["dn"][np.unique(at)]).astype(float)  # (chips, bands, H, W)
    values = np.moveaxis(values, 1, -1)
    values[(values == 0).all(-1)] = np.nan
    return Pixels("L2A chips", bands, list(values[:, :, :, None]))


def eurosat(path: Path, most: int) -> Pixels:
    """EuroSAT's chips: thirteen bands, B8A the last, at the top of the atmosphere."""
    order = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
    files = sorted(path.glob("*/*.tif"))
    images = []
    for file in files[:: max(1, len(files) // most)]:
        with rasterio.open(file) as raster:
            images.append(np.moveaxis(raster.read().astype(float), 0, -1)[:, :, None])
    return Pixels("EuroSAT (L1C)", order, images)


def reach(name: str, values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest figure that is near the real ones: a factor `WITHIN` beyond them.

    Of a correlation r the factor is of 1 - r, of how far it is from the closest bond.
    """
    if name.startswith("correlation"):
        return 1 - WITHIN * (1 - min(values)), 1 - (1 - max(values)) / WITHIN
    return min(values) / WITHIN, max(values) * WITHIN


def table(real: dict[str, dict[str, float]], worlds: dict[str, dict[str, float]]) -> str:
    """Markdown: every figure of the real sets and of the worlds; bold is what is not near the real ones.

    Args:
        real: set -> figure -> value.
        worlds: the same of simulated ones.
    """
    names = list(dict.fromkeys([*EARLIER, *(figure for one in [*real.values(), *worlds.values()] for figure in one)]))
    heads = ["figure", "measured before", *real, "near reality", *worlds]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in names:
        known = [*EARLIER.get(name, ()), *(one[name] for one in real.values() if name in one)]
        # B09 is another quantity on the ground than from above the air
        low, high = reach(name, known) if known and "B09 /" not in name else (-np.inf, np.inf)
        cells = [", ".join(f"{value:g}" for value in EARLIER.get(name, ()))]
        cells += [short(one.get(name)) for one in real.values()]
        cells += [f"{short(low)} to {short(high)}" if np.isfinite(low) else ""]
        for one in worlds.values():
            value = one.get(name)
            cells.append(short(value) if value is None or low <= value <= high else f"**{short(value)}**")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def short(value: float | None) -> str:
    """Three digits that count, without an exponent."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def draw(sets: Sequence[Pixels], path: Path) -> None:
    """A picture of spectra, components, own parts and texture: worlds in colour, real sets in grey."""
    use_style()
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.8), layout="constrained")
    colours = iter(("tab:orange", "tab:blue", "tab:green"))
    greys = iter(("0.2", "0.4", "0.55", "0.7"))
    dashes = iter(("-", "--", "-.", ":"))
    for pixels in sets:
        simulated = pixels.name.startswith("world")
        look = {"color": next(colours), "lw": 2.2} if simulated else {"color": next(greys), "ls": next(dashes)}
        rows = pixels.table()[0]
        rows = rows[(rows[:, pixels.at("B02")] < BRIGHT) & (rows[:, pixels.at("B11")] > 300)]
        bands = sorted(set(pixels.bands) & set(BANDS), key=CENTRE.__getitem__)
        columns = [pixels.at(band) for band in bands]
        green = rows[ndvi(rows, pixels) > DENSE][:, columns]
        axes[0].plot(bands, np.median(green, 0), label=pixels.name, **look)
        axes[1].plot(np.arange(1, 7), 100 * effective_rank(rows[:, columns])[1][:6], marker="o", ms=3, **look)
        axes[2].plot(bands, [own_part(green[:DRAWN], i)[1] for i in range(len(bands))], **look)
        fields = fields_of(pixels)
        if fields:
            lags = (1, 2, 3, 4, 6, 8)
            axes[3].plot([10 * lag for lag in lags], [autocorrelation(fields, lag) for lag in lags], **look)
    axes[1].set(yscale="log", xlabel="principal component")
    axes[3].set(xlabel="metres apart", ylim=(0, 1))
    titles = ("dense vegetation: median, DN", "clear: % of the variance", "dense: own part of a band, DN")
    for axis, title in zip(axes, (*titles, "NDVI: autocorrelation"), strict=True):
        axis.set_title(title, fontsize=10)
    for axis in (axes[0], axes[2]):
        axis.tick_params(axis="x", rotation=60)
    figure.legend(loc="outside lower center", ncols=len(sets), frameon=False)
    figure.savefig(path, dpi=80)


def main() -> None:
    figure = next((argument.split("=", 1)[1] for argument in sys.argv[1:] if argument.startswith("--figure=")), "")
    sets = [open_pixels(Path(argument)) for argument in sys.argv[1:] if not argument.startswith("--")]
    found = {pixels.name: figures(pixels) for pixels in sets}
    worlds = {name: one for name, one in found.items() if name.startswith("world")}
    print(table({name: one for name, one in found.items() if name not in worlds}, worlds))
    if figure:
        draw(sets, Path(figure))


if __name__ == "__main__":
    main()
