"""Exercises: what is right, what is wrong and for which reason, what is not answered."""

from dataclasses import replace

import numpy as np
import pytest

from olmoearth_nb import SENTINEL2, to_sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded
from olmoearth_nb.notebook import exercises
from olmoearth_nb.notebook.exercises import check
from olmoearth_nb.plots.indices import reflectance


def test_check_says_how_an_exercise_stands(capsys):
    assert not check(1, None, exercises.month_of_index)
    assert not check(1, "June", exercises.month_of_index)
    assert check(1, "july", exercises.month_of_index)
    said = capsys.readouterr().out.splitlines()
    assert said == ["Exercise 1: not answered yet", "Exercise 1: not yet: " + exercises.month_of_index("June"),
                    "Exercise 1: solved"]  # fmt: skip


@pytest.mark.parametrize("band", SENTINEL2.band_names)
def test_only_short_wave_infrared_tells_snow_from_cloud(band):
    problem = exercises.band_that_tells_snow_from_cloud(band)
    assert (problem == "") == (band in ("B11", "B12")), problem


def test_a_band_that_is_none():
    assert "give one of 'B02'" in exercises.band_that_tells_snow_from_cloud("SWIR")


def test_repaired_reflectance():
    sample = load_embedded("town").window(0, 0, 16)
    sample.images["sentinel2_l2a"][:8, :8, 3] = MISSING
    share, bands = reflectance(sample), SENTINEL2.band_names
    problem = exercises.equal_to(sample)
    repaired = to_sample(share, bands, sample.dates, scale="reflectance", valid=~np.isnan(share))
    assert problem(repaired) == ""
    filled = to_sample(np.nan_to_num(share), bands, sample.dates, scale="reflectance")
    assert problem(filled) == f"{8 * 8 * 12:,} values differ from those of the sample", "0 is not the mark of a gap"
    assert "not (16, 16" in problem(repaired.window(0, 0, 8))
    assert problem(share) == "give a Sample, as to_sample returns it"
    assert problem(replace(repaired, title="x")) == ""
