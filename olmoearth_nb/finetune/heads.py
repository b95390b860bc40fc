"""Linear heads: from embeddings to what a task asks, for a place or for every pixel.

As in the official fine-tuning, a head is one linear layer behind a mean of tokens. Of classes it gives a logit each, of
real values one number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from olmoearth_nb.model.encoder import Encoded


class PlaceHead(nn.Module):
    """A linear layer on the mean of all tokens of a place.

    Args:
        width: D of the encoder.
        outputs: number of classes, or 1 for a real value.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, outputs)."""
        return self.linear(encoded.pool())


class PixelHead(nn.Module):
    """A linear layer from the mean of a patch to all of its P x P pixels.

    The mean is over the dates and band groups of each modality, then over modalities. Rows of the weight are in the
    official order: output, then row and column of the pixel in its patch.

    Args:
        width: D of the encoder.
        outputs: number of classes, or 1 for a real value.
        patch_size: P.
    """

    def __init__(self, width: int, outputs: int, patch_size: int) -> None:
        super().__init__()
        self.outputs, self.patch_size = outputs, patch_size
        self.linear = nn.Linear(width, outputs * patch_size**2)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, H, W, outputs), NaN where no token of the patch was encoded (see `seen_pixels`)."""
        p = self.patch_size
        if encoded.grid.patch_size != p:
            raise ValueError(f"this head is for patches of {p} pixels, the encoder was given {encoded.grid.patch_size}")
        seen = seen_patches(encoded).unsqueeze(-1)  # (B, h, w, 1)
        # a NaN must not reach the layer: multiplied by a gradient of 0 it would make its weights NaN
        x = torch.where(seen, encoded.pool_patches(), 0.0)  # (B, h, w, D)
        y = torch.where(seen, self.linear(x), torch.nan)  # (B, h, w, outputs P P)
        y = y.unflatten(-1, (self.outputs, p, p)).permute(0, 1, 4, 2, 5, 3)  # (B, h, P, w, P, outputs)
        return y.flatten(3, 4).flatten(1, 2)  # (B, H, W, outputs)


def seen_patches(encoded: Encoded) -> Tensor:
    """(B, h, w) bool, True = at least one token of the patch was encoded."""
    online = encoded.online.unsqueeze(-1)  # (B, N, 1)
    by_modality = [encoded.grid.unflatten(online, name).any(-1).flatten(3).any(-1) for name in encoded.grid.shapes]
    return torch.stack(by_modality).any(0)


def seen_pixels(encoded: Encoded) -> Tensor:
    """(B, H, W) bool of `seen_patches`; labels elsewhere must be ignored, since nothing is told there."""
    p = encoded.grid.patch_size
    return seen_patches(encoded).repeat_interleave(p, 1).repeat_interleave(p, 2)
