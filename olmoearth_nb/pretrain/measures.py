"""What a recipe makes of a corpus before anything is learnt: the roles of tokens, and how far apart targets are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch.nn import functional as F

from olmoearth_nb.grid import Role
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.pretrain.batches import MicroBatch


def role_fractions(micro_batches: Iterable[MicroBatch], modality: str = "sentinel2_l2a") -> dict[Role, float]:
    """Which fraction of the tokens of a modality has which role, over both views.

    Args:
        micro_batches: some of a run.
        modality: name.
    """
    counts: Counter[int] = Counter()
    for micro in micro_batches:
        counts.update(micro.roles[..., micro.grid.slices[modality]].flatten().tolist())
    total = sum(counts.values())
    return {role: counts[role] / total for role in Role}


def target_angle(model: OlmoEarth, micro_batches: Iterable[MicroBatch], modality: str = "sentinel2_l2a") -> float:
    """Mean angle in degrees between the targets of one sample, of a modality and both views' hidden tokens.

    Small angles are a weak signal: patch discrimination has to tell targets apart that all but coincide. Targets of
    different band groups come from different frozen projections, so that three groups have wider angles than one.

    Args:
        model: its frozen targets.
        micro_batches: some of a run.
        modality: name.

    Returns:
        Mean over samples of the mean over pairs; NaN if no sample has a pair.
    """
    angles = []
    for micro in micro_batches:
        hidden = (micro.roles == Role.DECODER).any(0)[:, micro.grid.slices[modality]]  # (B, n)
        with torch.no_grad():
            targets = model.target_encoder.patch_embeddings(micro.images, micro.grid)[:, micro.grid.slices[modality]]
        for tokens, chosen in zip(targets, hidden, strict=True):
            unit = F.normalize(tokens[chosen].double(), dim=-1)  # (m, D)
            if len(unit) > 1:
                row, column = torch.triu_indices(len(unit), len(unit), 1)
                angles.append((unit @ unit.T)[row, column].clamp(-1, 1).arccos().mean())
    return float(torch.stack(angles).mean().rad2deg()) if angles else float("nan")
