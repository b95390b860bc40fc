"""Labelled points and polygons of a scene as places with an answer each."""

import json

import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas import GeoDataFrame

from olmoearth_nb import Sample
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.georeference import LONLAT, Georeference
from olmoearth_nb.points.labelled import Labels, labelled_places, open_places, read_labels

GRID = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000))


def scene(edge=64, dates=((4, 6, 2021), (1, 8, 2021)), grid=GRID):
    image = np.random.default_rng(0).integers(300, 4000, (edge, edge, len(dates), 12)).astype(np.float32)
    return Sample({"sentinel2_l2a": image}, np.array(dates), "scene", "made up", georeference=grid)


def frame(*shapes, **columns):
    """Features given in columns and rows."""
    places = [shapely.transform(shape, GRID.to_lonlat, interleaved=False) for shape in shapes]
    return GeoDataFrame(columns, geometry=places, crs=LONLAT)


def points(*at, **columns):
    return frame(*(shapely.Point(column, row) for column, row in at), **columns)


def test_points():
    given = points((10.5, 20.5), (40.5, 20.5), (0.5, 63.5), (90, 90), (30, 30), label=["a", "b", "a", "a", None])
    data = labelled_places(scene(), given, name="points.csv")
    assert isinstance(data, LabelledSet)
    assert (data.name, data.classes) == ("points.csv in scene: label", ("a", "b"))
    assert data.corners.tolist() == [[16, 6], [16, 36], [56, 0]]  # moved inside where the scene ends
    assert data.answers.tolist() == [0, 1, 0]
    text = " ".join(data.notes)
    assert "1 feature without a label are left out" in text
    assert "1 feature outside of the scene are left out" in text
    assert "3 points give 3 places of 8x8 px" in text
    (sample,) = data.samples(np.array([0]))
    assert (sample.images["sentinel2_l2a"] == scene().images["sentinel2_l2a"][16:24, 6:14]).all()
    lon, lat = sample.georeference.to_lonlat(4, 4)
    assert np.allclose(GRID.to_lonlat(10, 20), (lon, lat))
    assert data.batch(np.array([0, 2]), ("sentinel2_l2a",)).images["sentinel2_l2a"].shape == (2, 8, 8, 2, 12)


def test_polygons_give_the_squares_whose_centres_lie_in_them():
    field, garden, lake = shapely.box(0, 0, 24, 16), shapely.box(50, 10, 53, 13), shapely.box(0, 24, 64, 64)
    data = labelled_places(scene(), frame(field, garden, lake, label=["crop", "town", "water"]))
    assert np.bincount(data.answers).tolist() == [6, 1, 16]  # a large one gives no more than others
    assert sorted(map(tuple, data.corners[data.answers == 0].tolist())) == [
        *((0, 0), (0, 8), (0, 16)),
        *((8, 0), (8, 8), (8, 16)),
    ]
    assert data.corners[data.answers == 1].tolist() == [[7, 47]]
    assert len(set(data.groups.tolist())) == 3  # all of a polygon are in its block


def test_blocks_and_columns_of_groups():
    at = [(column, row) for column in (4, 10, 40, 60) for row in (4, 60)]
    columns = {"label": ["a", "b"] * 4, "farm": list("xxyyzzww")}
    assert len(set(labelled_places(scene(), points(*at, **columns), Labels(apart=0.32)).groups.tolist())) == 4
    by_farm = labelled_places(scene(), points(*at, **columns), Labels(groups="farm"))
    assert len(set(by_farm.groups.tolist())) == 4
    assert any("labels of one farm are one group: 4 groups" in note for note in by_farm.notes)


def test_places_that_are_labelled_twice():
    given = points((10.5, 10.5), (10.7, 10.7), (40.5, 40.5), (40.7, 40.7), (20, 50), label=["a", "a", "a", "b", "b"])
    data = labelled_places(scene(), given)
    assert data.answers.tolist() == [0, 1]
    text = " ".join(data.notes)
    assert "1 place with several answers are left out" in text
    assert "1 label of the same place count once" in text


def test_dates_of_labels():
    at = [(10, 10), (20, 20), (30, 30)]
    given = points(*at, label=["a", "b", "a"], date=["2021-05-01", None, "2019-05-01"], seen=["x"] * 3)
    data = labelled_places(scene(), given)
    assert len(data) == 2
    assert "1 label from other times are left out" in " ".join(data.notes)
    assert len(labelled_places(scene(), given, Labels(days=1000))) == 3
    assert len(labelled_places(scene(), given, Labels(days=64))) == 2  # from the first of May to the fourth of July
    with pytest.raises(ValueError, match="seen must hold ISO dates, such as 2021-07-04"):
        labelled_places(scene(), given, Labels(date="seen"))
    with pytest.raises(ValueError, match=r"more than 9 days from the dates of the scene .* say days=64 "):
        labelled_places(scene(), given.iloc[[0, 2]], Labels(days=9))


def test_real_values():
    data = labelled_places(scene(), points((10, 10), (30, 30), label=[1.5, 2.25]), Labels(unit="t/ha"))
    assert (data.classes, data.unit, data.answers.tolist()) == ((), "t/ha", [1.5, 2.25])


def test_a_map_of_squares():
    data = labelled_places(scene(), points((60, 60), (30, 30), label=["a", "b"]))
    whole, shape = data.grid(100)
    assert (len(whole), shape) == (64, (8, 8))
    assert whole.paths[9] == (8, 8)
    part, shape = data.grid(10)
    assert (len(part), shape) == (9, (3, 3))
    assert part.paths[0] == (32, 32)  # the labels are in its middle


def test_files(tmp_path):
    lon, lat = GRID.to_lonlat([10, 30], [10, 30])
    table = pd.DataFrame({"Longitude": lon, "latitude": lat, "crop": ["a", "b"]})
    table.to_csv(tmp_path / "t.csv", index=False, sep=";")
    found = read_labels(tmp_path / "t.csv")
    assert np.allclose(shapely.get_coordinates(found.geometry.to_numpy()), np.column_stack([lon, lat]))
    assert found["crop"].tolist() == ["a", "b"]
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, y]}, "properties": {"label": name}}
        for x, y, name in zip(lon, lat, "ab", strict=True)
    ]
    (tmp_path / "p.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert labelled_places(scene(), read_labels(tmp_path / "p.geojson")).answers.tolist() == [0, 1]
    for columns, said in (
        ({"lon": lat + 80, "lat": lon + 91}, "exchange the two columns"),
        ({"lon": [500_000.0, 1], "lat": [800_000.0, 1]}, "not metres of a projection"),
        ({"lon": ["x", "y"], "lat": lat}, "must hold numbers"),
        ({"east": lon, "lat": lat}, "no columns lon and lat, in degrees; it has east, lat"),
    ):
        pd.DataFrame(columns).to_csv(tmp_path / "bad.csv", index=False)
        with pytest.raises(ValueError, match=said):
            read_labels(tmp_path / "bad.csv")
    with pytest.raises(FileNotFoundError):
        open_places(tmp_path / "no.tif", tmp_path / "t.csv")


def test_what_does_not_fit():
    swapped = points((10, 10), (30, 30), label=["a", "b"])
    swapped = swapped.set_geometry(shapely.transform(swapped.geometry.to_numpy(), lambda xy: xy[:, ::-1]), crs=LONLAT)
    with pytest.raises(ValueError, match=r"all labels of labels lie outside of the scene, .* exchange them"):
        labelled_places(scene(), swapped)
    with pytest.raises(ValueError, match=r"outside of the scene, which reaches from .* \(longitude comes first"):
        labelled_places(scene(), points((900, 900), label=["a"]))
    with pytest.raises(ValueError, match="has no column 'crop'; it has label"):
        labelled_places(scene(), points((10, 10), label=["a"]), Labels(label="crop"))
    with pytest.raises(ValueError, match="label has one value alone, a: there is nothing to tell apart"):
        labelled_places(scene(), points((10, 10), (30, 30), label=["a", "a"]))
    with pytest.raises(ValueError, match="no feature of labels has an answer"):
        labelled_places(scene(), points((10, 10), label=[None]))
    with pytest.raises(ValueError, match="has 4x4 px, less than a place of 8 px; say edge=4 or less"):
        labelled_places(scene(4), points((2, 2), label=["a"]))
    with pytest.raises(ValueError, match="does not say where on Earth its pixels lie"):
        labelled_places(scene(grid=None), points((2, 2), label=["a"]))
    with pytest.raises(ValueError, match="edge=0"):
        Labels(edge=0)
