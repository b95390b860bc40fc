"""Mixers of the bands of a pixel: nothing at first, by hand, folded, kept in files, counted."""

from dataclasses import replace

import pytest
import torch
from batches import random_batch

from olmoearth_nb.ablation.study import Study
from olmoearth_nb.model.cost import encoder_cost
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.patch_embed import GroupEmbed
from olmoearth_nb.model.pixel_mixers import PIXEL_MIXINGS, mixer_macs, pixel_mixer
from olmoearth_nb.pretrain.recipes import RECIPES, two_cores
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder

C = 5


def shaken(module):
    """The module with random numbers in all of its parameters."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(std=0.5)
    return module


@pytest.fixture(params=PIXEL_MIXINGS)
def kind(request):
    return request.param


class TestMixers:
    def test_begin_with_nothing(self, kind):
        x = torch.randn(3, 8, 8, C)
        assert torch.equal(pixel_mixer(kind, C)(x), x)

    def test_let_a_band_answer_to_another(self, kind):
        mixer, x = shaken(pixel_mixer(kind, C)), torch.randn(C)
        by_band = torch.autograd.functional.jacobian(mixer, x)
        assert (by_band.abs() > 1e-6).all()

    def test_leave_a_band_that_is_alone(self, kind):
        assert pixel_mixer(kind, 1) is None

    def test_residual_by_hand(self):
        mixer, x = shaken(pixel_mixer("residual", C)), torch.randn(C)
        hidden = (mixer.enter.weight @ x + mixer.enter.bias).clamp(min=0)
        torch.testing.assert_close(mixer(x), x + mixer.leave.weight @ hidden + mixer.leave.bias)

    def test_attention_is_that_of_torch(self):
        mixer, x = shaken(pixel_mixer("attention", C)), torch.randn(7, C)
        q, k, v = mixer.qkv(x[..., None] * mixer.value + mixer.place).chunk(3, -1)
        met = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        wanted = x + torch.einsum("ncd,cd->nc", met, mixer.leave) + mixer.bias
        torch.testing.assert_close(mixer(x), wanted)

    @pytest.mark.parametrize("hidden", [0, 6])
    def test_folded_reads_official_inputs(self, kind, hidden):
        x, factor, shift = torch.randn(2, 8, 8, 1, C), torch.rand(C) + 1, torch.randn(C)
        plain, folded = (shaken(GroupEmbed(C, 16, hidden, kind)) for _ in range(2))
        wanted = plain(x * factor + shift)
        folded.mixer.fold(factor, shift)
        first = folded.pixel_proj[0] if hidden else folded.proj
        with torch.no_grad():
            first.bias.add_((shift.repeat(first.in_features // C) * first.weight).sum(1))
            first.weight.mul_(factor.repeat(first.in_features // C))
        torch.testing.assert_close(folded(x), wanted, rtol=1e-4, atol=1e-4)

    def test_kept_patches_are_those_of_all(self, kind):
        embed, x = shaken(GroupEmbed(C, 16, 0, kind)), torch.randn(2, 16, 24, 2, C)
        where = (torch.tensor([1, 0]), torch.tensor([0, 1]), torch.tensor([2, 1]), torch.tensor([1, 0]))
        torch.testing.assert_close(embed(x, where), embed(x)[where], rtol=1e-5, atol=1e-5)  # other sums of the same

    def test_macs_are_those_of_the_layers(self):
        assert mixer_macs("residual", 12) == 12 * 32 + 32 * 12
        assert mixer_macs("attention", 12) == 12 * 8 + 12 * 8 * 24 + 2 * 12 * 12 * 8 + 12 * 8


class TestModels:
    @pytest.fixture
    def config(self, kind):
        return replace(two_cores("naive"), pixel_mixer=kind).config("mini")

    def test_a_file_keeps_the_mixer(self, config, tmp_path):
        encoder, batch = shaken(Encoder(config)).eval(), random_batch(("sentinel2_l2a", "sentinel1"))
        again = load_encoder(save_encoder(encoder, tmp_path / "encoder.safetensors", without_maps=True))
        assert again.config.pixel_mixer == config.pixel_mixer
        with torch.inference_mode():
            assert torch.equal(again(batch, 4).tokens, encoder(batch, 4).tokens)

    def test_maps_have_none(self, config):
        groups = Encoder(config).patch_embeddings.per_modality_embeddings
        assert groups["sentinel2_l2a"]["sentinel2_l2a__0"].mixer is not None
        assert groups["worldcover"]["worldcover__0"].mixer is None

    def test_costs_more_by_what_is_counted(self, config, kind):
        plain = encoder_cost(replace(config, pixel_mixer=None), (8, 8, 2), 4)
        assert encoder_cost(config, (8, 8, 2), 4).linear_macs - plain.linear_macs == 2 * 16 * 16 * mixer_macs(kind, 12)

    def test_unknown(self):
        with pytest.raises(ValueError, match="residual, attention, got 'both'"):
            replace(RECIPES["naive"], pixel_mixer="both")


def test_a_study_without_mixers_says_nothing_of_them():
    """A sweep that began before there were mixers goes on: it is the same study."""
    about = {"arms": {"naive": "naive", "v1": "v1"}, "seeds": [0, 1], "data": {"scenes": 40}, "samples": 8}
    given = about | {"tasks": "scene, scene, kNN"}
    assert all("pixel_mixer" not in arm for arm in Study.from_dict(given).to_dict()["arms"].values())
    mixed = Study.from_dict(given | {"arms": {"naive": "naive", "m": {"recipe": "naive", "pixel_mixer": "residual"}}})
    assert Study.from_dict(mixed.to_dict()).arm("m").recipe.pixel_mixer == "residual"
