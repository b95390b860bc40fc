"""Figures of maps: the way from pixels to a map, maps beside the scene, borders of windows, areas with intervals."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.io.raster import open_raster
from olmoearth_nb.maps.area import Z95, Areas
from olmoearth_nb.maps.coding import colours
from olmoearth_nb.maps.seams import read_map, seams
from olmoearth_nb.plots.style import true_colour, values_at
from olmoearth_nb.sample import Sample

_STEPS = (
    ("scene", "dates x bands,\nread by windows"),
    ("windows", "each alone through\nthe encoder"),
    ("patches", "an embedding each,\nor a head's classes"),
    ("blending", "weighted mean where\nwindows overlap"),
    ("blocks", "kept until all\nare there"),
    ("map", "one file that says\nwhere and from what"),
)
"""The stations of a map, and what happens there."""

FIRST, SECOND = "#332288", "#AA4499"
"""Colours of two things that are side by side; those of `plots.style` mean tokenizations."""


def show_lifecycle() -> None:
    """The way from a scene to a map, and the weights of three windows that overlap."""
    _, (above, below) = plt.subplots(2, 1, figsize=(10.5, 4.6), height_ratios=(1, 1.25), layout="constrained")
    for place, (title, what) in enumerate(_STEPS):
        above.add_patch(FancyBboxPatch((place * 2, 0), 1.6, 1, boxstyle="round,pad=0.05", fc="#f0f0f0", ec="#777777"))
        above.text(place * 2 + 0.8, 0.76, title, ha="center", va="center", weight="bold")
        above.text(place * 2 + 0.8, 0.32, what, ha="center", va="center", fontsize=8)
        if place:
            ends = (place * 2 - 0.38, 0.5), (place * 2 - 0.02, 0.5)
            above.add_patch(FancyArrowPatch(*ends, color="#777777", arrowstyle="-|>", mutation_scale=12))
    above.set(xlim=(-0.2, 11.8), ylim=(-0.15, 1.2))
    above.axis("off")
    at = np.linspace(0, 1, 200)
    for number, colour in enumerate((FIRST, SECOND, FIRST)):
        below.fill_between(number * 0.5 + at, np.sin(np.pi * at) ** 2, color=colour, alpha=0.2, lw=0)
        below.plot(number * 0.5 + at, np.sin(np.pi * at) ** 2, color=colour)
        below.text(number * 0.5 + 0.5, 0.6, f"window {number + 1}", ha="center", color=colour)
    below.plot([0.5, 1.5], [1, 1], color="black", ls="--")
    below.text(1, 1.03, "sum of the weights", ha="center", va="bottom")
    below.set(xlabel="place along a row, in windows", ylabel="weight", xlim=(0, 2), ylim=(0, 1.2))
    plt.show()


def show_map(
    path: str | os.PathLike[str], sample: Sample, truth: np.ndarray | None = None, classes: Sequence[str] = ()
) -> None:
    """A scene in true colour beside its map; with the truth, that too.

    Args:
        path: a map of classes or a picture of components.
        sample: that it is of.
        truth: (rows, columns) class of each cell, as numbers into `classes`.
        classes: their names, those of the map among them.
    """
    panels = 2 + (truth is not None)
    _, axes = plt.subplots(1, panels, figsize=(3.4 * panels, 3.9), layout="constrained")
    date = _clearest(sample)
    axes[0].imshow(true_colour(sample, date))
    axes[0].set_title(f"scene, {sample.dates[date]}")
    picture, names = _picture(path)
    axes[1].imshow(picture)
    axes[1].set_title("map")
    if truth is not None:
        order = [*names, *(name for name in classes if name not in names)]
        table = np.array(colours(order)) / 255
        axes[2].imshow(table[np.array([order.index(name) for name in classes])[truth]])
        axes[2].set_title("truth")
        names = tuple(order)
    if names:
        shades = [(r / 255, g / 255, b / 255) for r, g, b in colours(names)]
        marks = [Patch(color=shade, label=name) for name, shade in zip(names, shades, strict=True)]
        axes[0].figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=8, frameon=False)
    for ax in axes:
        ax.axis("off")
    plt.show()


def _clearest(sample: Sample) -> int:
    """The date that is darkest in blue where most was observed: clouds are bright."""
    blue = [values_at(sample, date)[..., SENTINEL2.indices(["B02"])[0]] for date in range(len(sample.dates))]
    seen = [np.isfinite(one).mean() for one in blue]
    return min(range(len(blue)), key=lambda date: (-seen[date], np.nanmean(blue[date]) if seen[date] else 0.0))


def _picture(path: str | os.PathLike[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(rows, columns, 3) colours of a map from 0 to 1, grey where unobserved, and the names of its classes."""
    with open_raster(path) as file:
        stored, tags = file.read(), file.tags()
        unseen = (stored == file.nodata).any(0)
    if tags.get("OUTPUT") == "classes":
        names = tuple(json.loads(tags["CLASSES"]))
        table = np.array([*colours(names), *[(153, 153, 153)] * (256 - len(names))]) / 255
        return table[stored[0]], names
    if tags.get("OUTPUT") != "pca":
        raise ValueError("a map of classes or a picture of components is shown; make one by output='pca'")
    return np.where(unseen[..., None], 0.6, np.moveaxis(stored, 0, 2) / 255), ()


def show_borders(paths: Mapping[str, str | os.PathLike[str]]) -> None:
    """How far each cell's embedding lies from its neighbours', a panel for each map, all in the same colours.

    Args:
        paths: title -> map of embeddings.
    """
    _, axes = plt.subplots(1, len(paths), figsize=(4.2 * len(paths), 4.3), layout="constrained", squeeze=False)
    steps = {}
    for title, path in paths.items():
        values, tiling = read_map(path)
        down, across = (np.linalg.norm(np.diff(values, axis=axis), axis=2) for axis in (0, 1))
        steps[title] = (down[:, 1:] + across[1:]) / 2, tiling, seams(values, tiling).ratio
    most = max(np.nanpercentile(step, 98) for step, *_ in steps.values())
    for ax, (title, (step, tiling, ratio)) in zip(axes[0], steps.items(), strict=True):
        image = ax.imshow(step, vmin=0, vmax=most, cmap="viridis")
        ax.set_title(f"{title}: a step across a border\nis {ratio:.2f} times one elsewhere")
        for place in tiling.borders(1):
            ax.plot(place - 1, -1.3, "v", color="black", ms=4, clip_on=False)
        for place in tiling.borders(0):
            ax.plot(-1.3, place - 1, ">", color="black", ms=4, clip_on=False)
        ax.axis("off")
    axes[0, 0].figure.colorbar(image, ax=axes[0].tolist(), label="distance to the neighbours' embeddings", shrink=0.8)
    plt.show()


def show_areas(found: Areas, truth: np.ndarray | None = None, unit: str = "ha") -> None:
    """Areas by the map's own count and by the estimator with its interval of 95 %.

    Args:
        found: the estimates.
        truth: (K,) areas as they really are, where that is known.
        unit: of the areas.
    """
    _, ax = plt.subplots(figsize=(7.5, 0.55 * len(found.classes) + 1.4), layout="constrained")
    rows = np.arange(len(found.classes))
    ax.errorbar(found.areas, rows, xerr=Z95 * found.area_errors, fmt="o", color=FIRST, capsize=3, label="estimate")
    ax.plot(found.mapped, rows, "s", mfc="none", mew=1.6, ms=7, color=SECOND, label="pixels of the map")
    if truth is not None:
        ax.plot(truth, rows, "k|", ms=16, mew=2, label="truth")
    ax.set_yticks(rows, found.classes)
    ax.invert_yaxis()
    ax.set(xlabel=f"area in {unit}", xlim=(0, None))
    ax.legend(fontsize=9)
    plt.show()


def show_times(times: Mapping[str, tuple[int, float]]) -> None:
    """Tokens per window and seconds per square kilometre, of each model.

    Args:
        times: model -> tokens, seconds.
    """
    _, axes = plt.subplots(1, 2, figsize=(7.5, 0.5 * len(times) + 1.3), layout="constrained", sharey=True)
    for ax, part, label in zip(axes, (0, 1), ("tokens per window", "seconds per km²"), strict=True):
        bars = ax.barh(list(times), [given[part] for given in times.values()], color="#777777", height=0.6)
        ax.bar_label(bars, fmt="{:,.0f}" if part == 0 else "{:.1f}", padding=3)
        ax.set_xlabel(label)
        ax.margins(x=0.2)
    plt.show()


def live_overlay(path: str | os.PathLike[str], sample: Sample) -> None:
    """Shows a map over its scene, with a slider of its opacity; `show_map` is its twin that needs no network.

    Args:
        path: a map of classes or a picture of components.
        sample: that it is of, with a place on Earth.
    """
    try:
        import folium
    except ModuleNotFoundError:
        print("folium is not installed; the figure above shows the same")
        return
    from branca.element import MacroElement
    from IPython.display import display
    from jinja2 import Template

    assert sample.georeference is not None
    lon, lat = sample.georeference.to_lonlat(*np.array([(0, 0), sample.shape[::-1]]).T)
    bounds = [[float(lat.min()), float(lon.min())], [float(lat.max()), float(lon.max())]]
    shown = folium.Map(tiles=None, height=420)
    ground = true_colour(sample, _clearest(sample))
    folium.raster_layers.ImageOverlay(ground, bounds, name="scene", pixelated=True).add_to(shown)
    layer = folium.raster_layers.ImageOverlay(_picture(path)[0], bounds, opacity=0.6, name="map", pixelated=True)
    layer.add_to(shown)
    slider = MacroElement()
    slider._template = Template(_SLIDER.replace("LAYER", layer.get_name()).replace("MAP", shown.get_name()))
    shown.add_child(slider)
    shown.fit_bounds(bounds)
    display(shown)


_SLIDER = """
{% macro script(this, kwargs) %}
var control = L.control({position: "topright"});
control.onAdd = function () {
  var box = L.DomUtil.create("div");
  box.innerHTML = '<label style="background:white;padding:4px">opacity of the map ' +
    '<input type="range" min="0" max="1" step="0.05" value="0.6"></label>';
  L.DomEvent.disableClickPropagation(box);
  box.querySelector("input").oninput = function () { LAYER.setOpacity(this.value); };
  return box;
};
control.addTo(MAP);
{% endmacro %}
"""
