"""Two ways in which the bands of a pixel meet before they share a token, beside v1.1's pixel layer.

A linear projection of a patch adds bands up; it cannot multiply or compare them. v1.1 sends every pixel through a
layer with a ReLU. Two other ways exist in unpublished branches of the official code only: a residual mixer, and
attention between the bands of a pixel. Both add a correction to the bands that is zero before the first step, so that
training begins with the naive merge and its targets. The code is ours; it follows the idea, not those branches.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PixelMixing = Literal["residual", "attention"]
PIXEL_MIXINGS: tuple[str, ...] = get_args(PixelMixing)

UNITS = 32
"""Hidden units of the residual mixer: as many as the pixel layer of `mini` has."""

BAND_WIDTH = 8
"""Size of the token that a band of a pixel is while bands attend to each other."""


class ResidualMixer(nn.Module):
    """x + W2 ReLU(W1 x + b1) + b2, with W2 and b2 zero at first.

    Args:
        bands: C.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.enter = nn.Linear(bands, UNITS)
        self.leave = nn.Linear(UNITS, bands)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) bands of pixels, each with its correction."""
        return x + self.leave(F.relu(self.enter(x)))

    @torch.no_grad()
    def fold(self, factor: Tensor, shift: Tensor) -> None:
        """Reads x, and gives a correction of x, in place of those of z = factor x + shift; see `trained.fold`."""
        self.enter.bias.add_(self.enter.weight @ shift)
        self.enter.weight.mul_(factor)
        self.leave.weight.div_(factor[:, None])
        self.leave.bias.div_(factor)


class BandAttention(nn.Module):
    """Each band of a pixel becomes a small token, x_c u_c + v_c; they attend to each other; each gives a correction.

    One head, softmax(q k^T / sqrt(d)) v with d = `BAND_WIDTH`, no norm. What reads the corrections is zero at first.

    Args:
        bands: C.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(bands, BAND_WIDTH))  # u
        self.place = nn.Parameter(torch.randn(bands, BAND_WIDTH))  # v
        self.qkv = nn.Linear(BAND_WIDTH, 3 * BAND_WIDTH)
        self.leave = nn.Parameter(torch.zeros(bands, BAND_WIDTH))
        self.bias = nn.Parameter(torch.zeros(bands))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) bands of pixels, each with its correction."""
        tokens = x.unsqueeze(-1) * self.value + self.place  # (..., C, d)
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        scores = q @ k.transpose(-2, -1) / math.sqrt(BAND_WIDTH)  # (..., C, C)
        met = scores.softmax(-1) @ v  # (..., C, d)
        return x + (met * self.leave).sum(-1) + self.bias

    @torch.no_grad()
    def fold(self, factor: Tensor, shift: Tensor) -> None:
        """Reads x, and gives a correction of x, in place of those of z = factor x + shift; see `trained.fold`."""
        self.place.add_(shift[:, None] * self.value)
        self.value.mul_(factor[:, None])
        self.leave.div_(factor[:, None])
        self.bias.div_(factor)


def pixel_mixer(kind: PixelMixing | None, bands: int) -> ResidualMixer | BandAttention | None:
    """The mixer of a band group; None where there is nothing to mix."""
    if kind is None or bands == 1:
        return None
    return ResidualMixer(bands) if kind == "residual" else BandAttention(bands)


def mixer_macs(kind: PixelMixing | None, bands: int) -> int:
    """Multiply-accumulates of a pixel, norms and activations left out as everywhere."""
    if kind is None or bands == 1:
        return 0
    if kind == "residual":
        return 2 * bands * UNITS
    # tokens, q k v, scores and weighted values, corrections
    return bands * (BAND_WIDTH + 3 * BAND_WIDTH**2 + 2 * bands * BAND_WIDTH + BAND_WIDTH)


def mixer_numbers(kind: PixelMixing | None, bands: int) -> int:
    """Numbers that a pixel is made of while its bands meet, for estimates of memory."""
    if kind is None or bands == 1:
        return 0
    return 2 * UNITS + bands if kind == "residual" else bands * (5 * BAND_WIDTH + 2 * bands)


def check_pixel_mixing(kind: object) -> None:
    """Raises a ValueError unless it is None or the name of a mixer."""
    if kind is not None and kind not in PIXEL_MIXINGS:
        raise ValueError(f"pixel_mixer must be None or one of {', '.join(PIXEL_MIXINGS)}, got {kind!r:.50}")
