"""Figures of what an encoder has learnt: which scenes it takes for alike, and how it divides a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine

from olmoearth_nb.plots import true_colour
from olmoearth_nb.plots_world import clearest
from olmoearth_nb.sample import Sample

RIGHT, WRONG = "#009E73", "#D55E00"


def show_neighbours(
    samples: Mapping[int, Sample], kinds: Mapping[int, str], queries: Sequence[int], nearest: Mapping[str, np.ndarray]
) -> None:
    """Scenes and those that an encoder takes for most alike, at their greenest clear date.

    Args:
        samples: number of a scene -> its sample.
        kinds: number of a scene -> what it is; a neighbour of the query's kind is framed green, others red.
        queries: numbers of the scenes that are asked for, one a row.
        nearest: name of an encoder -> (queries, k) numbers of the nearest scenes, nearest first.
    """
    k = next(iter(nearest.values())).shape[1]
    wide = [1.0] + [0.25, *[1.0] * k] * len(nearest)
    height = 1.2 * len(queries) + 0.3
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - 0.22 / height))
    _, axes = plt.subplots(
        len(queries), len(wide), figsize=(1.02 * sum(wide), height), width_ratios=wide, layout=layout, squeeze=False
    )
    for ax in axes.flat:
        ax.axis("off")
    for row, query in zip(axes, queries, strict=True):
        _draw(row[0], samples[query], kinds[query], "black")
        for block, found in enumerate(nearest.values()):
            for place, scene in enumerate(found[list(queries).index(query)].tolist()):
                colour = RIGHT if kinds[scene] == kinds[query] else WRONG
                _draw(row[2 + block * (k + 1) + place], samples[scene], kinds[scene], colour)
    for first, name in [(0, "asked for"), *((2 + i * (k + 1), f"nearest, {name}") for i, name in enumerate(nearest))]:
        above = axes[0, first].text(0, 1.25, name, transform=axes[0, first].transAxes)
        above.set_in_layout(False)  # it may reach over its neighbours
    plt.show()


def _draw(ax: Axes, sample: Sample, kind: str, colour: str) -> None:
    """One scene, framed."""
    ax.imshow(true_colour(sample.select_times([clearest(sample)])))
    ax.axis("on")
    ax.set(xticks=[], yticks=[])
    ax.set_title(kind, fontsize=7, color=colour, pad=2)
    for side in ax.spines.values():
        side.set(visible=True, color=colour, linewidth=2)


def show_components(sample: Sample, embeddings: Mapping[str, np.ndarray]) -> None:
    """A place in true colour, and the three main directions of its patches' embeddings as red, green and blue.

    Args:
        sample: the place.
        embeddings: name of an encoder -> (rows, columns, D).
    """
    _, axes = plt.subplots(1, 1 + len(embeddings), figsize=(3.1 * (1 + len(embeddings)), 3.4), layout="constrained")
    time = clearest(sample)
    axes[0].imshow(true_colour(sample.select_times([time])))
    axes[0].set(title=f"{sample.title}, {sample.dates[time]}")
    for ax, (name, values) in zip(axes[1:], embeddings.items(), strict=True):
        picture, share = main_components(values)
        ax.imshow(picture)
        ax.set(title=f"{name}: {share:.0%} of the variance")
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    plt.show()


def main_components(embeddings: np.ndarray) -> tuple[np.ndarray, float]:
    """The first three principal components as a picture, and their share of the variance.

    Args:
        embeddings: (rows, columns, D); NaN where a patch has none.

    Returns:
        (rows, columns, 3) from 0 to 1, each component stretched from its 2nd to its 98th percentile, grey where there
        is no embedding. The sign of a component is that of its largest weight, so that it is always the same.
    """
    flat = embeddings.reshape(-1, embeddings.shape[-1]).astype(np.float64)
    known = np.isfinite(flat).all(1)
    if known.sum() < 4:
        raise ValueError(f"needs at least four patches with an embedding, got {int(known.sum())}")
    centred = flat[known] - flat[known].mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:3] * np.sign(np.take_along_axis(directions[:3], abs(directions[:3]).argmax(1)[:, None], 1))
    low, high = np.percentile(centred @ directions.T, [2, 98], axis=0)
    picture = np.full((len(flat), 3), 0.6)
    picture[known] = np.clip((centred @ directions.T - low) / np.maximum(high - low, 1e-12), 0, 1)
    return picture.reshape(*embeddings.shape[:2], 3), float((sizes[:3] ** 2).sum() / max((sizes**2).sum(), 1e-30))
