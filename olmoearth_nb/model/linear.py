"""Linear layers that need no gradients, on a CPU: the same sums as `F.linear`, in less time.

torch multiplies float32 matrices by MKL. oneDNN, which torch carries as well and which `torch.compile` uses, was mostly
5 to 25 % faster at it on one AMD core, of small matrices not at all, and 0 to 25 % slower on an Intel Xeon, whose maker
writes MKL. On both it gains where it applies the GELU while the numbers are still in registers. It reads the weights
themselves: nothing is kept that could grow old.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn import functional as F
from torch.utils.flop_counter import register_flop_formula

from olmoearth_nb.io.processor import processor_says

FEWEST_ROWS, FEWEST_MACS = 32, 2**23
"""Rows and multiply-accumulates below which oneDNN costs more than it saves."""

_packet: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
_onednn: Any = _packet and _packet.default
"""x, weight, bias, name of an activation, its numbers, its algorithm."""


def plain_by_mkl() -> bool:
    """Whether products without an activation are left to MKL: where the processor is of its maker."""
    return "GenuineIntel" in processor_says("vendor_id")


class Linear(nn.Linear):
    """`nn.Linear` that is quicker in inference."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        if _suits(self, x) and not plain_by_mkl():
            return _onednn(x, self.weight, self.bias, "none", [], "")
        return super().forward(x)


def activated(layer: nn.Linear, x: Tensor, activation: Literal["gelu", "relu"]) -> Tensor:
    """A layer and the activation behind it, in one pass where that is possible."""
    if _suits(layer, x) and type(layer) is Linear and not (layer._forward_hooks or layer._forward_pre_hooks):
        return _onednn(x, layer.weight, layer.bias, activation, [], "none")  # "none": the exact GELU
    x = layer(x)  # so that who listens, hears
    return F.gelu(x) if activation == "gelu" else F.relu(x, inplace=True)


def _suits(layer: nn.Linear, x: Tensor) -> bool:
    """Whether oneDNN gives the result of a layer, and sooner; what is cheap to ask, and what is small, comes first."""
    if torch.is_grad_enabled() or is_compiling() or x.numel() * layer.out_features < FEWEST_MACS or _onednn is None:
        return False
    weight = layer.weight
    return (
        x.numel() >= FEWEST_ROWS * layer.in_features
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and x.is_contiguous()  # of other layouts it has a slow version only
        and weight.is_contiguous()
        and not torch.is_autocast_enabled("cpu")
    )


if _packet is not None:

    @register_flop_formula(_packet)
    def _flops(x: torch.Size, weight: torch.Size, *_: Any, out_shape: Any = None, **__: Any) -> int:
        """What torch's own counter is told of a layer."""
        return 2 * x.numel() * weight[0]
