"""Random fields and partitions of the plane that outlines are drawn from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree


def smooth(shape: tuple[int, int], scale: float, generator: np.random.Generator) -> np.ndarray:
    """A smooth random field with mean 0 and standard deviation 1.

    White noise as coefficients of cubic B-splines on a coarse grid.

    Args:
        shape: of the field.
        scale: length in cells over which it changes.
        generator: draws it.
    """
    down, across = (_splines(edge, scale) for edge in shape)
    field = down @ generator.standard_normal((down.shape[1], across.shape[1])) @ across.T
    return quantise((field - field.mean()) / field.std())


@lru_cache(maxsize=64)
def _splines(edge: int, scale: float) -> np.ndarray:
    """(edge, knots) weight of each knot's cubic B-spline at each cell."""
    at = np.arange(edge)[:, None] / scale + 1.0 - np.arange(int(np.ceil(edge / scale)) + 4)
    far = np.abs(at)
    return np.where(far < 1, 2 / 3 - far**2 + far**3 / 2, np.clip(2 - far, 0, None) ** 3 / 6)


def rough(shape: tuple[int, int], scale: float, generator: np.random.Generator, octaves: int = 4) -> np.ndarray:
    """Smooth fields of halving scale and weight, added up: hills, clouds, ragged outlines."""
    field = np.sum([0.5**i * smooth(shape, max(scale / 2**i, 2.0), generator) for i in range(octaves)], axis=0)
    return quantise((field - field.mean()) / field.std())


def quantise(field: np.ndarray | float, steps: float = 2.0**16) -> np.ndarray:
    """Rounds to a grid, so that the last bits of a machine's mathematics do not pass on."""
    return np.round(field * steps) / steps


def nearest(cells: np.ndarray, seeds: np.ndarray, turn: float = 0.0, stretch: float = 1.0) -> np.ndarray:
    """Which seed is nearest to each cell, in a turned and stretched metric.

    Args:
        cells: (n, 2) row and column.
        seeds: (m, 2) row and column.
        turn: direction of the long side in radians.
        stretch: how many times longer than wide.

    Returns:
        (n,) index of the seed.
    """
    sine, cosine = np.sin(turn), np.cos(turn)
    axes = quantise(np.array([[sine / stretch, cosine], [cosine / stretch, -sine]]), 2.0**20)
    return cKDTree(seeds @ axes).query(cells @ axes)[1]
