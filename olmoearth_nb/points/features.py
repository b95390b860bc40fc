"""Points and polygons of a GeoJSON file (RFC 7946), embedded in a scene, as a table."""

from __future__ import annotations

import json
import math
import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import shapely
from geopandas import GeoDataFrame
from shapely.geometry import shape

from olmoearth_nb.bands import modality
from olmoearth_nb.errors import counted, letters, warn
from olmoearth_nb.georeference import LONLAT, degrees, transformed
from olmoearth_nb.io.durable import write
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.precision import FULL, in_precision
from olmoearth_nb.points.patches import covered, fractions_inside, in_pixels, mean_embeddings
from olmoearth_nb.scene import Scene
from olmoearth_nb.tokenization import check_patch_size

GEOMETRIES = {"Point": 0, "Polygon": 2, "MultiPolygon": 3}
"""Kinds of geometry that are read, and how deep lists hold their positions."""

SUFFIXES = (".parquet", ".csv")
"""Kinds of table that are written."""

PATCHES = 16
"""Default edge of a window in patches: 64 px for patches of 4 px."""

MAX_BYTES = 128 * 2**20
"""Size of the largest GeoJSON file that is read; its text is held in memory, many times larger."""

_MAX_NAME = 10_000
"""Length of the longest name of a coordinate system, which may be WKT."""

_HALF_TURN, _FARTHEST = 180, 360
"""Degrees of longitude: once half around the Earth, and what is no longitude any more."""

_DOCUMENTS = ("FeatureCollection", "Feature", *GEOMETRIES)


def read_features(path: str | os.PathLike[str]) -> GeoDataFrame:
    """Reads a GeoJSON file.

    Coordinates are longitude and latitude in WGS84, as RFC 7946 has it; 190 degrees east, as some programs write it
    near 180 degrees, are 170 west. A `crs` member, as files of before 2016 and some programs write it, is honoured if
    it names a coordinate system. Heights are left out.

    Args:
        path: holds a FeatureCollection, a Feature, or a bare geometry of `GEOMETRIES`.

    Returns:
        One row for each feature, in order: its properties, its `id` and its `geometry` in longitude and latitude. A
        column holds whole numbers, numbers, truths, or else text. A property that is named `id` or `geometry` gets
        ``property_`` before its name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not GeoJSON, is too large, has no features, or one of them is not a place that we can
            read: the message counts features from 0.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes; at most {MAX_BYTES} are read: cut it in pieces")
    try:
        try:
            document = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError as error:
            raise ValueError(f"{path.name} is not GeoJSON: it is no JSON text ({error}){_advice(path)}") from error
        return _features(document, path.name)
    except RecursionError as error:
        raise ValueError(f"{path.name} is not GeoJSON of ours: it is nested too deep") from error


def _advice(path: Path) -> str:
    """How a table of places becomes GeoJSON."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return ""
    return (
        f"; if it is a table with columns lon and lat, make one of it: `import pandas, geopandas; "
        f"t = pandas.read_csv({path.name!r}); geopandas.GeoDataFrame(t, geometry=geopandas.points_from_xy(t.lon, "
        "t.lat), crs='EPSG:4326').to_file('points.geojson', driver='GeoJSON')`"
    )


def embed_features(
    encoder: Encoder,
    scene: Scene,
    features: GeoDataFrame,
    patch_size: int = 4,
    *,
    window: int | None = None,
    outside: Literal["error", "skip"] = "error",
    model: str = "",
    precision: str = FULL,
) -> pd.DataFrame:
    """Embeds features by the patches that they cover: one row for each.

    A feature has the mean embedding (`Encoded.pool_patches`) of the patches that `patches.covered` names. The encoder
    sees nothing beyond a window's edge: another window gives (slightly) other embeddings.

    Args:
        encoder: any encoder; it stays on its device and is put into evaluation mode.
        scene: a place that is known, of any size: only the windows that hold features are read. Windows and patches
            are counted from its upper left corner; pixels that do not fill a patch at its lower and right edge have no
            embedding.
        features: as `read_features` gives them, or points and polygons in any coordinate system.
        patch_size: P.
        window: edge of a window in pixels, a multiple of P; 16 patches by default.
        outside: what to do with features of which no part lies in the scene: "error" or "skip" with a warning.
        model: what to write into the column of that name.
        precision: of products, one of `model.precision.PRECISIONS`.

    Returns:
        The features in order: their properties, `feature` (number in the given ones), `id`, `lon` and `lat` of the
        centre, `inside` (fraction of the area in the scene; 1 for points), `patches` (how many make up the embedding),
        `patch_size`, `model`, `tokenization`, then `e000`, `e001` and so on in float32. A property whose name is one
        of these gets ``property_`` before it. Where no patch was observed on any date, `patches` is 0 and the
        embedding NaN, with a warning.

    Raises:
        ValueError: for a scene without a place or sensors, features that are none, outside, or without a coordinate
            system, patches, windows or a precision that cannot be, or if no feature gets an embedding.
    """
    window = _checked(scene, features, patch_size, window, outside)
    places = _lonlat(features.geometry.to_numpy(), features.crs.to_string(), "the GeoDataFrame")
    features = features.set_geometry(places, crs=LONLAT)
    assert scene.georeference is not None
    size, shapes = scene.shape, in_pixels(places, scene.georeference)
    fractions = fractions_inside(shapes, *size)
    _report_outside(np.flatnonzero(fractions == 0), features, scene, outside)
    kept = np.flatnonzero(fractions)
    patches = covered(shapes[kept], *size, patch_size)
    with in_precision(precision, encoder):
        means, counts = mean_embeddings(encoder, scene, patches, len(kept), window, patch_size)
    facts = {"inside": fractions[kept], "patches": counts, "patch_size": patch_size, "model": model}
    return _table(features.iloc[kept], kept, facts | {"tokenization": encoder.config.tokenization.name}, means)


def require_place(scene: Scene) -> None:
    """Raises a ValueError unless a scene says where on Earth its pixels lie."""
    if scene.georeference is None:
        raise ValueError(
            f"{scene.title} does not say where on Earth its pixels lie ({scene.provenance}); give a scene with a "
            "coordinate system, such as a GeoTIFF"
        )


def check_table_path(path: str | os.PathLike[str]) -> Path:
    """The path, if a table can be written there by its suffix.

    Raises:
        ValueError: for another suffix, listing the valid ones.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a table is written as {' or '.join(SUFFIXES)}, got {path.name!r}")
    return path


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Writes a table as Parquet or CSV, by the suffix; the file appears whole or not at all.

    Raises:
        ValueError: for another suffix.
    """
    path = check_table_path(path)
    save = table.to_parquet if path.suffix.lower() == ".parquet" else table.to_csv

    def fill(part: Path) -> None:
        with part.open("wb") as file:  # Arrow takes names in UTF-8 alone
            save(file, index=False)

    return write(path, fill)


def _features(document: Any, name: str) -> GeoDataFrame:
    """The features of a GeoJSON document; `name` is what errors call it."""
    kind = document.get("type") if isinstance(document, dict) else None
    if kind not in _DOCUMENTS:
        raise ValueError(
            f"{name} is not GeoJSON of ours: its type is {reprlib.repr(kind)}, not one of {', '.join(_DOCUMENTS)}"
        )
    items = document.get("features") if kind == "FeatureCollection" else [document]
    if not isinstance(items, list) or not items:
        raise ValueError(f"{name} has no features")
    crs = _crs(document, name)
    rows = [_feature(item, f"{name}, feature {number}") for number, item in enumerate(items)]
    properties = [row["properties"] for row in rows]
    names = list(dict.fromkeys(key for one in properties for key in one))
    columns = {
        free: _column([one.get(key) for one in properties])
        for key, free in zip(names, _free_names(names, {"id", "geometry"}), strict=True)
    }
    columns["id"] = _column([row["id"] for row in rows])
    geometry = _lonlat(np.array([row["geometry"] for row in rows]), crs, name)
    return GeoDataFrame(columns, geometry=geometry, crs=LONLAT)


def _crs(document: dict[str, Any], name: str) -> str | None:
    """The coordinate system that a file names; None for longitude and latitude.

    Raises:
        ValueError: for a `crs` member that names none.
    """
    match document:
        case {"crs": {"type": "name", "properties": {"name": str(crs)}}} if len(crs) <= _MAX_NAME:
            return crs
        case {"crs": member}:
            raise ValueError(
                f"{name} has a crs member that names no coordinate system: {reprlib.repr(member)}; write longitude and "
                "latitude without a crs member, or name it as in 'urn:ogc:def:crs:EPSG::32631'"
            )
    return None


def _feature(item: Any, name: str) -> dict[str, Any]:
    """Geometry, properties and id of a GeoJSON Feature or geometry; `name` is what errors call it."""
    if not isinstance(item, dict):
        raise ValueError(f"{name} is not a GeoJSON feature: {reprlib.repr(item)}")
    if item.get("type") != "Feature":
        item = {"geometry": item}
    geometry, properties, number = _geometry(item.get("geometry"), name), item.get("properties") or {}, item.get("id")
    if not isinstance(properties, dict):
        raise ValueError(f"{name}: properties must be an object, got {reprlib.repr(properties)}")
    number = number if isinstance(number, (str, int, float)) else None
    return {"geometry": geometry, "properties": properties, "id": number}


def _geometry(given: Any, name: str) -> Any:
    """The shapely geometry of a GeoJSON one, without heights.

    Raises:
        ValueError: if it is none, or of another kind.
    """
    kind = given.get("type") if isinstance(given, dict) else None
    if not (isinstance(kind, str) and kind in GEOMETRIES):
        raise ValueError(f"{name} {_no_geometry(kind)}")
    try:
        _check_positions(given.get("coordinates"), GEOMETRIES[kind])
        return shapely.force_2d(shape(given))
    except (ValueError, TypeError, IndexError, OverflowError, shapely.errors.ShapelyError) as error:
        raise ValueError(f"{name}: its coordinates are no {kind} ({error})") from error


def _check_positions(given: Any, nesting: int) -> None:
    """Raises a ValueError unless lists, nested so deep, hold positions: finite numbers, no text, no truths."""
    if not isinstance(given, list):
        raise ValueError(f"{reprlib.repr(given)} is no list")
    if nesting:
        for item in given:
            _check_positions(item, nesting - 1)
    elif len(given) < 2 or not {type(n) for n in given} <= {int, float} or not all(map(math.isfinite, given)):
        raise ValueError(f"a position is two or three finite numbers, got {reprlib.repr(given)}")


def _lonlat(shapes: np.ndarray, crs: str | None, name: str) -> np.ndarray:
    """(n,) checked geometries in longitude and latitude.

    Args:
        shapes: (n,) geometries.
        crs: coordinate system of their coordinates; None for longitude and latitude.
        name: what errors call their source.

    Raises:
        ValueError: for one that is missing, of another kind, empty, crosses itself, or lies nowhere on Earth.
    """
    for number, one in enumerate(shapes):
        kind = None if one is None else one.geom_type
        if kind not in GEOMETRIES:
            raise ValueError(f"{name}, feature {number} {_no_geometry(kind)}")
        if one.is_empty:
            raise ValueError(f"{name}, feature {number}: its {kind} is empty")
        if not one.is_valid:
            raise ValueError(f"{name}, feature {number}: its {kind} is not valid ({shapely.is_valid_reason(one)})")
    places = shapes
    if crs is not None and crs != LONLAT:
        try:
            places = shapely.transform(shapes, lambda x, y: transformed(crs, LONLAT, x, y), interleaved=False)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    places = _turned(places)
    at, owner = shapely.get_coordinates(places, return_index=True)
    lost = owner[~(np.isfinite(at) & (np.abs(at) <= [_FARTHEST, 90])).all(1)]
    if len(lost):
        problem = "is not longitude and latitude" if crs is None else f"lies nowhere on Earth in {crs}"
        first = ", ".join(f"{x:g}" for x in shapely.get_coordinates(shapes[lost[0]])[0])
        raise ValueError(
            f"{name}, feature {lost[0]} {problem}: it begins at {first}; GeoJSON has degrees (WGS84), longitude first"
        )
    return places


def _turned(places: np.ndarray) -> np.ndarray:
    """Geometries in degrees whose middle is from 180 W to 180 E: one that was written as 190 E comes to 170 W.

    As a whole, so that a polygon across 180 degrees stays one; geometries farther than a turn are left as they are.
    """
    bounds = shapely.bounds(places)
    with np.errstate(invalid="ignore"):  # infinity where there is no place
        beyond = (np.abs(bounds[:, ::2]) > _HALF_TURN).any(1) & (np.abs(bounds[:, ::2]) <= _FARTHEST).all(1)
    turns = np.round((bounds[:, 0] + bounds[:, 2]) / 2 / 360)
    places = places.copy()
    for number in np.flatnonzero(beyond & (turns != 0)):
        places[number] = shapely.transform(places[number], lambda xy, turn=turns[number] * 360: xy - [turn, 0])
    return places


def _no_geometry(kind: Any) -> str:
    """What an error says of a geometry of another kind."""
    return f"has no geometry that we embed: {reprlib.repr(kind)}; there are {', '.join(GEOMETRIES)}"


def _column(values: Sequence[Any]) -> Any:
    """JSON values as one column of whole numbers, numbers, truths, or else text; nothing stays nothing."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.array(list(values), dtype="boolean")
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pd.array(list(values), dtype="Int64")
    if float in kinds and kinds <= {int, float}:
        return np.array([np.nan if value is None else float(value) for value in values])
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pd.array([None if text is None else letters(text) for text in texts], dtype="string")


def _free_names(names: Iterable[str], taken: Set[str]) -> list[str]:
    """The names, with ``property_`` before those that are taken already."""
    free: dict[str, None] = {}
    for name in names:
        while name in taken or name in free:
            name = f"property_{name}"
        free[name] = None
    return list(free)


def _checked(scene: Scene, features: GeoDataFrame, patch_size: int, window: int | None, outside: str) -> int:
    """The window's edge, after a look at everything that was given."""
    check_patch_size(patch_size)
    window = PATCHES * patch_size if window is None else window
    if window < patch_size or window % patch_size:
        raise ValueError(f"a window is a multiple of the patch size, {patch_size} px, got {window}")
    if outside not in ("error", "skip"):
        raise ValueError(f"outside must be 'error' or 'skip', got {outside!r}")
    if not len(features):
        raise ValueError("there are no features to embed")
    if features.crs is None:
        raise ValueError("the features name no coordinate system; set_crs of the GeoDataFrame gives them one")
    require_place(scene)
    if all(modality(name).decode_only for name in scene.modalities):
        raise ValueError(f"{scene.title} has no sensor to encode, only {list(scene.modalities)}")
    return window


def _report_outside(numbers: np.ndarray, features: GeoDataFrame, scene: Scene, outside: str) -> None:
    """Raises, or warns, of the features that do not lie in the scene."""
    if not len(numbers):
        return
    assert scene.georeference is not None
    count = len(features)
    height, width = scene.shape
    first = features.geometry.iloc[numbers[0]].representative_point()
    lon, lat = scene.georeference.to_lonlat([0, width, 0, width], [0, 0, height, height])
    lon = np.unwrap(lon, period=360)
    message = (
        f"{len(numbers)} of {counted(count, 'feature')} {'lies' if len(numbers) == 1 else 'lie'} outside the scene "
        f"({', '.join(map(str, numbers[:5]))}"
        f"{', ...' if len(numbers) > 5 else ''}, counted from 0), which reaches from "
        f"{degrees(lat.min(), lon.min())} to {degrees(lat.max(), lon.max())} (got "
        f"{degrees(first.y, first.x)}; longitude comes first in GeoJSON)"
    )
    if len(numbers) == count:
        raise ValueError(message)
    if outside == "error":
        raise ValueError(f"{message}; outside='skip' leaves such features out")
    warn(f"{message}; left out")


def _table(features: GeoDataFrame, numbers: np.ndarray, facts: Mapping[str, Any], embeddings: np.ndarray) -> Any:
    """One row for each feature, with the columns that `embed_features` names.

    Args:
        features: n of them, in longitude and latitude.
        numbers: (n,) their numbers among those given.
        facts: name -> one value, or n values.
        embeddings: (n, D) float32.
    """
    centres = shapely.centroid(features.geometry.to_numpy())
    ours: dict[str, Any] = {
        "feature": numbers.astype(np.int64),
        "id": features["id"].array if "id" in features else _column([None] * len(features)),
        "lon": shapely.get_x(centres),
        "lat": shapely.get_y(centres),
        **facts,
    }
    values = {f"e{i:03d}": embeddings[:, i] for i in range(embeddings.shape[1])}
    given = features.drop(columns=[features.geometry.name, "id"], errors="ignore")
    names = _free_names(map(str, given.columns), {*ours, *values})
    properties = {name: column.array for name, (_, column) in zip(names, given.items(), strict=True)}
    return pd.DataFrame(properties | ours | values, index=range(len(features)))
