"""The primary comparisons, from tables whose truth is known."""

import gzip
import json

import numpy as np
import pytest
from planted_ladder import COST, RIGHT, write_table

SCRIPT = "ladder"


@pytest.fixture(scope="module")
def folder(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    tasks = (script.KNN, script.LINEAR, script.published(script.KNN), script.published(script.LINEAR))
    write_table(folder / "r1", tasks, lambda arm, task: RIGHT[arm] - ("published" in task) * COST[arm], repeat="0")
    designed = [f"{name}, patches, network" for name in script.DESIGNED]
    write_table(folder / "s", designed, lambda arm, task: 0.8 - 0.1 * (arm == "naive"), "32768 samples")
    scores = folder / "s" / "scores.csv"
    lines = scores.read_text(encoding="utf8").splitlines(keepends=True)
    kept = [line for line in lines if "two sensors" not in line or line.split(",")[-4] not in ("3", "7")]
    scores.write_text("".join(kept), encoding="utf8")  # tiles that only one sensor saw
    assert len(lines) - len(kept) == 2 * len(RIGHT) * 5
    return folder


def test_finds_what_was_planted_and_nothing_else(script, folder):
    found = {row["comparison"]: row for row in script.primary(folder)}
    wanted = {"P1": -0.2, "P2": 0.2, "P3": 0.0, "P4": 0.2, "P5": -0.1}
    for name, value in wanted.items():
        assert float(found[name]["difference"]) == pytest.approx(value, abs=0.04), name
        assert (float(found[name]["p_holm"]) < 0.05) == (value != 0), name
        assert (found[name]["seeds"], found[name]["budget"].split()[1]) == (5, "samples")
    assert (found["P6"]["budget"], found["P6"]["p_holm"]) == ("not run", "1.000000")
    assert "| P6 |" in script.lines(script.primary(folder))[-1]


def test_takes_a_lower_budget_where_the_planned_one_was_not_reached(script, tmp_path):
    write_table(tmp_path / "r1", (script.KNN,), lambda arm, task: 0.5, "24576 samples", "0")
    assert script.budget_of(script.read_scores(tmp_path / "r1"), script.TRACK_R) == "24576 samples"


def test_packed_scores_are_read_and_packed_alike(script, folder, tmp_path):
    about = {"data": {"evaluate": [{"path": str(tmp_path / "eurosat_ms"), "part": "2-5/5"}]}}
    (folder / "r1" / "study.json").write_text(json.dumps(about), encoding="utf8")
    for name in ("one", "other"):
        script.keep(folder / "r1", tmp_path / name)
    packed = [(tmp_path / name / "scores.csv.gz").read_bytes() for name in ("one", "other")]
    assert packed[0] == packed[1]
    assert gzip.decompress(packed[0]) == (folder / "r1" / "scores.csv").read_bytes()
    kept = json.loads((tmp_path / "one" / "study.json").read_text(encoding="utf8"))
    assert kept == {"data": {"evaluate": [{"path": "eurosat_ms", "part": "2-5/5"}]}}
    plain, read = script.read_scores(folder / "r1"), script.read_scores(tmp_path / "one")
    assert all(np.array_equal(plain.right[key], read.right[key]) for key in plain.right)


def test_jobs_of_an_unfinished_sweep_move_to_another_folder(script, tmp_path):
    found = {"floors.json": {"floors": [1]}, "rate v1 0.001.json": {"accuracy": 0.25}}
    (tmp_path / "s" / "jobs").mkdir(parents=True)
    for name, content in found.items():
        (tmp_path / "s" / "jobs" / name).write_text(json.dumps(content), encoding="utf8")
    (tmp_path / "s" / "jobs" / "cell v1 10.lock").touch()
    for name in ("one", "other"):
        script.pause(tmp_path / "s", tmp_path / name)
    assert len({(tmp_path / name / script.UNFINISHED).read_bytes() for name in ("one", "other")}) == 1
    jobs = tmp_path / "elsewhere" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "floors.json").write_text('{"floors": [2]}', encoding="utf8")
    script.resume(tmp_path / "elsewhere", tmp_path / "one")
    read = {path.name: json.loads(path.read_text(encoding="utf8")) for path in jobs.iterdir()}
    assert read == found | {"floors.json": {"floors": [2]}}


def test_effects_of_a_factorial(script):
    """Each arm's score is made of effects that are known."""
    truth = {"pixel layer": 3.0, "weaker contrast": -2.0, "pixel layer x band dropout": 1.0}
    right = {}
    for arm, own in script.FACTORS.items():
        has = {label: 1 if use else -1 for label, use in zip(script.NAMES, own, strict=True)}
        right[arm] = np.array([sum(v / 2 * np.prod([has[part] for part in k.split(" x ")]) for k, v in truth.items())])
    found = script.effects(right)
    assert len(found) == 7
    assert {name: float(value[0]) for name, value in found.items() if value[0]} == truth


def test_the_page_has_the_primary_comparisons_of_the_kept_tables(script):
    folder = script.Path(__file__).parents[2] / "docs" / "results"
    page = (folder / "ladder.md").read_text(encoding="utf8")
    assert "\n".join(script.lines(script.primary(folder / "ladder"))) in page
