"""`OlmoEarth`: encoder, predictor and the frozen target projection, as pretraining needs them together."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.patch_embed import PatchEmbed, observed
from olmoearth_nb.model.predictor import Predictor
from olmoearth_nb.sample import Batch


class TargetProjection(nn.Module):
    """What the predictor learns to predict: the *initial* patch embeddings, frozen, of every token.

    The official checkpoints keep a copy of the whole encoder here, of which only the patch embeddings
    are ever used: all tokens leave it before the first block, without encodings and without norm.

    Args:
        patch_embeddings: the encoder's, copied.
    """

    def __init__(self, patch_embeddings: PatchEmbed) -> None:
        super().__init__()
        self.patch_embeddings = copy.deepcopy(patch_embeddings).requires_grad_(False)
        self.patch_embeddings.band_dropout.enabled = False  # targets are made of every band

    @torch.no_grad()
    def forward(self, batch: Batch, patch_size: int) -> Tensor:
        """(B, N, D) target of every token, maps included."""
        grid = batch.grid(self.patch_embeddings.tokenization, patch_size)
        return self.patch_embeddings(observed(batch.images, grid)[0], grid)


class OlmoEarth(nn.Module):
    """A whole model: a container of its three parts, which `pretrain.objective` runs together.

    Args:
        config: what to build; `published_config("v1.1", "nano")` for a published one.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Predictor(config)
        self.target_encoder = TargetProjection(self.encoder.patch_embeddings)
