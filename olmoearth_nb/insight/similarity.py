"""How alike the tokens of a sample are, from block to block."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from olmoearth_nb.evaluation.layers import layers_heard
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.sample import Batch


def token_similarity(encoder: Encoder, batch: Batch, patch_size: int) -> list[float]:
    r"""Mean cosine similarity of two different tokens, before the first block and after each.

    For unit vectors $u_1 ... u_N$ the mean over all pairs is $(|\sum_i u_i|^2 - N) / (N (N - 1))$.

    Args:
        encoder: any encoder; it is set to evaluation.
        batch: of B samples in which nothing is missing.
        patch_size: P.

    Returns:
        One value for the input and one for each block; a mean over the samples.

    Raises:
        ValueError: if tokens were not observed, since those never reach a block.
    """
    with torch.inference_mode(), layers_heard(encoder.eval()) as heard:
        encoded = encoder(batch, patch_size)
    if not bool(encoded.online.all()):
        raise ValueError("some tokens of this batch were not observed; choose dates without gaps")
    found = []
    for state in heard[:-1]:  # (B, N, D); the last one is behind the final norm
        count = state.shape[1]
        total = F.normalize(state, dim=-1).sum(1)  # (B, D)
        found.append(float((((total**2).sum(-1) - count) / (count * (count - 1))).mean()))
    return found
