"""Points and polygons from a GeoJSON file (RFC 7946), checked one by one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.georeference import LONLAT, transformed

GEOMETRIES = ("Point", "Polygon", "MultiPolygon")
"""Kinds of geometry that are read."""

_DOCUMENTS = ("FeatureCollection", "Feature", *GEOMETRIES)


@dataclass(frozen=True, eq=False)
class Feature:
    """A place that somebody drew, and what they said of it.

    Attributes:
        geometry: a shapely Point, Polygon or MultiPolygon in degrees of longitude and latitude (WGS84).
        properties: name -> value, as in the file.
        id: the feature's own name or number, if it has one.
    """

    geometry: Any
    properties: Mapping[str, Any]
    id: str | int | float | None = None


def read_features(path: str | os.PathLike[str]) -> list[Feature]:
    """Reads a GeoJSON file.

    Coordinates are longitude and latitude in WGS84, as RFC 7946 has it. A `crs` member, as files of before 2016 and
    some programs write it, is honoured if it names a coordinate system.

    Args:
        path: holds a FeatureCollection, a Feature, or a bare geometry of `GEOMETRIES`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not GeoJSON, has no features, or one of them is not a place that we can read: the
            message counts features from 0.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not GeoJSON: it is no JSON text ({error})") from error
    kind = document.get("type") if isinstance(document, dict) else None
    if kind not in _DOCUMENTS:
        raise ValueError(
            f"{path.name} is not GeoJSON of ours: its type is {kind!r}, not one of {', '.join(_DOCUMENTS)}"
        )
    found = document.get("features") if kind == "FeatureCollection" else [document]
    if not isinstance(found, list) or not found:
        raise ValueError(f"{path.name} has no features")
    crs = _crs(document, path.name)
    return [_feature(item, crs, f"{path.name}, feature {number}") for number, item in enumerate(found)]


def _crs(document: dict[str, Any], name: str) -> str | None:
    """The coordinate system that a file names; None for longitude and latitude.

    Raises:
        ValueError: for a `crs` member that names none.
    """
    if "crs" not in document:
        return None
    member = document["crs"]
    properties = member.get("properties") if isinstance(member, dict) and member.get("type") == "name" else None
    crs = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(crs, str):
        raise ValueError(
            f"{name} has a crs member that names no coordinate system: {str(member)[:80]}; write longitude and "
            "latitude without a crs member, or name it as in 'urn:ogc:def:crs:EPSG::32631'"
        )
    return crs


def _feature(item: Any, crs: str | None, name: str) -> Feature:
    """One checked feature.

    Args:
        item: a GeoJSON Feature or geometry.
        crs: coordinate system of its coordinates; None for longitude and latitude.
        name: what to call it in an error.
    """
    if not isinstance(item, dict):
        raise ValueError(f"{name} is not a GeoJSON feature: {str(item)[:80]}")
    whole = item.get("type") == "Feature"
    geometry = _geometry(item.get("geometry") if whole else item, crs, name)
    properties = (item.get("properties") if whole else None) or {}
    if not isinstance(properties, dict):
        raise ValueError(f"{name}: properties must be an object, got {str(properties)[:80]}")
    own = item.get("id") if whole else None
    return Feature(geometry, properties, own if isinstance(own, (str, int, float)) else None)


def _geometry(given: Any, crs: str | None, name: str) -> Any:
    """The shapely geometry in longitude and latitude.

    Raises:
        ValueError: if it is none, of another kind, empty, crosses itself, or lies nowhere on Earth.
    """
    import shapely
    from shapely.geometry import shape

    kind = given.get("type") if isinstance(given, dict) else None
    if kind not in GEOMETRIES:
        raise ValueError(f"{name} has no geometry that we embed: {kind!r}; there are {', '.join(GEOMETRIES)}")
    try:
        geometry = shapely.force_2d(shape(given))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"{name}: its coordinates are no {kind} ({type(error).__name__}: {error})") from error
    if geometry.is_empty:
        raise ValueError(f"{name}: its {kind} is empty")
    if not geometry.is_valid:
        raise ValueError(f"{name}: its {kind} is not valid ({shapely.is_valid_reason(geometry)})")
    if crs is not None:
        geometry = shapely.transform(geometry, lambda x, y: transformed(crs, LONLAT, x, y), interleaved=False)
    at = shapely.get_coordinates(geometry)
    if not (np.isfinite(at).all() and (np.abs(at) <= [180, 90]).all()):
        said = "is not longitude and latitude" if crs is None else f"lies nowhere on Earth in {crs}"
        raise ValueError(
            f"{name} {said}: it begins at {', '.join(f'{x:g}' for x in shapely.get_coordinates(shape(given))[0])}; "
            "GeoJSON has degrees (WGS84), longitude first"
        )
    return geometry
