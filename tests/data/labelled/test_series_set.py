"""Pixels of a table with an answer each: classes or real values, groups, and what is left out."""

import numpy as np
import pytest

from olmoearth_nb import to_samples
from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.labelled.series import SeriesSet
from olmoearth_nb.data.sets import LabelledSet

S2 = "sentinel2_l2a"
DATES = ["2021-03-01", "2021-07-01"]
N = 12


def series(**labels):
    """Pixel 5 was never observed."""
    values = np.random.default_rng(0).integers(300, 4000, (N, 2, 12)).astype(np.float32)
    values[5] = MISSING
    return to_samples(values, list(SENTINEL2.band_names), DATES, labels={k: np.array(v) for k, v in labels.items()})


CROPS = np.array(["wheat", "maize", "rice"] * 4, dtype=object)
FIELDS = [f"f{i // 3}" for i in range(N)]


def test_classes():
    data = SeriesSet(series(crop=CROPS, field=FIELDS), "crop", groups="field")
    assert isinstance(data, LabelledSet)
    assert (data.name, data.unit, data.split, len(data)) == ("pixels: crop", "", None, 11)
    assert data.classes == ("maize", "rice", "wheat")
    seen = [i for i in range(N) if i != 5]
    assert [data.classes[answer] for answer in data.answers] == CROPS[seen].tolist()
    assert data.groups.tolist() == [i // 3 for i in seen]
    assert "nothing was observed of 1 pixels, which are left out" in data.notes
    assert "pixels of one field are one group: 4 groups of 11 pixels" in data.notes
    whole = series(crop=CROPS)
    assert (data.samples(np.array([5]))[0].images[S2] == whole[6].images[S2]).all()
    assert (data.batch(np.array([5]), (S2,)).images[S2] == whole.batch([6]).images[S2]).all()
    assert data.samples(np.array([5, 0]))[1].shape == (1, 1)


def test_whole_numbers_are_classes_in_their_order():
    data = SeriesSet(series(code=[1200, 30, 200] * 4), "code")
    assert data.classes == ("30", "200", "1200")
    assert data.answers.tolist()[:3] == [2, 0, 1]
    gaps = SeriesSet(series(code=[1200.0, 30.0, np.nan] * 4), "code")
    assert gaps.classes == ("30", "1200")
    assert any("4 pixels have no code" in note for note in gaps.notes)
    assert any("say groups=" in note for note in gaps.notes)
    assert gaps.groups.tolist() == list(range(len(gaps)))


def test_real_values():
    values = np.linspace(0, 1, N)
    values[[0, 1]] = np.nan, np.inf
    data = SeriesSet(series(moisture=values), "moisture", unit="%")
    assert (data.unit, data.classes) == ("%", ())
    assert data.answers.tolist() == [values[i] for i in range(2, N) if i != 5]
    assert "2 pixels have no moisture and are left out" in data.notes


def test_a_published_split():
    split = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2
    data = SeriesSet(series(crop=CROPS, split=split), "crop", split="split", name="crops")
    assert data.name == "crops"
    assert data.split.tolist() == [name for i, name in enumerate(split) if i != 5]


WRONG = {
    "no such label": ({}, {"label": "yield"}, "has no label 'yield'; it has crop"),
    "no such group": ({}, {"groups": "field"}, "has no label 'field'"),
    "one class": ({"crop": ["wheat"] * N}, {}, "crop has one value alone, wheat"),
    "a class for each pixel": ({"crop": list(range(N))}, {}, "crop has 11 different values in 11 pixels"),
    "fractions as classes": ({"crop": np.linspace(0, 1, N)}, {}, r"numbers with a fraction, such as .*; say unit="),
    "words as real values": ({}, {"unit": "t/ha"}, "with unit=, crop must hold numbers, it holds object"),
    "no answer at all": ({"crop": [None] * N}, {}, "no pixel of pixels has both an observed value and a crop"),
    "nothing finite": ({"crop": [np.inf] * N}, {"unit": "1"}, "no pixel of pixels has both"),
    "no group": ({"field": [*FIELDS[:-1], None]}, {"groups": "field"}, "1 pixels have no field"),
    "a split of its own": ({"part": ["train", "val"] * 6}, {"split": "part"}, "must hold train, valid, test, .*'val'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_columns(name):
    labels, options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        SeriesSet(series(**{"crop": CROPS, **labels}), **{"label": "crop", **options})


@pytest.mark.parametrize("absent", [None, float("nan"), np.datetime64("NaT"), "", " nan "])
def test_what_is_no_answer(absent):
    given = CROPS.copy()
    given[[0, 1]] = absent
    assert len(SeriesSet(series(crop=given), "crop")) == N - 3


def test_a_sensor_that_is_not_there():
    data = SeriesSet(series(crop=CROPS), "crop")
    for ask in (data.batch, data.samples):
        with pytest.raises(ValueError, match="has no sentinel1; it has sentinel2_l2a"):
            ask(np.array([0]), ("sentinel1",))
