"""What a token is told about itself: band group, timestep, month and position.

v1 and v1.1 add four vectors, each a quarter of the width D, to every token: [group | timestep | month |
space]. v1.2 adds only group and month and gives date and position to attention as rotations (`Rotation`).

Source: the public OlmoEarth code and papers; the rotation is the mixed rotary embedding of RoPE-Mixed
(arXiv 2403.13298), here in three dimensions (time, row, column).
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache

import torch
from torch import Tensor, nn

from olmoearth_nb.bands import modality
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.tokenization import Tokenization

_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def sincos(position: Tensor, dim: int) -> Tensor:
    """Sine-cosine code of a position: [sin(w_i x) | cos(w_i x)], w_i = 10000^(-i / (2 dim)), i < dim / 2.

    The exponent is i / (2 dim), not the usual 2 i / dim: w runs from 1 to about 0.1 only. That is what
    the published models were trained with.

    Args:
        position: any shape (...), in pixels or timesteps, on the CPU (not every device has float64).
        dim: size of the code, even.

    Returns:
        (..., dim) float32.
    """
    rate = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64) / (2 * dim))
    angle = position.double().unsqueeze(-1) * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1).float()


def space_code(row: Tensor, column: Tensor, dim: int) -> Tensor:
    """Two-dimensional code of a position: first half the column, second half the row."""
    return torch.cat([sincos(column, dim // 2), sincos(row, dim // 2)], dim=-1)


def month_table(dim: int) -> Tensor:
    """(12, dim) code of the month: the first half of a row is sin(2 pi m / 12), the second its cosine."""
    angle = 2 * math.pi * torch.arange(12, dtype=torch.float64) / 12
    half = dim // 2
    return torch.cat([angle.sin()[:, None].expand(12, half), angle.cos()[:, None].expand(12, dim - half)], 1).float()


def days_since_2000(timestamps: Tensor) -> Tensor:
    """Days since 2000-01-01 as the published v1.2 counts them (years of 365.25 days, no leap day).

    Args:
        timestamps: (..., 3) integers: day 1..31, month 0..11, year.

    Returns:
        (...) float32.
    """
    day, month, year = timestamps.unbind(-1)
    before = torch.tensor(_DAYS_BEFORE_MONTH).to(timestamps.device, non_blocking=True)[month]
    return (year - 2000).float() * 365.25 + (before + day - 1).float()


def token_coordinates(grid: TokenGrid, timestamps: Tensor) -> Tensor:
    """Where and when each token is, for the rotation of v1.2.

    Args:
        grid: layout of the N tokens.
        timestamps: (B, T, 3) day, month, year.

    Returns:
        (B, N, 3) float32: months of 30 days since 2000-01-01, row and column in pixels of 10 m. A map
        has no date and stands at the first timestep, where the official training layout, (H, W, 1, C),
        puts it.
    """
    device = timestamps.device
    when = (days_since_2000(timestamps) / 30.0)[:, grid.time.to(device, non_blocking=True)]  # (B, N)
    where = torch.stack([grid.row, grid.column], -1).to(device, non_blocking=True).float() * grid.patch_size  # (N, 2)
    return torch.cat([when.unsqueeze(-1), where.expand(timestamps.shape[0], -1, -1)], dim=-1)


class CompositeEncodings(nn.Module):
    """The vector added to each token.

    Args:
        width: D, a multiple of 4 (of 16 where the position is encoded).
        tokenization: the band groups, each with a learned code.
        modalities: names of the modalities.
        rotary: v1.2: leave out timestep and position, which attention then gets as rotations.
    """

    def __init__(self, width: int, tokenization: Tokenization, modalities: tuple[str, ...], rotary: bool) -> None:
        super().__init__()
        self.quarter = width // 4
        self.rotary = rotary
        self.per_modality_channel_embeddings = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(len(tokenization.groups_of(name)), self.quarter)) for name in modalities}
        )
        self.month_embed = nn.Embedding.from_pretrained(month_table(self.quarter), freeze=True)

    def forward(self, grid: TokenGrid, timestamps: Tensor) -> Tensor:
        """(B, N, D) encodings of the tokens of a grid at (B, T, 3) timestamps."""
        months = self.month_embed(timestamps[..., 1])  # (B, T, D/4)
        parts = [self._modality(name, shape, months, grid.patch_size) for name, shape in grid.shapes.items()]
        return torch.cat(parts, dim=1)

    def _modality(self, name: str, shape: tuple[int, int, int, int], months: Tensor, patch_size: int) -> Tensor:
        """(B, N_modality, D), assembled by broadcasting the quarters over (row, column, time, group)."""
        rows, columns, timesteps, _ = shape
        device, quarter = months.device, self.quarter
        group = self.per_modality_channel_embeddings[name]  # (G, D/4)
        step = month = nothing = months.new_zeros(1).expand(quarter)  # a quarter that says nothing is 0
        row = column = nothing[: quarter // 2]
        if modality(name).multitemporal:
            month = months[:, None, None, :, None]  # (B, 1, 1, T, 1, D/4)
            if not self.rotary:
                step = _axis(timesteps, 1, quarter, device)[:, None]  # (T, 1, D/4)
        if not self.rotary:  # `space_code`, in pixels, so that patch sizes agree
            row = _axis(rows, patch_size, quarter // 2, device)[:, None, None, None]  # (h, 1, 1, 1, D/8)
            column = _axis(columns, patch_size, quarter // 2, device)[:, None, None]  # (w, 1, 1, D/8)
        parts = [
            part.to(group.dtype).expand(months.shape[0], *shape, part.shape[-1])  # (B, h, w, T, G, D/4 or D/8)
            for part in (group, step, month, column, row)
        ]
        return torch.cat(parts, dim=-1).flatten(1, 4)  # (B, N of the modality, D)


def _axis(count: int, spacing: int, dim: int, device: torch.device) -> Tensor:
    """(count, dim) `sincos` of places along an axis, on a device."""
    if torch.compiler.is_compiling():  # what is traced must not be kept for later calls
        return sincos(torch.arange(count) * spacing, dim).to(device, non_blocking=True)
    return _kept_axis(count, spacing, dim).to(device, non_blocking=True)


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def _kept_axis(count: int, spacing: int, dim: int) -> Tensor:
    """`_axis` on the host. Never a tensor of inference mode: a later call may need gradients of what it is added to."""
    return sincos(torch.arange(count, device="cpu") * spacing, dim)


class Rotation:
    """Cosine and sine by which queries or keys are turned, ready for every head.

    Args:
        coordinates: (B, N, 3) of `token_coordinates`.
        frequencies: (3, heads, head_dim / 2) learned, of one attention layer.
    """

    def __init__(self, coordinates: Tensor, frequencies: Tensor) -> None:
        at, rate = coordinates.float()[:, None, :, None, :], frequencies.float()[:, None, :, None, :]
        # elementwise products stay float32 under autocast, a matrix product would not
        angle = at[..., 0] * rate[0] + at[..., 1] * rate[1] + at[..., 2] * rate[2]
        self.cos, self.sin = angle.cos(), angle.sin()

    @cached_property
    def turn(self) -> Tensor:
        """(B, heads, N, head_dim / 2) both as one complex number."""
        return torch.complex(self.cos, self.sin)

    def __call__(self, x: Tensor) -> Tensor:
        """Turns neighbouring pairs of the last axis of (B, heads, N, head_dim)."""
        if x.dtype == torch.float32 and not torch.compiler.is_compiling():  # a turn is a product of complex numbers
            return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * self.turn).flatten(-2)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)  # pairs side by side


def initial_frequencies(heads: int, head_dim: int, base: float = 10000.0) -> Tensor:
    """(3, heads, head_dim / 2) starting frequencies: two orthogonal random directions a head.

    Magnitudes are base^(-4 k / head_dim), k < head_dim / 4; the first half of the pairs points along
    the first direction, the second half along the second.
    """
    quarter = head_dim // 4
    magnitude = base ** (-4.0 * torch.arange(quarter) / head_dim)  # (head_dim / 4,)
    first = nn.functional.normalize(torch.randn(heads, 3), dim=-1)
    second = torch.randn(heads, 3)
    second = nn.functional.normalize(second - (second * first).sum(-1, keepdim=True) * first, dim=-1)
    directions = torch.stack([first, second], dim=1)  # (heads, 2, 3)
    return torch.einsum("hdc,k->chdk", directions, magnitude).flatten(2)
