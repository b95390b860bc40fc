"""GeoTIFFs: twins of real exports, and thirty ways to be wrong."""

from pathlib import Path

import numpy as np
import pytest
from geotiffs import BANDS, numbers, write

from olmoearth_nb import MODALITIES, Batch, Encoder, fit, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_place, load_sample
from olmoearth_nb.data.geotiff.load import load_geotiff
from olmoearth_nb.data.offset import UNSAID

TOGO = Path(__file__).parents[3] / "shared" / "real" / "togo_98_2019-02-06_2020-02-01.tif"


def test_bands_come_in_the_models_order(tmp_path):
    order = [BANDS[i] for i in np.random.default_rng(1).permutation(12)]
    values = numbers()
    sample = load_geotiff(write(tmp_path / "field_2020-07-05.tif", values, order, {"PROCESSING_BASELINE": "02.14"}))
    assert sample.dates == ["2020-07-05"]
    for i, name in enumerate(BANDS):
        assert (sample.images["sentinel2_l2a"][:, :, 0, i] == values[order.index(name)]).all()
    assert "N" in sample.provenance
    assert not sample.notes


def test_one_file_a_date(tmp_path):
    names = [band.replace("B0", "B") for band in BANDS]
    paths = [write(tmp_path / f"a_2020{m:02d}15.tif", numbers(seed=m), names) for m in (3, 4, 9)]
    sample = load_geotiff(paths)
    assert sample.dates == ["2020-03-15", "2020-04-15", "2020-09-15"]
    assert (sample.images["sentinel2_l2a"][:, :, 2, 0] == numbers(seed=9)[0]).all()


def test_dates_from_a_tag_and_from_the_caller(tmp_path):
    tagged = write(tmp_path / "a.tif", numbers(), BANDS, {"DATE": "2021:05:04 10:20:30"})
    assert load_geotiff(tagged).dates == ["2021-05-04"]
    assert load_geotiff(tagged, dates=["2019-01-02"]).dates == ["2019-01-02"]


def test_when_the_file_was_made_is_not_when_the_picture_was_taken(tmp_path):
    tags = {"TIFFTAG_DATETIME": "2024:03:05 10:20:30"}
    assert load_geotiff(write(tmp_path / "a_2019-06-15.tif", numbers(), BANDS, tags)).dates == ["2019-06-15"]
    with pytest.raises(ValueError, match="does not say when"):
        load_geotiff(write(tmp_path / "a.tif", numbers(), BANDS, tags))


def togo_twin(path):
    """The layout of a CropHarvest export: twelve dates of seventeen bands behind one another, and two maps."""
    bands = "VV VH B1 B2 B3 B4 B5 B6 B7 B8 B8A B9 B10 B11 B12 temperature_2m total_precipitation".split()
    names = [name if t == 0 else f"{name}_{t}" for t in range(12) for name in bands] + ["elevation", "slope"]
    values = np.stack([np.full((17, 17), -12.0 if n.startswith("V") else 1000.0 + i) for i, n in enumerate(names)])
    values[-1, :3] = np.nan
    return write(path, values, names, crs="EPSG:4326", origin=(1.42, 7.72), pixel=9e-5)


def test_a_year_of_two_sensors_in_one_file(tmp_path):
    path = togo_twin(tmp_path / "togo_1_2019-02-06_2020-02-01.tif")
    with pytest.warns(UserWarning, match="top-of-atmosphere") as heard:
        sample = load_geotiff(path)
    assert heard[0].filename == __file__, "the line of the caller"
    assert {name: image.shape for name, image in sample.images.items()} == {
        "sentinel2_l2a": (17, 17, 12, 12),
        "sentinel1": (17, 17, 12, 2),
    }
    assert sample.dates[0] == "2019-02-06"
    assert sample.dates[1] == "2019-03-08"
    b04 = 5 + 17 * np.arange(12) + 1000
    assert (sample.images["sentinel2_l2a"][0, 0, :, BANDS.index("B04")] == b04).all()
    cropped = fit(sample, 8, crop="center")
    assert Encoder(size_config("nano", "v1.1"))(Batch.from_samples(cropped), 8).pool().shape == (1, 128)


@pytest.mark.skipif(not TOGO.is_file(), reason="the real Togo export is not part of the project")
def test_the_real_togo_export():
    with pytest.warns(UserWarning, match="top-of-atmosphere"):
        sample = load_geotiff(TOGO)
    assert sample.dates[0] == "2019-02-06"
    assert len(sample.dates) == 12
    assert "7.7195 N 1.4228 E" in sample.provenance
    assert fit(sample, 8, crop="center").images["sentinel2_l2a"].shape == (16, 16, 12, 12)


def test_gaps_and_the_offset(tmp_path):
    values = numbers()
    values[:, 0, 0] = 0
    path = write(tmp_path / "x_2023-01-02.tif", values, BANDS, nodata=0)
    sample = load_geotiff(path)
    assert (sample.images["sentinel2_l2a"][0, 0] == MISSING).all()
    assert any("not taken off: if it is in them, say offset=1000" in note for note in sample.notes)
    less = load_geotiff(path, offset=1000)
    assert less.images["sentinel2_l2a"][5, 5, 0, 0] == max(int(values[0, 5, 5]) - 1000, 1)
    assert (less.images["sentinel2_l2a"][0, 0] == MISSING).all(), "no data stays no data"
    assert any("1000 taken off" in note for note in less.notes)


def test_zeros_are_gaps_without_a_tag_too(tmp_path):
    values = numbers()
    values[:, :4] = 0
    values[0, 8, 8] = 0
    sample = load_geotiff(write(tmp_path / "x_2020-01-02.tif", values, BANDS))
    missing = (sample.images["sentinel2_l2a"] == MISSING).all(-1)[..., 0]
    assert missing[:4].all()
    assert not missing[4:].any(), "one dark band is no gap"
    assert "25.0% of the Sentinel-2 L2A pixels are 0 in all bands, which means no data" in sample.notes


def test_reflectance_when_said(tmp_path):
    values = (numbers() / 1e4).astype(np.float32)
    sample = load_geotiff(write(tmp_path / "x_2023-01-02.tif", values, BANDS), scale="reflectance")
    np.testing.assert_allclose(sample.images["sentinel2_l2a"][:, :, 0], numbers().transpose(1, 2, 0), rtol=1e-5)
    assert sample.notes == (UNSAID,)


SIZES = {
    "ten": ({}, ""),
    "Landsat's": ({"pixel": 30}, "30 x 30 m"),
    "eight": ({"pixel": 8}, "8 x 8 m"),
    "a hundredth of a degree": ({"pixel": 0.01, "crs": "EPSG:4326", "origin": (1.4, 7.7)}, "1103.4 x 1105.9 m"),
    "a map of the web at 60 N": ({"crs": "EPSG:3857", "origin": (0, 8_399_818)}, "5 x 5 m"),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_size_of_pixels_on_the_ground(tmp_path, name):
    """About 10 m passes, 5 to 15 m with a note, others by the caller's word."""
    options, size = SIZES[name]
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS, **options)
    if options.get("pixel", 10) in (30, 0.01):
        with pytest.raises(ValueError, match=f"has pixels of {size}; the models read 10 m: resample, or say"):
            load_geotiff(path)
    sample = load_geotiff(path, resolution="as is")
    assert [note for note in sample.notes if "pixels of" in note] == (
        [f"pixels of {size}; the models read 10 m"] if size else []
    )


LANDSAT = list(MODALITIES["landsat"].band_names)


@pytest.mark.parametrize(
    ("extra", "options"),
    [([], {"modality": "landsat"}), (["QA_PIXEL"], {}), (["QA_RADSAT", "SAA"], {})],
    ids=["asked for", "by its quality band", "by its saturation band"],
)
def test_landsat(tmp_path, extra, options):
    """B1 to B11 in the order of the archive; the models' order begins with the panchromatic B8."""
    order = [f"B{i}" for i in range(1, 12)]
    values = np.random.default_rng(0).integers(5000, 30000, (11 + len(extra), 16, 16)).astype(np.uint16)
    path = write(tmp_path / "LC08_20210704.tif", values, [*order, *extra])
    sample = load_geotiff(path, **options)
    assert list(sample.images) == ["landsat"]
    for i, name in enumerate(LANDSAT):
        assert (sample.images["landsat"][:, :, 0, i] == values[order.index(name)]).all(), "raw digital numbers"
    assert sample.dates == ["2021-07-04"]
    assert not sample.notes
    assert (
        load_geotiff(path, modality="landsat", bands=[*LANDSAT, *extra]).images["landsat"][0, 0, 0, 1]
        == values[1, 0, 0]
    )


def test_landsat_of_several_dates_with_a_band_filled(tmp_path):
    names = [name for name in LANDSAT if name != "B9"]
    values = np.random.default_rng(0).integers(5000, 30000, (20, 16, 16)).astype(np.uint16)
    stacked = [*names, *(f"{name}_1" for name in names)]
    path = write(tmp_path / "a_2021-01-01_2021-03-02.tif", values, stacked)
    sample = load_geotiff(path, modality="landsat", missing_bands="nearest")
    assert sample.dates == ["2021-01-01", "2021-01-31"]
    assert (sample.images["landsat"][:, :, 1, LANDSAT.index("B1")] == values[10 + names.index("B1")]).all()
    assert any("filled by 'nearest': B9" in note for note in sample.notes)


def test_linear_radar_becomes_decibel_when_said(tmp_path):
    power = np.random.default_rng(0).uniform(0.001, 1, (2, 16, 16)).astype(np.float32)
    power[:, 0, 0] = np.nan
    path = write(tmp_path / "s1_2021-01-01.tif", power, ["VV", "VH"])
    sample = load_geotiff(path, sentinel1="linear")
    np.testing.assert_allclose(sample.images["sentinel1"][1:, :, 0, 0], 10 * np.log10(power[0, 1:]), rtol=1e-5)
    assert (sample.images["sentinel1"][0, 0] == MISSING).all()
    assert "linear radar power converted to dB" in sample.notes
    with pytest.raises(ValueError, match="look like dB, but linear power is expected"):
        load_geotiff(write(tmp_path / "db_2021-01-01.tif", power - 20, ["VV", "VH"]), sentinel1="linear")


def virtual(folder):
    """Another format under the name of a GeoTIFF, which makes GDAL read any file it names."""
    other = write(folder / "other.tif", numbers(1))
    source = f"<SimpleSource><SourceFilename>{other}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    band = f'<VRTRasterBand dataType="UInt16" band="1">{source}</VRTRasterBand>'
    path = folder / "a_2020-01-01.tif"
    path.write_text(f'<VRTDataset rasterXSize="16" rasterYSize="16">{band}</VRTDataset>')
    return path


def broken(tmp_path):
    whole = write(tmp_path / "w_2020-01-01.tif", numbers(), BANDS).read_bytes()
    path = tmp_path / "cut_2020-01-01.tif"
    path.write_bytes(whole[: len(whole) // 3])
    return path


def two(tmp_path, **other):
    """Two files that do not go together."""
    first = write(tmp_path / "a_2020-01-01.tif", numbers(), BANDS)
    values, names = other.pop("values", numbers()), other.pop("names", BANDS)
    return [first, write(tmp_path / "b_2020-02-01.tif", values, names, **other)]


WRONG = {
    "no file": (lambda t: [], {}, "at least one GeoTIFF"),
    "cut off": (broken, {}, r"not a whole file of GTiff \((?!.*See previous exception)"),
    "text": (lambda t: (t / "a_2020-01-01.tif").write_text("hello") and t / "a_2020-01-01.tif", {}, "not a whole"),
    "unnamed bands": (
        lambda t: write(t / "a_2020-01-01.tif", numbers()),
        {},
        "does not name its 12 bands; give",
    ),
    "wrong count": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(13)),
        {"bands": BANDS},
        "13 bands, which is no multiple of the 12",
    ),
    "a band missing": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(11), BANDS[:11]),
        {},
        r"missing: \['B09'\]",
    ),
    "a band twice": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(13), [*BANDS, "B2"]),
        {},
        r"bands twice: \['B02'\]",
    ),
    "no band of ours": (lambda t: write(t / "a_2020-01-01.tif", numbers(2), ["red", "nir"]), {}, r"\['red', 'nir'\]"),
    "uneven dates": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(23), [*BANDS, *(f"{b}_1" for b in BANDS[:11])]),
        {},
        r"absent: \['B09_1'\]",
    ),
    "no date": (lambda t: write(t / "field.tif", numbers(), BANDS), {}, "does not say when its timestep is"),
    "a date that is none": (lambda t: write(t / "f_2020-13-40.tif", numbers(), BANDS), {}, "is not a date"),
    "a tag that is none": (
        lambda t: write(t / "f.tif", numbers(), BANDS, {"DATE": "summer"}),
        {},
        "tag DATE is 'summer'",
    ),
    "a tag against the name": (
        lambda t: write(t / "f_2019-06-15.tif", numbers(), BANDS, {"DATE": "2019-07-20"}),
        {},
        "tag DATE says 2019-07-20, the name says 2019-06-15; give dates=",
    ),
    "two times of a day": (
        lambda t: write(t / "S2A_MSIL2A_20190615T105031_N0212_R051_T31TCJ_20190615T133001.tif", numbers(), BANDS),
        {},
        r"two times of 2019-06-15 in its name; give dates=\[\.\.\.\], one ISO date",
    ),
    "a span of another length": (
        lambda t: write(t / "f_2020-01-01_2020-02-01.tif", numbers(24), [*BANDS, *(f"{b}_1" for b in BANDS)]),
        {},
        "60 days apart; give dates=",
    ),
    "dates too few": (
        lambda t: write(t / "f.tif", numbers(24), [*BANDS, *(f"{b}_1" for b in BANDS)]),
        {"dates": ["2020-01-01"]},
        "holds 1 date, but the files hold 2 timesteps",
    ),
    "another coordinate system": (lambda t: two(t, crs="EPSG:32632"), {}, "coordinate system"),
    "another origin": (lambda t: two(t, origin=(500_010, 800_000)), {}, "origin and pixel size"),
    "another size": (lambda t: two(t, values=numbers(height=8)), {}, "has size"),
    "other bands": (lambda t: two(t, names=[*BANDS[:11], "B10"]), {}, "all files need the same bands"),
    "files out of order": (lambda t: two(t)[::-1], {}, "2020-01-01 is given after 2020-02-01 and is earlier"),
    "reflectance": (lambda t: write(t / "a_2020-01-01.tif", numbers() / 1e4, BANDS), {}, "look like reflectance"),
    "infinite": (
        lambda t: write(t / "a_2020-01-01.tif", np.where(numbers() > 4900, np.inf, 1000.0), BANDS),
        {},
        "infinite",
    ),
    "nothing observed": (lambda t: write(t / "a_2020-01-01.tif", numbers() * 0, BANDS, nodata=0), {}, "no observed"),
    "linear radar": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(2) / 10_000, ["VV", "VH"]),
        {},
        "look like linear power",
    ),
    "an offset that is none": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(), BANDS),
        {"offset": -1000},
        "0 to 2000 .* got -1000",
    ),
    "a resolution that is none": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(), BANDS),
        {"resolution": 10},
        "'10 m' or 'as is', got 10",
    ),
    "nowhere on Earth": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(), BANDS, crs="EPSG:4326", origin=(1, 700)),
        {},
        "lies nowhere on Earth",
    ),
    "a format that reads other files": (virtual, {}, "not a whole file of GTiff"),
    "another modality": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(), BANDS),
        {"modality": "srtm"},
        "one of sentinel2_l2a, sentinel1, landsat, got 'srtm'",
    ),
    "no band of the modality": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(), BANDS),
        {"modality": "sentinel1"},
        "has no band of sentinel1",
    ),
    "Landsat without a band": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(10), LANDSAT[:10]),
        {"modality": "landsat"},
        r"Landsat 8/9 bands missing: \['B11'\]",
    ),
    "Landsat that nobody names": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(11), LANDSAT),
        {},
        "may be Landsat's or Sentinel-2's; say modality='landsat'",
    ),
    "Landsat of Level 2": (
        lambda t: write(t / "a_2020-01-01.tif", numbers(3), ["SR_B2", "SR_B3", "ST_B10"]),
        {},
        "Level 2, the models read Level 1",
    ),
    "Landsat reflectance": (
        lambda t: write(t / "a_2020-01-01.tif", (numbers(11) / 1e4).astype(np.float32), LANDSAT),
        {"modality": "landsat"},
        "digital numbers of Collection 2 Level 1 are expected",
    ),
    "thirteen dates": (
        lambda t: [write(t / f"a_2020-01-{d:02d}.tif", numbers(), BANDS) for d in range(1, 14)],
        {},
        "at most 12",
    ),
    "before the launch": (lambda t: write(t / "a_1999-01-01.tif", numbers(), BANDS), {}, "2015-01-01 to today"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files(tmp_path, name):
    make, options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        load_geotiff(make(tmp_path), **options)


def test_a_folder_of_dates_and_what_a_door_is_told(tmp_path):
    for month in (4, 3):
        write(tmp_path / f"a_2020-0{month}-15.tif", numbers(11, seed=month), BANDS[:11])
    with pytest.raises(ValueError, match=r"say missing_bands='zero'"):
        load_sample(tmp_path)
    sample = load_sample(tmp_path, missing_bands="nearest", offset=None)
    assert sample.dates == ["2020-03-15", "2020-04-15"]
    assert (sample.images["sentinel2_l2a"][:, :, 0, 0] == numbers(11, seed=3)[0]).all()
    assert load_place(tmp_path, missing_bands="zero").dates == sample.dates
    with pytest.raises(ValueError, match="has no place="):
        load_sample(tmp_path, place=(1, 2))
    (tmp_path / "notes.txt").touch()
    again = load_sample(tmp_path, missing_bands="nearest", offset=None)
    assert any("notes.txt" in note for note in again.notes), "what is ignored is said"
    (tmp_path / "third.tif.part").touch()
    with pytest.raises(ValueError, match=r"third\.tif\.part"):
        load_sample(tmp_path, missing_bands="nearest")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tif"):
        load_geotiff(tmp_path / "nowhere.tif")
