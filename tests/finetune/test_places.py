"""Places are read once where there is room, and are the same where there is none."""

import numpy as np
import pytest
from fitting import S2, TRAIN, chips, differing, engine, state

from olmoearth_nb.finetune import places as module
from olmoearth_nb.finetune.places import Places, order


def test_what_is_kept_is_not_read_again():
    labelled = chips()
    places = Places(labelled, S2)
    first = places.batch(np.array([4, 2]))
    again = places.batch(np.array([2, 7, 4]))
    assert labelled.asked == [2, 1]
    assert (again.images[S2[0]][[2, 0]] == first.images[S2[0]]).all()
    assert (again.images[S2[0]] == labelled.batch(np.array([2, 7, 4]), S2).images[S2[0]]).all()


@pytest.mark.parametrize("way", ["frozen", "layer decay"])
def test_without_room_a_fit_is_the_same(way, monkeypatch):
    kept = engine(way, epochs=2).run()
    monkeypatch.setattr(module, "MOST_KEPT", 0)
    labelled = chips()
    again = engine(way, labelled=labelled, epochs=2).run()
    assert differing(state(kept.tuned), state(again.tuned)) == []
    assert len(labelled.asked) == 2 * (3 + 2)  # three batches that train and two that choose, in each epoch


def test_another_set_has_another_identity():
    """One other answer, other groups, or pixels that were read on another scale."""
    same, other, regrouped, rescaled = chips(), chips(), chips(), chips()
    other.answers[3] = 1
    regrouped.groups = regrouped.groups + 1
    rescaled.images = rescaled.images - 1000
    found = [Places(one, S2).identity() for one in (chips(), same, other, regrouped, rescaled)]
    assert found[0] == found[1]
    assert found[0]["places"] == 48
    assert len({one["checksum"] for one in found}) == 4


def test_places_of_different_sizes_are_refused():
    labelled = chips()
    places, whole = Places(labelled, S2), labelled.batch
    places.batch(np.arange(4))
    labelled.batch = lambda numbers, modalities: type(whole(numbers, modalities))(
        {name: image[:, :4, :4] for name, image in whole(numbers, modalities).images.items()},
        whole(numbers, modalities).timestamps,
    )
    with pytest.raises(ValueError, match="the places of one fit must have one size and as many dates"):
        places.batch(np.arange(6))


def test_every_place_comes_once_an_epoch():
    first, second = (order(TRAIN, 0, epoch, 7) for epoch in (0, 1))
    assert [len(batch) for batch in first] == [7, 7, 7, 3]
    assert sorted(np.concatenate(first).tolist()) == TRAIN.tolist()
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()
