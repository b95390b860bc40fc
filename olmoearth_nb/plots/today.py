"""What is known today about v1.1 against v1: what it saves, and its accuracy here and elsewhere, from kept tables.

The tables are those of `data/published`; `data/README.md` says where each comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from olmoearth_nb.comparison.independent import Independent, independent
from olmoearth_nb.io.shipped import published
from olmoearth_nb.plots.training import RECIPE_COLOURS

MARKS = {"nano": "o", "tiny": "s", "base": "D"}
"""The mark of each model size."""

MISLABELLED = "#999999"
"""Colour of results on images whose band labels are wrong."""


def milliseconds(size: str, version: str, shape: Sequence[int]) -> float:
    """How long a published encoder took on two CPU cores with patches of 4 px.

    Args:
        size: of the model.
        version: "v1" or "v1.1".
        shape: (H, W, T) of the images.

    Raises:
        ValueError: if that was not measured, listing what was.
    """
    rows = published("encoder_ms")
    measured = {(row["size"], row["version"], int(row["edge"]), int(row["timesteps"])): row for row in rows}
    key = size, version, shape[0], shape[2]
    if key not in measured or shape[0] != shape[1]:
        raise ValueError(f"{size} {version} was not measured on {tuple(shape)}; measured are {list(measured)}")
    return float(measured[key]["milliseconds"])


def elsewhere() -> dict[str, Independent]:
    """v1.1 minus v1 in points of kNN, as torchgeo-bench measured it, by names for an axis; wrong band labels first."""
    rows = sorted((one for one in independent() if one.probe == "kNN"), key=lambda one: not one.mislabelled)
    return {one.dataset + (" (wrong labels)" if one.mislabelled else ""): one for one in rows}


def show_today(savings: Mapping[str, Mapping[str, float]]) -> None:
    """What v1.1 saves, the accuracy of three models of this project, and that of the published ones elsewhere.

    Args:
        savings: what is saved -> model size -> how many times less v1.1 needs than v1.
    """
    _, axes = plt.subplots(1, 3, figsize=(10.4, 3.1), layout="constrained", width_ratios=[1, 1, 1.15])
    draw_sizes(axes[0], savings, {})
    axes[0].set(title="what v1.1 saves", xlabel="v1 divided by v1.1", xlim=(0, None))
    axes[0].axvline(1, color="grey", ls=":", lw=1)
    axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    _draw_long_models(axes[1])
    rows = elsewhere()
    colours = {name: MISLABELLED for name, one in rows.items() if one.mislabelled}
    draw_sizes(axes[2], {name: one.by_size for name, one in rows.items()}, colours)
    axes[2].axvline(0, color="grey", ls=":", lw=1)
    axes[2].set(title="elsewhere, kNN: v1.1 minus v1", xlabel="points")
    plt.show()


def draw_sizes(ax: Axes, rows: Mapping[str, Mapping[str, float]], colours: Mapping[str, str]) -> None:
    """One row for each name with a mark for each model size; hollow where the row has a colour of its own."""
    for y, (name, values) in enumerate(rows.items()):
        colour = colours.get(name, "black")
        for step, (size, mark) in enumerate(MARKS.items()):
            if size in values:
                face, label = "none" if name in colours else colour, size if y == len(rows) - 1 else None
                ax.scatter(values[size], y + 0.2 * (step - 1), 22, marker=mark, fc=face, ec=colour, label=label)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=8.5)
    ax.invert_yaxis()


def _draw_long_models(ax: Axes) -> None:
    """Accuracy of the long small models minus that of the raw bands, with intervals."""
    rows = published("long_models")
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    for row in rows:
        y = tasks.index(row["task"]) + 0.2 * (recipes.index(row["recipe"]) - 1)
        gain, low, high = (float(row[column]) for column in ("gain", "low", "high"))
        colour, label = RECIPE_COLOURS[row["recipe"]], row["recipe"] if row["task"] == tasks[0] else None
        ax.errorbar(gain, y, xerr=[[gain - low], [high - gain]], fmt="o", ms=4, color=colour, label=label)
    ax.axvline(0, color="grey", ls=":", lw=1)
    ax.set_yticks(range(len(tasks)), [task.replace(", ", "\n") for task in tasks], fontsize=8.5)
    ax.set(title="here: model minus raw bands", xlabel="difference in accuracy", ylim=(len(tasks) - 0.5, -0.5))
    ax.legend(frameon=False, fontsize=8, loc="lower right")
