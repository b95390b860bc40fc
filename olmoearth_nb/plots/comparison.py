"""Figures of a comparison of two models: scores, classes, places where they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from olmoearth_nb.comparison.agreement import KINDS, Agreement
from olmoearth_nb.comparison.classes import ClassDifference
from olmoearth_nb.comparison.compare import Compared
from olmoearth_nb.comparison.independent import Independent, over_sets
from olmoearth_nb.evaluation.summary import intervals
from olmoearth_nb.plots.scores import plot_scores
from olmoearth_nb.plots.style import MARKS, MISLABELLED

KIND_COLOURS = ("#dddddd", "#0072B2", "#D55E00", "#999999", "#555555")
"""Colours of `KINDS`: blue where the current model alone is right, orange where the candidate alone is."""

GAIN, LOSS, UNSEEN = "#009E73", "#CC3311", "#888888"
"""Colours of classes that gain, lose, or do neither that can be seen."""


def plot_comparison(compared: Compared) -> Figure:
    """Scores of both models, random twins and baselines, a panel for each probe."""
    evaluation, shown = compared.evaluation, intervals(compared.evaluation)
    metric = evaluation.metrics[0]
    panels = {
        ("", probe): {arm.name: shown[arm.name, probe, metric] for arm in evaluation.arms}
        for probe in evaluation.probes
    }
    kinds = {kind: [arm.name for arm in evaluation.arms if arm.kind == kind] for kind in ("random", "baseline")}
    colours = {compared.current: KIND_COLOURS[1], compared.candidate: KIND_COLOURS[2]}
    return plot_scores(panels, kinds["random"], kinds["baseline"], metric, colours)


def plot_classes(classes: Sequence[ClassDifference]) -> Figure:
    """What each class gains or loses, with intervals, the largest loss at the top.

    Args:
        classes: by one probe.
    """
    ordered = sorted(classes, key=lambda one: one.candidate - one.current)
    drawing = Figure(figsize=(7.0, 0.3 * len(ordered) + 1.3), layout="constrained")
    ax = drawing.subplots()
    for place, one in enumerate(ordered):
        colour = {"gain": GAIN, "regression": LOSS}.get(one.finding, UNSEEN)
        face = "white" if one.comparison is None else colour
        if one.comparison is not None:
            ends = one.comparison.difference
            ax.plot([ends.low, ends.high], [place, place], color=colour, lw=1.8)
        ax.plot(one.candidate - one.current, place, "o", color=colour, markerfacecolor=face, ms=6)
    names = [f"{one.name} ({one.places})" for one in ordered]
    ax.set_yticks(range(len(ordered)), names)
    ax.invert_yaxis()
    ax.axvline(0, color="#444444", lw=0.8)
    ax.set_xlabel("← current model better    recall, candidate minus current    candidate better →")
    ax.spines[["top", "right"]].set_visible(False)
    for label, colour in (("loss", LOSS), ("gain", GAIN), ("no difference seen", UNSEEN)):
        ax.plot([], [], "o-", color=colour, label=label)
    if any(one.comparison is None for one in ordered):
        ax.plot([], [], "o", color=UNSEEN, markerfacecolor="white", label="too few groups")
    drawing.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return drawing


def plot_agreement(found: Agreement, names: Mapping[str, str]) -> Figure:
    """Which places both tell, one alone, or none; on a map where it is known where they lie, else class by class.

    Args:
        found: of both models.
        names: what to call "current" and "candidate".
    """
    if not found.classes:
        return _plot_values(found, names)
    known = np.isfinite(found.latlon).all(1)
    if known.mean() < 0.5 or len(np.unique(found.latlon[known].round(6), axis=0)) < 2:
        return _plot_matrix(found, names)
    drawing = Figure(figsize=(6.6, 5.0), layout="constrained")
    ax = drawing.subplots()
    _scatter(ax, found, names)
    middle = float(np.median(found.latlon[known, 0]))
    ax.set_aspect(1 / max(np.cos(np.radians(middle)), 0.1))
    ax.set(xlabel="longitude", ylabel="latitude")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.ticklabel_format(useOffset=False)
    drawing.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return drawing


def _scatter(ax: Axes, found: Agreement, names: Mapping[str, str]) -> None:
    """Places in the colours of their kind; those of one model alone on top."""
    kind = found.kind
    for number in (0, 3, 4, 1, 2):
        mine = kind == number
        word = KINDS[number].replace("current", names["current"]).replace("candidate", names["candidate"])
        at = found.latlon[mine]
        ax.scatter(at[:, 1], at[:, 0], 26, KIND_COLOURS[number], ec="white", lw=0.4, label=f"{word} ({mine.sum()})")


def _plot_matrix(found: Agreement, names: Mapping[str, str]) -> Figure:
    """What one model tells against what the other tells."""
    edge = max(3.4, 0.42 * len(found.classes) + 1.9)
    drawing = Figure(figsize=(edge + 0.8, edge), layout="constrained")
    ax, matrix = drawing.subplots(), found.matrix
    apart = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    ax.imshow(apart, cmap="Oranges", vmax=max(int(apart.max()), 1) * 1.3)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            ax.text(column, row, str(count), ha="center", va="center", fontsize=9)
    ax.set_xticks(range(len(matrix)), found.classes, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    ax.set_yticks(range(len(matrix)), found.classes, fontsize=9)
    ax.set(xlabel=f"{names['candidate']} tells", ylabel=f"{names['current']} tells")
    ax.set_title(f"both tell the same of {found.agree:.0%}", fontsize=10)
    return drawing


def _plot_values(found: Agreement, names: Mapping[str, str]) -> Figure:
    """Real values that one model tells against those that the other tells."""
    drawing = Figure(figsize=(4.6, 4.2), layout="constrained")
    ax = drawing.subplots()
    dots = ax.scatter(found.current, found.candidate, 16, found.answers, cmap="viridis")
    ends = [float(np.min([found.current, found.candidate])), float(np.max([found.current, found.candidate]))]
    ax.plot(ends, ends, color="#888888", lw=0.8)
    ax.set(xlabel=f"{names['current']} tells", ylabel=f"{names['candidate']} tells")
    drawing.colorbar(dots, ax=ax, label="answer")
    return drawing


def plot_map(current: np.ndarray, candidate: np.ndarray, classes: Sequence[str], names: Mapping[str, str]) -> Figure:
    """A scene as both models see it, and where they differ.

    Args:
        current: (rows, columns) class of each square by the current model, -1 where it is unknown.
        candidate: the same of the candidate.
        classes: names.
        names: what to call "current" and "candidate".
    """
    rows, columns = current.shape
    drawing = Figure(figsize=(10.0, 3.4 * max(rows / columns, 0.5) + 1.2), layout="constrained")
    axes = drawing.subplots(1, 3)
    palette = ListedColormap(["white", *(_colour(i, len(classes)) for i in range(len(classes)))])
    for ax, (title, values) in zip(axes, {"current": current, "candidate": candidate}.items(), strict=False):
        ax.imshow(values + 1, cmap=palette, vmin=-0.5, vmax=len(classes) + 0.5)
        ax.set_title(names[title], fontsize=10)
    seen = (current >= 0) & (candidate >= 0)
    apart = np.where(seen, np.where(current == candidate, 1, 2), 0)
    axes[2].imshow(apart, cmap=ListedColormap(["white", "#dddddd", "#CC3311"]), vmin=-0.5, vmax=2.5)
    part = float((apart == 2).sum() / max(int(seen.sum()), 1))
    axes[2].set_title(f"red: they differ ({part:.0%})", fontsize=10)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    for number, name in enumerate(classes):
        axes[0].plot([], [], "s", color=_colour(number, len(classes)), label=name)
    drawing.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return drawing


def _colour(number: int, count: int) -> str:
    """Colour of a class."""
    from matplotlib import colormaps, colors

    return colors.to_hex(colormaps["tab10" if count <= 10 else "tab20"](number % 20))


def plot_independent(rows: Sequence[Independent], savings: Mapping[str, Mapping[str, float]]) -> Figure:
    """What a version gains or loses on the data sets of others by each probe, and what it saves.

    Args:
        rows: of one version; sets with wrong labels are grey.
        savings: what is saved -> model size -> how many times less.
    """
    sets = list(dict.fromkeys(one.dataset for one in rows))
    drawing = Figure(figsize=(10.0, 0.42 * len(sets) + 1.9), layout="constrained")
    *by_probe, beside = drawing.subplots(1, 3, width_ratios=[1, 1, 0.9])
    for ax, probe in zip(by_probe, PROBES, strict=True):
        _draw_gains(ax, [one for one in rows if one.probe == probe], sets)
        ax.set(title=PROBES[probe], xlabel="← v1 better    points    v1.1 better →", xlim=(-7, 7))
    by_probe[0].set_yticks(range(len(sets)), [_marked(name, rows) for name in sets])
    by_probe[1].set_yticks(range(len(sets)), [])
    _draw_savings(beside, savings)
    handles, names = by_probe[0].get_legend_handles_labels()
    drawing.legend(handles, names, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return drawing


PROBES = {"kNN": "nearest neighbours", "linear": "linear probe"}
"""Probes of others, and what a panel calls them."""


def _marked(name: str, rows: Sequence[Independent]) -> str:
    """The name of a data set, marked where its bands have wrong names."""
    wrong = any(one.mislabelled for one in rows if one.dataset == name)
    return f"{name} (wrong bands)" if wrong else name


def _draw_gains(ax: Axes, rows: Sequence[Independent], sets: Sequence[str]) -> None:
    """One row for each data set with a mark for each size, and the mean over those that are labelled rightly."""
    mean = over_sets(rows, rows[0].probe)
    ax.axvspan(mean.low, mean.high, color=GAIN, alpha=0.15, lw=0, label="mean over sets with right bands")
    ax.axvline(mean.value, color=GAIN, lw=1.2)
    ax.axvline(0, color="#444444", lw=0.8, ls=":")
    for one in rows:
        place, colour = sets.index(one.dataset), MISLABELLED if one.mislabelled else "#333333"
        low, high = np.clip([one.mean.low, one.mean.high], -7, 7)
        ax.plot([low, high], [place, place], color=colour, lw=1.2, alpha=0.6)
        for size, value in one.by_size.items():
            at, face = place + 0.2 * (list(MARKS).index(size) - 1), "white" if one.mislabelled else colour
            ax.scatter(value, at, 30, marker=MARKS[size], fc=face, ec=colour)
    ax.set_ylim(len(sets) - 0.5, -0.5)
    for size, mark in MARKS.items():
        ax.scatter([], [], 34, marker=mark, fc="#333333", ec="#333333", label=size)


def _draw_savings(ax: Axes, savings: Mapping[str, Mapping[str, float]]) -> None:
    """Bars of how many times less is needed, by size."""
    for number, (what, by_size) in enumerate(savings.items()):
        at = np.arange(len(by_size)) + 0.38 * (number - (len(savings) - 1) / 2)
        bars = ax.barh(at, list(by_size.values()), 0.34, color=("#bbbbbb", "#777777")[number % 2])
        ax.bar_label(bars, [f"{what} {value:.1f}x" for value in by_size.values()], fontsize=9, padding=3)
    ax.set_yticks(range(len(by_size)), list(by_size))
    ax.invert_yaxis()
    ax.axvline(1, color="#444444", lw=0.8, ls=":")
    ax.set(xlabel="times less than v1", xlim=(0, 1.7 * max(max(own.values()) for own in savings.values())))
