"""Figures of what pretraining hides and asks: masked views, and who is told from whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from olmoearth_nb.bands import modality
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.plots.style import true_colour
from olmoearth_nb.sample import Sample

ROLE_COLOURS = {
    Role.ONLINE: ("#0072B2", "the encoder sees it"),
    Role.TARGET_ONLY: ("#d5d5d5", "neither"),
    Role.DECODER: ("#E69F00", "to be predicted"),
    Role.MISSING: ("#ffffff", "not observed"),
}
"""Colour and meaning of each role, in the order of the roles' numbers."""

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
SHORT = {
    "worldcover": "cover",
    "srtm": "elevation",
    "openstreetmap_raster": "OSM",
    "wri_canopy_height_map": "height",
    "cdl": "crops",
    "worldcereal": "cereals",
}
"""What a map shows, in one word."""


def show_views(sample: Sample, views: Mapping[str, tuple[TokenGrid, Sequence[Tensor]]]) -> None:
    """Masked views: band sets above each other, dates side by side, in each a small map of the patches.

    Args:
        sample: the place; its dates are shown in true colour above the views of the first row.
        views: title -> (layout of the tokens, (N,) roles of each view); one row a title.
    """
    heights = [_band_rows(grid) + (0.5 if number else 1.4) for number, (grid, _) in enumerate(views.values())]
    columns = max(len(roles) for _, roles in views.values())
    figure, axes = plt.subplots(
        len(views), columns, figsize=(4.0 * columns, 0.58 * sum(heights) + 0.5), height_ratios=heights,
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for row, (title, (grid, drawn)) in enumerate(views.items()):
        for number, (ax, roles) in enumerate(zip(axes[row], drawn, strict=True)):
            _draw_view(ax, sample, grid, roles, names=number == 0)
            pictured = row == 0
            if pictured:
                _draw_pictures(ax, sample, grid)
            room = next(iter(grid.shapes.values()))[0] + 0.6  # of the pictures
            middle = sum(ax.get_xlim()) / 2
            ax.text(middle, -1.9 - pictured * room, f"{title}, view {number + 1}", ha="center", fontsize=11)
            ax.set_ylim(top=-3.2 - pictured * room)
    handles = [Patch(fc=colour, ec="#bbbbbb", label=label) for colour, label in ROLE_COLOURS.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    plt.show()


def _band_rows(grid: TokenGrid) -> int:
    """Rows of a view: one for each band set of a sensor, and one for all maps together."""
    maps = [modality(name).decode_only for name, _ in grid.band_sets]
    return maps.count(False) + any(maps)


def _draw_view(ax: Axes, sample: Sample, grid: TokenGrid, roles: Tensor, names: bool) -> None:
    """One view; patches have edge 1, and a gap of 1 divides dates and band sets."""
    rows, columns, _, _ = next(iter(grid.shapes.values()))
    step, number, maps = columns + 1, 0, 0
    for time, (_, month, _) in enumerate(sample.timestamps.tolist()):
        ax.text(time * step + columns / 2, -0.3, MONTHS[month], ha="center", va="bottom", fontsize=8)
    for name, group in grid.band_sets:
        own = grid.unflatten(roles[None], name)[0, ..., group]  # (rows, columns, T)
        if modality(name).decode_only:
            bottom = _band_rows(grid) * (rows + 1)
            _draw_patches(ax, own[:, :, 0], maps * step, bottom - rows - 1)
            label = SHORT.get(name, modality(name).name)
            ax.text(maps * step + columns / 2, bottom - 0.7, label, ha="center", va="top", fontsize=7)
            maps += 1
            continue
        for time in range(own.shape[2]):
            _draw_patches(ax, own[:, :, time], time * step, number * (rows + 1))
        if names:
            _label(ax, _band_set_name(grid, name, group), number * (rows + 1) + rows / 2)
        number += 1
    if names and maps:
        _label(ax, "maps", number * (rows + 1) + rows / 2)
    across = max(len(sample.timestamps), maps) * step
    ax.set(xlim=(-0.3, across), ylim=(_band_rows(grid) * (rows + 1) + (0.6 if maps else 0), 0))
    ax.set_aspect("equal")
    ax.axis("off")


def _draw_pictures(ax: Axes, sample: Sample, grid: TokenGrid) -> None:
    """The dates in true colour above the names of their months."""
    rows, columns, _, _ = next(iter(grid.shapes.values()))
    for time in range(len(sample.timestamps)):
        left = time * (columns + 1)
        ax.imshow(_picture(sample, time), extent=(left, left + columns, -1.6, -1.6 - rows))


def _picture(sample: Sample, time: int) -> np.ndarray:
    """True colour of a date, or grey where there is no Sentinel-2 at all."""
    if "sentinel2_l2a" not in sample.images:
        return np.full((1, 1, 3), 0.6)
    return true_colour(sample, time)


def _draw_patches(ax: Axes, roles: Tensor, left: float, top: float) -> None:
    """The patches of one band set at one date."""
    rows, columns = roles.shape
    colours = ListedColormap([colour for colour, _ in ROLE_COLOURS.values()])
    ax.pcolormesh(
        left + np.arange(columns + 1), top + np.arange(rows + 1), roles.numpy(), cmap=colours, vmin=-0.5, vmax=3.5,
        edgecolors="#f4f4f4", linewidth=0.4,
    )  # fmt: skip
    ax.add_patch(Rectangle((left, top), columns, rows, fill=False, ec="#bbbbbb", lw=0.5))


def _label(ax: Axes, text: str, y: float) -> None:
    """A name at the left of a row."""
    ax.text(-0.8, y, text, ha="right", va="center", fontsize=8)


def _band_set_name(grid: TokenGrid, name: str, group: int) -> str:
    """Sensor, and the finest resolution of the group where there are several."""
    spec, groups = modality(name), grid.tokenization.groups_of(name)
    finest = [min(spec.bands[i].resolution for i in spec.indices(bands)) for bands in groups]
    if len(groups) == 1:
        return spec.title
    return f"{spec.title}\n{f'{finest[group]:g} m' if len(set(finest)) == len(groups) else ' '.join(groups[group])}"


def show_discrimination(sample: Sample, patch_size: int, time: int, cosines: Tensor, chances: Tensor) -> None:
    """Who is told from whom: numbered patches, predictions against targets, and the softmax of every prediction.

    Args:
        sample: the place.
        patch_size: P in pixels.
        time: timestep of the picture.
        cosines: (n, n) of each prediction with each target of the first n patches, row by row.
        chances: (n, n) the softmax of its rows.
    """
    figure, axes = plt.subplots(1, 3, figsize=(8.6, 3.0), layout="constrained", width_ratios=[0.8, 1, 1])
    axes[0].imshow(_picture(sample, time))
    columns = next(iter(sample.images.values())).shape[1] // patch_size
    for number in range(len(cosines)):
        x, y = (number % columns) * patch_size - 0.5, (number // columns) * patch_size - 0.5
        axes[0].add_patch(Rectangle((x, y), patch_size, patch_size, fill=False, ec="white", lw=1))
        middle = (x + patch_size / 2, y + patch_size / 2)
        axes[0].text(*middle, str(number + 1), color="white", ha="center", va="center", weight="bold")
    axes[0].set(title=f"patches, {sample.dates[time]}", xticks=[], yticks=[])
    ticks = range(len(cosines)), range(1, len(cosines) + 1)
    for ax, values, title, top in ((axes[1], cosines, "cosine", None), (axes[2], chances, "softmax of the rows", 1)):
        picture = ax.imshow(values.numpy(), cmap="viridis", vmin=None if top is None else 0, vmax=top)
        for i in range(len(values)):
            ax.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, ec="white", lw=1.5))
        ax.set(title=title, xlabel="target of patch")
        ax.set_xticks(*ticks)
        ax.set_yticks(*ticks)
        figure.colorbar(picture, ax=ax, shrink=0.8)
    axes[1].set_ylabel("prediction for patch")
    plt.show()
