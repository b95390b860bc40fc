"""How numbers become bytes of a map: int8 embeddings with their scale, a picture, classes, probabilities."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

OF_HEADS = {"classes": ("classes", "probabilities"), "truths": ("probabilities",), "values": ("values",)}
"""What a map can show by a head of each kind, the default first."""

OF_NONE = ("embeddings", "pca")
"""What a map can show without a head, the default first."""

OUTPUTS = ("classes", "probabilities", "values", *OF_NONE)

MOST_CLASSES = 255
"""Numbers of a uint8 that are left beside nodata."""

_HEADROOM = 1.25
"""How far beyond the largest number of the sample int8 reaches."""

_NATURAL = {
    "water": "#0072B2",
    "trees": "#1B7837",
    "forest": "#1B7837",
    "grass": "#A6D96A",
    "grass and shrub": "#A6D96A",
    "crop": "#F0E442",
    "built": "#D55E00",
    "bare": "#B59A75",
}
"""What people expect; classes of other names take the next of the others."""

_OTHERS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#666666")


@dataclass(frozen=True)
class Coding:
    """How the numbers of a cell are stored: value = offset + scale x stored.

    Attributes:
        output: one of `OUTPUTS`.
        dtype: of the file.
        nodata: the number of a cell of which nothing was observed.
        low: smallest stored number of an observed cell; smaller ones are clipped to it.
        high: largest.
        bands: their names.
        scales: of each band.
        offsets: of each band.
    """

    output: str
    dtype: str
    nodata: int
    low: int
    high: int
    bands: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(bands, height, width) as stored.

        Args:
            values: (height, width, K) numbers; NaN where unobserved.
        """
        unseen = np.isnan(values).any(2)
        known = np.where(unseen[..., None], 0.0, values)
        if self.output == "classes":
            stored = known.argmax(2)[..., None]
        elif self.output == "values":
            stored = known
        else:
            stored = np.rint((known - np.array(self.offsets)) / np.array(self.scales)).clip(self.low, self.high)
        return np.moveaxis(np.where(unseen[..., None], self.nodata, stored), 2, 0).astype(self.dtype)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Coding:
        """What `to_dict` wrote, after JSON."""
        parts: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
        return cls(**parts)


def of_classes(classes: Sequence[str]) -> Coding:
    """One band that holds the number of the likeliest class.

    Raises:
        ValueError: for more classes than a byte can tell.
    """
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"a class map holds {MOST_CLASSES} classes, got {len(classes)}; say output='probabilities'")
    return Coding("classes", "uint8", 255, 0, 254, ("class",), (1.0,), (0.0,))


def of_probabilities(classes: Sequence[str]) -> Coding:
    """A band for each class, in steps of 0.4 %."""
    count = len(classes)
    return Coding("probabilities", "uint8", 255, 0, 250, tuple(classes), (1 / 250,) * count, (0.0,) * count)


def of_values(names: Sequence[str]) -> Coding:
    """One band of real numbers as they are, named by their unit."""
    return Coding("values", "float32", -9999, 0, 0, tuple(names), (1.0,), (0.0,))


def of_embeddings(sample: np.ndarray) -> Coding:
    """int8, scaled by the largest numbers of a sample.

    Args:
        sample: (n, D) embeddings.
    """
    largest = np.abs(sample).max(0).astype(np.float64)
    scales = tuple((_HEADROOM * np.where(largest > 0, largest, 1.0) / 127).tolist())
    names = tuple(f"e{i:03d}" for i in range(len(scales)))
    return Coding("embeddings", "int8", -128, -127, 127, names, scales, (0.0,) * len(scales))


def of_picture(sample: np.ndarray) -> Coding:
    """Three principal components as red, green and blue, stretched over all but the outermost 2 % of a sample.

    Args:
        sample: (n, 3) components.
    """
    low, high = np.percentile(sample.astype(np.float64), (2, 98), axis=0)
    scales = np.where(high > low, high - low, 1.0) / 254
    names = tuple(f"component {i + 1}" for i in range(3))
    return Coding("pca", "uint8", 0, 1, 255, names, tuple(scales.tolist()), tuple((low - scales).tolist()))


def components(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first three principal components, as weight and bias of a linear layer.

    Args:
        sample: (n, D) embeddings, n and D at least 3.

    Returns:
        (3, D) and (3,). The largest number of each component is positive, so that its sign is no accident.
    """
    x = sample.astype(np.float64)
    middle = x.mean(0)
    _, vectors = np.linalg.eigh(np.cov(x - middle, rowvar=False))
    weight = vectors[:, :-4:-1].T
    weight = weight * np.sign(weight[np.arange(3), np.abs(weight).argmax(1)])[:, None]
    return weight, -weight @ middle


def colours(classes: Sequence[str]) -> list[tuple[int, int, int]]:
    """A colour for each class: a natural one, or one that colour-blind people can tell from others, or another hue.

    Args:
        classes: their names.
    """
    left = iter(code for code in _OTHERS if code not in {_NATURAL.get(name) for name in classes})
    found = []
    for number, name in enumerate(classes):
        code = _NATURAL.get(name) or next(left, None)
        hue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.55 + 0.15 * (number % 3), 0.9)
        found.append(_bytes(code) if code else (round(255 * hue[0]), round(255 * hue[1]), round(255 * hue[2])))
    return found


def _bytes(code: str) -> tuple[int, int, int]:
    """Red, green and blue of a code such as #0072B2."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:], 16)
