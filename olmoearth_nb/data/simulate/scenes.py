"""Scenes are windows of tiles: where they lie, which timesteps they show, what they are, and the tasks that they pose.

The designed targets are made of hidden traits with two values each, drawn independently for every parcel, so that
both answers are equally common and equally bright, whatever the plant, the soil and the weather:

* one band: `water` in the leaves, which the 20 m bands B11 and B12 see;
* one resolution: is `chlorophyll` (red edge, 20 m) what `water` (20 m) is?
* two resolutions: is `anthocyanin` (visible, 10 m) what `water` (20 m) is?
* time: was the `early` half of the season what the `late` half was?
* two sensors: is `radar` (Sentinel-1) what `anthocyanin` (Sentinel-2) is?

"Is a what b is" is an exclusive or: either trait alone says nothing of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from olmoearth_nb.data.simulate.geography import SCENE_CLASSES, TILE

TARGETS: dict[str, tuple[str, ...]] = {
    "one band": ("water",),
    "one resolution": ("chlorophyll", "water"),
    "two resolutions": ("anthocyanin", "water"),
    "time": ("early", "late"),
    "two sensors": ("radar", "anthocyanin"),
}
"""Designed target -> the traits that it is made of."""


def answer(target: str, labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """The value of a target in every pixel: 0 or 1, -1 where nothing grows that has the traits.

    Args:
        target: one of `TARGETS`, or the name of a label such as "cover" or "crop".
        labels: of a tile or a window.
    """
    if target not in TARGETS:
        if target not in labels:
            raise ValueError(f"no target {target!r}; there are {', '.join([*TARGETS, *labels])}")
        return labels[target]
    traits = [labels[name] for name in TARGETS[target]]
    value = traits[0] if len(traits) == 1 else (traits[0] == traits[1]).astype(np.int8)
    return np.where(traits[0] < 0, -1, value).astype(np.int8)


def scene_class(uses: np.ndarray) -> int:
    """What a window is, from the land use of its pixels: an index into `SCENE_CLASSES`.

    A river or highway that fills a twentieth names the scene, a lake a third; otherwise the commonest land use does.
    """
    share = np.bincount(uses.ravel(), minlength=len(SCENE_CLASSES)) / uses.size
    for name, least in (("highway", 0.05), ("river", 0.05), ("lake", 0.33)):
        if share[SCENE_CLASSES.index(name)] >= least:
            return SCENE_CLASSES.index(name)
    return int(share[:7].argmax())


def majority(values: np.ndarray, patch: int) -> np.ndarray:
    """The commonest answer in each patch.

    Args:
        values: (..., H, W) integers, -1 for no answer.
        patch: edge in pixels, dividing H and W.

    Returns:
        (..., H / patch, W / patch); -1 where less than half of a patch has an answer; of equals the smallest.
    """
    *front, height, width = values.shape
    blocks = values.reshape(*front, height // patch, patch, width // patch, patch)
    blocks = np.moveaxis(blocks, -3, -2).reshape(*front, height // patch, width // patch, patch * patch)
    counts = np.stack([(blocks == k).sum(-1) for k in range(int(values.max(initial=0)) + 1)], -1)
    return np.where(counts.sum(-1) * 2 >= patch * patch, counts.argmax(-1), -1)


def windows(size: int) -> list[tuple[int, int]]:
    """Upper left corners of the windows of a tile, row by row, without overlap.

    Args:
        size: edge in pixels, from 8 to 128.
    """
    if not 8 <= size <= TILE:
        raise ValueError(f"a scene is a window of 8 to {TILE} pixels, got {size}")
    starts = range(0, TILE - size + 1, size)
    return [(row, column) for row in starts for column in starts]


def timesteps(dates: int) -> list[int]:
    """Which of the twelve months a scene of so many dates shows, spread evenly over the year."""
    if not 1 <= dates <= 12:
        raise ValueError(f"a scene has 1 to 12 dates, got {dates}")
    return [int(step * 12 / dates + 6 / dates) for step in range(dates)]
