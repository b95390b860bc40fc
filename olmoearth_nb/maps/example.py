"""A place whose classes are known everywhere: a tile of the simulated world, with the ground truth of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from olmoearth_nb.data.simulate.geography import COVERS
from olmoearth_nb.data.simulate.scenes import majority
from olmoearth_nb.data.simulate.tile import make_tile, tile_place, tile_sample
from olmoearth_nb.georeference import LONLAT, Georeference, transformed, utm_zone
from olmoearth_nb.sample import Sample

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_CLASSES = {
    "water": ("water",),
    "crop": ("crop",),
    "grass and shrub": ("grass", "shrub and reed"),
    "trees": ("broadleaf trees", "conifer", "orchard"),
    "built": ("roof", "paved"),
    "bare": ("bare", "burnt"),
}
"""What the covers of the simulated world are called here."""


@dataclass(frozen=True, eq=False)
class Place:
    """A sample whose classes are known.

    Attributes:
        sample: with a place on Earth.
        truth: (rows, columns) class of each patch.
        classes: their names.
        patch_size: P.
    """

    sample: Sample
    truth: np.ndarray
    classes: tuple[str, ...]
    patch_size: int

    def areas(self) -> np.ndarray:
        """(K,) hectares of each class, as they really are."""
        assert self.sample.georeference is not None
        width, height = self.sample.georeference.pixel_size(*self.sample.shape)
        return np.bincount(self.truth.ravel(), minlength=len(self.classes)) * width * height * self.patch_size**2 / 1e4

    def points(self, each: int, seed: int = 0) -> GeoDataFrame:
        """So many points of each class, drawn from its patches, with their class in the column "class"."""
        draw = np.random.default_rng(seed)
        parts = [np.argwhere(self.truth == number) for number in range(len(self.classes))]
        at = np.concatenate([part[draw.permutation(len(part))[:each]] for part in parts])
        return self.labelled((at + 0.5) * self.patch_size)

    def labelled(self, at: np.ndarray) -> GeoDataFrame:
        """Points with the class that they are really of.

        Args:
            at: (n, 2) rows and columns in pixels.
        """
        import shapely
        from geopandas import GeoDataFrame

        assert self.sample.georeference is not None
        lon, lat = self.sample.georeference.to_lonlat(at[:, 1], at[:, 0])
        row, column = (at // self.patch_size).astype(int).T
        names = [self.classes[number] for number in self.truth[row, column]]
        return GeoDataFrame({"class": names}, geometry=shapely.points(lon, lat), crs=LONLAT)


def known_place(number: int = 28, months: Sequence[int] = (3, 5, 7, 9), patch_size: int = 4, seed: int = 0) -> Place:
    """A tile of the simulated world, 1.28 km wide, and the commonest class of each of its patches.

    Args:
        number: of the tile.
        months: that are seen, from 0 for January.
        patch_size: P, which divides 128.
        seed: of the world.
    """
    latitude, longitude = tile_place(seed, number)
    sample = replace(tile_sample(seed, number).select_times(list(months)), georeference=utm(latitude, longitude))
    cover = make_tile(seed, number).labels["cover"]
    of_cover = np.array([next(i for i, covers in enumerate(_CLASSES.values()) if name in covers) for name in COVERS])
    truth = majority(of_cover[cover], patch_size)
    there = np.unique(truth)
    names = list(_CLASSES)
    return Place(sample, np.searchsorted(there, truth), tuple(names[i] for i in there), patch_size)


def utm(latitude: float, longitude: float, pixel: float = 10.0) -> Georeference:
    """A grid in metres, north up, whose upper left corner lies at a place.

    Args:
        latitude: in degrees.
        longitude: in degrees.
        pixel: edge of a pixel in metres.
    """
    crs = utm_zone(latitude, longitude)
    x, y = transformed(LONLAT, crs, longitude, latitude)
    return Georeference(
        crs, (pixel, 0.0, round(float(x) / pixel) * pixel, 0.0, -pixel, round(float(y) / pixel) * pixel)
    )
