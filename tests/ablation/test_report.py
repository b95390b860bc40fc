"""Reports: from scores.csv alone, the same every time, and right about arms whose truth is known."""

import csv
import subprocess
import sys
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from typer.testing import CliRunner

from olmoearth_nb.ablation.findings import findings, gate
from olmoearth_nb.ablation.planted import BUDGET, Design, behaviour, draw
from olmoearth_nb.ablation.report import report
from olmoearth_nb.ablation.scores import RUNS, SCORES, read_scores
from olmoearth_nb.cli.app import app
from olmoearth_nb.evaluation.intervals import TRAINED

WRITTEN = ("report.md", "comparisons.csv", "accuracies.png", "differences.png")


def write(folder, table, floor=0.5):
    """A table as `scores.csv`, with an untrained and a floor arm."""
    folder.mkdir(exist_ok=True)
    lines = []
    for (arm, budget, task), right in table.right.items():
        for kind, name, chance in ((budget, arm, None), ("untrained", arm, 0.5), ("floor", "raw bands", floor)):
            if kind == "floor" and arm != table.arms[0]:
                continue
            for seed, tiles in enumerate(right):
                for tile, (count, rows) in enumerate(zip(tiles, table.rows[task], strict=True)):
                    answers = int(count if chance is None else chance * rows)
                    lines.append([name, seed, kind, 64, 0.004, task, tile, answers, int(rows)])
    for line in [line for line in lines if line[2] == "floor"]:
        lines.append(["majority", *line[1:]])
    with (folder / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([SCORES, *lines])
    runs = [
        [arm, seed, BUDGET, 64, 16, 0.004, False, 1.5, 60, 1, "here", "abc"]
        for arm in table.arms
        for seed in table.seeds
    ]
    with (folder / "runs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([RUNS, *runs])
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    design = Design(differences=(0.0, 0.15), tasks=2, seeds=5)
    return write(tmp_path_factory.mktemp("report") / "study", draw(design, np.random.default_rng(0)))


def test_the_table_comes_back(study):
    found, drawn = read_scores(study), draw(Design((0.0, 0.15), 2), np.random.default_rng(0))
    assert found.arms == drawn.arms
    assert found.budgets == (BUDGET,)
    assert found.tasks == drawn.tasks
    for key, right in drawn.right.items():
        assert (found.right[key] == right).all()
    for task, rows in drawn.rows.items():
        assert (found.rows[task] == rows).all()


def test_the_same_bytes_every_time(study):
    report(study)
    first = {name: (study / name).read_bytes() for name in WRITTEN}
    for name in WRITTEN:
        (study / name).unlink()
    result = CliRunner().invoke(app, ["report", str(study)])
    assert result.exit_code == 0, result.output
    for name in ("report.md", "comparisons.csv"):
        assert (study / name).read_bytes() == first[name]
    for name in ("accuracies.png", "differences.png"):
        again = matplotlib.image.imread(study / name)
        (study / name).write_bytes(first[name])
        assert (matplotlib.image.imread(study / name) == again).all()


def test_what_is_planted_is_found(study):
    found = findings(read_scores(study), BUDGET)
    assert [one.arm for one in found] == ["arm 1", "arm 2"] * 2
    assert [one.verdict == "better" for one in found] == [False, True] * 2
    assert all("with a power of" in one.verdict for one in found if one.arm == "arm 1")
    assert all(one.p_holm >= one.comparison.p for one in found)
    text = report(study).read_text()
    assert f"{found[0].comparison.detectable:.3f} would be, with a power" in text
    assert "arm 2 is above raw bands in 2 of 2 tasks" in text
    assert f"| arm 2 | {BUDGET} | 64 | 0.004 | 1.0 |" in text
    assert "different code" not in text


def test_what_reads_tables_loads_nothing_that_trains():
    code = "import sys; from olmoearth_nb.ablation import figures, planted, report; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("pretrain", "weights", "data", "evaluation.tasks", "ablation.study", "ablation.jobs")
    assert not [name for name in loaded for room in heavy if f"{name}.".startswith(f"olmoearth_nb.{room}.")]
    assert "pydantic" not in loaded


def test_arms_of_different_code_are_named(study, tmp_path):
    for name in ("scores.csv", "runs.csv"):
        (tmp_path / name).write_bytes((study / name).read_bytes())
    runs = (tmp_path / "runs.csv").read_text()
    (tmp_path / "runs.csv").write_text(runs.replace("abc", "def-dirty", 3).replace("False", "True", 5))
    text = report(tmp_path).read_text()
    assert "**Arms come from different code**: abc, def-dirty." in text
    assert "0.004, at the edge of those tried" in text
    (tmp_path / "runs.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no runs\.csv"):
        report(tmp_path)


def test_rows_may_come_in_any_order_but_once(study, tmp_path):
    head, *lines = (study / "scores.csv").read_text().splitlines()
    (tmp_path / "scores.csv").write_text("\n".join([head, *lines[::-1]]))
    one, other = read_scores(study), read_scores(tmp_path)
    for key, right in one.right.items():
        assert (other.right[key] == right).all()
    (tmp_path / "scores.csv").write_text("\n".join([head, *lines, lines[-1]]))
    with pytest.raises(ValueError, match="the same tile twice"):
        read_scores(tmp_path)


def test_arms_that_answer_alike_are_said_to(tmp_path):
    table = draw(Design(tasks=1), np.random.default_rng(2))
    for arm in table.arms:
        table.right[arm, BUDGET, "task 0"] = table.right["baseline", BUDGET, "task 0"]
    found = findings(table, BUDGET)
    assert {one.verdict for one in found} == {"no difference at all: both gave the same answers with every seed"}


def test_the_gate_is_the_raw_floor(tmp_path):
    table = draw(Design(tasks=1), np.random.default_rng(1))
    low, high = (read_scores(write(tmp_path / name, table, floor)) for name, floor in (("a", 0.3), ("b", 0.9)))
    assert all(interval.low > 0 for interval in gate(low, BUDGET).values())
    assert all(interval.high < 0 for interval in gate(high, BUDGET).values())
    assert "how fast arms learn" in report(tmp_path / "b").read_text()


def test_scores_that_do_not_fit_together(study, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no scores\.csv"):
        read_scores(tmp_path)
    text = (study / "scores.csv").read_text().splitlines()
    (tmp_path / "scores.csv").write_text("\n".join(text[:-1]))
    with pytest.raises(ValueError, match=r"majority / floor / task 1 has not the seeds and rows"):
        read_scores(tmp_path)
    (tmp_path / "scores.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="has not the columns"):
        read_scores(tmp_path)
    (tmp_path / "none").mkdir()
    result = CliRunner().invoke(app, ["report", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "no scores.csv" in result.output


def test_planted_arms_in_folds_are_judged_as_stated():
    """Places that train are a sample as well, and the drawing of folds is chance."""
    design = Design(seeds=3, tiles=60, rows=3, tasks=3, repeats=4, fold_spread=0.02, trained=1.9)
    none = behaviour(design, 100)
    assert none.false_in_table <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert none.false <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600 * 3)
    assert none.covered >= 0.93
    some = behaviour(replace(design, differences=(none.detectable, 0.0)), 100, seed=1)
    assert some.power_holm >= 0.75
    drawn = draw(design, np.random.default_rng(0))
    assert drawn.right["baseline", BUDGET, "task 0"].shape == (3, 4, 60)
    assert drawn.stretch("task 0") == TRAINED


@pytest.mark.parametrize("seeds", [3, 5])
def test_planted_arms_are_judged_as_stated(seeds):
    """The short form of benchmarks/planted.py; the bounds are the stated rates plus three standard errors."""
    none = behaviour(Design(seeds=seeds), 100)
    assert none.false_in_table <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert none.false <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1200 * 3)  # comparisons of a table share their baseline
    assert none.covered >= 0.93
    some = behaviour(Design((none.detectable, 0.0), seeds=seeds), 100, seed=1)
    assert some.power_holm >= 0.75
    assert some.covered >= 0.93
    assert some.power >= some.power_holm
