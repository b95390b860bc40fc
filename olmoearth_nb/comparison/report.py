"""A comparison as a page and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from olmoearth_nb.comparison.agreement import COLUMNS as AGREEMENT
from olmoearth_nb.comparison.agreement import KINDS
from olmoearth_nb.comparison.classes import COLUMNS as CLASSES
from olmoearth_nb.comparison.compare import NAMES, Compared
from olmoearth_nb.comparison.cost import COLUMNS as COST
from olmoearth_nb.comparison.cost import ModelCost
from olmoearth_nb.comparison.splits import COLUMNS as SPLITS
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.evaluation.summary import intervals
from olmoearth_nb.evaluation.summary import markdown as tables

RETRAIN = (
    "Retrain your heads. Embeddings of two models are not interchangeable: every probe, classifier, index of "
    "neighbours or stored embedding of the old model has to be made anew"
)

FIGURES = ("scores.png", "classes.png", "agreement.png")


def markdown(compared: Compared, figures: Sequence[str] = FIGURES) -> list[str]:
    """The comparison as lines of a page.

    Args:
        compared: all that was found.
        figures: those that lie beside the page.
    """
    shown = {name.removesuffix(".png"): f"![{name.removesuffix('.png')}]({name})" for name in figures}
    lines = [
        f"# {compared.current} or {compared.candidate}? {compared.evaluation.data}",
        "",
        f"**{compared.advice}.**",
        "",
        f"{RETRAIN}; {compared.heads}.",
        "",
    ]
    if compared.unneeded:
        lines += [
            "Neither model is seen to be above image statistics here (the mean and the standard deviation of each "
            "band). Perhaps you need neither.",
            "",
        ]
    lines += [shown.get("scores", ""), "", *_classes(compared), shown.get("classes", "") * bool(compared.classes), ""]
    lines += [*_splits(compared), "", *_agreement(compared), "", shown.get("agreement", ""), ""]
    lines += [shown.get("map", ""), "", *_costs(compared), ""]
    _, _, *rest = tables({NAMES: compared.evaluation}, compared.differences)
    rest = [line.removesuffix(f", names: {NAMES}").removesuffix(f" Names: {NAMES}") for line in rest]
    return [*lines, "## Scores", "", *rest, *(f"* {note}" for note in compared.notes)]


def _classes(compared: Compared) -> list[str]:
    """Gains and regressions by the probe that advice rests on."""
    if not compared.classes:
        return []
    lines = [f"## Classes ({compared.probe}): fraction of a class that is told", ""]
    lines += ["| class | places, groups | current | candidate | difference | p, Holm | finding |", "|---" * 7 + "|"]
    for one in compared.deciding:
        apart, p = ("", "") if one.comparison is None else (signed(one.comparison.difference), f"{one.p_holm:.4f}")
        lines.append(
            f"| {one.name} | {one.places}, {one.groups} | {one.current:.3f} | {one.candidate:.3f} | {apart} | {p} | "
            f"{one.finding} |"
        )
    return [*lines, ""]


def _splits(compared: Compared) -> list[str]:
    """What a random split would say."""
    lines = ["## What a random split would say", ""]
    if not compared.splits:
        return [*lines, "No two places belong together, as far as is known, so that there is no other split."]
    lines += ["| model | probe | spatial | random | random - spatial |", "|---" * 5 + "|"]
    return lines + [
        f"| {one.model} | {one.probe} | {one.spatial} | {one.random} | {signed(one.comparison.difference)} |"
        for one in compared.splits
    ]


def _agreement(compared: Compared) -> list[str]:
    """Where both are right, one alone, or none."""
    found = compared.agreement
    lines = [f"## Agreement ({compared.probe})", ""]
    if not found.classes:
        return [*lines, f"The predictions of both have a correlation of {found.agree:.3f}."]
    counts = ", ".join(f"{kind} {count}" for kind, count in found.counts.items())
    lines += [f"Both tell the same of {found.agree:.1%} of {len(found.answers)} places: {counts}.", ""]
    order = found.matrix.copy()
    order[range(len(order)), range(len(order))] = 0
    pairs = sorted(((int(order[i, j]), i, j) for i, j in zip(*order.nonzero(), strict=True)), reverse=True)[:5]
    if pairs:
        names = found.classes
        lines.append(
            "Most often different: "
            + "; ".join(f"{names[i]} becomes {names[j]}, {count}" for count, i, j in pairs)
            + "."
        )
    return lines


def _costs(compared: Compared) -> list[str]:
    """Tokens, multiply-accumulates, time and memory of one place."""
    both = {compared.current: compared.costs.current, compared.candidate: compared.costs.candidate}
    some = compared.costs.current
    lines = [f"## Cost of a place, patches of {compared.patch_size} px, {some.together} places at once", ""]
    lines += ["| model | tokens | million MACs | parameters | milliseconds [fastest, slowest] | memory | embedding |"]
    lines += ["|---" * 7 + "|"]
    for name, one in both.items():
        middle = sorted(one.milliseconds)[len(one.milliseconds) // 2]
        how = "measured" if one.measured else "estimated"
        lines.append(
            f"| {name} | {one.tokens} | {one.macs / 1e6:.1f} | {one.parameters:,} | {middle:.2f} "
            f"[{min(one.milliseconds):.2f}, {max(one.milliseconds):.2f}] | {one.memory / 2**20:.0f} MiB {how} | "
            f"{one.width} numbers |"
        )
    return [
        *lines,
        "",
        f"The candidate {compared.costs} of the current model; times were measured in turns.",
    ]


def signed(interval: Interval) -> str:
    """An interval of a difference."""
    ends = (interval.value, interval.low, interval.high)
    return Interval(*(round(x, 3) + 0.0 for x in ends)).signed()  # no minus before 0


def class_rows(compared: Compared) -> Iterator[dict[str, object]]:
    """Rows of `classes.csv`."""
    for one in compared.classes:
        by = one.comparison
        apart = (
            (by.difference.value, by.difference.low, by.difference.high, by.p, one.p_holm, by.detectable) if by else ()
        )
        numbers = [f"{x:.6f}" for x in apart] or [""] * 6
        about = (one.probe, one.name, one.places, one.groups, f"{one.current:.6f}", f"{one.candidate:.6f}")
        yield dict(zip(CLASSES, (*about, *numbers, one.finding), strict=True))


def split_rows(compared: Compared) -> Iterator[dict[str, object]]:
    """Rows of `splits.csv`."""
    metric = compared.evaluation.metrics[0]
    for one in compared.splits:
        apart = one.comparison.difference
        numbers = (one.spatial.value, one.random.value, apart.value, apart.low, apart.high)
        yield dict(zip(SPLITS, (one.model, one.probe, metric, *(f"{x:.6f}" for x in numbers)), strict=True))


def agreement_rows(compared: Compared) -> Iterator[dict[str, object]]:
    """Rows of `agreement.csv`."""
    found = compared.agreement

    def said(value: object) -> object:
        return found.classes[int(value)] if found.classes else f"{value:.6g}"  # type: ignore[call-overload]

    for i, (name, kind) in enumerate(zip(found.ids, found.kind.tolist(), strict=True)):
        lat, lon = (f"{x:.6f}" if x == x else "" for x in found.latlon[i].tolist())
        told = (said(values[i]) for values in (found.answers, found.current, found.candidate))
        words = KINDS[kind] if found.classes else ("alike", "current nearer", "candidate nearer")[kind]
        yield dict(zip(AGREEMENT, (name, lat, lon, *told, words), strict=True))


def cost_rows(compared: Compared) -> Iterator[dict[str, object]]:
    """Rows of `cost.csv`."""
    for name, one in ((compared.current, compared.costs.current), (compared.candidate, compared.costs.candidate)):
        yield dict(zip(COST, (name, *_cost(one)), strict=True))


def _cost(one: ModelCost) -> Iterator[object]:
    """The numbers of a row."""
    middle = sorted(one.milliseconds)[len(one.milliseconds) // 2]
    yield from (one.tokens, one.macs, one.parameters, one.width)
    yield from (f"{x:.4f}" for x in (middle, min(one.milliseconds), max(one.milliseconds)))
    yield from (f"{one.memory / 2**20:.1f}", "measured" if one.measured else "estimated")


def summary(compared: Compared) -> dict[str, Interval]:
    """Score of both models and of image statistics, with intervals, by the probe that advice rests on."""
    from olmoearth_nb.evaluation.arms import STATISTICS

    found, metric = intervals(compared.evaluation), compared.evaluation.metrics[0]
    return {name: found[name, compared.probe, metric] for name in (compared.current, compared.candidate, STATISTICS)}
