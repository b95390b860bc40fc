"""The label test reads the same chips under several conditions, and knows which tokens hold wrongly named bands."""

import argparse

import numpy as np
import pytest
from labelled_twins import LAND, write_eurosat

from olmoearth_nb import Encoder, size_config
from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.labelled import changed
from olmoearth_nb.evaluation.contenders import Contender
from olmoearth_nb.evaluation.evaluate import evaluate
from olmoearth_nb.evaluation.folds import leave_one_out

SCRIPT = "labels"
BANDS = SENTINEL2.band_names


@pytest.fixture(scope="module")
def found(script, tmp_path_factory):
    folder = write_eurosat(tmp_path_factory.mktemp("labels") / "eurosat", step=20_000)  # each chip its own group
    return script.conditions(argparse.Namespace(data=folder, part=""))


def means(labelled):
    """Band -> mean of a chip of land."""
    image = labelled.samples(np.array([0]))[0].images[SENTINEL2.name]
    return dict(zip(BANDS, image.mean((0, 1, 2)).tolist(), strict=True))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bands_hold_what_each_condition_says(script, found):
    right, wrong, swapped, filled = (means(one) for one in found.values())
    assert right["B8A"] == pytest.approx(LAND["B8A"], rel=0.02)
    for read, held in (changed.HELD | {"B09": "B10"}).items():
        assert wrong[read] == pytest.approx(LAND[held], rel=0.05), read
    assert {band: wrong[band] for band in BANDS if band not in changed.TOUCHED} == {
        band: right[band] for band in BANDS if band not in changed.TOUCHED
    }
    assert (swapped["B01"], swapped["B09"]) == (right["B09"], right["B01"])
    assert {band for band in BANDS if filled[band] != right[band]} == set(changed.TOUCHED)


def test_a_world_is_permuted_as_the_chips_are(script):
    image = np.arange(12, dtype=np.float32)[None, None, None].repeat(2, 1)  # (1, 2, 1, C)
    image[0, 1] = MISSING
    made = changed.as_published(image)
    assert (made[0, 1] == MISSING).all()
    for read, held in changed.HELD.items():
        assert made[0, 0, 0, BANDS.index(read)] == BANDS.index(held)
    assert made[0, 0, 0, BANDS.index("B09")] == changed.CIRRUS
    assert np.array_equal(changed.exchanged(changed.exchanged(image)), image)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_each_token_is_read_alone_and_their_mean_is_the_whole(script, found, tmp_path):
    encoders = [Encoder(size_config("mini", "v1")), Encoder(size_config("mini", "v1"))]
    whole, ten, twenty, sixty = script.arms_of(Contender("v1", encoders), found["right"], tmp_path)
    assert [arm.name for arm in (ten, twenty, sixty)] == [
        "v1: B02 B03 B04 B08",
        "v1: B05 B06 B07 B8A B11 B12",
        "v1: B01 B09",
    ]
    for seed in range(2):
        parts = np.mean([arm.features[seed] for arm in (ten, twenty, sixty)], axis=0)
        np.testing.assert_allclose(whole.features[seed], parts, atol=1e-5)
    per_band = script.arms_of(Contender("b", [Encoder(size_config("mini", "per_band"))]), found["right"], tmp_path)
    assert per_band[-1].name == "b: untouched tokens"
    assert len(per_band) == 1 + 12 + 1
    encoder = Encoder(size_config("mini", "v1.1"))
    (merged,) = script.arms_of(Contender("m", [encoder]), found["right"], tmp_path)
    assert merged.name == "m"
    assert len([*tmp_path.iterdir()]) == 4, "one for each encoder, so that a call that was cut off goes on"
    (again,) = script.arms_of(Contender("m", [encoder]), found["right"], tmp_path)
    assert np.array_equal(again.features[0], merged.features[0])
    (other,) = script.arms_of(Contender("m", [encoder]), found["published"], tmp_path)
    assert not np.array_equal(other.features[0], merged.features[0]), "each condition has its own"


def test_a_token_is_compared_with_what_holds_no_wrong_band(script):
    arms = ["v1", "v1: B02 B03", "v1: B8A B05", "v1: B01 B09", "v1 tokens", "v1 tokens: B12", "v1 tokens: B02", "naive"]
    assert [*script.touched_and_not(arms)] == [
        ("v1: B8A B05", "v1: B02 B03"),
        ("v1: B01 B09", "v1: B02 B03"),
        ("v1 tokens: B12", "v1 tokens: B02"),
    ]
    assert [*script.touched_and_not(["b", "b: B02", "b: B03", "b: B12", "b: untouched tokens"])] == [
        ("b: B12", "b: untouched tokens")
    ]
    assert not [*script.touched_and_not(["naive", "v1.1"])]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_costs_of_tokens_are_those_of_their_scores(script, found, tmp_path):
    """The same places under two conditions: the difference of two costs is made of four scores."""
    model = Contender("v1", [Encoder(size_config("mini", "v1")), Encoder(size_config("mini", "v1"))])
    shown = {}
    for condition in ("right", "published"):
        arms = script.arms_of(model, found[condition], tmp_path)
        shown[condition] = evaluate(arms, found[condition], leave_one_out(found[condition]), probes=["kNN-5"])
    twenty, sixty = script.tokens_apart(shown)
    assert (twenty.names, twenty.what) == ("published", "v1: B05 B06 B07 B8A B11 B12 - B02 B03 B04 B08")
    cost = {
        arm: np.subtract(*(shown[c].scores[arm, "kNN-5", "accuracy"].interval().value for c in ("right", "published")))
        for arm in ("v1: B05 B06 B07 B8A B11 B12", "v1: B02 B03 B04 B08")
    }
    assert twenty.comparison.difference.value == pytest.approx(np.subtract(*cost.values()))
    assert sixty.p_holm >= sixty.comparison.p
