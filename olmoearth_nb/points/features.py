"""Embeddings of points and polygons in a scene, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from olmoearth_nb.bands import modality
from olmoearth_nb.errors import warn
from olmoearth_nb.evaluation.embed import embed_window
from olmoearth_nb.georeference import Georeference, degrees
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.points.geojson import Feature
from olmoearth_nb.points.tables import feature_table
from olmoearth_nb.sample import Sample
from olmoearth_nb.tokenization import check_patch_size

if TYPE_CHECKING:
    import pandas as pd

PATCHES = 16
"""Edge of a window in patches unless another is asked for: 64 px for patches of 4 px."""

_TOUCH = 1e-6
"""Pixels, or pixels squared, that may be an error of rounding."""


@dataclass(frozen=True, eq=False)
class _Patches:
    """Which patches belong to which feature, as parallel arrays.

    Attributes:
        owner: (n,) number of the feature.
        row: (n,) patch row in the scene.
        column: (n,) patch column.
    """

    owner: np.ndarray
    row: np.ndarray
    column: np.ndarray


def embed_features(
    encoder: Encoder,
    sample: Sample,
    features: Sequence[Feature],
    patch_size: int = 4,
    *,
    window: int | None = None,
    outside: Literal["error", "skip"] = "error",
    model: str = "",
) -> pd.DataFrame:
    """Embeds features by the patches that they cover: one row for each, as `tables.feature_table` writes them.

    A point has the embedding of the patch that holds it; a polygon the mean of those whose centre it holds or, if it
    holds none, the patch of a point inside it. A patch's embedding is that of `Encoded.pool_patches`. The encoder sees
    the scene window by window, only those that are needed, and nothing beyond a window's edge: another window gives
    (slightly) other embeddings.

    Args:
        encoder: any encoder; it stays on its device and is put into evaluation mode.
        sample: a scene that knows its place. Windows and patches are counted from its upper left corner; pixels that
            do not fill a patch at its lower and right edge have no embedding.
        features: what to embed.
        patch_size: P.
        window: edge of a window in pixels, a multiple of P; 16 patches by default.
        outside: what to do with features of which no part lies in the scene: "error" or "skip" with a warning.
        model: what to write into the column of that name.

    Returns:
        The features in order, with the columns `inside` (share of the area in the scene; 1 for points), `patches` (how
        many make up the embedding), `patch_size`, `model` and `tokenization`. Where no patch was observed on any date,
        `patches` is 0 and the embedding NaN, with a warning.

    Raises:
        ValueError: for a scene without a place or sensors, no features, features outside, patches or windows that
            cannot be, or if no feature gets an embedding.
    """
    window = _checked(sample, features, patch_size, window, outside)
    sample = replace(sample, images={k: v for k, v in sample.images.items() if not modality(k).decode_only})
    where = [_in_pixels(feature.geometry, sample.georeference) for feature in features]
    shares = np.array([_share(shape, *_size(sample)) for shape in where])
    _say_outside(np.flatnonzero(shares == 0), features, sample, outside)
    kept = np.flatnonzero(shares).tolist()
    patches = _covered([where[number] for number in kept], *_size(sample), patch_size)
    means, counts = _means(encoder, sample, patches, len(kept), window, patch_size)
    facts = {"inside": shares[kept], "patches": counts, "patch_size": patch_size, "model": model}
    facts["tokenization"] = encoder.config.tokenization.name
    return feature_table([features[number] for number in kept], kept, facts, means)


def _size(sample: Sample) -> tuple[int, int]:
    """Height and width of a sample in pixels."""
    height, width = next(iter(sample.images.values())).shape[:2]
    return height, width


def _checked(sample: Sample, features: Sequence[Feature], patch_size: int, window: int | None, outside: str) -> int:
    """The window's edge, after a look at everything that was given."""
    check_patch_size(patch_size)
    window = PATCHES * patch_size if window is None else window
    if window < patch_size or window % patch_size:
        raise ValueError(f"a window is a multiple of the patch size, {patch_size} px, got {window}")
    if outside not in ("error", "skip"):
        raise ValueError(f"outside must be 'error' or 'skip', got {outside!r}")
    if not features:
        raise ValueError("there are no features to embed")
    require_place(sample)
    if all(modality(name).decode_only for name in sample.images):
        raise ValueError(f"{sample.title} has no sensor to encode, only {list(sample.images)}")
    return window


def require_place(sample: Sample) -> None:
    """Raises a ValueError unless a sample says where on Earth its pixels lie."""
    if sample.georeference is None:
        raise ValueError(
            f"{sample.title} does not say where on Earth its pixels lie ({sample.provenance}); give a scene with a "
            "coordinate system, such as a GeoTIFF"
        )


def _in_pixels(geometry: Any, georeference: Georeference | None) -> Any:
    """The geometry in columns and rows of the scene; None where its coordinate system does not reach."""
    import shapely

    assert georeference is not None
    shape = shapely.transform(geometry, georeference.to_pixels, interleaved=False)
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        return None
    return shape if shape.is_valid else shapely.make_valid(shape)


def _share(shape: Any, height: int, width: int) -> float:
    """The share of a geometry, in pixels, that lies in the scene."""
    import shapely

    if shape is None:
        return 0.0
    if shape.geom_type == "Point":
        return float(0 <= shape.x < width and 0 <= shape.y < height)
    if shapely.box(-_TOUCH, -_TOUCH, width + _TOUCH, height + _TOUCH).covers(shape):
        return 1.0
    area = shapely.intersection(shape, shapely.box(0, 0, width, height)).area
    return float(area / shape.area) if area > _TOUCH else 0.0


def _say_outside(numbers: np.ndarray, features: Sequence[Feature], sample: Sample, outside: str) -> None:
    """Raises, or warns, of the features that do not lie in the scene."""
    if not len(numbers):
        return
    assert sample.georeference is not None
    count = len(features)
    height, width = _size(sample)
    first = features[numbers[0]].geometry.representative_point()
    lon, lat = sample.georeference.to_lonlat([0, width, 0, width], [0, 0, height, height])
    said = (
        f"{len(numbers)} of {count} features lie outside the scene ({', '.join(map(str, numbers[:5]))}"
        f"{', ...' if len(numbers) > 5 else ''}, counted from 0), which reaches from "
        f"{degrees(lat.min(), lon.min())} to {degrees(lat.max(), lon.max())} (got "
        f"{degrees(first.y, first.x)}; longitude comes first in GeoJSON)"
    )
    if outside == "error" or len(numbers) == count:
        raise ValueError(f"{said}; outside='skip' leaves such features out" if len(numbers) < count else said)
    warn(f"{said}; left out")


def _covered(shapes: Sequence[Any], height: int, width: int, patch_size: int) -> _Patches:
    """The whole patches that each geometry, in pixels, covers."""
    import shapely

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
    return _Patches(owner, row, column)


def _centres_inside(shape: Any, rows: int, columns: int, patch_size: int) -> np.ndarray:
    """(n, 2) row and column of the patches whose centre lies inside a geometry in pixels."""
    import shapely

    left, top, right, bottom = np.asarray(shape.bounds) / patch_size
    row = np.arange(max(int(top), 0), min(int(bottom) + 1, rows))
    column = np.arange(max(int(left), 0), min(int(right) + 1, columns))
    grid = np.stack(np.meshgrid(row, column, indexing="ij"), -1).reshape(-1, 2)
    y, x = (grid.T + 0.5) * patch_size
    return grid[shapely.contains_xy(shape, x, y)]


def _means(
    encoder: Encoder, sample: Sample, patches: _Patches, count: int, window: int, patch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(count, D) mean embeddings and (count,) numbers of each feature's patches that were observed.

    Raises:
        ValueError: if that is none of any feature.
    """
    from rich.progress import track

    edge = window // patch_size
    sums, counts = np.zeros((count, encoder.config.width)), np.zeros(count, dtype=np.int64)
    at = np.column_stack([patches.row // edge, patches.column // edge])
    windows, which = np.unique(at, axis=0, return_inverse=True)
    members = np.split(np.argsort(which.reshape(-1), kind="stable"), np.cumsum(np.bincount(which.reshape(-1)))[:-1])
    steps = list(zip(windows.tolist(), members, strict=False))
    encoder.eval()
    for (row, column), here in track(steps, "embedding windows", transient=True, disable=len(steps) < 2):
        embedded = embed_window(encoder, sample, row * window, column * window, window, patch_size)
        if embedded is None:
            continue
        found = embedded[patches.row[here] - row * edge, patches.column[here] - column * edge]
        seen = np.isfinite(found).all(1)
        np.add.at(sums, patches.owner[here][seen], found[seen])
        np.add.at(counts, patches.owner[here][seen], 1)
    without = int((counts == 0).sum())
    if without == count:
        raise ValueError("none of the features lies on a patch that was observed on any date: there is no embedding")
    if without:
        said = f"{without} of {count} features lie where no whole patch was observed on any date"
        warn(f"{said}; their embeddings are NaN")
    with np.errstate(invalid="ignore"):
        return (sums / counts[:, None]).astype(np.float32), counts
