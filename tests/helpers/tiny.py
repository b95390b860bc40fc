"""A run small enough for tests, in this process or in one that can be killed; as a script, under torchrun."""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import torch
from half_saved import die_in_save

from olmoearth_nb.cli.pretrain import _train
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.data.official import PRESENT, write_index
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.log import LOG, read_log
from olmoearth_nb.pretrain.plan import Plan
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.pretrain.run import pretrain

ROOT = Path(__file__).parents[2]
TILES = ROOT / "data" / "world" / "tiles"
STEPS = 20
SAVED = ("encoder.safetensors", "predictor.safetensors")


def plan(budgets=(80, 160), recipe="v1.1", **changes):
    """Steps of two micro-batches; branches at steps 8 and 16 of the trunk."""
    chosen = two_cores(recipe)
    optimisation = replace(chosen.optimisation, batch=8, micro_batch=4, warmup=32, drop_path=0.1)
    return Plan(replace(chosen, optimisation=optimisation), "mini", Crops((2, 8), (2,), 72), 0, budgets, **changes)


def make_world(folder):
    """Six tiles, five of them without Landsat and three without a map: micro-batches differ in their modalities."""
    tiles = folder / "6"
    tiles.mkdir(parents=True)
    for number in range(6):
        path = shutil.copy(next(TILES.rglob(f"sample_{number % 3}.h5")), tiles / f"sample_{number}.h5")
        with h5py.File(path, "a") as file:
            for name in ("landsat", f"{PRESENT}/landsat") if number else ():
                del file[name]
            if number % 2:
                del file["worldcover"]
    write_index(tiles, [["sentinel2_l2a"]] * 6, np.zeros((6, 2)))
    return folder


def corpus(folder):
    """The world beside a run, and its cache."""
    return TileCorpus(folder.parent / "world", folder.parent / "tiles")


def go(folder, given=None, **options):
    """Trains in this process, on one thread."""
    torch.set_num_threads(1)
    return pretrain(given or plan(), corpus(folder), folder, quiet=True, **options)


def go_until_half_saved(folder, number):
    """Trains until a checkpoint is half written, and is killed there."""
    die_in_save(number)
    go(folder, save_every=0)


def start(function, *arguments, **options):
    """A process that runs a function of this module, in a group of its own, as a shell or torchrun starts one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny", "hdf5plugin", "lightning_fabric", "torch._dynamo"])
    process = context.Process(target=_run, args=(function, arguments, options))
    process.start()
    return process


def _run(function, arguments, options):
    """What the process does; its own processes are forked, as they are by default up to Python 3.13."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in its background without it
    multiprocessing.set_start_method("fork", force=True)
    function(*arguments, **options)


def logged(folder):
    """Lines in all logs of a run."""
    return sum(len(read_log(path)) for path in folder.glob(f"*/{LOG}"))


def kill_at(process, folder, lines, delay):
    """Kills a process so many seconds after it has made so many steps; whether it was still running."""
    while process.is_alive() and logged(folder) < lines:
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def flip(path):
    """Changes a bit in the middle of a checkpoint's largest tensor."""
    with zipfile.ZipFile(path) as file:
        largest = max(file.infolist(), key=lambda info: info.file_size)
    with path.open("rb+") as file:
        file.seek(largest.header_offset + largest.file_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def moments(kills, seed, steps):
    """Random moments in a run: steps made, and a part of a second after them."""
    draw = random.Random(seed)
    return [(draw.randrange(steps), draw.uniform(0, 0.1)) for _ in range(kills)]


def tensors(path):
    """All tensors of a checkpoint by name."""
    state = torch.load(path, weights_only=True)
    found = {f"model.{name}": value for name, value in state["model"].items()}
    for number, values in state["optimiser"]["state"].items():
        found |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
    return found


def differing(one, other):
    """What two finished runs do not have bit for bit the same: files, tensors of checkpoints, logged losses."""
    names = sorted(path.relative_to(one) for path in one.rglob("*.pt"))
    found = [] if names == sorted(path.relative_to(other) for path in other.rglob("*.pt")) else ["list of checkpoints"]
    for name in names:
        a, b = tensors(one / name), tensors(other / name)
        found += [f"{name}: {key}" for key in a.keys() | b.keys() if key not in a or not torch.equal(a[key], b[key])]
    for leg in sorted(path.parent.relative_to(one) for path in one.rglob(LOG)):
        a, b = (
            [tuple(line[key] for key in ("step", "loss", "norm")) for line in read_log(x / leg / LOG)]
            for x in (one, other)
        )
        found += [] if a == b else [f"{leg}: log"]
        for name in SAVED if leg.name != "trunk" else ():
            found += [] if (one / leg / name).read_bytes() == (other / leg / name).read_bytes() else [f"{leg}: {name}"]
    return found


if __name__ == "__main__":
    run = Path(sys.argv[1])
    _train(plan(), run.parent / "world", run, None, 1, 0, run.parent / "tiles", 60.0)
