"""What every notebook's setup cell calls."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Sequence
from importlib import metadata

import numpy as np
import torch
from matplotlib import pyplot as plt

import olmoearth_nb
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.plots.style import use_style

EXTRAS = {
    "data": "your own GeoTIFF, .SAFE, .hdf5 or .h5, and images from a catalogue",
    "scale": "pretraining and studies",
}
"""What a notebook needs the packages of an extra for."""


def start(seed: int = 0, extras: Sequence[str] = ()) -> torch.device:
    """Sets the look of figures, seeds the generators, and says what is there and what is to be installed.

    Args:
        seed: for Python, numpy and torch.
        extras: those of `EXTRAS` that the notebook uses; a package of theirs that is missing is named, no error.

    Returns:
        The device to compute on: a GPU if there is one.

    Raises:
        ValueError: for an unknown extra, listing the valid ones.
    """
    keep_freed_memory()
    use_style()
    plt.switch_backend(plt.get_backend())  # loaded late, it would show a figure that pyplot did not make as text
    _draw_sharply()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"olmoearth_nb {olmoearth_nb.__version__}, torch {torch.__version__}, {name}")
    for extra in extras:
        names = missing(extra)
        if names:
            print(f"not installed: {', '.join(names)}, for {EXTRAS[extra]}; to install: pip install {' '.join(names)}")
    return device


def _draw_sharply() -> None:
    """Figures of a notebook have twice the dots of the size at which they are shown; elsewhere nothing changes."""
    running = sys.modules.get("IPython")  # a kernel has loaded it; who has no kernel needs none
    if running is not None and running.get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")


def missing(extra: str) -> list[str]:
    """The packages of an extra that are not installed, as the metadata of this package list them.

    Args:
        extra: one of `EXTRAS`.

    Raises:
        ValueError: for an unknown extra, listing the valid ones.
    """
    if extra not in EXTRAS:
        raise ValueError(f"unknown extra {extra!r}; valid are {', '.join(EXTRAS)}")
    lines = [
        line for line in metadata.requires("olmoearth_nb") or () if re.search(rf"""extra == ["']{extra}["']""", line)
    ]
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines]
    return [name for name in names if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    """Whether a distribution of that name is there."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
