"""Counted against torch's own FLOP counter."""

import pytest
import torch
from batches import random_batch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from olmoearth_nb import (
    TOKENIZATIONS,
    Encoder,
    encoder_cost,
    parameter_counts,
    published_config,
    size_config,
)


def measured_macs(encoder, batch, patch_size):
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        encoder(batch, patch_size)
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", TOKENIZATIONS)
@pytest.mark.parametrize("pixel_hidden", [0, 12])
def test_linear_and_attention_macs(name, pixel_hidden):
    config = size_config("nano", name, pixel_hidden)
    batch = random_batch(("sentinel2_l2a", "landsat", "worldcover"), (16, 16), timesteps=2, batch=1)
    cost = encoder_cost(config, {k: image.shape[1:4] for k, image in batch.images.items()}, 4)
    assert cost.macs + cost.resize_macs == pytest.approx(measured_macs(Encoder(config).eval(), batch, 4), rel=0.01)


@pytest.mark.parametrize(
    ("shape", "size", "ratio"),
    [
        ((64, 64, 1), "nano", 4.17),
        ((64, 64, 1), "tiny", 3.64),
        ((64, 64, 1), "base", 3.21),
        ((32, 32, 12), "nano", 5.675),
        ((32, 32, 12), "tiny", 4.95),
        ((32, 32, 12), "base", 3.74),
    ],
)
def test_ratio_of_the_published_models(shape, size, ratio):
    v1, v11 = (encoder_cost(published_config(version, size), shape, 4) for version in ("v1", "v1.1"))
    assert v1.macs / v11.macs == pytest.approx(ratio, abs=0.006)


@pytest.mark.parametrize(("version", "size"), [("v1", "base"), ("v1.1", "nano"), ("v1.2", "tiny")])
def test_parameters_by_part(version, size):
    config = published_config(version, size)
    counts = parameter_counts(config)
    encoder = sum(count for part, count in counts.items() if part.startswith("encoder"))
    with torch.device("meta"):
        assert encoder == sum(parameter.numel() for parameter in Encoder(config).parameters())
    assert counts["target"] == counts["encoder patch embeddings"] + counts["encoder patch embeddings of maps"]
    if version != "v1":
        assert counts["encoder patch embeddings of maps"] > counts["encoder patch embeddings"]


def test_resize_is_counted_apart():
    config = published_config("v1", "nano")
    assert encoder_cost(config, (16, 16, 1), 8).resize_macs == 0
    assert encoder_cost(config, (16, 16, 1), 4).resize_macs == 12 * 32 * (16 * 8 + 32 * 8)


def test_v1_1_is_cheaper_than_its_tokens_say():
    shape = (64, 64, 1)
    v1, v11 = (encoder_cost(published_config(version, "base"), shape, 4) for version in ("v1", "v1.1"))
    assert v1.tokens == 3 * v11.tokens
    assert v1.linear_macs / v11.linear_macs == pytest.approx(2.90, abs=0.005)
    assert v1.attention_macs == 9 * v11.attention_macs
