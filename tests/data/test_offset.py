"""The offset of baseline 04.00: decided by metadata, taken off once, said, never twice."""

import numpy as np
import pytest
from geotiffs import BANDS, numbers, write

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_sample
from olmoearth_nb.data.geotiff.load import load_geotiff
from olmoearth_nb.data.npz import load_npz, save_npz
from olmoearth_nb.data.offset import (
    UNSAID,
    Declared,
    boa_offset,
    offset_done,
    offset_tags,
    read_offset,
    remove_offset,
    take_off,
)

S2 = "sentinel2_l2a"
OLD, NEW = {"s2:processing_baseline": "03.01"}, {"s2:processing_baseline": "05.11"}
IN_THEM, NOT_IN_THEM = [{"scale": 0.0001, "offset": -0.1}], [{"scale": 0.0001, "offset": 0}]


@pytest.mark.parametrize(
    ("properties", "raster_bands", "expected"),
    [
        (NEW, None, 1000),
        (OLD, None, 0),
        ({"s2:processing_baseline": "04.00"}, None, 1000),
        ({"sentinel:processing_baseline": "N0400"}, None, 1000),
        ({}, None, None),
        ({}, IN_THEM * 3, 1000),
        ({}, [{"raster:scale": 0.0001, "raster:offset": -0.1}], 1000),
        ({}, [{"offset": -1000}], 1000),
        ({}, [{"scale": 0.0001}], None),
        (NEW, NOT_IN_THEM, 0),
        (OLD, IN_THEM, 0),
        ({"earthsearch:boa_offset_applied": True, **NEW}, IN_THEM, 0),
        ({"earthsearch:boa_offset_applied": False, **NEW}, IN_THEM, 1000),
        ({"earthsearch:boa_offset_applied": False, **OLD}, IN_THEM, 0),
        ({"earthsearch:boa_offset_applied": False}, None, None),
        ({"BOA_OFFSET_APPLIED": "True", "BOA_ADD_OFFSET": "-1000"}, None, 0),
        ({"BOA_ADD_OFFSET": "-1000"}, None, 1000),
        ({"RADIO_ADD_OFFSET": "0", **NEW}, None, 0),
    ],
)
def test_what_metadata_say(properties, raster_bands, expected):
    assert read_offset(properties, raster_bands).offset == expected
    assert boa_offset(properties, raster_bands) == (expected or 0)


@pytest.mark.parametrize(
    ("properties", "raster_bands", "message"),
    [
        ({"s2:processing_baseline": "four"}, None, "must be like 04.00, got 'four'"),
        ({"earthsearch:boa_offset_applied": "maybe"}, None, "must be true or false"),
        ({"BOA_ADD_OFFSET": "none"}, None, "must be a number"),
        ({"BOA_ADD_OFFSET": "1000"}, None, "-1000 digital numbers are to be taken off; valid are 0 to 2000"),
        ({}, [*IN_THEM, *NOT_IN_THEM], r"different offsets: \[0.0, 1000.0\]"),
        ({}, [{"scale": 0, "offset": -0.1}], "must be positive"),
        ({}, [{"scale": 0.0001, "offset": 0.1}], "valid are 0 to 2000"),
    ],
)
def test_metadata_that_cannot_be(properties, raster_bands, message):
    with pytest.raises(ValueError, match=message):
        read_offset(properties, raster_bands)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
def test_nothing_valid_becomes_no_data(dtype):
    """Between 1 and the offset the result is 1, at 0 and below it is what it was."""
    image = np.array([0, 1, 999, 1000, 1001, 9000], dtype)
    less = remove_offset(image, 1000)
    assert less.dtype == image.dtype
    assert less.tolist() == [0, 1, 1, 1, 1, 8000]
    assert (remove_offset(image, 0) == image).all()
    assert image[-1] == 9000, "the caller's array is left alone"


def test_marks_of_gaps_stay_and_every_date_has_its_own():
    image = np.full((2, 2, 2, 12), 3000, dtype=np.float32)
    image[0, 0] = MISSING
    image[1, 1] = np.nan
    less = remove_offset(image, np.array([[0], [1000]]))
    assert (less[0, 0] == MISSING).all()
    assert np.isnan(less[1, 1]).all()
    assert less[0, 1, :, 5].tolist() == [3000, 2000]


@pytest.mark.parametrize("offset", [-1, 2001, np.array([])])
def test_offsets_that_are_none(offset):
    with pytest.raises(ValueError, match="0 to 2000"):
        remove_offset(np.ones(3), offset)


def late(folder, tags=None, name="a_2023-01-02.tif"):
    return write(folder / name, numbers(), BANDS, tags)


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        ({"PROCESSING_BASELINE": "05.09"}, 1000),
        ({"BOA_ADD_OFFSET": "-1000"}, 1000),
        ({"BOA_ADD_OFFSET": "-700"}, 700),
        ({"PROCESSING_BASELINE": "03.01"}, 0),
        ({"BOA_OFFSET_APPLIED": "true", "PROCESSING_BASELINE": "05.09"}, 0),
    ],
)
def test_a_geotiff_by_its_tags(tmp_path, tags, taken):
    sample = load_geotiff(late(tmp_path, tags))
    expected = np.maximum(numbers().astype(int) - taken, 1).transpose(1, 2, 0)
    assert (sample.images[S2][:, :, 0] == expected).all()
    assert offset_done(sample) == (taken > 0 or "BOA_OFFSET_APPLIED" in tags)


def test_a_geotiff_by_its_own_scale_and_offset(tmp_path):
    import rasterio

    path = late(tmp_path)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.0001,) * 12, (-0.1,) * 12
    sample = load_geotiff(path)
    assert sample.images[S2][3, 3, 0, 0] == max(int(numbers()[0, 3, 3]) - 1000, 1)


def test_the_date_of_the_picture_says_nothing(tmp_path):
    """Collection 1 has processed earlier years anew: silence is noted at every date, a file of ours is not silent."""
    (note,) = load_geotiff(late(tmp_path, name="a_2019-01-02.tif")).notes
    assert "no metadata say" in note
    assert "processed since 25 January 2022, of whatever date" in note
    known = load_geotiff(late(tmp_path, {"PROCESSING_BASELINE": "02.11"}, "b_2019-01-02.tif"))
    assert not known.notes
    assert not load_npz(save_npz(known, tmp_path / "b.npz")).notes


def test_files_before_and_after_the_change(tmp_path):
    """Each date by its own file; the note says on which."""
    paths = [
        write(tmp_path / "a_2021-05-01.tif", numbers(seed=1), BANDS, {"PROCESSING_BASELINE": "03.00"}),
        write(tmp_path / "a_2022-05-01.tif", numbers(seed=2), BANDS, {"PROCESSING_BASELINE": "04.00"}),
    ]
    sample = load_geotiff(paths)
    assert (sample.images[S2][:, :, 0, 0] == numbers(seed=1)[0]).all()
    assert (sample.images[S2][:, :, 1, 0] == np.maximum(numbers(seed=2)[0].astype(int) - 1000, 1)).all()
    assert sample.notes == (
        "1000 taken off the digital numbers (PROCESSING_BASELINE is 04.00); so on 2022-05-01",
        "8.43% of the values lay below the offset of 1000, and became 1",
    )


def test_never_twice(tmp_path):
    """A sample without the offset marks the file that is made of it, and that file's sample is marked, too."""
    first = load_geotiff(late(tmp_path), offset=1000)
    tags = offset_tags(first)
    image = first.images[S2][:, :, 0].transpose(2, 0, 1)
    written = write(tmp_path / "b_2023-01-02.tif", image, BANDS, tags)
    again = load_geotiff(written)
    assert (again.images[S2] == first.images[S2]).all()
    assert offset_tags(again) == tags == {"BOA_OFFSET_APPLIED": "True"}
    with pytest.raises(ValueError, match="would be taken off twice at 2023-01-02: BOA_OFFSET_APPLIED is True"):
        load_geotiff(written, offset=1000)


def test_a_sample_of_numbers_that_one_has(tmp_path):
    sample = load_geotiff(late(tmp_path), offset=None)
    assert not sample.notes
    assert offset_tags(sample) == {}


def test_what_the_caller_says(tmp_path):
    path = late(tmp_path, {"PROCESSING_BASELINE": "05.09"})
    kept = load_geotiff(path, offset=None)
    assert (kept.images[S2][:, :, 0, 0] == numbers()[0]).all()
    assert "an offset of 1000 is in the digital numbers (PROCESSING_BASELINE is 05.09) and stays" in kept.notes
    for offset, message in (
        (900, "offset=900 would be wrong at 2023-01-02: PROCESSING_BASELINE is 05.09, so that 1000 is to be"),
        ("yes", "0 to 2000 .* offset='auto' or offset=None; got 'yes'"),
        (True, "got True"),
        (-1000, "got -1000"),
    ):
        with pytest.raises(ValueError, match=message):
            load_geotiff(path, offset=offset)
    with pytest.raises(ValueError, match=r"a_2023-01-02\.tif: PROCESSING_BASELINE must be like"):
        load_geotiff(late(tmp_path, {"PROCESSING_BASELINE": "new"}))


def test_radar_has_no_offset(tmp_path):
    values = np.concatenate([numbers().astype(np.float32), np.full((2, 16, 16), -12.0, np.float32)])
    sample = load_geotiff(write(tmp_path / "a_2023-01-02.tif", values, [*BANDS, "VV", "VH"]), offset=1000)
    assert (sample.images["sentinel1"] == -12).all()
    assert (sample.images[S2] == remove_offset(values[:12].transpose(1, 2, 0), 1000)[:, :, None]).all()


def test_an_npz_that_says_it(tmp_path):
    arrays = {"image": numbers().transpose(1, 2, 0)[:, :, None], "bands": BANDS, "dates": ["2023-01-02"]}
    np.savez(tmp_path / "a.npz", **arrays)
    unsaid = load_sample(tmp_path / "a.npz")
    assert (unsaid.images[S2] == arrays["image"]).all()
    assert any("say offset=1000" in note for note in unsaid.notes)
    less = load_sample(tmp_path / "a.npz", offset=1000)
    assert (less.images[S2] == remove_offset(arrays["image"], 1000)).all()
    np.savez(tmp_path / "b.npz", **arrays, BOA_ADD_OFFSET=-1000)
    assert (load_sample(tmp_path / "b.npz").images[S2] == less.images[S2]).all()
    np.savez(tmp_path / "c.npz", **{**arrays, "image": less.images[S2]}, BOA_OFFSET_APPLIED=True)
    assert (load_sample(tmp_path / "c.npz").images[S2] == less.images[S2]).all()
    assert not load_sample("fields").notes, "simulated chips have no offset"


@pytest.mark.case("offset")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reflectance_with_an_offset(dtype):
    """Ten thousand times what is left is what is left of ten thousand times it; marks of gaps stay."""
    digital = numbers().transpose(1, 2, 0)[:, :, None].astype(dtype)
    digital[:2] = np.array([0, MISSING])[:, None, None, None]
    digital[2] = 65535
    stored = np.where(digital == MISSING, digital, digital * dtype(1e-4))
    less, notes = take_off(stored, 1000, [Declared()], ["2023-01-02"], scale="reflectance")
    expected, _ = take_off(digital, 1000, [Declared()], ["2023-01-02"])
    assert less.dtype == dtype
    assert (less[:2] == stored[:2]).all()
    np.testing.assert_allclose(less[2:] * 1e4, expected[2:], rtol=1e-4)
    assert notes[0] == "1000 taken off the digital numbers (by the caller's word)"


@pytest.mark.case("offset")
def test_reflectance_of_which_nothing_is_said():
    image = numbers().transpose(1, 2, 0)[:, :, None] / 1e4
    same, notes = take_off(image, "auto", [Declared()], ["2023-01-02"], scale="reflectance")
    assert same is image
    assert notes == [UNSAID]


@pytest.mark.case("offset")
@pytest.mark.parametrize("scale", ["native", "reflectance"])
@pytest.mark.parametrize("given", [1000, "auto"])
def test_numbers_that_cannot_hold_the_offset(scale, given):
    """Dark land without an offset is refused, whoever says that it has one; noise around it is counted."""
    unit, known = (1, 1e-4)[scale == "reflectance"], [read_offset(NEW)]
    dark = numbers().transpose(1, 2, 0)[:, :, None] * unit
    dark[:8] = 300 * unit
    with pytest.raises(ValueError, match=r"an offset of 1000 cannot be in these numbers: 50% .* say offset=None"):
        take_off(dark, given, known, ["2023-01-02"], scale=scale)
    dark[:8] = 0  # no data is not dark
    dark[8:, :, :, 0], dark[8:, :, :, 1:] = 900 * unit, 2000 * unit
    less, notes = take_off(dark, given, known, ["2023-01-02"], scale=scale)
    assert notes[1:] == ["8.33% of the values lay below the offset of 1000, and became 1"]
    assert less[8:, :, :, 0] == pytest.approx(unit)
    assert (take_off(dark, None, [Declared()], ["2023-01-02"], scale=scale)[0] == dark).all()


BASELINES = {
    "05.09": {"processing_baseline": "05.09"},
    "capitals": {"S2:PROCESSING_BASELINE": "05.09"},
    "a number": {"s2:processing_baseline": 5.09},
    "a short number": {"s2:processing_baseline": 5.1},
    "one digit": {"s2:processing_baseline": "4.0"},
    "no digit before": {"s2:processing_baseline": "4.00"},
    "parted at the colon": {"s2": "processing_baseline=05.09"},
    "parted at the colon, in capitals": {"S2": "PROCESSING_BASELINE=N0509"},
}


@pytest.mark.case("baseline")
@pytest.mark.parametrize("name", BASELINES)
def test_spellings_of_the_baseline(name):
    assert read_offset(BASELINES[name]).offset == 1000


@pytest.mark.case("baseline")
@pytest.mark.parametrize(("baseline", "offset"), [("3.1", 0), (2.14, 0), ("N0301", 0), (3.99, 0), ("04.00", 1000)])
def test_baselines_before_the_offset(baseline, offset):
    assert read_offset({"Processing_Baseline": baseline}).offset == offset


@pytest.mark.case("baseline")
@pytest.mark.parametrize("value", [True, None, "5.1.2", "5", "05,09", "five"])
def test_baselines_that_are_none(value):
    with pytest.raises(ValueError, match=r"must be like 04\.00"):
        read_offset({"s2:processing_baseline": value})


@pytest.mark.case("baseline")
@pytest.mark.parametrize("key", ["processing_baseline", "s2:processing_baseline", "Boa_Add_Offset"])
def test_spellings_in_tags_of_a_geotiff(tmp_path, key):
    sample = load_geotiff(late(tmp_path, {key: "-1000" if "Add" in key else "05.09"}))
    assert (sample.images[S2][:, :, 0] == np.maximum(numbers().astype(int) - 1000, 1).transpose(1, 2, 0)).all()


@pytest.mark.case("baseline")
def test_tags_of_each_band(tmp_path):
    """An offset that differs by band, as a product may have it."""
    import rasterio

    path = late(tmp_path)
    with rasterio.open(path, "r+") as file:
        for band in file.indexes:
            file.update_tags(band, BOA_ADD_OFFSET=str(-600 if band == 3 else -1000))
    taken = np.full(12, 1000)
    taken[2] = 600
    expected = np.maximum(numbers().transpose(1, 2, 0).astype(int) - taken, 1)
    assert (load_geotiff(path).images[S2][:, :, 0] == expected).all()
