"""Whole tiles of Sentinel-2: windows of them are what the loader of one window gives."""

import numpy as np
import pytest
from safe_twin import EDGE, digital_numbers, write_safe

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.safe import scene
from olmoearth_nb.data.safe.load import load_safe
from olmoearth_nb.data.safe.scene import open_safe
from olmoearth_nb.scene import Scene

S2 = "sentinel2_l2a"
MIDDLE = EDGE // 2 - 16


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """What is read at once is smaller than the twin."""
    monkeypatch.setattr(scene, "_PAGE", 30_000)


def clouds():
    scl = np.full((EDGE // 2, EDGE // 2), 4, np.uint8)
    scl[40:45, 40:44] = 9
    return scl


def saturated():
    values = digital_numbers(low=700)
    values["B02"][80, 80], values["B05"][45, 45] = 0, 65535
    return values


CASES = {
    "one date": lambda t: (write_safe(t)[0], {}),
    "no data and saturated": lambda t: (write_safe(t, saturated())[0], {}),
    "clouds": lambda t: (write_safe(t, scl=clouds())[0], {"mask_clouds": True}),
    "no offset taken": lambda t: (write_safe(t)[0], {"offset": None}),
    "Level 1C": lambda t: (write_safe(t, level="L1C")[0], {}),
    "two dates": lambda t: (
        [
            write_safe(t, digital_numbers(seed=1), sensed="2022-02-01T10:56:21Z", baseline="04.00")[0],
            write_safe(t, sensed="2021-02-01T10:56:21Z", baseline="03.00", offsets=None)[0],
        ],
        {},
    ),
}


@pytest.mark.case("H5")
@pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_windows_are_those_of_the_loader(tmp_path, name):
    paths, options = CASES[name](tmp_path)
    opened, expected = open_safe(paths, **options), load_safe(paths, size=32, **options)
    assert isinstance(opened, Scene)
    assert opened.shape == (EDGE, EDGE)
    got = opened.window(MIDDLE, MIDDLE, 32)
    np.testing.assert_array_equal(got.images[S2], expected.images[S2])
    assert (got.dates, got.georeference) == (expected.dates, expected.georeference)
    assert {note for note in expected.notes if "%" not in note} <= set(opened.notes)
    edge = opened.window(EDGE - 7, 3, 64, 5)
    assert edge.shape == (7, 5)


@pytest.mark.case("H5")
def test_a_window_without_any_value(tmp_path):
    values = digital_numbers()
    for image in values.values():
        image[: len(image) // 3] = 0
    assert (open_safe(write_safe(tmp_path, values)[0]).window(0, 0, 60).images[S2] == MISSING).all()


@pytest.mark.case("H5")
def test_nothing_anywhere(tmp_path):
    values = {band: image * 0 for band, image in digital_numbers().items()}
    with pytest.raises(ValueError, match="nothing was observed in 49 windows all over the tile"):
        open_safe(write_safe(tmp_path, values)[0])
