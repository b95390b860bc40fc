"""Low-rank deltas: what they compute, that every path of an encoder follows them, and their small file."""

import copy
import itertools
import json
import math

import numpy as np
import pytest
import torch
from batches import random_batch, random_roles
from peft_reference import REFERENCE, of_ours
from safetensors.torch import load_file, save_file
from torch import nn

from olmoearth_nb import Encoder, published_config
from olmoearth_nb.finetune.lora import LAYERS, LoraLinear, add_lora, lora_layers, merge, unmerge, without_lora
from olmoearth_nb.finetune.lora_file import deltas, load_lora, save_lora
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder
from olmoearth_nb.weights.trained import weights_hash

S2 = "sentinel2_l2a"
BATCH = random_batch((S2, "sentinel1"), (8, 8))


def make(version="v1.1", seed=0):
    torch.manual_seed(seed)
    encoder = Encoder(published_config(version, "nano"))
    with torch.no_grad():
        for code in encoder.composite_encodings.per_modality_channel_embeddings.values():
            code.normal_()
    return encoder.eval()


def randomise(encoder, size=0.05):
    with torch.no_grad():
        for layer in lora_layers(encoder).values():
            layer.lora_b.normal_(0, size)


def embed(encoder, **options):
    return encoder(BATCH, 4, **options).tokens


def test_a_layer_is_what_the_paper_writes():
    torch.manual_seed(0)
    linear, x = nn.Linear(6, 4), torch.randn(3, 5, 6)
    layer = LoraLinear(linear, 2, 3.0)
    assert torch.equal(layer(x), linear(x))  # B is 0
    nn.init.normal_(layer.lora_b)
    a, b = layer.lora_a.tolist(), layer.lora_b.tolist()
    for out in range(4):
        for into in range(6):
            by_hand = 3.0 / 2 * sum(b[out][r] * a[r][into] for r in range(2))
            assert layer.delta[out, into].item() == pytest.approx(by_hand, abs=1e-6)
    expected = x @ (linear.weight + layer.delta).T + linear.bias
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("version", ["v1", "v1.1", "v1.2"])
@pytest.mark.parametrize("layers", LAYERS)
def test_merged_is_unmerged(version, layers):
    encoder = make(version)
    before, first = copy.deepcopy(encoder.state_dict()), embed(encoder)
    add_lora(encoder, 4, 8.0, layers)
    assert torch.equal(embed(encoder), first)
    assert len(lora_layers(encoder)) == 4 * len(LAYERS[layers])
    randomise(encoder)
    apart = embed(encoder)
    assert (apart - first).abs().max() > 0.05
    merge(encoder)
    merge(encoder)
    together = embed(encoder)
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(embed(without_lora(encoder)), apart, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="unmerge"):
        encoder.train()
    unmerge(encoder)
    unmerge(encoder)
    assert torch.equal(embed(encoder), apart)
    assert all(torch.equal(encoder.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(embed(without_lora(encoder, with_deltas=False)), first)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("ragged", [False, True], ids=["all tokens", "packed tokens"])
@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
def test_every_path_follows_a_delta_and_a_step(version, ragged, training):
    """Nothing that a pass kept, in inference mode or otherwise, outlives a change of the weights."""
    encoder = make(version)
    grid = BATCH.grid(encoder.config.tokenization, 4)
    roles = random_roles(grid, 2, ragged=True) if ragged else None

    def out():
        torch.manual_seed(0)  # of stochastic depth
        return embed(encoder, roles=roles)

    def passes():
        with torch.inference_mode():
            kept = out()
        torch.testing.assert_close(out(), kept)
        return kept.clone()

    encoder.train(training)
    seen = [passes()]
    for change in ("every weight", "deltas"):
        if change == "deltas":
            with torch.inference_mode():
                add_lora(encoder, layers="all")
            randomise(encoder)
            seen.append(passes())
        learning = {name: weight for name, weight in encoder.named_parameters() if weight.requires_grad}
        assert change == "every weight" or all(name[-6:] in ("lora_a", "lora_b") for name in learning)
        still = {name: weight.clone() for name, weight in encoder.state_dict().items() if name not in learning}
        optimiser = torch.optim.AdamW(learning.values(), 1e-2, weight_decay=0.1)
        (out() * torch.randn_like(seen[0])).sum().backward()
        optimiser.step()
        seen.append(passes())
        assert all(torch.equal(encoder.state_dict()[name], value) for name, value in still.items())
    for earlier, later in itertools.pairwise(seen):
        assert (earlier - later).abs().max() > 1e-3


def test_every_linear_layer_alone_is_followed():
    """Queries, keys, values, projection and both of the MLP of the first block, and the patch embedding."""
    encoder = make()
    names = [f"blocks.0.{name}" for name in LAYERS["all"]] + [
        f"patch_embeddings.per_modality_embeddings.{S2}.{S2}__0.proj"
    ]
    with torch.inference_mode():
        last = embed(encoder).clone()
    for name in names:
        with torch.no_grad():
            encoder.get_submodule(name).weight.mul_(1.5)
        with torch.inference_mode():
            now = embed(encoder)
        assert (now - last).abs().max() > 1e-4, name
        last = now.clone()


def test_deltas_alone_are_a_small_file(tmp_path):
    encoder, path = make(), tmp_path / "field.safetensors"
    save_encoder(encoder, tmp_path / "whole.safetensors")
    add_lora(encoder, 4, 8.0)
    randomise(encoder)
    expected = embed(encoder)
    save_lora(encoder, path)
    assert path.stat().st_size < (tmp_path / "whole.safetensors").stat().st_size / 20
    assert set(load_file(path)) == {f"blocks.{b}.attn.{x}.lora_{f}" for b in range(4) for x in "qv" for f in "ab"}
    again = load_lora(load_encoder(tmp_path / "whole.safetensors"), path)
    assert torch.equal(embed(again), expected)
    assert {name for name, weight in again.named_parameters() if weight.requires_grad} == set(deltas(encoder))
    merge(encoder)
    with pytest.raises(ValueError, match=r"would not hold .*lora_a.*without_lora"):
        save_encoder(encoder, tmp_path / "plain.safetensors")
    save_lora(encoder, tmp_path / "merged.safetensors")
    assert (tmp_path / "merged.safetensors").read_bytes() == path.read_bytes()
    save_encoder(without_lora(encoder), tmp_path / "plain.safetensors")
    torch.testing.assert_close(embed(load_encoder(tmp_path / "plain.safetensors")), expected, atol=1e-5, rtol=1e-5)


def test_deltas_of_another_encoder_are_refused(tmp_path):
    encoder, path = add_lora(make(), 4, 8.0), tmp_path / "field.safetensors"
    save_lora(encoder, path)
    other = make(seed=1)
    before = weights_hash(other)
    with pytest.raises(ValueError, match="other weights"):
        load_lora(other, path)
    assert weights_hash(other) == before
    assert not lora_layers(other)
    with pytest.raises(ValueError, match="already"):
        load_lora(encoder, path)
    with pytest.raises(ValueError, match="no low-rank deltas"):
        save_lora(other, path)
    save_encoder(other, path)
    with pytest.raises(ValueError, match="olmoearth_lora"):
        load_lora(other, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank": 10**12}, "rank must be"),
        ({"rank": True}, "rank must be"),
        ({"alpha": math.nan}, "alpha must be"),
        ({"alpha": "8"}, "alpha must be"),
        ({"layers": ["qv"]}, "layers must be"),
        ({"layers": "all"}, "missing"),
        ({"rank": 5}, "another shape"),
        ({"encoder": None}, "other weights"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, change, words):
    path = save_lora(add_lora(make(), 4, 8.0), tmp_path / "field.safetensors")
    factors, encoder = load_file(path), make()
    about = {"rank": 4, "alpha": 8.0, "layers": "qv", "encoder": weights_hash(encoder)} | change
    save_file(factors, path, metadata={"olmoearth_lora": json.dumps(about)})
    with pytest.raises(ValueError, match=words):
        load_lora(encoder, path)
    assert not lora_layers(encoder)
    assert all(weight.requires_grad for weight in encoder.blocks.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 0}, "from 1 to 128"),
        ({"rank": 129}, "from 1 to 128"),
        ({"alpha": 0}, "alpha"),
        ({"layers": "k"}, "qv"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(options, words):
    encoder = make()
    with pytest.raises(ValueError, match=words):
        add_lora(encoder, **options)
    assert not lora_layers(encoder)
    assert encoder.blocks[0].attn.q.weight.requires_grad


def test_as_peft_does():
    """The same embeddings, gradients and deltas from the same factors, as peft 0.21.2 gave them."""
    kept, ours = json.loads(REFERENCE.read_text()), of_ours()
    np.testing.assert_allclose(ours["pooled"], kept["pooled"], rtol=1e-4, atol=1e-5)
    assert ours["layers"].keys() == kept["layers"].keys()
    assert len(kept["layers"]) == 3 * len(LAYERS["all"])
    for name, numbers in kept["layers"].items():
        for one, other in zip(ours["layers"][name], numbers, strict=True):  # sum and norm, the sum may be nearly 0
            assert other[1] > 0
            assert one == pytest.approx(other, abs=1e-3 * other[1]), name
