"""What a tokenization costs: tokens, parameters and multiply-accumulates of the encoder.

Formulas follow from the architecture (a MAC is one multiplication and one addition):

* every token passes 4 D^2 (q, k, v, out) + 8 D^2 (MLP) a block,
* attention multiplies N x N scores twice, N^2 D each, a block,
* a patch costs 64 C D to project, or with a pixel layer of m units 64 C m + 64 m D; mixers of the bands of a pixel add
  their own (`pixel_mixers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from olmoearth_nb.bands import modality
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.model.patch_embed import PATCH, REACH
from olmoearth_nb.model.pixel_mixers import mixer_macs


@dataclass(frozen=True)
class Cost:
    """Cost of encoding one sample.

    Attributes:
        tokens: N.
        linear_macs: of all linear layers: patch embedding and blocks.
        attention_macs: of scores and weighted values; the part that grows with N^2.
        resize_macs: of enlarging patches to 8 x 8 pixels, kept apart: published counts leave them out.
    """

    tokens: int
    linear_macs: int
    attention_macs: int
    resize_macs: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of linear layers and attention."""
        return self.linear_macs + self.attention_macs


def encoder_cost(config: ModelConfig, shapes: Mapping[str, Sequence[int]] | Sequence[int], patch_size: int) -> Cost:
    """Cost of one forward pass of the encoder on one sample, nothing masked; maps are never encoded.

    Not counted: norms, activations and the projection behind the mean.

    Args:
        config: the model.
        shapes: modality name -> (H, W, T), or one (H, W, T) for Sentinel-2 alone.
        patch_size: P, 1 to 8.
    """
    by_name = _encoded(shapes)
    tokens = config.tokenization.token_count(by_name, patch_size)
    width, resize = config.width, 0
    linear = config.depth * 12 * width**2 * tokens  # 4 D^2 for q, k, v and out, 8 D^2 for the MLP, a token and block
    for name, shape in by_name.items():
        rows, columns, timesteps, _ = config.tokenization.token_shape(name, shape, patch_size)
        pixels = rows * columns * timesteps * PATCH**2
        if patch_size != PATCH:  # one matrix product for each column of patches, then one for each row
            spans = [min(patch_size + 2 * REACH, count * patch_size) for count in (rows, columns)]
            along = columns * PATCH * (rows * patch_size * spans[1] + rows * PATCH * spans[0])
            resize += len(modality(name).bands) * timesteps * along
        for group in config.tokenization.groups_of(name):
            hidden = config.pixel_hidden
            linear += pixels * (len(group) * hidden + hidden * width if hidden else len(group) * width)
            linear += pixels * mixer_macs(config.pixel_mixer, len(group))
    return Cost(tokens, linear, config.depth * 2 * tokens**2 * width, resize)


def parameter_counts(config: ModelConfig) -> dict[str, int]:
    """Parameters of a model by part, without making it.

    Patch embeddings of maps stand apart: the encoder has them, and never uses them but as targets.

    Returns:
        Part -> number of parameters; the parts of the encoder add up to the encoder.
    """
    with torch.device("meta"):
        model = OlmoEarth(config)
    encoder = model.encoder
    embeddings = encoder.patch_embeddings.per_modality_embeddings
    maps = [name for name in config.modalities if modality(name).decode_only]
    parts: dict[str, list[nn.Module]] = {
        "encoder blocks": [encoder.blocks, encoder.norm],
        "encoder patch embeddings": [embeddings[name] for name in config.modalities if name not in maps],
        "encoder patch embeddings of maps": [embeddings[name] for name in maps],
        "encoder encodings": [encoder.composite_encodings],
        "encoder projection": [encoder.project_and_aggregate],
        "predictor": [model.decoder],
        "target": [model.target_encoder],
    }
    return {part: sum(_count(module) for module in modules) for part, modules in parts.items()}


def _encoded(shapes: Mapping[str, Sequence[int]] | Sequence[int]) -> dict[str, Sequence[int]]:
    """Shapes of the modalities that the encoder sees."""
    given = shapes if isinstance(shapes, Mapping) else {"sentinel2_l2a": shapes}
    return {name: shape for name, shape in given.items() if not modality(name).decode_only}


def _count(module: nn.Module) -> int:
    """Parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())
