"""Doors: what comes in is what the file holds, and a hostile or broken file runs nothing."""

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from chips import Bomb, write_chip, write_npz
from geotiffs import BANDS, numbers, write
from safe_twin import write_safe

from olmoearth_nb import SENTINEL2, Batch, Sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import data_dir, embedded_names, load_embedded, load_place, load_sample, load_scene
from olmoearth_nb.data.arrays import parse_dates
from olmoearth_nb.data.geobench.chip import ORDERS, Inert, load_geobench_chip, read_metadata

S2 = "sentinel2_l2a"
REAL_CHIP = Path(__file__).parents[3] / "shared" / "real" / "m-eurosat_id_1905.hdf5"


pytestmark = pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")


@pytest.mark.parametrize(("names", "order"), ORDERS.items())
def test_geobench_bands(tmp_path, names, order):
    sample = load_geobench_chip(write_chip(tmp_path / "id_1.hdf5"), names=names)
    image = sample.images[S2]
    assert image.shape == (64, 64, 1, 12)
    for i, band in enumerate(SENTINEL2.band_names):
        assert image[5, 7, 0, i] == 100 * order.index(band) + 7, band
    assert sample.timestamps.tolist() == [[1, 6, 2020]], "July: months count from 0"
    assert any("top-of-atmosphere" in note for note in sample.notes)


def test_published_names_are_the_official_channel_rule(tmp_path):
    """The official evaluation takes channels 1 2 3 7 4 5 6 8 11 12 0 9 of the 13."""
    image = load_geobench_chip(write_chip(tmp_path / "id_1.hdf5"), names="published").images[S2]
    assert (image[0, 0, 0] / 100).tolist() == [1, 2, 3, 7, 4, 5, 6, 8, 11, 12, 0, 9]


@pytest.mark.skipif(not REAL_CHIP.exists(), reason="the real m-eurosat chip is not part of the project")
def test_the_real_chip():
    """Its pixels say what its labels do not: B8A resembles B07, and B09 has 60 m pixels."""
    sample = load_sample(REAL_CHIP)
    image = dict(zip(SENTINEL2.band_names, sample.images[S2][:, :, 0].transpose(2, 0, 1), strict=True))
    assert np.corrcoef(image["B8A"].ravel(), image["B07"].ravel())[0, 1] > 0.95
    roughness = {band: np.abs(np.diff(x, axis=1)).mean() / x.std() for band, x in image.items()}
    assert roughness["B09"] < roughness["B8A"] / 1.5
    with pytest.warns(UserWarning, match="order of the bands are almost surely wrong"):
        published = load_geobench_chip(REAL_CHIP, names="published")
    assert published.images[S2][..., SENTINEL2.indices(["B09"])[0]].mean() < 50, "labelled water vapour is cirrus"
    assert any("B8A is far below B07" in note for note in published.notes)


def test_hostile_metadata_run_nothing(tmp_path):
    path = write_chip(tmp_path / "id_1.hdf5", metadata={"label": 1, "bomb": Bomb(tmp_path / "ran")})
    load_geobench_chip(path)
    assert not (tmp_path / "ran").exists()
    assert isinstance(read_metadata(repr(pickle.dumps({"x": Bomb(tmp_path / "ran")})))["x"], Inert)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').mkdir('ran')",
        "[1, 2]",
        "b'not a pickle'",
        repr(pickle.dumps([1, 2])),
        repr(b"cos\nsystem\n(S'true'\ntR."),
        repr(b"\x80\x02Nr\xff\xff\xff\x7f."),
        "-" * 60_000 + "1",
        "b'" + "x" * 200_000 + "'",
    ],
)
def test_metadata_that_are_no_dictionary_are_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="metadata"):
        read_metadata(text)
    assert not os.listdir(tmp_path)


def test_npz_bands_in_any_order(tmp_path):
    path = write_npz(tmp_path / "a.npz")
    sample = load_sample(path)
    assert np.array_equal(sample.images[S2], np.load(path)["image"][..., ::-1])
    assert sample.timestamps.tolist() == [[31, 0, 2021], [1, 11, 2021]]
    assert sample.dates == ["2021-01-31", "2021-12-01"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((8, 8, 2, 12), complex)}, "must hold numbers"),
        ({"dates": None}, r"a\.npz has no dates; it has image, bands"),
        ({"dates": ["2021-01-31"]}, "2 timesteps .* but 1 dates"),
        ({"dates": ["2021-12-01", "2021-01-31"]}, "in order of time"),
        ({"dates": ["someday", "2021-01-31"]}, "not a date"),
        ({"bands": ["B02"] * 12}, r"given twice: \['B02'\]"),
        ({"bands": [f"B{i}" for i in range(12)]}, "has no band 'B0'"),
        ({"bands": ["B02"]}, "named bands per channel"),
        ({"image": np.zeros((8, 8, 12))}, r"image must be \(H, W, T, C\)"),
        ({"image": np.full((8, 8, 2, 12), np.nan)}, "no observed value"),
        ({"image": np.full((8, 8, 2, 12), "x")}, "must hold numbers"),
        ({"image": np.zeros((8, 8, 13, 12)), "dates": ["2021-01-01"] * 13}, "at most 12"),
    ],
)
def test_bad_npz(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_sample(write_npz(tmp_path / "a.npz", **changes))


@pytest.mark.case("words")
@pytest.mark.parametrize("dates", ["2020-07-05", ["2020-07-05"]])
def test_one_date_is_not_its_letters(tmp_path, dates):
    path = write(tmp_path / "undated.tif", numbers(), BANDS)
    assert load_sample(path, dates=dates).dates == ["2020-07-05"]
    with pytest.raises(ValueError, match="'July' is not a date"):
        load_sample(path, dates="July")


@pytest.mark.case("tables")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_no_sample(tmp_path, suffix):
    (tmp_path / f"x{suffix}").touch()
    with pytest.raises(ValueError, match=r"is a table; .* to_samples of .*, on the command line by .*embed --data"):
        load_sample(tmp_path / f"x{suffix}")


@pytest.mark.parametrize(
    "dates",
    [
        np.array(["2021-01-31", "2021-12-01"], "datetime64[ns]"),
        np.array(["2021-01-31T10:00", "2021-12-01T10:00"], "datetime64[s]"),
        np.array([b"2021-01-31", b"2021-12-01"]),
    ],
    ids=["ns", "s", "bytes"],
)
def test_npz_dates_of_every_type(tmp_path, dates):
    path = write_npz(tmp_path / "a.NPZ", dates=dates, bands=np.array(SENTINEL2.band_names, "S"))
    path = path.rename(path.with_suffix(".NPZ")) if path.exists() else (tmp_path / "a.NPZ.npz")
    assert load_sample(path).dates == ["2021-01-31", "2021-12-01"]


def test_npz_with_objects_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, image=np.array([Bomb(tmp_path / "ran")], dtype=object), bands=["B02"], dates=["2021-01-01"])
    with pytest.raises(ValueError, match=r"a\.npz holds Python objects in image, which are not read"):
        load_sample(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("door", [".npz", ".hdf5"])
def test_broken_files(tmp_path, door):
    path = tmp_path / f"broken{door}"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match="not a"):
        load_sample(path)


def test_a_chip_without_a_band(tmp_path):
    with pytest.raises(ValueError, match=r"no bands \['04 - Red'\]"):
        load_sample(write_chip(tmp_path / "a.hdf5", skip=("04 - Red",)))


def test_a_chip_with_links_or_odd_bands(tmp_path):
    other = write_chip(tmp_path / "other.hdf5")
    linked = write_chip(tmp_path / "linked.hdf5", skip=("04 - Red",))
    with h5py.File(linked, "a") as file:
        file["04 - Red"] = h5py.ExternalLink(str(other), "04 - Red")
    with pytest.raises(ValueError, match="04 - Red is a link, which is not followed"):
        load_sample(linked)
    odd = write_chip(tmp_path / "odd.hdf5", skip=("04 - Red",))
    with h5py.File(odd, "a") as file:
        file["04 - Red"] = np.zeros((32, 64))
    with pytest.raises(ValueError, match="2-D and of one size"):
        load_sample(odd)


def test_a_dated_chip(tmp_path):
    import datetime as dt

    for date in (dt.date(2018, 5, 1), dt.datetime(2018, 5, 1, 10, 30), "2018-05-01"):
        path = write_chip(tmp_path / "dated.hdf5", metadata={"01 - Coastal aerosol": {"date": date}})
        assert load_sample(path).dates == ["2018-05-01"]


def test_no_such_file_or_door(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file nowhere"):
        load_sample("nowhere.npz")
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"no loader for '\.png'"):
        load_sample(tmp_path / "a.png")
    with pytest.raises(ValueError, match="'content' or 'published'"):
        load_geobench_chip(tmp_path / "a.hdf5", names="x")


@pytest.mark.parametrize("name", embedded_names())
def test_embedded_chips(name):
    """Simulated, called so, and with the native pixels of 10, 20 and 60 m."""
    sample = load_embedded(name)
    image = sample.images[S2]
    assert image.shape == (64, 64, 12, 12)
    assert "simulated" in sample.provenance
    assert image.min() > 0
    assert image.max() < 12_000
    for band, repeat in (("B05", 2), ("B01", 6)):
        values = image[:60, :60, 0, SENTINEL2.indices([band])[0]].reshape(60 // repeat, repeat, 60 // repeat, repeat)
        assert (values == values[:, :1, :, :1]).all()
    ndvi = [(b08 - b04) / (b08 + b04) for b04, b08 in image[..., SENTINEL2.indices(["B04", "B08"])].mean((0, 1))]
    assert 3 <= int(np.argmax(ndvi)) <= 8, "green in the northern summer"


def test_embedded_data_have_provenance():
    text = (data_dir() / "README.md").read_text()
    assert all(f"chips/{name}.npz" in text for name in embedded_names())
    with pytest.raises(ValueError, match="there are fields, forest, town"):
        load_embedded("sea")


def test_normalisation_and_missing():
    """Mean - 2 std becomes 0, mean + 2 std becomes 1, and what is missing stays missing."""
    image = np.full((8, 8, 1, 12), MISSING, dtype=np.float32)
    image[0, 0, 0] = [band.mean - 2 * band.std for band in SENTINEL2.bands]
    image[0, 1, 0] = [band.mean + 2 * band.std for band in SENTINEL2.bands]
    batch = Batch.from_samples(Sample({S2: image}, np.array([[29, 1, 2020]])))
    normal = batch.images[S2][0, 0, :, 0]
    torch.testing.assert_close(normal[0], torch.zeros(12), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal[1], torch.ones(12))
    assert (normal[2:] == MISSING).all()


def test_dates_of_every_kind():
    import datetime as dt

    dates = ["2020-02-29", dt.date(2020, 3, 1), dt.datetime(2020, 4, 1, 10), np.datetime64("2020-12-31")]
    assert parse_dates(dates).tolist() == [[29, 1, 2020], [1, 2, 2020], [1, 3, 2020], [31, 11, 2020]]


def test_places_as_the_notebooks_show_them(tmp_path):
    tile = next((Path(__file__).parents[2] / "data" / "world" / "tiles").rglob("sample_0.h5"))
    whole, place = load_sample(tile), load_place(tile)
    assert set(whole.images) > {"sentinel2_l2a", "sentinel1", "worldcover"}
    assert list(place.images) == ["sentinel2_l2a"]
    steps = [whole.dates.index(date) for date in place.dates]
    assert (place.images["sentinel2_l2a"] == whole.images["sentinel2_l2a"][32:96, 32:96, steps]).all()
    assert (place.images["sentinel2_l2a"] != MISSING).any((0, 1, 3)).all()
    assert "the middle 64x64 of 128x128 px" in place.notes
    assert load_place("forest").images["sentinel2_l2a"].shape == (64, 64, 12, 12)


def test_any_part_of_a_product_is_its_product(tmp_path):
    product, _ = write_safe(tmp_path)
    for path in (product, tmp_path, product / "MTD_MSIL2A.xml", next(product.glob("GRANULE/*"))):
        assert load_sample(path, size=16).shape == (16, 16)
    assert load_scene(product).shape == (180, 180), "whole, not its middle"


def test_a_large_geotiff_is_a_scene_and_says_which_options_it_has(tmp_path):
    path = write(tmp_path / "2023-05-01.tif", numbers(height=1100, width=1000), BANDS)
    scene = load_scene(path, offset=None)
    assert not isinstance(scene, Sample)
    window = scene.window(500, 600, 32)
    assert np.array_equal(window.images[S2], load_sample(path, offset=None).window(500, 600, 32).images[S2])
    with pytest.raises(ValueError, match=r"has no names=; it has bands=, dates=, modality="):
        load_scene(path, names="content")
    assert isinstance(load_scene("fields"), Sample)
