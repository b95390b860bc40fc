"""What products are computed in: float32, or bfloat16, which keeps 8 bits of a factor and sums in float32.

Weights, the residual stream, norms and what is handed out stay float32, so an embedding differs in its second or third
digit. Worth it on processors with instructions for such products (`multiplies_bfloat16`), and on GPUs.
"""

from __future__ import annotations

import torch
from torch import nn

from olmoearth_nb.errors import warn
from olmoearth_nb.io.processor import processor_says

FULL, HALF = "32-true", "bf16-mixed"
PRECISIONS = (FULL, HALF)
"""Names that Lightning Fabric gives: float32, and matrix products in bfloat16 with weights in float32."""


def check_precision(precision: str) -> None:
    """Raises a ValueError unless a precision is one of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for products of bfloat16; True where nothing says so, as off Linux."""
    flags = {*processor_says("flags").split(), *processor_says("Features").split()}  # of x86, of ARM
    return not flags & {"sse2", "asimd"} or bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def in_precision(precision: str, model: nn.Module) -> torch.autocast:
    """A context in which encoders compute with a precision, whatever stands around it.

    Enter it once around many passes under `torch.no_grad`: the first one turns the weights into bfloat16, and torch
    keeps the copies until the outermost autocast ends. It keeps none under `torch.inference_mode`, and none of weights
    that take no gradients: every pass then turns them again, which doubles the time of one sample of base. Weights must
    not change meanwhile.

    Args:
        precision: one of `PRECISIONS`.
        model: whose device it is for.

    Raises:
        ValueError: for another precision.

    Warns:
        UserWarning: of bfloat16 on a processor without such instructions, where it may take longer than float32.
    """
    check_precision(precision)
    device = next(model.parameters()).device
    if precision == HALF and device.type == "cpu" and not multiplies_bfloat16():
        warn(f"this processor has no products in bfloat16: {HALF} may take longer here than {FULL}")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == HALF)
