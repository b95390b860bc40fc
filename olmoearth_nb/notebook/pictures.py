"""Figures of committed notebooks in few bytes."""

from __future__ import annotations

import base64
import io

import numpy as np
from nbformat import NotebookNode

STEP = 8
"""Colours are rounded to steps of so many of 256: no pixel moves by more than half of it, which nobody sees."""


def shrink(notebook: NotebookNode) -> NotebookNode:
    """Rounds the colours of each PNG of an executed notebook, where that makes it smaller: about to the half."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = rounded(output.data["image/png"])
    return notebook


def rounded(picture: str) -> str:
    """A PNG with colours in steps of `STEP`, on white, with a palette if 256 colours are enough.

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
    colours, number = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    made = io.BytesIO()
    if len(colours) <= 256:
        few = Image.fromarray(number.reshape(pixels.shape[:2]).astype(np.uint8), "P")
        few.putpalette(colours.tobytes())
        few.save(made, "PNG", optimize=True)
    else:
        Image.fromarray(pixels).save(made, "PNG", optimize=True)
    small = base64.b64encode(made.getvalue()).decode()
    return small if len(small) < len(picture.strip()) else picture
