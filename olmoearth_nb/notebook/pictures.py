"""Figures of committed notebooks in few bytes."""

from __future__ import annotations

import base64
import io

import numpy as np
from nbformat import NotebookNode

STEP = 8
"""Colours are rounded to steps of so many of 256: no pixel moves by more than half of it, which nobody sees."""

COMMON, MIXED = 64, 96
"""Of a picture with too many colours for a palette, such as one of a place: how many of the commonest are kept as they
are (ground, text, lines), and to how many all others are brought."""


def shrink(notebook: NotebookNode) -> NotebookNode:
    """Gives each PNG of an executed notebook fewer colours, where that makes it smaller: about a third of the bytes."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = rounded(output.data["image/png"])
    return notebook


def rounded(picture: str) -> str:
    """A PNG with a palette: colours in steps of `STEP`, on white; where those are too many, the rarer ones are mixed.

    Args:
        picture: PNG in base64.

    Returns:
        The same in base64, or what was given if that is not larger.
    """
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(picture))) as opened:
        whole = opened.convert("RGBA")
    ground = Image.new("RGBA", whole.size, "white")
    ground.alpha_composite(whole)
    pixels = np.asarray(ground.convert("RGB")).astype(int)
    pixels = np.minimum((pixels + STEP // 2) // STEP * STEP, 255).astype(np.uint8)
    colours, number, count = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    if len(colours) > 256:
        colours, number = _fewer(colours, number, count)
    few = Image.fromarray(number.reshape(pixels.shape[:2]).astype(np.uint8), "P")
    few.putpalette(colours.tobytes())
    made = io.BytesIO()
    few.save(made, "PNG", optimize=True)
    small = base64.b64encode(made.getvalue()).decode()
    return small if len(small) < len(picture.strip()) else picture


def _fewer(colours: np.ndarray, number: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leaves the commonest colours and mixes the others.

    Args:
        colours: (k, 3) uint8.
        number: (n,) the colour of each pixel.
        count: (k,) pixels of each colour.

    Returns:
        Colours and numbers as given, of `COMMON` + `MIXED` colours at most.
    """
    from PIL import Image

    common = np.argsort(-count, kind="stable")[:COMMON]
    place = np.zeros(len(colours), int)
    place[common] = np.arange(COMMON)
    rare = np.setdiff1d(np.arange(len(colours)), common)
    of_rare = np.isin(number, rare)
    mixed = Image.fromarray(colours[number[of_rare]][None], "RGB").quantize(MIXED, Image.Quantize.MEDIANCUT, kmeans=1)
    palette = np.array((mixed.getpalette() or [])[: 3 * MIXED], dtype=np.uint8).reshape(-1, 3)
    made = place[number]
    made[of_rare] = COMMON + np.asarray(mixed)[0]
    return np.concatenate([colours[common], palette]), made
