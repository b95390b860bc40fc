"""Exercises: what is right, what is wrong and for which reason, what is not answered."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
import torch

from olmoearth_nb import SENTINEL2, TOKENIZATIONS, Sample, Tokenization, to_sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots.indices import reflectance


def test_check_says_how_an_exercise_stands(capsys):
    assert not check(1, None, exercises.month_of_index)
    assert not check(1, "June", exercises.month_of_index)
    assert check(1, "july", exercises.month_of_index)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Exercise 1: not answered yet", "Exercise 1: not yet: " + exercises.month_of_index("June"),
                    "Exercise 1: solved"]  # fmt: skip


@pytest.mark.parametrize("answer", ["July", "july ", "Jul", "JUL.", "7", 7, 7.0, np.int64(7), torch.tensor(7)])
def test_a_month_in_every_form(answer):
    assert exercises.month_of_index(answer) == ""


@pytest.mark.parametrize("answer", ["June", "Jun", 6, "6", "January"])
def test_another_month(answer):
    assert "count from 0" in exercises.month_of_index(answer)


@pytest.mark.parametrize("answer", ["ju", "", "Julius", 0, 13, 7.5, True, ["July"]])
def test_no_month(answer):
    assert exercises.month_of_index(answer) == "give the name of a month"


WHOLE = [
    (exercises.native_pixels, 100),
    (exercises.tokens_of_a_year, 9216),
    (exercises.patch_for_equal_tokens, 4),
    (exercises.patch_weights, 32_896),
]


@pytest.mark.parametrize(("problem", "right"), WHOLE)
def test_whole_numbers_in_every_form(problem, right):
    forms = (right, float(right), np.int64(right), np.float32(right), np.array([right]), torch.tensor(right),
             torch.tensor(right, dtype=torch.float32), Decimal(right), right * 0.1 * 10)  # fmt: skip
    assert [problem(form) for form in forms] == [""] * len(forms)
    assert problem(right + 1) not in ("", "give a whole number")
    for none in (right + 0.5, str(right), True, [right], float("inf"), np.array([right, right]), None):
        assert problem(none) == "give a whole number"


def test_a_quotient_is_a_whole_number():
    assert exercises.tokens_of_a_year(64 / 4 * 64 / 4 * 12 * 3) == ""
    assert exercises.patch_for_equal_tokens(3.0) == "64 px do not divide into patches of 3 px"
    assert exercises.patch_for_equal_tokens(np.int64(8)) == "v1.1 makes fewer than v1's 192 tokens then"


def test_names_in_every_form():
    for right in ("timestep", "Timestep", " time-step "):
        assert exercises.quarter_that_tells_dates_apart(right) == ""
    assert exercises.quarter_that_tells_dates_apart("month") == "that quarter is the same for both"
    for none in ("year", "", 2, None):
        assert exercises.quarter_that_tells_dates_apart(none).startswith("give one of 'group', 'timestep'")


@pytest.mark.parametrize("no", [False, 0, np.False_, torch.tensor(False), torch.zeros(1)])
def test_yes_and_no_in_every_form(no):
    assert exercises.years_change_the_embedding({"v1.1": no, "V1.2": no}) == ""
    assert exercises.years_change_the_embedding({"v1.1": no, "v1.2": True}) == "look at what v1.2 is told of a date"
    for none in ({"v1.1": no}, {"v1.1": no, "v1.2": "False"}, {"v1.1": no, "v1.2": 2}, {"v1": no, "v1.2": no}, no):
        assert exercises.years_change_the_embedding(none) == "give True or False for 'v1.1' and 'v1.2'"


def test_two_tokens():
    halves = {"sentinel2_l2a": ["B01 B02 B03 B04", "B05 B06 B07 B08 B8A B09 B11 B12"]}
    assert exercises.two_tokens(Tokenization("two", halves)) == ""
    few = {"sentinel2_l2a": ["B02 B03 B04", "B05 B06 B07 B08 B8A B09 B11 B12"]}
    assert exercises.two_tokens(Tokenization("few", few)) == "it leaves out B01"
    assert exercises.two_tokens(TOKENIZATIONS["v1"]) == "it makes 3 tokens of a patch"
    assert exercises.two_tokens(halves) == "give a Tokenization"


@pytest.mark.parametrize("answer", ["b11", " B11", SENTINEL2.bands[SENTINEL2.band_names.index("B11")], "B12"])
def test_a_band_in_every_form(answer):
    assert exercises.band_that_tells_snow_from_cloud(answer) == ""


@pytest.mark.parametrize(("answer", "band"), [("b4", "B04"), ("B8a", "B8A"), ("B08A", "B8A"), ("B1", "B01")])
def test_a_band_by_another_spelling(answer, band):
    assert exercises.band_that_tells_snow_from_cloud(answer).startswith(f"in {band} snow reflects")


@pytest.mark.parametrize("band", SENTINEL2.band_names)
def test_only_short_wave_infrared_tells_snow_from_cloud(band):
    problem = exercises.band_that_tells_snow_from_cloud(band)
    assert (problem == "") == (band in ("B11", "B12")), problem


@pytest.mark.parametrize("answer", ["SWIR", "B10", 11, "", None])
def test_a_band_that_is_none(answer):
    assert "give one of 'B02'" in exercises.band_that_tells_snow_from_cloud(answer)


def test_repaired_reflectance():
    sample = load_embedded("town").window(0, 0, 16)
    sample.images["sentinel2_l2a"][:8, :8, 3] = MISSING
    reflected, bands = reflectance(sample), SENTINEL2.band_names
    problem = exercises.equal_to(sample)
    repaired = to_sample(reflected, bands, sample.dates, scale="reflectance", valid=~np.isnan(reflected))
    assert problem(repaired) == ""
    filled = to_sample(np.nan_to_num(reflected, nan=0.1), bands, sample.dates, scale="reflectance")
    assert problem(filled) == f"{8 * 8 * 12:,} values differ from those of the sample", "0.1 is not the mark of a gap"
    assert "not (16, 16" in problem(repaired.window(0, 0, 8))
    assert problem(reflected) == "give a Sample, as to_sample returns it"
    assert problem(replace(repaired, title="x")) == ""
    radar = Sample({"sentinel1": np.full((16, 16, 12, 2), -12.0, "float32")}, sample.timestamps)
    assert problem(radar) == "it has no image of Sentinel-2"


def test_where_bands_meet():
    assert exercises.coalitions_of_ten(2**10) == ""
    assert "every combination" in exercises.coalitions_of_ten(45)
    assert exercises.interaction_of_a_sum(0) == ""
    assert "g and h" in exercises.interaction_of_a_sum(1)
    right = {"v1": "attention 1", "v1.1": "tokens"}
    assert exercises.where_bands_first_meet(right) == ""
    assert "different tokens" in exercises.where_bands_first_meet(right | {"v1": "tokens"})
    assert "pixel layer" in exercises.where_bands_first_meet(right | {"v1.1": "MLP 1"})
    for none in ({"v1": "attention 1"}, {"v1": "attention 1", "v1.1": 3}, "tokens"):
        assert exercises.where_bands_first_meet(none).startswith("give a stage")


def test_from_pixels_to_a_map():
    assert exercises.windows_over_a_pixel(4) == ""
    assert "along a column" in exercises.windows_over_a_pixel(2)
    assert exercises.cost_of_a_quarter(16) == ""
    assert "each axis" in exercises.cost_of_a_quarter(4)
    assert exercises.hectares_of_crop(0.9 * 30 + 0.2 * 70) == ""
    assert "both classes" in exercises.hectares_of_crop(27)


def test_three_times_cheaper():
    assert exercises.attention_as_dear(4608) == ""
    assert "divide by what both have" in exercises.attention_as_dear(768)
    assert exercises.saving_without_end(9) == ""
    assert "with their square" in exercises.saving_without_end(3)
    assert exercises.what_does_not_shrink(4.0) == ""
    for wrong in (6, 5.4, 25):
        assert "a sixth of the rest" in exercises.what_does_not_shrink(wrong)


def test_switching():
    assert exercises.loss_left_open(0.075) == ""
    assert exercises.loss_left_open(0).startswith("of n groups")
    right = {"labels": True, "heads": False, "Stored embeddings": 0, "splits": True}
    assert exercises.kept_after_a_switch(right) == ""
    assert exercises.kept_after_a_switch(right | {"heads": True}).startswith("think again about heads")
    assert exercises.kept_after_a_switch({"labels": True}).startswith("say True or False for each of labels, heads")


def test_fine_tuning():
    assert exercises.lora_numbers(294_912) == ""
    assert "two layers" in exercises.lora_numbers(147_456)
    assert exercises.rate_of_the_first_block(0.1785) == ""
    assert "the last block has" in exercises.rate_of_the_first_block(0.65**3)
    assert exercises.gain_that_could_be_seen("No") == ""
    assert "100 labels" in exercises.gain_that_could_be_seen("yes")
    assert exercises.split_for_a_new_region("by place") == ""
    assert "neighbours" in exercises.split_for_a_new_region("at random")


def test_what_is_learnt_and_forgotten():
    assert exercises.read_without_the_own_part(False) == ""
    assert "the most that can be read" in exercises.read_without_the_own_part(True)
    assert exercises.read_without_the_own_part("no") == "give True or False"
    assert exercises.gained_most_of_the_own_parts("V1") == ""
    assert "divide what is read" in exercises.gained_most_of_the_own_parts("naive"), "it keeps most, by difference too"
    assert exercises.gained_most_of_the_own_parts("v2").startswith("give one of")
    assert exercises.added_for_neighbours("The Month") == ""
    assert "make small" in exercises.added_for_neighbours("NDVI")


def test_a_loss_that_is_excluded():
    assert exercises.loss_excluded_on("a") == ""
    for wrong in ("B", "both", "neither"):
        assert "lower end" in exercises.loss_excluded_on(wrong)
    assert exercises.loss_excluded_on(2).startswith("give one of")
