"""How much of each class there is, with its uncertainty: from a map and a sample of places whose class is known.

Counting pixels of a map adds its mistakes up: a class that is often taken for another looks too small. The stratified
estimator of Olofsson et al. (2014, Remote Sensing of Environment 148, 42-57) corrects the counts by the confusion
matrix. It holds for places drawn at random within each class of the map, or at random from all of it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from olmoearth_nb.errors import warn
from olmoearth_nb.georeference import LONLAT, Georeference
from olmoearth_nb.io.json_file import parse_json
from olmoearth_nb.io.raster import open_raster

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

Z95 = 1.96
"""Standard errors on either side of an estimate that hold the truth 95 times in 100."""

_ROWS = 512
"""Rows of a map that are read at once."""


@dataclass(frozen=True, eq=False)
class Areas:
    """Areas of K classes and how good their map is; standard errors beside each.

    Attributes:
        classes: names.
        mapped: (K,) areas by the map's own count.
        areas: (K,) estimates, in the unit of `mapped`.
        area_errors: (K,).
        users: (K,) user's accuracy: of what is mapped as a class, the part that is of it.
        users_errors: (K,).
        producers: (K,) producer's accuracy: of what is of a class, the part that is mapped as it.
        producers_errors: (K,).
        overall: overall accuracy.
        overall_error: likewise.
    """

    classes: tuple[str, ...]
    mapped: np.ndarray
    areas: np.ndarray
    area_errors: np.ndarray
    users: np.ndarray
    users_errors: np.ndarray
    producers: np.ndarray
    producers_errors: np.ndarray
    overall: float
    overall_error: float


def estimated_areas(confusion: np.ndarray, mapped: Sequence[float] | np.ndarray, classes: Sequence[str] = ()) -> Areas:
    """Areas by the stratified estimator.

    Args:
        confusion: (K, K) counts of sampled places, rows their class on the map, columns the class that they are of.
        mapped: (K,) areas of the classes on the map; 0 for one that it does not have.
        classes: names; by default numbers.

    Raises:
        ValueError: for shapes that do not fit, negative numbers, or a mapped class with fewer than two places.
    """
    n, area = np.asarray(confusion, dtype=np.float64), np.asarray(mapped, dtype=np.float64)
    names = tuple(classes) or tuple(map(str, range(len(area))))
    if n.shape != (len(area), len(area)) or len(names) != len(area) or not len(area):
        raise ValueError(f"{len(area)} areas and {len(names)} names need a square confusion matrix, got {n.shape}")
    if not (np.isfinite(n).all() and np.isfinite(area).all()) or (n < 0).any() or (area < 0).any() or not area.sum():
        raise ValueError("counts and areas are numbers from 0 on, and some area is mapped")
    rows = n.sum(1)
    if few := [name for name, count, size in zip(names, rows, area, strict=True) if size and count < 2]:
        raise ValueError(f"each mapped class needs two sampled places or more, not so {', '.join(few)}")
    weight = area / area.sum()  # W_i
    rate = np.divide(n, rows[:, None], out=np.zeros_like(n), where=rows[:, None] > 0)  # n_ij / n_i.
    spread = rate * (1 - rate) / np.maximum(rows - 1, 1)[:, None]  # its variance
    part = weight[:, None] * rate  # p_ij
    of_class, users = part.sum(0), np.diag(rate)  # p_.j, U_i
    producers = np.divide(np.diag(part), of_class, out=np.full(len(area), np.nan), where=of_class > 0)
    by_class = weight[:, None] ** 2 * spread
    own = np.diag(by_class) * (1 - producers) ** 2
    others = producers**2 * (by_class.sum(0) - np.diag(by_class))
    producers_errors = np.divide(np.sqrt(own + others), of_class, out=np.full(len(area), np.nan), where=of_class > 0)
    known = rows > 0
    return Areas(
        names,
        area,
        area.sum() * of_class,
        area.sum() * np.sqrt(by_class.sum(0)),
        np.where(known, users, np.nan),
        np.where(known, np.sqrt(np.diag(spread)), np.nan),
        producers,
        producers_errors,
        float(np.diag(part).sum()),
        float(np.sqrt(np.diag(by_class).sum())),
    )


def mapped_areas(path: str | os.PathLike[str]) -> dict[str, float]:
    """Square kilometres of each class by a map's own count.

    Args:
        path: of a class map of `make_map`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no class map.
    """
    with open_raster(path) as file:
        names = _classes(file, path)
        found, place = np.zeros(len(names)), _place(file)
        for row in range(0, file.height, _ROWS):
            rows = min(_ROWS, file.height - row)
            stored = file.read(1, window=((row, row + rows), (0, file.width)))
            size = math.prod(place.shifted(row, 0).pixel_size(rows, file.width)) / 1e6
            found += size * np.bincount(stored.ravel(), minlength=256)[: len(names)]
    return dict(zip(names, found.tolist(), strict=True))


def drawn_points(path: str | os.PathLike[str], each: int, seed: int = 0) -> GeoDataFrame:
    """Points at random in each class of a map, to find out what is really there.

    Args:
        path: of a class map of `make_map`.
        each: how many of each class; all of one that has fewer.
        seed: of the draw.

    Returns:
        The middles of pixels of the map, in longitude and latitude; the class on the map in the column "mapped".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no class map.
    """
    import shapely
    from geopandas import GeoDataFrame

    draw, at, mapped = np.random.default_rng(seed), [], []
    with open_raster(path) as file:
        names, stored, place = _classes(file, path), file.read(1), _place(file)
    for number, name in enumerate(names):
        cells = np.argwhere(stored == number)
        at.append(cells[draw.permutation(len(cells))[:each]] + 0.5)
        mapped += [name] * len(at[-1])
    rows, columns = np.concatenate(at).T
    lon, lat = place.to_lonlat(columns, rows)
    return GeoDataFrame({"mapped": mapped}, geometry=shapely.points(lon, lat), crs=LONLAT)


def confusion(
    path: str | os.PathLike[str], features: GeoDataFrame, label: str
) -> tuple[np.ndarray, tuple[str, ...], int]:
    """What a class map says of points whose class is known.

    Args:
        path: of a class map of `make_map`.
        features: points, with a column that names the class of each.
        label: that column.

    Returns:
        (K, K) counts, rows the class on the map, columns the known one; the names of the K classes: those of the map,
        then those that only the points have; and how many points lie where the map has no class, which do not count.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no class map, or a feature is no point or has no class.

    Warns:
        UserWarning: of classes that the map has not, which may be other spellings of those that it has.
    """
    from olmoearth_nb.maps.probe import answers_of

    if not (features.geometry.geom_type == "Point").all():
        raise ValueError("places whose class is known are points; a polygon is no random place")
    known, at = answers_of(features, label), features.geometry.to_crs(LONLAT)
    with open_raster(path) as file:
        names = _classes(file, path)
        column, row = (np.floor(part) for part in _place(file).to_pixels(at.x.to_numpy(), at.y.to_numpy()))
        inside = (row >= 0) & (row < file.height) & (column >= 0) & (column < file.width)
        stored = np.full(len(known), 255)
        for i in np.flatnonzero(inside):
            y, x = int(row[i]), int(column[i])
            stored[i] = file.read(1, window=((y, y + 1), (x, x + 1)))[0, 0]
    others = sorted({*known} - {*names})
    if others:
        warn(f"{path} has no class {', '.join(others)}, it has {', '.join(names)}; points of others count as mistakes")
    every = (*names, *others)
    counts = np.zeros((len(every), len(every)), dtype=np.int64)
    seen = stored < len(names)
    np.add.at(counts, (stored[seen], np.array([every.index(name) for name in known[seen]], dtype=np.int64)), 1)
    return counts, every, int((~seen).sum())


def _classes(file: object, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of the classes of an open map.

    Raises:
        ValueError: if it is no class map.
    """
    tags = file.tags()  # type: ignore[attr-defined]
    if tags.get("OUTPUT") != "classes" or "CLASSES" not in tags:
        raise ValueError(f"{Path(path).name} is no class map: make one by output='classes'")
    return tuple(map(str, parse_json(f'{{"classes": {tags["CLASSES"]}}}', f"CLASSES of {Path(path).name}")["classes"]))


def _place(file: object) -> Georeference:
    """Where the pixels of an open map lie."""
    return Georeference(file.crs.to_wkt(), tuple(file.transform)[:6])  # type: ignore[attr-defined]
