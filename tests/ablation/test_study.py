"""A study as people write it: YAML in, the same study out of its own plain data, mistakes named."""

import json
from dataclasses import replace

import pytest
import yaml

from olmoearth_nb.ablation.scoring import world_of
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.pretrain.recipes import RECIPES, differences, two_cores
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization

TEXT = """
arms:
  naive: {recipe: naive}
  v1.1: {recipe: v1.1, band_dropout: 0.1, optimisation: {rate: 0.001}}
  red edge apart: {recipe: naive, tokenization: {sentinel2_l2a: [B02 B03 B04 B08 B11 B12 B01 B09, B05 B06 B07 B8A]}}
  bands: {recipe: v1, tokenization: per_band}
seeds: [0, 1]
data: {scenes: 160, seed: 5}
samples: [2048, 4096]
minutes: 2
rates: {choose: [0.002, 0.004], samples: 512}
tasks: ["scene, scene, kNN", "one band, patches, probe"]
most: 300
"""


def given(**changes):
    return {key: value for key, value in (yaml.safe_load(TEXT) | changes).items() if value is not None}


def test_what_a_file_says_is_what_is_run(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(TEXT)
    study = Study.load(path)
    naive, changed, apart, bands = study.arms
    assert naive.recipe == replace(two_cores("naive"), name="naive")
    assert changed.recipe.band_dropout == 0.1
    assert set(differences(changed.recipe, two_cores("v1.1"))) == {"band_dropout", "rate"}
    assert len(apart.recipe.tokenization.groups_of("sentinel2_l2a")) == 2
    assert apart.recipe.tokenization.groups_of("landsat") == naive.recipe.tokenization.groups_of("landsat")
    assert bands.recipe.tokenization == TOKENIZATIONS["per_band"]
    assert (study.seeds, study.samples, study.minutes) == ((0, 1), (2048, 4096), (2,))
    assert study.rates.choose == (0.002, 0.004)
    assert [task.name for task in study.tasks] == ["scene, scene, kNN", "one band, patches, probe"]
    assert {task.most for task in study.tasks} == {300}


@pytest.mark.parametrize("name", RECIPES)
def test_plain_data_hold_every_field_of_every_recipe(name):
    study = Study.from_dict(given()).with_arm("another", RECIPES[name])
    plain = json.loads(json.dumps(study.to_dict()))
    again = Study.from_dict(plain)
    assert again.to_dict() == plain
    assert not differences(again.arm("another").recipe, RECIPES[name])
    assert again.arms == study.arms
    assert again == study


def test_a_folder_of_data_is_relative_to_the_file(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(given(data={"folder": "worlds/one"})))
    assert Study.load(tmp_path / "study.yaml").data == {"folder": str(tmp_path / "worlds" / "one")}


def test_a_study_may_ask_for_any_world(tmp_path):
    """Worlds of version 1 keep their folders, and studies what they wrote: nothing is added to what was asked for."""
    data = {"scenes": 16, "size": 8, "dates": 1, "version": 2, "level": "L1C"}
    study = Study.from_dict(given(data=data))
    assert study.to_dict()["data"] == data
    world = world_of(study, tmp_path)
    assert world.folder == tmp_path / "world" / "world2L1C-16x8x1-seed0"
    about = json.loads((world.folder / "world.json").read_text())["parameters"]
    assert (about["version"], about["level"]) == (2, "L1C")
    assert Study.from_dict(given(data={"scenes": 16})).to_dict()["data"] == {"scenes": 16}


def test_an_own_tokenization_is_an_arm():
    mine = Tokenization("mine", {"sentinel2_l2a": ["B02 B03 B04", "B08 B11 B12"]})
    arm = Study.from_dict(given()).with_arm("mine", mine).arm("mine")
    assert arm.recipe.tokenization == mine
    assert set(differences(arm.recipe, two_cores("naive"))) == {"tokens of sentinel2_l2a"}


MISTAKES = {
    "one arm": ({"arms": {"a": {"recipe": "v1"}}}, "at least two arms"),
    "arms alike but for case": ({"arms": {"a": "v1", "A": "naive"}}, "different names"),
    "a name that leaves the folder": ({"arms": {"../a": "v1", "b": "naive"}}, r"named by letters.*'\.\./a'"),
    "a name of dots": ({"arms": {"..": "v1", "b": "naive"}}, "named by letters"),
    "one seed": ({"seeds": [0]}, "at least two different seeds"),
    "a seed twice": ({"seeds": [1, 1]}, "at least two different seeds"),
    "no budget": ({"samples": None, "minutes": None}, "budgets: samples, minutes"),
    "a budget of nothing": ({"samples": [0]}, "at least one step of 4 samples"),
    "half a sample": ({"samples": [1024.5]}, "whole numbers"),
    "a truth": ({"samples": [True]}, "whole numbers"),
    "half a seed": ({"seeds": [0.5, 1]}, "whole numbers"),
    "less than a step": ({"samples": [2]}, "at least one step of 4 samples"),
    "trials of less than a step": ({"rates": {"choose": [0.1], "samples": 1}}, "at least one step of 4 samples"),
    "minutes of nothing": ({"minutes": [0]}, "minutes above 0"),
    "no task": ({"tasks": []}, "at least one task"),
    "a task twice": ({"tasks": ["one band, patches, kNN"] * 2}, "none twice"),
    "half a task": ({"tasks": ["one band"]}, "'target, readout, probe'"),
    "an unknown probe": ({"tasks": ["one band, patches, forest"]}, "no readout 'patches' or probe 'forest'"),
    "an unknown key": ({"sead": 3}, "a study has no sead; there are"),
    "a missing key": ({"data": None}, "a study needs data"),
    "another version of the world": (
        {"data": {"scenes": 3, "version": 3}},
        "no version 3 of the world; there are 1, 2",
    ),
    "half a version": ({"data": {"scenes": 3, "version": 1.5}}, "version of data: whole numbers are meant, got 1.5"),
    "another level": ({"data": {"scenes": 3, "level": "L3"}}, "no level 'L3'; levels are L2A, L1C"),
    "scenes that are a word": ({"data": {"scenes": "many"}}, "scenes of data: .*got 'many'"),
    "data of both kinds": ({"data": {"folder": "x", "scenes": 3}}, "a folder of simulated scenes, a corpus, or scenes"),
    "an unknown recipe": ({"arms": {"a": {"recipe": "v7"}, "b": "v1"}}, "unknown recipe 'v7'"),
    "an unknown field": ({"arms": {"a": {"recipe": "v1", "masks": 1}, "b": "v1"}}, "arm a has no masks; there are"),
    "an unknown optimisation": (
        {"arms": {"a": {"recipe": "v1", "optimisation": {"lr": 1}}, "b": "v1"}},
        "optimisation of arm a has no lr",
    ),
    "an unknown band": (
        {"arms": {"a": {"recipe": "v1", "tokenization": {"sentinel2_l2a": ["B10"]}}, "b": "v1"}},
        "B10",
    ),
    "rates below 0": ({"rates": {"choose": [-1.0]}}, "rates to choose from must be above 0"),
    "trials with a seed of the study": ({"rates": {"choose": [0.1], "seed": 1}}, "seed of their own, 1 is one"),
    "rates without any": ({"rates": {"samples": 5}}, "rates needs choose"),
    "an unknown size": ({"size": "huge"}, "unknown size 'huge'"),
    "seeds that are words": ({"seeds": ["a", "b"]}, "seeds of a study: whole numbers are meant, got 'a'"),
    "a name with a dot last": ({"arms": {"a.": "v1", "b": "naive"}}, "no '.' last"),
    "arms in a list": ({"arms": ["v1", "naive"]}, r"arms of a study: .*got \['v1', 'naive'\]"),
    "a rate that is a word": (
        {"arms": {"a": {"recipe": "v1", "optimisation": {"rate": "fast"}}, "b": "v1"}},
        "rate of optimisation of arm a: .*got 'fast'",
    ),
    "an optimisation that is a number": (
        {"arms": {"a": {"recipe": "v1", "optimisation": 3}, "b": "v1"}},
        "optimisation of arm a: .*got 3",
    ),
    "a tokenization that is a number": (
        {"arms": {"a": {"recipe": "v1", "tokenization": 3}, "b": "v1"}},
        "tokenization of arm a: .*got 3",
    ),
    "an arm without a recipe": ({"arms": {"a": {"masking": "random"}, "b": "v1"}}, "arm a needs recipe"),
    "crops that there are not": ({"crops": {"edgs": [2]}}, "crops has no edgs; there are"),
    "two mistakes": ({"sead": 3, "seeds": None}, "a study needs seeds; a study has no sead"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake, tmp_path):
    changes, said = MISTAKES[mistake]
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(given(**changes)))
    with pytest.raises(ValueError, match="is no study") as caught:
        Study.load(path)
    assert caught.match(said)


def test_a_rate_may_be_written_as_yaml_reads_it_as_a_word():
    """`1e-3` has no dot, so that YAML 1.1 says it is a string."""
    arms = yaml.safe_load("{a: {recipe: v1, optimisation: {rate: 1e-3}}, 1.1: naive}")
    study = Study.from_dict(given(arms=arms))
    assert study.arm("a").recipe.optimisation.rate == 0.001
    assert study.arms[1].name == "1.1"


@pytest.mark.parametrize("text", ["", "just words", "a: [", "- 1"])
def test_a_file_that_is_no_study(text, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"study\.yaml is no study"):
        Study.load(path)
    with pytest.raises(FileNotFoundError):
        Study.load(tmp_path / "other.yaml")


@pytest.mark.parametrize("change", [{"seeds": (0, 0.5)}, {"samples": (2048.0,)}, {"seeds": (0, True)}])
def test_whole_numbers_of_a_study_built_in_python(change):
    with pytest.raises(ValueError, match="samples and seeds are whole numbers"):
        replace(Study.from_dict(given()), **change)
