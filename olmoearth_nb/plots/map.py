"""A map that needs no network; the look is that of `olmoearth_nb.plots.style`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

Place = tuple[float, float]
"""Latitude and longitude in degrees."""

MARKS = ("#D55E00", "#0072B2", "#CC79A7", "#009E73")
"""Colours of named places, in order."""


def show_places(places: Sequence[Place], named: Mapping[str, Place]) -> None:
    """Places on a map of equal degrees: many as dots, a few by name.

    Coasts are drawn where odc-geo is installed (it comes with the `[data]` extra and holds them); otherwise the
    degrees alone.

    Args:
        places: latitude and longitude of the dots.
        named: label -> latitude and longitude.
    """
    _, ax = plt.subplots(figsize=(8.6, 3.9), layout="constrained")
    _draw_coasts(ax)
    at = np.array(places, dtype=float).reshape(-1, 2)
    ax.plot(at[:, 1], at[:, 0], "o", ms=4.5, mfc="#444444", mec="white", mew=0.5, label=f"{len(at)} simulated tiles")
    for (label, (latitude, longitude)), colour in zip(named.items(), MARKS, strict=False):
        ax.plot(longitude, latitude, "*", ms=16, mfc=colour, mec="black", mew=0.8, label=label)
    ax.axhline(0, color="#666666", lw=0.8)
    longitudes, latitudes = range(-180, 181, 60), range(-60, 91, 30)
    ax.set_xticks(longitudes, [degrees(value, "EW") for value in longitudes], fontsize=8)
    ax.set_yticks(latitudes, [degrees(value, "NS") for value in latitudes], fontsize=8)
    ax.grid(color="#999999", lw=0.3)
    ax.set(xlim=(-180, 180), ylim=(-60, 80), aspect="equal")
    ax.legend(loc="lower left", fontsize=8)
    plt.show()


def degrees(value: float, letters: str) -> str:
    """A latitude ("NS") or longitude ("EW") as people write it, such as 30° S."""
    return f"{abs(value):g}°" + (f" {letters[value < 0]}" if value else "")


def _draw_coasts(ax: Axes) -> None:
    """Sea and land in two pale colours, if odc-geo is there."""
    if importlib.util.find_spec("odc") is None or importlib.util.find_spec("odc.geo") is None:
        return
    from odc.geo.data import ocean_geojson

    land = "#f4efe2"
    ax.set_facecolor(land)
    seas = [feature["geometry"]["coordinates"] for feature in ocean_geojson()["features"]]
    for coast, *islands in sorted(seas, key=len, reverse=True):  # the oceans before the Caspian Sea
        ax.fill(*np.array(coast).T, fc="#d7e6f2", ec="#9a9a90", lw=0.4)
        for island in islands:
            ax.fill(*np.array(island).T, fc=land, ec="#9a9a90", lw=0.4)
