"""Sweeps as people run them: with one worker or two, killed, with an arm that fails, gone on with."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from olmoearth_nb.ablation import jobs
from olmoearth_nb.ablation.folder import done, result
from olmoearth_nb.ablation.jobs import environment, run_job, work
from olmoearth_nb.ablation.report import report
from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.study import Arm, Rates, Study
from olmoearth_nb.ablation.sweep import SweepError, _choose, ablate
from olmoearth_nb.cli.app import app
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.tasks import Task, raw
from olmoearth_nb.io.durable import write_json
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.log import read_log
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
    """Also where the worker has two threads: torch's random state is the process's, so jobs take turns in it."""
    from distributed.deploy.subprocess import SubprocessCluster

    with SubprocessCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        study, address = tiny(world, minutes=(0.005,)), cluster.scheduler_address
        one = ablate(study, tmp_path / "one", scheduler=address, timings=whole, quiet=True)
    assert (one / "scores.csv").read_bytes() == (whole / "scores.csv").read_bytes()
    assert rows(one, "runs.csv") == rows(whole, "runs.csv")


def command(study, folder):
    """A sweep in a process of its own, in whose group its workers are."""
    write_json(folder.with_suffix(".yaml"), study.to_dict())  # JSON is YAML
    words = ["-m", "olmoearth_nb", "ablate", folder.with_suffix(".yaml"), "--out", folder]
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_a_kill_loses_no_finished_arm(world, whole, tmp_path):
    """First both workers die, which are replaced; then the whole sweep, which goes on with the same command."""
    folder, study = tmp_path / "killed", tiny(world)
    process = command(study, folder)
    while process.poll() is None and not list(folder.glob("runs/cell*")):
        time.sleep(0.02)
    for nanny in psutil.Process(process.pid).children():
        for worker in nanny.children():
            if "spawn_main" in " ".join(worker.cmdline()):
                worker.kill()
    assert not list(folder.glob("jobs/cell*.json")), "no worker was done yet"
    while process.poll() is None and not list(folder.glob("jobs/cell*.json")):
        time.sleep(0.02)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("jobs/*.json")}
    assert any(path.name.startswith("cell") for path in finished), process.communicate()[0].decode()
    assert not (folder / "scores.csv").exists()
    assert len(workers) >= 4, "two workers and their nannies"
    assert not psutil.wait_procs(workers, timeout=60)[1], "workers end with the sweep that started them"
    process.communicate()
    ablate(study, folder, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    same = [row for row in rows(whole, "scores.csv") if not row["budget"].endswith("minutes")]
    assert rows(folder, "scores.csv") == same


def test_a_job_that_runs_elsewhere_is_waited_for(tmp_path):
    """There is no study here, so that a job that ran would fail."""
    lock = done(tmp_path, "cell naive 0").with_suffix(".lock")
    lock.parent.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with FileLock(lock):
            waiting = pool.submit(work, str(tmp_path), "cell naive 0")
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            write_json(done(tmp_path, "cell naive 0"), {"arm": "naive"})
        assert waiting.result(30) is None
    assert result(tmp_path, "cell naive 0") == {"arm": "naive"}


def test_what_a_job_writes_and_why_it_failed_is_in_its_log(tmp_path, monkeypatch, capsys):
    def fails(folder, key):
        print("a line", file=sys.stderr)
        raise ValueError(f"no {key}")

    monkeypatch.setattr(jobs, "run_job", fails)
    with pytest.raises(RuntimeError, match=r"^ValueError: no cell naive 0$"):
        work(str(tmp_path), "cell naive 0")
    log = done(tmp_path, "cell naive 0").with_suffix(".log").read_text()
    assert log.startswith("a line\nTraceback")
    assert capsys.readouterr().err == ""


def test_a_result_names_the_commit():
    git = ["git", "-C", str(Path(__file__).parents[2]), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    assert environment()["commit"].removesuffix("-dirty") == (commit or "none")


SCRIPT = """
import multiprocessing
from pathlib import Path

with open("started", "a") as file:
    file.write("once\\n")
multiprocessing.set_start_method("spawn")
from olmoearth_nb.ablation import report, study, sweep
from olmoearth_nb.data.simulate.generate import simulate

simulate("world", 32, size=32, dates=1, workers=2, quiet=True)
print(report.report(sweep.ablate(study.Study.load("study.yaml"), "sweep")).read_text())
"""


def test_a_script_needs_no_guard(world, whole, tmp_path):
    """Its processes are none of `multiprocessing`'s children, which "spawn" would make run it again."""
    (tmp_path / "script.py").write_text(SCRIPT)
    write_json(tmp_path / "study.yaml", tiny(world).to_dict())
    ran = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "# naive against v1.1" in ran.stdout
    assert (tmp_path / "started").read_text() == "once\n"
    assert (tmp_path / "world" / "world.json").is_file()
    same = [row for row in rows(whole, "scores.csv") if not row["budget"].endswith("minutes")]
    assert rows(tmp_path / "sweep", "scores.csv") == same


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


def test_an_arm_and_a_longer_budget_join_a_finished_sweep(world, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "sweep")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("jobs/*.json") if "cell" not in path.name}
    mine = Tokenization("mine", {"sentinel2_l2a": ["B02 B03 B04", "B08 B11 B12"]})
    study = tiny(world, minutes=(0.005,))
    # minutes are as many samples as this machine makes in them: a longer budget must be longer than all of these
    longest = max(int(row["samples"]) for row in rows(whole, "runs.csv"))
    longer = replace(study, samples=(*study.samples, 3 * longest)).with_arm("mine", mine)
    ablate(longer, folder, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    table = read_scores(folder)
    assert table.arms == ("naive", "v1.1", "mine")
    assert f"{longer.samples[-1]} samples" in table.budgets
    for row in rows(whole, "scores.csv"):
        assert row in rows(folder, "scores.csv")  # what was trained is not trained again
    steps = [line["step"] for line in read_log(folder / "runs" / "cell naive 0" / "trunk" / "log.jsonl")]
    assert steps == sorted(set(steps))  # the trunk went on from where it ended
    assert "mine" in report(folder).read_text()
    with pytest.raises(FileExistsError, match=r"holds another study \(samples differ\)"):
        ablate(replace(longer, samples=study.samples), folder, quiet=True)


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
        write_json(done(tmp_path, f"rate {arm} 0.003"), {"accuracy": -0.2})  # as R2 may be
    _choose(study, tmp_path)
    assert result(tmp_path, "chosen naive")["rate"] == 0.003
    write_json(done(tmp_path, "rate naive 0.003"), {"accuracy": 0.0, "diverged": "loss NaN"})
    with pytest.raises(SweepError, match="naive diverges at all of the rates"):
        _choose(study, tmp_path)


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
    scenes, radar = World(world), Task("radar", probe="network")
    right, rows = radar.right(scenes, raw(radar), 0)
    assert radar.sensors == ("sentinel1",)
    assert raw(radar)(scenes, scenes.of("test"), radar.sensors).shape[-1] == 2
    assert 0.6 < right.sum() / rows.sum() <= 1
