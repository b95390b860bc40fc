"""Writes the tables of docs/results/speed.md from data/published/speed*.csv: python benchmarks/speed_page.py"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pretrain_step
import throughput
from speed import PUBLISHED, VERSIONS, read_rows

from olmoearth_nb.comparison.speed import (
    COMPARED,
    OURS,
    REFERENCE,
    Setting,
    fitted_law,
    growths,
    measured,
    savings,
    spread,
    times_less,
    where_of,
)
from olmoearth_nb.model.precision import FULL, HALF

ROOT = Path(__file__).parents[1]
PAGE, MARK = ROOT / "docs" / "results" / "speed.md", "<!-- what follows is written by the script -->\n"
SIZES = ("nano", "tiny", "base")
AIMS = {"nano": 0.75, "tiny": 0.85, "base": 0.95}
"""Geometric means of time, ours over the reference's, that were aimed at."""

PEAK = Setting(64, 1, 4, 8)
"""Where a share of the peak was aimed at."""


def table(head, rows):
    """Lines of a table."""
    yield ""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def pairs(rows):
    """(reference, ours) of each case, in the order of the table."""
    known = {(row.size, row.version, row.setting, row.whose): row for row in rows}
    for row in rows:
        if row.whose == OURS:
            yield known[row.size, row.version, row.setting, REFERENCE], row


def ratios(rows):
    """(size, version) -> ours over the reference's in time and in memory, one of each for every case."""
    found = {(size, version): {"time": [], "memory": []} for size in SIZES for version in VERSIONS}
    for a, b in pairs(rows):
        found[b.size, b.version]["time"].append(times_less(b, a).middle)
        found[b.size, b.version]["memory"].append(b.memory / a.memory)
    return {model: own for model, own in found.items() if own["time"]}


def summary(rows):
    """Geometric means of each model over its cases."""
    found = []
    for (size, version), own in ratios(rows).items():
        times, memory = own["time"], own["memory"]
        means = [f"{x:.2f}" for x in (geometric(times), AIMS[size], max(times), geometric(memory))]
        found.append([f"{version} {size}", *means, len(times)])
    head = ["model", "time, ours / reference", "aim", "slowest case", "memory, ours / reference", "cases"]
    yield from table(head, found)


def inference(rows):
    """Geometric means, then all cases."""
    cases = []
    for a, b in pairs(rows):
        mib = [one.memory / 2**20 for one in (a, b)]
        cells = [f"{b.version} {b.size}", b.setting, a.time.shown(1), b.time.shown(1), times_less(b, a).shown(2)]
        cells += [f"{mib[0]:.1f}", f"{mib[1]:.1f}", f"{b.fraction_of_peak:.2f}", len(b.milliseconds)]
        cases.append([*cells, f"{max(a.difference, b.difference):.0e}"])
    yield "\n## Inference"
    yield from summary(rows)
    head = [
        "model",
        "setting",
        "reference, ms",
        "ours, ms",
        "ours / reference",
        "memory of reference, MiB",
        "ours, MiB",
    ]
    yield from table([*head, "of peak", "runs", "difference"], cases)


def aims():
    """What was aimed at, and what the two machines say."""
    columns = {}
    for name in ("speed", "speed_second"):
        rows = measured(name)
        columns[f"{name}: {rows[0].where}"] = reached(rows, read_rows(PUBLISHED / f"{name}_training.csv"))
    yield "\n## What was aimed at, and what holds"
    first, *_ = columns.values()
    yield from table(["aim", *columns], [[aim, *(found[aim] for found in columns.values())] for aim in first])


def reached(rows, steps):
    """Aim -> what one machine says, in words."""
    found, own = {}, ratios(rows)
    for size, aim in AIMS.items():
        means = " / ".join(f"{geometric(own[size, version]['time']):.2f}" for version in VERSIONS)
        found[f"time over the reference's, {size}, v1 / v1.1 / v1.2: at most {aim}"] = means
    every = [time for one in own.values() for time in one["time"]]
    slower = sum(round(time, 2) > 1 for time in every)
    found["slower in no case"] = f"{slower} of {len(every)} are slower, the slowest takes {max(every):.2f}"
    memory = [geometric(one["memory"]) for one in own.values()]
    each = [value for one in own.values() for value in one["memory"]]
    found["memory over the reference's: at most 0.8"] = (
        f"means {min(memory):.2f} to {max(memory):.2f}; {sum(value > 0.8 for value in each)} of {len(each)} cases are "
        f"above, the most {max(each):.2f}"
    )
    over = []
    for size in SIZES:
        for both in (savings(rows, size, setting) for setting in COMPARED):
            over.append(both["time"][OURS].middle / both["MACs"][OURS].middle)
    missed = sum(value < 0.9 for value in over)
    found["v1 over v1.1, time over MACs: at least 0.9"] = (
        f"{min(over):.2f} to {max(over):.2f}, missed by {missed} of {len(over)}"
    )
    cells = [[cell.strip() for cell in pretrain_step.line(row).strip("|").split("|")] for row in steps]
    names = " / ".join(row["model"] for row in steps)
    found[f"training step over the reference's, {names}: at most 0.65"] = " / ".join(cell[6] for cell in cells)
    found["the same end to end over its arithmetic: at most 2"] = " / ".join(cell[9] for cell in cells)
    peak = [row.fraction_of_peak for row in rows if (row.size, row.whose, row.setting) == ("base", OURS, PEAK)]
    found[f"share of peak, base, {PEAK}: 0.8"] = " / ".join(f"{value:.2f}" for value in peak)
    return found


def second():
    """The same on another processor, but for its single cases, which its table has."""
    rows, grown = measured("speed_second"), measured("speed_second_growth")
    yield "\n## A second processor"
    yield from machines([*rows, *grown])
    yield from summary(rows)
    yield "\nv1 over v1.1, time against the count:"
    yield from against_counts(rows)
    yield from growth(grown)
    yield from by_part("speed_second_parts")
    yield from training("speed_second_training")


def half():
    """float32 over bfloat16, and what is left of the saving of v1.1."""
    rows = measured("speed_second_half")
    known = {(row.size, row.setting, row.version, row.whose): row for row in rows}
    cells = []
    for size, setting in dict.fromkeys((row.size, row.setting) for row in rows):
        own = {
            (version, name): known[size, setting, version, name] for version in ("v1", "v1.1") for name in (FULL, HALF)
        }
        saved = [times_less(own["v1", name], own["v1.1", name]).shown(2) for name in (FULL, HALF)]
        gains = [times_less(own[version, FULL], own[version, HALF]).shown(2) for version in ("v1", "v1.1")]
        macs = own["v1", HALF].cost.macs / own["v1.1", HALF].cost.macs
        apart = max(row.difference for row in own.values())
        cells.append([size, setting, own["v1.1", HALF].time.shown(1), *gains, *saved, f"{macs:.2f}", f"{apart:.3f}"])
    yield "\n## Half precision"
    yield from machines(rows)
    head = ["size", "setting", "v1.1 in bfloat16, ms", "v1: float32 / bfloat16", "v1.1: float32 / bfloat16"]
    yield from table([*head, "v1 / v1.1 in float32", "v1 / v1.1 in bfloat16", "in MACs", "difference"], cells)


def against_counts(rows):
    """v1 over v1.1 in time beside the same in MACs."""
    lines = []
    for size in SIZES:
        for setting in COMPARED:
            found = savings(rows, size, setting)
            if "time" in found:
                macs, ours, theirs = found["MACs"][OURS].middle, found["time"][OURS], found["time"][REFERENCE]
                over = spread([value / macs for value in ours]).shown(2)
                memory = "/".join(f"{ratio.middle:.2f}" for ratio in found["memory"].values())
                lines.append([size, setting, f"{macs:.2f}", ours.shown(2), theirs.shown(2), over, memory])
    head = ["size", "setting", "MACs", "time, ours", "time, reference", "ours over MACs", "memory, ours/reference"]
    yield from table(head, lines)


def growth(rows):
    """Exponents and laws."""
    exponents, laws = [], []
    for size in SIZES:
        for version in ("v1", "v1.1"):
            for axis, one in growths(rows, size, version).items():
                exponents.append([f"{version} {size}", axis, one.time.shown(2), f"{one.macs:.2f}"])
            own = [row for row in rows if (row.size, row.version) == (size, version)]
            if own:
                times = [row.time.middle for row in own]
                law = fitted_law([row.cost for row in own], times)
                off = [abs(law.milliseconds(row.cost) / time - 1) for row, time in zip(own, times, strict=True)]
                rates = [f"{law.overhead:.1f}", f"{law.linear_rate:.1f}", f"{law.attention_rate:.1f}"]
                laws.append([f"{version} {size}", *rates, f"{np.median(off):.0%}, {max(off):.0%}"])
    yield from table(["model", "along", "exponent of time", "exponent of MACs"], exponents)
    yield "\nThe law: milliseconds = constant + linear MACs / rate + attention MACs / rate."
    head = ["model", "constant, ms", "linear, GMAC/s", "attention, GMAC/s", "off by: median, most"]
    yield from table(head, laws)


def by_part(name="speed_parts"):
    """Fractions of the time and of the count, and what is reached."""
    passes, found = {}, read_rows(PUBLISHED / f"{name}.csv")
    for row in found:
        setting = Setting(*(int(row[name]) for name in Setting._fields))
        passes.setdefault((f"{row['version']} {row['size']}", setting), []).append(row)
    rows = []
    for named, parts in passes.items():
        spent, macs = ([float(part[name]) for part in parts] for name in ("milliseconds", "macs"))
        each = [
            f"{time / sum(spent):.0%} / {count / sum(macs):.0%}" + (f" ({count / time / 1e6:.0f})" if count else "")
            for time, count in zip(spent, macs, strict=True)
        ]
        rows.append([*named, f"{sum(spent):.1f}", *each])
    yield "\nPercent of the time / percent of the MACs (GMAC/s)."
    yield from table(["model", "setting", "ms", *dict.fromkeys(row["part"] for row in found)], rows)


def training(name="speed_training"):
    """Steps, and a sample end to end."""
    yield ""
    yield pretrain_step.HEAD
    yield from map(pretrain_step.line, read_rows(PUBLISHED / f"{name}.csv"))


def around():
    """What is done a second around the encoder."""
    rows = read_rows(throughput.TABLE)
    if rows:
        yield "\n## Around the encoder"
        places = "; ".join(sorted(set(map(where_of, rows))))
        yield f"\nMedians and quartiles of the runs. Measured on: {places}"
        cells = [
            [row["part"], row["case"], spread([float(x) for x in row["runs"].split()]).shown(2), row["unit"]]
            for row in rows
        ]
        yield from table(["", "case", "median", "unit"], cells)


def machines(rows):
    """Where the rows were measured."""
    yield "\nMeasured on: " + "; ".join(sorted({row.where for row in rows})) + "."


def lines():
    """All that is written."""
    cases, grown = measured(), measured("speed_growth")
    yield from machines([*cases, *grown])
    yield from aims()
    yield from inference(cases)
    yield "\n## v1 over v1.1: time against the count"
    yield from against_counts(cases)
    yield "\n## Growth"
    yield from growth(grown)
    yield "\n## Time by part"
    yield from by_part()
    yield "\n## Training"
    yield from training()
    yield from around()
    yield from second()
    yield from half()


def short():
    """The table of the README: all that one wants to know in three rows."""
    rows = measured()
    found, known = ratios(rows), {"time": [], "memory": [], "v1 over v1.1": []}
    for size in SIZES:
        for what in ("time", "memory"):
            known[what].append(" / ".join(f"{geometric(found[size, version][what]):.2f}" for version in VERSIONS))
        times = [savings(rows, size, one)["time"][OURS].middle for one in COMPARED if one.samples == 1]
        known["v1 over v1.1"].append(" / ".join(f"{time:.1f}" for time in times))
    names = {
        "time": "time over the reference's, v1 / v1.1 / v1.2",
        "memory": "memory over the reference's, the same",
        "v1 over v1.1": "time of v1 over v1.1, one date / twelve dates",
    }
    yield from list(table(["", *SIZES], [[names[what], *cells] for what, cells in known.items()]))[1:]


def main():
    text = PAGE.read_text(encoding="utf8").partition(MARK)[0]
    PAGE.write_text(text + MARK + "\n".join(lines()) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
