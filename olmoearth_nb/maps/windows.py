"""Where the windows of a scene lie, and how those that overlap are blended.

The encoder sees one window at a time. What it tells of a place depends on where in the window the place lies, so that a
map of windows side by side has steps at their borders. Windows that overlap, weighted by a raised cosine that is almost
0 at their borders, have none. All positions are counted in cells, the pixels of the map.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BLENDINGS = ("cosine", "margin")
"""cosine: a weighted mean of all windows that hold a cell; margin: the window whose border is farthest."""

Block = tuple[int, int, int, int]
"""First row, first column, height and width in cells."""


@dataclass(frozen=True, eq=False)
class Part:
    """A window along one axis.

    Attributes:
        start: its first cell.
        weights: of each of its cells, from 0 to 1.
    """

    start: int
    weights: np.ndarray

    def within(self, first: int, count: int) -> bool:
        """Whether any of so many cells, from the first on, has a weight here."""
        return bool(self.weights[max(0, first - self.start) : max(0, first + count - self.start)].any())


@dataclass(frozen=True)
class Tiling:
    """Windows over a map.

    Attributes:
        shape: rows and columns of the map.
        window: edge of a window, as long as the map is large enough.
        stride: from one window to the next; the last one is moved back so that it ends where the map ends.
        blending: one of `BLENDINGS`.
    """

    shape: tuple[int, int]
    window: int
    stride: int
    blending: str = "cosine"

    def __post_init__(self) -> None:
        if self.blending not in BLENDINGS:
            raise ValueError(f"blending is one of {', '.join(BLENDINGS)}, got {self.blending!r}")
        if min(self.shape) < 1:
            raise ValueError(f"a map has at least one row and one column, got {self.shape}")

    def starts(self, axis: int) -> tuple[int, ...]:
        """First cells of the windows along an axis, in order."""
        last = self.shape[axis] - self.window
        return (*range(0, last, self.stride), last) if last > 0 else (0,)

    def parts(self, axis: int) -> list[Part]:
        """The windows along an axis, in order."""
        starts, total = self.starts(axis), self.shape[axis]
        size = min(self.window, total)
        if self.blending == "cosine":
            weights = np.sin(math.pi * (np.arange(size) + 0.5) / size) ** 2
            return [Part(start, weights) for start in starts]
        cuts, parts = self._cuts(axis), []
        for start, first, last in zip(starts, [0, *cuts], [*cuts, total], strict=True):
            at = np.arange(start, start + size)
            parts.append(Part(start, ((at >= first) & (at < last)).astype(float)))
        return parts

    def _cuts(self, axis: int) -> list[int]:
        """Middles of the overlaps of neighbouring windows along an axis."""
        return [(before + self.window + start) // 2 for before, start in pairwise(self.starts(axis))]

    def corners(self) -> list[tuple[int, int]]:
        """First row and column of all windows, row by row."""
        return [(row, column) for row in self.starts(0) for column in self.starts(1)]

    def borders(self, axis: int) -> np.ndarray:
        """Cells along an axis that are the first behind a border, in order; not at the map's own edge.

        A border is where any window begins or ends; where windows are cut, it is the cut.
        """
        if self.blending == "margin":
            return np.array(self._cuts(axis), dtype=np.int64)
        starts = self.starts(axis)
        inner = {*starts, *(start + self.window for start in starts)} - {0}
        return np.array(sorted(at for at in inner if at < self.shape[axis]), dtype=np.int64)

    def blocks(self, edge: int) -> list[Block]:
        """The map in squares of so many cells, row by row; they end where the map ends."""
        rows, columns = self.shape
        return [
            (row, column, min(edge, rows - row), min(edge, columns - column))
            for row in range(0, rows, edge)
            for column in range(0, columns, edge)
        ]


Read = Callable[[int, int], "np.ndarray | None"]
"""First row and column of a window in cells -> (rows, columns, K), NaN where unobserved; None if nothing was seen."""


def blended(tiling: Tiling, read: Read, block: Block, depth: int) -> np.ndarray:
    """A block of the map, from all windows that touch it.

    A cell is the sum of its windows in their order, so it does not depend on the block that it is computed in.

    Args:
        tiling: the windows.
        read: gives one.
        block: which part of the map.
        depth: K.

    Returns:
        (height, width, K) float64, NaN where no window observed anything.
    """
    top, left, height, width = block
    sums, total = np.zeros((height, width, depth)), np.zeros((height, width, 1))
    for down in tiling.parts(0):
        if not down.within(top, height):
            continue
        for across in tiling.parts(1):
            values = read(down.start, across.start) if across.within(left, width) else None
            if values is None:
                continue
            rows, of_rows = _shared(down.start, values.shape[0], top, height)
            columns, of_columns = _shared(across.start, values.shape[1], left, width)
            part = values[of_rows, of_columns].astype(np.float64)
            seen = np.isfinite(part).all(2, keepdims=True)
            weights = np.outer(down.weights[of_rows], across.weights[of_columns])[..., None] * seen
            sums[rows, columns] += weights * np.where(seen, part, 0.0)
            total[rows, columns] += weights
    return np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)


def _shared(start: int, size: int, first: int, count: int) -> tuple[slice, slice]:
    """The cells that a window and a block share along an axis, counted in the block and in the window."""
    low, high = max(start, first), min(start + size, first + count)
    return slice(low - first, high - first), slice(low - start, high - start)
