"""An encoder with a head, small enough for tests."""

import torch

from olmoearth_nb import Encoder, size_config
from olmoearth_nb.finetune.heads import PlaceHead
from olmoearth_nb.finetune.tuned import Tuned

WIDTH = 64


def tuned(head=None, seed=0, adapt=None, **changes):
    """A mini encoder of three blocks, by default with a head of three classes; `adapt` changes the encoder first."""
    torch.manual_seed(seed)
    encoder = Encoder(size_config("mini", "v1.1", pixel_hidden=8, **changes))
    if adapt is not None:
        adapt(encoder)
    return Tuned(encoder, head or PlaceHead(WIDTH, 3), 4)
