"""What others claim about v1, v1.1 and their tokens, and what our own tables say: python benchmarks/claims.py

Writes docs/claims.md. Each verdict follows from committed tables: `shown` and `opposite` need a finding after Holm's
rule, `not shown` says what the design would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from olmoearth_nb import encoder_cost, published_config
from olmoearth_nb.comparison.ladder import Measured, ladder
from olmoearth_nb.comparison.speed import COMPARED, OURS, growths, measured, savings
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.io.durable import write
from olmoearth_nb.io.shipped import published

ROOT = Path(__file__).parents[1]
SHOWN, OPPOSITE, NOT_RUN, NOT_HERE = "shown", "opposite", "not run yet", "not testable here"
HOPELESS = 0.4
"""Differences of accuracy that would be seen only from here on are not worth naming: none is that large."""
ONE_DATE, TWELVE_DATES = (64, 64, 1), (32, 32, 12)
SIZES = ("nano", "tiny", "base")
KNN, KNN5, LINEAR = "EuroSAT, kNN-20", "EuroSAT, kNN-5", "EuroSAT, linear"
ABOUT = """# Claims, and what we measured

What the release of v1.1 and others say of tokens, cost and accuracy, and what the tables of this repository say to it.
Written by `python benchmarks/claims.py`; its numbers and verdicts follow from committed tables.

* *shown* and *opposite*: a difference from 0 after Holm's rule, in the direction of the claim or against it. Counts and
  times have no Holm's rule: *shown* if the figure is reached.
* *not shown*: no finding; with it stands the difference that would have been seen with a power of 80 %, in the
  strictest step of Holm's rule over the table that the row is from. That is no proof of the contrary.
* *exceeded*: more than was claimed, so what was counted is not the same.
* *not testable here*: it needs the published weights, their data, or a GPU.

Accuracies are of our own small models: `mini`, 65,536 samples of real chips of one date (24,576 in R2), or 8,192 of a
simulated world. Ai2's were trained on millions of samples with twelve dates and nine modalities. A small model can show
an effect; that it shows none says little of a large one.
"""


@dataclass(frozen=True)
class Tested:
    """Where a claim was tested, what came out, and what follows."""

    where: str
    ours: str
    verdict: str


@dataclass(frozen=True)
class Claim:
    """What is claimed by whom, and how it is tested."""

    name: str
    text: str
    source: str
    test: Callable[[], Tested]


def first(**wanted: str) -> Measured | None:
    """The row of the ladder at the largest budget, if there is any."""
    rows = ladder(**wanted)
    return max(rows, key=lambda row: row.samples) if rows else None


def judged(row: Measured | None, sign: int) -> str:
    """The verdict on a claimed direction."""
    if row is None:
        return NOT_RUN
    if row.found:
        return SHOWN if (row.interval.value > 0) == (sign > 0) else OPPOSITE
    if math.isnan(row.detectable):
        return "not shown"
    if row.detectable > HOPELESS:
        return f"not shown; {row.seeds} seeds are too few to show it"
    return f"not shown; {100 * row.detectable:.0f} points would be"


def of_ladder(where: str, sign: int, **wanted: str) -> Tested:
    """A difference of the ladder."""
    row = first(**wanted)
    return Tested(where, "" if row is None else f"{row.what}: {row.points.signed(1)} points", judged(row, sign))


def primary(name: str, where: str, sign: int) -> Tested:
    """One of the six primary comparisons; what it could have seen stands in the tables of its part."""
    row = next((one for one in ladder(part="primary") if one.what.startswith(f"{name}: ")), None)
    if row is None:
        return Tested(where, "", NOT_RUN)
    what = row.what.partition(": ")[2]
    ours = f"{what}: {row.points.signed(1)} points ({row.score})"
    kind = "cost" if name in ("P4", "P6") else "difference"
    score = row.score.removeprefix("cost of published names, ")
    names = "content" if kind == "difference" and score.startswith("EuroSAT") else ""
    near = first(part="s" if name in ("P5", "P6") else "r1", kind=kind, what=what, score=score, names=names)
    return Tested(where, ours, judged(row if near is None else replace(row, detectable=near.detectable), sign))


def kept(where: str, **wanted: str) -> Tested:
    """A claim that nothing is lost: a finding below 0 is against it, one above 0 more than it says."""
    found = of_ladder(where, 1, **wanted)
    return replace(found, verdict=found.verdict.replace("not shown", "no loss shown"))


def counted(needed: float, what: str, sizes: tuple[str, ...] = SIZES) -> Callable[[], Tested]:
    """How many times fewer tokens or MACs v1.1 needs, at least and at most over sizes and two settings."""

    def test() -> Tested:
        found = []
        for size in sizes:
            for shape in (ONE_DATE, TWELVE_DATES):
                v1, v11 = (encoder_cost(published_config(version, size), shape, 4) for version in ("v1", "v1.1"))
                found.append(v1.tokens / v11.tokens if what == "tokens" else v1.macs / v11.macs)
        low, high = min(found), max(found)
        text = f"{low:.1f}x" if low == high else f"{low:.1f}x to {high:.1f}x"
        where = f"counted, {', '.join(sizes)}, two settings (notebook 09)"
        if low > 1.05 * needed:  # more than was claimed, so it is not the same count
            return Tested(where, text, "exceeded in every setting")
        return Tested(where, text, SHOWN if low >= needed else "not shown")

    return test


def not_here(why: str, ours: str = "") -> Callable[[], Tested]:
    """What cannot be tested."""
    return lambda: Tested(why, ours, NOT_HERE)


def timed() -> Tested:
    """v1 over v1.1 in time and in MACs on a CPU."""
    rows, parts = measured(), []
    for size in SIZES:
        saved = [savings(rows, size, setting) for setting in COMPARED]
        pairs = [(one["time"][OURS].middle, one["MACs"][OURS].middle) for one in saved if OURS in one.get("time", {})]
        if pairs:
            time, macs = zip(*pairs, strict=True)
            parts.append(
                f"{size} {min(time):.1f}x to {max(time):.1f}x where MACs fall {min(macs):.1f}x to {max(macs):.1f}x"
            )
    return Tested(
        "a CPU in place of a GPU ([speed](results/speed.md))", "; ".join(parts), "another machine, other ratios"
    )


def exponents() -> Tested:
    """How time and count grow with the number of tokens."""
    rows, parts = measured("speed_growth"), []
    for version in ("v1", "v1.1"):
        for axis, one in growths(rows, "nano", version).items():
            parts.append(f"{version}, {axis}: time {one.time.shown(2)}, MACs {one.macs:.2f}")
    return Tested(
        "nano on a CPU ([speed](results/speed.md))",
        "; ".join(parts),
        "of the count: shown; time grows less, for a pass costs something however small it is",
    )


def statistics() -> Tested:
    """Image statistics on our chips."""
    rows = {
        probe: first(part="r1", kind="score", what="raw bands", score=probe, names="content")
        for probe in (KNN5, LINEAR)
    }
    text = "; ".join(f"{probe.partition(', ')[2]} {row.interval}" for probe, row in rows.items() if row)
    return Tested("300 chips of EuroSAT in place of 2,000", text, "not comparable: fewer chips train")


def inside_the_pixel() -> Tested:
    """Interaction of bands before any attention, notebook 06."""
    rows = {
        row["arm"]: Interval(*(float(row[key]) for key in ("value", "low", "high")))
        for row in published("interactions")
        if (row["data"], row["players"], row["removal"], row["pairs"], row["kind"], row["stage"])
        == ("chips", "3", "draws", "across resolutions", "model", "tokens")
    }
    text = "; ".join(f"{arm} {rows[arm]}" for arm in ("naive", "v1.1"))
    shown = rows["naive"].value == 0 and rows["v1.1"].low > 0
    return Tested(
        "interaction of the resolutions in tokens, before attention (notebook 06)", text, SHOWN if shown else OPPOSITE
    )


def fine_tuning() -> Tested:
    """Layer-wise decay against frozen."""
    rows = [row for row in published("finetune") if row["curve"] == "layer decay, beyond frozen (exploratory)"]
    found = [row for row in rows if float(row["p_holm"]) < 0.05]
    low, high = min(float(row["value"]) for row in rows), max(float(row["value"]) for row in rows)
    text = f"layer decay - frozen: {100 * low:+.1f} to {100 * high:+.1f} points over {len(rows)} numbers of labels"
    verdict = f"{len(found)} of {len(rows)} differences are findings"
    return Tested("EuroSAT and the world, 10 to 1,000 labels (notebook 07)", text, verdict)


def effects() -> Tested:
    """Main effects of the ingredients."""
    names = ("pixel layer", "band dropout", "weaker contrast")
    rows = [first(part="r2", kind="effect", what=name, score=KNN, names="content") for name in names]
    if not all(rows):
        return Tested("R2: three ingredients, eight combinations", "", NOT_RUN)
    text = "; ".join(f"{row.what} {row.points.signed(1)}" for row in rows if row)
    verdicts = dict.fromkeys(judged(row, 1) for row in rows)
    return Tested("R2: three ingredients, eight combinations", text, "; ".join(verdicts))


R, S = "real chips (R1)", "simulated world (S)"
CLAIMS = (
    Claim("C1", "v1.1 needs up to 3x less compute than v1, at every size", "release text", counted(3.0, "MACs")),
    Claim("C2", "Sentinel-2 tokens: H/P x W/P x T x 3 against x 1", "release text", counted(3.0, "tokens")),
    Claim(
        "C3",
        "inference MACs on Sentinel-2 tasks fall 2.9x (Base)",
        "arXiv 2605.20804v1",
        counted(2.9, "MACs", ("base",)),
    ),
    Claim("C4", "training GPU hours fall 1.7x (Base)", "arXiv 2605.20804v1", not_here("needs a GPU and Base")),
    Claim(
        "C5",
        "compute grows quadratically with the sequence: exponent 2 of attention, 1 of the rest",
        "release text",
        exponents,
    ),
    Claim(
        "C6",
        "naive merging drops m-eurosat kNN by about 10 points",
        "release text",
        lambda: primary("P1", f"{R}, right names", -1),
    ),
    Claim(
        "C6b",
        "the same, in a world with three sensors and twelve dates",
        "ours, after C6",
        lambda: primary("P5", S, -1),
    ),
    Claim("C7a", "v1.1's recipe wins back what merging costs", "release text", lambda: primary("P2", R, 1)),
    Claim(
        "C7b",
        "v1.1 keeps v1's performance on a mix of tasks",
        "release text",
        lambda: kept(f"{R}: v1.1 - v1", part="r1", kind="difference", what="v1.1 - v1", score=KNN, names="content"),
    ),
    Claim(
        "C8",
        "separate tokens make relations between bands easier (a hypothesis)",
        "release text",
        lambda: of_ladder(
            f"{S}, task on two resolutions, network",
            -1,
            part="s",
            kind="difference",
            what="naive - v1",
            score="two resolutions, patches, network",
        ),
    ),
    Claim("C9", "v1 and v1.1 were trained on the same data", "release text", not_here("their data and logs")),
    Claim(
        "I1",
        "on m-eurosat (wrong band names) v1.1 is below v1 at all sizes",
        "torchgeo-bench, 2026",
        lambda: of_ladder(
            f"{R}, published names", -1, part="r1", kind="difference", what="v1.1 - v1", score=KNN5, names="published"
        ),
    ),
    Claim(
        "I2",
        "on five rightly labelled sets v1.1 is about level with v1",
        "torchgeo-bench, 2026",
        not_here("needs the published weights; the table is in notebook 10"),
    ),
    Claim("I3", "on a GPU v1.1 is 1.5x to 3.1x as fast where FLOPs fell 3.8x to 5.7x", "torchgeo-bench, 2026", timed),
    Claim(
        "I4",
        "image statistics alone reach .783 (kNN) and .865 (logistic) on m-eurosat",
        "torchgeo-bench, 2026",
        statistics,
    ),
    Claim(
        "I5",
        "on m-brick-kiln (wrong names) RGB alone beats all bands in v1.2",
        "torchgeo-bench, 2026",
        not_here("needs the published weights"),
    ),
    Claim(
        "I6",
        "the last five band names of m-eurosat are wrong",
        "ServiceNow/geo-bench, issue 28",
        lambda: Tested(
            "one chip of m-eurosat ([real data](results/real-data.md))", "content does not fit the names", SHOWN
        ),
    ),
    Claim(
        "H1", "wrong names cost merged tokens more than separate ones", "ours (hypothesis)", lambda: primary("P4", R, 1)
    ),
    Claim("H1w", "the same where the truth is known", "ours (hypothesis)", lambda: primary("P6", S, 1)),
    Claim(
        "H1b",
        "band dropout takes part of that cost away",
        "ours (hypothesis)",
        lambda: of_ladder(
            "real chips (R2), linear probe", -1, part="r2", kind="cost", what="band dropout - naive", score=LINEAR
        ),
    ),
    Claim(
        "L1",
        "kNN on m-eurosat rises from .668 to .831 between 1.5 and 4 million samples",
        "olmoearth_pretrain c6ed9c00",
        not_here("our runs end at 65,536 samples; `benchmarks/gpu.py` would go there"),
    ),
    Claim(
        "L3",
        "a linear patch embedding can only combine bands linearly",
        "olmoearth_pretrain, README of its scripts",
        inside_the_pixel,
    ),
    Claim("L4", "each ingredient of v1.1's recipe helps", "olmoearth_pretrain, no figures published", effects),
    Claim(
        "L5",
        "merging costs something under v1.1's recipe, too",
        "ours; control arm of olmoearth_pretrain without result",
        lambda: primary("P3", R, -1),
    ),
    Claim("F1", "fine-tune with layer-wise decay and without freezing", "rslearn PR 632", fine_tuning),
    Claim(
        "S1",
        "grouping bands gains 1.9 points over stacking them",
        "SatMAE, arXiv 2207.08051",
        lambda: of_ladder(
            "real chips (R3): satmae - one set",
            1,
            part="r3_ten_bands",
            kind="difference",
            what="satmae - one set",
            score=KNN,
            names="content",
        ),
    ),
    Claim(
        "S2",
        "a token for each band gains .5 points",
        "ChannelViT, arXiv 2309.16108",
        lambda: of_ladder(
            "real chips (R3): per band - naive",
            1,
            part="r3",
            kind="difference",
            what="per band - naive",
            score=KNN,
            names="content",
        ),
    ),
)


def page() -> str:
    """The page."""
    lines = [ABOUT, "| | claim | source | tested on | ours | verdict |", "|---" * 6 + "|"]
    for claim in CLAIMS:
        tested = claim.test()
        cells = (claim.name, claim.text, claim.source, tested.where, tested.ours, tested.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    text = page()
    write(ROOT / "docs" / "claims.md", lambda part: part.write_text(text, encoding="utf8"))
    print(text)
