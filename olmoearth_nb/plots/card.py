"""Cards as one figure: what is read off embeddings, beside random initialisations and raw bands.

A model's *twin* is a random initialisation of its size and tokens; `evaluation.card` explains what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from olmoearth_nb.bands import modality
from olmoearth_nb.evaluation.card import RAW, Card, Row
from olmoearth_nb.evaluation.card_page import is_linear
from olmoearth_nb.plots.style import BASELINES, COLOURS
from olmoearth_nb.plots.training import RECIPE_COLOURS

MODEL, RANDOM, BANDS = COLOURS["v1"], "#888888", COLOURS["v1.1"]
"""Colours of a model, its random initialisations, and the raw bands."""

LIMITS = (-0.12, 1.06)
"""Scores below are drawn at the edge, as a triangle: how far below zero says nothing more."""

OTHERS = "NDVI, month, place, sensor"
"""Title of the panel of all questions that are about no single band."""

SHORT = {"weight of the month": "weight of month", "own part of ": ""}


def plot_cards(cards: Sequence[Card]) -> Figure:
    """One model in detail, or several side by side.

    Args:
        cards: of the same models on one or several data sets.

    Returns:
        The figure: a row of panels for each data set.
    """
    return _detail(cards) if len(cards[0].models) == 1 else _overview(cards)


def _overview(cards: Sequence[Card]) -> Figure:
    """A column for each question, in each panel a row for each model: its dot, its random twin, the raw bands."""
    names = list(dict.fromkeys(question.name for card in cards for question in card.summary))
    models = cards[0].models
    wide, high = 1.45 * len(names) + 0.075 * max(map(len, models)), (0.19 * len(models) + 0.5) * len(cards) + 0.7
    drawing = Figure(figsize=(wide, high), layout="constrained")
    grid = drawing.subplots(len(cards), len(names), squeeze=False, sharey=True)
    for card, line in zip(cards, grid, strict=True):
        shown = {(row.model, row.layer, row.question.name): row for row in card.rows}
        for name, axes in zip(names, line, strict=True):
            rows = [(shown.get((one, card.layers(one)[-1], name)), _twin(card, shown, one, name)) for one in models]
            _dots(axes, rows, shown.get((RAW, RAW, name)))
            axes.set_yticks(-np.arange(len(models)), models, fontsize=7)
            axes.set_ylim(0.6 - len(models), 0.6)
            if card is cards[0]:
                axes.set_title(_short(name), fontsize=9)
        line[0].annotate(
            card.data, (0, 1), (-3, 3), xycoords="axes fraction", textcoords="offset points", ha="right", fontsize=8
        ).set_fontweight("bold")
    _legend(drawing)
    return drawing


def show_kept(rows: Sequence[Mapping[str, str]], asked: Mapping[str, str], models: Mapping[str, str]) -> None:
    """What models and their random twins tell of a few questions, from the committed table of cards.

    Args:
        rows: of one data set, as `published("cards")` has them.
        asked: question -> title of its panel.
        models: name of a model -> its recipe, which has the model's colour.
    """
    found = {
        (row["model"], row["question"]): tuple(float(row[key]) for key in ("low", "value", "high")) for row in rows
    }
    _, axes = plt.subplots(1, len(asked), figsize=(2.5 * len(asked) + 0.6, 2.3), layout="constrained", sharey=True)
    for ax, (question, title) in zip(axes, asked.items(), strict=True):
        if (RAW, question) in found and question != "own parts":  # bands hold all of their own parts
            ax.axvline(found[RAW, question][1], color=BASELINES[1], ls="--", lw=1.2)
        for place, (model, recipe) in enumerate(models.items()):
            for who, step, face in ((model, -0.13, None), (f"random, as {model}", 0.13, "white")):
                low, value, high = found[who, question]
                colour = RECIPE_COLOURS[recipe]
                ax.plot([low, high], [place + step] * 2, color=colour, lw=1.5)
                ax.plot(value, place + step, "o", color=colour, markerfacecolor=face or colour)
        ax.set_yticks(range(len(models)), list(models.values()))
        ax.set(title=title, xlim=(-0.02, 1.04), ylim=(len(models) - 0.5, -0.5))
    plt.show()


def _detail(cards: Sequence[Card]) -> Figure:
    """Bands, their own parts, all other questions, and a strip of the layers."""
    bands = max(sum(question.kind == "band" for question in card.questions) for card in cards)
    size = (10.5, (0.17 * bands + 0.75) * len(cards) + 0.5)
    drawing = Figure(figsize=size, layout="constrained")
    grid = drawing.subplots(len(cards), 4, squeeze=False, width_ratios=[1, 1, 1.25, 1.35])
    for card, line in zip(cards, grid, strict=True):
        (model,) = card.models
        shown = {(row.model, row.layer, row.question.name): row for row in card.rows}
        others = [question.name for question in card.questions if question.kind not in ("band", "own part", "mean")]
        parts = {
            "bands": _by_wavelength(card, ""),
            "own parts of bands": _by_wavelength(card, "own part of "),
            OTHERS: others,
        }
        for axes, (title, names) in zip(line, parts.items(), strict=False):
            last = card.layers(model)[-1]
            rows = [(shown.get((model, last, name)), _twin(card, shown, model, name)) for name in names]
            _dots(axes, rows, None)
            for place, name in enumerate(names):
                raw = shown.get((RAW, RAW, name))
                if raw and not is_linear(raw.question):
                    axes.plot(raw.value.value, -place, "|", color=BANDS, ms=11, mew=2, label=RAW)
            axes.set_yticks(-np.arange(len(names)), [_short(name) for name in names], fontsize=7.5)
            axes.set_ylim(0.6 - max(len(names), 1), 0.6)
            axes.set_title(title, fontsize=9)
            axes.set_xlabel("R2" if title != OTHERS else "R2; weight, sensor: 0 to 1", fontsize=7.5)
        line[0].set_ylabel(card.data, fontsize=9, fontweight="bold")
        _strip(drawing, line[3], card, model)
    _legend(drawing)
    return drawing


def _twin(card: Card, shown: dict[tuple[str, str, str], Row], model: str, name: str) -> Row | None:
    """What the random twin's last layer tells."""
    twin = card.twin(model)
    return shown.get((twin, card.layers(twin)[-1], name)) if twin else None


def _by_wavelength(card: Card, prefix: str) -> list[str]:
    """Questions of a kind, in the order of the bands' wavelengths where they have some."""
    centre = {prefix + band.name: band.centre or 0.0 for band in modality(card.sensor).bands}
    return sorted((question.name for question in card.questions if question.name in centre), key=centre.__getitem__)


def _dots(axes: Axes, rows: Sequence[tuple[Row | None, Row | None]], raw: Row | None) -> None:
    """Dots with intervals of models and, hollow, of their random twins; a line of the raw bands."""
    if raw is not None and not is_linear(raw.question):
        axes.axvline(np.clip(raw.value.value, *LIMITS), color=BANDS, lw=1.3, label=RAW, zorder=1)
    for place, (model, random) in enumerate(rows):
        for row, colour, down in ((random, RANDOM, 0.16), (model, MODEL, -0.16)):
            if row is None:
                continue
            at, one = -place - down, row.value
            low, value, high = np.clip((one.low, one.value, one.high), *LIMITS)
            axes.plot([low, high], [at, at], color=colour, lw=1.3, alpha=0.8)
            mark, fill = ("<" if one.value < LIMITS[0] else "o"), (colour if row is model else "white")
            axes.plot(value, at, mark, color=colour, markerfacecolor=fill, ms=4, label=_NAMES[row.source])
    if not any(row for pair in rows for row in pair):
        axes.text(0.5, 0.5, "not asked", transform=axes.transAxes, ha="center", va="center", fontsize=7, color="grey")
    axes.set_xlim(*LIMITS)
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=7)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_axisbelow(True)


_NAMES = {"model": "model", "random": "random initialisation"}


def _strip(drawing: Figure, axes: Axes, card: Card, model: str) -> None:
    """A heat strip: questions down, layers of the model to the right."""
    layers, asked = card.layers(model), [question.name for question in card.summary]
    values = np.array([[card.scores[model, layer, name].value.mean() for layer in layers] for name in asked])
    axes.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        dark = value > 0.6
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axes.set_xticks(range(len(layers)), layers, fontsize=7.5)
    axes.set_yticks(range(len(asked)), [_short(name) for name in asked], fontsize=7.5)
    axes.set_title(f"{model}, layer by layer", fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _short(name: str) -> str:
    """The name of a question in a figure."""
    for long, short in SHORT.items():
        name = name.replace(long, short)
    return name


def _legend(drawing: Figure) -> None:
    """One legend for all panels."""
    named = {
        label: handle for axes in drawing.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    drawing.legend(list(named.values()), list(named), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
