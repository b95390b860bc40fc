"""The tables of an evaluation: scores with intervals, and what differs, with Holm's rule over each table.

Four questions have a table each: do models differ, are they above what is read without them, what do wrong names of
bands cost, and does one model pay more for them than another. As in the report of a study, the family of Holm's rule
is all rows of a table: of a question and one way to name the bands, over all probes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from olmoearth_nb.evaluation.arms import STATISTICS, WITH_MONTH
from olmoearth_nb.evaluation.evaluate import Evaluation
from olmoearth_nb.evaluation.intervals import (
    TRAINED,
    Comparison,
    Interval,
    Resampled,
    compare_resampled,
    holm,
    not_seen,
)
from olmoearth_nb.evaluation.metrics import bounds

LEVEL = 0.95

COST = "What do these names cost?"
EXTRA = "Do these names cost one more than another?"

INTERVALS = ("data", "names", "model", "probe", "division", "metric", "value", "low", "high")
DIFFERENCES = (
    "question",
    "names",
    "probe",
    "what",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "detectable",
    "finding",
)


@dataclass(frozen=True)
class Difference:
    """One difference of scores.

    Attributes:
        question: what its table asks.
        names: how bands were named.
        probe: name.
        what: of what, in words.
        comparison: with interval, p, and the smallest detectable difference.
        p_holm: p adjusted over the table.
    """

    question: str
    names: str
    probe: str
    what: str
    comparison: Comparison
    p_holm: float

    @property
    def finding(self) -> str:
        """In words; a null comes with what could have been seen."""
        if self.p_holm < 1 - LEVEL:
            return "larger" if self.comparison.difference.value > 0 else "smaller"
        return not_seen(self.comparison.detectable)


def intervals(evaluation: Evaluation) -> dict[tuple[str, str, str], Interval]:
    """(arm, probe, metric) -> score with its interval."""
    return {key: score.interval(LEVEL, *bounds(key[2])) for key, score in evaluation.scores.items()}


def differences(evaluations: Mapping[str, Evaluation], against: str = "") -> list[Difference]:
    """What differs, question by question, by the first metric: accuracy, or R2.

    Args:
        evaluations: names of bands -> the evaluation of the same places and arms.
        against: the model that others are compared with; the first one by default.

    Raises:
        ValueError: if there is no such model.
    """
    first = next(iter(evaluations.values()))
    models = [arm.name for arm in first.arms if arm.kind == "model"]
    against = against or next(iter(models), "")
    if models and against not in models:
        raise ValueError(f"no model {against!r} to compare with; say against= one of {', '.join(models)}")
    tables = _questions(evaluations, models, against).items()
    return [one for (question, names), asked in tables for one in answered(question, names, asked)]


Asked = list[tuple[str, str, Resampled]]
"""Probe, what in words, and the difference."""


def answered(question: str, names: str, asked: Asked) -> list[Difference]:
    """The differences of one table, with Holm's rule over them."""
    compared = compare_resampled([difference for *_, difference in asked], LEVEL)
    adjusted = holm([one.p for one in compared])
    return [
        Difference(question, names, probe, what, one, p)
        for (probe, what, _), one, p in zip(asked, compared, adjusted, strict=True)
    ]


def _questions(
    evaluations: Mapping[str, Evaluation], models: Sequence[str], against: str
) -> dict[tuple[str, str], Asked]:
    """The differences of each question and way to name the bands; what has none is left out."""
    asked: dict[tuple[str, str], Asked] = {}
    for names, one in evaluations.items():
        asked["Do models differ?", names] = [
            (probe, f"{model} - {against}", score[model] - score[against])
            for probe, score in _by_probe(one)
            for model in models
            if model != against
        ]
    for names, one in evaluations.items():
        asked["Are models above what is read without them?", names] = [
            (probe, f"{model} - {floor}", score[model] - score[floor])
            for probe, score in _by_probe(one)
            for model in models
            for floor in _below(one, model)
        ]
    for names, cost in _costs(evaluations):
        asked[COST, names] = [(probe, arm, lost) for (probe, arm), lost in cost.items()]
        asked[EXTRA, names] = [
            (probe, f"{arm} - {other}", lost - cost[probe, other])
            for (probe, arm), lost in cost.items()
            if (other := _counterpart(evaluations, arm, against)) and other != arm
        ]
    return {question: found for question, found in asked.items() if found}


def _by_probe(evaluation: Evaluation) -> Iterator[tuple[str, dict[str, Resampled]]]:
    """Probes, and the scores of the arms by the first metric."""
    for probe in evaluation.probes:
        yield probe, {arm.name: evaluation.scores[arm.name, probe, evaluation.metrics[0]] for arm in evaluation.arms}


def _below(evaluation: Evaluation, model: str) -> list[str]:
    """What a model should be above: image statistics, with the month where months differ, and its random twin."""
    return [arm.name for arm in evaluation.arms if arm.name in (STATISTICS, WITH_MONTH) or model in arm.of.split(", ")]


def _counterpart(evaluations: Mapping[str, Evaluation], arm: str, against: str) -> str:
    """What an arm's cost is compared with: of a model the first one, of its random twin that of the first one."""
    arms = {one.name: one for one in next(iter(evaluations.values())).arms}
    if arms[arm].kind == "model":
        return against
    twins = [name for name, one in arms.items() if against in one.of.split(", ")]
    return twins[0] if arms[arm].kind == "random" and twins else ""


def _costs(evaluations: Mapping[str, Evaluation]) -> Iterator[tuple[str, dict[tuple[str, str], Resampled]]]:
    """Of all names but the first: (probe, arm) -> what the score loses against the first names."""
    (_, right), *others = evaluations.items()
    before, bands = dict(_by_probe(right)), [arm.name for arm in right.arms if arm.features]
    for names, wrong in others:
        yield (
            names,
            {(probe, arm): before[probe][arm] - scores[arm] for probe, scores in _by_probe(wrong) for arm in bands},
        )


def markdown(evaluations: Mapping[str, Evaluation], found: Sequence[Difference]) -> list[str]:
    """The tables as lines of a page."""
    first = next(iter(evaluations.values()))
    places = f"{len(first.answers)} places are tested, in {len(set(first.groups.tolist()))} groups."
    ways = "; ".join(f"{probe}: {way}" for probe, way in first.probes.items())
    lines = [f"# {first.data}", "", f"{places} {ways}.", ""]
    lines += [
        f"Intervals of {LEVEL:.0%} over groups, and over seeds and drawn folds where there are several; those over "
        f"groups are stretched by {TRAINED**0.5:.2f}, since the places that train are a sample as well. p after Holm's "
        "rule over all rows of its table.",
        "",
        *(f"* {note}" for note in dict.fromkeys(note for one in evaluations.values() for note in one.notes)),
        "",
    ]
    for names, one in evaluations.items():
        shown = intervals(one)
        for metric in one.metrics:
            unit = f", in {one.unit}" if metric == "RMSE" and one.unit else ""
            lines += [f"## {metric[0].upper()}{metric[1:]}{unit}, names: {names}", ""]
            lines += [f"| | {' | '.join(one.probes)} |", "|---" * (len(one.probes) + 1) + "|"]
            for arm in one.arms:
                cells = [str(shown[arm.name, probe, metric]) for probe in one.probes]
                seeds = f" ({len(arm.features)} seeds)" if len(arm.features) > 1 else ""
                lines.append(f"| {arm.name}{seeds} | {' | '.join(cells)} |")
            lines.append("")
    for question, names in dict.fromkeys((one.question, one.names) for one in found):
        lines += [f"## {question} Names: {names}", "", "| probe | what | difference | p | p, Holm | finding |"]
        lines.append("|---" * 6 + "|")
        lines += [
            f"| {one.probe} | {one.what} | {one.comparison.difference.signed()} | {one.comparison.p:.4f} | "
            f"{one.p_holm:.4f} | {one.finding} |"
            for one in found
            if (one.question, one.names) == (question, names)
        ]
        lines.append("")
    return lines


def interval_rows(names: str, evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """Rows of `intervals.csv`; the columns are `INTERVALS`."""
    for (arm, probe, metric), one in intervals(evaluation).items():
        about = (evaluation.data, names, arm, probe, evaluation.probes[probe], metric)
        yield dict(zip(INTERVALS, (*about, *(f"{x:.6f}" for x in (one.value, one.low, one.high))), strict=True))


def difference_rows(found: Sequence[Difference]) -> Iterator[dict[str, object]]:
    """Rows of `differences.csv`; the columns are `DIFFERENCES`."""
    for one in found:
        by, apart = one.comparison, one.comparison.difference
        numbers = (f"{x:.6f}" for x in (apart.value, apart.low, apart.high, by.p, one.p_holm, by.detectable))
        yield dict(zip(DIFFERENCES, (one.question, one.names, one.probe, one.what, *numbers, one.finding), strict=True))
