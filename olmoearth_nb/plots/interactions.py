"""Figures of what bands do together: matrices of pairs, synergy beside redundancy, and stages of encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from olmoearth_nb.bands import modality
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.insight.interactions import ShapleyInteraction
from olmoearth_nb.insight.players import Players
from olmoearth_nb.plots.style import COLOURS, RESOLUTION_COLOURS
from olmoearth_nb.plots.training import RECIPE_COLOURS

ARMS = COLOURS | RECIPE_COLOURS
"""Colours of arms; of others those that are left, in order."""

ACROSS = 3
"""Matrices that stand in one row at most."""


def show_pairs(matrices: Mapping[str, np.ndarray], players: Players, label: str = "relative interaction") -> None:
    """Matrices of pair interactions, players in the order of their wavelengths, all on one scale.

    Args:
        matrices: title -> (n, n), the diagonal is not drawn; more than three stand in two rows.
        players: what rows and columns are; the colour behind a name is the resolution.
        label: what the values are.
    """
    order = by_wavelength(players)
    off = ~np.eye(len(players), dtype=bool)
    most = max(float(np.nanmax(abs(matrix[off]))) for matrix in matrices.values())
    lowest = min(float(np.nanmin(matrix[off])) for matrix in matrices.values())
    look = (
        {"cmap": "viridis", "vmin": 0, "vmax": most} if lowest >= 0 else {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
    )
    across = len(matrices) if len(matrices) <= ACROSS else (len(matrices) + 1) // 2
    down, edge = -(-len(matrices) // across), max(2.6, 0.25 * len(players))
    size = ((edge + 0.3) * across + 1.5, (edge + 0.5) * down + 0.6)
    _, axes = plt.subplots(down, across, figsize=size, layout=_roomy(), squeeze=False)
    for ax in axes.flat[len(matrices) :]:
        ax.set_visible(False)
    for number, (ax, (title, matrix)) in enumerate(zip(axes.flat, matrices.items(), strict=False)):
        shown = np.where(np.eye(len(players), dtype=bool), np.nan, matrix)[np.ix_(order, order)]
        image = ax.imshow(shown, **look)
        ax.set_title(title)
        _name(ax, players, order, rows=number % across == 0)
    plt.colorbar(image, ax=axes, label=label, shrink=0.85 / down)
    plt.show()


def show_synergy(found: ShapleyInteraction, title: str = "") -> None:
    """Synergy above the diagonal, redundancy below it, in the unit of the scalar.

    Args:
        found: exact interactions.
        title: of the figure.
    """
    players, order = found.players, by_wavelength(found.players)
    synergy, redundancy = (values[np.ix_(order, order)] for values in (found.synergy, found.redundancy))
    shown = np.triu(synergy, 1) - np.tril(redundancy, -1)
    shown[np.eye(len(players), dtype=bool)] = np.nan
    most, edge = float(np.nanmax(abs(shown))) or 1.0, max(3.0, 0.33 * len(players))
    _, ax = plt.subplots(figsize=(edge + 2.2, edge + 1.0), layout=_roomy())
    image: AxesImage = ax.imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most)
    ax.set_title(title)
    _name(ax, players, order)
    bar = plt.colorbar(image, ax=ax, shrink=0.85)
    bar.set_label("redundancy (lower left)   |   synergy (upper right)", fontsize=8)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.2g}")
    plt.show()


def show_stages(
    trained: Mapping[str, Sequence[Interval]],
    untrained: Mapping[str, Sequence[Interval]],
    stages: Sequence[str],
    label: str = "interaction across resolutions",
) -> None:
    """How much players act together at each stage of encoders: one panel an arm, its untrained twin hollow.

    Args:
        trained: arm -> one interval a stage.
        untrained: the same of the twins; an arm may lack one.
        stages: their names, in order; what stands behind the last norm is shown as the embedding.
        label: of the axis.
    """
    size = (2.7 * len(trained) + 0.6, 3.2)
    figure, axes = plt.subplots(1, len(trained), figsize=size, sharey=True, layout="constrained", squeeze=False)
    spare = iter(["#CC79A7", "#E69F00", "#7F6A3F", "#444444"] * len(trained))
    places, names = np.arange(len(stages)), ["embedding" if stage == "norm" else stage for stage in stages]
    for ax, (arm, found) in zip(axes[0], trained.items(), strict=True):
        colour = ARMS[arm] if arm in ARMS else next(spare)
        drawn = ((found, colour, colour, "-"), (untrained.get(arm, ()), "#777777", "white", ":"))
        for several, edge, face, dashes in drawn:
            if several:
                values = np.array([one.value for one in several])
                ends = abs(np.array([[one.low for one in several], [one.high for one in several]]) - values)
                look = {"color": edge, "markerfacecolor": face, "ms": 5, "lw": 1.4, "elinewidth": 1.2, "ls": dashes}
                ax.errorbar(places, values, yerr=ends, fmt="o", **look)
        ax.set(title=arm, ylim=(0, None))
        ax.set_xticks(places, names, rotation=60, ha="right", fontsize=8)
    axes[0, 0].set_ylabel(label)
    looks = {"trained": ("black", "black", "-"), "untrained": ("#777777", "white", ":")}  # of no arm's colour
    handles = [
        Line2D([], [], color=edge, markerfacecolor=face, ls=dashes, marker="o", ms=5, label=name)
        for name, (edge, face, dashes) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    plt.show()


def _roomy() -> ConstrainedLayoutEngine:
    """A layout that leaves room for the ground of names, which it does not count."""
    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)


def by_wavelength(players: Players) -> np.ndarray:
    """(n,) numbers of players in the order of the mean centre of their bands."""
    return np.argsort([_centre(players, player) for player in range(len(players))], kind="stable")


def _centre(players: Players, player: int) -> float:
    """Mean centre of a player's bands in nm; infinite where the word has no meaning."""
    centres = {band.name: band.centre for band in modality(players.modality).bands}
    known = [centres[band] for band in players.bands[player]]
    return float(np.mean([one for one in known if one is not None])) if any(known) else float("inf")


def _name(ax: Axes, players: Players, order: np.ndarray, rows: bool = True) -> None:
    """Names of players on both axes, with the wavelength of single bands, on the ground of their resolution."""
    resolution = {band.name: band.resolution for band in modality(players.modality).bands}
    names = []
    for player in order.tolist():
        one = len(players.bands[player]) == 1 and np.isfinite(_centre(players, player))
        names.append(f"{players.names[player]}  {_centre(players, player):.0f}" if one else players.names[player])
    ticks = range(len(order))
    ax.set_xticks(ticks, [players.names[player] for player in order], rotation=90, fontsize=8)
    ax.set_yticks(ticks, names if rows else [""] * len(order), fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for label, player in [
        *zip(ax.get_xticklabels(), order, strict=True),
        *zip(ax.get_yticklabels(), order, strict=True),
    ]:
        colours = {RESOLUTION_COLOURS.get(int(resolution[band])) for band in players.bands[player]}
        if label.get_text() and len(colours) == 1 and None not in colours:
            label.set_bbox({"facecolor": colours.pop(), "edgecolor": "none", "pad": 1.2})
