"""Labelled points and polygons in a scene as a `LabelledSet`.

A *place* of such a set is a square of the scene. A point has the square around it. A polygon has the squares of a grid
whose centres lie in it, or one around a point inside it where it is small.

A label holds for all dates of the scene, since a class such as a crop or a kind of forest is not of one day. A label
with a date that is far from all of them is left out.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from geopandas import GeoDataFrame

from olmoearth_nb.bands import modality
from olmoearth_nb.data.labelled.chips import ChipSet
from olmoearth_nb.data.labelled.series import answered, classes_of, groups_of
from olmoearth_nb.data.load import load_scene
from olmoearth_nb.data.tables import SUFFIXES, read_table
from olmoearth_nb.errors import counted
from olmoearth_nb.georeference import LONLAT, Georeference, degrees
from olmoearth_nb.points.features import read_features, require_place
from olmoearth_nb.points.patches import covered, fractions_inside, in_pixels
from olmoearth_nb.sample import Sample
from olmoearth_nb.scene import Scene

EDGE = 8
"""Default edge of a place in pixels: 80 m."""

MOST = 16
"""Places that a polygon gives at most, so that a large one does not drown the others."""

DAYS = 183
"""Default of how far the date of a label may lie from a date of the scene: half a year, the same season."""

BLOCKS = 10
"""Blocks along the longer side of the labels, by default."""

_LON, _LAT = ("lon", "longitude", "lng", "x"), ("lat", "latitude", "y")

Corner = tuple[int, int]
"""Row and column of a place's upper left pixel."""


@dataclass(frozen=True)
class Labels:
    """How labels are read from their table.

    Attributes:
        label: column of the answers.
        groups: column whose places must not be divided, such as a field or a farm; by default blocks of the scene.
        date: column of their dates; by default one named `date`, if there is one.
        days: how far a date may lie from all dates of the scene.
        unit: of real values; classes by default.
        edge: of a place in pixels.
        apart: edge of a block in kilometres; by default a tenth of the longer side of the labels.

    Raises:
        ValueError: for numbers out of range.
    """

    label: str = "label"
    groups: str | None = None
    date: str | None = None
    days: int = DAYS
    unit: str = ""
    edge: int = EDGE
    apart: float | None = None

    def __post_init__(self) -> None:
        if self.edge < 1 or self.days < 0 or (self.apart is not None and not 0 < self.apart < 20_000):
            raise ValueError(
                "a place has at least one pixel (edge=), days= is a number from 0 on, and apart= a distance in "
                f"kilometres, got edge={self.edge}, days={self.days}, apart={self.apart}"
            )


class PlaceSet(ChipSet[Corner]):
    """Labelled places of a scene.

    Attributes:
        scene: where they lie.
        corners: (n, 2) row and column of each place's upper left pixel.
        edge: of a place in pixels.
    """

    scene: Scene
    corners: np.ndarray
    edge: int

    def grid(self, most: int) -> tuple[ChipSet[Corner], tuple[int, int]]:
        """Squares side by side like the places, for a map: of the whole scene, or a part with the labels in its middle.

        Args:
            most: squares at most.

        Returns:
            The squares without answers, row by row; how many rows and columns there are.
        """
        height, width = (side // self.edge for side in self.scene.shape)
        side = max(1, int(most**0.5))
        rows, columns = (height, width) if height * width <= most else (min(height, side), min(width, side))
        middle = np.median(self.corners, 0) // self.edge
        top, left = (
            int(np.clip(at - count // 2, 0, whole - count))
            for at, count, whole in zip(middle, (rows, columns), (height, width), strict=True)
        )
        corners = [
            ((top + row) * self.edge, (left + column) * self.edge) for row in range(rows) for column in range(columns)
        ]
        count = len(corners)
        return _windows(
            ChipSet, self.scene, corners, self.edge, "squares", np.zeros(count, np.int64), ("",), np.arange(count), ""
        ), (rows, columns)


def open_places(
    data: str | os.PathLike[str], labels: str | os.PathLike[str], how: Labels | None = None, **reading: Any
) -> PlaceSet:
    """Labelled places of a scene that lies in a file.

    Args:
        data: a scene that knows its place, anything that `load_scene` opens.
        labels: GeoJSON of points and polygons, or a table (.csv, .parquet) of points with columns lon and lat.
        how: labels are read.
        reading: what `load_scene` takes.

    Raises:
        FileNotFoundError: if one of the files is not there.
        ValueError: see `labelled_places` and `read_labels`.
    """
    given = read_labels(labels)
    return labelled_places(load_scene(data, **reading), given, how, Path(labels).name)


def read_labels(path: str | os.PathLike[str]) -> GeoDataFrame:
    """Labelled points and polygons from GeoJSON, or points from a table.

    Args:
        path: GeoJSON (see `read_features`), or a .csv or .parquet with columns lon and lat in degrees (WGS84).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is neither, or a row is no place on Earth.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        return read_features(path)
    table = read_table(path)
    names = {str(name).strip().lower(): name for name in table.columns}
    lon, lat = (next((names[one] for one in known if one in names), None) for known in (_LON, _LAT))
    if lon is None or lat is None:
        raise ValueError(
            f"{path.name} has no columns lon and lat, in degrees; it has {', '.join(map(str, table.columns[:20]))}"
        )
    try:
        x, y = (pd.to_numeric(table[name]).to_numpy(np.float64) for name in (lon, lat))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path.name}: {lon} and {lat} must hold numbers ({error})") from error
    wrong = np.flatnonzero(~((np.abs(x) <= 360) & (np.abs(y) <= 90)))
    if len(wrong):
        row = int(wrong[0])
        swapped = abs(x[row]) <= 90 and abs(y[row]) <= 360
        advice = "exchange the two columns" if swapped else "give degrees of WGS84, not metres of a projection"
        raise ValueError(f"{path.name}: row {row} lies nowhere on Earth: {lon} {x[row]:g}, {lat} {y[row]:g}; {advice}")
    places = geopandas.points_from_xy((x + 180) % 360 - 180, y)
    return GeoDataFrame(table.drop(columns=[lon, lat]), geometry=places, crs=LONLAT)


def labelled_places(scene: Scene, features: GeoDataFrame, how: Labels | None = None, name: str = "labels") -> PlaceSet:
    """Labelled places of a scene.

    Features without an answer, outside of the scene or far from its dates are left out with a note; so are places that
    have two answers.

    Args:
        scene: a place that is known.
        features: points and polygons, as `read_labels` gives them.
        how: labels are read.
        name: what errors and tables call the features.

    Raises:
        ValueError: if the scene does not know its place or is smaller than a place, a column is not there, nothing is
            left of the features, or they have one class alone.
    """
    how = how or Labels()
    require_place(scene)
    assert scene.georeference is not None
    if min(scene.shape) < how.edge:
        raise ValueError(
            f"{scene.title} has {scene.shape[0]}x{scene.shape[1]} px, less than a place of {how.edge} px; say edge="
            f"{min(scene.shape)} or less"
        )
    values = _column(features, how.label, name)
    kept, notes = answered(values, how.label, how.unit), []
    if not kept.all():
        notes.append(f"{counted(int((~kept).sum()), 'feature')} without a {how.label} are left out")
    kept, far = _near_in_time(scene, features, kept, how, name)
    shapes = in_pixels(features.geometry.to_numpy(), scene.georeference)
    inside = fractions_inside(shapes, *scene.shape) > 0
    _require_some_inside(features, inside, kept, scene, name)
    if (kept & ~inside).any():
        notes.append(f"{counted(int((kept & ~inside).sum()), 'feature')} outside of the scene are left out")
    numbers = np.flatnonzero(kept & inside)
    classes, answers = ((), values[numbers].astype(np.float64)) if how.unit else classes_of(values[numbers], how.label)
    owner, corners = _corners(shapes[numbers], scene.shape, how.edge)
    alone, said = _without_conflicts(corners, answers[owner])
    owner, corners = owner[alone], corners[alone]
    groups, grouped = _groups(features.iloc[numbers], shapes[numbers], scene, how)
    title = f"{name} in {scene.title}: {how.label}"
    found = _windows(
        PlaceSet, scene, corners.tolist(), how.edge, title, answers[owner], classes, groups[owner], grouped,
        [*scene.notes, *notes, *far, *said, _about(features.iloc[numbers], len(corners), how)], how.unit,
    )  # fmt: skip
    assert isinstance(found, PlaceSet)
    found.scene, found.corners, found.edge = scene, corners, how.edge
    return found


def _windows(
    kind: type[ChipSet[Corner]],
    scene: Scene,
    corners: Sequence[Corner],
    edge: int,
    name: str,
    answers: np.ndarray,
    classes: tuple[str, ...],
    groups: np.ndarray,
    grouped: str,
    notes: Sequence[str] = (),
    unit: str = "",
) -> ChipSet[Corner]:
    """Squares of a scene as a set."""
    sensors = tuple(one for one in scene.modalities if not modality(one).decode_only)

    def read(corner: Corner) -> Sample:
        sample = scene.window(*corner, edge)
        return Sample(
            {one: sample.images[one] for one in sensors},
            sample.timestamps,
            f"row {corner[0]}, column {corner[1]}",
            sample.provenance,
            georeference=sample.georeference,
        )

    return kind(
        name,
        [(int(row), int(column)) for row, column in corners],
        read,
        answers,
        classes,
        group=lambda: (groups, grouped),
        notes=notes,
        ids=[f"row {row}, column {column}" for row, column in corners],
        modalities=sensors,
        unit=unit,
    )


def _column(features: GeoDataFrame, column: str, name: str) -> np.ndarray:
    """A column of the features."""
    there = [str(one) for one in features.columns if one != features.geometry.name]
    if column not in there:
        raise ValueError(f"{name} has no column {column!r}; it has {', '.join(there[:20]) or 'none'}")
    values = features[column]
    if pd.api.types.is_integer_dtype(values.dtype) and not values.isna().any():
        return values.to_numpy(np.int64)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(np.float64, na_value=np.nan)
    return values.to_numpy(object)


def _near_in_time(
    scene: Scene, features: GeoDataFrame, kept: np.ndarray, how: Labels, name: str
) -> tuple[np.ndarray, list[str]]:
    """Which features are not far from all dates of the scene, and a note on those that are.

    Raises:
        ValueError: if the column is not there, a date is none, or all are far.
    """
    column = how.date or ("date" if "date" in features.columns else None)
    if column is None:
        return kept, []
    given = _column(features, column, name)
    try:
        when = pd.to_datetime(pd.Series(given), format="ISO8601").to_numpy("datetime64[D]")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {column} must hold ISO dates, such as 2021-07-04 ({error})") from error
    stamps = scene.window(0, 0, 1).timestamps.tolist()
    dates = np.array([dt.date(year, month + 1, day) for day, month, year in stamps], "datetime64[D]")
    apart = np.abs(when[:, None] - dates).astype("timedelta64[D]").astype(np.int64).min(1)
    far = ~np.isnat(when) & (apart > how.days)
    if (kept & far).any() and not (kept & ~far).any():
        raise ValueError(
            f"all labels of {name} are more than {how.days} days from the dates of the scene ({dates.min()} to "
            f"{dates.max()}); the nearest is {apart[kept & far].min()} days away: say days={apart[kept & far].min()} "
            "if the classes hold that long"
        )
    used = f"a label holds for all dates of the scene; its date must lie within {how.days} days of one of them"
    lost = int((kept & far).sum())
    return kept & ~far, [used, *([f"{counted(lost, 'label')} from other times are left out"] if lost else [])]


def _require_some_inside(features: GeoDataFrame, inside: np.ndarray, kept: np.ndarray, scene: Scene, name: str) -> None:
    """Raises a ValueError, with advice, if nothing is left."""
    if not kept.any():
        raise ValueError(f"no feature of {name} has an answer")
    if (kept & inside).any():
        return
    where = scene.georeference
    assert where is not None
    height, width = scene.shape
    lon, lat = where.to_lonlat([0, width, 0, width], [0, 0, height, height])
    turned = shapely.transform(features.geometry.to_numpy()[kept], lambda xy: xy[:, ::-1])
    hint = "longitude comes first"
    if (np.abs(shapely.get_coordinates(turned)[:, 1]) <= 90).all() and _any_inside(turned, where, scene.shape):
        hint = "longitude and latitude are exchanged: exchange them"
    first = features.geometry.iloc[int(np.flatnonzero(kept)[0])].representative_point()
    raise ValueError(
        f"all labels of {name} lie outside of the scene, which reaches from {degrees(lat.min(), lon.min())} to "
        f"{degrees(lat.max(), lon.max())}; the first lies at {degrees(first.y, first.x)} ({hint}; labels are in "
        "degrees of WGS84, unless a GeoJSON names another system)"
    )


def _any_inside(places: np.ndarray, where: Georeference, shape: tuple[int, int]) -> bool:
    """Whether any geometry in degrees touches a scene."""
    return bool((fractions_inside(in_pixels(places, where), *shape) > 0).any())


def _corners(shapes: np.ndarray, size: tuple[int, int], edge: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of features: (n,) number of the feature, and (n, 2) their upper left pixels."""
    inner = shapely.get_coordinates(
        shapely.point_on_surface(shapely.intersection(shapes, shapely.box(0, 0, *size[::-1])))
    )
    around = np.clip(np.floor(inner[:, ::-1]) - edge // 2, 0, np.array(size) - edge).astype(np.int64)
    owners, corners = [], []
    for number, shape in enumerate(shapes):
        at = around[number][None]
        if shape.geom_type != "Point":
            grid = covered([shape], *size, edge)
            inside = np.column_stack([grid.row, grid.column]) * edge
            at = inside[np.unique(np.linspace(0, len(inside) - 1, MOST).astype(int))] if len(inside) > 1 else at
        owners.append(np.full(len(at), number))
        corners.append(at)
    return np.concatenate(owners), np.concatenate(corners)


def _without_conflicts(corners: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Positions of places, each once, without those that have several answers; and notes."""
    by_place: dict[tuple[int, ...], list[int]] = {}
    for position, corner in enumerate(corners.tolist()):
        by_place.setdefault(tuple(corner), []).append(position)
    torn = [own for own in by_place.values() if len(set(answers[own].tolist())) > 1]
    alone = [own[0] for own in by_place.values() if len(set(answers[own].tolist())) == 1]
    if not alone:
        raise ValueError("every place has several answers; give one answer for each place")
    twice = len(corners) - len(alone) - sum(map(len, torn))
    notes = [f"{counted(len(torn), 'place')} with several answers are left out"] if torn else []
    return np.array(alone), [*notes, *([f"{counted(twice, 'label')} of the same place count once"] if twice else [])]


def _groups(features: GeoDataFrame, shapes: np.ndarray, scene: Scene, how: Labels) -> tuple[np.ndarray, str]:
    """(n,) group of each feature, and a sentence about them."""
    if how.groups is not None:
        groups = groups_of(_column(features, how.groups, "the table of labels"), how.groups)
        return groups, f"labels of one {how.groups} are one group: {len(np.unique(groups))} groups"
    assert scene.georeference is not None
    metres = float(np.mean(scene.georeference.pixel_size(*scene.shape)))
    at = shapely.get_coordinates(shapely.point_on_surface(shapes))
    if how.apart is None:
        side = max(float(np.ptp(at, axis=0).max()) / BLOCKS, 2.0 * how.edge)
    else:
        side = how.apart * 1000 / metres
    _, groups = np.unique((at // side).astype(np.int64), axis=0, return_inverse=True)
    count = len(np.unique(groups))
    return groups.reshape(-1), (
        f"labels of one block of {side * metres / 1000:.2g} km are one group: {count} groups; neighbouring blocks touch"
    )


def _about(features: GeoDataFrame, places: int, how: Labels) -> str:
    """How many places the features give."""
    kinds = Counter(shape.geom_type for shape in features.geometry)
    what = " and ".join(counted(count, kind.lower()) for kind, count in sorted(kinds.items()))
    return f"{what} give {counted(places, 'place')} of {how.edge}x{how.edge} px"
