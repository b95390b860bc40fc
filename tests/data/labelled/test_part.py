"""Parts of labelled sets: no group in two, classes in all, the same whatever the order of places."""

from dataclasses import replace

import numpy as np
import pytest
from labelled import InMemorySet, bright
from labelled_twins import write_eurosat

from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.labelled.part import Part, PartSet, divided
from olmoearth_nb.data.sets import LabelledSet

pytestmark = pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")


class Listed(InMemorySet):
    """A set whose places can be listed in another order."""

    order = slice(None)

    @property
    def ids(self):
        return [f"place {number}" for number in np.arange(len(self.answers))[self.order]]


def crowded(seed=0, places=600, real=False):
    """Groups of one to nine places, mostly of one class; the last of four classes is rare."""
    chance = np.random.default_rng(seed)
    groups = np.repeat(np.arange(places), chance.integers(1, 10, places))[:places]
    common = chance.choice(4, places, p=[0.5, 0.3, 0.15, 0.05])[groups]
    answers = np.where(chance.random(places) < 0.2, chance.integers(0, 4, places), common)
    values = answers + chance.random(places) if real else answers
    return Listed(np.zeros((places, 1)), values, groups, () if real else tuple("abcd"))


def test_parts_share_no_group_and_have_the_classes_of_the_whole():
    data = crowded()
    part = divided(data, 5)
    assert all(len(set(part[data.groups == group])) == 1 for group in np.unique(data.groups))
    assert np.ptp(np.bincount(part)[1:]) <= 12
    counts = np.array([np.bincount(data.answers[part == one], minlength=4) for one in range(1, 6)])
    assert (np.ptp(counts, axis=0) <= 8).all(), counts
    real = crowded(real=True)
    means = [real.answers[divided(real, 5) == one].mean() for one in range(1, 6)]
    assert np.ptp(means) < 0.1 * np.std(real.answers)


@pytest.mark.parametrize("real", [False, True])
def test_a_division_does_not_depend_on_the_order_of_places_or_the_numbers_of_groups(real):
    data = crowded(real=real)
    order = np.random.default_rng(1).permutation(len(data))
    renamed = np.random.default_rng(2).permutation(len(data))[data.groups]
    other = replace(data, answers=data.answers[order], groups=renamed[order])
    other.order = order
    assert (divided(other, 5) == divided(data, 5)[order]).all()


def test_a_division_is_the_same_everywhere():
    """Written down once: results that were measured on a part stay results on that part."""
    data = bright(places=24, classes=3)
    assert divided(data, 4).tolist() == [4, 4, 3, 3, 3, 3, 1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4]


def test_a_part_is_a_labelled_set(tmp_path):
    folder = write_eurosat(tmp_path / "eurosat", count=5)
    whole = open_set(folder, apart=1)
    one, rest = open_set(folder, apart=1, part="1/5"), open_set(folder, apart=1, part="2-5/5")
    assert isinstance(one, LabelledSet)
    assert isinstance(one, PartSet)
    assert (one.name, one.classes, len(one), len(rest)) == ("EuroSAT (part 1/5)", whole.classes, 3, 12)
    assert sorted(one.answers) == [1, 5, 9]
    assert {*one.ids} | {*rest.ids} == {*whole.ids}
    assert not {*one.groups} & {*rest.groups}
    assert one.samples(np.array([2]))[0].title == one.ids[2]
    assert one.notes[-1] == ("part 1/5 of the set, divided by groups and classes: 3 of 15 places, 3 of 15 groups")
    with pytest.raises(ValueError, match="EuroSAT cannot be divided into 16 parts, it has 15 groups"):
        open_set(folder, apart=1, part="2/16")


def test_a_published_split_stays():
    data = replace(bright(), split=np.repeat(["train", "test"], 24))
    part = PartSet(data, Part.parse("1/3"))
    assert (part.split == data.split[part.numbers]).all()
    assert (part.batch(np.arange(3), ("sentinel2_l2a",)).timestamps.shape[0]) == 3


@pytest.mark.parametrize(
    "text", ["", "5", "0/5", "6/5", "3-2/5", "1-5/5", "1/1", "a/b", "1/5/5", "٣/5", "-1/5", "1/99999"]
)
def test_what_is_no_part(text):
    with pytest.raises(ValueError, match="a part is"):
        Part.parse(text)


def test_which_parts_meet():
    first, rest = Part.parse("1/5"), Part.parse(" 2 - 5 / 5 ")
    assert (str(first), str(rest)) == ("1/5", "2-5/5")
    assert not first.meets(rest)
    assert not rest.meets(first)
    assert first.meets(Part.parse("1-2/5"))
    assert rest.meets(Part(5, 5, 5))
    assert first.meets(Part.parse("2/4"))
