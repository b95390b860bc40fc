"""Which patches of a scene geometries cover, and the mean of their embeddings.

Geometries are shapely's. Unless said otherwise their coordinates are columns and rows of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from rich.progress import track

from olmoearth_nb.errors import counted, warn
from olmoearth_nb.evaluation.embed import embed_window
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.scene import Scene

_TOUCH = 1e-6
"""Pixels, or pixels squared, that may be an error of rounding."""


MOST = 4_000_000
"""Patches that a polygon may span: 80 x 80 km at patches of 4 px, hours of embedding."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Which patches belong to which feature, as parallel arrays.

    Attributes:
        owner: (n,) number of the feature.
        row: (n,) patch row in the scene.
        column: (n,) patch column.
    """

    owner: np.ndarray
    row: np.ndarray
    column: np.ndarray


def in_pixels(geometries: np.ndarray, georeference: Georeference) -> np.ndarray:
    """(n,) valid geometries in pixels, from longitude and latitude.

    A geometry that the scene's coordinate system does not reach becomes None.
    """
    shapes = shapely.transform(geometries, georeference.to_pixels, interleaved=False)
    at, owner = shapely.get_coordinates(shapes, return_index=True)
    shapes[owner[~np.isfinite(at).all(1)]] = None
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = shapely.make_valid(shapes[invalid])
    return shapes


def fractions_inside(shapes: np.ndarray, height: int, width: int) -> np.ndarray:
    """(n,) fraction of each geometry's area that lies in the scene; 1 or 0 for a point."""
    x, y = shapely.get_x(shapes), shapely.get_y(shapes)
    points = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    whole = shapely.covers(shapely.box(-_TOUCH, -_TOUCH, width + _TOUCH, height + _TOUCH), shapes)
    inner = shapely.area(shapely.intersection(shapes, shapely.box(0, 0, width, height)))
    parts = np.divide(inner, shapely.area(shapes), out=np.zeros(len(shapes)), where=inner > _TOUCH)
    is_point = shapely.get_type_id(shapes) == shapely.GeometryType.POINT
    return np.where(is_point, points, np.where(whole, 1.0, parts))


def covered(shapes: Sequence[Any] | np.ndarray, height: int, width: int, patch_size: int) -> Patches:
    """The whole patches that each geometry covers.

    A point has the patch that holds it. A polygon has those whose centre it holds; if it holds none, the patch of a
    point inside it.
    """
    rows, columns = height // patch_size, width // patch_size
    scene, parts = shapely.box(0, 0, width, height), []
    for number, shape in enumerate(shapes):
        at = np.zeros((0, 2), dtype=np.int64)
        if shape.geom_type != "Point":
            at = _centres_inside(shape, rows, columns, patch_size)
            shape = shapely.intersection(shape, scene).representative_point()
        if not len(at):
            at = np.array([[shape.y // patch_size, shape.x // patch_size]], dtype=np.int64)
        at = at[(at < [rows, columns]).all(1)]
        parts.append(np.column_stack([np.full(len(at), number), at]))
    owner, row, column = np.concatenate(parts).T
    return Patches(owner, row, column)


def _centres_inside(shape: Any, rows: int, columns: int, patch_size: int) -> np.ndarray:
    """(n, 2) row and column of the patches whose centre lies inside a geometry.

    Raises:
        ValueError: if the geometry spans more patches than are looked at.
    """
    left, top, right, bottom = np.asarray(shape.bounds) / patch_size
    row = np.arange(max(int(top), 0), min(int(bottom) + 1, rows))
    column = np.arange(max(int(left), 0), min(int(right) + 1, columns))
    if len(row) * len(column) > MOST:
        raise ValueError(
            f"a polygon spans {len(row) * len(column):,} patches of {patch_size} px, at most {MOST:,} are looked at; "
            "cut it in pieces, or take larger patches"
        )
    grid = np.stack(np.meshgrid(row, column, indexing="ij"), -1).reshape(-1, 2)
    y, x = (grid.T + 0.5) * patch_size
    return grid[shapely.contains_xy(shape, x, y)]


def mean_embeddings(
    encoder: Encoder, scene: Scene, patches: Patches, count: int, window: int, patch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean embedding of each feature's patches, from the windows that hold them.

    Args:
        encoder: any encoder; it is put into evaluation mode.
        scene: of which only the windows that hold a patch are read.
        patches: those of each feature.
        count: number of features.
        window: edge of what the encoder sees at once, in pixels.
        patch_size: P.

    Returns:
        (count, D) float32 means, NaN with a warning where no patch was observed, and (count,) numbers of observed
        patches.

    Raises:
        ValueError: if no patch of any feature was observed.
    """
    edge = window // patch_size
    sums, counts = np.zeros((count, encoder.config.width)), np.zeros(count, dtype=np.int64)
    at = np.column_stack([patches.row // edge, patches.column // edge])
    windows, which = np.unique(at, axis=0, return_inverse=True)
    members = np.split(np.argsort(which.reshape(-1), kind="stable"), np.cumsum(np.bincount(which.reshape(-1)))[:-1])
    steps = list(zip(windows.tolist(), members, strict=False))
    encoder.eval()
    for (row, column), here in track(steps, "embedding windows", transient=True, disable=len(steps) < 20):
        embedded = embed_window(encoder, scene, row * window, column * window, window, patch_size)
        if embedded is None:
            continue
        values = embedded[patches.row[here] - row * edge, patches.column[here] - column * edge]
        seen = np.isfinite(values).all(1)
        np.add.at(sums, patches.owner[here][seen], values[seen])
        np.add.at(counts, patches.owner[here][seen], 1)
    without = int((counts == 0).sum())
    if without == count:
        raise ValueError("none of the features lies on a patch that was observed on any date: there is no embedding")
    if without:
        lie = "lies" if without == 1 else "lie"
        message = f"{without} of {counted(count, 'feature')} {lie} where no whole patch was observed on any date"
        warn(f"{message}; the embedding is NaN there")
    with np.errstate(invalid="ignore"):
        return (sums / counts[:, None]).astype(np.float32), counts
