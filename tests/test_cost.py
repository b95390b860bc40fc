"""Counted against torch's own FLOP counter."""

import pytest
import torch
from conftest import random_batch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from olmoearth_nb import TOKENIZATIONS, Encoder, encoder_cost, published_config, size_config


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
    assert cost.macs == pytest.approx(measured_macs(Encoder(config).eval(), batch, 4), rel=0.01)


def test_v1_1_is_cheaper_than_its_tokens_say():
    shape = (64, 64, 1)
    v1, v11 = (encoder_cost(published_config(version, "base"), shape, 4) for version in ("v1", "v1.1"))
    assert v1.tokens == 3 * v11.tokens
    assert v1.linear_macs / v11.linear_macs == pytest.approx(2.90, abs=0.005)
    assert v1.attention_macs == 9 * v11.attention_macs
