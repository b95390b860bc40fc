"""The losses of pretraining, in float32 whatever the rest runs in.

* *Patch discrimination*: among all hidden tokens of one sample and modality, which target belongs to this prediction?
  With normalised predictions p_i and targets t_j and the temperature tau = 0.1,

      s_ij = p_i . t_j / tau,    loss = 2 tau mean_i( -log( exp(s_ii) / sum_j exp(s_ij) ) ).

* *Masked negatives* (v1.1, maps alone): a target that all but equals the right one (cosine above 0.999) is no negative.
* *Contrast of the two views*: which of the batch's second views belongs to this first view?

Source: the public OlmoEarth configuration and papers (arXiv 2511.13655); constants are theirs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from olmoearth_nb.bands import modality
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.model.packing import Packing

TEMPERATURE = 0.1
SAME = 0.999
"""Cosine above which two targets count as the same (masked negatives)."""


def patch_discrimination(
    predictions: Tensor,
    targets: Tensor,
    roles: Tensor,
    grid: TokenGrid,
    masked_negatives: bool = False,
    views: int = 1,
) -> Tensor:
    """Sum over modalities of the mean, over samples with any hidden token, of each sample's loss.

    Args:
        predictions: (B, N, D); only those of DECODER tokens are read.
        targets: (B, N, D).
        roles: (B, N) `Role`.
        grid: what each token is.
        masked_negatives: whether equal targets of maps are taken out of the negatives. A sample whose hidden tokens
            of a map are all equal to another is then left out for that map: nothing can be told apart.
        views: how many views of the same samples B are, one behind the other; the result is the mean of their losses.

    Returns:
        () float32; 0 where nothing is hidden.
    """
    total = predictions.new_zeros((), dtype=torch.float32)
    for name, span in grid.slices.items():
        hidden = Packing(roles[:, span] == Role.DECODER, predictions.device)
        if hidden.longest:  # some token of this modality is predicted in some sample
            only_different = masked_negatives and modality(name).decode_only
            total = total + _of_modality(predictions[:, span], targets[:, span], hidden, only_different, views)
    return total


def _of_modality(predictions: Tensor, targets: Tensor, hidden: Packing, masked_negatives: bool, views: int) -> Tensor:
    """Mean loss of the samples of one modality, and mean of that over views."""
    with torch.autocast(predictions.device.type, enabled=False):
        p, t = (F.normalize(hidden.pack(x).float(), dim=-1) for x in (predictions, targets))  # (B, M, D)
        real, count = hidden.real, hidden.keep.sum(1)  # (B, M), True = a token, False = padding; (B,)
        itself = torch.eye(p.shape[1], dtype=torch.bool, device=p.device)  # (M, M)
        candidates = real[:, None, :] | itself  # (B, M, M), True = among the answers to choose from
        used = count > 0  # (B,)
        if masked_negatives:
            candidates = candidates & ((t @ t.mT <= SAME) | itself)
            # a token whose every negative is gone has a loss of 0 whatever is predicted: the sample says nothing
            alone = (candidates.sum(-1) == 1) & real & (count > 1)[:, None]
            used = used & ~alone.any(1)
        scores = (p @ t.mT / TEMPERATURE).masked_fill(~candidates, float("-inf"))  # (B, M, M)
        each = scores.logsumexp(-1) - scores.diagonal(dim1=1, dim2=2)  # (B, M), -log softmax of the right answer
        of_sample = each.masked_fill(~real, 0.0).sum(1) / count.clamp(min=1)  # (B,)
        lost, counted = (x.view(views, -1).sum(1) for x in (of_sample.masked_fill(~used, 0.0), used))  # (views,)
        return 2 * TEMPERATURE * (lost / counted.clamp(min=1)).mean()


def contrast(first: Tensor, second: Tensor) -> Tensor:
    """InfoNCE from the first view of each sample to the second views of the micro-batch, in one direction.

    Args:
        first: (B, D) projected means of the first views.
        second: (B, D) of the second views.

    Returns:
        () float32, before its weight.
    """
    with torch.autocast(first.device.type, enabled=False):
        scores = F.normalize(first.float(), dim=-1) @ F.normalize(second.float(), dim=-1).T / TEMPERATURE  # (B, B)
        return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))  # the diagonal is right


def chance_and_best(
    targets: Tensor, roles: Tensor, grid: TokenGrid, masked_negatives: bool = False
) -> tuple[Tensor, Tensor]:
    """What patch discrimination is worth for a predictor that knows nothing, and for one that knows the targets.

    The second is not zero: targets resemble each other, and the temperature is finite.

    Args:
        targets: (B, N, D).
        roles: (B, N) `Role`.
        grid: what each token is.
        masked_negatives: as in `patch_discrimination`.
    """
    nothing = torch.zeros_like(targets)
    return (
        patch_discrimination(nothing, targets, roles, grid, masked_negatives),
        patch_discrimination(targets, targets, roles, grid, masked_negatives),
    )
