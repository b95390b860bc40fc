"""The simulated world as a labelled set."""

import json
import shutil

import numpy as np
import pytest

from olmoearth_nb.data.labelled.world import WorldSet
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.data.simulate.world import World


def test_scenes_are_places(small_world):
    world, data = World(small_world), WorldSet(small_world)
    assert isinstance(data, LabelledSet)
    assert len(data) == 128
    assert (data.answers == world.kind).all()
    assert max(data.answers) < len(data.classes)
    for group in np.unique(data.groups):
        assert len(set(data.split[data.groups == group])) == 1, "a tile is in one split"
    assert {*data.split} == {"train", "valid", "test"}
    some, names = np.array([100, 3]), ("sentinel2_l2a", "sentinel1")
    ours, direct = data.batch(some, names), world.batch(some, names)
    assert all((ours.images[name] == direct.images[name]).all() for name in names)
    assert data.samples(some)[1].title == world.samples(some)[1].title
    with pytest.raises(IndexError):
        data.samples(np.array([128]))


LISTS = {
    "empty": "",
    "a head alone": "scene,tile,row,column,size,slots,split,class\n",
    "other columns": "a,b\n1,2\n",
    "words": "scene,tile,row,column,size,slots,split,class\n0,x,0,0,32,0 2,train,forest\n",
    "a row cut off": "scene,tile,row,column,size,slots,split,class\n0,0,0\n",
    "another class": "scene,tile,row,column,size,slots,split,class\n0,0,0,0,32,0 2,train,moon\n",
    "another split": "scene,tile,row,column,size,slots,split,class\n0,0,0,0,32,0 2,training,forest\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_damaged_list_of_scenes(small_world, tmp_path, name):
    shutil.copytree(small_world, tmp_path / "world", copy_function=shutil.copyfile)
    (tmp_path / "world" / "scenes.csv").write_text(LISTS[name])
    with pytest.raises(ValueError, match=r"scenes\.csv is not the list of scenes of a world"):
        WorldSet(tmp_path / "world")


def test_it_says_which_world_it_is(small_world, tmp_path):
    ours = WorldSet(small_world)
    assert ours.name == "scenes of world"
    assert "by version 1 of the world with Sentinel-2 of level L2A" in ours.notes[0]
    shutil.copytree(small_world, tmp_path / "other", copy_function=shutil.copyfile)
    about = tmp_path / "other" / "world.json"
    parameters = json.loads(about.read_text())["parameters"]
    about.write_text(json.dumps({"parameters": parameters | {"version": 2, "level": "L1C"}}))
    other = WorldSet(tmp_path / "other")
    assert other.name == "scenes of other (version 2, L1C)"
    assert "by version 2 of the world with Sentinel-2 of level L1C" in other.notes[0]
    for damaged in ("[]", "{}", '{"parameters": {"version": "2"}}', '{"parameters": {"version": 2, "level": "L3"}}'):
        about.write_text(damaged)
        with pytest.raises(ValueError, match=r"world\.json"):
            WorldSet(tmp_path / "other")


def test_no_world(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no finished world"):
        WorldSet(tmp_path)
