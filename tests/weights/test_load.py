"""Models by name, folder or file, and encoders with random weights."""

import os

import pytest
import torch
from typer.testing import CliRunner

from olmoearth_nb import load_model, published_config
from olmoearth_nb.cli.app import app
from olmoearth_nb.data import pretrained_dir, pretrained_names
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder
from olmoearth_nb.weights.load import open_encoder, random_encoder
from olmoearth_nb.weights.published import MODELS
from olmoearth_nb.weights.trained import load_untrained, weights_hash

NAME = "mini-v1-long"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [NAME, "nano-v1.1"])
@pytest.mark.case("friction 6")
def test_by_the_name_of_a_model_of_the_package(here, name):
    expected = weights_hash(load_encoder(pretrained_dir(name) / "encoder.safetensors"))
    assert weights_hash(open_encoder(name)) == expected
    assert weights_hash(load_encoder(pretrained_dir(name))) == expected, "a folder where a file was expected"
    assert load_model(name).config.width == open_encoder(name).config.width


@pytest.mark.case("friction 6")
def test_exported_by_its_name(here):
    done = CliRunner().invoke(app, ["export", NAME, "official"])
    assert done.exit_code == 0, done.output
    assert sorted(os.listdir("official")) == ["config.json", "encoder.safetensors", "weights.pth"]


@pytest.mark.parametrize("load", [load_model, open_encoder, random_encoder])
@pytest.mark.parametrize("name", ["mini-v1", "", "MINI-V1-LONG", "../mini-v1-long", "é"])
@pytest.mark.case("friction 6")
def test_an_unknown_name_lists_what_there_is(here, load, name):
    here.joinpath("sub").mkdir()
    os.chdir("sub")
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load(name)
    if name:
        assert all(known in str(caught.value) for known in (repr(name), *MODELS, *pretrained_names()))


@pytest.mark.parametrize("load", [load_model, open_encoder])
def test_a_folder_that_hides_a_name(here, load):
    """It is opened, as every path is, with a warning; if it is no model, the error says what it hides."""
    (here / NAME).mkdir()
    with (
        pytest.warns(UserWarning, match=f"it hides the model {NAME} that comes with the package, whose folder is"),
        pytest.raises(FileNotFoundError, match=f"is not a model folder.*it hides the model {NAME}"),
    ):
        load(NAME)
    encoder = random_encoder(published_config("v1.1", "nano"), 1)
    save_encoder(encoder, here / NAME / "encoder.safetensors")
    if load is open_encoder:
        with pytest.warns(UserWarning, match="it hides"):
            assert weights_hash(load(NAME)) == weights_hash(encoder)
    os.chdir(pretrained_dir(NAME).parent)
    load(NAME)  # the folder of that very model hides nothing


@pytest.mark.case("friction 6")
def test_files_and_folders_in_each_others_place(here):
    path = save_encoder(random_encoder(published_config("v1.1", "nano")), here / "encoder.safetensors")
    with pytest.raises(ValueError, match=r"is a file, not a folder of a model; open_encoder reads"):
        load_model(path)
    with pytest.raises(FileNotFoundError, match="it holds an encoder alone, which open_encoder reads"):
        load_model(here)
    assert weights_hash(open_encoder(here)) == weights_hash(load_encoder(path)) == weights_hash(load_encoder(here))
    (here / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file empty/encoder\.safetensors; open_encoder takes folders"):
        load_encoder("empty")
    with pytest.raises(FileNotFoundError, match=r"no file none\.safetensors"):
        open_encoder("none.safetensors")
    (here / "weights.pth").write_text("hello")
    with pytest.raises(ValueError, match="is a file, not a folder"):
        open_encoder("weights.pth")


class TestRandomEncoders:
    @pytest.mark.parametrize("model", [NAME, "OlmoEarth-v1_1-Nano", published_config("v1.2", "nano")])
    def test_the_same_seed_the_same_weights(self, model):
        state = torch.random.get_rng_state()
        first, again, other = (weights_hash(random_encoder(model, seed)) for seed in (3, 3, 4))
        assert first == again != other
        assert torch.equal(torch.random.get_rng_state(), state), "nobody else's numbers change"
        assert not random_encoder(model, seed=3).training

    def test_the_untrained_twin_has_the_inputs_of_the_trained_one(self):
        """By the run's own seed it is the beginning of the run; by another it has the same spread of weights."""
        folder = pretrained_dir(NAME)
        beginning, trained = load_untrained(folder), open_encoder(NAME)
        assert weights_hash(random_encoder(NAME, 0)) == weights_hash(load_untrained(folder, 0))
        other = random_encoder(folder, 12)
        weights = [next(iter(encoder.patch_embeddings.parameters())) for encoder in (beginning, other)]
        assert float(weights[1].detach().std() / weights[0].detach().std()) == pytest.approx(1, abs=0.1)
        assert other.config.width == trained.config.width

    def test_a_published_name_is_its_configuration(self):
        named = random_encoder("OlmoEarth-v1_2-Tiny", 5)
        assert named.config == published_config("v1.2", "tiny")
        assert weights_hash(named) == weights_hash(random_encoder(published_config("v1.2", "tiny"), 5))

    @pytest.mark.parametrize("seed", [-1, 1 << 63, 2.5, "3", True, None])
    def test_seeds_that_are_none(self, seed):
        with pytest.raises(ValueError, match="a seed is a whole number from 0 to below"):
            random_encoder(NAME, seed)

    def test_a_folder_without_a_run(self, here):
        with pytest.raises(FileNotFoundError, match="is no trained model"):
            random_encoder(here)
