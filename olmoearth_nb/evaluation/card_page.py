"""A card as tables: rows of a CSV file, and a page that says what is kept and what is not.

`card` says what a random twin, an own part and the weight of the month are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from olmoearth_nb.evaluation.card import RAW, Card
from olmoearth_nb.evaluation.intervals import Comparison, Interval, compare_resampled, holm
from olmoearth_nb.evaluation.questions import Question

LEVEL = 0.95

COLUMNS = (
    *("data", "sensor", "model", "source", "layer", "kind", "question", "metric"),
    *("value", "low", "high", "seeds"),
)
"""Columns of `card.csv`."""

LINEAR = ("band", "own part", "mean")
"""Kinds that raw bands answer without error, since they are the question; "place" alone of the means is none."""


@dataclass(frozen=True)
class Difference:
    """What a model's last layer tells more than its random twin's, or than the raw bands.

    Attributes:
        model: name.
        other: the twin's, or `RAW`.
        question: what was asked.
        comparison: with interval, p, and the smallest detectable difference.
        p_holm: p adjusted over all differences of a card.
    """

    model: str
    other: str
    question: str
    comparison: Comparison
    p_holm: float


def card_rows(card: Card) -> Iterator[dict[str, object]]:
    """Rows of `card.csv`, whose columns are `COLUMNS`."""
    for row in card.rows:
        asked, value = row.question, row.value
        about = (row.data, card.sensor, row.model, row.source, row.layer, asked.kind, asked.name, asked.metric)
        numbers = (f"{number:.4f}" for number in (value.value, value.low, value.high))
        yield dict(zip(COLUMNS, (*about, *numbers, row.seeds), strict=True))


def differences(card: Card) -> list[Difference]:
    """Each model against its random twin and against the raw bands, with Holm's rule over all of a card."""
    asked = [
        (model, other, question.name, mine - theirs)
        for question in card.summary
        for model in card.models
        for other in (card.twin(model), RAW)
        if other and not (other == RAW and is_linear(question))
        if (mine := card.last(model, question.name)) and (theirs := card.last(other, question.name))
    ]
    compared = compare_resampled([difference for *_, difference in asked], LEVEL) if asked else []
    adjusted = holm([one.p for one in compared])
    return [
        Difference(model, other, question, one, p)
        for (model, other, question, _), one, p in zip(asked, compared, adjusted, strict=True)
    ]


def is_linear(question: Question) -> bool:
    """Whether raw bands answer a question without error, whatever the data."""
    return question.kind in LINEAR and question.name != "place"


def markdown(card: Card) -> list[str]:
    """A card as lines of a page."""
    lines = [f"## {card.data}", "", *(f"* {note}" for note in card.notes), ""]
    lines += [*_last(card), "", *_bands(card), "", *_layers(card), ""]
    found = differences(card)
    if found:
        lines += [
            "### Differences of the last layer",
            "",
            "| question | what | difference | p, Holm |",
            "|---" * 4 + "|",
        ]
        for one in found:
            what, apart = f"{one.model} - {one.other}", _signed(one.comparison.difference)
            lines.append(f"| {one.question} | {what} | {apart} | {_chance(one.p_holm)} |")
        lines.append("")
    return lines


def _last(card: Card) -> list[str]:
    """The table of the last layers."""
    asked = card.summary
    lines = [
        "### What the last layer tells",
        "",
        "R2 (weight of the month: fraction of variance; sensor: balanced accuracy from 0, chance, to 1). Intervals of "
        f"{LEVEL:.0%} are over groups and, where there are several, seeds.",
        "",
        f"| | {' | '.join(question.name for question in asked)} |",
        "|---" * (len(asked) + 1) + "|",
    ]
    shown = {(row.model, row.layer, row.question.name): row for row in card.rows}
    for name in card.sources:
        rows = [shown.get((name, card.layers(name)[-1], question.name)) for question in asked]
        seeds = next(row.seeds for row in rows if row)
        cells = ["" if row is None else _cell(row.value) for row in rows]
        lines.append(f"| {name}{f' ({seeds} seeds)' if seeds > 1 else ''} | {' | '.join(cells)} |")
    return lines


def _bands(card: Card) -> list[str]:
    """The table of the own part of each band, at the last layer."""
    asked = [question for question in card.questions if question.kind == "own part"]
    if not asked:
        return []
    names = [question.name.removeprefix("own part of ") for question in asked]
    lines = ["### The own part of each band, last layer", "", f"| | {' | '.join(names)} |"]
    lines.append("|---" * (len(asked) + 1) + "|")
    for name in (one for one in card.sources if one != RAW):
        lines.append(f"| {name} | {' | '.join(_mean(card, name, card.layers(name)[-1], one) for one in asked)} |")
    return lines


def _layers(card: Card) -> list[str]:
    """The table of all layers: own parts, NDVI, and how much of the variance is the month."""
    asked = [question for question in card.summary if question.name != "bands"]
    lines = ["### Layer by layer", "", f"| | layer | {' | '.join(question.name for question in asked)} |"]
    lines.append("|---" * (len(asked) + 2) + "|")
    for name in (one for one in card.sources if one != RAW):
        for layer in card.layers(name):
            lines.append(f"| {name} | {layer} | {' | '.join(_mean(card, name, layer, one) for one in asked)} |")
    return lines


def _mean(card: Card, name: str, layer: str, question: Question) -> str:
    """A score without its interval."""
    return f"{card.scores[name, layer, question.name].value.mean():.2f}"


def _cell(value: Interval) -> str:
    """A score with its interval, in two decimals."""
    return value.shown(2)


def _signed(value: Interval) -> str:
    """A difference with its interval, in two decimals."""
    return f"{value.value:+.2f} [{value.low:+.2f}, {value.high:+.2f}]"


def _chance(p: float) -> str:
    """A p-value in four decimals."""
    return f"{p:.4f}" if p >= 0.0001 else "< 0.0001"


def pages(cards: Sequence[Card]) -> list[str]:
    """The cards of several data sets as one page."""
    return ["# What encoders keep, and what they forget", "", *(line for card in cards for line in markdown(card))]
