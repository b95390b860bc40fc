"""Whether the borders of windows show in a map."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olmoearth_nb.io.raster import open_raster
from olmoearth_nb.maps.windows import Tiling


@dataclass(frozen=True)
class Seams:
    """Steps between neighbouring cells.

    Attributes:
        across: mean step across the borders of windows.
        inside: mean step elsewhere.
    """

    across: float
    inside: float

    @property
    def ratio(self) -> float:
        """1 where borders do not show, larger where they do."""
        return self.across / self.inside


def seams(values: np.ndarray, tiling: Tiling, cells: int = 1) -> Seams:
    """Steps across the borders of windows beside those inside; a step is the distance of two cells' numbers.

    Args:
        values: (rows, columns, K) numbers of a map, NaN where unobserved.
        tiling: its windows.
        cells: edge of a patch in cells; cells of one patch are not compared.

    Raises:
        ValueError: if the numbers are not of these windows, or there is no step of one of the two kinds.
    """
    if values.ndim != 3 or values.shape[:2] != tiling.shape:
        raise ValueError(f"the numbers must be (rows, columns, K) of {tiling.shape}, got {values.shape}")
    across: list[np.ndarray] = []
    inside: list[np.ndarray] = []
    for axis in (0, 1):
        steps = np.linalg.norm(np.diff(values.astype(np.float64), axis=axis), axis=2)
        at = np.arange(1, values.shape[axis])
        border = np.isin(at, tiling.borders(axis))
        for kind, where in ((across, border), (inside, ~border & (at % cells == 0))):
            kind.append(steps.compress(where, axis=axis).ravel())
    means = [np.concatenate(kind) for kind in (across, inside)]
    means = [kind[np.isfinite(kind)] for kind in means]
    if not all(map(len, means)):
        raise ValueError("there is no border of a window, or nothing but borders, where something was observed")
    return Seams(float(means[0].mean()), float(means[1].mean()))


def read_map(path: str | os.PathLike[str]) -> tuple[np.ndarray, Tiling]:
    """The numbers of a whole map, in memory, and its windows.

    Args:
        path: what `make_map` wrote.

    Returns:
        (rows, columns, K) float32, NaN where unobserved, and the windows.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no map of `make_map`.
    """
    with open_raster(path) as file:
        tags = file.tags()
        if lacks := [name for name in ("WINDOW", "STRIDE", "BLENDING", "PATCH_SIZE", "CELLS") if name not in tags]:
            raise ValueError(f"{Path(path).name} is no map made here: its tags lack {', '.join(lacks)}")
        p, cells = int(tags["PATCH_SIZE"]), int(tags["CELLS"])
        window, stride = (int(tags[name]) // p * cells for name in ("WINDOW", "STRIDE"))
        stored = np.moveaxis(file.read(), 0, 2)
        values = np.array(file.offsets) + np.array(file.scales) * stored
        values[(stored == file.nodata).any(2)] = np.nan
        return values.astype(np.float32), Tiling((file.height, file.width), window, stride, tags["BLENDING"])
