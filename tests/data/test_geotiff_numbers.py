"""What of a GeoTIFF counts as an observation, and in which unit: fill values, masks, scale and offset of each band."""

import numpy as np
import pytest
import rasterio
from geotiffs import BANDS, numbers, write
from rasterio.enums import ColorInterp

from olmoearth_nb import MODALITIES
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.geotiff.load import load_geotiff

S2 = "sentinel2_l2a"
LANDSAT = [f"B{i}" for i in range(1, 12)]


def image(sample, name=S2):
    return sample.images[name][:, :, 0]


def tagged(path, values=None, scales=None, offsets=None, band_tags=None, names=BANDS, **options):
    """A file whose bands have scales, offsets and tags."""
    path = write(path, numbers() if values is None else values, names, **options)
    with rasterio.open(path, "r+") as file:
        if scales is not None:
            file.scales = scales
        if offsets is not None:
            file.offsets = offsets
        for band in file.indexes if band_tags else []:
            file.update_tags(band, **band_tags)
    return path


FILLED = {
    "int16, -9999": (np.int16, -9999, None),
    "int16, -32768": (np.int16, -32768, None),
    "float32, -9999": (np.float32, -9999, None),
    "float32, the largest of netCDF": (np.float32, 9.969209968386869e36, None),
    "float32, the smallest there is": (np.float32, np.finfo(np.float32).min, None),
    "float64, the smallest there is": (np.float64, np.finfo(np.float64).min, None),
    "uint16, saturated": (np.uint16, 65535, None),
    "NaN": (np.float32, np.nan, None),
    "a tag of NaN": (np.float32, np.nan, np.nan),
    "a tag, and the number": (np.int16, -1, -1),
    "a tag of another number": (np.int16, -9999, -32768),
    "a tag of NaN, another number": (np.float32, -9999, np.nan),
}


@pytest.mark.case("1")
@pytest.mark.parametrize("offset", [None, 1000])
@pytest.mark.parametrize("name", FILLED)
def test_fill_values_are_no_observation(tmp_path, name, offset):
    kind, fill, tag = FILLED[name]
    values = numbers().astype(kind)
    values[3, 2, 5] = fill
    values[:, 8] = fill
    got = image(load_geotiff(write(tmp_path / "a_2020-07-01.tif", values, BANDS, nodata=tag), offset=offset))
    expected = np.zeros((16, 16, 12), bool)
    expected[2, 5, 3] = expected[8] = True
    assert ((got == MISSING) == expected).all()
    assert got[~expected].min() > 0


@pytest.mark.case("1")
@pytest.mark.parametrize("key", ["_FillValue", "missing_value", "NODATA"])
def test_nodata_tags_that_differ_per_band(tmp_path, key):
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    with rasterio.open(path, "r+") as file:
        for band in (1, 2):
            file.update_tags(band, **{key: str(int(numbers()[band - 1, 4, 4]))})
    got = image(load_geotiff(path))
    assert (got[4, 4, :2] == MISSING).all()
    assert (got == MISSING).sum() >= 2
    assert (got[..., 2:] != MISSING).all(), "each band by its own tag"
    with rasterio.open(path, "r+") as file:
        file.update_tags(3, **{key: "none"})
    with pytest.raises(ValueError, match=r"a_2020-07-01\.tif: band 3 has the nodata value 'none'"):
        load_geotiff(path)


@pytest.mark.case("1")
def test_a_mask_inside_and_the_nodata_value_beside_it(tmp_path):
    """GDAL looks at the mask alone where there are both."""
    path, values = tmp_path / "a_2020-07-01.tif", numbers()
    values[:, 0, 0] = 7
    write(path, values, BANDS, nodata=7)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.repeat([[255] * 16, [0] * 16], 8, axis=0).astype(np.uint8))
    missing = (image(load_geotiff(path)) == MISSING).all(-1)
    assert missing[8:].all()
    assert missing[0, 0]
    assert missing.sum() == 8 * 16 + 1


@pytest.mark.case("1")
@pytest.mark.parametrize("name", [None, "alpha"])
def test_an_alpha_band_hides_and_is_no_band(tmp_path, name):
    values = numbers(13)
    values[12] = 65535
    values[12, :4] = 0
    path = write(tmp_path / "a_2020-07-01.tif", values, [*BANDS, name])
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * 11 + [ColorInterp.alpha]
    missing = (image(load_geotiff(path)) == MISSING).all(-1)
    assert missing[:4].all()
    assert not missing[4:].any()


@pytest.mark.case("1")
def test_zeros_of_sensors_that_cannot_be_zero(tmp_path):
    radar = np.full((2, 16, 16), -12.0, np.float32)
    radar[:, 0] = 0
    got = image(load_geotiff(write(tmp_path / "a_2020-07-01.tif", radar, ["VV", "VH"])), "sentinel1")
    assert (got[0] == MISSING).all()
    assert (got[1:] == -12).all()
    radar[0, 5] = 0
    got = image(load_geotiff(write(tmp_path / "b_2020-07-01.tif", radar, ["VV", "VH"], nodata=0)), "sentinel1")
    assert (got[5, :, 0] == MISSING).all(), "by its tag, in one band alone"
    dark = np.random.default_rng(0).integers(5000, 9000, (11, 16, 16)).astype(np.uint16)
    dark[3, 0] = 0
    path = write(tmp_path / "c_2020-07-01.tif", dark, LANDSAT)
    got = image(load_geotiff(path, modality="landsat"), "landsat")
    band = MODALITIES["landsat"].band_names.index("B4")
    assert (got[0, :, band] == MISSING).all()
    assert (got == MISSING).sum() == 16


@pytest.mark.case("1")
def test_an_impossible_number_is_refused(tmp_path):
    values = numbers().astype(np.int32)
    values[3, 2, 5] = -77_777
    with pytest.raises(ValueError, match="impossible, most often -77777"):
        load_geotiff(write(tmp_path / "a_2020-07-01.tif", values, BANDS))


REFLECTANCE = np.random.default_rng(5).uniform(0.02, 0.6, (12, 16, 16))
MIXED = [1e-4, 1e-3, 2e-5] * 4


@pytest.mark.case("3")
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize(
    "scales", [[1e-3] * 12, [2e-5] * 12, [1e-4] * 12, MIXED], ids=["1e-3", "2e-5", "1e-4", "mixed"]
)
def test_scales_of_bands_become_digital_numbers(tmp_path, scales, dtype):
    stored = np.round(REFLECTANCE / np.array(scales)[:, None, None]).astype(dtype)
    sample = load_geotiff(tagged(tmp_path / "a_2020-07-01.tif", stored, scales))
    expected = (stored * np.array(scales)[:, None, None] * 1e4).transpose(1, 2, 0)
    np.testing.assert_allclose(image(sample), expected, rtol=1e-5)
    assert any("as the tags say: reflectance is 0.001 x number" in note for note in sample.notes) == (1e-3 in scales)


@pytest.mark.case("3")
@pytest.mark.parametrize("offsets", [[-0.1] * 12, [-0.1, -0.05, 0.0] * 4, [0.2] * 12], ids=["-0.1", "mixed", "packed"])
@pytest.mark.parametrize("scale", [1e-3, 2e-5])
def test_offsets_of_bands_are_taken_off_once(tmp_path, scale, offsets):
    shift = np.array(offsets)[:, None, None]
    stored = np.round((REFLECTANCE + 0.3 - shift) / scale).astype(np.int32)
    tags = {"PROCESSING_BASELINE": "05.09"} if all(offsets) else {}
    path = tagged(tmp_path / "a_2023-07-01.tif", stored, [scale] * 12, offsets, tags=tags)
    np.testing.assert_allclose(
        image(load_geotiff(path)), ((stored * scale + shift) * 1e4).transpose(1, 2, 0), rtol=1e-5, atol=0.51
    )


@pytest.mark.case("3")
def test_an_offset_of_digital_numbers_and_of_a_baseline_are_one(tmp_path):
    path = tagged(tmp_path / "a_2023-07-01.tif", None, [1e-4] * 12, [-0.1] * 12, tags={"PROCESSING_BASELINE": "05.09"})
    sample = load_geotiff(path)
    assert (image(sample) == np.maximum(numbers().astype(int) - 1000, 1).transpose(1, 2, 0)).all()
    done = tagged(tmp_path / "b_2023-07-01.tif", None, [1e-4] * 12, [-0.1] * 12, tags={"BOA_OFFSET_APPLIED": "True"})
    assert (image(load_geotiff(done)) == numbers().transpose(1, 2, 0)).all()


SAYS = {
    "the caller": ({}, {"offset": 1000}),
    "a baseline": ({"tags": {"PROCESSING_BASELINE": "05.09"}}, {}),
    "an offset of reflectance": ({"offsets": [-0.1] * 12}, {}),
    "an offset of reflectance, and the caller": ({"offsets": [-0.1] * 12}, {"offset": 1000}),
}


@pytest.mark.case("offset")
@pytest.mark.parametrize("name", SAYS)
def test_an_offset_in_reflectance_is_taken_off_once(tmp_path, name):
    about, options = SAYS[name]
    path = tagged(tmp_path / "a_2023-07-01.tif", (numbers() / 1e4 + 0.1).astype(np.float32), **about)
    sample = load_geotiff(path, scale="reflectance", **options)
    np.testing.assert_allclose(image(sample), numbers().transpose(1, 2, 0), rtol=1e-4)
    assert any("1000 taken off the digital numbers" in note for note in sample.notes)
    if not about:
        (note,) = load_geotiff(path, scale="reflectance").notes
        assert "say offset=1000" in note


@pytest.mark.case("offset")
def test_an_offset_that_is_not_in_the_numbers(tmp_path):
    """The message names the file, and what it advises works; numbers of another unit are told by that."""
    dark = numbers() // 3
    path = tagged(tmp_path / "a_2023-07-01.tif", dark, tags={"PROCESSING_BASELINE": "05.09"})
    with pytest.raises(ValueError, match=r"a_2023-07-01\.tif: an offset of 1000 cannot be in .* say offset=None"):
        load_geotiff(path)
    assert (image(load_geotiff(path, offset=None)) == dark.transpose(1, 2, 0)).all()
    other = tagged(tmp_path / "b_2023-07-01.tif", (numbers() / 1e4).astype(np.float32))
    with pytest.raises(ValueError, match="say scale='reflectance'"):
        load_geotiff(other, offset=1000)


TEXTS = {
    "of bands": {"band_tags": {"scale_factor": "0.001"}},
    "of the file": {"tags": {"scale_factor": "0.001"}},
    "in capitals": {"tags": {"REFLECTANCE_MULT": "0.001"}},
    "a conversion": {"tags": {"reflectanceConversion": "1e-3"}},
    "a divisor": {"tags": {"QUANTIFICATION_VALUE": "1000"}},
    "twice the same": {"tags": {"scale_factor": "0.001"}, "scales": [1e-3] * 12},
}


@pytest.mark.case("3")
@pytest.mark.parametrize("name", TEXTS)
def test_scales_as_text(tmp_path, name):
    stored = np.round(REFLECTANCE * 1000).astype(np.uint16)
    sample = load_geotiff(tagged(tmp_path / "a_2020-07-01.tif", stored, **TEXTS[name]))
    np.testing.assert_allclose(image(sample), stored.transpose(1, 2, 0) * 10, rtol=1e-5)


CONTRADICTIONS = {
    "two scales": (
        {"tags": {"scale_factor": "0.01"}, "band_tags": {"scale_factor": "0.02"}, "scales": [1e-3] * 12},
        {},
    ),
    "no number": ({"tags": {"scale_factor": "one"}}, {}),
    "a negative scale": ({"scales": [-1e-4] * 12}, {}),
    "an infinite offset": ({"scales": [1e-4] * 12, "offsets": [np.inf] * 12}, {}),
    "a divisor of 0": ({"tags": {"QUANTIFICATION_VALUE": "0"}}, {}),
    "the caller": ({"scales": [1e-3] * 12}, {"scale": "reflectance"}),
    "the numbers": ({"scales": [0.5] * 12}, {}),
}
SAID = {
    "two scales": "its tags contradict each other: scale_factor 0.02, the band's scale 0.001",
    "no number": "the tag scale_factor must be a number, it is 'one'",
    "a negative scale": "the scale of a band must be positive, its tags say -0.0001",
    "an infinite offset": "must be positive, its tags say 0.0001 and offset inf",
    "a divisor of 0": "the tag quantification_value must be positive",
    "the caller": "scale='reflectance' means 0..1, but values reach .*; leave scale out",
    "the numbers": "are impossible",
}


@pytest.mark.case("3")
@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_scales_that_contradict(tmp_path, name):
    about, options = CONTRADICTIONS[name]
    with pytest.raises(ValueError, match=SAID[name]):
        load_geotiff(tagged(tmp_path / "a_2020-07-01.tif", **about), **options)


@pytest.mark.case("3")
@pytest.mark.parametrize("scale", [1e-4, 1e-3])
def test_a_scale_that_was_applied_before(tmp_path, scale):
    """Programs keep the tag of what they have converted to reflectance; the advice works."""
    path = tagged(tmp_path / "a_2020-07-01.tif", REFLECTANCE.astype(np.float32), [scale] * 12)
    with pytest.raises(ValueError, match=r"look like reflectance.*say scale='reflectance'"):
        load_geotiff(path)
    sample = load_geotiff(path, scale="reflectance")
    np.testing.assert_allclose(image(sample), REFLECTANCE.transpose(1, 2, 0) * 1e4, rtol=1e-5)
    assert any("by the caller's word the numbers are reflectance" in note for note in sample.notes)


@pytest.mark.case("3")
def test_scales_of_other_sensors(tmp_path):
    radar = np.random.default_rng(0).integers(-2500, -500, (2, 16, 16)).astype(np.int16)
    path = tagged(tmp_path / "a_2020-07-01.tif", radar, [0.01, 0.01], names=["VV", "VH"])
    np.testing.assert_allclose(image(load_geotiff(path), "sentinel1"), radar.transpose(1, 2, 0) / 100, rtol=1e-5)
    power = np.random.default_rng(0).integers(1, 2000, (2, 16, 16)).astype(np.uint16)
    path = tagged(tmp_path / "b_2020-07-01.tif", power, [1e-4] * 2, names=["VV", "VH"])
    with pytest.raises(ValueError, match=r"look like linear power.*say scale='linear'"):
        load_geotiff(path)
    got = image(load_geotiff(path, scale="linear"), "sentinel1")
    np.testing.assert_allclose(got, 10 * np.log10(power.transpose(1, 2, 0) / 1e4), rtol=1e-4)
    both = np.concatenate([numbers().astype(np.float32), np.full((2, 16, 16), -12.0, np.float32)])
    path = write(tmp_path / "c_2020-07-01.tif", both, [*BANDS, "VV", "VH"], {"scale_factor": "0.0001"})
    assert (image(load_geotiff(path), "sentinel1") == -12).all(), "a scale of the whole file is not radar's"


@pytest.mark.case("3")
def test_landsat_is_read_as_stored_or_refused(tmp_path):
    values = np.random.default_rng(0).integers(5000, 9000, (11, 16, 16)).astype(np.uint16)
    level1 = [2e-5] * 9 + [3.342e-4] * 2, [-0.1] * 9 + [0.1] * 2
    path = tagged(tmp_path / "a_2020-07-01.tif", values, *level1, names=LANDSAT)
    assert image(load_geotiff(path, modality="landsat"), "landsat")[0, 0, 1] == values[0, 0, 0]
    for scale, offset, word in ((2.75e-5, -0.2, "of Level 2"), (1e-4, 0.0, "not of Level 1")):
        path = tagged(tmp_path / "b_2020-07-01.tif", values, [scale] * 11, [offset] * 11, names=LANDSAT)
        with pytest.raises(ValueError, match=rf"B1 is {scale:g} x number.* by its tags, {word}"):
            load_geotiff(path, modality="landsat")
    with pytest.raises(ValueError, match="has no scale 'reflectance'"):
        load_geotiff(tmp_path / "a_2020-07-01.tif", modality="landsat", scale="reflectance")


@pytest.mark.case("5")
def test_reflectance_with_a_glint(tmp_path):
    values = REFLECTANCE.astype(np.float32)
    values[:, 3, 3] = 2.3
    path = write(tmp_path / "a_2020-07-01.tif", values, BANDS)
    with pytest.raises(ValueError, match=r"look like reflectance .* say scale='reflectance'"):
        load_geotiff(path)
    assert image(load_geotiff(path, scale="reflectance"))[3, 3, 0] == pytest.approx(23_000)


@pytest.mark.case("5")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((numbers() // 20).astype(np.uint8), "uint8 numbers up to .* 8-bit picture"),
        ((REFLECTANCE * 100).astype(np.float32), "look like percent"),
        ((REFLECTANCE > 0.3).astype(np.uint16), "neither digital numbers nor reflectance; is it a mask"),
    ],
    ids=["bytes", "percent", "mask"],
)
def test_numbers_of_another_unit(tmp_path, values, message):
    with pytest.raises(ValueError, match=message):
        load_geotiff(write(tmp_path / "a_2020-07-01.tif", values, BANDS))


@pytest.mark.case("14")
@pytest.mark.parametrize("policy", ["zero", "nearest"])
def test_absent_bands_are_not_filled_where_nothing_was_seen(tmp_path, policy):
    values = numbers(10)
    values[:, :8] = 0
    paths = [
        write(tmp_path / "a_2020-07-01.tif", values, BANDS[:10]),
        write(tmp_path / "b_2020-08-01.tif", values * 0, BANDS[:10]),
        write(tmp_path / "c_2020-09-01.tif", values, BANDS[:10]),
    ]
    sample = load_geotiff(paths, missing_bands=policy)
    assert sample.dates == ["2020-07-01", "2020-09-01"]
    assert "nothing was observed on 2020-08-01: left out" in sample.notes
    assert (sample.images[S2][:8] == MISSING).all()
    assert (sample.images[S2][8:] != MISSING).all()


@pytest.mark.case("14")
def test_a_date_stays_if_another_sensor_saw_it(tmp_path):
    paths = []
    for month, part in ((7, 1), (8, 0)):
        values = np.concatenate([numbers().astype(np.float32) * part, np.full((2, 16, 16), -12.0, np.float32)])
        paths.append(write(tmp_path / f"a_2020-0{month}-01.tif", values, [*BANDS, "VV", "VH"]))
    sample = load_geotiff(paths)
    assert sample.dates == ["2020-07-01", "2020-08-01"]
    assert (sample.images[S2][:, :, 1] == MISSING).all()


@pytest.mark.case("masks")
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
@pytest.mark.parametrize("name", ["dataMask", "datamask"])
def test_a_band_that_masks(tmp_path, name, kind):
    values = np.concatenate([numbers(), np.ones((1, 16, 16))]).astype(kind)
    values[12, :4] = 0
    path = write(tmp_path / "a_2020-07-01.tif", values, [*BANDS, name])
    for options in ({}, {"bands": [*BANDS, name]}):
        sample = load_geotiff(path, **options)
        assert ((image(sample) == MISSING).all(-1) == (values[12] == 0)).all()
        assert (image(sample)[4:] == numbers().transpose(1, 2, 0)[4:]).all()
        assert "what the band dataMask marks by 0 is not observed" in sample.notes
        assert "25.0% of the Sentinel-2 L2A pixels are not observed" in sample.notes


@pytest.mark.case("masks")
@pytest.mark.parametrize("names", [["dataMask_1", "dataMask_2"], ["dataMask", "dataMask_2"], ["dataMask"]])
def test_a_band_that_masks_each_date(tmp_path, names):
    """With a number, it masks that date; without, all others."""
    masks = np.ones((len(names), 16, 16), np.uint16)
    masks[0, :4], masks[-1, 8:] = 0, 0
    bands = [f"{band}_{date}" for date in (1, 2) for band in BANDS]
    path = write(tmp_path / "a.tif", np.concatenate([numbers(24), masks]), [*bands, *names])
    got = load_geotiff(path, dates=["2020-07-01", "2020-08-01"]).images[S2]
    for date, mask in enumerate((masks[0], masks[-1])):
        assert ((got[:, :, date] == MISSING).all(-1) == (mask == 0)).all()


def pam(path, text):
    """GDAL's own side-car file."""
    (path.parent / f"{path.name}.aux.xml").write_text(f"<PAMDataset>{text}</PAMDataset>", encoding="utf8")
    return path


def of_bands(text, count=12):
    return "".join(f'<PAMRasterBand band="{i + 1}">{text.format(i)}</PAMRasterBand>' for i in range(count))


@pytest.mark.case("side-car")
def test_numbers_of_a_side_car(tmp_path):
    """As GDAL itself reads them."""
    values = numbers() // 4
    values[:, 5] = 777
    path = write(tmp_path / "a_2020-07-01.tif", values, BANDS, nodata=9)
    filled = load_geotiff(pam(path, of_bands("<NoDataValue>7.77e2</NoDataValue><Description>Band {}</Description>")))
    assert (image(filled) == MISSING).sum() == (values == 777).sum()
    assert "read from a_2020-07-01.tif.aux.xml: nodata values, names of bands without one" in filled.notes
    scaled = load_geotiff(pam(path, of_bands("<Scale>0.001</Scale><Offset>-0.01</Offset>")))
    np.testing.assert_allclose(image(scaled), np.maximum(values * 10.0 - 100, 1).transpose(1, 2, 0), rtol=1e-6)
    with rasterio.open(path) as file:
        assert (file.scales[3], file.offsets[3]) == (0.001, -0.01)


@pytest.mark.case("side-car")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_names_and_place_of_a_side_car(tmp_path):
    """Names that QGIS gives, a system that it assigns, and a world file."""
    values = numbers()
    path = tmp_path / "a_2020-07-01.tif"
    with rasterio.open(path, "w", driver="GTiff", height=16, width=16, count=12, dtype="uint16") as file:
        file.write(values)
    (tmp_path / "a_2020-07-01.tfw").write_text("10\n0\n0\n-10\n500005\n4899995\n")
    named = "".join(f'<PAMRasterBand band="{i + 1}"><Description>{b}</Description></PAMRasterBand>' for i, b in
                    enumerate(BANDS))  # fmt: skip
    sample = load_geotiff(pam(path, f"<SRS>EPSG:32631</SRS>{named}"))
    assert (image(sample) == values.transpose(1, 2, 0)).all()
    assert sample.georeference.transform == (10, 0, 500_000, 0, -10, 4_900_000)
    assert "read from a_2020-07-01.tif.aux.xml: names of bands without one, the coordinate system" in sample.notes
    moved = load_geotiff(pam(path, f"<SRS>EPSG:32631</SRS><GeoTransform>5, 10, 0, 50, 0, -10</GeoTransform>{named}"))
    assert moved.georeference.transform == (10, 0, 5, 0, -10, 50)


@pytest.mark.case("side-car")
@pytest.mark.parametrize("bands", [1, 12])
def test_a_mask_beside_a_file(tmp_path, bands):
    write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    mask = np.full((bands, 16, 16), 255, np.uint8)
    mask[0, :4] = 0
    write(tmp_path / "mask.tif", mask).rename(tmp_path / "a_2020-07-01.tif.msk")
    sample = load_geotiff(tmp_path)
    assert ((image(sample) == MISSING) == np.broadcast_to(mask.transpose(1, 2, 0) == 0, (16, 16, 12))).all()
    assert sample.notes[0] == "read from a_2020-07-01.tif.msk: a mask"


@pytest.mark.case("side-car")
def test_tags_and_statistics_of_a_side_car(tmp_path):
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    tags = '<Metadata><MDI key="PROCESSING_BASELINE">05.09</MDI></Metadata>'
    less = load_geotiff(pam(path, tags))
    assert any("1000 taken off the digital numbers (PROCESSING_BASELINE is 05.09)" in note for note in less.notes)
    other = '<Metadata><MDI key="STATISTICS_MEAN">3</MDI></Metadata>'
    sample = load_geotiff(pam(path, of_bands(other)), offset=None)
    assert sample.notes == ("read from a_2020-07-01.tif.aux.xml: nothing of numbers or place",)


BAD = {
    "no number": (of_bands("<Scale>thin</Scale>"), "Scale must be 1 number, got 'thin'"),
    "a band that there is not": (of_bands("<Scale>1</Scale>", 13), "tells of band 13, but a_2020-07-01.tif has 12"),
    "no band": ('<PAMRasterBand band="-1"/>', "the number of a band is '-1'"),
    "a system that is an address": ("<SRS>http://127.0.0.1/x.prj</SRS>", "no coordinate system"),
    "a system that is a file": ("<SRS>/vsicurl/x</SRS>", "no coordinate system"),
    "a system that there is not": ("<SRS>EPSG:1</SRS>", "its coordinate system cannot be read"),
    "a short transform": ("<GeoTransform>1, 2</GeoTransform>", "GeoTransform must be 6 numbers, got 2"),
    "an open end": ("<SRS>", "is not whole XML"),
}


@pytest.mark.case("side-car")
@pytest.mark.parametrize("name", BAD)
def test_side_cars_that_cannot_be_read(tmp_path, name):
    text, message = BAD[name]
    path = pam(write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS), text)
    with pytest.raises(ValueError, match=rf"a_2020-07-01.tif.aux.xml.*{message}"):
        load_geotiff(path)


@pytest.mark.case("side-car")
def test_hostile_side_cars(tmp_path):
    """Entities, links, and masks of another format or size."""
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    beside = tmp_path / "a_2020-07-01.tif.aux.xml"
    beside.write_text('<!DOCTYPE a [<!ENTITY x SYSTEM "file:/etc/hosts">]><PAMDataset><SRS>&x;</SRS></PAMDataset>')
    with pytest.raises(ValueError, match="declares a document type or entities"):
        load_geotiff(path)
    beside.unlink()
    mask = tmp_path / "a_2020-07-01.tif.msk"
    mask.symlink_to(path)
    with pytest.raises(ValueError, match=r"tif\.msk, beside a_2020-07-01\.tif, is a link"):
        load_geotiff(path)
    mask.unlink()
    mask.write_text("<VRTDataset rasterXSize='16' rasterYSize='16'></VRTDataset>")
    with pytest.raises(ValueError, match=r"tif\.msk is not a whole file of GTiff"):
        load_geotiff(path)
    write(tmp_path / "mask.tif", np.zeros((1, 8, 16), np.uint8)).rename(mask)
    with pytest.raises(ValueError, match=r"msk is a mask of 8 x 16 px x 1, but a_2020-07-01\.tif has 16 x 16 px x 12"):
        load_geotiff(path)
    mask.unlink()
    (tmp_path / "a_2020-07-01.tfw").write_bytes(b"\xff\xfe1\n")
    with pytest.raises(ValueError, match=r"a_2020-07-01\.tfw: "):
        load_geotiff(path)
