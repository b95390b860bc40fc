"""Attention and the pre-norm block, shared by encoder (self-attention) and predictor (cross-attention)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olmoearth_nb.model.encodings import Rotation, initial_frequencies
from olmoearth_nb.model.linear import Linear, activated
from olmoearth_nb.model.packing import in_parts, tokens_at_once


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
        self.q = Linear(width, width)
        self.k = Linear(width, width)
        self.v = Linear(width, width)
        self.proj = Linear(width, width)
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
        q, k = self.queries_and_keys(x, context, x_at, context_at)
        v = self._heads(self.v(context))  # (B, heads, M, D / heads); not turned
        mask = None if key_mask is None else key_mask[:, None, None, :]  # (B, 1, 1, M)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (B, heads, N, D / heads)
        return self.proj(attended.transpose(1, 2).flatten(2))  # (B, N, D)

    def queries_and_keys(
        self, x: Tensor, context: Tensor, x_at: Tensor | None = None, context_at: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What `attention_weights` takes: who asks and who answers, turned already where the model rotates.

        Only *who attends to whom* depends on date and place there; what is passed on, v, does not.

        Args:
            x: (B, N, D) tokens that ask.
            context: (B, M, D) tokens that answer.
            x_at: (B, N, 3) coordinates of x, for a rotary model.
            context_at: (B, M, 3) coordinates of the context.

        Returns:
            (B, heads, N, D / heads) and (B, heads, M, D / heads).

        Raises:
            ValueError: if a rotary model is not told the coordinates.
        """
        q, k = self._heads(self.q(x)), self._heads(self.k(context))
        if self.rope_mixed_freqs is None:
            return q, k
        if x_at is None or context_at is None:
            raise ValueError("a rotary model needs the coordinates of its tokens")
        turn = Rotation(x_at, self.rope_mixed_freqs)
        turn_context = turn if context_at is x_at else Rotation(context_at, self.rope_mixed_freqs)
        return turn(q), turn_context(k)

    def _heads(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, heads, N, head_dim)."""
        return x.reshape(*x.shape[:2], self.heads, x.shape[-1] // self.heads).transpose(1, 2)


class Mlp(nn.Module):
    """D to 4 D to D with the exact GELU: W2 gelu(W1 x + b1) + b2.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, 4 * width)
        self.fc2 = Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return in_parts(self._tokens, x.flatten(0, -2), tokens_at_once(x.shape[-1])).view(x.shape)

    def _tokens(self, x: Tensor) -> Tensor:
        """(n, D) to (n, D)."""
        return self.fc2(activated(self.fc1, x, "gelu"))


class DropPath(nn.Module):
    """Stochastic depth (arXiv 1603.09382): in training whole samples skip a branch, the others are scaled up.

    Args:
        rate: probability with which a sample skips.
    """

    generator: torch.Generator | None = None
    """Where the draws come from; torch's own generator by default."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D), 0 for the samples that skip."""
        if not self.training or self.rate == 0:
            return branch
        keep = torch.rand(len(branch), 1, 1, device=branch.device, generator=self.generator) >= self.rate  # (B, 1, 1)
        return branch * keep / (1 - self.rate)  # so that the mean over many draws is the branch itself


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
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        key_mask: Tensor | None = None,
        x_at: Tensor | None = None,
        context_at: Tensor | None = None,
    ) -> Tensor:
        """(B, N, D) to (B, N, D); see `Attention.forward` for the arguments."""
        x = x + self.drop_path(self._attended(x, context, key_mask, x_at, context_at))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attended(
        self, x: Tensor, context: Tensor | None, key_mask: Tensor | None, x_at: Tensor | None, context_at: Tensor | None
    ) -> Tensor:
        """The first branch; its inputs are forgotten before the second one takes its own memory."""
        normed = self.norm1(x)
        if context is None:  # self-attention: the tokens ask each other
            context, context_at = normed, x_at
        return self.attn(normed, context, key_mask, x_at, context_at)


def init_linears(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every linear layer below, as in official training."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
