"""A `Scene` of files that do not fit into memory: read in pages, of which those used last are kept.

Windows side by side share pages. A single window, such as that of a point, is read alone: where nothing was read
before, a page would be many times what is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np

from olmoearth_nb.bands import MISSING, modality
from olmoearth_nb.sample import Sample, window_size

Window = tuple[int, int, int, int]
"""First row, first column, height and width in pixels."""

_KEPT = 64_000_000
"""Values that are kept, 4 bytes each: windows beside one another lie in the same blocks of a file."""


class PagedScene:
    """Files whose windows are read when they are asked for.

    Args:
        judged: a sample made of some of the pixels, with the title, notes and dates of all; its georeference is the
            scene's.
        shape: height and width of the scene.
        page: height and width of what is read at once.
        read: gives a page of each sensor of `judged`, (height, width, T, bands) float32, `bands.MISSING` where
            unobserved.
    """

    def __init__(
        self,
        judged: Sample,
        shape: tuple[int, int],
        page: tuple[int, int],
        read: Callable[[Window], list[np.ndarray]],
    ) -> None:
        self.title, self.provenance, self.notes = judged.title, judged.provenance, judged.notes
        self.modalities, self.georeference = judged.modalities, judged.georeference
        self.shape = shape
        self._judged, self._page, self._read = judged, page, read
        self._pages: OrderedDict[tuple[int, int], list[np.ndarray]] = OrderedDict()
        self._touched: set[tuple[int, int]] = set()

    def window(self, row: int, column: int, height: int, width: int | None = None) -> Sample:
        """The rectangle whose upper left corner is given; see `Scene`."""
        height, width = window_size(self.shape, row, column, height, width)
        corners = list(product(_starts(row, height, self._page[0]), _starts(column, width, self._page[1])))
        if self._touched.isdisjoint(corners) and height * width <= self._page[0] * self._page[1]:
            images = dict(zip(self.modalities, self._read((row, column, height, width)), strict=True))
        else:
            images = self._from_pages(row, column, height, width, corners)
        self._touched.update(corners)
        place = self.georeference and self.georeference.shifted(row, column)
        return replace(self._judged, images=images, georeference=place)

    def _from_pages(
        self, row: int, column: int, height: int, width: int, corners: list[tuple[int, int]]
    ) -> dict[str, np.ndarray]:
        """The images of a window, out of the pages that hold it."""
        size = height, width, len(self._judged.timestamps)
        images = {
            name: np.full((*size, len(modality(name).bands)), MISSING, dtype=np.float32) for name in self.modalities
        }
        tall, wide = self._page
        for top, left in corners:
            for image, page in zip(images.values(), self._paged(top, left), strict=True):
                here = image[max(0, top - row) : top + tall - row, max(0, left - column) : left + wide - column]
                y, x = max(0, row - top), max(0, column - left)
                here[:] = page[y : y + here.shape[0], x : x + here.shape[1]]
        return images

    def _paged(self, top: int, left: int) -> list[np.ndarray]:
        """The page whose corner is given, of each sensor."""
        pages = self._pages
        if (top, left) not in pages:
            rows, columns = self.shape
            size = min(self._page[0], rows - top), min(self._page[1], columns - left)
            fresh = self._read((top, left, *size))
            while pages and sum(part.size for page in (*pages.values(), fresh) for part in page) > _KEPT:
                pages.popitem(last=False)
            pages[top, left] = fresh
        pages.move_to_end((top, left))
        return pages[top, left]


def _starts(first: int, count: int, page: int) -> range:
    """Where the pages begin that hold so many pixels from the first on."""
    return range(first // page * page, first + count, page)
