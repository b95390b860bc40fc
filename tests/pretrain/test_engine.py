"""The engine: nothing is lost, and weights stay the same however often it is killed and by however many it is run."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tiny
import torch

from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.io.durable import DiskFullError
from olmoearth_nb.pretrain import engine as engine_module
from olmoearth_nb.pretrain.batches import MicroBatches
from olmoearth_nb.pretrain.engine import Engine, TrainingError
from olmoearth_nb.pretrain.log import LOG, Monitor, read_log
from olmoearth_nb.pretrain.losses import chance_and_best
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.run import pretrain
from olmoearth_nb.weights.trained import initial_model

pytestmark = pytest.mark.xdist_group("engine")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    tiny.make_world(folder.with_name("world"))
    tiny.go(folder)
    return folder


@pytest.fixture
def folder(whole):
    """A folder for another run, beside the first, whose cache of tiles it uses."""
    path = whole.parent / "other"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def fails_at(monkeypatch, number, spoil):
    """From a micro-batch on, what a forward pass gives is spoilt."""
    forward = Pretraining.forward

    def spoilt(self, micro):
        result = forward(self, micro)
        return spoil(self, result) if micro.number >= number else result

    monkeypatch.setattr(Pretraining, "forward", spoilt)


def nan_loss(module, result):
    return result._replace(loss=result.loss * float("nan"))


def nan_gradient(module, result):
    """The loss stays what it is; the derivative of the root at 0 times 0 is not a number."""
    return result._replace(loss=result.loss + (module.model.decoder.mask_token.sum() * 0).sqrt())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_run_leaves(whole):
    assert names(whole) == [".lock", "budget-160", "budget-80", "plan.json", "trunk"]
    assert names(whole / "trunk") == ["kept-16.pt", "kept-8.pt", LOG]
    assert names(whole / "budget-80") == ["encoder.safetensors", "kept-10.pt", LOG, "predictor.safetensors", "run.json"]
    lines = read_log(whole / "trunk" / LOG)
    assert [line["step"] for line in lines] == list(range(1, 17))
    assert [line["samples"] for line in lines] == list(range(8, 129, 8))
    assert {"chance", "best", "target_cosine"} <= lines[0].keys()
    assert lines[0]["best"] < lines[0]["loss"]
    falling = [line["rate"] for line in read_log(whole / "budget-160" / LOG)]
    assert falling == pytest.approx([lines[-1]["rate"] * share for share in (1, 0.75, 0.5, 0.25)])


def test_chance_is_that_of_the_masks_the_loss_is_of(whole):
    """Mean over both views and all micro-batches of the step, made again from the seed."""
    plan, line = tiny.plan(), read_log(whole / "trunk" / LOG)[0]
    batches = MicroBatches(tiny.corpus(whole), plan.recipe, plan.crops, plan.seed, 2)
    module = Pretraining(initial_model(plan.recipe.config("mini"), plan.seed), plan.recipe)
    scale = []
    for micro in (batches[0], batches[1]):
        targets = module(micro).targets
        scale += [chance_and_best(targets, roles, micro.grid, plan.recipe.masked_negatives) for roles in micro.roles]
    means = torch.tensor(scale).mean(0).tolist()
    assert [line["chance"], line["best"]] == pytest.approx(means, abs=1e-4)


def test_killed_at_random_moments(whole, folder):
    """Three kills, the newest checkpoint at most a step old: many fall into the writing of one."""
    for lines, delay in sorted(tiny.moments(3, seed=3, steps=tiny.STEPS - 2)):
        process = tiny.start(tiny.go, folder, save_every=0)
        assert tiny.kill_at(process, folder, lines, delay)
    tiny.go(folder)
    assert tiny.differing(whole, folder) == []
    assert not list(folder.rglob("*.part"))


def test_killed_in_the_middle_of_a_checkpoint(whole, folder):
    process = tiny.start(tiny.go_until_half_saved, folder, 11)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [name for name in names(folder / "trunk") if name.endswith(".pt")] == [
        "kept-8.pt",
        "step-10.pt",
        "step-9.pt",
    ]
    assert [path.name[:11] for path in folder.rglob("*.part")] == ["step-11.pt."]
    tiny.go(folder)
    assert tiny.differing(whole, folder) == []
    assert not list(folder.rglob("*.part"))


def test_two_processes_equal_one(whole, folder):
    """Two processes with micro-batches of 4 and one that accumulates two of them, 20 steps, through torchrun."""
    spread = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", tiny.__file__]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONPATH": str(tiny.ROOT)}
    done = subprocess.run([*spread, folder], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [str(folder / "budget-80"), str(folder / "budget-160")]
    for leg in ("trunk", "budget-160"):
        one, two = read_log(whole / leg / LOG), read_log(folder / leg / LOG)
        assert [line["step"] for line in one] == [line["step"] for line in two]
        for name in {"chance", "best"} & one[0].keys():  # of all processes, not of the first
            assert two[0][name] == pytest.approx(one[0][name], rel=1e-5)
        assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], rel=1e-5)
    one, two = (tiny.tensors(path / "budget-160" / "kept-20.pt") for path in (whole, folder))
    assert one.keys() == two.keys()
    far = {key: float((two[key] - one[key]).norm() / one[key].norm().clamp(min=1e-12)) for key in one}
    assert max(far.values()) <= 1e-6, max(far, key=far.get)


def test_a_branch_does_not_know_of_the_others(whole, folder):
    tiny.go(folder, tiny.plan(budgets=(80,)))
    for name in tiny.SAVED:
        assert (folder / "budget-80" / name).read_bytes() == (whole / "budget-80" / name).read_bytes()


def test_a_branch_from_the_first_step(whole, folder):
    """A budget of one batch falls from the start; the longer trunk has been trained before."""
    made = tiny.go(folder, tiny.plan(budgets=(8, 24)))
    alone = tiny.go(folder.with_name("alone"), tiny.plan(budgets=(8,)))
    for name in tiny.SAVED:
        assert (made[0] / name).read_bytes() == (alone[0] / name).read_bytes()


def test_processes_that_load_data_change_nothing(whole, folder):
    process = tiny.start(tiny.go, folder, tiny.plan(budgets=(80,)), workers=2)
    process.join()
    assert process.exitcode == 0
    for name in tiny.SAVED:
        assert (folder / "budget-80" / name).read_bytes() == (whole / "budget-80" / name).read_bytes()


@pytest.fixture(scope="module")
def half(whole):
    """A run whose loss was not a number in its eleventh step."""
    folder = whole.parent / "half"
    with pytest.MonkeyPatch.context() as patch:
        fails_at(patch, 21, nan_loss)
        with pytest.raises(TrainingError, match=r"loss of micro-batch 21 \(step 10\) is nan; the last .* is kept"):
            tiny.go(folder, save_every=0)
    return folder


def saved(folder):
    return [name for name in names(folder / "trunk") if name.endswith(".pt")]


def test_no_loss_that_is_no_number_reaches_the_weights(whole, half, folder):
    """The two newest checkpoints and the beginning of a branch are there, and training goes on from them."""
    assert saved(half) == ["kept-8.pt", "step-10.pt", "step-9.pt"]
    shutil.copytree(half, folder)
    tiny.go(folder)
    assert tiny.differing(whole, folder) == []


def test_no_gradient_that_is_no_number_reaches_the_weights(half, folder, monkeypatch):
    shutil.copytree(half, folder)
    fails_at(monkeypatch, 23, nan_gradient)
    with pytest.raises(TrainingError, match=r"gradient of step 11 is nan; .* is kept"):
        tiny.go(folder, save_every=0)
    assert saved(folder) == ["kept-8.pt", "step-10.pt", "step-11.pt"]


@pytest.mark.case("H9")
def test_a_disk_that_fills_while_a_checkpoint_is_written(half, folder, monkeypatch):
    """The writer of torch fails as it does on a full disk: in its own words, with a part of the file written."""
    shutil.copytree(half, folder)

    def full(state, path):
        path.write_bytes(bytes(1000))
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 1200704 vs 1200656")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DiskFullError, match=r"step-11\.pt could not be written, the disk or its quota is full"):
        tiny.go(folder, save_every=0)
    assert saved(folder) == saved(half)
    assert not list(folder.rglob("*.part"))


def test_a_damaged_checkpoint_is_passed_over(whole, half, folder):
    shutil.copytree(half, folder)
    tiny.flip(folder / "trunk" / "step-10.pt")
    with pytest.warns(UserWarning, match=r"step-10\.pt is damaged.*going on from the one before"):
        tiny.go(folder)
    assert tiny.differing(whole, folder) == []


def test_the_damaged_beginning_of_a_branch_is_named_and_made_again(whole, folder):
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "budget-160")
    tiny.flip(folder / "trunk" / "kept-16.pt")
    with pytest.raises(TrainingError, match=r"kept-16\.pt is damaged.*remove it, and the same command makes it again"):
        tiny.go(folder)
    (folder / "trunk" / "kept-16.pt").unlink()
    tiny.go(folder)
    assert tiny.differing(whole, folder) == []


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_tile_is_named(tmp_path, cached, workers):
    world = tiny.make_world(tmp_path / "world")
    tile = next(world.rglob("sample_1.h5"))
    os.truncate(tile, tile.stat().st_size // 2)
    corpus = TileCorpus(world, tmp_path / "tiles" if cached else None)
    with pytest.raises(
        TrainingError, match=r"could not be read: .*sample_1\.h5 is not a whole HDF5 file.*so far is kept"
    ):
        pretrain(tiny.plan(), corpus, tmp_path / "run", workers=workers, quiet=True)
    assert workers or not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(whole, folder, number):
    """The step is finished and saved, and processes that load data go on until it is."""
    process = tiny.start(tiny.go, folder, workers=1)
    while tiny.logged(folder) < 3:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    process.join()
    assert process.exitcode == 1
    (path,) = (folder / "trunk").glob("step-*.pt")
    assert len(read_log(folder / "trunk" / LOG)) == torch.load(path, weights_only=True)["step"] >= 3
    if number == signal.SIGINT:
        tiny.go(folder)
        assert tiny.differing(whole, folder) == []


@pytest.fixture
def listening():
    """Ctrl-C is heard, whatever the tests were started from."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_interrupted_while_a_leg_closes(whole, folder, monkeypatch):
    """Its last step is done, and no step of it is left that would ask whether to stop."""
    leave, closed = Monitor.__exit__, []

    def close(self, *error):
        leave(self, *error)
        closed.append(self.leg.name)
        if len(closed) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Monitor, "__exit__", close)
    with pytest.raises(KeyboardInterrupt, match="stopped after trunk"):
        tiny.go(folder)
    assert closed == ["trunk"]
    tiny.go(folder)
    assert tiny.differing(whole, folder) == []


def test_bfloat16_keeps_losses_and_weights_in_float32(whole, folder, monkeypatch):
    seen = []
    forward = Pretraining.forward

    def watched(self, micro):
        result = forward(self, micro)
        linear = self.model.encoder.blocks[0].mlp.fc1
        seen.append((result.loss.dtype, linear.weight.dtype, linear(torch.zeros(1, linear.in_features)).dtype))
        return result

    monkeypatch.setattr(Pretraining, "forward", watched)
    tiny.go(folder, tiny.plan(budgets=(24,), precision="bf16-mixed"))
    assert set(seen) == {(torch.float32, torch.float32, torch.bfloat16)}
    exact = [line["loss"] for line in read_log(whole / "trunk" / LOG)][:2]
    rounded = [line["loss"] for line in read_log(folder / "trunk" / LOG)][:2]
    assert rounded == pytest.approx(exact, rel=0.05)
    assert rounded != exact


def test_processes_must_share_the_batch(folder, monkeypatch):
    class Three:
        world_size = 3

    with pytest.raises(ValueError, match="3 processes cannot share 2 micro-batches a step evenly: batch 8"):
        Engine(tiny.plan(), tiny.corpus(folder), folder, Three())
    assert engine_module.SAVE_EVERY >= 30
