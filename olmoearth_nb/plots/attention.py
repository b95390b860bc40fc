"""Figures of recorded attention; the look is that of `olmoearth_nb.plots.style`.

Every colour is attention relative to uniform attention, on a scale of doublings: white is 1, as much as chance; red is
more, blue is less. All panels of a figure have one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from olmoearth_nb.insight.groups import BandGroup
from olmoearth_nb.insight.recorded import TokenAttention
from olmoearth_nb.insight.summary import Summary
from olmoearth_nb.plots.style import true_colour
from olmoearth_nb.sample import Sample

_MORE_OR_LESS = plt.get_cmap("RdBu_r").with_extremes(bad="#d9d9d9")
"""Grey where there is no such token."""

_STEPS = (1.0, 2.0, 3.0, 4.0)
"""Ends of the scale, in doublings; what lies beyond has the colour of the end."""

WRITTEN = 8
"""Kinds of keys up to which the ratio is written into each field."""

WIDE = 8.0
"""Inches that the panels of a row take at most, unless one is wider."""


def show_ratios(table: Summary, groups: Sequence[BandGroup] = (), doublings: float | None = None) -> None:
    """A matrix for each layer, the mean of heads: rows are queries, columns keys.

    Args:
        table: of a recording.
        groups: the band groups, whose wavelengths stand below their names.
        doublings: end of the colour scale, 1 for 1/2 to 2; by default what the figure needs.
    """
    mean, few = table.mean_of_heads(), len(table.keys) <= WRITTEN
    values = _doublings(mean.ratio[:, 0])  # (L, Q, K)
    end = doublings or _end(values)
    cell = 0.8 if few else 0.3
    width, height = cell * len(table.keys) + 0.15, (0.55 if few else cell) * len(table.queries) + 0.3
    across = max(1, min(len(values), int(WIDE / width)))
    down = -(-len(values) // across)
    size = (2.4 + width * across, 1.1 + height * down + (0.4 if table.note else 0))
    figure, axes = plt.subplots(
        down, across, figsize=size, layout="constrained", squeeze=False, sharex=True, sharey=True
    )
    for number, (ax, layer, field) in enumerate(zip(axes.flat, mean.layers, values, strict=False)):
        picture = _matrix(ax, field, end)
        ax.set_title(layer, fontsize=11)
        if few:
            _write(ax, field, end)
        below = number + across >= len(values)  # nothing stands below this panel
        ax.tick_params(labelsize=8, labelbottom=below)
        ax.tick_params("x", rotation=0 if few else 90)
    for ax in axes.flat[len(values) :]:
        ax.set_visible(False)
    axes[0, 0].set_xticks(range(len(table.keys)), [_label(name, groups) for name in table.keys])  # of all panels
    axes[0, 0].set_yticks(range(len(table.queries)), [_label(name, groups) for name in table.queries])
    figure.supylabel("query tokens", fontsize=9)
    figure.supxlabel("key tokens", fontsize=9)
    _legend(figure, axes.ravel().tolist(), picture, end)
    figure.suptitle(_title(f"{table.what}, relative to uniform attention", table.note, size[0]), fontsize=10)
    plt.show()


def show_heads(table: Summary, doublings: float | None = None) -> None:
    """A small matrix for each head (columns) and layer (rows), in the order of `show_ratios`.

    Args:
        table: of a recording.
        doublings: end of the colour scale, as in `show_ratios`.
    """
    values = _doublings(table.ratio)  # (L, H, Q, K)
    end = doublings or _end(values)
    edge = min(0.85, WIDE / len(table.heads))
    size = (2.0 + edge * len(table.heads), 0.7 + edge * len(table.layers))
    figure, axes = plt.subplots(*values.shape[:2], figsize=size, layout="constrained", squeeze=False)
    for row, layer, fields in zip(axes, table.layers, values, strict=True):
        for ax, field in zip(row, fields, strict=True):
            picture = _matrix(ax, field, end)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(layer, rotation=0, ha="right", va="center")
    for ax, head in zip(axes[0], table.heads, strict=True):
        ax.set_title(head, fontsize=9)
    _legend(figure, axes.ravel().tolist(), picture, end)
    figure.suptitle(_title(table.what, table.note, size[0]), fontsize=10)
    plt.show()


def show_token(
    sample: Sample, attention: TokenAttention, layer: int, head: int | None = None, doublings: float | None = None
) -> None:
    """What one token attends to, laid on grey pictures of the place; see `token_figure`."""
    token_figure(sample, attention, layer, head, doublings)
    plt.show()


def token_figure(
    sample: Sample, attention: TokenAttention, layer: int, head: int | None = None, doublings: float | None = None
) -> Figure:
    """What one token attends to, laid on grey pictures of the place: one for each timestep and band group.

    The query's patch has a yellow frame where its timestep is shown. The picture stays bare where attention is uniform;
    a patch whose token is missing is crossed out in grey.

    Args:
        sample: the place that was encoded, with Sentinel-2.
        attention: of the token, as `RecordedAttention.of` gives it.
        layer: number of a recorded block, from 1.
        head: number of a recorded head, from 1; by default the mean of the heads.
        doublings: end of the colour scale, as in `show_ratios`.

    Raises:
        ValueError: for a layer or head that was not recorded, or the picture of another place.
    """
    token, (steps, groups, rows, columns) = attention.token, attention.uniform.shape
    height, width = sample.shape
    if len(sample.dates) != steps or height * columns != width * rows or height % rows:
        raise ValueError(
            f"attention over {rows} x {columns} patches and {steps} timesteps is not that of a sample of "
            f"{height} x {width} px and {len(sample.dates)} timesteps"
        )
    ratio = attention.ratio[_place("block", layer, attention.layers)]  # (H, T, S, rows, columns)
    ratio = ratio.mean(0) if head is None else ratio[_place("head", head, attention.heads)]
    values = _doublings(ratio)  # (T, S, rows, columns)
    end = doublings or _end(values)
    figure, axes = _panels([date[:7] for date in sample.dates], attention.groups, height / width)
    for time in range(steps):
        grey = true_colour(sample, time).mean(-1)
        for group in range(groups):
            picture = _lay(axes[time, group], grey, values[time, group], end)
            if time == token.time:
                _mark(axes[time, group], token.row, token.column, height // rows)
    _legend(figure, axes.ravel().tolist(), picture, end)
    which = "mean of heads" if head is None else f"head {head}"
    asks = f"{token.band} of patch ({token.row}, {token.column}) at {sample.dates[token.time]}"
    title = f"block {layer}, {which}: what the token of {asks} attends to"
    figure.suptitle(_title(title, "", figure.get_figwidth()), fontsize=10)
    return figure


def _panels(dates: Sequence[str], groups: Sequence[BandGroup], shape: float) -> tuple[Figure, np.ndarray]:
    """A figure, and its axes by timestep and band group: the longer of the two runs to the right."""
    names = [_label(group.name, groups) for group in groups]
    dates_across = len(dates) >= len(groups)
    above, beside = (dates, names) if dates_across else (names, dates)
    edge = max(0.64, min(2.2, WIDE / len(above)))
    lines = max(name.count("\n") for name in above)
    size = (1.9 + edge * len(above), 0.85 + 0.13 * lines + (edge * shape + 0.06) * len(beside))
    figure, axes = plt.subplots(len(beside), len(above), figsize=size, layout="constrained", squeeze=False)
    for ax, name in zip(axes[0], above, strict=True):
        ax.set_title(name, fontsize=8)
    for ax, name in zip(axes[:, 0], beside, strict=True):
        ax.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    return figure, axes.T if dates_across else axes


def _lay(ax: Axes, grey: np.ndarray, field: np.ndarray, end: float) -> Any:
    """A field of doublings on a picture, the denser the farther from uniform; crossed out where it is NaN."""
    height, width = grey.shape
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1)
    dense = np.nan_to_num(np.clip(np.abs(field) / end, 0, 1)) ** 0.5 * 0.85
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(np.nan_to_num(field), cmap=_MORE_OR_LESS, vmin=-end, vmax=end, alpha=dense, extent=extent)
    edge = height / len(field)
    missing = [Rectangle((x * edge - 0.5, y * edge - 0.5), edge, edge) for y, x in np.argwhere(np.isnan(field))]
    ax.add_collection(PatchCollection(missing, facecolor="#d9d9d9", edgecolor="#888888", hatch="xxx", linewidth=0))
    return ScalarMappable(Normalize(-end, end), _MORE_OR_LESS)


def _doublings(ratio: np.ndarray) -> np.ndarray:
    """Ratios as doublings; NaN where there is none, and where no attention at all is left."""
    return np.log2(ratio, out=np.full(ratio.shape, np.nan), where=ratio > 0)


def _end(values: np.ndarray) -> float:
    """End of a scale of doublings that shows all but the most extreme of many values."""
    known = np.abs(values[np.isfinite(values)])
    largest = np.percentile(known, 99) if known.size > 500 else known.max(initial=0.0)
    return next((step for step in _STEPS if step >= largest), _STEPS[-1])


def _matrix(ax: Axes, field: np.ndarray, end: float) -> Any:
    """A matrix of doublings."""
    return ax.imshow(np.ma.masked_invalid(field), cmap=_MORE_OR_LESS, vmin=-end, vmax=end, aspect="auto")


def _write(ax: Axes, field: np.ndarray, end: float) -> None:
    """The ratios in their fields."""
    for (row, column), value in np.ndenumerate(field):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.7 * end else "black"
            ax.text(column, row, f"{2**value:.2f}", ha="center", va="center", fontsize=9, color=colour)


def _legend(figure: Figure, axes: Sequence[Axes], picture: Any, end: float) -> None:
    """The scale, relative to uniform attention."""
    bar = figure.colorbar(picture, ax=axes, shrink=0.9, aspect=max(10, 5 * figure.get_figheight()), extend="both")
    steps = range(-int(end), int(end) + 1)
    bar.set_ticks(list(steps), labels=[f"1/{2**-step}" if step < 0 else f"{2**step}" for step in steps])
    bar.set_label("relative to uniform", fontsize=9)


def _label(name: str, groups: Sequence[BandGroup]) -> str:
    """A kind of token; a band group on lines of two bands, its wavelengths below."""
    group = next((group for group in groups if group.name == name), None)
    if group is None:
        return name
    words = name.split() if len(group.bands) > 1 and name.endswith(group.bands[-1]) else [name]
    lines = [" ".join(words[start : start + 2]) for start in range(0, len(words), 2)]
    return "\n".join([*lines, *([group.wavelengths] if group.wavelengths else [])])


def _title(what: str, note: str, width: float) -> str:
    """A title and the note below it, on lines that fit into so many inches."""
    return "\n".join(line for text in (what, note) for line in wrap(text, int(12 * width)))


def _place(kind: str, number: int, recorded: Sequence[str]) -> int:
    """Where a block or head stands among the recorded ones."""
    if f"{kind} {number}" not in recorded:
        raise ValueError(f"{kind} {number} was not recorded; recorded are {', '.join(recorded)}")
    return list(recorded).index(f"{kind} {number}")


def _mark(ax: Axes, row: int, column: int, patch_size: int) -> None:
    """A frame around a patch."""
    corner = (column * patch_size - 0.5, row * patch_size - 0.5)
    ax.add_patch(Rectangle(corner, patch_size, patch_size, fill=False, ec="yellow", lw=1.8))
