"""`record_attention`: which tokens attend to which, while an encoder runs as it always does.

    with record_attention(model) as attention:
        model.encoder(batch, patch_size=4)
    attention.between_groups().ratio  # (layers, heads, groups, groups), 1 where attention is uniform

The fused attention of the blocks stays as it is. Before each block the recorder computes queries and keys once more,
takes `attention_weights` of some queries at a time, and keeps sums over the kinds of keys. So memory is bounded
whatever the number of tokens. When nothing is recorded, nothing is attached to the encoder.

Attention weights say where a block looks, not what comes of it: what is passed on, the values, has no part in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.insight.arrangement import Arrangement
from olmoearth_nb.insight.given import encoder_of, require_batch
from olmoearth_nb.insight.one_sample import OneSample, Wanted
from olmoearth_nb.insight.recorded import RecordedAttention
from olmoearth_nb.insight.token import Token
from olmoearth_nb.model.encoder import Encoded, Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.model.packing import by_length
from olmoearth_nb.model.transformer import Attention


@contextmanager
def record_attention(
    model: Encoder | OlmoEarth,
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    rows: Sequence[Token] = (),
    rollout: bool = False,
) -> Iterator[RecordedAttention]:
    """Records the encoder's attention inside a with block; everything is detached and kept on the host.

    Several passes may follow each other, of samples that have the same tokens (any of them may be missing or hidden).
    A pass that ends in an error leaves no trace.

    Beside the plain pass this takes some 0.1 GiB, and with `rollout` and `rows` together the queries and keys of all
    blocks: 8 depth N D bytes a sample, N tokens of width D.

    Args:
        model: an encoder, or a model of which the encoder is recorded.
        layers: numbers of blocks, counted from 1; by default all.
        heads: numbers of heads, counted from 1; by default all.
        rows: tokens of which the attention to every single token is kept.
        rollout: whether attention is followed through the blocks, for band groups and for `rows`; it needs all heads
            of all blocks, whichever are chosen.

    Yields:
        The recording, which can be read when the encoder has run.

    Raises:
        ValueError: for something that is no such model, layers or heads that it has not, or, when the encoder runs, a
            token that is not in the sample.
        RuntimeError: if the encoder is being recorded already, or a block runs by itself or without its attention.
    """
    encoder, rows = encoder_of(model), _tokens(rows)
    for token in rows:
        token.group(encoder.config.tokenization)
    depth, all_heads = encoder.config.depth, encoder.config.heads
    wanted = Wanted(_numbers("layers", layers, depth), _numbers("heads", heads, all_heads), rows, rollout)
    if "encode" in vars(encoder):
        raise RuntimeError("this encoder's attention is being recorded already: leave that with block first")
    recorder = _Recorder(encoder, wanted)
    blocks = [(number, encoder.get_submodule(f"blocks.{number}.attn")) for number in recorder.layers]
    hooks = [block.register_forward_pre_hook(partial(recorder.hear, number)) for number, block in blocks]
    hooks.append(encoder.register_forward_pre_hook(_some_samples, with_kwargs=True))
    vars(encoder)["encode"] = recorder.encode  # stands before the class's own until it is deleted
    try:
        yield recorder.recorded
    finally:
        del vars(encoder)["encode"]
        for hook in hooks:
            hook.remove()


class _Recorder:
    """Stands before `Encoder.encode`, where it is known which tokens run, and before the attention of each block."""

    def __init__(self, encoder: Encoder, wanted: Wanted) -> None:
        self.plain, self.wanted = encoder.encode, wanted
        self.recorded = RecordedAttention(wanted)
        self.samples: list[OneSample] = []
        self.turns: dict[int, list[list[int]]] = {}  # layer -> samples of each call of its block that is to come
        self.layers = tuple(range(encoder.config.depth)) if wanted.rollout else wanted.layers

    def encode(self, tokens: Tensor, roles: Tensor, grid: TokenGrid, timestamps: Tensor) -> Encoded:
        """`Encoder.encode` with its attention recorded."""
        arrangement, online = Arrangement(grid), roles.eq(Role.ONLINE)
        self.recorded.check(arrangement)
        numbers = torch.arange(len(online))
        groups = [numbers[rows].tolist() for rows in by_length(online, tokens.device)]
        with torch.no_grad():
            self.samples = [OneSample(arrangement, row, self.wanted, tokens.device) for row in online]
        self.turns = {layer: list(groups) for layer in self.layers}
        encoded = self.plain(tokens, roles, grid, timestamps)
        if any(self.turns.values()):
            raise RuntimeError("a block ran without its attention being called, so what was heard is not all")
        with torch.no_grad(), _exact(tokens):
            self.recorded.add(arrangement, [sample.finish() for sample in self.samples])
        self.samples = []
        return encoded

    def hear(self, layer: int, attention: Attention, given: tuple[Any, ...]) -> None:
        """A forward pre-hook: what the block asks and is asked, for each sample of this call."""
        if not self.turns.get(layer):
            raise RuntimeError(
                f"block {layer + 1} was called by itself while attention is recorded: call the encoder as a whole"
            )
        x, context, _, x_at, context_at = given
        with torch.no_grad():
            q, k = attention.queries_and_keys(x, context, x_at, context_at)  # (b, heads, M, head_dim)
            if not self.wanted.rollout:
                q, k = q[:, list(self.wanted.heads)], k[:, list(self.wanted.heads)]
            with _exact(q):
                for place, number in enumerate(self.turns[layer].pop(0)):
                    self.samples[number].take(layer, q[place], k[place])


def _some_samples(_: Encoder, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """A forward pre-hook: there is a batch, and something in it."""
    require_batch(given[0] if given else named.get("batch"), "samples")


def _exact(x: Tensor) -> torch.autocast:
    """Weights are computed in float32, also where the model runs in bfloat16."""
    return torch.autocast(x.device.type, enabled=False)


def _numbers(name: str, chosen: Sequence[int] | None, most: int) -> tuple[int, ...]:
    """Numbers that count from 1, as numbers that count from 0."""
    if chosen is None:
        return tuple(range(most))
    if not isinstance(chosen, Iterable):
        raise ValueError(f"{name} are numbers in a list: say {name}=[{chosen!r}]")
    numbers = list(chosen)
    known = all(number in range(1, most + 1) and not isinstance(number, bool) for number in numbers)
    if not numbers or len(set(numbers)) < len(numbers) or not known:
        raise ValueError(f"{name} are different numbers from 1 to {most}, got {numbers}")
    return tuple(number - 1 for number in numbers)


def _tokens(rows: Sequence[Token]) -> tuple[Token, ...]:
    """The chosen tokens, if they are tokens."""
    if isinstance(rows, Token):
        raise ValueError(f"rows are tokens in a list: say rows=[{rows}]")
    if other := [one for one in rows if not isinstance(one, Token)]:
        raise ValueError(f"rows are tokens such as Token(row=0, column=0, band='B05'), got {other[0]!r}")
    return tuple(rows)
