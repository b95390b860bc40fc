"""Whole tiles of Sentinel-2 as a `Scene`: read window by window."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.arrays import observe, to_sample
from olmoearth_nb.data.offset import Offset, remove_offset, without_offset
from olmoearth_nb.data.paged import PagedScene, Window
from olmoearth_nb.data.safe.load import Product, offsets_of, products_of, read_products, title_of
from olmoearth_nb.data.safe.read import georeference
from olmoearth_nb.sample import Sample
from olmoearth_nb.scene import Scene

_PAGE = 6_000_000
"""Values that are read at once."""

_LARGEST, _EDGE, _LOOKS = 512, 64, 4


def open_safe(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    offset: Offset = "auto",
    mask_clouds: bool = False,
) -> Scene:
    """Opens products of one tile without reading them whole; windows come out as `load_safe` would give them.

    The notes on numbers are those of some windows, the middle one first.

    Args:
        paths: see `load_safe`.
        offset: see `load_safe`.
        mask_clouds: see `load_safe`.

    Raises:
        FileNotFoundError: if a folder is not there.
        ValueError: see `load_safe`.
    """
    products, level = products_of(paths, mask_clouds)
    offsets, taken = offsets_of(products, offset)

    def stored(window: Window) -> np.ma.MaskedArray:
        return read_products(products, window[:2], window[2:], mask_clouds)[0]

    def read(window: Window) -> list[np.ndarray]:
        image = stored(window)
        taken = np.ma.MaskedArray(remove_offset(np.ma.getdata(image), offsets), np.ma.getmaskarray(image))
        return [observe(taken, SENTINEL2, judged=True)[0]]

    shape = products[0].grid.shape
    edge = min(_LARGEST, math.isqrt(_PAGE // (len(products) * len(SENTINEL2.bands))))
    looked = []
    for window in _looks(shape):
        image = stored(window)
        if np.ma.count(image):
            looked.append(image.reshape(-1, 1, *image.shape[2:]))
        if len(looked) == _LOOKS:
            break
    notes = [*taken, *(["clouds, their shadows and defective pixels by the SCL are left out"] * mask_clouds)]
    if not looked:
        raise ValueError(
            f"{products[0].folder.name}: nothing was observed in {len(list(_looks(shape)))} windows all over the tile; "
            "if it holds a corner with data, say where: place=(latitude, longitude)"
        )
    image, low = without_offset(np.ma.concatenate(looked), offsets)
    return PagedScene(_judged(products, level, image, [*notes, *low]), shape, (edge, edge), read)


def _judged(products: Sequence[Product], level: str, image: np.ma.MaskedArray, notes: Sequence[str]) -> Sample:
    """A sample of some pixels, with the words and the place of the whole tile."""
    sample = to_sample(
        image,
        SENTINEL2.band_names,
        [product.date for product in products],
        level=level,  # type: ignore[arg-type]
        empty_dates="keep",
        title=title_of(products),
        provenance=f"Sentinel-2 {level}, {products[0].tile}: " + ", ".join(one.folder.name for one in products),
        notes=notes,
    )
    return replace(sample, georeference=georeference(products[0].grid, (0, 0)))


def _looks(shape: tuple[int, int]) -> Iterator[Window]:
    """Windows of a tile to judge it by: the middle one, then others in rings around it."""
    edge = min(_EDGE, *shape)
    steps = [-0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9]
    for down, right in sorted(((y, x) for y in steps for x in steps), key=lambda at: max(map(abs, at))):
        row, column = (int((length - edge) * (1 + at) / 2) for length, at in zip(shape, (down, right), strict=True))
        yield row, column, edge, edge
