"""The models that come with the project, how they are found, and what they were before training."""

import json
import shutil

import pytest
import torch
from torch.testing import assert_close

from olmoearth_nb import Batch
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded, pretrained_dir, pretrained_names
from olmoearth_nb.io import shipped
from olmoearth_nb.pretrain.curves import read_curve
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.weights.load import open_encoder
from olmoearth_nb.weights.trained import initial_model, load_trained, load_untrained, save_trained

CONFIG = two_cores("v1.1").config("mini")


@pytest.fixture(scope="module")
def place():
    return Batch.from_samples(load_embedded("forest").window(0, 0, 16).select_times([4, 5]))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Two models on a shelf of their own."""
    model = initial_model(CONFIG, 5)
    with torch.no_grad():
        model.encoder.norm.weight.mul_(2)
    for name in ("b", "a"):
        save_trained(model, tmp_path / "pretrained" / name, {"seed": 5, "normalisation": "standard"}, half=True)
    (tmp_path / "pretrained" / "notes").mkdir()
    monkeypatch.setattr(shipped, "data_dir", lambda: tmp_path)
    return tmp_path / "pretrained"


def test_found_by_name(shelf):
    assert pretrained_names() == ["a", "b"]
    assert pretrained_dir("b") == shelf / "b"
    for unknown in ("c", "notes", "../a", ""):
        with pytest.raises(ValueError, match=r"no pretrained model .*; there are a, b"):
            pretrained_dir(unknown)
    shutil.rmtree(shelf)
    assert pretrained_names() == []
    with pytest.raises(ValueError, match="there are none"):
        pretrained_dir("a")


def test_untrained_reads_what_the_trained_one_reads(place, shelf):
    untrained = load_untrained(shelf / "a")
    assert not untrained.training
    before = initial_model(CONFIG, 5).encoder.eval()
    standard = Batch(
        {name: torch.where(image == MISSING, image, 4 * image - 2) for name, image in place.images.items()},
        place.timestamps,
    )
    with torch.inference_mode():
        assert_close(untrained(place, 4).tokens, before(standard, 4).tokens, atol=2e-5, rtol=1e-4)
        twice = 2 * untrained(place, 4).tokens
        assert_close(open_encoder(shelf / "a")(place, 4).tokens, twice, atol=2e-2, rtol=1e-2)  # float16, norm doubled


def test_a_run_on_official_inputs_is_not_folded(tmp_path):
    save_trained(initial_model(CONFIG, 5), tmp_path, {"seed": 5, "normalisation": "official"})
    kept = load_untrained(tmp_path).state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in initial_model(CONFIG, 5).encoder.state_dict().items())


@pytest.mark.parametrize("name", pretrained_names())
def test_what_comes_with_the_project_is_whole(name):
    folder = pretrained_dir(name)
    assert load_trained(folder).config.width == open_encoder(folder).config.width
    curve = read_curve(folder)
    assert 1 <= len(curve["samples"]) <= 200
    assert (curve["samples"][1:] > curve["samples"][:-1]).all()
    assert (folder / "encoder.safetensors").stat().st_size <= 4.5e6
    assert (folder / "predictor.safetensors").stat().st_size <= 3.5e6


def test_the_shipped_nano_models_differ_in_their_recipe_alone():
    runs = [json.loads((pretrained_dir(f"nano-{name}") / "run.json").read_text()) for name in ("naive", "v1", "v1.1")]
    for key in ("samples", "steps", "seed", "data", "crops", "size", "rate", "batch", "warmup", "normalisation"):
        assert runs[0][key] == runs[1][key] == runs[2][key], key
    assert [run["recipe"] for run in runs] == ["naive", "v1", "v1.1"]
