"""Attention rollout: how much of each input token is in a token after some blocks, if attention were all.

A block adds what attention brings to what is there already. Rollout takes both as equal parts, A~ = (A + I) / 2, with
A the mean of the heads, and multiplies the blocks: R = A~_L ... A~_2 A~_1. Source: Abnar and Zuidema 2020, "Quantifying
attention flow in transformers" (arXiv 2005.00928), section on attention rollout.

R has N x N entries and is never made. What is asked of it are few columns, summed over a band group, which go up
through the blocks beside the tokens, or few rows, which go down through kept queries and keys. Values, MLPs and norms
have no part in it, so it is a picture of routes and not of effects.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


def step(attended: Tensor, before: Tensor) -> Tensor:
    """A~ X = (A X + X) / 2 of one block; also X A~, with X A in place of A X."""
    return (attended + before) / 2


def uniform_rollout(uniform: np.ndarray, depth: int) -> np.ndarray:
    """What uniform attention gives: 2^-l of the token itself, and the rest spread evenly after l blocks.

    If every row of U holds the same fractions, then U U = U, and ((U + I) / 2)^l = 2^-l I + (1 - 2^-l) U.

    Args:
        uniform: (S, S) uniform attention of each group to each; its rows are alike in the simplest case.
        depth: L, number of blocks.

    Returns:
        (L, S, S) after 1 to L blocks.
    """
    stays = 0.5 ** np.arange(1, depth + 1)[:, None, None]
    return stays * np.eye(len(uniform)) + (1 - stays) * uniform


def rows_of_rollout(start: Tensor, blocks: Iterable[Iterable[tuple[Tensor, Tensor]]]) -> Tensor:
    """Some rows of R, from the last block down.

    Args:
        start: (n, M), 1 at the token of each row.
        blocks: the blocks from the last to the first; each is (places of c queries, (heads, c, M) their attention)
            until all queries have come.

    Returns:
        (n, M), each row summing to 1.
    """
    rows = start
    for block in blocks:
        attended = torch.zeros_like(rows)
        for places, weights in block:
            attended += rows[:, places] @ weights.mean(0)
        rows = step(attended, rows)
    return rows
