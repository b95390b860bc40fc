"""What was not observed never becomes a number that was: fill values, masks, zeros, scales, names, axes, dates."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from mistakes import BANDS, DATES, S2, image, radar

from olmoearth_nb import Encoder, Sample, size_config, to_sample
from olmoearth_nb.bands import MISSING, MODALITIES
from olmoearth_nb.data import arrays, load_sample
from olmoearth_nb.data.arrays import parse_dates
from olmoearth_nb.evaluation.embed import embed_place

LANDSAT = list(MODALITIES["landsat"].band_names)


def with_hole(value, dtype=np.float32, scale=1.0):
    values = (image() / scale).astype(dtype)
    values[2, 3, 1, 4] = value
    return values


@pytest.mark.case("1")
@pytest.mark.parametrize(
    ("value", "dtype", "scale"),
    [
        (-9999, np.int16, "native"),
        (-32768, np.int16, "native"),
        (65535, np.uint16, "native"),
        (32767, np.int16, "native"),
        (32767, np.int64, "native"),
        (3.2767, np.float32, "reflectance"),
        (9.969209968386869e36, np.float32, "native"),
        (-3.4028234663852886e38, np.float64, "native"),
        (-1.7976931348623157e308, np.float64, "native"),
        (1e20, np.float32, "native"),
        (9.97e36, np.float32, "native"),
        (1e30, np.float32, "reflectance"),
        (-9999, np.float32, "reflectance"),
        (-0.9999, np.float32, "reflectance"),
        (6.5535, np.float32, "reflectance"),
    ],
)
def test_fill_values_without_a_tag_are_not_observed(value, dtype, scale):
    sample = to_sample(with_hole(value, dtype, 1e4 if scale == "reflectance" else 1), BANDS, DATES, scale=scale)
    hidden = sample.images[S2] == MISSING
    assert hidden.sum() == 1, "the fill value alone"
    assert hidden[2, 3, 1, 4]
    assert any("fill values" in note for note in sample.notes)


@pytest.mark.case("1")
@pytest.mark.parametrize(
    ("sensor", "bands", "values", "fill"),
    [
        ("sentinel1", ["vv", "vh"], radar(-30, -1), -9999.0),
        ("sentinel1", ["vv", "vh"], radar(-30, -1), -32768.0),
        ("landsat", LANDSAT, image(bands=11, low=6000, high=20000), 0.0),
        ("landsat", LANDSAT, image(bands=11, low=6000, high=20000), 65535.0),
    ],
)
def test_fill_values_of_other_sensors(sensor, bands, values, fill):
    values = values.copy()
    values[0, 0, 0, 0] = fill
    hidden = to_sample(values, bands, DATES, modality_name=sensor).images[sensor] == MISSING
    assert hidden.sum() == 1
    assert hidden[0, 0, 0, 0]


@pytest.mark.case("dates")
@pytest.mark.parametrize("dates", [["2021-05-01", "2021-05-01"], ["2021-05-01T10:00", "2021-05-01T11:00"]])
def test_a_day_that_is_given_twice_is_noted(dates):
    assert any("2021-05-01 is the date of 2 timesteps" in note for note in to_sample(image(), BANDS, dates).notes)
    assert not any("is the date of" in note for note in to_sample(image(), BANDS, DATES).notes)


@pytest.mark.case("1")
@pytest.mark.parametrize("value", [-5000, -3001, 70000, 9e7])
def test_a_number_that_no_sensor_measures_is_refused(value):
    with pytest.raises(ValueError, match=r"1 Sentinel-2 L2A values are impossible, most often .* within -2000 and"):
        to_sample(with_hole(value), BANDS, DATES)


@pytest.mark.case("1")
def test_an_npz_with_fill_values(tmp_path):
    np.savez(tmp_path / "a.npz", image=with_hole(-9999, np.int16), bands=np.array(BANDS), dates=np.array(DATES))
    assert load_sample(tmp_path / "a.npz").images[S2][2, 3, 1, 4] == MISSING
    valid = np.ones((8, 8), bool)
    valid[0, 0] = False
    np.savez(tmp_path / "b.npz", image=image(), bands=np.array(BANDS), dates=np.array(DATES), valid=valid)
    assert (load_sample(tmp_path / "b.npz").images[S2][0, 0] == MISSING).all()


@pytest.mark.case("1")
@pytest.mark.parametrize(("number", "scale"), [(-1000, 1), (-999, 1), (-1, 1), (1, 1), (-1000, 1e4)])
def test_what_an_offset_leaves_of_no_data_is_none(number, scale):
    values = image() / scale
    values[:4, :, 0] = number / scale
    values[6, 6, 1, 3] = number / scale
    sample = to_sample(values, BANDS, DATES, scale="native" if scale == 1 else "reflectance")
    hidden = sample.images[S2] == MISSING
    assert hidden[:4, :, 0].all()
    assert hidden.sum() == 4 * 8 * 12, "one dark band alone is an observation"
    assert any("one small number in all bands" in note for note in sample.notes)


@pytest.mark.case("1")
def test_radar_below_all_noise_is_none():
    values = radar(-30, -1)
    values[0, 0, 0] = -99
    sample = to_sample(values, ["vv", "vh"], DATES, modality_name="sentinel1")
    assert (sample.images["sentinel1"] == MISSING).sum() == 2
    assert any("lie below -60" in note for note in sample.notes)


@pytest.mark.case("2")
@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_gaps_of_floats_in_a_file_are_not_observed(tmp_path, gap):
    np.savez(tmp_path / "a.npz", image=with_hole(gap), bands=np.array(BANDS), dates=np.array(DATES))
    sample = load_sample(tmp_path / "a.npz")
    assert (sample.images[S2] == MISSING).sum() == 1
    assert any("NaN or infinite, not observed" in note for note in sample.notes)


@pytest.mark.case("2")
def test_what_a_numpy_mask_hides_is_not_observed():
    hidden = np.random.default_rng(2).random((8, 8, 2, 12)) < 0.2
    values = np.ma.MaskedArray(image(), hidden, fill_value=-9999)
    assert ((to_sample(values, BANDS, DATES).images[S2] == MISSING) == hidden).all()
    nan = np.ma.masked_invalid(np.where(hidden, np.nan, image()))
    assert ((to_sample(nan, BANDS, DATES).images[S2] == MISSING) == hidden).all()
    whole = np.ma.MaskedArray(image())
    assert (to_sample(whole, BANDS, DATES).images[S2] == image()).all()


@pytest.mark.case("2")
def test_a_mask_counts_beside_valid_and_with_another_scale():
    hidden = np.zeros((8, 8, 2, 12), bool)
    hidden[0, 0, 0, 0] = True
    valid = np.ones((8, 8), bool)
    valid[7, 7] = False
    masked = np.ma.MaskedArray(image() / 1e4, hidden)
    missing = to_sample(masked, BANDS, DATES, valid=valid, scale="reflectance").images[S2] == MISSING
    assert missing[0, 0, 0, 0]
    assert missing[7, 7].all()
    assert missing.sum() == 1 + 2 * 12


@pytest.mark.case("2")
def test_a_mask_given_to_a_sample_itself():
    values = np.ma.MaskedArray(image(), image() < 1000)
    sample = Sample({S2: values}, parse_dates(DATES))
    assert ((sample.images[S2] == MISSING) == (image() < 1000)).all()


@pytest.mark.case("5")
def test_one_glint_does_not_make_reflectance_digital_numbers():
    values = image() / 1e4
    values[0, 0, 0, 0] = 2.3
    with pytest.raises(ValueError, match=r"up to 2\.3 look like reflectance 0\.\.1.*say scale='reflectance'"):
        to_sample(values, BANDS, DATES)
    assert to_sample(values, BANDS, DATES, scale="reflectance").images[S2][0, 0, 0, 0] == pytest.approx(23_000)


@pytest.mark.case("5")
@pytest.mark.parametrize("scale", ["native", "reflectance"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (image(low=0, high=255).astype(np.uint8), "uint8 numbers up to 254 are an 8-bit picture"),
        (image() / 100, "look like percent.*divide them by 100 and say scale='reflectance'"),
        (image(low=0, high=2).astype(np.uint16), "neither digital numbers nor reflectance"),
    ],
)
def test_numbers_in_no_unit_of_ours(values, message, scale):
    with pytest.raises(ValueError, match=message):
        to_sample(values, BANDS, DATES, scale=scale)


@pytest.mark.case("5")
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((slice(None), slice(None), 1), r"50\.0% of the Sentinel-2 L2A pixels look like reflectance.*timesteps 1"),
        ((slice(4), slice(None), slice(None)), r"50\.0% .*timesteps 0, 1"),
        ((slice(None), slice(None), slice(None), 3), r"1 of 12 Sentinel-2 L2A bands \(channels 3, counted from 0\)"),
    ],
)
def test_dates_regions_and_bands_of_another_unit(place, message):
    values = image()
    values[place] /= 1e4
    with pytest.raises(ValueError, match=message + ".*bring all of them to one unit"):
        to_sample(values, BANDS, DATES)
    if len(place) < 4:
        with pytest.raises(
            ValueError,
            match=r"(part of the values is|timesteps 1 look like) reflectance.*bring all of them to one unit",
        ):
            to_sample(values, BANDS, DATES, scale="reflectance")


@pytest.mark.case("5")
def test_dark_whole_numbers_pass_with_a_warning_and_so_do_blinding_ones():
    dark = image(low=1, high=90).astype(np.uint16)
    with pytest.warns(UserWarning, match="8-bit picture or of percent, or of very dark water"):
        assert (to_sample(dark, BANDS, DATES).images[S2] == dark).all()
    with pytest.warns(UserWarning, match="brighter than any ground"):
        to_sample(image(low=20_000, high=60_000).astype(np.uint16), BANDS, DATES)


@pytest.mark.case("5")
def test_scales_of_other_sensors():
    with pytest.raises(ValueError, match="amplitudes as stored"):
        to_sample(radar(10, 4000), ["vv", "vh"], DATES, modality_name="sentinel1", scale="linear")
    with pytest.raises(ValueError, match="8-bit picture"):
        to_sample(image(bands=11, high=255).astype(np.uint8), LANDSAT, DATES, modality_name="landsat")
    power = radar(0.01, 1)
    power[0, 0, 0] = 0
    decibel = to_sample(power, ["vv", "vh"], DATES, modality_name="sentinel1", scale="linear").images["sentinel1"]
    assert (decibel[0, 0, 0] == MISSING).all(), "no power at all is no data"


@pytest.mark.case("12")
@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("B08A", "B8A"),
        ("B8a", "B8A"),
        ("b8a", "B8A"),
        ("8A", "B8A"),
        ("band8a", "B8A"),
        ("B8_A", "B8A"),
        ("B1", "B01"),
        ("B9", "B09"),
    ],
)
def test_bands_as_archives_spell_them(given, ours):
    names = [given if name == ours else name for name in BANDS]
    sample = to_sample(image(), names, DATES)
    assert (sample.images[S2] == image()).all(), "in its place, not a copy of another band"
    assert any(f"{given} as {ours}" in note for note in sample.notes)


@pytest.mark.case("12")
def test_spelling_of_other_sensors_and_what_stays_unknown():
    assert list(to_sample(radar(-30, -1), ["VV", "VH"], DATES, modality_name="sentinel1").images) == ["sentinel1"]
    landsat = to_sample(
        image(bands=11, low=6000, high=20000), ["B08", "B01", *LANDSAT[2:]], DATES, modality_name="landsat"
    )
    assert any("B08 as B8" in note for note in landsat.notes)
    with pytest.raises(ValueError, match="no band 'B8B'"):
        to_sample(image(), ["B8B", *BANDS[1:]], DATES)
    with pytest.raises(ValueError, match=r"given twice: \['B01'\]"):
        to_sample(image(), ["B1", "B01", *BANDS[2:]], DATES)
    with pytest.raises(ValueError, match="did you mean B8A"):
        MODALITIES[S2].indices(["B08A"])


@pytest.mark.case("14")
@pytest.mark.parametrize("policy", ["zero", "nearest"])
def test_a_filled_band_is_no_observation(policy):
    values = image(16, 16, bands=10)
    values[:, 8:] = MISSING
    sample = to_sample(values, BANDS[:10], DATES, missing_bands=policy)
    assert (sample.images[S2][:, 8:] == MISSING).all(), "nothing is filled where nothing was seen"
    assert (sample.images[S2][:, :8] != MISSING).all()
    torch.manual_seed(0)
    embedded = embed_place(Encoder(size_config("mini", "v1")), sample, 8)
    assert np.isfinite(embedded[:, 0]).all()
    assert np.isnan(embedded[:, 1]).all(), "a point in the empty half has no embedding"


@pytest.mark.case("14")
def test_a_date_without_any_observation_goes():
    values = image(bands=10)
    values[:, :, 0] = 0  # Sentinel-2 writes 0 where there is no data
    sample = to_sample(values, BANDS[:10], DATES, missing_bands="zero")
    assert sample.dates == DATES[1:]
    assert any("nothing was observed on 2021-01-31" in note for note in sample.notes)
    kept = to_sample(values, BANDS[:10], DATES, missing_bands="zero", empty_dates="keep")
    assert kept.dates == DATES
    assert (kept.images[S2][:, :, 0] == MISSING).all()


@pytest.mark.case("14")
def test_a_date_that_one_of_two_sensors_saw_stays():
    optical = image()
    optical[:, :, 0] = MISSING
    both = to_sample(optical, BANDS, DATES, empty_dates="keep").join(
        to_sample(radar(-20, -5), ["vv", "vh"], DATES, modality_name="sentinel1")
    )
    assert arrays.without_empty_dates(both).dates == DATES


@pytest.mark.case("zeros")
@pytest.mark.parametrize("sensor", [S2, "sentinel1", "landsat"])
def test_zeros_that_mean_no_data_and_zeros_that_do_not(sensor):
    bands = {S2: BANDS, "sentinel1": ["vv", "vh"], "landsat": LANDSAT}[sensor]
    values = radar(-30, -1) if sensor == "sentinel1" else image(bands=len(bands), low=6000, high=20000)
    values[1, 1, 0] = 0
    values[2, 2, 0, 0] = 0
    hidden = to_sample(values, bands, DATES, modality_name=sensor).images[sensor] == MISSING
    assert hidden[1, 1, 0].all()
    assert hidden[2, 2, 0].sum() == (sensor == "landsat"), "in one band, only Landsat's 0 is a fill value"
    assert hidden.sum() == len(bands) + (sensor == "landsat")


@pytest.mark.case("friction 1")
def test_an_npz_says_its_own_level_and_scale(tmp_path):
    names = [*BANDS, "B10"]
    told = {"bands": np.array(names), "dates": np.array(DATES)}
    np.savez(tmp_path / "a.npz", image=image(bands=13) / 1e4, scale=np.array("reflectance"), **told)
    with pytest.warns(UserWarning, match="top-of-atmosphere"):
        sample = load_sample(tmp_path / "a.npz")
    np.testing.assert_allclose(sample.images[S2], image(bands=13)[..., :12], rtol=1e-6)
    np.savez(tmp_path / "b.npz", image=image(bands=13), level=np.array("L2A"), **told)
    with pytest.raises(ValueError, match=r"b\.npz: B10 \(cirrus\).*say level='L1C'"):
        load_sample(tmp_path / "b.npz")
    with pytest.warns(UserWarning, match="top-of-atmosphere"):
        load_sample(tmp_path / "b.npz", level="L1C")
    np.savez(tmp_path / "c.npz", image=image(bands=13), level=np.array("L3"), **told)
    with pytest.raises(ValueError, match=r"c\.npz: level must be 'L2A' or 'L1C', got 'L3'"):
        load_sample(tmp_path / "c.npz")


@pytest.mark.case("friction 1")
def test_options_that_a_loader_has_not_are_named_with_those_that_it_has(tmp_path):
    np.savez(tmp_path / "a.npz", image=image(), bands=np.array(BANDS), dates=np.array(DATES))
    with pytest.raises(
        ValueError, match=r"loader of a\.npz has no names=; it has provenance=, offset=, level=, scale="
    ):
        load_sample(tmp_path / "a.npz", names="content")
    assert load_sample(tmp_path / "a.npz", dates=["2020-01-01", "2020-02-01"]).dates[0] == "2020-01-01"


@pytest.mark.case("friction 2")
@pytest.mark.parametrize(
    ("order", "looks"),
    [((2, 0, 1, 3), r"\(T, H, W, C\)"), ((2, 3, 0, 1), r"\(T, C, H, W\)"), ((3, 2, 0, 1), r"\(C, T, H, W\)")],
)
def test_swapped_axes_are_named_with_the_way_back(order, looks):
    swapped = image(9, 7).transpose(order)
    with pytest.raises(ValueError, match=rf"it looks like {looks}: image.transpose") as raised:
        to_sample(swapped, BANDS, DATES)
    way = tuple(int(axis) for axis in str(raised.value).rpartition("transpose(")[2].rstrip(")").split(","))
    assert (swapped.transpose(way) == image(9, 7)).all()


@pytest.mark.case("friction 4")
@pytest.mark.parametrize("shape", [(2, 12), (5, 2, 12)])
def test_series_of_pixels_are_sent_to_their_own_function(shape):
    with pytest.raises(ValueError, match=r"series of pixels .* go through to_samples"):
        to_sample(np.full(shape, 1000), BANDS, DATES)


def land(**bands):
    """Bright land of which some bands hold another number."""
    values = image(low=800, high=1200)
    for band, number in ({"B07": 2900, "B08": 3000, "B8A": 3000, "B09": 2900} | bands).items():
        values[..., BANDS.index(band)] = number
    return values


@pytest.mark.case("friction 3")
@pytest.mark.parametrize(("vapour", "told"), [(900, True), (1700, True), (2600, False), (3300, False)])
def test_top_of_atmosphere_without_cirrus_gives_itself_away(vapour, told):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        sample = to_sample(land(B09=vapour), BANDS, DATES)
    assert [str(one.message).split(":")[0] for one in heard] == ["this is very likely top-of-atmosphere data"] * told
    assert any(f"{vapour / 3000:.2f} of it in most of the land" in note for note in sample.notes) == told
    with pytest.warns(UserWarning, match="haze"):
        said = to_sample(land(B09=vapour), BANDS, DATES, level="L1C")
    assert not any("very likely" in note for note in said.notes), "who says it is not told"


@pytest.mark.case("friction 3")
def test_water_and_single_pixels_tell_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_sample(land(B07=300, B08=250, B8A=240, B09=80), BANDS, DATES)
        to_sample(land(B09=900)[:4, :4], BANDS, DATES)


@pytest.mark.case("sanity")
@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ({"B11": 200, "B12": 150}, "B11, B12 almost surely hold an 8-bit picture"),
        ({"B02": 200, "B03": 250, "B04": 90}, "B02, B03, B04 almost surely hold an 8-bit picture"),
        ({"B8A": 900}, "names or the order of the bands are almost surely wrong: B8A is far below B07"),
    ],
)
def test_bands_that_contradict_their_names_are_told_and_never_changed(bands, message):
    with pytest.warns(UserWarning, match=message):
        sample = to_sample(land(**bands), BANDS, DATES)
    assert (sample.images[S2] == land(**bands)).all()
    assert any(message in note for note in sample.notes)


@pytest.mark.case("sanity")
@pytest.mark.parametrize("bands", [{}, {"B02": 200, "B04": 150}, {"B12": 200}])
def test_land_that_is_right_is_not_told(bands):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_sample(land(**bands), BANDS, DATES)


@pytest.mark.case("friction 8")
@pytest.mark.parametrize("dates", [[5, 6], np.array([5, 6]), [np.int64(6), np.int64(7)], [202101.0, 202102.0]])
def test_a_month_number_is_no_date(dates):
    with pytest.raises(
        ValueError, match="is a number, not a date; give ISO dates such as '2020-07-01', or rows of day"
    ):
        to_sample(image(), BANDS, dates)


@pytest.mark.case("dates")
@pytest.mark.parametrize("date", ["2021-07-04/2021-08-04", "2021-07-04garbage", "2021-07", "04.07.2021", "nan", ""])
def test_text_that_only_begins_like_a_date_is_refused(date):
    with pytest.raises(ValueError, match="dates are needed, in a list"):
        parse_dates(date)
    with pytest.raises(ValueError, match="is not a date; give ISO dates"):
        parse_dates([date])


@pytest.mark.case("dates")
def test_dates_of_every_kind_and_a_wrong_clock(monkeypatch):
    given = ["2021-07-04T10:20:30Z", pd.Timestamp("2021-07-05 10:00", tz="UTC"), np.datetime64("2021-07-06T03")]
    assert [row[0] for row in parse_dates(given).tolist()] == [4, 5, 6]
    with pytest.raises(ValueError, match="is not a date"):
        parse_dates([pd.NaT])

    real = dt.date

    class Clock(dt.date):
        @classmethod
        def today(cls):
            return real(2014, 1, 1)

    monkeypatch.setattr(arrays.dt, "date", Clock)
    assert parse_dates(["2023-05-01"]).tolist() == [[1, 4, 2023]], "a clock that is ten years back"


@pytest.mark.case("join")
def test_two_sensors_of_one_place_become_one_sample():
    optical = to_sample(image(timesteps=3), BANDS, ["2021-01-05", "2021-03-01", "2021-05-10"])
    power = np.random.default_rng(0).uniform(-30, -1, (8, 8, 4, 2)).astype(np.float32)
    seen = ["2021-01-14", "2021-01-20", "2021-03-01", "2021-06-30"]
    both = optical.join(to_sample(power, ["vv", "vh"], seen, modality_name="sentinel1"))
    assert both.dates == ["2021-01-05", "2021-01-20", "2021-03-01", "2021-05-10", "2021-06-30"]
    assert (both.images["sentinel1"][:, :, [0, 1, 2, 4]] == power).all()
    assert (both.images["sentinel1"][:, :, 3] == MISSING).all()
    assert (both.images[S2][:, :, [0, 2, 3]] == optical.images[S2]).all()
    assert "dates of sentinel1 were moved by up to 9 days" in both.notes
    strict = optical.join(to_sample(power, ["vv", "vh"], seen, modality_name="sentinel1"), days=0)
    assert len(strict.dates) == 6


@pytest.mark.case("join")
def test_samples_that_do_not_go_together():
    optical = to_sample(image(), BANDS, DATES)
    small = to_sample(radar(-20, -5)[:4], ["vv", "vh"], DATES, modality_name="sentinel1")
    with pytest.raises(ValueError, match=r"same pixels, got \(8, 8\) and \(4, 8\)"):
        optical.join(small)
    with pytest.raises(ValueError, match="both samples have sentinel2_l2a"):
        optical.join(optical)
    months = [f"2020-{month:02d}-01" for month in range(1, 13)]
    year = np.repeat(radar(-20, -5)[:, :, :1], 12, axis=2)
    with pytest.raises(ValueError, match="together the samples have 14 dates, the models take 12"):
        optical.join(to_sample(year, ["vv", "vh"], months, modality_name="sentinel1"))


@pytest.mark.case("join")
def test_a_map_brings_no_date():
    optical = to_sample(image(), BANDS, DATES)
    heights = to_sample(np.full((8, 8, 1, 1), 300.0), ["srtm"], ["2020-01-01"], modality_name="srtm")
    assert optical.join(heights).dates == heights.join(optical).dates == DATES
    with pytest.raises(ValueError, match="joined with samples, got str"):
        optical.join("x")
    assert optical.join(heights, days=np.int64(3)).dates == DATES


@pytest.mark.case("offset")
def test_the_offset_of_reflectance_in_an_npz(tmp_path):
    told = {"bands": np.array(BANDS), "dates": np.array(DATES), "scale": np.array("reflectance")}
    values = image(low=1100, high=5000)
    np.savez(tmp_path / "a.npz", image=values / 1e4, BOA_ADD_OFFSET=np.array(-1000), **told)
    np.testing.assert_allclose(load_sample(tmp_path / "a.npz").images[S2], values - 1000, atol=0.01)
    np.savez(tmp_path / "b.npz", image=values / 1e4, **told)
    unsaid = load_sample(tmp_path / "b.npz")
    np.testing.assert_allclose(unsaid.images[S2], values, atol=0.01)
    assert any("no metadata say" in note for note in unsaid.notes)
    np.testing.assert_allclose(load_sample(tmp_path / "b.npz", offset=1000).images[S2], values - 1000, atol=0.01)


@pytest.mark.case("friction 1")
def test_an_npz_of_another_sensor(tmp_path):
    told = {"dates": np.array(DATES)}
    np.savez(tmp_path / "a.npz", image=radar(-30, -1), bands=np.array(["VV", "VH"]), **told)
    assert list(load_sample(tmp_path / "a.npz").images) == ["sentinel1"]
    values = image(bands=11, low=6000, high=20000)
    np.savez(tmp_path / "b.npz", image=values, bands=np.array(LANDSAT), **told)
    assert (load_sample(tmp_path / "b.npz", modality="landsat").images["landsat"] == values).all()
    np.savez(tmp_path / "c.npz", image=values, bands=np.array(LANDSAT), modality=np.array("landsat"), **told)
    assert list(load_sample(tmp_path / "c.npz").images) == ["landsat"]


@pytest.mark.case("join")
def test_joined_dates_keep_their_order():
    first = to_sample(image(), BANDS, ["2021-01-01", "2021-01-10"])
    second = to_sample(radar(-20, -5), ["vv", "vh"], ["2021-01-09", "2021-01-12"], modality_name="sentinel1")
    both = first.join(second)
    assert both.dates == ["2021-01-01", "2021-01-10", "2021-01-12"], "9 January goes to the 10th, the 12th stays"
    assert (both.images["sentinel1"][:, :, 1:] == second.images["sentinel1"]).all()
