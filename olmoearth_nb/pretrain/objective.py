"""One step of pretraining: two masked views, predictions of what is hidden, losses.

The views of a micro-batch share pixels and targets, and only what a view sees is embedded for it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from olmoearth_nb.bands import modality
from olmoearth_nb.grid import Role
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.model.patch_embed import BandDropout, enlarged
from olmoearth_nb.model.transformer import DropPath
from olmoearth_nb.pretrain.batches import MicroBatch
from olmoearth_nb.pretrain.losses import contrast, patch_discrimination
from olmoearth_nb.pretrain.recipes import Recipe


class Step(NamedTuple):
    """What a step gives.

    Attributes:
        loss: () the sum that is minimised.
        patches: () patch discrimination, mean of the two views.
        contrast: () contrast of the views, before its weight.
        pooled: (B, D) mean embeddings of the first view.
        targets: (B, N, D) what was to be predicted in either view, 0 elsewhere.
    """

    loss: Tensor
    patches: Tensor
    contrast: Tensor
    pooled: Tensor
    targets: Tensor


class Pretraining(nn.Module):
    """A model with the objective of its recipe.

    Args:
        model: encoder, predictor, targets; the patch embeddings of maps are frozen, since the encoder never sees one.
        recipe: the objective.
    """

    def __init__(self, model: OlmoEarth, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe
        embeddings = model.encoder.patch_embeddings
        embeddings.band_dropout.enabled = True
        for name in model.config.modalities:
            if modality(name).decode_only:
                embeddings.per_modality_embeddings[name].requires_grad_(False)

    def draw_from(self, generator: torch.Generator) -> None:
        """Makes everything random in a step, stochastic depth and lost bands, follow from a generator of its own."""
        for module in self.modules():
            if isinstance(module, DropPath | BandDropout):
                module.generator = generator

    def forward(self, micro: MicroBatch) -> Step:
        """The losses of a micro-batch."""
        encoder, grid = self.model.encoder, micro.grid
        frames = enlarged(micro.images, grid)  # (B, 8h, 8w, T, C)
        with torch.no_grad():
            hidden = (micro.roles == Role.DECODER).any(0)  # (B, N), hidden in either view
            targets = self.model.target_encoder.patch_embeddings.embed(frames, grid, hidden)  # (B, N, D)
        told, asked = (part.composite_encodings(grid, micro.timestamps) for part in (encoder, self.model.decoder))
        views, predictions = [], []
        for roles in micro.roles:  # (B, N) of each view; what a view does not see is never embedded
            tokens = encoder.patch_embeddings.embed(frames, grid, roles == Role.ONLINE) + told
            views.append(encoder.encode(tokens, roles, grid, micro.timestamps))
            predictions.append(self.model.decoder(views[-1], asked))  # (B, N, D)
        patches = patch_discrimination(
            torch.cat(predictions), targets.repeat(len(views), 1, 1), micro.roles.flatten(0, 1), grid,
            self.recipe.masked_negatives, len(views),
        )  # fmt: skip
        between = contrast(encoder.project(views[0]), encoder.project(views[1]))
        loss = patches + self.recipe.contrast * between
        return Step(loss, patches.detach(), between.detach(), views[0].pool().detach(), targets)
