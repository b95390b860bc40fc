"""Places that lie near each other are one group, also where no two of all are near."""

import numpy as np
import pytest

from olmoearth_nb.data.labelled.neighbours import by_place, grouped

KM = 1 / 111.195
"""Degrees of latitude."""


def test_chains_are_one_group():
    lat = 48 + KM * np.array([0, 9, 18, 40, 27, 49.5, 80])
    places = np.stack([lat, np.full(7, 11.0)], 1)
    assert grouped(places).tolist() == [0, 0, 0, 1, 0, 1, 2]
    assert grouped(places, 1).tolist() == list(range(7))
    assert grouped(places, 50).tolist() == [0] * 7


def test_degrees_of_longitude_shrink_and_the_earth_is_round():
    north = np.array([[70.0, 20.0], [70.0, 20.25]])  # 9.5 km
    south = np.array([[0.0, 20.0], [0.0, 20.25]])  # 28 km
    assert grouped(north).tolist() == [0, 0]
    assert grouped(south).tolist() == [0, 1]
    assert grouped(np.array([[10.0, 179.99], [10.0, -179.99]])).tolist() == [0, 0]


def test_unknown_places_are_alone():
    places = np.array([[np.nan, np.nan], [48, 11], [np.nan, 11], [48, 11]])
    assert grouped(places).tolist() == [0, 1, 2, 1]
    assert grouped(np.full((3, 2), np.nan)).tolist() == [0, 1, 2]
    groups, text = by_place(places, 10)
    assert groups.tolist() == [0, 1, 2, 1]
    assert "3 groups of 4 chips, the largest of 2" in text
    assert "the place of 2 is unknown" in text


@pytest.mark.parametrize("apart", [0, -1, np.nan, np.inf, 20_000])
def test_no_distance(apart):
    with pytest.raises(ValueError, match="apart is a distance in kilometres"):
        grouped(np.zeros((2, 2)), apart)
