"""GeoTIFFs of any size as a `Scene`: judged by a sample of their pixels, then read window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.arrays import observe, read_names
from olmoearth_nb.data.fill import completed
from olmoearth_nb.data.geotiff.load import load_geotiff, sample_of, together
from olmoearth_nb.data.geotiff.part import Options, Part
from olmoearth_nb.data.geotiff.read import block_shape, written_blocks
from olmoearth_nb.data.geotiff.stack import Paths, Stack, stacked
from olmoearth_nb.data.observed import unmasked, without_fills
from olmoearth_nb.data.paged import PagedScene, Window
from olmoearth_nb.sample import Sample
from olmoearth_nb.scene import Scene

WHOLE = 12_000_000
"""Values up to which files are read whole: then they are a `Sample`."""

_PAGE = 6_000_000
"""Values that are read at once."""

_UNPACKED = 32_000_000
"""Values of whole blocks that are unpacked for it: strips are as wide as the image."""

_JUDGED = 12_000_000
"""Values by which files are judged, in so many windows of at most so many pixels."""

_WINDOWS, _EDGE = 32, 64
_GROWN, _WIDE = 512, 2048


def open_scene(paths: Paths, **options: Any) -> Scene:
    """Opens GeoTIFFs without reading them whole; windows come out as `load_geotiff` would give them.

    What `load_geotiff` decides by all values (whether the numbers fit the scale, the notes) is decided by those of some
    windows, evenly drawn from the blocks that the files hold. Dates of which nothing was observed stay, because nobody
    looks at all pixels.

    Args:
        paths: see `load_geotiff`.
        options: see `load_geotiff`.

    Returns:
        A `Sample` of what is small, else a scene that keeps no more than some 250 MB. A window without any observed
        value is all `bands.MISSING`.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: see `load_geotiff`; of impossible numbers beyond the drawn ones, when a window is read near them.
    """
    stack = stacked(paths, Options(**options))
    if stack.values <= WHOLE:
        return load_geotiff(paths, **options)
    per_pixel = len(stack.dates) * sum(len(part.spec.bands) for part in stack.parts)

    def read(window: Window) -> list[np.ndarray]:
        return [_converted(part, window, stack.options.missing_bands) for part in stack.parts]

    page = _page_shape(block_shape(stack.first), stack.first.shape, per_pixel)
    return PagedScene(together(stack, _judged(stack)), stack.first.shape, page, read)


def _converted(part: Part, window: Window, policy: str) -> np.ndarray:
    """A window of one sensor as `to_sample` makes it, (H, W, T, bands)."""
    image, _ = part.read(window, judged=True)
    names, _ = read_names(part.names, part.spec)
    try:
        values, _ = observe(image, part.spec, part.scale, judged=True)
    except ValueError as error:
        files = dict.fromkeys(raster.path.name for raster in part.files)
        where = "row {}, column {}, {} x {} px".format(*window)
        raise ValueError(f"{', '.join(files)} at {where}: {error}") from error
    kept = [i for i, name in enumerate(names) if name in part.spec.band_names]  # not the cirrus band
    return completed(values[..., kept], [names[i] for i in kept], part.spec, policy)[0]


def _page_shape(block: tuple[int, int], shape: tuple[int, int], per_pixel: int) -> tuple[int, int]:
    """Height and width of what is read at once: whole blocks where they are small, parts of them where they are not."""
    height, width = min(block[0], shape[0]), min(block[1], shape[1])
    wide = width * max(1, _GROWN // width) if width <= _WIDE else _GROWN
    rows = max(1, min(_GROWN, _PAGE // (per_pixel * wide), _UNPACKED // (per_pixel * max(width, wide))))
    return (rows // height * height if height <= rows else rows), wide


def _judged(stack: Stack) -> list[Sample]:
    """A sample of each sensor made of pixels from all over the files, checked as a whole file is."""
    per_pixel = len(stack.dates) * sum(len(part.names) for part in stack.parts)
    edge = min(_EDGE, max(1, math.isqrt(_JUDGED // (_WINDOWS * per_pixel))))
    images: list[list[np.ma.MaskedArray]] = [[] for _ in stack.parts]
    seen = [False] * len(stack.parts)
    for count, window in enumerate(_drawn(stack, edge)):
        if count >= _WINDOWS and all(seen):
            break
        for i, part in enumerate(stack.parts):
            image, _ = part.scaled(window)
            observed = _any_observed(image, part)
            if count < _WINDOWS or (observed and not seen[i]):
                images[i].append(image.reshape(-1, 1, *image.shape[2:]))
            seen[i] |= observed
    judged = []
    for i, part in enumerate(stack.parts):
        image, low = part.taken_off(np.ma.concatenate(images[i]))
        judged.append(sample_of(stack, i, image, [*low, _note(images[i], stack)]))
    return judged


def _any_observed(image: np.ma.MaskedArray, part: Part) -> bool:
    """Whether a window holds an observed value."""
    values, _ = without_fills(unmasked(image, None), part.spec)
    return bool(((values != MISSING) & (values != 0)).any())


def _note(images: Sequence[np.ma.MaskedArray], stack: Stack) -> str:
    """By how many pixels the files were judged."""
    height, width = stack.first.shape
    count = sum(map(len, images))
    return f"read in windows; what was noted of its numbers is of {count:,} of {height:,} x {width:,} px"


def _drawn(stack: Stack, edge: int) -> Iterator[Window]:
    """Windows of at most so many pixels, one in each block that the files hold, in an order that spreads them."""
    rng = np.random.default_rng(0)
    rasters = {
        id(raster): (raster, part.index[step][0]) for part in stack.parts for step, raster in enumerate(part.files)
    }
    blocks = list(dict.fromkeys(block for raster, band in rasters.values() for block in written_blocks(raster, band)))
    rows, columns = stack.first.shape
    for i in rng.permutation(len(blocks)):
        row, column, height, width = blocks[i]
        row += int(rng.integers(max(1, height - edge + 1)))
        column += int(rng.integers(max(1, width - edge + 1)))
        yield row, column, min(edge, rows - row), min(edge, columns - column)
