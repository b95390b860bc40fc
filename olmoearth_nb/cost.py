"""What a tokenization costs: tokens, parameters and multiply-accumulates of the encoder.

Formulas follow from the architecture (a MAC is one multiplication and one addition):

* every token passes 4 D^2 (q, k, v, out) + 8 D^2 (MLP) a block,
* attention multiplies N x N scores twice, N^2 D each, a block,
* a patch costs 64 C D to project, or with a pixel layer of m units 64 C m + 64 m D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from olmoearth_nb.bands import modality
from olmoearth_nb.config import ModelConfig
from olmoearth_nb.patch_embed import PATCH


@dataclass(frozen=True)
class Cost:
    """Cost of encoding one sample.

    Attributes:
        tokens: N.
        linear_macs: of all linear layers: patch embedding and blocks.
        attention_macs: of scores and weighted values; the part that grows with N^2.
    """

    tokens: int
    linear_macs: int
    attention_macs: int

    @property
    def macs(self) -> int:
        """All multiply-accumulates."""
        return self.linear_macs + self.attention_macs


def encoder_cost(config: ModelConfig, shapes: Mapping[str, Sequence[int]] | Sequence[int], patch_size: int) -> Cost:
    """Cost of one forward pass of the encoder on one sample, nothing masked; maps are never encoded.

    Not counted: resizing the image, norms, activations and the projection behind the mean.

    Args:
        config: the model.
        shapes: modality name -> (H, W, T), or one (H, W, T) for Sentinel-2 alone.
        patch_size: P, 1 to 8.
    """
    given = shapes if isinstance(shapes, Mapping) else {"sentinel2_l2a": shapes}
    by_name = {name: shape for name, shape in given.items() if not modality(name).decode_only}
    tokens = config.tokenization.token_count(by_name, patch_size)
    width = config.width
    linear = config.depth * 12 * width**2 * tokens
    for name, shape in by_name.items():
        rows, columns, timesteps, _ = config.tokenization.token_shape(name, shape, patch_size)
        pixels = rows * columns * timesteps * PATCH**2
        for group in config.tokenization.groups_of(name):
            hidden = config.pixel_hidden
            linear += pixels * (len(group) * hidden + hidden * width if hidden else len(group) * width)
    return Cost(tokens, linear, config.depth * 2 * tokens**2 * width)
