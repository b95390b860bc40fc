"""Only the tokens that count are computed: packing ragged samples, and running long work in parts on a CPU.

None of this changes a result. It is kept apart so that `transformer.py` and `encoder.py` show the model alone.

Which tokens count is known on the host, where masks are drawn. Every mask here stays there: asking a tensor on a GPU
for its largest count or whether it is all true would make the host wait for the GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


def exporting() -> bool:
    """Whether `torch.export` traces this call: no shape and no branch may then depend on the values of a mask."""
    asked = getattr(torch.compiler, "is_exporting", None)  # of torch 2.7 and later; before, nothing says so
    return asked is not None and asked()


SAMPLES_AT_ONCE = 8
"""Samples of similar length that run together on a CPU."""

TOKENS_AT_ONCE, HIDDEN_AT_ONCE = 2048, 24 * 2**20
"""Tokens that pass an MLP together on a CPU, for each thread; bytes of float32 that more than one thread's may fill."""


class Packing:
    """Brings the kept tokens of each sample to the front, and back to their places.

    The shorter samples of a ragged batch are padded, and the padding is masked from attention in
    training and evaluation alike, so that no sample's result depends on its batch-mates.

    Args:
        keep: (B, N) bool, True = kept; on the host.
        device: of the tokens that are packed.
    """

    def __init__(self, keep: Tensor, device: torch.device | str = "cpu") -> None:
        self._keep, self._device = keep.cpu(), device
        self.all_kept = bool(self._keep.all())
        self.counts = self._keep.sum(1)  # (B,)
        self.longest = int(self.counts.max()) if len(keep) else 0  # M

    @cached_property
    def keep(self) -> Tensor:
        """(B, N) the mask, on the device; this and what follows is made when it is asked for."""
        return self._keep.to(self._device, non_blocking=True)

    @cached_property
    def index(self) -> Tensor:
        """(B, M) places of the kept tokens of each sample, in order, and of some others where it has fewer."""
        order = (~self._keep).long().argsort(dim=1, stable=True)  # (B, N), the kept tokens first
        return order[:, : self.longest].to(self._device, non_blocking=True)

    @cached_property
    def real(self) -> Tensor:
        """(B, M), True = a token, False = padding."""
        return (torch.arange(self.longest) < self.counts[:, None]).to(self._device, non_blocking=True)

    @property
    def key_mask(self) -> Tensor | None:
        """(B, M) of `real` for attention; None when no sample is padded."""
        return None if bool((self.counts == self.longest).all()) else self.real

    def pack(self, x: Tensor) -> Tensor:
        """(B, N, C) to (B, M, C), M the longest sample's count."""
        if self.all_kept:
            return x
        return x.gather(1, self.index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))  # (B, M, C)

    def unpack(self, x: Tensor) -> Tensor:
        """(B, M, C) to (B, N, C), exactly 0 where nothing was kept."""
        if self.all_kept:
            return x
        full = x.new_zeros(*self.keep.shape, x.shape[-1])  # (B, N, C)
        full = full.scatter(1, self.index.unsqueeze(-1).expand_as(x), x)
        return full.masked_fill(~self.keep.unsqueeze(-1), 0.0)  # padding was scattered, too


class Unpacked:
    """What stands in for `Packing` in an exported program, where no shape depends on a mask.

    All tokens stay in their places. Those that are not kept are masked from attention and set to 0 at the end: the
    numbers are the same, the work is that of all tokens.

    Args:
        keep: (B, N) bool, True = kept.
        device: of the tokens.
    """

    def __init__(self, keep: Tensor, device: torch.device | str = "cpu") -> None:
        self.keep = self.key_mask = keep.to(device)

    def pack(self, x: Tensor) -> Tensor:
        """(B, N, C) as it is."""
        return x

    def unpack(self, x: Tensor) -> Tensor:
        """(B, N, C), exactly 0 where nothing was kept."""
        return x.masked_fill(~self.keep.unsqueeze(-1), 0.0)


def packing(keep: Tensor, device: torch.device | str = "cpu") -> Packing | Unpacked:
    """`Packing` of a mask, or what stands in for it where `torch.export` traces."""
    return Unpacked(keep, device) if exporting() else Packing(keep, device)


def by_length(keep: Tensor, device: torch.device | str = "cpu") -> list[Any]:
    """Indices of samples of similar length, to be run together so that little is padded.

    Lengths of masked samples differ several times, and attention pays for padding squared. A GPU would rather have
    all samples at once, and gets them so.

    Args:
        keep: (B, N) bool, True = a token that counts; on the host.
        device: where the samples run.

    Returns:
        Indices of the batch axis that take each sample once; one slice of all where there is nothing to gain.
    """
    if exporting() or torch.device(device).type != "cpu" or len(keep) <= SAMPLES_AT_ONCE:
        return [slice(None)]
    counts = keep.sum(1)
    if bool((counts == counts[0]).all()):
        return [slice(None)]
    return list(counts.argsort().split(SAMPLES_AT_ONCE))


def in_order(parts: list[Tensor], groups: list[Any]) -> Tensor:
    """Results of the groups of `by_length` in the order of the batch."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)[torch.cat(groups).argsort()]


def joined(parts: list[Tensor], axis: int = 1) -> Tensor:
    """`torch.cat`, which would copy a part that is alone."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)


def tokens_at_once(width: int) -> int:
    """Tokens of width D that pass an MLP together on a CPU: fewer leave threads idle, more fall out of the cache.

    See `benchmarks/mlp.py`; the hidden layer holds 4 D float32 for each.
    """
    threads = 1 if torch.compiler.is_compiling() else torch.get_num_threads()  # asking breaks a compiled graph
    return max(TOKENS_AT_ONCE, min(TOKENS_AT_ONCE * threads, HIDDEN_AT_ONCE // (16 * width)))


def in_parts(function: Callable[[Tensor], Tensor], x: Tensor, most: int) -> Tensor:
    """Applies a function of single rows of (n, ...), so many at a time on a CPU.

    What a function makes on its way, such as the 4 D wide hidden layer of an MLP, then takes little memory, and less
    time where it would not stay in the cache (`benchmarks/mlp.py`).
    """
    if exporting() or x.device.type != "cpu" or len(x) <= most:
        return function(x)
    return torch.cat([function(part) for part in x.chunk(-(-len(x) // most))])
