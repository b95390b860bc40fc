"""Embeddings of every layer of an encoder, from its input to the final norm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from olmoearth_nb.evaluation.observations import View
from olmoearth_nb.model.encoder import Encoder

INPUT, OUTPUT = "tokens", "norm"
"""Names of the first and the last layer: the input of the first block, and the output of the final norm."""

BATCH = 128
"""Patches at a time; each is a few tokens."""


def layer_names(encoder: Encoder) -> list[str]:
    """Names of the layers in their order."""
    return [INPUT, *(f"block {number}" for number in range(1, len(encoder.blocks) + 1)), OUTPUT]


def embed_layers(encoder: Encoder, view: View) -> dict[str, np.ndarray]:
    """The mean over the tokens of each observation, one date of a patch, behind every layer.

    Args:
        encoder: any encoder that reads the sensor; it is put into evaluation mode and stays on its device.
        view: n patches of T dates, of which nothing is missing.

    Returns:
        Name of a layer -> (n T, D) float32, in the order of the observations.

    Raises:
        ValueError: if the encoder does not read the sensor.
    """
    encoder.eval()
    device, patch_size = next(encoder.parameters()).device, view.images.shape[1]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layer_names(encoder)}
    with torch.inference_mode(), layers_heard(encoder) as heard:
        for start in range(0, len(view.images), BATCH):
            heard.clear()
            grid = encoder(view.batch(slice(start, start + BATCH)).to(device), patch_size).grid
            for name, tokens in zip(parts, heard, strict=True):  # all tokens are there, so that they run as one group
                dates = grid.unflatten(tokens, view.sensor).mean((1, 2, 4))  # (B, T, D)
                parts[name].append(dates.flatten(0, 1).float().cpu().numpy())
    return {name: np.concatenate(found) for name, found in parts.items()}


@contextmanager
def layers_heard(encoder: Encoder) -> Iterator[list[Tensor]]:
    """A list that every pass of the encoder fills with the (B, N, D) tokens behind each layer."""
    heard: list[Tensor] = []

    def before(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        heard.append(given[0])

    def behind(_: nn.Module, __: object, result: Tensor) -> None:
        heard.append(result)

    hooks = [encoder.blocks[0].register_forward_pre_hook(before)]
    hooks += [layer.register_forward_hook(behind) for layer in (*encoder.blocks, encoder.norm)]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
