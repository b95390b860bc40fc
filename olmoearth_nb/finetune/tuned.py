"""An encoder with a head, whose encoder can stand still and then stands still in every way.

What has no gradient is still moved by other things: a gradient left over from before, on which AdamW decays and goes on
with its momentum; running means of normalisation layers; and in training mode it is read through dropped bands and
skipped branches, so that the head learns from other embeddings than it will be asked about.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.sample import Batch


class Tuned(nn.Module):
    """An encoder with a head.

    Band dropout is off: it belongs to pretraining. Stochastic depth is on while the encoder learns.

    Args:
        encoder: what requires a gradient now is what will learn: all but the table of months, or low-rank deltas.
        head: takes an `Encoded`.
        patch_size: P.
    """

    def __init__(self, encoder: Encoder, head: nn.Module, patch_size: int) -> None:
        super().__init__()
        self.encoder, self.patch_size = encoder, patch_size
        self.head: Any = head
        encoder.patch_embeddings.band_dropout.enabled = False
        self.learning = frozenset(name for name, weight in encoder.named_parameters() if weight.requires_grad)
        self.frozen = False

    def freeze(self) -> None:
        """Lets the encoder stand still: no gradients, none left over, and evaluation mode until `thaw`."""
        self.frozen = True
        for weight in self.encoder.parameters():
            weight.requires_grad_(False)
            weight.grad = None  # AdamW leaves alone what has none, whatever its momentum and weight decay
        self.encoder.eval()

    def thaw(self) -> None:
        """Lets what was to learn at first learn again, and nothing else."""
        self.frozen = False
        for name, weight in self.encoder.named_parameters():
            weight.requires_grad_(name in self.learning)
        self.encoder.train(self.training)

    def learnable(self) -> dict[str, nn.Parameter]:
        """What learns when nothing is frozen, by its name: ``encoder.blocks.0.attn.q.weight``, ``head.linear.bias``."""
        head = {f"head.{name}": weight for name, weight in self.head.named_parameters() if weight.requires_grad}
        encoder = self.encoder.named_parameters()
        return {f"encoder.{name}": weight for name, weight in encoder if name in self.learning} | head

    def train(self, mode: bool = True) -> Tuned:
        """Into training mode or out of it; a frozen encoder stays in evaluation mode."""
        self.training = mode
        self.head.train(mode)
        self.encoder.train(mode and not self.frozen)
        return self

    def forward(self, batch: Batch) -> Tensor:
        """What the head tells of a batch."""
        return self.head(self.encoder(batch, self.patch_size))
