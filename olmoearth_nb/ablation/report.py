"""The report of a study, from its CSV tables alone: `scores.csv`, `runs.csv`, and those of labelled sets."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean, stdev

from matplotlib import pyplot as plt

from olmoearth_nb.ablation.figures import plot_accuracies, plot_differences
from olmoearth_nb.ablation.findings import LEVEL, Finding, accuracies, findings, gate
from olmoearth_nb.ablation.scores import BASELINES, Table, read_rows, read_runs, read_scores
from olmoearth_nb.evaluation.intervals import TRAINED, Interval
from olmoearth_nb.io.durable import write
from olmoearth_nb.plots.style import use_style, write_figure

COMPARED = ("budget", "task", "arm", "baseline", "difference", "low", "high", "p", "p_holm", "detectable", "finding")


def report(folder: str | Path) -> Path:
    """Writes `report.md`, `comparisons.csv` and two figures into a study's folder, from its CSV tables.

    Raises:
        FileNotFoundError: if there are no scores yet.
    """
    folder = Path(folder)
    table = read_scores(folder)
    found = [one for budget in table.budgets for one in findings(table, budget)]
    write(folder / "comparisons.csv", lambda part: _write_comparisons(part, found))
    shown = {budget: accuracies(table, budget) for budget in (*table.budgets, "untrained", "floor")}
    with plt.style.context("default"):  # the same figures from a notebook, which has a style, and from a shell
        use_style()
        write_figure(folder / "accuracies.png", plot_accuracies(shown))
        write_figure(folder / "differences.png", plot_differences(found))
    text = "\n".join([*_lines(table, found), *_set_lines(folder), *_run_lines(read_runs(folder))])
    return write(folder / "report.md", lambda part: part.write_text(text, encoding="utf8"))


def _lines(table: Table, found: list[Finding]) -> list[str]:
    """The report."""
    family = len(found) // len(table.budgets)
    lines = [f"# {' against '.join(table.arms)}", ""]
    lines += [
        f"{len(table.seeds)} seeds, {_tested(table)}; intervals of {LEVEL:.0%} over both. Each interval and p stands "
        f"for itself; a finding counts after Holm's rule over the {family} comparisons of its budget "
        f"with {table.arms[0]}, the baseline.",
        "",
    ]
    lines += ["![Accuracies](accuracies.png)", ""]
    for budget in table.budgets:
        compared = _finding_table([one for one in found if one.budget == budget])
        lines += [
            f"## {budget}",
            "",
            *_accuracy_table(table, budget),
            "",
            *compared,
            "",
            *_gate_lines(table, budget),
            "",
        ]
    return [*lines, "![Differences from the baseline](differences.png)", ""]


def _tested(table: Table) -> str:
    """What is tested: tiles of a world, groups of labelled sets."""
    kinds: dict[str, set[int]] = {}
    for task, rows in table.rows.items():
        kinds.setdefault("groups of places" if table.stretch(task) > 1 else "test tiles", set()).add(len(rows))
    return ", ".join(f"{' or '.join(map(str, sorted(counts)))} {kind}" for kind, counts in kinds.items())


def _set_lines(folder: Path) -> list[str]:
    """What must be known of the labelled sets, and their other metrics; nothing where none is scored."""
    if not (folder / "sets.csv").is_file():
        return []
    notes: dict[str, list[str]] = {}
    for row in read_rows(folder / "sets.csv"):
        notes.setdefault(row["set"], []).append(row["note"])
    lines = ["## The labelled sets", ""]
    for name, own in notes.items():
        lines += [f"* {name}: {' '.join(note if note.endswith('.') else f'{note}.' for note in own)}"]
    lines += [
        "",
        "Raw bands are the mean and the standard deviation of each band here; months, where places differ in them, are "
        "a cosine and a sine of each date. Variances over groups are multiplied by "
        f"{TRAINED:g}, because the places that train are a sample as well.",
        "",
        "Other metrics, the mean over seeds and repeats and the standard deviation between seeds:",
        "",
        "| arm | budget | task | metric | mean | between seeds |",
        "|---|---|---|---|---|---|",
    ]
    values: dict[tuple[str, ...], list[float]] = {}
    for row in read_rows(folder / "metrics.csv"):
        if row["metric"] not in ("accuracy", "R2"):
            values.setdefault(tuple(row[key] for key in ("arm", "budget", "task", "metric")), []).append(
                float(row["value"])
            )
    for key, given in values.items():
        spread = f"{stdev(given):.3f}" if key[1] != "floor" else "-"
        lines.append(f"| {' | '.join(key)} | {fmean(given):.3f} | {spread} |")
    return [*lines, ""]


def _run_lines(runs: list[dict[str, str]]) -> list[str]:
    """What was trained: samples, rate and time of each arm and budget, and whether all came from one code."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for run in runs:
        groups.setdefault((run["arm"], run["budget"]), []).append(run)
    lines = ["## Runs", "", "| arm | budget | samples | rate | minutes a run |", "|---|---|---|---|---|"]
    for (arm, budget), own in groups.items():
        minutes = sum(float(run["seconds"]) for run in own) / len(own) / 60
        edge = ", at the edge of those tried" if own[0]["at_edge"] == "True" else ""
        samples = f"{int(own[0]['samples']):,}"
        lines.append(f"| {arm} | {budget} | {samples} | {float(own[0]['rate']):g}{edge} | {minutes:.1f} |")
    commits = sorted({run["commit"] for run in runs})
    mixed = [] if len(commits) == 1 else ["", f"**Arms come from different code**: {', '.join(commits)}."]
    return [*lines, *mixed, ""]


def _accuracy_table(table: Table, budget: str) -> list[str]:
    """Arms by tasks, those without a model last."""
    shown = accuracies(table, budget)
    before, floor = accuracies(table, "untrained"), accuracies(table, "floor")
    rows: list[tuple[str, list[Interval | str]]]
    rows = [(arm, [shown[arm, task] for task in table.tasks]) for arm in table.arms]
    rows += [(f"{arm}, untrained", [before[arm, task] for task in table.tasks]) for arm in table.arms]
    there = [name for name in BASELINES if any(arm == name for arm, _ in floor)]
    rows += [(name, [floor.get((name, task), "-") for task in table.tasks]) for name in there]
    named = [f"{task} (R2)" if table.measure(task) == "R2" else task for task in table.tasks]
    head = [f"| arm | {' | '.join(named)} |", "|---" * (len(table.tasks) + 1) + "|"]
    return head + [f"| {name} | {' | '.join(map(str, cells))} |" for name, cells in rows]


def _finding_table(found: list[Finding]) -> list[str]:
    """Comparisons of one budget."""
    lines = ["| task | arm | difference | p | p, Holm | finding |", "|---|---|---|---|---|---|"]
    for one in found:
        cells = (
            one.task,
            one.arm,
            one.comparison.difference,
            f"{one.comparison.p:.4f}",
            f"{one.p_holm:.4f}",
            one.verdict,
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _gate_lines(table: Table, budget: str) -> list[str]:
    """Which arms are above the raw bands."""
    found = gate(table, budget)
    lines = []
    for arm in table.arms:
        above = [task for task in table.tasks if found[arm, task].low > 0]
        lines.append(f"* {arm} is above raw bands in {len(above)} of {len(table.tasks)} tasks.")
    passed = all(interval.low > 0 for interval in found.values())
    return lines if passed else [*lines, "", "Where an arm is not, its rows compare how fast arms learn, no more."]


def _write_comparisons(path: Path, found: list[Finding]) -> None:
    """Writes `comparisons.csv`."""
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COMPARED)
        for one in found:
            by, apart = one.comparison, one.comparison.difference
            numbers = (apart.value, apart.low, apart.high, by.p, one.p_holm, by.detectable)
            writer.writerow([one.budget, one.task, one.arm, one.against, *(f"{x:.6f}" for x in numbers), one.verdict])
