"""What a run leaves: small files that give the whole model again, here and in the published implementation."""

import json
import os
from dataclasses import replace

import pytest
import torch
from batches import masked_view, random_batch, random_roles
from oracle import load_model_from_path, run_reference
from typer.testing import CliRunner

from olmoearth_nb import Batch, Role, load_model
from olmoearth_nb.bands import MISSING
from olmoearth_nb.cli.app import app
from olmoearth_nb.data import pretrained_dir, pretrained_names
from olmoearth_nb.pretrain.recipes import recipe
from olmoearth_nb.weights.encoder_file import save_encoder
from olmoearth_nb.weights.trained import ENCODER, PREDICTOR, RUN, initial_model, load_trained, save_trained

NAMES = ("sentinel2_l2a", "sentinel1", "landsat", "worldcover", "openstreetmap_raster")
MODELS = [("v1", "nano"), ("naive", "mini"), ("v1.1", "nano"), ("v1.1", "mini"), ("v1.2", "mini")]


def trained(name, size, normalisation="standard"):
    """A model all of whose trained weights have moved, and what its run says of itself."""
    model = initial_model(recipe(name).config(size), seed=3).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad and "month_embed" not in key:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model, {"seed": 3, "normalisation": normalisation, "recipe": name, "size": size}


def run(model, batch, patch_size, roles):
    with torch.no_grad():
        return masked_view(model, batch, patch_size, roles)


def close(ours, theirs, tolerance=1e-5):
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


def batch_and_roles(model, patch_size=4):
    batch = random_batch(NAMES, timesteps=3)
    return batch, random_roles(batch.grid(model.config.tokenization, patch_size), len(batch), seed=1)


@pytest.mark.parametrize(("name", "size"), MODELS, ids=lambda value: value)
def test_an_exported_model_is_the_same_in_the_reference(tmp_path, name, size):
    """By the command: strictly loaded by the published loader, outputs within 1e-5 of ours."""
    model, about = trained(name, size)
    same_in_the_reference(save_trained(model, tmp_path / "made", about), tmp_path / "official")


@pytest.mark.parametrize("name", pretrained_names())
def test_a_shipped_model_is_the_same_in_the_reference(tmp_path, name):
    same_in_the_reference(pretrained_dir(name), tmp_path / "official")


def same_in_the_reference(made, official):
    """Exports a trained folder by the command, loads both, compares what they give."""
    done = CliRunner().invoke(app, ["export", str(made), str(official)])
    assert done.exit_code == 0, done.output
    assert sorted(os.listdir(official)) == ["config.json", "encoder.safetensors", "weights.pth"]
    ours, reference = load_trained(made), load_model_from_path(official).eval()
    reference.encoder.encoder_input_modality_names = None  # its loader drops maps, so that none could be predicted
    batch, roles = batch_and_roles(ours)
    grid = batch.grid(ours.config.tokenization, 4)
    encoded, predictions, _ = run(ours, batch, 4, roles)
    tokens, predicted, projected = run_reference(reference, batch, 4, roles, grid)
    close(ours.encoder.project(encoded), projected)
    for modality in batch.images:
        asked = grid.unflatten(roles, modality) == Role.DECODER
        close(grid.unflatten(predictions, modality)[asked], predicted[modality][asked])
        if tokens[modality].any():
            close(encoded.of(modality), tokens[modality])


@pytest.mark.parametrize("normalisation", ["official", "standard"])
@pytest.mark.parametrize(("name", "size"), [("v1", "mini"), ("v1.1", "mini")])
def test_what_was_trained_is_loaded(tmp_path, name, size, normalisation):
    """A model of standardised inputs gives the same on officially normalised ones, in targets and predictions too."""
    model, about = trained(name, size, normalisation)
    save_trained(model, tmp_path, about)
    loaded = load_model(tmp_path)
    batch, roles = batch_and_roles(model)
    images = batch.images
    if normalisation == "standard":
        images = {key: torch.where(image == MISSING, image, 4 * image - 2) for key, image in images.items()}
    before, after = run(model, Batch(images, batch.timestamps), 4, roles), run(loaded, batch, 4, roles)
    close(after[0].tokens, before[0].tokens)
    close(after[1], before[1])
    close(after[2], before[2])


def test_half_the_bytes(tmp_path):
    model, about = trained("v1.1", "mini")
    for half in (False, True):
        save_trained(model, tmp_path / str(half), about, half=half)
    for name in (ENCODER, PREDICTOR):
        assert (tmp_path / "True" / name).stat().st_size < 0.6 * (tmp_path / "False" / name).stat().st_size
    batch, roles = batch_and_roles(model)
    whole, rounded = (run(load_trained(tmp_path / half), batch, 4, roles)[0].tokens for half in ("False", "True"))
    close(rounded, whole, 0.01)


def test_maps_and_targets_are_left_out(tmp_path):
    """They are made again from the seed: what is stored is a fraction of the model."""
    model, about = trained("v1.1", "nano")
    save_trained(model, tmp_path, about)
    assert (tmp_path / ENCODER).stat().st_size < 4.5e6
    assert (tmp_path / PREDICTOR).stat().st_size < 3.5e6


def spoil_run(folder, **changes):
    about = json.loads((folder / RUN).read_text()) | changes
    (folder / RUN).write_text(json.dumps({key: value for key, value in about.items() if value is not None}))


def other_predictor(folder):
    model, about = trained("v1.1", "nano")
    save_trained(model, folder / "other", about)
    os.replace(folder / "other" / PREDICTOR, folder / PREDICTOR)


WRONG = {
    "another seed": (lambda folder: spoil_run(folder, seed=4), ValueError, "targets made again from seed 4 are not"),
    "no seed": (lambda folder: spoil_run(folder, seed=None), ValueError, "does not describe a run: it has no seed"),
    "no description": (lambda folder: (folder / RUN).write_text("{"), ValueError, "run.json is not whole JSON"),
    "a seed of text": (
        lambda folder: spoil_run(folder, seed="3"),
        ValueError,
        "does not describe a run: a seed",
    ),
    "a seed of 2^70": (lambda folder: spoil_run(folder, seed=1 << 70), ValueError, "a seed is a whole number from 0"),
    "a seed of true": (lambda folder: spoil_run(folder, seed=True), ValueError, "a seed is a whole number from 0"),
    "another normalisation": (
        lambda folder: spoil_run(folder, normalisation=[]),
        ValueError,
        r"run\.json: normalisation must be one of official, standard, robust, got \[\]",
    ),
    "robust without statistics": (
        lambda folder: spoil_run(folder, normalisation="robust"),
        ValueError,
        "normalisation is robust, but there are no statistics",
    ),
    "statistics of no modality": (
        lambda folder: spoil_run(folder, normalisation="robust", statistics={"x": []}),
        ValueError,
        "statistics hold modalities",
    ),
    "statistics of too few bands": (
        lambda folder: spoil_run(folder, normalisation="robust", statistics={"sentinel1": [[1, 2]]}),
        ValueError,
        "a median and an IQR above 0 for each of its 2 bands",
    ),
    "a spread of 0": (
        lambda folder: spoil_run(folder, normalisation="robust", statistics={"srtm": [[1, 0]]}),
        ValueError,
        "a median and an IQR above 0 for each of its 1 bands",
    ),
    "a list": (lambda folder: (folder / RUN).write_text("[]"), ValueError, "run.json must hold a dictionary"),
    "brackets": (lambda folder: (folder / RUN).write_text("[" * 1_000_000), ValueError, "run.json is not whole JSON"),
    "no predictor": (lambda folder: (folder / PREDICTOR).unlink(), FileNotFoundError, f"has no {PREDICTOR}"),
    "no encoder": (lambda folder: (folder / ENCODER).unlink(), FileNotFoundError, f"has no {ENCODER}"),
    "cut predictor": (lambda folder: os.truncate(folder / PREDICTOR, 5000), ValueError, "not a whole safetensors file"),
    "cut encoder": (lambda folder: os.truncate(folder / ENCODER, 5000), ValueError, "not a whole safetensors file"),
    "other predictor": (other_predictor, ValueError, "not the predictor of the encoder beside it"),
    "nothing": (
        lambda folder: [path.unlink() for path in folder.iterdir()],
        FileNotFoundError,
        f"config.json and weights.pth, or {ENCODER}, {PREDICTOR} and {RUN} of a model trained here",
    ),
}


@pytest.mark.case("H17")
@pytest.mark.parametrize(("spoil", "error", "said"), WRONG.values(), ids=WRONG)
def test_wrong_folders(tmp_path, spoil, error, said):
    model, about = trained("v1.1", "mini")
    save_trained(model, tmp_path, about)
    spoil(tmp_path)
    with pytest.raises(error, match=said):
        load_model(tmp_path)
    done = CliRunner().invoke(app, ["export", str(tmp_path), str(tmp_path / "official")])
    assert done.exit_code == 2
    assert "error: " in done.output
    assert not (tmp_path / "official").exists()


@pytest.mark.case("H18")
def test_a_predictor_beyond_its_file_is_not_built(tmp_path, monkeypatch):
    """The configuration in the encoder's header may say any depth; the predictor's file must have it."""
    model, about = trained("v1.1", "mini")
    save_trained(model, tmp_path, about)
    deep = replace(model.config, decoder_depth=200)
    kept = initial_model(model.config, 3).encoder
    kept.config = deep
    save_encoder(kept, tmp_path / ENCODER, without_maps=True)
    monkeypatch.setattr("olmoearth_nb.weights.trained.initial_model", lambda *_: pytest.fail("it was built"))
    with pytest.raises(ValueError, match=r"predictor\.safetensors is not the predictor of the encoder beside it"):
        load_trained(tmp_path)
