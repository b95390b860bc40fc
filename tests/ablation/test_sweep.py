"""Sweeps as people run them: with one worker or two, killed, with an arm that fails, gone on with."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from olmoearth_nb.ablation.folder import done, result
from olmoearth_nb.ablation.kinds import run_job
from olmoearth_nb.ablation.report import report
from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.study import Arm, Rates, Study
from olmoearth_nb.ablation.sweep import Pulse, SweepError, _choose, _wait, ablate
from olmoearth_nb.cli.app import app
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.tasks import Task, raw
from olmoearth_nb.io.durable import write_json
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.tokenization import Tokenization

pytestmark = pytest.mark.xdist_group("sweeps")
APART = {"seconds", "host", "commit"}
"""What two runs of a study may differ in."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Ten tiles, three of them for the test."""
    from olmoearth_nb.data.simulate.generate import simulate

    return simulate(tmp_path_factory.mktemp("sweep") / "world", 10 * 16, size=32, quiet=True)


def tiny(world, **changes):
    arms = tuple(Arm(name, replace(two_cores(name), name=name)) for name in ("naive", "v1.1"))
    given = {"seeds": (0, 1), "samples": (8,), "tasks": (Task("scene", "scene", "kNN", most=32),)}
    return Study(arms, data={"folder": str(world)}, crops=Crops((8,), (2,), 72), **given | changes)


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """A sweep that was not disturbed, with two workers."""
    return ablate(tiny(world, minutes=(0.005,)), tmp_path_factory.mktemp("whole") / "sweep", quiet=True)


def rows(folder, name):
    with (folder / name).open() as file:
        return [{key: value for key, value in row.items() if key not in APART} for row in csv.DictReader(file)]


def test_a_sweep_has_every_arm_seed_budget_and_task(whole):
    table = read_scores(whole)
    assert table.arms == ("naive", "v1.1")
    assert table.seeds == (0, 1)
    assert table.budgets == ("8 samples", "0.005 minutes")
    assert {key[:2] for key in table.right} == {
        *((arm, at) for arm in table.arms for at in (*table.budgets, "untrained")),
        ("raw bands", "floor"),
        ("majority", "floor"),
    }
    runs = rows(whole, "runs.csv")
    assert len(runs) == 2 * 2 * 2
    assert {row["threads"] for row in runs} == {"1"}
    about = json.loads((whole / "results.json").read_text())
    assert about["study"]["seeds"] == [0, 1]
    assert {"commit", "versions", "host", "threads"} <= set(about["environment"])
    assert all(found["samples a minute"] > 0 for found in about["timings"].values())
    assert "naive against v1.1" in report(whole).read_text()


def test_one_worker_of_another_scheduler_gives_the_same(world, whole, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        study, address = tiny(world, minutes=(0.005,)), cluster.scheduler_address
        one = ablate(study, tmp_path / "one", scheduler=address, timings=whole, quiet=True)
    assert (one / "scores.csv").read_bytes() == (whole / "scores.csv").read_bytes()
    assert rows(one, "runs.csv") == rows(whole, "runs.csv")


def jobs_of(folder):
    """Processes that run jobs of a sweep."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = path.read_bytes().decode()
        except OSError:  # it ended meanwhile
            continue
        if "olmoearth_nb.ablation.kinds" in said and str(folder) in said:
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_kill_loses_no_finished_arm(world, whole, tmp_path):
    folder, study = tmp_path / "killed", tiny(world)
    write_json(tmp_path / "study.yaml", study.to_dict())  # JSON is YAML
    command = [sys.executable, "-m", "olmoearth_nb", "ablate", tmp_path / "study.yaml", "--out", folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ)
    while process.poll() is None and not list(folder.glob("jobs/cell*.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0].decode()
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("jobs/*.json")}
    assert any(path.name.startswith("cell") for path in finished), said
    assert not (folder / "scores.csv").exists()
    deadline = time.monotonic() + 30
    while jobs_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not jobs_of(folder), "jobs end with the sweep that started them"
    ablate(study, folder, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    same = [row for row in rows(whole, "scores.csv") if not row["budget"].endswith("minutes")]
    assert rows(folder, "scores.csv") == same


def test_a_half_written_result_never_counts(world, whole, tmp_path):
    path = done(tmp_path, "cell naive 0")
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}.0000.part").write_text('{"arm": "naive"')
    write_json(tmp_path / "study.json", tiny(world).to_dict())
    found = run_job(tmp_path, "cell naive 0")
    whole_cell = result(whole, "cell naive 0")
    for one, other in zip(found["budgets"], whole_cell["budgets"], strict=False):
        assert one["scores"] == other["scores"]
    assert run_job(tmp_path, "cell naive 0")["environment"] == found["environment"], "done, so it is read"
    with pytest.raises(ValueError, match="no job 'sell naive 0'"):
        run_job(tmp_path, "sell naive 0")
    with pytest.raises(ValueError, match="no arm 'v2'; there are naive"):
        run_job(tmp_path, "cell v2 0")
    with pytest.raises(ValueError, match="no seed 9; the study has 0, 1"):
        run_job(tmp_path, "cell naive 9")


def test_an_arm_that_fails_is_named_and_the_others_are_kept(world, tmp_path):
    study = tiny(world)
    bad = replace(two_cores("v1.1"), optimisation=replace(two_cores("v1.1").optimisation, rate=1e30, warmup=0))
    study = replace(study, arms=(study.arms[0], Arm("bad", bad)))
    with pytest.raises(SweepError, match=r"2 of 4 jobs failed(.|\n)*cell bad 0: .*DivergedError"):
        ablate(study, tmp_path / "sweep", quiet=True)
    kept = {path.stem for path in (tmp_path / "sweep" / "jobs").glob("*.json")}
    assert kept == {
        "cell naive 0",
        "cell naive 1",
        "floors",
    }
    assert not (tmp_path / "sweep" / "scores.csv").exists()


def test_an_arm_joins_a_finished_sweep(world, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "sweep")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("jobs/*.json")}
    mine = Tokenization("mine", {"sentinel2_l2a": ["B02 B03 B04", "B08 B11 B12"]})
    ablate(tiny(world, minutes=(0.005,)).with_arm("mine", mine), folder, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert read_scores(folder).arms == ("naive", "v1.1", "mine")
    for row in rows(whole, "scores.csv"):
        assert row in rows(folder, "scores.csv")
    assert "mine" in report(folder).read_text()


def test_a_mistake_in_a_task_shows_before_anything_is_trained(world, tmp_path):
    study = tiny(world, tasks=(Task("one bund", "patches", "probe", most=32),))
    with pytest.raises(SweepError, match=r"floors: .*one bund"):
        ablate(study, tmp_path / "sweep", quiet=True)
    assert not (tmp_path / "sweep" / "runs").exists()


def test_a_rate_that_diverges_is_not_chosen(world, tmp_path):
    study = tiny(world, rates=Rates((0.003, 1e30), samples=8))
    first, *_ = study.arms
    calm = replace(first.recipe, optimisation=replace(first.recipe.optimisation, warmup=0))
    study = replace(study, arms=(Arm("naive", calm), Arm("v1.1", calm)))
    write_json(tmp_path / "study.json", study.to_dict())
    for arm in ("naive", "v1.1"):
        assert "loss" in run_job(tmp_path, f"rate {arm} 1e+30")["diverged"]
        write_json(done(tmp_path, f"rate {arm} 0.003"), {"accuracy": 0.2})
    _choose(study, tmp_path)
    assert result(tmp_path, "chosen naive")["rate"] == 0.003
    write_json(done(tmp_path, "rate naive 0.003"), {"accuracy": 0.0})
    with pytest.raises(SweepError, match="naive diverges at all of the rates"):
        _choose(study, tmp_path)


@pytest.mark.parametrize("gone", ["silent", "replaced", "removed"])
def test_a_job_ends_when_its_sweep_has_gone(tmp_path, monkeypatch, gone):
    """Also where a worker lives on, as those of another scheduler do."""
    monkeypatch.setattr(Pulse, "PATIENCE", 2.0)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE)
    with Pulse(tmp_path) as pulse:
        if gone == "replaced":
            Pulse(tmp_path).beat()
        elif gone == "removed":
            pulse.path.unlink()
        assert _wait(process, pulse.path, pulse.sweep) == -signal.SIGKILL


def test_another_study_is_refused(world, whole, tmp_path):
    with pytest.raises(FileExistsError, match=r"holds another study \(seeds differ\)"):
        ablate(tiny(world, minutes=(0.005,), seeds=(0, 2)), whole, quiet=True)
    study = tiny(world, minutes=(0.005,))
    other = replace(study, arms=(study.arms[0], Arm("v1", two_cores("v1"))))
    with pytest.raises(FileExistsError, match=r"arm v1\.1 differ"):
        ablate(other, whole, quiet=True)
    with pytest.raises(FileNotFoundError, match="has no timing naive"):
        ablate(tiny(world, minutes=(0.005,)), tmp_path / "a", timings=tmp_path, quiet=True)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        ablate(tiny(world), tmp_path / "b", workers=0, quiet=True)


def test_the_command_says_what_is_wrong(tmp_path):
    (tmp_path / "study.yaml").write_text("arms: 3")
    for arguments, said in (
        (["study.yaml"], "is no study"),
        (["none.yaml"], "none.yaml"),
        (["study.yaml", "--notebook", "none.ipynb"], "there is no notebook"),
    ):
        file, *others = arguments
        asked = ["ablate", str(tmp_path / file), "--out", str(tmp_path / "out"), *others]
        found = CliRunner().invoke(app, asked)
        assert found.exit_code == 2
        assert said in found.output


@pytest.mark.parametrize(
    ("accuracies", "best", "at_edge"),
    [((0.3, 0.5, 0.4), 0.002, False), ((0.5, 0.5, 0.4), 0.001, True), ((0.1, 0.2, 0.3), 0.004, True)],
)
def test_the_rate_is_chosen_by_the_rule(world, tmp_path, accuracies, best, at_edge):
    rates = (0.001, 0.002, 0.004)
    for arm in ("naive", "v1.1"):
        for rate, accuracy in zip(rates, accuracies, strict=True):
            write_json(done(tmp_path, f"rate {arm} {rate!r}"), {"accuracy": accuracy})
    _choose(tiny(world, rates=Rates(rates)), tmp_path)
    found = result(tmp_path, "chosen v1.1")
    assert (found["rate"], found["at the edge"]) == (best, at_edge)
    assert [tried["accuracy"] for tried in found["tried"]] == list(accuracies)


def test_trials_score_validation_tiles_and_their_rate_is_used(world, tmp_path):
    study = tiny(world, rates=Rates((0.003,), samples=8))
    write_json(tmp_path / "study.json", study.to_dict())
    tried = run_job(tmp_path, "rate naive 0.003")
    asked = sum(sum(task["rows"]) for task in tried["scores"].values())
    assert asked == len(Task("scene", "scene", "kNN", most=32).scenes(World(world), "valid"))
    write_json(done(tmp_path, "chosen naive"), {"rate": 0.003})
    found = run_job(tmp_path, "cell naive 0")
    assert {budget["rate"] for budget in found["budgets"]} == {0.003}


def test_traits_are_asked_of_the_sensors_that_see_them(world):
    """From the world to right answers: radar of Sentinel-1 alone."""
    scenes, radar = World(world), Task("radar", reader="network")
    right, rows = radar.right(scenes, raw(radar), 0)
    assert radar.sensors == ("sentinel1",)
    assert raw(radar)(scenes, scenes.of("test"), radar.sensors).shape[-1] == 2
    assert 0.6 < right.sum() / rows.sum() <= 1
