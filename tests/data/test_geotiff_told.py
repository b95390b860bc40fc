"""What a GeoTIFF says of itself in ways that are easy to miss: counters as names, Landsat, masks, tags, units."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from geotiffs import BANDS, numbers, write
from mistakes import image
from rasterio.rio.main import main_group as rio

from olmoearth_nb import to_sample
from olmoearth_nb.data.geotiff.load import load_geotiff
from olmoearth_nb.data.geotiff.scene import open_scene

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # random numbers are odd bands

S2 = "sentinel2_l2a"
ORDER = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split()
LANDSAT = [f"B{i}" for i in range(1, 8)]
PRODUCT = "S2B_MSIL2A_20230501T103021_N0509_R108_T31UFS"


@pytest.mark.case("counters")
@pytest.mark.parametrize("name", ["Band {}", "{}", "B{}", "B{:02}"])
def test_names_that_only_count_are_not_bands(tmp_path, name):
    values = numbers()
    path = write(tmp_path / "a_2022-05-01.tif", values, [name.format(i) for i in range(1, 13)])
    with pytest.raises(ValueError, match=r"B1 to B12 are only numbers of the bands in the file, give bands=") as error:
        load_geotiff(path)
    advised = re.search(r"bands=\[(.*?)\]", str(error.value))[1].replace("'", "").split(", ")
    assert advised == ORDER
    sample = load_geotiff(path, bands=advised)
    assert (sample.images[S2][..., 0, BANDS.index("B8A")] == values[8]).all()


@pytest.mark.case("counters")
def test_names_of_landsat_are_told(tmp_path):
    path = write(tmp_path / "a_2022-05-01.tif", numbers(7) + 7000, LANDSAT)
    with pytest.raises(ValueError, match=r"if they are Landsat's, say modality='landsat'; say missing_bands='zero'"):
        load_geotiff(path)
    assert "landsat" in load_geotiff(path, modality="landsat", missing_bands="zero").images
    with pytest.raises(ValueError, match="if they are Landsat's"):
        to_sample(image(bands=7), LANDSAT, ["2021-01-31", "2021-12-01"])
    with pytest.raises(ValueError, match=r"bands missing: \['B09'\]; say missing_bands="):
        to_sample(image(bands=11), [name for name in BANDS if name != "B09"], ["2021-01-31", "2021-12-01"])


@pytest.mark.case("3")
@pytest.mark.parametrize("where", ["its name", "its tag"])
def test_landsat_of_level_2_is_refused(tmp_path, where):
    name = "LC08_L2SP_198024_20220501_20220510_02_T1.tif" if where == "its name" else "a.tif"
    tags = {"PROCESSING_LEVEL": "L2SP"} if where == "its tag" else {}
    path = write(tmp_path / name, numbers(7) + 7000, LANDSAT, tags)
    with pytest.raises(ValueError, match=rf"{where} .*L2SP, surface reflectance of Level 2; the models read"):
        load_geotiff(path, modality="landsat", missing_bands="zero", dates=["2022-05-01"])


@pytest.mark.case("masks")
@pytest.mark.parametrize("name", ["alpha", "mask", "VALID", "SCL", "cloudmask", "QA60"])
def test_bands_that_may_be_masks_are_noted(tmp_path, name):
    path = write(tmp_path / "a_2022-05-01.tif", numbers(13), [*BANDS, name])
    notes = load_geotiff(path).notes
    assert any(note.startswith(f"{name} may mark what was not observed, and is not read") for note in notes)


@pytest.mark.case("3")
@pytest.mark.parametrize("tags", [{"scale": "0.00005", "offset": "0"}, {"SCALE": "5e-5"}, {"scale": "5e-5"}])
def test_plain_tags_of_a_file_are_applied(tmp_path, tags):
    values = numbers()
    sample = load_geotiff(write(tmp_path / "a_2022-05-01.tif", values * 2, BANDS, tags))
    np.testing.assert_allclose(sample.images[S2][:, :, 0], values.transpose(1, 2, 0), rtol=1e-5)
    assert any("converted as the tags say: reflectance is 5e-05 x number" in note for note in sample.notes)


@pytest.mark.case("3")
def test_a_size_of_pixels_is_no_scale(tmp_path):
    values = numbers()
    sample = load_geotiff(write(tmp_path / "a_2022-05-01.tif", values, BANDS, {"scale": "10", "offset": "-1000"}))
    assert (sample.images[S2][:, :, 0] == values.transpose(1, 2, 0)).all()


@pytest.mark.case("3")
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("divisor", ["10000", "1000"])
def test_a_divisor_among_scales_is_named_and_the_advice_works(tmp_path, divisor, dtype, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "a_2022-05-01.tif", (numbers() // 10).astype(dtype), BANDS, {"SCALE_FACTOR": divisor})
    with pytest.raises(ValueError, match=rf"the tag SCALE_FACTOR={divisor}, which can only be a divisor") as error:
        load_geotiff(path)
    command = re.search("`rio (.*)`", str(error.value))[1].split()
    assert CliRunner().invoke(rio, command).exit_code == 0
    expected = (numbers() // 10).transpose(1, 2, 0) * (10_000 / float(divisor))
    np.testing.assert_allclose(load_geotiff(path).images[S2][:, :, 0], expected, rtol=1e-5)


def dated(folder, change):
    """Three files, the second of which is changed."""
    values = [numbers(seed=seed) for seed in range(3)]
    values[1] = change(values[1])
    paths = [write(folder / f"x_2022-0{t + 5}-01.tif", v, BANDS) for t, v in enumerate(values)]
    return paths


WRONG = {
    "8 bits": (lambda v: (v // 20).astype(np.uint8), r"x_2022-06-01.tif \(2022-06-01\) holds uint8 numbers, an 8-bit"),
    "percent": (
        lambda v: (v / 100).astype(np.float32),
        r"x_2022-06-01.tif \(2022-06-01\): .*timesteps 1 look like percent",
    ),
    "impossible": (lambda v: v.astype(np.int32) - 9000, r"x_2022-06-01.tif \(2022-06-01\): .* values are impossible"),
    "infinite": (
        lambda v: np.where(v > 4000, np.inf, v).astype(np.float32),
        r"x_2022-06-01.tif \(2022-06-01\): .* infinite",
    ),
}


@pytest.mark.case("files")
@pytest.mark.parametrize("name", WRONG)
def test_a_file_of_other_numbers_is_named_with_its_date(tmp_path, name):
    change, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        load_geotiff(dated(tmp_path, change))


@pytest.mark.case("files")
def test_files_that_are_wrong_together_are_named(tmp_path):
    paths = [write(tmp_path / f"x_2022-0{t}-01.tif", (numbers(seed=t) / 1e4).astype("f4"), BANDS) for t in range(1, 6)]
    with pytest.raises(
        ValueError, match=r"^x_2022-01-01.tif, x_2022-02-01.tif, x_2022-03-01.tif and 2 others: values up"
    ):
        load_geotiff(paths)
    assert len(load_geotiff(paths, scale="reflectance").dates) == 5


@pytest.mark.case("dates")
@pytest.mark.parametrize("second", ["20230502T134551", "20230501T134551"])
def test_a_product_with_two_days_in_its_name(tmp_path, second):
    path = write(tmp_path / f"{PRODUCT}_{second}.tif", numbers(), BANDS)
    with pytest.raises(ValueError, match=r"whose first date is that of the picture: dates=\['2023-05-01'\]"):
        load_geotiff(path)
    sample = load_geotiff(path, dates=["2023-05-01"])
    assert any("the name says N0509, a baseline that adds it" in note for note in sample.notes)


@pytest.mark.case("baseline")
def test_a_name_that_says_an_older_baseline_adds_nothing(tmp_path):
    sample = load_geotiff(write(tmp_path / f"{PRODUCT.replace('N0509', 'N0300')}.tif", numbers(), BANDS))
    assert not any("the name says" in note for note in sample.notes)


@pytest.mark.case("files")
def test_a_window_of_impossible_numbers_is_named(tmp_path, monkeypatch):
    """Beyond the pixels by which a large file is judged."""
    for name, value in (("WHOLE", 0), ("_WINDOWS", 1), ("_EDGE", 8)):
        monkeypatch.setattr(f"olmoearth_nb.data.geotiff.scene.{name}", value)
    values = numbers(height=64, width=64).astype(np.int32)
    values[:, 60, 60] = -9000
    scene = open_scene(write(tmp_path / "a_2022-05-01.tif", values, BANDS))
    with pytest.raises(ValueError, match=r"a_2022-05-01.tif at row 56, column 56, 8 x 8 px: 12 .* are impossible"):
        scene.window(56, 56, 8, 8)
