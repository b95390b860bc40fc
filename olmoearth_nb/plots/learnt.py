"""Figures of what an encoder has learnt: how it divides a place, what it tells."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.plots.style import true_colour
from olmoearth_nb.plots.world import clearest
from olmoearth_nb.sample import Sample

MARKS = (("s", "#888888"), ("o", "#56B4E9"), ("o", "#0072B2"))
"""Mark and colour of the readings, in their order."""


def show_components(sample: Sample, embeddings: Mapping[str, np.ndarray]) -> None:
    """A place in true colour, and the three main directions of its patches' embeddings as red, green and blue.

    Args:
        sample: the place.
        embeddings: name of an encoder -> (rows, columns, D).
    """
    _, axes = plt.subplots(1, 1 + len(embeddings), figsize=(2.75 * (1 + len(embeddings)), 3.0), layout="constrained")
    time = clearest(sample)
    axes[0].imshow(true_colour(sample.select_times([time])))
    axes[0].set(title=f"{sample.title}, {sample.dates[time]}")
    for ax, (name, values) in zip(axes[1:], embeddings.items(), strict=True):
        picture, fraction = main_components(values)
        ax.imshow(picture)
        ax.set(title=f"{name}: {fraction:.0%} of the variance")
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    plt.show()


def show_readings(readings: Mapping[str, Mapping[str, Interval]], chance: float = 0.5) -> None:
    """What is read off embeddings, with intervals: a row for each target, a mark for each of what is read.

    Args:
        readings: target -> name of what is read (three at most) -> accuracy.
        chance: accuracy of a guess, drawn as a line.
    """
    _, ax = plt.subplots(figsize=(7.0, 0.6 + 0.55 * len(readings)), layout="constrained")
    names = list(next(iter(readings.values())))
    for number, (name, (mark, colour)) in enumerate(zip(names, MARKS[: len(names)], strict=True)):
        found = [reading[name] for reading in readings.values()]
        rows = np.arange(len(found)) + 0.22 * (number - (len(names) - 1) / 2)
        values = np.array([one.value for one in found])
        ends = abs(np.array([[one.low for one in found], [one.high for one in found]]) - values)
        ax.errorbar(values, rows, xerr=ends, fmt=mark, color=colour, ms=6, lw=1.5, label=name)
    ax.axvline(chance, color="grey", ls=":", lw=1)
    ax.set_yticks(range(len(readings)), list(readings))
    ax.invert_yaxis()
    lowest = min(one.low for reading in readings.values() for one in reading.values())
    ax.set(xlabel="accuracy", xlim=(min(chance, lowest) - 0.03, 1.01))
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    plt.show()


def main_components(embeddings: np.ndarray) -> tuple[np.ndarray, float]:
    """The first three principal components as a picture, and the fraction of the variance that they hold.

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
