"""Figures of what happens inside the encoder; the look is that of `olmoearth_nb.plots.style`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.plots.style import colour_of


def show_resize(patch: Tensor, resized: Tensor, bands: tuple[str, ...]) -> None:
    """A patch before and after resizing, band by band, in one grey scale a band.

    Args:
        patch: (P, P, C) normalised pixels of a Sentinel-2 patch.
        resized: (8, 8, C) the same after resizing.
        bands: names of the bands shown.
    """
    _, axes = plt.subplots(2, len(bands), figsize=(1.6 * len(bands), 3.7), layout="constrained")
    for column, band in enumerate(bands):
        channel = SENTINEL2.indices([band])[0]
        low, high = float(resized[..., channel].min()), float(resized[..., channel].max())
        for row, pixels in enumerate((patch, resized)):
            axes[row, column].imshow(pixels[..., channel], cmap="gray", vmin=low, vmax=high)
            axes[row, column].set(xticks=[], yticks=[], title=band if row == 0 else None)
    axes[0, 0].set_ylabel(f"{len(patch)} x {len(patch)} px")
    axes[1, 0].set_ylabel("8 x 8 px")
    plt.show()


def show_quarters(parts: Mapping[str, tuple[np.ndarray, str]]) -> None:
    """The quarters of the encoding as tables: one row a value, one column a dimension.

    Args:
        parts: title -> (table (rows, D/4), label of the rows).
    """
    _, axes = plt.subplots(1, len(parts), figsize=(2.6 * len(parts), 3.2), layout="constrained")
    for ax, (title, (table, label)) in zip(axes, parts.items(), strict=True):
        picture = ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        ax.set(title=title, xlabel="dimension", ylabel=label)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    plt.colorbar(picture, ax=axes, shrink=0.8)
    plt.show()


def show_blocks(trained: Mapping[str, Sequence[float]], random: Mapping[str, Sequence[float]]) -> None:
    """Mean cosine similarity between tokens after every block, of trained encoders and of random ones.

    Args:
        trained: tokenization -> one value before the first and after each block.
        random: the same of encoders with random weights.
    """
    _, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    for kind, line, of in (("trained", "-", trained), ("random", "--", random)):
        for name, values in of.items():
            ax.plot(range(len(values)), values, "o" + line, color=colour_of(name), label=f"{name}, {kind}")
    names = ["input", *(f"block {i}" for i in range(1, len(values)))]
    ax.set_xticks(range(len(names)), names)
    lowest = min(min(values) for of in (trained, random) for values in of.values())
    ax.set(ylabel="mean cosine similarity", ylim=(min(0.0, lowest), 1))
    ax.legend(frameon=False)
    plt.show()
