"""What a run leaves: folded, bit for bit the same after loading, and what the published implementation makes of it."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import masked_view, random_batch, random_roles
from oracle import load_model_from_path, run_reference

from olmoearth_nb import Batch, Role, save_model
from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.model.patch_embed import PatchEmbed
from olmoearth_nb.pretrain.recipes import RECIPES, recipe
from olmoearth_nb.tokenization import TOKENIZATIONS
from olmoearth_nb.weights.encoder_file import load_encoder
from olmoearth_nb.weights.trained import (
    ENCODER,
    PREDICTOR,
    RUN,
    fold,
    initial_model,
    load_trained,
    save_trained,
    weights_hash,
)

NAMES = ("sentinel2_l2a", "sentinel1", "landsat", "worldcover")
SEED = 3


def trained(name="v1.1", size="mini", seed=SEED):
    """A model away from its start in everything that training moves, and in nothing else."""
    model = initial_model(recipe(name).config(size), seed)
    maps = [key for key, spec in MODALITIES.items() if spec.decode_only]
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for key, value in model.named_parameters():
            of_encoder_map = key.startswith("encoder.") and any(f".{other}" in key for other in maps)
            if value.requires_grad and not of_encoder_map:
                value.add_(0.05 * torch.randn(value.shape, generator=generator))
    return model.eval()


def about(normalisation="official", seed=SEED):
    return {"seed": seed, "normalisation": normalisation, "note": "a test"}


def standardised(batch):
    return Batch({name: 4 * image - 2 for name, image in batch.images.items()}, batch.timestamps)


def outputs(model, batch, patch_size=4):
    grid = batch.grid(model.config.tokenization, patch_size)
    with torch.no_grad():
        encoded, predicted, targets = masked_view(model, batch, patch_size, random_roles(grid, len(batch)))
    return encoded.tokens, predicted, targets


def assert_near(ours, wanted, tolerance=1e-5):
    assert (ours - wanted).abs().max() <= tolerance * max(1.0, float(wanted.abs().max()))


class TestFold:
    @pytest.mark.parametrize("patch_size", range(1, 9))
    @pytest.mark.parametrize("pixel_hidden", [0, 12])
    @pytest.mark.parametrize("tokenization", ["v1", "v1.1", "galileo"])
    def test_reads_official_inputs_as_it_read_standardised_ones(self, tokenization, pixel_hidden, patch_size):
        tokens = TOKENIZATIONS[tokenization]
        plain = PatchEmbed(64, tokens, tuple(MODALITIES), pixel_hidden, 0.0)
        folded = copy.deepcopy(plain)
        fold(folded)
        batch = random_batch(NAMES, (3 * patch_size, 2 * patch_size))
        grid = batch.grid(tokens, patch_size)
        with torch.no_grad():
            assert_near(folded(batch.images, grid), plain(standardised(batch).images, grid))

    @pytest.mark.parametrize("pixel_hidden", [0, 12])
    @pytest.mark.parametrize("tokenization", ["v1", "galileo"])
    def test_reads_official_inputs_as_it_read_robust_ones(self, tokenization, pixel_hidden):
        """By the definition, (raw - median) / (IQR / 1.349), of raw values; landsat has no statistics."""
        chance = np.random.default_rng(0)
        statistics = {
            name: tuple(
                (float(chance.normal(b.mean, b.std)), float(b.std * chance.uniform(0.1, 2))) for b in spec.bands
            )
            for name, spec in MODALITIES.items()
            if name in NAMES and name != "landsat"
        }
        tokens = TOKENIZATIONS[tokenization]
        plain = PatchEmbed(64, tokens, tuple(MODALITIES), pixel_hidden, 0.0)
        folded = copy.deepcopy(plain)
        fold(folded, "robust", statistics)
        batch = random_batch(NAMES, (12, 8))
        grid = batch.grid(tokens, 4)
        images = {}
        for name, image in batch.images.items():
            mean, std = (torch.tensor([getattr(b, key) for b in MODALITIES[name].bands]) for key in ("mean", "std"))
            raw = (image.double() - 0.5) * 4 * std + mean
            middle, spread = torch.tensor(statistics.get(name, torch.stack([mean, 1.349 * std], 1).tolist())).double().T
            images[name] = ((raw - middle) / (spread / 1.349)).float()
        with torch.no_grad():
            assert_near(folded(batch.images, grid), plain(images, grid), 2e-5)

    def test_official_is_left_as_it_is(self):
        plain = PatchEmbed(64, TOKENIZATIONS["v1"], tuple(MODALITIES), 0, 0.0)
        before = copy.deepcopy(plain.state_dict())
        fold(plain, "official")
        assert all(torch.equal(value, before[key]) for key, value in plain.state_dict().items())

    @pytest.mark.parametrize("name", ["v1", "v1.1", "v1.2"])
    def test_of_a_whole_model(self, name):
        model, folded = trained(name), trained(name)
        fold(folded.encoder.patch_embeddings)
        fold(folded.target_encoder.patch_embeddings)
        batch = random_batch(NAMES)
        for ours, wanted in zip(outputs(folded, batch), outputs(model, standardised(batch)), strict=True):
            assert_near(ours, wanted)


class TestRoundTrip:
    @pytest.mark.parametrize("name", RECIPES)
    def test_bit_for_bit(self, name, tmp_path):
        """Targets and what the encoder never uses included, though no file holds them."""
        model = trained(name)
        back = load_trained(save_trained(model, tmp_path / "made" / "here", about()))
        assert back.config == model.config
        assert not back.training
        state, found = model.state_dict(), back.state_dict()
        assert state.keys() == found.keys()
        for key, value in state.items():
            assert torch.equal(found[key], value), key
        for ours, wanted in zip(outputs(back, random_batch(NAMES)), outputs(model, random_batch(NAMES)), strict=True):
            assert torch.equal(ours, wanted)

    @pytest.mark.parametrize("name", ["v1", "v1.1", "v1.2"])
    def test_a_run_on_standardised_inputs_reads_official_ones_afterwards(self, name, tmp_path):
        model = trained(name)
        before = copy.deepcopy(model.state_dict())
        back = load_trained(save_trained(model, tmp_path, about("standard")))
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items()), (
            "saving changes nothing"
        )
        batch = random_batch(NAMES)
        for ours, wanted in zip(outputs(back, batch), outputs(model, standardised(batch)), strict=True):
            assert_near(ours, wanted)
        with torch.no_grad():
            alone = load_encoder(tmp_path / ENCODER)(
                Batch({k: batch.images[k] for k in NAMES[:3]}, batch.timestamps), 4
            )
            wanted = model.encoder(standardised(Batch({k: batch.images[k] for k in NAMES[:3]}, batch.timestamps)), 4)
        assert_near(alone.tokens, wanted.tokens)

    @pytest.mark.parametrize("normalisation", ["official", "standard"])
    def test_in_half_precision(self, normalisation, tmp_path):
        """Weights keep eleven bits: embeddings stay within a per cent, and files have half the size."""
        model = trained()
        full = save_trained(model, tmp_path / "full", about(normalisation))
        half = save_trained(model, tmp_path / "half", about(normalisation), half=True)
        for file in (ENCODER, PREDICTOR):
            assert (half / file).stat().st_size < 0.55 * (full / file).stat().st_size
        ours, wanted = (outputs(load_trained(folder), random_batch(NAMES)) for folder in (half, full))
        assert load_trained(half).encoder.norm.weight.dtype == torch.float32
        for rounded, exact in zip(ours[:2], wanted[:2], strict=True):
            assert (rounded - exact).square().mean().sqrt() < 0.01 * exact.square().mean().sqrt()
        assert torch.equal(ours[2], wanted[2]), "targets are made again, not rounded"

    def test_what_is_said_of_the_run_is_kept(self, tmp_path):
        given = about()
        save_trained(trained(), tmp_path, given)
        said = json.loads((tmp_path / RUN).read_text())
        assert said.items() >= given.items()
        assert set(given) == {"seed", "normalisation", "note"}, "the caller's dictionary is not changed"
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([ENCODER, PREDICTOR, RUN])

    def test_global_generators_stay_where_they_are(self, tmp_path):
        state = torch.random.get_rng_state()
        load_trained(save_trained(trained(), tmp_path, about()))
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_a_second_save_replaces_the_first(self, tmp_path):
        save_trained(trained("v1"), tmp_path, about())
        save_trained(trained("v1.1"), tmp_path, about())
        assert load_trained(tmp_path).config == recipe("v1.1").config("mini")


class TestInitialModel:
    def test_follows_from_the_seed(self):
        config = recipe("v1.1").config("mini")
        first, again, other = (initial_model(config, seed) for seed in (1, 1, 2))
        assert weights_hash(first) == weights_hash(again) != weights_hash(other)
        assert weights_hash(first.target_encoder) == weights_hash(again.target_encoder)
        assert weights_hash(first.encoder.patch_embeddings) == weights_hash(first.target_encoder.patch_embeddings)

    def test_a_hash_sees_names_and_values(self):
        model = trained()
        before = weights_hash(model)
        with torch.no_grad():
            model.decoder.mask_token[3] += 1e-6
        assert weights_hash(model) != before
        assert weights_hash(torch.nn.Linear(2, 2)) != weights_hash(torch.nn.Sequential(torch.nn.Linear(2, 2)))


class TestTampered:
    @pytest.fixture
    def folder(self, tmp_path):
        return save_trained(trained(), tmp_path, about())

    def test_another_seed(self, folder):
        said = json.loads((folder / RUN).read_text())
        (folder / RUN).write_text(json.dumps(said | {"seed": 4}))
        with pytest.raises(ValueError, match="made again from seed 4 are not those of the run"):
            load_trained(folder)

    def test_another_hash(self, folder):
        said = json.loads((folder / RUN).read_text())
        (folder / RUN).write_text(json.dumps(said | {"targets": "0" * 64}))
        with pytest.raises(ValueError, match="The encoder can be used, training cannot go on"):
            load_trained(folder)

    def test_a_model_that_did_not_begin_at_the_seed_that_is_said(self, tmp_path):
        save_trained(trained(seed=8), tmp_path, about(seed=SEED))
        with pytest.raises(ValueError, match=f"made again from seed {SEED} are not those of the run"):
            load_trained(tmp_path)


@pytest.fixture(scope="module", params=["v1", "naive", "v1.1"])
def shipped(request, tmp_path_factory):
    """Folder of a model of the size that is shipped."""
    return save_trained(trained(request.param, "nano"), tmp_path_factory.mktemp("nano"), about("standard"))


class TestShippedSize:
    def test_nano_is_small_enough_to_ship(self, shipped):
        assert (shipped / ENCODER).stat().st_size <= 4.5e6
        assert (shipped / PREDICTOR).stat().st_size <= 3.5e6

    def test_the_published_implementation_gives_our_outputs(self, shipped, tmp_path):
        """Exported in the official layout, loaded strictly by the reference, within 1e-5 of the largest value."""
        ours = load_trained(shipped)
        theirs = load_model_from_path(save_model(ours, tmp_path)).eval()
        theirs.encoder.encoder_input_modality_names = None  # its loader would drop maps, which its decoder predicts
        batch = random_batch((*NAMES, "openstreetmap_raster"), timesteps=3)
        grid = batch.grid(ours.config.tokenization, 4)
        roles = random_roles(grid, len(batch))
        tokens, predictions, projected = run_reference(theirs, batch, 4, roles, grid)
        with torch.no_grad():
            encoded = ours.encoder(batch, 4, roles)
            predicted = ours.decoder(encoded)
        for key in batch.images:
            assert_near(encoded.of(key), tokens[key])
            assert (encoded.of(key) != 0).any() == (key in NAMES[:3])
            asked = grid.unflatten(roles, key) == Role.DECODER
            assert_near(grid.unflatten(predicted, key)[asked], predictions[key][asked])
        assert_near(ours.encoder.project(encoded), projected)


def test_a_model_with_other_drop_path_comes_back_with_it(tmp_path):
    config = replace(recipe("v1.1").config("mini"), drop_path=0.05)
    assert load_trained(save_trained(initial_model(config, SEED), tmp_path, about())).config == config
