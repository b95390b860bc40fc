"""Runs in their folders: what a folder remembers, minutes turned into samples, the command line."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny
from typer.testing import CliRunner

from olmoearth_nb import load_model
from olmoearth_nb.cli.app import app
from olmoearth_nb.cli.pretrain import pretrain as command
from olmoearth_nb.data import corpus
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.io.durable import alone
from olmoearth_nb.pretrain import run as runs
from olmoearth_nb.pretrain.engine import SAVE_EVERY, Engine
from olmoearth_nb.pretrain.log import read_log
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.pretrain.run import pretrain, samples_in
from olmoearth_nb.tokenization import Tokenization

pytestmark = pytest.mark.xdist_group("engine")


def invoke(*arguments):
    return CliRunner().invoke(app, ["pretrain", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of three steps."""
    folder = tmp_path_factory.mktemp("runs") / "made"
    tiny.make_world(folder.with_name("world"))
    tiny.go(folder, tiny.plan(budgets=(24,)))
    return folder


@pytest.fixture
def untrained(monkeypatch):
    """Whoever trains now is found out."""

    def never(self, leg):
        raise AssertionError(f"{leg} is trained")

    monkeypatch.setattr(Engine, "run", never)


def test_what_is_finished_is_not_trained_again(made, untrained):
    assert tiny.go(made, tiny.plan(budgets=(24,))) == [made / "budget-24"]


def test_a_run_remembers_what_it_is(made):
    about = json.loads((made / "budget-24" / "run.json").read_text())
    assert {"recipe": "v1.1", "size": "mini", "seed": 0, "samples": 24, "steps": 3, "falls": 2}.items() <= about.items()
    assert about["rate"] == two_cores("v1.1").optimisation.rate
    assert about["normalisation"] == "standard"
    assert about["data"]["tiles"] == 6
    assert about["machine"]["processes"] == about["machine"]["threads"] == 1
    logged = [read_log(made / leg / "log.jsonl")[-1]["seconds"] for leg in ("trunk", "budget-24")]
    assert about["seconds"] == pytest.approx(sum(logged))
    assert load_model(made / "budget-24").config == tiny.plan().recipe.config("mini")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recipe": "v1"}, "recipe: v1.1 there, v1 asked for.*masking: random_time_with_decode there"),
        ({"precision": "bf16-mixed"}, r"\(precision: 32-true there, bf16-mixed asked for\); give another folder"),
    ],
)
def test_a_folder_of_another_run_is_refused(made, untrained, given, said):
    with pytest.raises(FileExistsError, match="made holds another run .*" + said):
        tiny.go(made, tiny.plan(**({"budgets": (24,)} | given)))


def test_groups_that_are_left_out_as_defaults_are_compared_too(made, untrained):
    recipe = replace(tiny.plan().recipe, tokenization=Tokenization("own", {"sentinel1": ["vv", "vh"]}))
    other = replace(tiny.plan(budgets=(24,)), recipe=recipe)
    with pytest.raises(FileExistsError, match=r"tokens of sentinel1: None there, vv \| vh asked for"):
        tiny.go(made, other)
    stored = made.parent / "own" / "plan.json"
    stored.parent.mkdir()
    stored.write_text(json.dumps(json.loads((made / "plan.json").read_text()) | {"tokens of sentinel1": "vv | vh"}))
    with pytest.raises(FileExistsError, match=r"tokens of sentinel1: vv \| vh there, None asked for"):
        tiny.go(stored.parent, tiny.plan(budgets=(24,)))


def test_other_tiles_are_another_run(made, untrained, tmp_path):
    world = shutil.copytree(made.with_name("world"), tmp_path / "world")
    with (world / "6" / "sample_metadata.csv").open("a") as index:
        index.write("6,1\n")
    with pytest.raises(FileExistsError, match=r"data: .*'index'.* there"):
        pretrain(tiny.plan(budgets=(24,)), TileCorpus(world), made, quiet=True)


@pytest.fixture
def beside(made, tmp_path):
    """A folder beside a copy of the tiles."""
    shutil.copytree(made.with_name("world"), tmp_path / "world")
    return tmp_path


@pytest.fixture
def steps(monkeypatch):
    """Every step that is trained, by leg."""
    trained, step = [], Engine._step

    def seen(self, leg, number, *rest):
        trained.append((leg.name, number))
        return step(self, leg, number, *rest)

    monkeypatch.setattr(Engine, "_step", seen)
    return trained


def test_a_folder_takes_longer_budgets(beside, steps):
    """The trunk goes on: the models and the log are those of a run that was asked for all at once."""
    tiny.go(beside / "later", tiny.plan(budgets=(24,)))
    before = list(steps)
    assert tiny.go(beside / "later", tiny.plan(budgets=(64,))) == [beside / "later" / "budget-64"]
    assert not set(before) & set(steps[len(before) :])
    tiny.go(beside / "at once", tiny.plan(budgets=(24, 64)))
    logs = []
    for folder in (beside / "later", beside / "at once"):
        assert json.loads((folder / "plan.json").read_text())["budgets"] == [24, 64]
        logs.append([(line["step"], line["loss"]) for line in read_log(folder / "trunk" / "log.jsonl")])
    assert logs[0] == logs[1]
    for model in ("budget-24", "budget-64"):
        for name in tiny.SAVED:
            one, other = ((beside / run / model / name).read_bytes() for run in ("later", "at once"))
            assert one == other


def test_a_longer_budget_that_was_stopped_is_not_in_the_way(beside, monkeypatch):
    tiny.go(beside / "run", tiny.plan(budgets=(24,)))
    monkeypatch.setattr(Engine, "run", lambda self, leg: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        tiny.go(beside / "run", tiny.plan(budgets=(8000,)))
    assert tiny.go(beside / "run", tiny.plan(budgets=(24,))) == [beside / "run" / "budget-24"]


def test_shorter_budgets_are_refused(made, untrained):
    with pytest.raises(FileExistsError, match=r"budgets of 24 samples; further ones must be longer, got 16; give anot"):
        tiny.go(made, tiny.plan(budgets=(16, 24)))
    recipe = tiny.plan().recipe
    other = replace(recipe, optimisation=replace(recipe.optimisation, batch=16))
    with pytest.raises(FileExistsError, match=r"holds another run \(batch: 8 there, 16 asked for"):
        tiny.go(made, replace(tiny.plan(), recipe=other, budgets=(48,)))


def test_minutes_of_another_run_are_not_kept(made, untrained):
    with pytest.raises(FileExistsError, match=r"recipe: v1.1 there, v1 asked for"):
        samples_in(0.5, tiny.plan(recipe="v1"), tiny.corpus(made), made, quiet=True)
    assert not (made / "minutes.json").exists()


def test_two_runs_do_not_share_a_folder(made, untrained):
    with alone(made), pytest.raises(FileExistsError, match=r"another process works in .*made"):
        tiny.go(made, tiny.plan(budgets=(24,)))


def test_minutes_are_measured_once(made, monkeypatch):
    monkeypatch.setattr(runs, "WARM_STEPS", 1)
    monkeypatch.setattr(runs, "MEASURED_STEPS", 2)
    tiles, folder = tiny.corpus(made), made.with_name("timed")
    samples = samples_in(0.5, tiny.plan(), tiles, folder, quiet=True)
    stored = json.loads((folder / "minutes.json").read_text())
    assert samples == stored["samples"]
    assert samples % 8 == 0
    assert abs(samples / 8 * stored["seconds_per_step"] - 30) <= 2 * stored["seconds_per_step"]
    assert sorted(os.listdir(folder)) == [".lock", "minutes.json"]

    def never(engine):
        raise AssertionError("measured again")

    monkeypatch.setattr(runs, "_seconds_a_step", never)
    assert samples_in(0.5, tiny.plan(budgets=(16,)), tiles, folder, quiet=True) == samples
    with pytest.raises(FileExistsError, match=r"\(minutes: 0.5 there, 1 asked for\)"):
        samples_in(1, tiny.plan(), tiles, folder, quiet=True)
    with pytest.raises(FileExistsError, match=r"\(precision: 32-true there"):
        samples_in(0.5, tiny.plan(precision="bf16-mixed"), tiles, folder, quiet=True)


def test_a_measurement_that_was_killed_is_begun_again(made, monkeypatch):
    """Its checkpoints would make the second one too fast."""
    monkeypatch.setattr(runs, "WARM_STEPS", 1)
    monkeypatch.setattr(runs, "MEASURED_STEPS", 1)
    folder = made.with_name("killed")
    shutil.copytree(made / "trunk", folder / "timing")
    samples_in(1, tiny.plan(), tiny.corpus(made), folder, quiet=True)
    assert json.loads((folder / "minutes.json").read_text())["seconds_per_step"] > 0
    assert not (folder / "timing").exists()


def test_the_command_trains_and_goes_on(made, tmp_path):
    asked = ["--data", made.with_name("world"), "--out", tmp_path / "run", "--batch", 2, "--samples", "2,4"]
    asked += ["--micro-batch", 2, "--threads", 1, "--cache", made.with_name("tiles")]
    result = invoke(*asked)
    assert result.exit_code == 0, result.output
    assert result.output.split()[-2:] == [str(tmp_path / "run" / f"budget-{samples}") for samples in (2, 4)]
    assert (tmp_path / "run" / "loss.png").stat().st_size > 1000
    again = invoke(*asked, "--rate", 0.5)
    assert again.exit_code == 2
    assert f"rate: {two_cores('v1.1').optimisation.rate} there, 0.5 asked for" in again.output


def test_the_command_interrupted(made, tmp_path, monkeypatch):
    def interrupted(self, leg):
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "run", interrupted)
    result = invoke("--data", made.with_name("world"), "--out", tmp_path / "run")
    assert result.exit_code == 130
    assert f"interrupted; {tmp_path / 'run'} keeps the run so far, the same command goes on with it" in result.output


def test_dry_run(tmp_path):
    result = invoke("--dry-run", "--samples", "5001,20000", "--out", tmp_path / "run", "--recipe", "naive")
    assert result.exit_code == 0, result.output
    assert "5,000, 20,000" in result.output
    assert "MACs of the run" in result.output
    assert not (tmp_path / "run").exists()


def test_dry_run_of_minutes(tmp_path):
    result = invoke("--dry-run", "--minutes", "20", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "those of 20 minutes, known when steps were timed" in " ".join(result.output.split())
    assert "MACs of the run" not in result.output
    assert "4,096" not in result.output


def test_the_official_scale_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("--scale", "official", "--recipe", "v1.1", "--size", "nano")
    assert result.exit_code == 0, result.output
    output = " ".join(result.output.split())
    for said in ("667,200, batches of 512", "patch sizes 1 2 3 4 5 6 7 8 px", "micro_batch 64", "rate 0.0002"):
        assert said in output
    assert os.listdir(tmp_path) == []


WRONG = {
    "recipe": (["--recipe", "v9"], "unknown recipe 'v9'; valid are v1, naive"),
    "size": (["--size", "huge"], "unknown size 'huge'; valid are mini, nano"),
    "scale": (["--scale", "big"], "scale must be 'cores' or 'official', got 'big'"),
    "both budgets": (["--samples", "64", "--minutes", "1"], "in samples or in minutes, not both"),
    "samples": (["--samples", "many"], "samples must be whole numbers with commas between them"),
    "too few samples": (["--samples", "3"], "budgets must ascend from at least one batch of 4 samples"),
    "minutes": (["--minutes", "-3"], "minutes must be above 0, got -3"),
    "no minutes": (["--minutes", "0"], "minutes must be above 0, got 0"),
    "rate": (["--rate", "0"], "rate and clip must be above 0"),
    "batch": (["--batch", "33"], "batch must be a multiple of micro_batch, got 33 and 4"),
    "precision": (["--precision", "8"], "precision must be one of 32-true, bf16-mixed, got '8'"),
    "threads": (["--threads", "-1"], "greater than or equal to 0"),
    "workers": (["--workers", "-1"], "greater than or equal to 0"),
    "seed": (["--seed", "-1"], "greater than or equal to 0"),
    "no such scaling": (["--normalisation", "minmax"], "must be one of official, standard, robust, got 'minmax'"),
    "no data": ([], "give --data, a folder of tiles"),
    "no tiles": (["--data", "."], "holds nothing to train on"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_wrong_options(made, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    if "--minutes" in arguments and "--samples" not in arguments:
        arguments = [*arguments, "--data", str(made.with_name("world"))]
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "run" / "plan.json").exists()


def test_a_world_without_training_tiles_is_refused(made, tmp_path, monkeypatch):
    world = shutil.copytree(made.with_name("world"), tmp_path / "world")
    monkeypatch.setattr(corpus, "training_tiles", lambda tiles: np.array([]))
    with pytest.raises(FileNotFoundError, match=r"world has 6 tiles, but none that may be trained on"):
        TileCorpus(world)


def test_the_command_saves_as_often_as_the_engine():
    names = command.__code__.co_varnames[: command.__code__.co_argcount]
    assert dict(zip(names, command.__defaults__, strict=True))["save_every"] == SAVE_EVERY


def test_a_plan_has_a_precision_that_is_tested():
    with pytest.raises(ValueError, match="precision must be one of 32-true, bf16-mixed, got '16-mixed'"):
        tiny.plan(precision="16-mixed")
