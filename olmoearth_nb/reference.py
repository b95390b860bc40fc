"""The published implementation, run with our weights: an oracle for readers who have it installed."""

from __future__ import annotations

import torch
from torch import Tensor

from olmoearth_nb.checkpoint import state_to_official
from olmoearth_nb.encoder import Encoder
from olmoearth_nb.model import OlmoEarth
from olmoearth_nb.sample import Batch


def reference_tokens(version: str, size: str, encoder: Encoder, batch: Batch, patch_size: int) -> Tensor:
    """Sentinel-2 tokens of `olmoearth-pretrain-minimal` with the weights of our encoder.

    Args:
        version: "v1", "v1.1" or "v1.2".
        size: a published size.
        encoder: ours, of that version and size.
        batch: Sentinel-2 alone, nothing missing.
        patch_size: P.

    Returns:
        (B, rows, columns, T, G, D).
    """
    from olmoearth_pretrain_minimal import OlmoEarthPretrain_v1
    from olmoearth_pretrain_minimal.olmoearth_pretrain_v1.utils.datatypes import MaskedOlmoEarthSample

    model = OlmoEarth(encoder.config)
    model.encoder = encoder
    state = {k.removeprefix("encoder."): v for k, v in state_to_official(model).items() if k.startswith("encoder.")}
    theirs = OlmoEarthPretrain_v1(size, version).model.encoder.eval()
    theirs.load_state_dict(state)
    image = batch.images["sentinel2_l2a"]
    groups = len(encoder.config.tokenization.groups_of("sentinel2_l2a"))
    sample = MaskedOlmoEarthSample(
        timestamps=batch.timestamps,
        sentinel2_l2a=image,
        sentinel2_l2a_mask=torch.zeros(*image.shape[:-1], groups, dtype=torch.long),
    )
    with torch.no_grad():
        return theirs(sample, patch_size=patch_size)["tokens_and_masks"].sentinel2_l2a
