"""Linear heads: from embeddings to what a task asks, for a place or for every pixel.

As in the official fine-tuning, a head is one linear layer behind a mean of tokens. Of classes it gives a logit each, of
real values one number.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from olmoearth_nb.model.encoder import Encoded


class Read(NamedTuple):
    """What a head reads of an encoder: it can be kept while the encoder stands still.

    Attributes:
        features: (B, D) of places, (B, h, w, D) of patches.
        seen: (B, h, w) bool of patches, True = at least one token was encoded; None of places.
    """

    features: Tensor
    seen: Tensor | None = None


class PlaceHead(nn.Module):
    """A linear layer on the mean of all tokens of a place.

    Args:
        width: D of the encoder.
        outputs: number of classes, or 1 for a real value.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)

    def read(self, encoded: Encoded) -> Read:
        """(B, D) means."""
        return Read(encoded.pool())

    def tell(self, read: Read) -> Tensor:
        """(B, outputs)."""
        return self.linear(read.features)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, outputs)."""
        return self.tell(self.read(encoded))


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

    def read(self, encoded: Encoded) -> Read:
        """(B, h, w, D) means of patches, 0 where no token was encoded."""
        p = self.patch_size
        if encoded.grid.patch_size != p:
            raise ValueError(f"this head is for patches of {p} pixels, the encoder was given {encoded.grid.patch_size}")
        seen = seen_patches(encoded)
        # a NaN must not reach the layer: multiplied by a gradient of 0 it would make its weights NaN
        return Read(torch.where(seen.unsqueeze(-1), encoded.pool_patches(), 0.0), seen)

    def tell(self, read: Read) -> Tensor:
        """(B, H, W, outputs), NaN where no token of the patch was encoded (see `seen_pixels`)."""
        assert read.seen is not None
        p = self.patch_size
        y = torch.where(read.seen.unsqueeze(-1), self.linear(read.features), torch.nan)  # (B, h, w, outputs P P)
        y = y.unflatten(-1, (self.outputs, p, p)).permute(0, 1, 4, 2, 5, 3)  # (B, h, P, w, P, outputs)
        return y.flatten(3, 4).flatten(1, 2)  # (B, H, W, outputs)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, H, W, outputs)."""
        return self.tell(self.read(encoded))


class InUnit(nn.Module):
    """A head of real values that learns standardised ones and tells them in their unit.

    Args:
        head: tells one number.
        mean: of the values that train.
        deviation: of the same.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, head: PlaceHead | PixelHead, mean: float, deviation: float) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def standard(self, values: Tensor) -> Tensor:
        """Values in deviations from the mean."""
        return (values - self.mean) / self.deviation

    def read(self, encoded: Encoded) -> Read:
        """As the head."""
        return self.head.read(encoded)

    def tell(self, read: Read) -> Tensor:
        """What the head tells, in the unit of the values."""
        return self.head.tell(read) * self.deviation + self.mean

    def forward(self, encoded: Encoded) -> Tensor:
        """What the head tells, in the unit of the values."""
        return self.tell(self.read(encoded))


def seen_patches(encoded: Encoded) -> Tensor:
    """(B, h, w) bool, True = at least one token of the patch was encoded."""
    online = encoded.online.unsqueeze(-1)  # (B, N, 1)
    by_modality = [encoded.grid.unflatten(online, name).any(-1).flatten(3).any(-1) for name in encoded.grid.shapes]
    return torch.stack(by_modality).any(0)


def seen_pixels(encoded: Encoded) -> Tensor:
    """(B, H, W) bool of `seen_patches`; labels elsewhere must be ignored, since nothing is told there."""
    p = encoded.grid.patch_size
    return seen_patches(encoded).repeat_interleave(p, 1).repeat_interleave(p, 2)
