"""Masks and medians, on arrays small enough to check by hand."""

import numpy as np
import pytest

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.stac.composite import DROPPED, clear, first_seen, median


def test_classes():
    assert clear(np.arange(12)).nonzero()[0].tolist() == [2, 4, 5, 6, 7, 11]
    assert sorted(DROPPED) == [0, 1, 3, 8, 9, 10]
    with pytest.raises(ValueError, match="holds 12; its classes are 0 to 11"):
        clear(np.array([4, 12]))


def test_the_first_that_saw_something():
    layers = [np.array([[[0, 5, 0]]]), np.array([[[7, 8, 0]]]), np.array([[[9, 9, 9]]])]
    assert first_seen(layers)[0, 0].tolist() == [7, 5, 9]
    assert layers[0][0, 0].tolist() == [0, 5, 0], "the layers stay as they are"


def test_medians_count_only_what_was_seen():
    days = np.array([[0, 0, 4, 65535], [0, 3, 1, 65534], [0, 0, 9, 65535], [0, 0, 0, 65530]], dtype=np.uint16)
    found = median(list(days.reshape(4, 1, 1, 4)))
    assert found.dtype == np.float32
    assert found[0, 0].tolist() == [MISSING, 3, 4, 65534.5]


def test_medians_are_those_of_numpy():
    days = np.random.default_rng(0).integers(0, 4, (7, 5, 6, 3)).astype(np.uint16)
    seen = np.where(days == 0, np.nan, days.astype(float))
    seen[0, np.isnan(seen).all(0)] = MISSING
    np.testing.assert_array_equal(median(list(days)), np.nanmedian(seen, axis=0))
