"""What must hold whatever the weights: which pixels and bands can reach which token."""

import dataclasses
import math

import pytest
import torch
from batches import masked_view, random_batch, random_roles

from olmoearth_nb import TOKENIZATIONS, Batch, Encoder, OlmoEarth, Role, Tokenization, published_config, size_config
from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.model import packing, transformer
from olmoearth_nb.model.encodings import Rotation, space_code
from olmoearth_nb.model.olmoearth import TargetProjection
from olmoearth_nb.model.transformer import Mlp, attention_weights

S2 = "sentinel2_l2a"
VERSIONS = ["v1", "v1.1", "v1.2"]


def nano(version) -> Encoder:
    encoder = Encoder(published_config(version, "nano")).eval()
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "channel_embeddings" in name:
                parameter.normal_()
    return encoder


@pytest.mark.parametrize("name", TOKENIZATIONS)
def test_every_tokenization_runs_through_the_same_encoder(name):
    config = size_config("nano", name, pixel_hidden=4)
    batch = random_batch((S2, "sentinel1", "landsat"), (16, 8), timesteps=3)
    encoded = Encoder(config).eval()(batch, 4)
    shapes = {k: image.shape[1:4] for k, image in batch.images.items()}
    assert encoded.tokens.shape == (2, TOKENIZATIONS[name].token_count(shapes, 4), 128)


@pytest.mark.parametrize("pixel_hidden", [0, 5])
@pytest.mark.parametrize("patch_size", [3, 8])
def test_permuting_bands_inside_a_group_changes_nothing(pixel_hidden, patch_size):
    """The same bands named in another order, with the weights permuted alike."""
    generator = torch.Generator().manual_seed(3)
    groups = [tuple(group) for group in TOKENIZATIONS["v1"].groups_of(S2)]
    orders = [torch.randperm(len(group), generator=generator).tolist() for group in groups]
    shuffled = Tokenization("shuffled", {S2: [[g[i] for i in order] for g, order in zip(groups, orders, strict=True)]})
    plain = Tokenization("plain", {S2: groups})
    first = Encoder(size_config("nano", plain, pixel_hidden)).eval()
    second = Encoder(size_config("nano", shuffled, pixel_hidden)).eval()
    state = first.state_dict()
    for number, order in enumerate(orders):
        stem = f"patch_embeddings.per_modality_embeddings.{S2}.{S2}__{number}."
        if pixel_hidden:
            state[stem + "pixel_proj.0.weight"] = state[stem + "pixel_proj.0.weight"][:, order]
        else:
            weight = state[stem + "proj.weight"]
            state[stem + "proj.weight"] = weight.unflatten(1, (64, len(order)))[..., order].flatten(1)
    second.load_state_dict(state)
    batch = random_batch((S2,), (24, 24))
    with torch.no_grad():
        torch.testing.assert_close(second(batch, patch_size).tokens, first(batch, patch_size).tokens, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["satmae", "galileo"])
@pytest.mark.parametrize("value", [1e6, MISSING])
def test_a_band_that_no_group_names_changes_nothing(name, value):
    encoder = Encoder(size_config("nano", name)).eval()
    batch = random_batch((S2,))
    changed = batch.images[S2].clone()
    changed[..., SENTINEL2.indices(TOKENIZATIONS[name].left_out())] = value
    with torch.no_grad():
        before, after = encoder(batch, 4), encoder(Batch({S2: changed}, batch.timestamps), 4)
    assert torch.equal(before.tokens, after.tokens)


def pixel_gradient(version, patch_size, size=24):
    """|gradient| of the visible tokens with respect to each pixel, (H, W), with the middle patches hidden."""
    encoder, batch = nano(version), random_batch((S2,), (size, size), timesteps=1, batch=1)
    image = batch.images[S2].requires_grad_()
    grid = batch.grid(encoder.config.tokenization, patch_size)
    count = size // patch_size
    middle = range(count // 3, count - count // 3)
    roles = torch.full((1, len(grid)), int(Role.ONLINE))
    roles[:, torch.isin(grid.row, torch.tensor(middle)) & torch.isin(grid.column, torch.tensor(middle))] = Role.DECODER
    encoder(Batch({S2: image}, batch.timestamps), patch_size, roles).tokens.square().sum().backward()
    hidden = slice(middle.start * patch_size, middle.stop * patch_size)
    return image.grad.abs().sum((0, 3, 4)), hidden


@pytest.mark.parametrize("version", VERSIONS)
def test_the_pixels_of_a_hidden_patch_get_no_gradient(version):
    gradient, hidden = pixel_gradient(version, 8)
    assert (gradient[hidden, hidden] == 0).all()
    gradient[hidden, hidden] = 1
    assert (gradient > 0).all()


@pytest.mark.parametrize("patch_size", [1, 2, 3, 4, 6])
def test_below_8_the_resize_reaches_two_pixels_into_hidden_patches(patch_size):
    """The bicubic kernel spans two input pixels to each side; deeper pixels stay unseen."""
    gradient, hidden = pixel_gradient("v1.1", patch_size)
    inside = gradient[hidden, hidden]
    depth = torch.arange(len(inside))
    depth = torch.minimum(depth, len(inside) - 1 - depth)
    assert depth.max() >= 2
    nearest = torch.minimum(depth[:, None], depth[None, :])
    assert (inside[nearest < 2] > 0).all()
    assert (inside[nearest >= 2] == 0).all()


def test_pixels_have_gradients_after_an_inference():
    """What the resize keeps from one call to the next serves both."""
    encoder, batch = nano("v1.1"), random_batch((S2,), (35, 35), timesteps=1, batch=1)
    with torch.inference_mode():
        encoder(batch, 5)
    image = batch.images[S2].requires_grad_()
    encoder(Batch({S2: image}, batch.timestamps), 5).tokens.square().sum().backward()
    assert (image.grad != 0).all()


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_and_decode_only_tokens_are_never_encoded(version):
    """Unobserved pixels may hold anything: they reach no token, even where only part of a patch is missing."""
    encoder = nano(version)
    batch = random_batch((S2, "sentinel1", "worldcover"), timesteps=3)
    image = batch.images[S2].clone()
    image[0, :, :, 1] = MISSING  # a whole date
    image[1, 5, 6, 2, 3] = MISSING  # one pixel of one band, not at the corner of its patch
    holes = Batch({**batch.images, S2: image}, batch.timestamps)
    with torch.no_grad():
        encoded = encoder(holes, 8)
    roles = {name: encoded.grid.unflatten(encoded.roles, name) for name in holes.images}
    assert (roles[S2][0, :, :, 1] == Role.MISSING).all()
    with_b08 = 0  # B08 is in the first group of v1 and in the only one of v1.1
    assert roles[S2][1, 0, 0, 2, with_b08] == Role.MISSING
    assert (roles[S2] == Role.MISSING).sum() == 4 * roles[S2].shape[-1] + 1
    assert (roles["worldcover"] == Role.DECODER).all()
    assert (encoded.tokens[encoded.roles != Role.ONLINE] == 0).all()
    other = holes.images["worldcover"] * 100
    with torch.no_grad():
        again = encoder(Batch({**holes.images, "worldcover": other}, batch.timestamps), 8)
    assert torch.equal(again.tokens, encoded.tokens)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_date_equals_a_hidden_date(version):
    encoder, batch = nano(version), random_batch((S2,), timesteps=3)
    image = batch.images[S2].clone()
    image[:, :, :, 1] = MISSING
    roles = torch.zeros(2, len(grid := batch.grid(encoder.config.tokenization, 4)), dtype=torch.long)
    roles[:, grid.where(time=1)] = Role.TARGET_ONLY
    with torch.no_grad():
        missing = encoder(Batch({S2: image}, batch.timestamps), 4).tokens
        hidden = encoder(batch, 4, roles).tokens
    torch.testing.assert_close(missing, hidden, atol=1e-5, rtol=0)


@pytest.mark.parametrize("version", ["v1", "v1.1"])
def test_a_non_square_image_is_a_crop_of_a_square(version):
    """Encoding the upper 8x24 of 24x24 px equals encoding the square with the rest hidden (P = 8)."""
    encoder, square = nano(version), random_batch((S2,), (24, 24))
    crop = Batch({S2: square.images[S2][:, :8]}, square.timestamps)
    grid = square.grid(encoder.config.tokenization, 8)
    roles = torch.full((2, len(grid)), int(Role.TARGET_ONLY))
    roles[:, grid.where(row=0)] = Role.ONLINE
    with torch.no_grad():
        hidden, alone = encoder(square, 8, roles).of(S2)[:, :1], encoder(crop, 8).of(S2)
    torch.testing.assert_close(alone, hidden, atol=1e-5, rtol=0)


def transposed(encoder: Encoder) -> tuple[Encoder, torch.Tensor]:
    """The same encoder for images with rows and columns swapped.

    Patch weights are transposed, and the halves of the place quarter swap: column first, row second.
    Returns it and the permutation of the width.
    """
    width = encoder.config.width
    order = torch.arange(width)
    quarter, half = width // 4, width // 8
    order[-quarter:] = torch.cat([order[-half:], order[-quarter:-half]])
    state = encoder.state_dict()
    for key, value in state.items():
        if key.endswith(("attn.q.weight", "attn.k.weight", "attn.v.weight", "fc1.weight")):
            state[key] = value[:, order]
        elif "per_modality_embeddings" in key and key.endswith(".proj.weight"):
            patches = value.unflatten(1, (8, 8, -1)).transpose(1, 2).flatten(1)
            state[key] = patches[order]
        elif "pixel_proj" not in key and key.endswith(
            ("norm.weight", "norm.bias", "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias",
             "proj.weight", "proj.bias", "fc2.weight", "fc2.bias")
        ):  # fmt: skip
            state[key] = value[order]
    swapped = Encoder(encoder.config).eval()
    swapped.load_state_dict(state)
    return swapped, order


@pytest.mark.parametrize("version", ["v1", "v1.1"])
@pytest.mark.parametrize("patch_size", [2, 8])
def test_a_transposed_image_gives_transposed_tokens(version, patch_size):
    encoder = nano(version)
    swapped, order = transposed(encoder)
    batch = random_batch((S2,), (16, 24))
    turned = Batch({S2: batch.images[S2].transpose(1, 2).contiguous()}, batch.timestamps)
    with torch.no_grad():
        plain, other = encoder(batch, patch_size).of(S2), swapped(turned, patch_size).of(S2)
    torch.testing.assert_close(other.transpose(1, 2), plain[..., order], atol=2e-5, rtol=0)


def test_rotation_stays_float32_under_autocast():
    coordinates, frequencies = torch.rand(1, 5, 3) * 300, torch.rand(3, 2, 4)
    exact = Rotation(coordinates, frequencies)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lower = Rotation(coordinates, frequencies)
    assert torch.equal(lower.cos, exact.cos)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cast", [False, True], ids=["autocast", "weights"])
def test_bfloat16_runs_and_stays_near(version, cast):
    encoder, batch = nano(version), random_batch((S2,))
    with torch.no_grad():
        exact = encoder(batch, 4).tokens
        if cast:
            lower = encoder.bfloat16()(Batch({S2: batch.images[S2].bfloat16()}, batch.timestamps), 4).tokens
        else:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                lower = encoder(batch, 4).tokens
    assert (lower.float() - exact).square().mean().sqrt() < 0.05 * exact.square().mean().sqrt()


def test_space_code_has_the_column_first():
    row, column = torch.tensor([2.0]), torch.tensor([5.0])
    code = space_code(row, column, 32)
    assert math.isclose(code[0, 0], math.sin(5.0), abs_tol=1e-6)
    assert math.isclose(code[0, 16], math.sin(2.0), abs_tol=1e-6)


def test_attention_weights_are_those_of_the_fused_attention():
    q, k, v = torch.randn(3, 2, 4, 5, 8).unbind(0)
    mask = torch.tensor([[True] * 5, [True, True, False, True, False]])
    weights = attention_weights(q, k, mask)
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
    torch.testing.assert_close(weights @ v, fused, atol=1e-5, rtol=0)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 5))


def test_gradients_reach_encoder_and_decoder_but_never_the_target():
    model = OlmoEarth(dataclasses.replace(published_config("v1.1", "nano"), depth=1, decoder_depth=1))
    batch = random_batch((S2, "sentinel1", "worldcover"), (8, 8))
    roles = random_roles(batch.grid(model.config.tokenization, 4), 2)
    _, predicted, target = masked_view(model, batch, 4, roles)
    (predicted - target)[roles == Role.DECODER].square().mean().backward()
    assert model.encoder.blocks[0].attn.q.weight.grad.abs().sum() > 0
    assert model.decoder.mask_token.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.target_encoder.parameters())


def test_band_dropout_drops_whole_bands_in_training_only():
    """Dropped bands are 0 for all pixels and dates; off in evaluation and until it is switched on."""
    encoder = Encoder(published_config("v1.1", "nano"))
    embed = encoder.patch_embeddings
    batch = random_batch((S2,), (8, 8), batch=4)
    grid = batch.grid(encoder.config.tokenization, 8)
    clean = embed(batch.images, grid)
    assert torch.equal(embed.train()(batch.images, grid), clean)
    embed.band_dropout.enabled, embed.band_dropout.rate = True, 1.0
    assert not TargetProjection(embed).patch_embeddings.band_dropout.enabled
    assert not torch.allclose(embed(batch.images, grid), clean)
    assert torch.equal(embed.eval()(batch.images, grid), clean)
    kept = (embed.train().band_dropout(batch.images[S2]) != 0).float().mean((1, 2, 3))
    assert set(kept.unique().tolist()) <= {0.0, 1.0}
    assert (kept.sum(1) >= 1).all()


@pytest.mark.parametrize(
    ("threads", "width", "expected"), [(1, 128, 2048), (2, 192, 4096), (8, 192, 8192), (8, 1024, 2048)]
)
def test_how_many_tokens_pass_an_mlp_together_changes_nothing(monkeypatch, threads, width, expected):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert packing.tokens_at_once(width) == expected
    mlp, x = Mlp(32), torch.randn(2, 50, 32)
    with torch.no_grad():
        whole = mlp(x)
        monkeypatch.setattr(transformer, "tokens_at_once", lambda width: 7)
        torch.testing.assert_close(mlp(x), whole, atol=1e-6, rtol=1e-5)
