"""Embeddings of points and polygons: against windows encoded by hand, in metres and in degrees."""

import json

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import torch
from geopandas import GeoDataFrame
from geotiffs import BANDS, numbers, write
from rasterio.transform import from_origin
from terminal import invoke
from vast import Vast

from olmoearth_nb import Batch, OlmoEarth, Sample, save_model, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_sample
from olmoearth_nb.georeference import LONLAT, Georeference
from olmoearth_nb.points.features import embed_features, read_features, write_table
from olmoearth_nb.weights.encoder_file import save_encoder
from olmoearth_nb.weights.load import open_encoder

S2 = "sentinel2_l2a"
HEIGHT, WIDTH = 72, 90
GRIDS = {
    "metres": Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000)),
    "degrees": Georeference("EPSG:4326", (9e-5, 0, 1.42, 0, -9e-5, 7.72)),
    "turned": Georeference("EPSG:32631", (8, 6, 500_000, 6, -8, 800_000)),
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return OlmoEarth(size_config("nano", "v1.1")).eval()


@pytest.fixture(scope="module")
def encoder(model):
    return model.encoder


def scene(georeference=GRIDS["metres"], height=HEIGHT, width=WIDTH, timesteps=2, **more):
    image = np.random.default_rng(3).integers(1, 5000, (height, width, timesteps, 12)).astype(np.float32)
    stamps = np.array([[1, month, 2020] for month in range(timesteps)])
    return Sample({S2: image, **more}, stamps, "scene", "made up", georeference=georeference)


def at(shape, georeference=GRIDS["metres"]):
    """A geometry in longitude and latitude from one in columns and rows."""
    return shapely.transform(shape, georeference.to_lonlat, interleaved=False)


def point(column, row, **more):
    return at(shapely.Point(column, row), **more)


def box(left, top, right, bottom, **more):
    return at(shapely.box(left, top, right, bottom), **more)


def frame(*shapes):
    return GeoDataFrame(geometry=list(shapes), crs=LONLAT)


def geojson(path, *features):
    """A file of features given as (geometry, properties, more members)."""
    items = [
        {"type": "Feature", "geometry": json.loads(shapely.to_geojson(shape)), "properties": properties, **more}
        for shape, properties, more in features
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def by_hand(encoder, sample, row, column, height, width=None, patch_size=4):
    """(rows, columns, D) embeddings of a window, straight from the encoder."""
    with torch.inference_mode():
        return (
            encoder(Batch.from_samples(sample.window(row, column, height, width)), patch_size).pool_patches()[0].numpy()
        )


def embeddings(table):
    return table.filter(regex=r"^e\d+$").to_numpy()


@pytest.mark.parametrize("grid", GRIDS)
def test_points_equal_the_patch_of_their_window(encoder, grid):
    place, sample = GRIDS[grid], scene(GRIDS[grid])
    spots = [(1.5, 2.5), (65.1, 63.9), (63.9, 65.1), (0.1, 71.9), (87.9, 71.9)]
    table = embed_features(encoder, sample, frame(*(point(*spot, georeference=place) for spot in spots)), model="mine")
    windows = {
        (r, c): by_hand(encoder, sample, r, c, min(64, 72 - r), min(64, 88 - c)) for r in (0, 64) for c in (0, 64)
    }
    for found, (column, row) in zip(embeddings(table), spots, strict=True):
        window = windows[row // 64 * 64, column // 64 * 64]
        assert np.array_equal(found, window[int(row % 64) // 4, int(column % 64) // 4])
    assert embeddings(table).dtype == np.float32
    assert table["patches"].tolist() == [1] * 5
    assert set(table["model"]) == {"mine"}
    assert set(table["tokenization"]) == {"v1.1"}
    lon, lat = place.to_lonlat(*np.array(spots).T)
    assert np.allclose(table[["lon", "lat"]], np.column_stack([lon, lat]), atol=1e-12)


def test_another_patch_size_and_window(encoder):
    sample = scene()
    (found,) = embeddings(embed_features(encoder, sample, frame(point(41, 30)), 8, window=16))
    assert np.array_equal(found, by_hand(encoder, sample, 16, 32, 16, patch_size=8)[1, 1])
    (usual,) = embeddings(embed_features(encoder, sample, frame(point(41, 30)), 8))
    assert np.array_equal(usual, by_hand(encoder, sample, 0, 0, 72, 88, patch_size=8)[3, 5]), "16 patches are 128 px"


def test_polygons_by_hand(encoder):
    sample = scene()
    first, right = by_hand(encoder, sample, 0, 0, 64), by_hand(encoder, sample, 0, 64, 64, 24)
    hole = at(shapely.box(0, 0, 16, 16) - shapely.box(3, 3, 13, 13))
    two = at(shapely.MultiPolygon([shapely.box(0, 0, 4, 4), shapely.box(80, 8, 84, 12)]))
    table = embed_features(
        encoder,
        sample,
        frame(box(9, 9, 23, 15), box(56, 0, 72, 8), hole, two, box(13, 21, 13.5, 21.5), box(3, 40, 5, 40.5)),
    )
    found = embeddings(table)
    assert table["patches"].tolist() == [4 * 2, 4 * 2, 16 - 4, 2, 1, 1]
    assert (table["inside"] == 1).all()
    assert np.allclose(found[0], first[2:4, 2:6].mean((0, 1)), atol=1e-6), "the patches whose centre lies inside"
    across = np.concatenate([first[0:2, 14:16].reshape(-1, 128), right[0:2, 0:2].reshape(-1, 128)])
    assert np.allclose(found[1], across.mean(0), atol=1e-6), "from two windows"
    ring = np.ones((4, 4), bool)
    ring[1:3, 1:3] = False
    assert np.allclose(found[2], first[:4, :4][ring].mean(0), atol=1e-6)
    assert np.allclose(found[3], (first[0, 0] + right[2, 4]) / 2, atol=1e-6)
    assert np.array_equal(found[4], first[5, 3]), "smaller than a patch"
    assert np.array_equal(found[5], first[10, 0]) or np.array_equal(found[5], first[10, 1]), "between two centres"


def test_all_sensors_and_no_map(encoder):
    radar = np.random.default_rng(0).uniform(-25, -5, (HEIGHT, WIDTH, 2, 2))
    cover = np.full((HEIGHT, WIDTH, 1, 1), 10.0)
    sample = scene(sentinel1=radar, worldcover=cover)
    (found,) = embeddings(embed_features(encoder, sample, frame(point(5, 5))))
    assert np.array_equal(found, by_hand(encoder, sample, 0, 0, 64)[1, 1])
    assert not np.allclose(found, by_hand(encoder, scene(), 0, 0, 64)[1, 1])
    maps = Sample({"worldcover": cover}, sample.timestamps, georeference=sample.georeference)
    with pytest.raises(ValueError, match=r"no sensor to encode, only \['worldcover'\]"):
        embed_features(encoder, maps, frame(point(5, 5)))


def test_only_windows_that_are_needed_are_encoded(encoder):
    """A scene of 512 x 512 px in pieces of 64."""
    sample, sizes = scene(height=512, width=512, timesteps=1), []
    handle = encoder.register_forward_hook(lambda module, given, encoded: sizes.append(given[0].images[S2].shape))
    spots = frame(point(5, 5), point(60, 60), point(400, 300), box(189, 189, 195, 195))
    table = embed_features(encoder, sample, spots)
    handle.remove()
    assert sizes == [(1, 64, 64, 1, 12)] * 6, "the first two points share a window, the square lies in four"
    assert table["patches"].tolist() == [1, 1, 1, 4]


def test_the_table(encoder, tmp_path):
    named = {"class": "maize", "count": 3, "share": 0.5, "ok": True, "lon": "mine"}
    numbered = {"class": None, "count": 2**60 + 1, "share": 1, "mixed": 1, "big": 2**70}
    neither = {"mixed": "one", "list": [1, {"x": None}], "e000": 1, "property_e000": 2}
    path = geojson(
        tmp_path / "labels.geojson",
        (point(5, 5), named, {"id": "a"}),
        (point(9, 5), numbered, {"id": 7}),
        (point(9, 9), neither, {}),
    )
    table = embed_features(encoder, scene(), read_features(path))
    assert (
        list(table)[:10]
        == "class count share ok property_lon mixed big list property_e000 property_property_e000".split()
    )
    assert list(table)[10:19] == "feature id lon lat inside patches patch_size model tokenization".split()
    assert list(table)[19:] == [f"e{i:03d}" for i in range(128)]
    assert table["count"].tolist()[:2] == [3, 2**60 + 1], "whole numbers stay whole"
    assert table["count"].isna().tolist() == [False, False, True]
    assert table["share"].tolist()[:2] == [0.5, 1.0]
    assert table["mixed"].tolist()[1:] == ["1", "one"]
    assert json.loads(table["list"][2]) == [1, {"x": None}]
    assert table["big"][1] == str(2**70)
    assert table["id"].tolist()[:2] == ["a", "7"]
    assert table["feature"].tolist() == [0, 1, 2]
    assert pd.read_parquet(write_table(table, tmp_path / "table.parquet")).equals(table)


def test_a_frame_of_geopandas(encoder):
    """Any index, any name of the geometry, any coordinate system; columns that are ours are renamed."""
    shapes = [point(5, 5), box(8, 8, 20, 20)]
    columns = {"class": ["a", "b"], "lat": [1, 2], "place": shapes}
    given = GeoDataFrame(columns, index=["q", "r"], geometry="place", crs=LONLAT)
    table = embed_features(encoder, scene(), given.to_crs("EPSG:32631"))
    usual = embed_features(encoder, scene(), frame(*shapes))
    assert np.array_equal(embeddings(table), embeddings(usual))
    assert list(table)[:5] == ["class", "property_lat", "feature", "id", "lon"]
    assert table["class"].tolist() == ["a", "b"]
    assert np.allclose(table[["lon", "lat"]], usual[["lon", "lat"]], atol=1e-12)
    with pytest.raises(ValueError, match="name no coordinate system"):
        embed_features(encoder, scene(), GeoDataFrame(geometry=shapes))
    with pytest.raises(ValueError, match="GeoDataFrame, feature 1 has no geometry that we embed: 'LineString'"):
        embed_features(encoder, scene(), frame(shapes[0], shapely.LineString(shapes[1].exterior)))


def test_outside(encoder):
    spots = [
        point(5, 5),
        point(-0.5, 5),
        box(100, 0, 110, 5),
        point(5, HEIGHT + 0.1),
        shapely.Point(-177, -7),
    ]
    where = r"from 7\.231\d N 3\.0000 E to 7\.237\d N 3\.008\d E \(got 7.* N 3.* E; longitude comes first"
    with pytest.raises(ValueError, match=rf"4 of 5 features lie outside .* \(1, 2, 3, 4, counted from 0\), .*{where}"):
        embed_features(encoder, scene(), frame(*spots))
    with pytest.warns(UserWarning, match="4 of 5 features .*; left out"):
        table = embed_features(encoder, scene(), frame(*spots[1:], spots[0]), outside="skip")
    assert table["feature"].tolist() == [4], "numbers are those of the file"
    with pytest.raises(ValueError, match="4 of 4 features lie outside"):
        embed_features(encoder, scene(), frame(*spots[1:]), outside="skip")


def test_partly_outside(encoder):
    table = embed_features(encoder, scene(), frame(box(-9, -9, 9, 9), box(-30, 0, 1, 10)))
    first = by_hand(encoder, scene(), 0, 0, 64)
    assert table["inside"].tolist() == pytest.approx([0.25, 1 / 31], abs=1e-3)
    assert np.allclose(embeddings(table)[0], first[:2, :2].mean((0, 1)), atol=1e-6)
    assert any(np.array_equal(embeddings(table)[1], patch) for patch in first[:3, 0])


def test_what_was_not_observed(encoder):
    """NaN where there is no embedding; the rest of the window has its own."""
    sample = scene()
    image = sample.images[S2]
    image[8:16, 8:16] = MISSING
    image[0:4, 0:4, 0] = MISSING
    image[:64, 64:] = MISSING
    spots = [point(9, 9), point(1, 1), box(4, 4, 12, 12), box(65, 1, 75, 11), point(89, 70)]
    with pytest.warns(UserWarning, match="3 of 5 features lie where no whole patch was observed on any date; .* NaN"):
        table = embed_features(encoder, sample, frame(*spots))
    assert table["patches"].tolist() == [0, 1, 3, 0, 0], "a pixel beyond the last whole patch has none"
    found, first = embeddings(table), by_hand(encoder, sample, 0, 0, 64)
    assert np.isnan(found[[0, 3, 4]]).all()
    assert np.array_equal(found[1], first[0, 0])
    assert np.allclose(found[2], (first[1, 1] + first[1, 2] + first[2, 1]) / 3, atol=1e-6)
    for lost in (spots[0], spots[3], spots[4]):
        with pytest.raises(ValueError, match="none of the features lies on a patch that was observed"):
            embed_features(encoder, sample, frame(lost))


WRONG = {
    "no place": (lambda e: embed_features(e, load_sample("fields"), frame(point(1, 1))), "does not say where on Earth"),
    "no features": (lambda e: embed_features(e, scene(), frame()), "no features to embed"),
    "patch size 9": (lambda e: embed_features(e, scene(), frame(point(1, 1)), 9), "from 1 to 8"),
    "a window of 10": (
        lambda e: embed_features(e, scene(), frame(point(1, 1)), window=10),
        "multiple of the patch size, 4 px",
    ),
    "no window": (lambda e: embed_features(e, scene(), frame(point(1, 1)), window=-4), "multiple of the patch size"),
    "another way out": (lambda e: embed_features(e, scene(), frame(point(1, 1)), outside="drop"), "'error' or 'skip'"),
    "a system nobody knows": (
        lambda e: embed_features(e, scene(Georeference("EPSG:1", GRIDS["metres"].transform)), frame(point(1, 1))),
        "no way from coordinate system",
    ),
    "smaller than a patch": (
        lambda e: embed_features(e, scene(height=3, width=3), frame(point(1, 1))),
        "none of the feat",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(encoder, name):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call(encoder)


@pytest.fixture
def files(tmp_path, model):
    """A model folder, a GeoTIFF in metres and one in degrees, and labels."""
    save_model(model, tmp_path / "model")
    values = numbers(12, 40, 40)
    write(tmp_path / "scene_2020-07-05.tif", values, BANDS)
    options = {"driver": "GTiff", "dtype": "uint16", "crs": "EPSG:4326", "count": 12, "height": 40, "width": 40}
    with rasterio.open(
        tmp_path / "degrees_2020-07-05.tif", "w", transform=from_origin(3, 7.2375, 9e-5, 9e-5), **options
    ) as file:
        file.write(values)
        file.descriptions = BANDS
    spots = {"a": point(5, 5), "b": box(8, 8, 20, 20)}
    features = [(shape, {"class": kind}, {"id": number}) for number, (kind, shape) in enumerate(spots.items())]
    geojson(tmp_path / "labels.geojson", *features)
    return tmp_path


def embed(folder, model="model", data="scene_2020-07-05.tif", points="labels.geojson", out="emb.parquet", *more):
    arguments = {"--model": folder / model, "--data": folder / data, "--points": folder / points, "--out": folder / out}
    return invoke("embed", *(part for pair in arguments.items() for part in pair), *more)


@pytest.mark.parametrize("data", ["scene_2020-07-05.tif", "degrees_2020-07-05.tif"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_command(files, encoder, data, suffix):
    result = embed(files, data=data, out=f"new/emb.{suffix}")
    assert result.exit_code == 0, result.output
    assert "2 features, embeddings of 128 numbers" in result.output
    path = files / "new" / f"emb.{suffix}"
    table = (
        pd.read_parquet(path)
        if suffix == "parquet"
        else pd.read_csv(path, dtype={f"e{i:03d}": np.float32 for i in range(128)})
    )
    window = by_hand(encoder, load_sample(files / data), 0, 0, 40)
    assert np.array_equal(embeddings(table)[0], window[1, 1])
    assert table["class"].tolist() == ["a", "b"]
    assert [path.name for path in (files / "new").iterdir()] == [f"emb.{suffix}"]
    if suffix == "parquet":
        assert np.allclose(embeddings(table)[1], window[2:5, 2:5].mean((0, 1)), atol=1e-6)
        assert table.dtypes["e000"] == np.float32
        assert table["id"].tolist() == [0, 1]


def test_the_command_says_what_it_left_out(files):
    path = files / "labels.geojson"
    document = json.loads(path.read_text())
    document["features"].append(
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [9, 9]}}
    )
    inside = json.loads(shapely.to_geojson(box(-4, 0, 4, 8)))
    document["features"].append({"type": "Feature", "properties": {}, "geometry": inside})
    path.write_text(json.dumps(document))
    result = embed(files)
    assert result.exit_code == 2
    assert "1 of 4 features lies outside the scene (2, counted from 0)" in result.output
    assert not (files / "emb.parquet").exists()
    result = embed(files, "model", "scene_2020-07-05.tif", "labels.geojson", "emb.parquet", "--outside", "skip")
    assert result.exit_code == 0, result.output
    assert "note: 1 of 4 features lies outside the scene" in result.output
    assert "note: 1 feature beyond the edge of the scene" in result.output
    assert pd.read_parquet(files / "emb.parquet")["feature"].tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "nothing"}, "is no folder and no published model"),
        ({"model": "encoder.safetensors"}, "no file"),
        ({"data": "nowhere.tif"}, "no file"),
        ({"data": "labels.geojson"}, "there is no loader for"),
        ({"points": "nowhere.geojson"}, "no file"),
        ({"points": "scene_2020-07-05.tif"}, "is not GeoJSON"),
        ({"out": "emb.xlsx"}, "a table is written as .parquet or .csv, got 'emb.xlsx'"),
    ],
)
def test_wrong_arguments(files, change, message):
    result = embed(files, **change)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(files.glob("emb.*"))


def test_a_scene_without_a_place(files):
    write(files / "nowhere_2020-07-05.tif", numbers(), BANDS, crs=None)
    result = embed(files, model="not looked for", data="nowhere_2020-07-05.tif")
    assert result.exit_code == 2
    assert "does not say where on Earth its pixels lie" in result.output


def test_an_encoder_from_wherever_there_is_one(tmp_path, model):
    save_model(model, tmp_path / "whole")
    save_encoder(model.encoder, tmp_path / "alone" / "encoder.safetensors")
    wanted = model.encoder.state_dict()
    for source in ("whole", "alone", "alone/encoder.safetensors"):
        found = open_encoder(tmp_path / source)
        assert not found.training
        assert all(torch.equal(value, found.state_dict()[key]) for key, value in wanted.items())
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="is not a model folder"):
        open_encoder(tmp_path / "empty")


def test_an_encoder_that_does_not_fit_its_header(tmp_path, model, monkeypatch):
    other = size_config("nano", "v1")
    monkeypatch.setattr(model.encoder, "config", other)
    save_encoder(model.encoder, tmp_path / "encoder.safetensors")
    with pytest.raises(ValueError, match="does not fit its configuration"):
        open_encoder(tmp_path / "encoder.safetensors")


@pytest.mark.case("H5")
def test_points_of_a_vast_scene_read_their_windows_alone(encoder):
    """60,000 x 60,000 px of twelve bands are 173 GB; ten points read ten windows at most."""
    vast = Vast(60_000, 60_000)
    at_pixels = np.random.default_rng(0).integers(0, 59_000, (10, 2)) + 0.5
    spots = shapely.points(*vast.georeference.to_lonlat(*at_pixels.T))
    table = embed_features(encoder, vast, frame(*spots))
    assert len(vast.asked) <= 10
    assert {(height, width) for *_, height, width in vast.asked} == {(64, 64)}
    column, row = (at_pixels[3] // 64 * 64).astype(int)
    own = by_hand(encoder, vast, row, column, 64)
    inner = (at_pixels[3] % 64 // 4).astype(int)
    assert np.array_equal(embeddings(table)[3], own[inner[1], inner[0]])


@pytest.mark.case("H5")
def test_a_polygon_over_a_vast_scene_is_refused_before_its_patches_are_listed(encoder):
    vast = Vast(60_000, 60_000)
    lon, lat = vast.georeference.to_lonlat([100, 59_000], [100, 59_000])
    with pytest.raises(ValueError, match=r"a polygon spans \d+,\d+,\d+ patches of 4 px, at most 4,000,000"):
        embed_features(encoder, vast, frame(shapely.box(lon[0], lat[1], lon[1], lat[0])))
    assert not vast.asked


@pytest.mark.case("H5")
def test_a_sparse_scene_gives_nan_where_nothing_was_seen(encoder):
    vast = Vast(5000, 5000, seen=100, maps=True)
    spots = shapely.points(*vast.georeference.to_lonlat([10.5, 3000.5], [10.5, 3000.5]))
    with pytest.warns(UserWarning, match="1 of 2 features lies where no whole patch was observed"):
        table = embed_features(encoder, vast, frame(*spots))
    assert np.isfinite(embeddings(table)[0]).all()
    assert np.isnan(embeddings(table)[1]).all()


LOCAL = 'LOCAL_CS["field",UNIT["metre",1]]'


@pytest.mark.case("H22")
@pytest.mark.parametrize("crs", ["nonsense", "EPSG:999999", "/etc/passwd", LOCAL], ids="word number path local".split())
def test_a_coordinate_system_that_is_none_is_told_with_the_file(tmp_path, crs):
    document = {"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": crs}}, "features": []}
    document["features"] = [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [3, 7]}, "properties": {}}]
    (tmp_path / "a.geojson").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"^a\.geojson"):
        read_features(tmp_path / "a.geojson")
