"""What a map shows: numbers of every cell of a window, from what the encoder makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.evaluation.embed import encode_window
from olmoearth_nb.model.encoder import Encoded, Encoder
from olmoearth_nb.scene import Scene

Show = Callable[[Encoded], Tensor]
"""From one encoded window to (1, rows, columns, K) numbers of cells, NaN where nothing was observed."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Reads windows of a scene, one at a time, so that a window's numbers depend on nothing else.

    Attributes:
        encoder: in evaluation mode.
        patch_size: P, in pixels.
        cells: edge of a patch in cells: 1 where a patch is a pixel of the map, P where the map is as fine as the scene.
        depth: K, numbers of a cell.
        show: what they are.
    """

    encoder: Encoder
    patch_size: int
    cells: int
    depth: int
    show: Show

    def window(self, scene: Scene, row: int, column: int, edge: int) -> np.ndarray | None:
        """(rows, columns, K) float32 of a window, NaN where unobserved; None if nothing was observed.

        Args:
            scene: of which the window is read.
            row: first row in cells, the first of a patch.
            column: likewise.
            edge: in cells; the window ends where the scene ends.
        """
        top, left, size = (at // self.cells * self.patch_size for at in (row, column, edge))
        encoded = encode_window(self.encoder, scene, top, left, size, self.patch_size)
        if encoded is None:
            return None
        with torch.no_grad():
            return self.show(encoded)[0].float().cpu().numpy()


def embeddings(encoded: Encoded) -> Tensor:
    """The embedding of each patch."""
    return encoded.pool_patches()


def linear(weight: np.ndarray, bias: np.ndarray) -> Show:
    """A linear layer on the embedding of each patch.

    Args:
        weight: (K, D).
        bias: (K,).
    """
    w, b = torch.from_numpy(weight).double(), torch.from_numpy(bias).double()

    def show(encoded: Encoded) -> Tensor:
        return encoded.pool_patches().cpu().double() @ w.T + b  # (1, h, w, K)

    return show
