"""Labelled places to compare models on: a reader's own, or points of a simulated scene that stands in for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from geopandas import GeoDataFrame

from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.load import load_scene
from olmoearth_nb.data.official import stored_tile
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.data.simulate.geography import COVERS
from olmoearth_nb.data.tables import SUFFIXES
from olmoearth_nb.georeference import LONLAT, Georeference, transformed, utm_zone
from olmoearth_nb.io.shipped import data_dir
from olmoearth_nb.points.labelled import Labels, labelled_places, open_places
from olmoearth_nb.sample import Sample

TILE, POINTS = 2, 400
"""Which of the shipped tiles stands in (that of the test split), and how many of its 16,384 pixels have a label."""


def simulated_scene(points: int = POINTS, seed: int = 0) -> tuple[Sample, GeoDataFrame]:
    """A simulated tile, and points in it whose label is what covers them.

    Args:
        points: how many.
        seed: of their places.
    """
    folder = data_dir() / "world" / "tiles"
    path = sorted(folder.rglob("*.h5"))[TILE]
    tile, images = stored_tile(path)
    sample = tile.window(lambda name, square: images[name][square], slice(None), slice(None))
    lat, lon = tile.latlon or (0.0, 0.0)
    where = _grid(lat, lon)
    sample = replace(
        sample,
        images={"sentinel2_l2a": sample.images["sentinel2_l2a"]},
        title="a simulated scene",
        provenance="simulated",
        georeference=where,
    )
    height, width = sample.shape
    at = np.sort(np.random.default_rng([seed, 3]).permutation(height * width)[:points])
    row, column = np.divmod(at, width)
    with np.load(folder / f"labels_{TILE}.npz", allow_pickle=False) as labels:
        cover = np.array(COVERS, dtype=object)[labels["cover"][row, column]]
    places = geopandas.points_from_xy(*where.to_lonlat(column + 0.5, row + 0.5))
    return sample, GeoDataFrame({"label": cover}, geometry=places, crs=LONLAT)


def _grid(lat: float, lon: float) -> Georeference:
    """Pixels of 10 m in the zone of UTM of a place, which is their corner."""
    crs = utm_zone(lat, lon)
    x, y = transformed(LONLAT, crs, lon, lat)
    return Georeference(crs, (10, 0, float(x), 0, -10, float(y)))


def open_yours(
    data: str = "", labels: str = "", how: Labels | None = None, points: int = POINTS, seed: int = 0, **options: Any
) -> LabelledSet:
    """A reader's labelled places; without any, points of a simulated scene stand in.

    Args:
        data: a labelled set, or a scene; empty for the simulated scene.
        labels: GeoJSON or table of the labels of a scene.
        how: labels are read; by default each place is one patch of 4 px.
        points: how many the simulated scene has.
        seed: of their places.
        options: how the data are opened.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or not what it should be.
    """
    how = how or Labels(edge=4)
    if labels:
        return open_places(data, labels, how, **options)
    if data and (Path(data).is_dir() or Path(data).suffix.lower() in SUFFIXES):
        told: dict[str, Any] = {"label": how.label} if Path(data).suffix.lower() in SUFFIXES else {}
        return open_set(data, **told, **options)
    if data:
        title = load_scene(data, **options).title
        print(f"{title} has no answers (give labels, too): points of a simulated scene stand in")
    return labelled_places(*simulated_scene(points, seed), how, "points")
