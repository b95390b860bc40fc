"""Figures of what "cheaper" means: savings in four senses, growth, a roofline, days for an area.

Functions draw and return None, so that a notebook cell ends in a figure and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from olmoearth_nb.comparison.roofline import REST, Part
from olmoearth_nb.comparison.speed import AXES, OURS, REFERENCE, SENSES, Law, Measured, Spread
from olmoearth_nb.plots.style import colour_of

WHOSE = {OURS: "#444444", REFERENCE: "#BBBBBB"}
"""Colour of an implementation."""

PARTS = {
    "patches": ("v", "#DDCC77"),
    "q, k, v, output": ("o", "#88CCEE"),
    "attention": ("D", "#882255"),
    "MLP": ("s", "#44AA99"),
    REST: ("", "#DDDDDD"),
}
"""Mark and colour of each part of an encoder; colours of `plots.style` mean tokenizations."""

_STATIONS = (
    ("enlarge", "patches of P px\nto 8 x 8 px", ""),
    ("embed", "8 x 8 pixels\nto a token", "64 C D"),
    ("norm", "", ""),
    ("q, k, v", "", "3 D²"),
    ("attention", "each token asks\nall N tokens", "2 D N"),
    ("output", "", "D²"),
    ("norm", "", ""),
    ("MLP", "with GELU", "8 D²"),
)
"""The stations of a token: name, what happens, multiply-accumulates a token; empty where nothing is counted."""

_BLOCK = (2, 8)
"""Of `_STATIONS`, those that are in each block."""


def show_savings(by_size: Mapping[str, Mapping[str, Mapping[str, Spread]]], title: str) -> None:
    """v1 over v1.1 in tokens, MACs, memory and time, a panel for each size.

    Args:
        by_size: size -> sense -> whose -> ratio, of `comparison.speed.savings`.
        title: what was encoded, and where.
    """
    figure, axes = plt.subplots(1, len(by_size), figsize=(10.4, 3.2), sharex=True, squeeze=False, layout="constrained")
    for ax, (size, senses) in zip(axes[0], by_size.items(), strict=True):
        for row, sense in enumerate(SENSES):
            for place, (whose, ratio) in enumerate(senses.get(sense, {}).items()):
                alone = len(senses[sense]) == 1
                y, height = row + (0 if alone else 0.2 * (2 * place - 1)), 0.72 if alone else 0.36
                ends = [[ratio.middle - ratio.low], [ratio.high - ratio.middle]]
                ax.barh(
                    y, ratio.middle, height, color=WHOSE[whose], xerr=ends, error_kw={"ecolor": "#CC3311", "lw": 1.5}
                )
                ax.text(ratio.high + 0.08, y, f"{ratio.middle:.1f}", va="center", fontsize=9)
        ax.axvline(3, color="black", ls=":", lw=1)
        ax.axvline(1, color="black", lw=0.8)
        ax.set_yticks(range(len(SENSES)), SENSES)
        ax.set(title=size, xlabel="v1 divided by v1.1", ylim=(len(SENSES) - 0.45, -0.55))
        ax.margins(x=0.14)
    keys = [plt.Rectangle((0, 0), 1, 1, fc=colour) for colour in WHOSE.values()]
    names = ["ours; counts", "olmoearth-pretrain-minimal"]
    figure.legend(keys, names, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(title, fontsize=11)
    plt.show()


def show_counted() -> None:
    """What a multiply-accumulate count sees of an encoder, and what it does not: a drawing."""
    _, ax = plt.subplots(figsize=(10.4, 2.7), layout="constrained")
    for place, (name, what, counted) in enumerate(_STATIONS):
        fill, edge, hatch = ("#e8eef5", "#335577", "") if counted else ("white", "#999999", "///")
        box = FancyBboxPatch((1.5 * place, 0), 1.1, 1, boxstyle="round,pad=0.05", fc=fill, ec=edge, hatch=hatch)
        ax.add_patch(box)
        ground = {"fc": "white", "ec": "none", "pad": 1.5}
        ax.text(1.5 * place + 0.55, 0.72 if what else 0.5, name, ha="center", va="center", weight="bold", bbox=ground)
        if what:
            ax.text(1.5 * place + 0.55, 0.3, what, ha="center", va="center", fontsize=8, bbox=ground)
        ax.text(
            1.5 * place + 0.55, -0.3, counted or "not counted", ha="center", color="#223344" if counted else "#777777"
        )
        if place:
            ends = (1.5 * place - 0.32, 0.5), (1.5 * place - 0.04, 0.5)
            ax.add_patch(FancyArrowPatch(*ends, color="#555555", arrowstyle="-|>", mutation_scale=11))
    first, last = 1.5 * _BLOCK[0] - 0.2, 1.5 * _BLOCK[1] - 0.2
    ax.plot([first, first, last, last], [1.15, 1.28, 1.28, 1.15], color="#555555")
    ax.text((first + last) / 2, 1.34, "L blocks", ha="center", va="bottom")
    ax.text(-0.1, -0.68, "multiply-accumulates a token; below none, time is still spent", fontsize=9, style="italic")
    ax.set(xlim=(-0.2, 1.5 * len(_STATIONS) - 0.2), ylim=(-0.85, 1.65))
    ax.axis("off")
    plt.show()


def show_growth(rows: Sequence[Measured], laws: Mapping[str, Law], title: str) -> None:
    """Measured time along each axis beside the law and beside the count alone.

    Args:
        rows: of one size, of the versions of the laws.
        laws: version -> the law that was fitted to all of its settings.
        title: of what.
    """
    figure, axes = plt.subplots(1, len(AXES), figsize=(10.4, 3.5), sharey=True, layout="constrained")
    for ax, (axis, settings) in zip(axes, AXES.items(), strict=True):
        at = [{"e": one.edge, "t": one.timesteps, "p": one.patch_size}[axis[0]] for one in settings]
        for version, law in laws.items():
            own = {row.setting: row for row in rows if row.version == version}
            costs = [setting.cost(rows[0].size, version) for setting in settings]
            along = [own[setting].time for setting in settings]
            spans = [[one.middle - one.low for one in along], [one.high - one.middle for one in along]]
            look = {"color": colour_of(version), "label": version}
            ax.errorbar(at, [one.middle for one in along], yerr=spans, fmt="o", ms=5, **look)
            ax.plot(at, [law.milliseconds(cost) for cost in costs], color=colour_of(version), lw=1.2)
            largest = max(costs, key=lambda cost: cost.macs)
            scale = law.milliseconds(largest) / largest.macs
            ax.plot(at, [scale * cost.macs for cost in costs], color=colour_of(version), ls=":", lw=1.5)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks(at, [str(value) for value in at])
        ax.minorticks_off()
        first = settings[0]
        fixed = {
            "edge of the image": f"T = {first.timesteps}, P = {first.patch_size}",
            "timesteps": f"{first.edge} x {first.edge} px, P = {first.patch_size}",
            "patch size": f"{first.edge} x {first.edge} px, T = {first.timesteps}",
        }
        ax.set(xlabel=axis + (", px" if axis != "timesteps" else ""), title=fixed[axis])
    axes[-1].invert_xaxis()  # smaller patches are more tokens
    axes[0].set_ylabel("milliseconds of a pass")
    axes[0].legend(frameon=False)
    figure.suptitle(title, fontsize=11)
    plt.show()


def show_roofline(parts: Mapping[str, Mapping[str, Part]], peak: float, copied: float) -> None:
    """Each part of an encoder under the roof of this machine, and parts of the count beside parts of the time.

    Args:
        parts: version -> part -> what it computes, moves and takes.
        peak: multiply-accumulates a second of a plain product.
        copied: bytes a second of a plain copy.
    """
    _, (roof, bars) = plt.subplots(1, 2, figsize=(10.4, 3.9), width_ratios=[1.25, 1], layout="constrained")
    shown = [part for by_name in parts.values() for part in by_name.values() if part.macs]
    corner, reached = peak / copied, [part.intensity for part in shown]  # both limits meet there
    x = np.geomspace(min(corner, *reached) / 3, max(corner, *reached) * 2, 200)
    roof.plot(x, np.minimum(peak, copied * x) / 1e9, color="black", lw=1.2)
    roof.axhline(peak / 1e9, color="black", ls=":", lw=1)
    for version, by_name in parts.items():
        for name, part in by_name.items():
            if part.macs:
                roof.plot(part.intensity, part.rate / 1e9, PARTS[name][0], ms=8, mfc=colour_of(version), mec="black")
    _key(roof, parts)
    roof.set(xscale="log", yscale="log", xlabel="multiply-accumulates a byte", ylabel="giga-MACs per second")
    roof.set_title("roof: a copy (left), a plain product (right)")
    _draw_fractions(bars, parts)
    plt.show()


def _key(ax: Axes, parts: Mapping[str, Mapping[str, Part]]) -> None:
    """Marks of parts, colours of versions."""
    for name, (mark, _) in PARTS.items():
        if mark:
            ax.plot([], [], mark, ms=7, mfc="white", mec="black", label=name)
    for version in parts:
        ax.plot([], [], "o", ms=7, color=colour_of(version), label=version)
    ax.legend(fontsize=8.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def _draw_fractions(ax: Axes, parts: Mapping[str, Mapping[str, Part]]) -> None:
    """Two bars for each version: parts of its count, parts of its time."""
    rows = [(version, measure) for version in parts for measure in ("macs", "seconds")]
    for y, (version, measure) in enumerate(rows):
        values = {name: getattr(part, measure) for name, part in parts[version].items()}
        whole, left = sum(values.values()), 0.0
        for name, value in values.items():
            fraction, text = value / whole, "white" if name == "attention" else "black"
            ax.barh(y, fraction, 0.85, left=left, color=PARTS[name][1], ec="white", label="" if y else name)
            if fraction > 0.08:
                ax.text(left + fraction / 2, y, f"{fraction:.0%}", ha="center", va="center", fontsize=9, color=text)
            left += fraction
    ax.set_yticks(range(len(rows)), [f"{name}, {'count' if of == 'macs' else 'time'}" for name, of in rows])
    ax.invert_yaxis()
    ax.set(xlabel="fraction", xlim=(0, 1))
    ax.legend(fontsize=8.5, frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=3)


def show_days(rows: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Days that an area takes, on a logarithmic axis.

    Args:
        rows: where and how -> version -> days.
        title: which area.
    """
    _, ax = plt.subplots(figsize=(9.5, 0.46 * len(rows) + 1.5), layout="constrained")
    for place, by_version in enumerate(rows.values()):
        values = list(by_version.values())
        ax.plot([min(values), max(values)], [place, place], color="#AAAAAA", lw=2, zorder=1)
        for version, value in by_version.items():
            ax.plot(value, place, "o", ms=9, color=colour_of(version), zorder=2, label="" if place else version)
        slow, fast = max(values), min(values)
        ax.annotate(f"{slow / fast:.1f}x", (slow, place), (10, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.margins(x=0.12, y=0.12)
    ax.set(xlabel="days")
    ax.set_title(title, fontsize=10)
    ax.grid(axis="x", color="#DDDDDD", lw=0.6)
    ax.legend(frameon=False, fontsize=9)
    plt.show()
