"""The STAC door against a server on 127.0.0.1: what comes back is what was written."""

import re
from pathlib import Path

import numpy as np
import pytest
from stac_server import CORNER, EARTH_SEARCH_NAMES, add, field, images, load, middle
from typer.testing import CliRunner

from olmoearth_nb import SENTINEL2
from olmoearth_nb.bands import MISSING
from olmoearth_nb.cli.app import app
from olmoearth_nb.data import load_embedded, load_place, load_sample
from olmoearth_nb.data.npz import load_npz, save_npz
from olmoearth_nb.data.official import read_tile

pytestmark = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")

S2 = "sentinel2_l2a"
TILES = sorted((Path(__file__).parents[2] / "data" / "world" / "tiles").rglob("sample_*.h5"))


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# What comes back


def test_a_scene_of_the_world_comes_back_equal(catalogue):
    tile = read_tile(TILES[0], [S2], all_timesteps=True)
    there = [t for t, image in enumerate(images(tile)) if (image != MISSING).any()]
    for t in there:
        day = tile.dates[t].replace("-", "")[:6] + "17"
        add(catalogue, f"S2A_31TCJ_{day}", images(tile)[t], names=EARTH_SEARCH_NAMES)
    back = load(catalogue, start="2021-01-01", end="2021-12-31", size=128)
    assert back.dates == [tile.dates[t] for t in there]
    np.testing.assert_array_equal(back.images[S2], tile.images[S2][:, :, there])
    absent = ", ".join(tile.dates[t][:7] for t in range(12) if t not in there)
    assert f"no clear observation in {absent}: left out" in back.notes
    assert "contains modified Copernicus Sentinel data 2021" in back.provenance
    assert f"sentinel-2-l2a of {catalogue.url}, {len(there)} items" in back.provenance
    assert "EPSG:32631" in back.provenance


def test_twelve_months_come_back_equal(catalogue):
    chip = load_embedded("fields")
    for image, date in zip(images(chip), chip.dates, strict=True):
        catalogue.add(f"item_{date.replace('-', '')[:6]}28", image)  # the chip keeps 60 m as they are
    back = load(catalogue, start=chip.dates[0], end=f"{chip.dates[-1][:7]}-28", size=64)
    assert [date[:7] for date in back.dates] == [date[:7] for date in chip.dates]
    np.testing.assert_array_equal(back.images[S2], chip.images[S2])
    assert not any("no clear" in note for note in back.notes)
    assert sum("/search" in path for _, path, _ in catalogue.requests) == 3, "three pages of five, five and two items"


def test_real_resolutions_on_a_window_within_a_larger_scene(catalogue):
    """10, 20 and 60 m pixels; the window begins in the middle of some; most bytes of the files are never asked for."""
    size, corner = 1080, (300_000, 4_900_020)
    scene = np.random.default_rng(0).integers(1, 9000, (size, size, 12)).astype(np.uint16)
    for i, band in enumerate(SENTINEL2.bands):
        step = int(band.resolution) // 10
        scene[..., i] = scene[::step, ::step, i].repeat(step, 0).repeat(step, 1)
    catalogue.add("large_20230501", scene, corner=corner)
    row, column = 517, 341
    place = middle((corner[0] + 10 * column, corner[1] - 10 * row), 33)
    back = load(catalogue, place, size=33)
    np.testing.assert_array_equal(back.images[S2][:, :, 0], scene[row : row + 33, column : column + 33])
    whole = sum(path.stat().st_size for path in catalogue.folder.iterdir())
    assert catalogue.sent < whole / 3
    assert all(span for command, path, span in catalogue.asked("/files/") if command == "GET"), "only by ranges"


def test_assets_by_their_metadata(catalogue):
    """Keys that say nothing; `bands` of STAC 1.1 and `eo:bands` of 1.0 do."""
    item = add(catalogue, "item_20230501", field(), names={"B05": "x1", "B8A": "x2", "SCL": "x3"})
    item["assets"]["x1"]["bands"] = [{"name": "B05", "eo:common_name": "rededge071"}]
    item["assets"]["x2"]["eo:bands"] = [{"name": "narrow", "common_name": "nir08"}]
    item["assets"]["x3"]["eo:bands"] = [{"name": "scl"}]
    item["assets"]["preview"] = {"href": "thumbnail.jpg", "eo:bands": [{"name": "B04"}, {"name": "B03"}]}
    np.testing.assert_array_equal(images(load(catalogue))[0], field())


# The offset of baseline 04.00

DECLARED = {
    "baseline": ({"s2:processing_baseline": "05.09"}, {}, 1000),
    "raster:bands": ({}, {"raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}]}, 1000),
    "bands of STAC 1.1": ({}, {"bands": [{"raster:scale": 0.0001, "raster:offset": -0.1}]}, 1000),
    "not applied yet": ({"s2:processing_baseline": "04.00", "earthsearch:boa_offset_applied": False}, {}, 1000),
    "applied before": (
        {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True},
        {"raster:bands": [{"offset": -0.1}]},
        0,
    ),
    "an old baseline": ({"s2:processing_baseline": "02.14"}, {}, 0),
    "nothing said": ({}, {}, 0),
}


@pytest.mark.parametrize("declared", DECLARED)
def test_the_offset_goes_once(catalogue, declared):
    properties, fields, there = DECLARED[declared]
    add(catalogue, "item_20230501", field() + there, properties=properties, fields=fields)
    for _ in range(2):  # from the files, and from what is kept of them
        back = load(catalogue)
        np.testing.assert_array_equal(images(back)[0], field())
        said = f"{there or 'nothing'} taken off the digital numbers of 1 of 1 item (by what the catalogue says)"
        assert said in back.notes


def test_the_offset_by_the_caller_and_in_a_mixed_month(catalogue):
    add(catalogue, "old_20230501", field(1), properties={"s2:processing_baseline": "03.01"})
    add(catalogue, "new_20230511", field(1) + 1000, properties={"s2:processing_baseline": "05.09"})
    back = load(catalogue)
    np.testing.assert_array_equal(images(back)[0], field(1))
    assert (
        "1000 taken off the digital numbers of 1 of 2 items, nothing taken off the digital numbers of 1 of 2 items "
        "(by what the catalogue says)"
    ) in back.notes
    forced = load(catalogue, offset=1000, end="2023-05-05")
    np.testing.assert_array_equal(images(forced)[0], np.maximum(field(1) - 1000, 1))
    assert "1000 taken off the digital numbers of 1 of 1 item (as asked for)" in forced.notes


def test_an_offset_that_was_taken_off_before_is_suspected(catalogue):
    add(catalogue, "item_20230501", field() - 1000, properties={"s2:processing_baseline": "05.09"})
    with pytest.warns(UserWarning, match=r"item_20230501 \(\d+%\): it may have been taken off before"):
        back = load(catalogue)
    assert any("compare offset=0" in note for note in back.notes)
    np.testing.assert_array_equal(images(load(catalogue, offset=0))[0], field() - 1000)


# Clouds


def test_clear_pixels_of_a_month_add_up(catalogue):
    """May: each date sees one half, cloud and shadow elsewhere. June: a stripe is never seen. July: only cloud."""
    left, right, stripe = (np.full((16, 16), 4) for _ in range(3))
    left[:, 8:], right[:, :8], stripe[:4] = 9, 3, 8
    cloud = field() + 3000
    add(catalogue, "a_20230503", np.where(left[..., None] == 9, cloud, field()), left)
    add(catalogue, "b_20230523", np.where(right[..., None] == 3, 50, field()), right)
    add(catalogue, "c_20230603", field(2), stripe)
    add(catalogue, "d_20230703", cloud, np.full((16, 16), 10))
    back = load(catalogue, start="2023-05-02", end="2023-07-31")
    assert back.dates == ["2023-05-02", "2023-06-01"], "the first day of each month that was asked for"
    np.testing.assert_array_equal(images(back)[0], field())
    np.testing.assert_array_equal(images(back)[1][4:], field(2)[4:])
    assert (images(back)[1][:4] == MISSING).all()
    assert "no clear observation in 2023-07: left out" in back.notes
    assert "pixels without a clear observation are missing in 2023-06 (25.0%)" in back.notes
    assert {path for _, path, _ in catalogue.asked("d_2023")} == {"/files/d_20230703_SCL.tif"}, "bands under cloud stay"


def test_the_median_of_a_month(catalogue):
    days = [field(seed) for seed in range(3)]
    for i, numbers in enumerate(days):
        add(catalogue, f"item_2023050{i + 1}", numbers)
    np.testing.assert_array_equal(images(load(catalogue))[0], np.median(days, axis=0))
    np.testing.assert_array_equal(images(load(catalogue, end="2023-05-02"))[0], np.mean(days[:2], axis=0))


def test_one_day_counts_once(catalogue):
    """Two tiles of one day, one of them without data on the left; and a third item that nobody needs."""
    edge, gaps = np.full((16, 16), 4), field()
    edge[:, :6], gaps[:, :6] = 0, 0
    add(catalogue, "z_20230501", gaps, edge)
    add(catalogue, "y_20230501", field())
    add(catalogue, "x_20230501", field(5))
    add(catalogue, "later_20230502", field(1))
    back = load(catalogue)
    np.testing.assert_array_equal(images(back)[0], (field() + field(1)) / 2)
    assert not catalogue.asked("/files/x_")


def test_cloudy_tiles_are_not_asked_for(catalogue):
    add(catalogue, "item_20230501", field(), properties={"eo:cloud_cover": 61.0})
    add(catalogue, "item_20230601", field(1), properties={"eo:cloud_cover": 59.0})
    assert load(catalogue).dates == ["2023-06-01"]
    assert load(catalogue, max_cloud=100).dates == ["2023-05-01", "2023-06-01"]


# Where it lies


def test_a_place_beyond_the_border_of_its_tiles_zone(catalogue):
    """At 6.03 E all items are in zone 31: no pixel is moved."""
    corner = (740_040, 4_800_000)
    add(catalogue, "item_20230501", field(), corner=corner)
    place = middle(corner, 16)
    assert place[1] > 5.9
    back = load(catalogue, (place[0], place[1]))
    np.testing.assert_array_equal(images(back)[0], field())


def ramp(corner, crs, size=64):
    """Digital numbers that grow by 1 a metre to the north-east, whichever zone the pixels are in."""
    from rasterio.warp import transform

    x, y = np.meshgrid(corner[0] + 10 * np.arange(size) + 5, corner[1] - 10 * np.arange(size) - 5)
    east, north = transform(crs, "EPSG:32631", x.ravel(), y.ravel())
    value = 3000 + (np.array(east) - 743_000) + (np.array(north) - 4_800_000)
    return np.repeat(value.reshape(size, size, 1), 12, axis=2).round()


def test_two_zones_in_one_sample(catalogue):
    """Days of either zone are brought to one grid: values differ by no more than the shift of a pixel or two."""
    from rasterio.warp import transform

    place = middle((743_000, 4_800_000), 32)
    fine = {band.name: 1 for band in SENTINEL2.bands} | {"SCL": 1}
    for name, crs in (("a_20230501", "EPSG:32631"), ("b_20230601", "EPSG:32632")):
        (x,), (y,) = transform("EPSG:4326", crs, [place[1]], [place[0]])
        corner = (round(x / 10) * 10 - 320, round(y / 10) * 10 + 320)
        catalogue.add(name, ramp(corner, crs), corner=corner, crs=crs, step=fine)
    first, second = images(load(catalogue, place, size=32))
    assert (first != MISSING).all()
    assert (second != MISSING).all()
    assert np.abs(first - second).max() <= 20
    assert np.abs(first - second).max() > 0


def test_across_180_degrees(catalogue):
    corner, crs = (819_360, 8_118_000), "EPSG:32760"
    item = add(catalogue, "item_20230501", field(), corner=corner, crs=crs)
    west, south, east, north = item["bbox"]
    assert west > 179
    assert east < -179, "the scene lies on both sides"
    halves = [[(a, south), (b, south), (b, north), (a, north), (a, south)] for a, b in ((west, 180), (-180, east))]
    item["geometry"] = {"type": "MultiPolygon", "coordinates": [[half] for half in halves]}
    np.testing.assert_array_equal(images(load(catalogue, middle(corner, 16, crs)))[0], field())


# The file that the command writes


def test_the_command(catalogue, tmp_path):
    hidden = np.full((16, 16), 4)
    hidden[:4] = 9
    add(catalogue, "item_20230501", field(), hidden)
    lat, lon = middle(CORNER, 16)
    options = ["--lat", lat, "--lon", lon, "--start", "2023-05-01", "--end", "2023-06-30", "--size", "16"]
    options += ["--catalogue", catalogue.url, "--cache", catalogue.cache, "--out", tmp_path / "place.npz"]
    result = invoke("data", "stac", *options)
    assert result.exit_code == 0, result.output
    assert "1 item of 1 date in 1 of 2 months, 0 already kept in" in result.output
    assert "place.npz: 16 x 16 px, 1 month: 2023-05" in result.output
    assert "* no clear observation in 2023-06: left out" in result.output
    sample = load_sample(tmp_path / "place.npz")
    assert (images(sample)[0][:4] == MISSING).all()
    np.testing.assert_array_equal(images(sample)[0][4:], field()[4:])
    assert "contains modified Copernicus Sentinel data 2023" in sample.provenance
    assert load_place(tmp_path / "place.npz").dates == ["2023-05-01"]


def test_the_command_says_what_is_wrong(catalogue, tmp_path):
    options = ["--lat", 10, "--lon", 10, "--start", "2023-05-01", "--end", "2023-06-30", "--catalogue", catalogue.url]
    for more, message in (
        (["--out", tmp_path / "place.tif"], "--out must be named *.npz"),
        (["--out", tmp_path / "place.npz", "--size", "4"], "8 to 1024, got 4"),
        (["--out", tmp_path / "place.npz"], "has no item of sentinel-2-l2a at 10.0000 N 10.0000 E"),
    ):
        result = invoke("data", "stac", *options, *more)
        assert result.exit_code == 2
        assert message in result.output
        assert not list(tmp_path.glob("place*"))


def test_npz_there_and_back(catalogue, tmp_path):
    add(catalogue, "item_20230501", field())
    sample = load(catalogue)
    back = load_npz(save_npz(sample, tmp_path / "new" / "place.npz"))
    np.testing.assert_array_equal(back.images[S2], sample.images[S2])
    for name in ("title", "provenance", "dates", "georeference"):
        assert getattr(back, name) == getattr(sample, name)
    assert set(sample.notes) <= set(back.notes)
    assert sample.georeference.crs == "EPSG:32631"
    assert sample.georeference.transform == (10, 0, CORNER[0], 0, -10, CORNER[1])
    with np.load(tmp_path / "new" / "place.npz") as file:
        assert str(file["BOA_OFFSET_APPLIED"]) == "True", "nobody takes it off again"
    assert re.fullmatch(r"43\.\d{4} N 3\.\d{4} E, 2023-01-01 to 2023-12-31", back.title)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["place.npz"]
    with pytest.raises(ValueError, match="must be named"):
        save_npz(sample, tmp_path / "place.h5")
    with pytest.raises(ValueError, match=r"Sentinel-2 alone; sample_0\.h5 has"):
        save_npz(read_tile(TILES[0]), tmp_path / "place.npz")
