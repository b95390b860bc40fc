"""One step of pretraining against its parts, put together by hand."""

from dataclasses import replace

import pytest
import torch

from olmoearth_nb.bands import MISSING, MODALITIES
from olmoearth_nb.grid import Role
from olmoearth_nb.model import packing
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.pretrain.batches import MicroBatch
from olmoearth_nb.pretrain.losses import chance_and_best, contrast, patch_discrimination
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import recipe
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.trained import initial_model

RECIPES = ("v1", "naive", "v1.1", "v1.2")
MAPS = [name for name, spec in MODALITIES.items() if spec.decode_only]


def make(name, drop_path=None, **changes):
    """A pretraining of a built-in recipe at size mini, in training mode."""
    chosen = replace(recipe(name), **changes)
    config = chosen.config("mini")
    if drop_path is not None:
        config = replace(config, drop_path=drop_path)
    return Pretraining(initial_model(config, seed=1), chosen).train()


def micro_batch(pretraining, samples=3, patch_size=4, edge=2, dates=3, seed=0):
    """Noise of all nine modalities, one sensor with a missing date, masked as the recipe says."""
    generator = torch.Generator().manual_seed(seed)
    pixels, images = patch_size * edge, {}
    for name, spec in MODALITIES.items():
        length = dates if spec.multitemporal else 1
        images[name] = torch.randn(samples, pixels, pixels, length, len(spec.bands), generator=generator)
    images["landsat"][0, :, :, 1] = MISSING
    months = torch.randint(12, (samples, dates), generator=generator).sort(1).values
    stamps = torch.stack([torch.full_like(months, 4), months, torch.full_like(months, 2021)], -1)
    batch = Batch(images, stamps)
    grid = batch.grid(pretraining.recipe.tokenization, patch_size)
    clean, missing = observed(images, grid)
    masking = pretraining.recipe.masking
    roles = [draw_roles(masking, grid, missing, seed, range(samples), 0, view) for view in range(2)]
    return MicroBatch(clean, stamps, grid, torch.stack(roles), 0)


def by_hand(pretraining, micro):
    """Losses of both views and their contrast from public parts; the encoder embeds everything for each view."""
    model, batch = pretraining.model, Batch(micro.images, micro.timestamps)
    targets = model.target_encoder(batch, micro.grid.patch_size)
    losses, pooled = [], []
    for roles in micro.roles:
        tokens = model.encoder.patch_embeddings(micro.images, micro.grid)
        tokens = tokens + model.encoder.composite_encodings(micro.grid, micro.timestamps)
        encoded = model.encoder.encode(tokens, roles, micro.grid, micro.timestamps)
        masked = pretraining.recipe.masked_negatives
        losses.append(patch_discrimination(model.decoder(encoded), targets, roles, micro.grid, masked))
        online = (roles == Role.ONLINE).unsqueeze(-1)
        pooled.append((encoded.tokens * online).sum(1) / online.sum(1))
    project = model.encoder.project_and_aggregate
    return losses, contrast(project(pooled[0]), project(pooled[1])), pooled[0]


@pytest.mark.parametrize("patch_size", [2, 8])
@pytest.mark.parametrize("name", RECIPES)
def test_the_loss_is_the_mean_of_the_views_plus_the_weighted_contrast(name, patch_size):
    """(L_a + L_b) / 2 + w InfoNCE; w is 0.1 in v1 and 0.05 from v1.1 on. Embedding less than everything is the same."""
    pretraining = make(name, drop_path=0.0, band_dropout=0.0)
    micro = micro_batch(pretraining, patch_size=patch_size)
    step = pretraining(micro)
    losses, between, pooled = by_hand(pretraining, micro)
    weight = {"v1": 0.1, "naive": 0.1, "v1.1": 0.05, "v1.2": 0.05}[name]
    expected = (losses[0] + losses[1]) / 2 + weight * between
    assert float(step.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert float(step.patches) == pytest.approx(float((losses[0] + losses[1]).detach()) / 2, rel=1e-5)
    assert float(step.contrast) == pytest.approx(float(between.detach()), rel=1e-5)
    torch.testing.assert_close(step.pooled, pooled.detach(), atol=1e-5, rtol=0)
    assert float(losses[0].detach()) != pytest.approx(float(losses[1].detach()), rel=1e-4), "two different views"


@pytest.mark.parametrize("name", RECIPES)
def test_and_so_are_its_gradients(name):
    pretraining = make(name, drop_path=0.0, band_dropout=0.0)
    micro = micro_batch(pretraining)
    pretraining(micro).loss.backward()
    trained = {key: value for key, value in pretraining.named_parameters() if value.requires_grad}
    step = {key: value.grad.clone() for key, value in trained.items()}
    pretraining.zero_grad()
    losses, between, _ = by_hand(pretraining, micro)
    ((losses[0] + losses[1]) / 2 + pretraining.recipe.contrast * between).backward()
    for key, value in trained.items():
        torch.testing.assert_close(step[key], value.grad, atol=1e-5, rtol=1e-3, msg=key)


class TestTargets:
    def test_never_see_band_dropout(self):
        pretraining = make("v1.1", band_dropout=0.95)
        micro = micro_batch(pretraining)
        full = pretraining.model.target_encoder(Batch(micro.images, micro.timestamps), 4)
        asked = (micro.roles == Role.DECODER).any(0)
        for seed in range(3):
            torch.manual_seed(seed)
            targets = pretraining(micro).targets
            torch.testing.assert_close(targets[asked], full[asked], atol=1e-6, rtol=0)
            assert (targets[~asked] == 0).all()

    @pytest.mark.parametrize("name", ["v1", "v1.1"])
    def test_are_the_first_patch_embeddings_and_stay_so(self, name):
        pretraining = make(name)
        start = initial_model(pretraining.model.config, seed=1).encoder.patch_embeddings
        optimiser = torch.optim.AdamW([p for p in pretraining.parameters() if p.requires_grad], 1e-2)
        for seed in range(2):
            step = pretraining(micro_batch(pretraining, seed=seed))
            assert not step.targets.requires_grad
            step.loss.backward()
            optimiser.step()
        target = pretraining.model.target_encoder
        assert all(value.grad is None and not value.requires_grad for value in target.parameters())
        for key, value in target.patch_embeddings.state_dict().items():
            assert torch.equal(value, start.state_dict()[key]), key
        key = "per_modality_embeddings.sentinel1.sentinel1__0.proj.weight"
        assert not torch.equal(pretraining.model.encoder.patch_embeddings.state_dict()[key], start.state_dict()[key])


class TestBandDropout:
    @staticmethod
    def embedded(pretraining, monkeypatch):
        """Tokens of both views, masked alike."""
        seen, micro = [], micro_batch(pretraining)
        encode = pretraining.model.encoder.encode

        def recorded(tokens, roles, *rest):
            seen.append(tokens[roles == Role.ONLINE].detach().clone())
            return encode(tokens, roles, *rest)

        monkeypatch.setattr(pretraining.model.encoder, "encode", recorded)
        micro.roles[1] = micro.roles[0]
        pretraining(micro)
        return seen

    def test_differs_between_the_views(self, monkeypatch):
        first, second = self.embedded(make("v1.1", band_dropout=0.9), monkeypatch)
        assert not torch.equal(first, second)

    @pytest.mark.parametrize("name", ["v1", "naive", "no band dropout"])
    def test_is_not_in_every_recipe(self, name, monkeypatch):
        first, second = self.embedded(make(name), monkeypatch)
        assert torch.equal(first, second)

    def test_is_off_in_evaluation(self, monkeypatch):
        first, second = self.embedded(make("v1.1").eval(), monkeypatch)
        assert torch.equal(first, second)


class TestWhatIsHidden:
    @staticmethod
    def gradients(pretraining, patch_size=8):
        """For each token the largest |gradient| of the loss with respect to its own pixels and bands."""
        micro, found = micro_batch(pretraining, samples=2, patch_size=patch_size), []
        for image in micro.images.values():
            image.requires_grad_()
        pretraining(micro).loss.backward()
        for name, (rows, columns, dates, _) in micro.grid.shapes.items():
            gradient = micro.images[name].grad
            if gradient is None:
                gradient = torch.zeros_like(micro.images[name])
            patches = gradient.abs().unflatten(1, (rows, patch_size)).unflatten(3, (columns, patch_size))
            largest = patches.amax((2, 4))  # (B, rows, columns, dates, bands)
            of_groups = [largest[..., own].amax(-1) for own in micro.grid.tokenization.indices(name)]
            found.append(torch.stack(of_groups, -1).flatten(1))
            assert largest.shape[3] == dates
        return micro, torch.cat(found, 1)

    @pytest.mark.parametrize("name", RECIPES)
    def test_pixels_that_neither_view_sees_have_no_gradient_and_all_others_have_one(self, name):
        """At P = 8, where the enlargement mixes no patches. Targets are made of hidden pixels, and give none."""
        micro, gradient = self.gradients(make(name, band_dropout=0.0))
        seen = (micro.roles == Role.ONLINE).any(0)
        assert (gradient[~seen] == 0).all()
        assert (gradient[seen] > 0).all()
        assert (gradient[:, micro.grid.decode_only] == 0).all()
        assert (~seen & ~micro.grid.decode_only).any(), "some sensor pixels are seen by neither view"

    def test_what_they_hold_changes_neither_embeddings_nor_predictions(self):
        """Only the targets: with the same targets the loss would stay; pooled embeddings and contrast do."""
        pretraining = make("v1", drop_path=0.0)
        micro = micro_batch(pretraining, patch_size=8)
        before = pretraining(micro)
        seen = (micro.roles == Role.ONLINE).any(0)
        for name, (rows, columns, dates, groups) in micro.grid.shapes.items():
            hidden = ~seen[:, micro.grid.slices[name]].unflatten(1, (rows, columns, dates, groups))
            pixels = hidden.repeat_interleave(8, 1).repeat_interleave(8, 2)
            for number, own in enumerate(micro.grid.tokenization.indices(name)):
                here = micro.images[name][..., own]
                micro.images[name][..., own] = torch.where(pixels[..., number, None], 100.0, here)
        after = pretraining(micro)
        torch.testing.assert_close(after.pooled, before.pooled, atol=1e-6, rtol=0)
        assert float(after.contrast) == pytest.approx(float(before.contrast), rel=1e-6)
        assert float(after.patches) != pytest.approx(float(before.patches), rel=1e-3)


@pytest.mark.parametrize("name", RECIPES)
def test_every_trained_parameter_gets_a_gradient_and_no_frozen_one(name):
    """Frozen: targets, months, patch embeddings of maps, which the encoder never sees.

    Two kinds are trained in name only. The encoder's codes of maps are never read (the gradient is 0, and so they
    stay); the bias of keys shifts all scores of a query alike, which the softmax takes out, unless keys are rotated.
    """
    pretraining = make(name)
    for seed in range(4):
        pretraining(micro_batch(pretraining, seed=seed)).loss.backward()
    for key, value in pretraining.named_parameters():
        of_map = any(f".{other}." in f"{key}." for other in MAPS)
        frozen = "target_encoder" in key or "month_embed" in key or (of_map and "encoder.patch_embeddings" in key)
        assert value.requires_grad != frozen, key
        if frozen:
            assert value.grad is None, key
        elif of_map and "encoder.composite_encodings" in key:
            assert (value.grad == 0).all(), key
        elif not (key.endswith("attn.k.bias") and name != "v1.2"):
            assert value.grad.abs().max() > 0, key


class TestByLength:
    @pytest.mark.parametrize("name", ["v1", "v1.2"])
    def test_parts_give_what_all_samples_give_at_once(self, name, monkeypatch):
        """In training mode without drop path, gradients too; with samples of which nothing is hidden."""
        results = []
        for at_once in (100, 3):
            monkeypatch.setattr(packing, "SAMPLES_AT_ONCE", at_once)
            pretraining = make(name, drop_path=0.0, band_dropout=0.0)
            micro = micro_batch(pretraining, samples=11)
            for sample in range(11):  # ragged, from one token on
                online = (micro.roles[0, sample] == Role.ONLINE).nonzero().flatten()
                micro.roles[0, sample, online[sample + 1 :]] = Role.TARGET_ONLY
            micro.roles[:, 2:6] = micro.roles[:, 2:6].masked_fill(micro.roles[:, 2:6] == Role.DECODER, 1)
            step = pretraining(micro)
            step.loss.backward()
            results.append((step, {key: p.grad for key, p in pretraining.named_parameters() if p.grad is not None}))
        (whole, all_gradients), (parts, part_gradients) = results
        assert float(parts.loss.detach()) == pytest.approx(float(whole.loss.detach()), rel=1e-6)
        torch.testing.assert_close(parts.pooled, whole.pooled, atol=1e-5, rtol=0)
        assert all_gradients.keys() == part_gradients.keys()
        for key, gradient in all_gradients.items():
            torch.testing.assert_close(part_gradients[key], gradient, atol=2e-5, rtol=1e-3, msg=key)

    def test_every_sample_is_in_one_group_with_its_like(self):
        keep = torch.arange(30) < torch.randint(30, (21, 1))
        groups = packing.by_length(keep)
        assert torch.cat(groups).sort().values.tolist() == list(range(21))
        assert [len(group) for group in groups] == [8, 8, 5]
        longest = [int(keep[group].sum(1).max()) for group in groups]
        shortest = [int(keep[group].sum(1).min()) for group in groups]
        assert all(low >= high for low, high in zip(shortest[1:], longest, strict=False))
        assert packing.in_order([group[:, None] for group in groups], groups).flatten().tolist() == list(range(21))

    @pytest.mark.parametrize("keep", [torch.ones(20, 4, dtype=torch.bool), torch.rand(8, 9) > 0.5])
    def test_one_group_where_there_is_nothing_to_gain(self, keep):
        assert packing.by_length(keep) == [slice(None)]


def test_drop_path_and_band_dropout_follow_from_a_generator_of_their_own():
    pretraining = make("v1.1")
    micro, losses, generator = micro_batch(pretraining), [], torch.Generator()
    pretraining.draw_from(generator)
    before = torch.get_rng_state()
    for seed in (1, 1, 2):
        generator.manual_seed(seed)
        losses.append(float(pretraining(micro).loss.detach()))
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), before), "torch's own generator belongs to the caller"


def test_drop_path_and_band_dropout_follow_from_the_seed_of_torch():
    pretraining = make("v1.1")
    micro, losses = micro_batch(pretraining), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(float(pretraining(micro).loss.detach()))
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("name", ["v1", "v1.1", "v1.2"])
def test_training_and_inference_are_one_path_under_autocast(name):
    """The residual stream is float32 in both, and what both give is the same, bit for bit."""
    pretraining = make(name, drop_path=0.0, band_dropout=0.0).eval()
    encoder, micro = pretraining.model.encoder, micro_batch(pretraining)
    streams = []
    encoder.blocks[0].register_forward_pre_hook(lambda block, arguments: streams.append(arguments[0].dtype))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        trained = pretraining(micro).pooled
        outside = encoder(Batch(micro.images, micro.timestamps), micro.grid.patch_size, micro.roles[0]).pool()
    assert set(streams) == {torch.float32}
    assert torch.equal(trained, outside)


@pytest.mark.parametrize("name", ["v1", "v1.1"])
def test_bfloat16_comes_near(name):
    pretraining = make(name, drop_path=0.0, band_dropout=0.0)
    micro = micro_batch(pretraining)
    exact = float(pretraining(micro).loss.detach())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        step = pretraining(micro)
    assert step.loss.dtype == torch.float32
    step.loss.backward()
    assert float(step.loss.detach()) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("name", ["v1", "v1.1", "v1.2"])
def test_it_learns(name):
    """Forty steps on one micro-batch bring what was hidden from chance to a third of the way to a perfect answer."""
    torch.manual_seed(0)
    pretraining = make(name, contrast=0.0)
    micro = micro_batch(pretraining, samples=4)
    optimiser = torch.optim.AdamW([p for p in pretraining.parameters() if p.requires_grad], 2e-3)
    for _ in range(40):
        step = pretraining(micro)
        step.loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    masked = pretraining.recipe.masked_negatives
    pairs = [chance_and_best(step.targets, roles, micro.grid, masked) for roles in micro.roles]
    chance, best = (float(sum(pair) / 2) for pair in zip(*pairs, strict=True))
    assert float(step.patches) < chance - (chance - best) / 3
