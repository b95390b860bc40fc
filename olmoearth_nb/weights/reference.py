"""The published implementation, run with our weights: an oracle for readers who have it installed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.official import state_to_official


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

    model = OlmoEarth(encoder.config)
    model.encoder = encoder
    state = {k.removeprefix("encoder."): v for k, v in state_to_official(model).items() if k.startswith("encoder.")}
    theirs = OlmoEarthPretrain_v1(size, version).model.encoder.eval()
    theirs.load_state_dict(state)
    grid = batch.grid(encoder.config.tokenization, patch_size)
    sample = reference_sample(batch, torch.zeros(len(batch), len(grid), dtype=torch.long), grid)
    with torch.no_grad():
        return theirs(sample, patch_size=patch_size)["tokens_and_masks"].sentinel2_l2a


def reference_sample(batch: Batch, roles: Tensor, grid: TokenGrid) -> Any:
    """Our batch and roles as the masked sample that the reference reads.

    Args:
        batch: normalised images.
        roles: (B, N) `Role` of each token.
        grid: layout of the tokens.
    """
    from olmoearth_pretrain_minimal.olmoearth_pretrain_v1.utils.datatypes import MaskedOlmoEarthSample

    _settle_order()
    p, fields = grid.patch_size, dict(batch.images)
    for name in batch.images:
        fields[f"{name}_mask"] = grid.unflatten(roles, name).repeat_interleave(p, 1).repeat_interleave(p, 2)
    return MaskedOlmoEarthSample(timestamps=batch.timestamps, **fields)


def _settle_order() -> None:
    """Has the published code take modalities in the order in which the model names them.

    It takes them from a set, each time anew. With about one hash seed of Python in 250, that set comes out in another
    order the second time, and the tokens of one sensor are returned under the name of another.
    """
    from olmoearth_pretrain_minimal.olmoearth_pretrain_v1.nn import flexi_vit

    flexi_vit.get_modalities_to_process = lambda available, supported: [name for name in supported if name in available]
