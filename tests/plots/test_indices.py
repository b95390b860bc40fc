"""Reflectance, NDVI and the clearest date, with gaps and clouds."""

import numpy as np
import pytest

from olmoearth_nb import SENTINEL2, Sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.plots.indices import clearest, ndvi, reflectance, square_means

RED, INFRARED, BLUE = SENTINEL2.indices(["B04", "B08", "B02"])


def series(*dates):
    """A sample of 8 x 8 px whose dates have the given (blue, red, infrared) everywhere, or nothing for None."""
    image = np.full((8, 8, len(dates), 12), 1000.0)
    for step, values in enumerate(dates):
        if values is None:
            image[:, :, step] = MISSING
        else:
            image[:, :, step, [BLUE, RED, INFRARED]] = values
    return Sample({"sentinel2_l2a": image}, [(1, month, 2020) for month in range(len(dates))])


def test_reflectance_and_gaps():
    values = reflectance(series((300, 500, 4000), None))
    assert values[0, 0, 0, [BLUE, RED, INFRARED]] == pytest.approx([0.03, 0.05, 0.4])
    assert np.isnan(values[:, :, 1]).all()


def test_the_mean_of_a_square_is_that_of_its_observed_pixels():
    sample = series((300, 500, 4000), None)
    sample.images["sentinel2_l2a"][2, 2, 0, BLUE] = MISSING
    sample.images["sentinel2_l2a"][2, 3, 0, BLUE] = 1600
    means = square_means(sample, 2, 2, 2)
    assert means.shape == (2, 12)
    assert means[0, [BLUE, RED]] == pytest.approx([(0.16 + 2 * 0.03) / 3, 0.05])
    assert np.isnan(means[1]).all()


def test_ndvi_of_leaves_water_nothing_and_gaps():
    values = np.zeros((4, 12))
    values[:, [RED, INFRARED]] = [(0.05, 0.45), (0.03, 0.01), (0, 0), (np.nan, np.nan)]
    green = ndvi(values)
    assert green[:2] == pytest.approx([0.8, -0.5])
    assert np.isnan(green[2:]).all()
    assert ndvi(10_000 * values)[:2] == pytest.approx([0.8, -0.5]), "digital numbers give the same"


def test_the_clearest_date_is_green_and_whole():
    bare, cloud, leaves = (800, 1500, 2000), (8000, 8000, 8200), (300, 400, 4000)
    assert clearest(series(bare, cloud, leaves, None)) == 2
    assert clearest(series(cloud, bare)) == 1
    holed = series(bare, leaves)
    holed.images["sentinel2_l2a"][0, 0, 1] = MISSING
    assert clearest(holed) == 0, "a date with a gap comes after one without"
    assert clearest(series(None, None)) == 0
