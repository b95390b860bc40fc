"""Figures with one look: size, colours of tokenizations, order and colours of bands.

Functions draw and return None, so that a notebook cell ends in a figure and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.io.durable import write
from olmoearth_nb.sample import Sample

COLOURS = {
    "v1": "#0072B2",
    "v1.1": "#D55E00",
    "per_band": "#009E73",
    "spectral": "#CC79A7",
    "satmae": "#E69F00",
    "galileo": "#56B4E9",
    "croma": "#7F6A3F",
}
"""Colour of each tokenization (Okabe-Ito, safe for colour-blind readers); others are grey."""

PRETRAINED, RANDOM, BASELINES = "#332288", "#AA4499", ("#999999", "#444444")
"""Colours of what is compared whatever its tokens are: pretrained encoders, random weights, and no encoder at all."""

RESOLUTION_COLOURS = {10: "#8dd3c7", 20: "#ffffb3", 60: "#bebada"}
"""Ground of a band's name: how many metres its pixels measure. These colours mean nothing else in any figure."""

MARKS = {"nano": "o", "tiny": "s", "base": "D"}
"""The mark of each model size."""

MISLABELLED = "#999999"
"""Colour of results on images whose band labels are wrong."""

BY_WAVELENGTH = sorted(range(len(SENTINEL2.bands)), key=lambda i: SENTINEL2.bands[i].centre or 0.0)
"""Channels of Sentinel-2 in the order of their wavelengths."""

BRIGHTEST = 0.3
"""Reflectance that is white in a true-colour picture: above dry soil, below snow and cloud."""

GAMMA = 1.5
"""How much a picture lifts what is dark, such as forest and water."""


def use_style() -> None:
    """The one look of every figure."""
    plt.rcParams.update(
        {
            "figure.dpi": 75,
            "savefig.dpi": 150,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "image.interpolation": "nearest",
            "svg.hashsalt": "olmoearth_nb",
        }
    )


def write_figure(path: Path, drawing: Figure, dpi: int = 110) -> Path:
    """Writes a figure as PNG, whole or not at all; the same figure gives the same bytes with the same matplotlib.

    Args:
        path: of the file.
        drawing: the figure.
        dpi: dots an inch.
    """
    # nothing of the version of matplotlib: files are compared
    return write(path, lambda part: drawing.savefig(part, dpi=dpi, format="png", metadata={"Software": None}))


def colour_of(name: str) -> str:
    """Colour of a tokenization."""
    return COLOURS.get(name, "#666666")


def true_colour(sample: Sample, time: int = 0) -> np.ndarray:
    """(H, W, 3) true-colour picture; gaps are grey.

    Every picture of every place and date is stretched alike, red, green and blue with it: reflectance from 0 to
    `BRIGHTEST` becomes 0 to 1, brightened by `GAMMA`. So hues are the ground's own, two pictures can be compared,
    and haze shows as what it is.
    """
    rgb = values_at(sample, time)[..., SENTINEL2.indices(["B04", "B03", "B02"])]
    picture = np.clip(rgb / (10_000 * BRIGHTEST), 0, 1) ** (1 / GAMMA)
    return np.where(np.isnan(rgb).any(-1, keepdims=True), 0.6, picture)


def values_at(sample: Sample, time: int) -> np.ndarray:
    """(H, W, C) Sentinel-2 values of one date, NaN where nothing was observed."""
    image = sample.images["sentinel2_l2a"][:, :, time]
    return np.where(image == MISSING, np.nan, image)
