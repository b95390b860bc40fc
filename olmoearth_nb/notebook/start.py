"""What every notebook's setup cell calls."""

from __future__ import annotations

import random

import numpy as np
import torch
from matplotlib import pyplot as plt

import olmoearth_nb
from olmoearth_nb.plots.style import use_style


def start(seed: int = 0) -> torch.device:
    """Sets the look of figures, seeds the generators and says what was found.

    Args:
        seed: for Python, numpy and torch.

    Returns:
        The device to compute on: a GPU if there is one.
    """
    use_style()
    plt.switch_backend(plt.get_backend())  # loaded late, it would show a figure that pyplot did not make as text
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"olmoearth_nb {olmoearth_nb.__version__}, torch {torch.__version__}, {name}")
    return device
