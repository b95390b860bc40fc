"""GeoJSON as it should be, as old programs write it, and as it should not be."""

import json

import pyproj
import pytest

from olmoearth_nb.points import features as points
from olmoearth_nb.points.features import read_features

SQUARE = [[3.0, 7.0], [3.01, 7.0], [3.01, 7.01], [3.0, 7.01], [3.0, 7.0]]
POINT = {"type": "Point", "coordinates": [3.0, 7.0]}


def feature(geometry=POINT, properties=None, **more):
    return {"type": "Feature", "geometry": geometry, "properties": properties, **more}


def collection(*features, **more):
    return {"type": "FeatureCollection", "features": list(features), **more}


def write(path, document):
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf8")
    return path


def named(crs):
    return {"type": "name", "properties": {"name": crs}}


def test_features(tmp_path):
    two = {"type": "MultiPolygon", "coordinates": [[SQUARE], [[[x + 1, y] for x, y in SQUARE]]]}
    document = collection(
        feature(properties={"class": "maize"}, id=7),
        feature({"type": "Polygon", "coordinates": [SQUARE]}, {"class": None, "area": [1, 2]}, id="b"),
        feature(two),
        feature({"type": "Point", "coordinates": [3.0, 7.0, 250.0]}, {}, id={"not": "a name"}),
        bbox=[0, 0, 1, 1],
    )
    found = read_features(write(tmp_path / "a.geojson", document))
    assert found.geom_type.tolist() == ["Point", "Polygon", "MultiPolygon", "Point"]
    assert list(found) == ["class", "area", "id", "geometry"]
    assert found.crs == "OGC:CRS84"
    assert found["id"].tolist()[:2] == ["7", "b"]
    assert found["id"].isna().tolist() == [False, False, True, True]
    assert found["class"][0] == "maize"
    assert found["area"][1] == "[1, 2]"
    assert not found.geometry[3].has_z, "heights are left out"


def test_holes_and_names_that_are_ours(tmp_path):
    hole = [[x / 2 + 1.5025, y / 2 + 3.5025] for x, y in SQUARE]
    polygon = {"type": "Polygon", "coordinates": [SQUARE, hole]}
    found = read_features(
        write(tmp_path / "a.json", feature(polygon, {"geometry": 1, "id": 2, "property_id": 3}, id=4))
    )
    assert found.geometry[0].area == pytest.approx(0.01**2 * 0.75)
    assert list(found) == ["property_geometry", "property_id", "property_property_id", "id", "geometry"]
    assert found.iloc[0].tolist()[:4] == [1, 2, 3, 4]


def test_a_single_feature_a_bare_geometry_and_a_mark_of_bytes(tmp_path):
    for document in (feature(), POINT, "\ufeff" + json.dumps(collection(feature()))):
        (place,) = read_features(write(tmp_path / "a.json", document)).geometry
        assert place.coords[0] == (3.0, 7.0)


@pytest.mark.parametrize("crs", ["urn:ogc:def:crs:EPSG::32631", "EPSG:32631"])
def test_another_coordinate_system_is_honoured(tmp_path, crs):
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True).transform(3.2, 7.1)
    document = collection(feature({"type": "Point", "coordinates": [x, y]}), crs=named(crs))
    assert read_features(write(tmp_path / "a.geojson", document)).geometry[0].coords[0] == pytest.approx((3.2, 7.1))


@pytest.mark.parametrize("crs", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_longitude_comes_first_whatever_the_name(tmp_path, crs):
    document = collection(feature(), crs=named(crs))
    assert read_features(write(tmp_path / "a.geojson", document)).geometry[0].coords[0] == pytest.approx((3.0, 7.0))


@pytest.mark.case("8")
@pytest.mark.parametrize(
    ("lon", "expected"), [(190.0014, -169.9986), (-190.0, 170.0), (180.0, 180.0), (179.5, 179.5), (355.0, -5.0)]
)
def test_longitudes_beyond_half_a_turn(tmp_path, lon, expected):
    document = collection(feature({"type": "Point", "coordinates": [lon, 7.0]}))
    assert read_features(write(tmp_path / "a.json", document)).geometry[0].x == pytest.approx(expected, abs=1e-9)


@pytest.mark.case("8")
@pytest.mark.parametrize(("west", "expected"), [(179.0, 179.0), (189.0, -171.0), (-181.0, -181.0)])
def test_a_polygon_across_180_degrees_stays_one(tmp_path, west, expected):
    ring = [[west, 7.0], [west + 2, 7.0], [west + 2, 8.0], [west, 8.0], [west, 7.0]]
    document = collection(feature({"type": "Polygon", "coordinates": [ring]}))
    assert read_features(write(tmp_path / "a.json", document)).geometry[0].bounds == (expected, 7, expected + 2, 8)


def deep(levels):
    """One number in so many lists."""
    value = 3
    for _ in range(levels):
        value = [value]
    return value


BOW = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]
WRONG = {
    "text": ("hello", "no JSON text"),
    "cut off": (json.dumps(collection(feature()))[:-10], "no JSON text"),
    "too deep": ("[" * 200_000, "nested too deep"),
    "a list": ([1, 2], "its type is None"),
    "another JSON": ({"name": "x"}, "its type is None, not one of FeatureCollection"),
    "TopoJSON": ({"type": "Topology"}, "its type is 'Topology'"),
    "no features": (collection(), "has no features"),
    "features of another kind": ({"type": "FeatureCollection", "features": {}}, "has no features"),
    "a line": (
        collection(feature(), feature({"type": "LineString", "coordinates": SQUARE})),
        r"a\.geojson, feature 1 has no geometry that we embed: 'LineString'; there are Point, Polygon, MultiPolygon",
    ),
    "a bare line": ({"type": "LineString", "coordinates": SQUARE}, "its type is 'LineString'"),
    "many points": (collection(feature({"type": "MultiPoint", "coordinates": SQUARE})), "'MultiPoint'"),
    "no geometry": (collection(feature(None)), "feature 0 has no geometry that we embed: None"),
    "a feature that is none": (collection("x"), "is not a GeoJSON feature: 'x'"),
    "properties that are none": (collection(feature(properties=[1])), "properties must be an object"),
    "empty": (collection(feature({"type": "Polygon", "coordinates": []})), "its Polygon is empty"),
    "no coordinates": (collection(feature({"type": "Point"})), "its coordinates are no Point"),
    "one number": (collection(feature({"type": "Point", "coordinates": [3]})), "its coordinates are no Point"),
    "words": (collection(feature({"type": "Point", "coordinates": ["E", "N"]})), "its coordinates are no Point"),
    "numbers as text": (
        collection(feature({"type": "Point", "coordinates": ["3", "7"]})),
        r"feature 0: its coordinates are no Point \(a position is two or three finite numbers, got \['3', '7'\]\)",
    ),
    "truths": (collection(feature({"type": "Point", "coordinates": [True, False]})), r"got \[True, False\]"),
    "a number too large": (collection(feature({"type": "Point", "coordinates": [10**400, 7]})), "are no Point"),
    "four numbers": (collection(feature({"type": "Point", "coordinates": [3, 7, 1, 2]})), "are no Point"),
    "a geometry 400 deep": (collection(feature({"type": "Polygon", "coordinates": deep(400)})), "are no Polygon"),
    "a polygon as deep as two": (
        collection(feature({"type": "Polygon", "coordinates": [[SQUARE]]})),
        "its coordinates are no Polygon",
    ),
    "a kind that is a list": ({"type": ["Point"]}, r"its type is \['Point'\]"),
    "a geometry whose kind is a list": (collection(feature({"type": [1], "coordinates": [3, 7]})), r"embed: \[1\]"),
    "a ring of two": (collection(feature({"type": "Polygon", "coordinates": [SQUARE[:2]]})), "are no Polygon"),
    "crossing itself": (
        collection(feature({"type": "Polygon", "coordinates": [BOW]})),
        "not valid .*Self-intersection",
    ),
    "not a number": (
        collection(feature({"type": "Point", "coordinates": [float("nan"), 7]})),
        r"no Point \(a position is two or three finite numbers, got \[nan, 7\]",
    ),
    "metres without a word": (
        collection(feature({"type": "Point", "coordinates": [500_000, 800_000]})),
        "feature 0 is not longitude and latitude: it begins at 500000, 800000; GeoJSON has degrees",
    ),
    "more than a turn": (
        collection(feature({"type": "Point", "coordinates": [360.5, 7]})),
        "feature 0 is not longitude and latitude: it begins at 360.5, 7",
    ),
    "latitude first": (collection(feature({"type": "Point", "coordinates": [7, 103]})), "longitude first"),
    "a system nobody knows": (collection(feature(), crs=named("EPSG:1")), "no way from coordinate system 'EPSG:1'"),
    "a system with an endless name": (collection(feature(), crs=named("x" * 20_000)), "names no coordinate system"),
    "a system behind a link": (
        collection(feature(), crs={"type": "link", "properties": {"href": "x"}}),
        "names no coordinate system",
    ),
    "a system that is null": (collection(feature(), crs=None), "names no coordinate system: None"),
    "out of the world": (
        collection(feature({"type": "Point", "coordinates": [1e9, 1e9]}), crs=named("EPSG:32631")),
        "lies nowhere on Earth in EPSG:32631: it begins at 1e\\+09",
    ),
}


@pytest.mark.case("H26")
@pytest.mark.parametrize("name", WRONG)
def test_wrong(tmp_path, name):
    document, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        read_features(write(tmp_path / "a.geojson", document))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*a\.geojson"):
        read_features(tmp_path / "a.geojson")
    (tmp_path / "b.geojson").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="no JSON text"):
        read_features(tmp_path / "b.geojson")


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(points, "MAX_BYTES", 100)
    path = write(tmp_path / "a.geojson", collection(feature()))
    with pytest.raises(ValueError, match=rf"a\.geojson has {path.stat().st_size} bytes; at most 100 are read"):
        read_features(path)
