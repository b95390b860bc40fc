"""The table of the ladder, from studies whose truth is known."""

import csv

import pytest
from planted_ladder import COST, RIGHT, write_table

from olmoearth_nb.evaluation.summary import DIFFERENCES

SCRIPT = "ladder_table"


@pytest.fixture(scope="module")
def rows(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    tasks = [f"{name}, {probe}" for name in ("EuroSAT", "EuroSAT (published names)") for probe in ("kNN-20", "linear")]
    write_table(folder / "r1", tasks, lambda arm, task: RIGHT[arm] - ("published" in task) * COST[arm], repeat="0")
    for budget in ("untrained", "floor"):
        add_budget(folder / "r1" / "scores.csv", budget)
    out = folder / "ladder.csv"
    script.write_csv(out, script.COLUMNS, script.rows(folder))
    with out.open(encoding="utf8") as file:
        return list(csv.DictReader(file))


def add_budget(path, name):
    """The same answers once more as those of another budget."""
    lines = path.read_text(encoding="utf8").splitlines(keepends=True)
    more = [line.replace("65536 samples", name) for line in lines[1:] if "65536 samples" in line]
    path.write_text("".join(lines + more), encoding="utf8")


def one(rows, **wanted):
    (row,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return row


def test_names_of_bands_become_a_column(rows):
    scores = [row for row in rows if row["kind"] == "score" and row["budget"] == "65536 samples"]
    assert {row["score"] for row in scores} == {"EuroSAT, kNN-20", "EuroSAT, linear"}
    assert {(row["what"], row["names"]) for row in scores} == {(a, n) for a in RIGHT for n in ("content", "published")}


def test_merging_and_wrong_names_cost_what_was_planted(rows):
    at = {"part": "r1", "budget": "65536 samples", "score": "EuroSAT, linear"}
    apart = one(rows, kind="difference", what="naive - v1", names="content", **at)
    assert float(apart["value"]) == pytest.approx(RIGHT["naive"] - RIGHT["v1"], abs=0.03)
    assert float(one(rows, kind="cost", what="naive", **at)["value"]) == pytest.approx(COST["naive"], abs=0.03)
    more = one(rows, kind="cost", what="naive - v1", **at)
    assert float(more["value"]) == pytest.approx(COST["naive"] - COST["v1"], abs=0.03)
    assert float(more["low"]) > 0


def test_what_was_not_run_has_no_numbers(rows):
    missing = one(rows, kind="primary", what="P5: naive - v1")
    assert (missing["budget"], missing["value"], missing["p_holm"]) == ("not run", "", "1.000000")


def test_costs_of_the_label_test_keep_their_condition_and_say_how_long_was_trained(script, tmp_path):
    write_table(tmp_path / "r2", ["EuroSAT, kNN-20"], lambda arm, task: RIGHT[arm], repeat="0")
    (tmp_path / "labels").mkdir()
    rows = [
        ("What do these names cost?", "means", "kNN-20", "v1: B01 B09", "0.25"),
        ("Do models differ?", "means", "kNN-20", "naive - v1", "0.5"),
    ]
    made = [dict(zip(DIFFERENCES, row, strict=False)) | dict.fromkeys(DIFFERENCES[5:], "0.125") for row in rows]
    script.write_csv(tmp_path / "labels" / "differences.csv", DIFFERENCES, made)
    (cost,) = script.of_labels(tmp_path / "labels", script.read_study(tmp_path / "r2"))
    assert set(cost) == set(script.COLUMNS)
    assert (cost["what"], cost["score"], cost["names"]) == ("v1: B01 B09", "EuroSAT, kNN-20", "means")
    assert (cost["budget"], float(cost["value"]), float(cost["high"])) == ("65536 samples", 0.25, 0.125)
