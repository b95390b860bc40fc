"""GeoTIFFs of any size as a `Scene`: judged by a sample of their pixels, then read window by window."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.arrays import observe, parse_dates, read_names
from olmoearth_nb.data.fill import completed
from olmoearth_nb.data.geotiff.load import load_geotiff, sample_of, together
from olmoearth_nb.data.geotiff.read import Window, block_shape, written_blocks
from olmoearth_nb.data.geotiff.stack import Options, Part, Paths, Stack, stacked
from olmoearth_nb.data.observed import unmasked, without_fills
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.sample import Sample
from olmoearth_nb.scene import Scene

WHOLE = 12_000_000
"""Values up to which files are read whole: then they are a `Sample`."""

_PAGE = 6_000_000
"""Values that are read at once."""

_UNPACKED = 32_000_000
"""Values of whole blocks that are unpacked for it: strips are as wide as the image."""

_KEPT = 64_000_000
"""Values that are kept of what was read, 4 bytes each: windows beside one another lie in the same blocks."""

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
    return load_geotiff(paths, **options) if stack.values <= WHOLE else _Scene(stack)


class _Scene:
    """A stack of GeoTIFFs whose windows are read when they are asked for."""

    def __init__(self, stack: Stack) -> None:
        judged = together(stack, _judged(stack))
        self.title, self.provenance, self.notes = judged.title, judged.provenance, judged.notes
        self.modalities = judged.modalities
        self.georeference: Georeference | None = judged.georeference
        self.shape: tuple[int, int] = stack.first.shape
        self._stack = stack
        self._timestamps = parse_dates(stack.dates)
        per_pixel = len(stack.dates) * sum(len(part.spec.bands) for part in stack.parts)
        self._page = _page_shape(block_shape(stack.first), self.shape, per_pixel)
        self._most = max(1, _KEPT // (self._page[0] * self._page[1] * per_pixel))
        self._pages: OrderedDict[tuple[int, int], list[np.ndarray]] = OrderedDict()

    def window(self, row: int, column: int, height: int, width: int | None = None) -> Sample:
        """The rectangle whose upper left corner is given; see `Scene`."""
        rows, columns = self.shape
        width = height if width is None else width
        if not (0 <= row < rows and 0 <= column < columns):
            raise ValueError(f"row {row}, column {column} is no pixel of {rows}x{columns}")
        if height < 1 or width < 1:
            raise ValueError(f"a window has at least one row and one column, got {height}x{width}")
        height, width = min(height, rows - row), min(width, columns - column)
        steps = len(self._timestamps)
        parts = [
            np.full((height, width, steps, len(part.spec.bands)), MISSING, np.float32) for part in self._stack.parts
        ]
        tall, wide = self._page
        for top, left in product(_starts(row, height, tall), _starts(column, width, wide)):
            for image, page in zip(parts, self._read(top, left), strict=True):
                here = image[max(0, top - row) : top + tall - row, max(0, left - column) : left + wide - column]
                y, x = max(0, row - top), max(0, column - left)
                here[:] = page[y : y + here.shape[0], x : x + here.shape[1]]
        return Sample(
            dict(zip(self.modalities, parts, strict=True)),
            self._timestamps,
            self.title,
            self.provenance,
            self.notes,
            self.georeference and self.georeference.shifted(row, column),
        )

    def _read(self, top: int, left: int) -> list[np.ndarray]:
        """The page whose corner is given, of each sensor; the pages used last are kept."""
        pages = self._pages
        if (top, left) not in pages:
            while len(pages) >= self._most:
                pages.popitem(last=False)
            rows, columns = self.shape
            window = (top, left, min(self._page[0], rows - top), min(self._page[1], columns - left))
            policy = self._stack.options.missing_bands
            pages[top, left] = [_converted(part, window, policy) for part in self._stack.parts]
        pages.move_to_end((top, left))
        return pages[top, left]


def _starts(first: int, count: int, page: int) -> range:
    """Where the pages begin that hold so many pixels from the first on."""
    return range(first // page * page, first + count, page)


def _converted(part: Part, window: Window, policy: str) -> np.ndarray:
    """A window of one sensor as `to_sample` makes it, (H, W, T, bands)."""
    image, _ = part.read(window, judged=True)
    names, _ = read_names(part.names, part.spec)
    values, _ = observe(image, part.spec, part.scale, judged=True)
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
            image, _ = part.read(window)
            observed = _any_observed(image, part)
            if count < _WINDOWS or (observed and not seen[i]):
                images[i].append(image.reshape(-1, 1, *image.shape[2:]))
            seen[i] |= observed
    return [sample_of(stack, i, np.ma.concatenate(images[i]), [_note(images[i], stack)]) for i in range(len(images))]


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
