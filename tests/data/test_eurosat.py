"""EuroSAT with all bands: the order of its 13 bands is looked for in the numbers, not believed."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from chips import write_chip
from labelled_twins import LAND, WATER, chip, pixels

from olmoearth_nb import SENTINEL2, Batch
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_sample
from olmoearth_nb.data.eurosat import CLASSES, EuroSAT, check_order, load_eurosat_chip
from olmoearth_nb.data.geobench.chip import FILE_ORDER, LABELS, load_geobench_chip

S2 = "sentinel2_l2a"
REAL_CHIP = Path(__file__).parents[3] / "shared" / "real" / "m-eurosat_id_1905.hdf5"
BY_NUMBER = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12".split()
OF_THE_MODELS = [*SENTINEL2.band_names, "B10"]

pytestmark = pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")


@pytest.mark.parametrize("means", [LAND, WATER], ids=["land", "water"])
def test_a_chip(tmp_path, means):
    values = pixels(means)
    path = chip(tmp_path / "Forest_12.tif", values)
    sample = load_eurosat_chip(path)
    for i, band in enumerate(SENTINEL2.band_names):
        assert (sample.images[S2][:, :, 0, i] == values[FILE_ORDER.index(band)]).all(), band
    assert sample.dates == ["2020-07-01"]
    assert any("no date" in note for note in sample.notes)
    assert any("top-of-atmosphere" in note for note in sample.notes)
    assert load_eurosat_chip(path, date="2018-05-01").dates == ["2018-05-01"]
    assert (load_sample(path).images[S2] == sample.images[S2]).all(), "make run DATA="
    assert len(Batch.from_samples(sample)) == 1


@pytest.mark.parametrize("means", [LAND, WATER], ids=["land", "water"])
@pytest.mark.parametrize("order", [BY_NUMBER, OF_THE_MODELS, FILE_ORDER[::-1]], ids=["number", "models", "reverse"])
def test_another_order_is_refused(tmp_path, means, order):
    path = chip(tmp_path / "a.tif", pixels(means, order))
    with pytest.raises(ValueError, match=r"a\.tif is not in EuroSAT's order of bands"):
        load_eurosat_chip(path)


def test_an_order_wrong_in_one_place_is_refused():
    swapped = [{"B09": "B8A", "B8A": "B09"}.get(band, band) for band in FILE_ORDER]
    with pytest.raises(ValueError, match=r"the 13th should be B8A, near to B07 \(mean 24\d\d\), but its mean is 76\d"):
        check_order(pixels(order=swapped).transpose(1, 2, 0), "x")


@pytest.mark.skipif(not REAL_CHIP.exists(), reason="the real m-eurosat chip is not part of the project")
def test_the_real_chip_as_a_geotiff(tmp_path):
    """m-eurosat kept EuroSAT's own order of pixels: they pass, and in the order of their labels they do not."""
    with h5py.File(REAL_CHIP) as file:
        values = np.stack([file[label][()] for label in LABELS])
    sample = load_eurosat_chip(chip(tmp_path / "Forest_1.tif", values))
    assert (sample.images[S2] == load_sample(REAL_CHIP).images[S2]).all()
    with pytest.raises(ValueError, match="not in EuroSAT's order"):
        check_order(values[[FILE_ORDER.index(band) for band in BY_NUMBER]].transpose(1, 2, 0), "by number")


def test_the_folder_as_a_data_set(tmp_path):
    base = tmp_path / "ds" / "images" / "tif"
    for name, number, seed in (("SeaLake", 2, 1), ("Forest", 10, 2), ("Forest", 9, 3)):
        chip(base / name / f"{name}_{number}.tif", pixels(WATER if name == "SeaLake" else LAND, seed=seed))
    (base / "Forest" / "Thumbs.db").touch()
    data = EuroSAT(tmp_path)
    assert len(data) == 3
    assert [path.name for path in data.paths] == ["Forest_9.tif", "Forest_10.tif", "SeaLake_2.tif"]
    assert data.labels.tolist() == [1, 1, 9]
    assert [data.class_names[label] for label in data.labels] == ["Forest", "Forest", "SeaLake"]
    sample, label = data[-1]
    assert (sample.images[S2][:, :, 0, 0] == pixels(WATER, seed=1)[1]).all()
    assert label == 9
    assert [label for _, label in data[:2]] == [1, 1]
    assert sum(1 for _ in data) == 3


def test_names_of_the_bands(tmp_path):
    """Published names are what m-eurosat's labels say of the same pixels; what they call B10 is dropped."""
    values = pixels()
    path = chip(tmp_path / "Forest_1.tif", values)
    wrong = {"B8A": "B09", "B09": "B10", "B11": "B12", "B12": "B8A"}
    with pytest.warns(UserWarning, match="almost surely wrong: B8A is far below B07"):
        sample = load_eurosat_chip(path, names="published")
    for i, band in enumerate(SENTINEL2.band_names):
        assert (sample.images[S2][:, :, 0, i] == values[FILE_ORDER.index(wrong.get(band, band))]).all(), band
    assert any("wrong names on purpose" in note and "B12 is B8A" in note for note in sample.notes)
    m_eurosat = write_chip(tmp_path / "id_1.hdf5", values=values)
    with pytest.warns(UserWarning, match="almost surely wrong"):
        same = load_geobench_chip(m_eurosat, names="published")
    assert (same.images[S2] == sample.images[S2]).all(), "the same pixels under the same names"
    assert (load_geobench_chip(m_eurosat).images[S2] == load_eurosat_chip(path).images[S2]).all()
    with pytest.raises(ValueError, match="names must be 'content' or 'published', got 'right'"):
        load_eurosat_chip(path, names="right")
    with pytest.raises(ValueError, match="names must be"):
        EuroSAT(tmp_path, names="right")


def truncated(path):
    path.write_bytes(path.read_bytes()[:20_000])
    return path


WRONG = {
    "cut off": (lambda t: truncated(chip(t / "a.tif")), "not a whole file of GTiff"),
    "12 bands": (lambda t: chip(t / "a.tif", pixels()[:12]), "must have the 13 bands of EuroSAT, it has 12"),
    "the RGB version": (
        lambda t: chip(t / "a.tif", pixels().astype(np.uint8)),
        r"must hold digital numbers \(uint16\), it holds uint8",
    ),
    "reflectance": (lambda t: chip(t / "a.tif", pixels() / np.float32(1e4)), "it holds float32"),
    "NaN": (lambda t: chip(t / "a.tif", np.full((13, 64, 64), np.nan)), "it holds float64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_chips(tmp_path, name):
    make, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        load_eurosat_chip(make(tmp_path))


@pytest.mark.case("3")
def test_a_chip_whose_tags_scale_it(tmp_path):
    path = chip(tmp_path / "Forest_1.tif")
    with rasterio.open(path, "r+") as file:
        file.scales = [1e-3] * 13
    with pytest.raises(ValueError, match=r"Forest_1\.tif must hold digital numbers, but its tags scale them"):
        load_eurosat_chip(path)


@pytest.mark.case("1")
def test_a_chip_with_gaps(tmp_path):
    values = pixels()
    values[:, :20] = 0
    image = load_eurosat_chip(chip(tmp_path / "Forest_1.tif", values, nodata=0)).images[S2]
    assert (image[:20] == MISSING).all()
    assert (image[20:] != MISSING).all()
    with pytest.raises(ValueError, match="holds no observed value"):
        load_eurosat_chip(chip(tmp_path / "Forest_2.tif", values * 0, nodata=0))


def linked(folder):
    outside = chip(folder / "outside" / "Forest_1.tif")
    (folder / "set" / "Forest").mkdir(parents=True)
    os.symlink(outside, folder / "set" / "Forest" / "Forest_1.tif")
    return folder / "set"


def with_folders(*names):
    def make(folder):
        for name in names:
            chip(folder / "set" / name / "x_1.tif")
        return folder / "set"

    return make


def emptied(folder):
    (with_folders("Forest", "River")(folder) / "River" / "x_1.tif").unlink()
    return folder / "set"


FOLDERS = {
    "no classes": (with_folders("a", "b"), "in one place, they are in 0"),
    "classes in two places": (with_folders("train/Forest", "test/Forest"), "in one place, they are in 2"),
    "a class of another set": (with_folders("Forest", "Desert"), r"no class of EuroSAT: \['Desert'\]"),
    "an empty class": (emptied, r"class folders without a .tif: \['River'\]"),
    "a link out of the folder": (linked, "is a link that leaves the folder"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_wrong_folders(tmp_path, name):
    make, message = FOLDERS[name]
    with pytest.raises(ValueError, match=message):
        EuroSAT(make(tmp_path))


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        EuroSAT(tmp_path / "nowhere")
    assert list(CLASSES) == sorted(CLASSES)
