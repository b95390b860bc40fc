"""Low-rank adaptation: linear layers that learn a small delta beside frozen weights, W + (alpha / r) B A.

B is zero at first, so that the encoder begins as it was. Source: Hu et al. 2021, arXiv 2106.09685.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.linear import Linear

LAYERS: dict[str, tuple[str, ...]] = {
    "qv": ("attn.q", "attn.v"),
    "all": ("attn.q", "attn.k", "attn.v", "attn.proj", "mlp.fc1", "mlp.fc2"),
}
"""Which linear layers of every block learn: queries and values, as the paper advises, or all of them."""


class LoraLinear(Linear):
    """A linear layer with a low-rank delta: x W^T + b + (alpha / r) x A^T B^T.

    It has the weight and bias of the layer that it stands for, under the same names, and they do not learn.

    Args:
        linear: the layer that it stands for; its parameters are shared, not copied, and frozen.
        rank: r, from 1 to the smaller size of the weight.
        alpha: scale of the delta; it counts alpha / r.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        most = min(linear.in_features, linear.out_features)
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= most:
            raise ValueError(f"rank must be a whole number from 1 to {most}, got {rank!r}")
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < math.inf:
            raise ValueError(f"alpha must be a number above 0, got {alpha!r}")
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.requires_grad_(False)  # the two factors below learn
        self.rank, self.alpha = rank, alpha
        self.lora_a = nn.Parameter(self.weight.new_empty(rank, self.in_features))
        self.lora_b = nn.Parameter(self.weight.new_zeros(self.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))  # as torch's own linear layers begin
        self.before: Tensor | None
        """(out, in) the weight without the delta while it is merged, otherwise None."""
        self.register_buffer("before", None, persistent=False)

    @property
    def delta(self) -> Tensor:
        """(out, in) (alpha / r) B A."""
        return self.lora_b @ self.lora_a * (self.alpha / self.rank)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        y = super().forward(x)
        if self.before is not None:
            return y
        return y + F.linear(F.linear(x, self.lora_a), self.lora_b) * (self.alpha / self.rank)

    def train(self, mode: bool = True) -> LoraLinear:
        """Into training mode or out of it.

        Raises:
            ValueError: if the delta is merged: it would not learn.
        """
        if mode and self.before is not None:
            raise ValueError("the deltas are merged into the weights and would not learn; unmerge them before training")
        super().train(mode)
        return self


def add_lora(encoder: Encoder, rank: int = 8, alpha: float = 16.0, layers: str = "qv") -> Encoder:
    """Gives linear layers of every block a low-rank delta and freezes everything else, in place.

    The first factors are drawn from torch's own generator.

    Args:
        encoder: any encoder without deltas.
        rank: r.
        alpha: scale; a delta counts alpha / r.
        layers: one of `LAYERS`.

    Returns:
        The encoder.

    Raises:
        ValueError: for a rank, alpha or layers that cannot be, or an encoder that has deltas already.
    """
    if layers not in LAYERS:
        raise ValueError(f"layers must be one of {', '.join(LAYERS)}, got {layers!r}")
    if lora_layers(encoder):
        raise ValueError("this encoder has low-rank deltas already; take them out by without_lora first")
    with torch.inference_mode(False):  # what is made in inference mode could never learn
        made = []
        for block in encoder.blocks:
            for part, name in (path.split(".") for path in LAYERS[layers]):
                parent = getattr(block, part)
                made.append((parent, name, LoraLinear(getattr(parent, name), rank, alpha)))
    encoder.requires_grad_(False)
    for parent, name, layer in made:
        setattr(parent, name, layer.train(encoder.training))
    return encoder


def lora_layers(encoder: Encoder) -> dict[str, LoraLinear]:
    """The layers with a delta by their names in the encoder."""
    return {name: layer for name, layer in encoder.named_modules() if isinstance(layer, LoraLinear)}


def merge(encoder: Encoder) -> None:
    """Adds the deltas to the weights, in place, so that the encoder is as fast as without them.

    It is for inference: a merged encoder refuses training mode. Merging twice is merging once.
    """
    with torch.inference_mode(False), torch.no_grad():
        for layer in lora_layers(encoder).values():
            if layer.before is None:
                layer.before = layer.weight.clone()  # subtracting the delta again would round
                layer.weight += layer.delta


def unmerge(encoder: Encoder) -> None:
    """Undoes `merge`: the weights are what they were, to the last bit."""
    with torch.inference_mode(False), torch.no_grad():
        for layer in lora_layers(encoder).values():
            if layer.before is not None:
                layer.weight.copy_(layer.before)
                layer.before = None


def base_state(encoder: Encoder, with_deltas: bool) -> dict[str, Tensor]:
    """The state dict of the encoder that the deltas stand beside, with no trace of them in its names.

    Args:
        encoder: with deltas, merged or not.
        with_deltas: whether they are added to the weights.
    """
    state, layers = dict(encoder.state_dict()), lora_layers(encoder)
    with torch.inference_mode(False), torch.no_grad():
        for name, layer in layers.items():
            del state[f"{name}.lora_a"], state[f"{name}.lora_b"]
            weight = layer.weight if layer.before is None else layer.before
            state[f"{name}.weight"] = weight + layer.delta if with_deltas else weight.detach()
    return state


def without_lora(encoder: Encoder, with_deltas: bool = True) -> Encoder:
    """A plain encoder with weights of its own: for `save_encoder` and everything that knows nothing of deltas.

    Args:
        encoder: with deltas, merged or not; it stays as it is.
        with_deltas: whether they are added to the weights; otherwise it is the encoder before the training.

    Returns:
        In evaluation mode, on the device of the encoder.
    """
    with torch.device("meta"):
        plain = Encoder(encoder.config)
    state = {name: value.clone() for name, value in base_state(encoder, with_deltas).items()}
    plain.load_state_dict(state, assign=True)
    return plain.eval()
