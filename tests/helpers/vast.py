"""A scene that no memory holds: values are made when a window is asked for, and windows are counted."""

import numpy as np

from olmoearth_nb import Sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.georeference import Georeference

S2 = "sentinel2_l2a"


class Vast:
    """A pixel's value says where it lies; beyond `seen` nothing was observed.

    Args:
        height: in pixels.
        width: in pixels.
        seen: rows and columns that were observed.
        maps: whether windows have elevation as well.
    """

    title, provenance, notes = "vast", "made up", ()
    georeference = Georeference("EPSG:32631", (10, 0, 300_000, 0, -10, 1_000_000))

    def __init__(self, height, width, seen=10**9, maps=False):
        self.shape, self.seen, self.asked = (height, width), seen, []
        self.modalities = (S2, "srtm") if maps else (S2,)

    def window(self, row, column, height, width=None):
        width = height if width is None else width
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            raise ValueError(f"row {row}, column {column} is no pixel")
        height, width = min(height, self.shape[0] - row), min(width, self.shape[1] - column)
        self.asked.append((row, column, height, width))
        rows, columns = np.arange(row, row + height)[:, None], np.arange(column, column + width)
        values = 500 + (7 * rows + 13 * columns) % 3000
        image = np.where((rows < self.seen) & (columns < self.seen), values, MISSING)[..., None, None]
        images = {S2: np.repeat(image, 12, -1), "srtm": np.full((height, width, 1, 1), 100.0)}
        return Sample(
            {name: images[name] for name in self.modalities},
            [[1, 5, 2020]],
            self.title,
            georeference=self.georeference.shifted(row, column),
        )
