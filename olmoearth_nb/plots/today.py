"""What is known today about v1.1 against v1: what it saves, and its accuracy elsewhere, from kept tables.

The tables are those of `data/published`; `data/README.md` says where each comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from olmoearth_nb.comparison.independent import Independent, independent
from olmoearth_nb.io.shipped import published

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
