"""Masked views of one sample, and what the encoder sees near the tokens that it has to predict."""

from __future__ import annotations

from torch import Tensor

from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.recipes import Recipe
from olmoearth_nb.sample import Batch, Sample

NEIGHBOURS = (
    "its own sensor, same patch and date",
    "its own sensor, same patch, another date",
    "its own sensor, same date, another patch",
    "another sensor, same patch and date",
)
"""Where the encoder may see something near a hidden token. The first one is another group of bands."""


def masked_views(sample: Sample, recipe: Recipe, patch_size: int, seed: int = 0, pairs: int = 1) -> list[Tensor]:
    """Masked views of a sample, drawn as pretraining draws them.

    Args:
        sample: a place.
        recipe: its tokenization and masking are used.
        patch_size: P.
        seed: of the run.
        pairs: how many steps; each masks the sample twice.

    Returns:
        (N,) tensors of `Role`, two for each step, in the order of `sample.grid(recipe.tokenization, patch_size)`.
    """
    batch = Batch.from_samples(sample)
    grid = batch.grid(recipe.tokenization, patch_size)
    _, missing = observed(batch.images, grid)
    steps = [(step, view) for step in range(pairs) for view in range(2)]
    return [draw_roles(recipe.masking, grid, missing, seed, [0], step, view)[0] for step, view in steps]


def seen_near(grid: TokenGrid, roles: Tensor, modality: str = "sentinel2_l2a") -> dict[str, int]:
    """For how many hidden tokens of a sensor the encoder sees something near.

    Args:
        grid: the layout.
        roles: (N,) `Role` of each token.
        modality: the sensor whose hidden tokens are counted.

    Returns:
        "hidden" -> how many tokens are to be predicted, and each of `NEIGHBOURS` -> of how many of them the encoder
        sees such a neighbour.
    """
    own = grid.where(modality)
    hidden, seen = own & (roles == Role.DECODER), roles == Role.ONLINE
    row, column, time = ((x[hidden][:, None], x[seen][None]) for x in (grid.row, grid.column, grid.time))
    patch = (row[0] == row[1]) & (column[0] == column[1])  # (hidden, seen)
    date, sensor = time[0] == time[1], own[seen][None]
    near = (patch & date & sensor, patch & ~date & sensor, ~patch & date & sensor, patch & date & ~sensor)
    return {"hidden": int(hidden.sum())} | {
        name: int(where.any(1).sum()) for name, where in zip(NEIGHBOURS, near, strict=True)
    }
