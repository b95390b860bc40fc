"""Attention and the pre-norm block, shared by encoder (self-attention) and predictor (cross-attention)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olmoearth_nb.model.encodings import Rotation, initial_frequencies


def attention_weights(q: Tensor, k: Tensor, key_mask: Tensor | None = None) -> Tensor:
    """The attention that `Attention` applies, written out: softmax(q k^T / sqrt(head_dim)).

    Args:
        q: (B, heads, N, head_dim) queries, turned already where the model rotates.
        k: (B, heads, M, head_dim) keys.
        key_mask: (B, M), True = may be attended; None for all.

    Returns:
        (B, heads, N, M), rows sum to 1.
    """
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if key_mask is not None:
        scores = scores.masked_fill(~key_mask[:, None, None, :], float("-inf"))
    return scores.softmax(dim=-1)


class Attention(nn.Module):
    """Multi-head attention of queries on a context.

    Args:
        width: D.
        heads: number of heads, dividing D.
        rotary: whether queries and keys are rotated by their date and place (v1.2).
    """

    def __init__(self, width: int, heads: int, rotary: bool) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.rope_mixed_freqs = nn.Parameter(initial_frequencies(heads, width // heads)) if rotary else None

    def forward(
        self,
        x: Tensor,
        context: Tensor,
        key_mask: Tensor | None = None,
        x_at: Tensor | None = None,
        context_at: Tensor | None = None,
    ) -> Tensor:
        """Attends.

        Args:
            x: (B, N, D) tokens that ask.
            context: (B, M, D) tokens that answer; x itself for self-attention.
            key_mask: (B, M), True = may be attended; None for all.
            x_at: (B, N, 3) coordinates of x, for a rotary model.
            context_at: (B, M, 3) coordinates of the context.

        Returns:
            (B, N, D).
        """
        q, k, v = self._heads(self.q(x)), self._heads(self.k(context)), self._heads(self.v(context))
        if self.rope_mixed_freqs is not None:
            if x_at is None or context_at is None:
                raise ValueError("a rotary model needs the coordinates of its tokens")
            turn = Rotation(x_at, self.rope_mixed_freqs)
            turn_context = turn if context_at is x_at else Rotation(context_at, self.rope_mixed_freqs)
            q, k = turn(q), turn_context(k)
        mask = None if key_mask is None else key_mask[:, None, None, :]
        return self.proj(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, heads, N, head_dim)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Mlp(nn.Module):
    """D to 4 D to D with the exact GELU.

    Long sequences go through in parts of about two thousand tokens on a CPU: the 4 D wide hidden layer
    stays small, which takes two thirds to nine tenths of the time (benchmarks/mlp.py) and less memory.
    """

    TOKENS_AT_ONCE = 2048

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        if x.device.type != "cpu" or x.shape[:-1].numel() <= 2 * self.TOKENS_AT_ONCE:
            return self._some(x)
        parts = x.flatten(0, -2).chunk(-(-x.shape[:-1].numel() // self.TOKENS_AT_ONCE))
        return torch.cat([self._some(part) for part in parts]).view(x.shape)

    def _some(self, x: Tensor) -> Tensor:
        """All given tokens at once."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + MLP(norm(x)).

    Given a context it is pure cross-attention: the context is neither normed nor changed, and the
    queries do not see each other.

    Args:
        width: D.
        heads: number of heads.
        rotary: see `Attention`.
        drop_path: probability with which a sample skips a branch in training.
    """

    def __init__(self, width: int, heads: int, rotary: bool, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, rotary)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.drop_path = drop_path

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        key_mask: Tensor | None = None,
        x_at: Tensor | None = None,
        context_at: Tensor | None = None,
    ) -> Tensor:
        """(B, N, D) to (B, N, D); see `Attention.forward` for the arguments."""
        x = x + self._skip(self._attend(self.norm1(x), context, key_mask, x_at, context_at))
        return x + self._skip(self.mlp(self.norm2(x)))

    def _attend(
        self, x: Tensor, context: Tensor | None, key_mask: Tensor | None, x_at: Tensor | None, context_at: Tensor | None
    ) -> Tensor:
        """Attention of the normed tokens on themselves, or on the context."""
        if context is None:
            return self.attn(x, x, key_mask, x_at, x_at)
        return self.attn(x, context, key_mask, x_at, context_at)

    def _skip(self, branch: Tensor) -> Tensor:
        """Stochastic depth: drops the branch for whole samples in training, rescaling the rest."""
        if not self.training or self.drop_path == 0:
            return branch
        keep = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop_path
        return branch * keep / (1 - self.drop_path)


class Packing:
    """Brings the kept tokens of each sample to the front and back to their places.

    The shorter samples of a ragged batch are padded, and the padding is masked from attention in
    training and evaluation alike, so that no sample's result depends on its batch-mates.

    Args:
        keep: (B, N) bool, True = kept.
    """

    def __init__(self, keep: Tensor) -> None:
        counts = keep.sum(1)
        self.keep = keep
        self.all_kept = bool(keep.all())
        longest = int(counts.max()) if counts.numel() else 0
        self.index = (~keep).long().argsort(dim=1, stable=True)[:, :longest]  # (B, M)
        valid = torch.arange(longest, device=keep.device) < counts[:, None]
        self.key_mask = None if bool(valid.all()) else valid
        """(B, M), True = a token, False = padding; None when no sample is padded."""

    def pack(self, x: Tensor) -> Tensor:
        """(B, N, C) to (B, M, C), M the longest sample's count."""
        if self.all_kept:
            return x
        return x.gather(1, self.index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))

    def unpack(self, x: Tensor) -> Tensor:
        """(B, M, C) to (B, N, C), exactly 0 where nothing was kept."""
        if self.all_kept:
            return x
        full = x.new_zeros(*self.keep.shape, x.shape[-1])
        full = full.scatter(1, self.index.unsqueeze(-1).expand_as(x), x)
        return full.masked_fill(~self.keep.unsqueeze(-1), 0.0)


SAMPLES_AT_ONCE = 8
"""Samples of similar length that run together on a CPU."""


def by_length(keep: Tensor) -> list[Any]:
    """Indices of samples of similar length, to be run together so that little is padded.

    Lengths of masked samples differ several times, and attention pays for padding squared. A GPU would rather have
    all samples at once, and gets them so.

    Args:
        keep: (B, N) bool, True = a token that counts.

    Returns:
        Indices of the batch axis that take each sample once; one slice of all where there is nothing to gain.
    """
    counts = keep.sum(1)
    if keep.device.type != "cpu" or len(keep) <= SAMPLES_AT_ONCE or bool((counts == counts[0]).all()):
        return [slice(None)]
    return list(counts.argsort().split(SAMPLES_AT_ONCE))


def in_order(parts: list[Tensor], groups: list[Any]) -> Tensor:
    """Results of the groups of `by_length` in the order of the batch."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)[torch.cat(groups).argsort()]


def init_linears(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every linear layer below, as in official training."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
