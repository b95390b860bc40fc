"""What a model loses that reads fewer bands: each condition changes what it says, and no more."""

import numpy as np
import pytest

from olmoearth_nb import Encoder, size_config
from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.labelled.world import WorldSet
from olmoearth_nb.data.simulate.world import open_world
from olmoearth_nb.evaluation.contenders import Contender

SCRIPT = "lost"
PLACES = np.arange(4)


@pytest.fixture(scope="module")
def found(script):
    return script.conditions(WorldSet(open_world(8, seed=3)))


def test_a_lost_resolution_is_even_and_the_others_stay(script, found):
    (right, alone), *_ = found.values()
    assert alone == (SENTINEL2.name,)
    before = np.stack([one.images[SENTINEL2.name] for one in right.samples(PLACES)])
    for (condition, (labelled, sensors)), count in zip(list(found.items())[2:], (4, 6, 2), strict=True):
        after = np.stack([one.images[SENTINEL2.name] for one in labelled.samples(PLACES, sensors)])
        values = [own[own != MISSING] for own in np.moveaxis(after, -1, 0)]
        even = np.array([np.ptp(own) == 0 for own in values])
        assert even.sum() == count, condition
        assert np.array_equal(after[..., ~even], before[..., ~even])
        assert np.array_equal(after == MISSING, before == MISSING)


def test_three_sensors_give_other_embeddings_than_one(script, found):
    model = Contender("v1.1", [Encoder(size_config("mini", "v1.1"))])
    (one,), (three,) = (script.arms_of(model, *found[name]) for name in ("Sentinel-2 alone", "three sensors"))
    assert one.name == three.name == "v1.1"
    assert one.features[0].shape == three.features[0].shape
    assert np.abs(one.features[0] - three.features[0]).max() > 1e-3
