"""What single bands do to a number: ablation, and integrated gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.insight.coalitions import Output, of_coalitions
from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import Removal
from olmoearth_nb.sample import Batch


def ablation(output: Output, batch: Batch, players: Players, removal: Removal) -> np.ndarray:
    """What a number loses where one player is removed: f(N) - f(N-i), mean over draws.

    Args:
        output: (R changed samples, which) -> (R,).
        batch: B samples.
        players: who is removed, one at a time.
        removal: what takes the place of removed bands.

    Returns:
        (B, n).
    """
    coalitions = np.concatenate([np.ones((1, len(players)), bool), ~np.eye(len(players), dtype=bool)])
    found = [values.mean(0) for values in of_coalitions(output, batch, players, removal, coalitions)]  # (1 + n,) each
    return np.stack([values[0] - values[1:] for values in found])


def integrated_gradients(
    output: Output, batch: Batch, players: Players, removal: Removal, steps: int = 32
) -> np.ndarray:
    """Integrated gradients (Sundararajan, Taly and Yan 2017) of each player's pixels, by captum, mean over draws.

    The straight way from stand-in to image is gone in steps; each player gets the sum over its pixels of the mean
    gradient times the difference. All players together get f(N) - f(nobody), but for the error of the steps.

    Args:
        output: (R changed samples, which) -> (R,), differentiable: `outputs.along` of an embedding, no probe's logit.
        batch: B samples of which everything was observed.
        players: whose parts are summed up; bands that no player holds stay as they are.
        removal: what the way begins at.
        steps: of the integral (Gauss-Legendre).

    Returns:
        (B, n).

    Raises:
        ModuleNotFoundError: without captum.
    """
    from captum.attr import IntegratedGradients

    players.require_in(batch)
    image, player = batch.images[players.modality], torch.from_numpy(players.player_of_channel)
    found = np.zeros((len(batch), len(players)))
    for sample, stand_in in enumerate(removal.of_each(batch, players)):

        def number(pixels: Tensor, sample: int = sample) -> Tensor:
            dates = batch.timestamps[sample].expand(len(pixels), -1, -1)
            rest = {name: other[sample].expand(len(pixels), *other.shape[1:]) for name, other in batch.images.items()}
            return output(Batch({**rest, players.modality: pixels}, dates), np.full(len(pixels), sample))

        start = torch.where(player.to(image.device) < 0, image[sample], stand_in)  # (draws, H, W, T, C)
        here = image[sample].expand_as(start).clone()
        parts = IntegratedGradients(number).attribute(
            here, start, n_steps=steps, internal_batch_size=max(len(start), 64)
        )
        by_channel = parts.double().flatten(1, -2).sum(1).mean(0).cpu().numpy()  # (C,)
        found[sample] = [by_channel[players.player_of_channel == one].sum() for one in range(len(players))]
    return found
