"""Nothing is lost: python benchmarks/durability.py [--kills 20] [--steps 64] [--recipes v1.1] [--data FOLDER]

1. One command is run to its end. The same command in another folder is killed (SIGKILL) at random moments, some of them
   while it starts, and started again; weights, optimiser, files and logs of both must be equal bit for bit.
2. torchrun with two processes against one process that accumulates as many micro-batches: one for each process and
   step, which adds the same numbers in the same order, and two, which does not.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import tiny

from olmoearth_nb.pretrain.log import LOG, read_log

PYTHON = [sys.executable, "-m"]
TORCHRUN = [*PYTHON, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
MICRO = 8
EVERY = 1.0
"""Seconds between checkpoints."""


class Command(subprocess.Popen):
    """A command that can be killed like a process of multiprocessing."""

    def is_alive(self):
        return self.poll() is None

    def join(self):
        self.wait()

    @property
    def exitcode(self):
        return self.returncode


def command(given, recipe, out, micro_batches, samples, first=PYTHON):
    """Starts `olmoearth-nb pretrain` on one thread a process."""
    batch = ["--batch", MICRO * micro_batches, "--micro-batch", MICRO, "--samples", samples, "--save-every", EVERY]
    where = ["--data", given.data, "--cache", out.parent / "tiles", "--out", out, "--recipe", recipe, "--threads", 1]
    parts = [*first, "olmoearth_nb", "pretrain", *batch, *where]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONPATH": str(tiny.ROOT)}
    return Command([str(part) for part in parts], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)


def finish(process):
    """Waits for a command that must succeed; seconds."""
    start = time.perf_counter()
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(said.decode())
    return time.perf_counter() - start


def kills(given, recipe, base):
    samples = f"{given.steps * MICRO},{2 * given.steps * MICRO}"
    whole, killed = base / f"{recipe} whole", base / f"{recipe} killed"
    seconds = finish(command(given, recipe, whole, 2, samples))
    steps, draw = tiny.logged(whole), random.Random(given.seed)
    print(f"\n### {recipe}: {given.kills} kills in a run of {steps} steps and {seconds:.0f} s\n")
    print("| kill | when | steps logged | a file was being written | newest checkpoints |\n|---|---|---|---|---|")
    moments = sorted(tiny.moments(given.kills - given.kills // 5, given.seed, steps - 1))
    moments += [(0, draw.uniform(0, 6)) for _ in range(given.kills // 5)]
    for number, (lines, delay) in enumerate(sorted(moments), 1):
        process = command(given, recipe, killed, 2, samples)
        was_running = tiny.kill_at(process, killed, lines, delay)
        when = f"{delay:.2f} s after {'its start' if lines == 0 else f'step {lines}'}"
        parts = ", ".join(path.name.split(".pt.")[0] for path in killed.rglob("*.part")) or "no"
        saved = ", ".join(sorted(f"{path.parent.name}/{path.stem}" for path in killed.rglob("*.pt"))) or "none"
        gone = "" if was_running else " (had ended)"
        print(f"| {number} | {when}{gone} | {tiny.logged(killed)} | {parts} | {saved} |", flush=True)
    finish(command(given, recipe, killed, 2, samples))
    different = tiny.differing(whole, killed)
    print(f"\nEqual bit for bit: {'yes' if not different else f'NO: {different[:5]}'}")
    return not different


def processes(given, recipe, base):
    print(f"\n### {recipe}: two processes against one, 20 steps\n")
    print("Relative differences after 20 steps; a tensor whose gradient is 0 but for rounding, such as the bias of the")
    print("keys of attention, is moved by AdamW in any direction as far as others.\n")
    print("| micro-batches a process and step | loss, largest | all weights | three worst tensors | bit for bit |")
    print("|---|---|---|---|---|")
    right = True
    for share in (1, 2):
        one, two = base / f"{recipe} one {share}", base / f"{recipe} two {share}"
        samples = str(20 * 2 * share * MICRO)
        finish(command(given, recipe, one, 2 * share, samples))
        finish(command(given, recipe, two, 2 * share, samples, TORCHRUN))
        losses = [
            [line["loss"] for leg in ("trunk", f"budget-{samples}") for line in read_log(x / leg / LOG)]
            for x in (one, two)
        ]
        apart = max(abs(a - b) / a for a, b in zip(*losses, strict=True))
        a, b = (tiny.tensors(x / f"budget-{samples}" / "kept-20.pt") for x in (one, two))
        names = [name for name in a if name.startswith("model.") and not torch.equal(a[name], b[name])]
        apart_all = (
            float(
                sum((a[n] - b[n]).square().sum() for n in names)
                / sum(a[n].square().sum() for n in a if n.startswith("model."))
            )
            ** 0.5
        )
        far = sorted(((float((a[n] - b[n]).norm() / a[n].norm()), n) for n in names), reverse=True)[:3]
        same = all(torch.equal(a[key], b[key]) for key in a)
        worst = ", ".join(f"{name.removeprefix('model.')} {value:.0e}" for value, name in far) or "none"
        print(f"| {share} | {apart:.1e} | {apart_all:.1e} | {worst} | {'yes' if same else 'no'} |", flush=True)
        right &= share > 1 or max(apart, apart_all, *(value for value, _ in far), 0.0) <= 1e-6
    return right


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipes", default="v1.1")
    parser.add_argument("--data", type=Path, default=tiny.TILES)
    given = parser.parse_args()
    version = torch.__version__.split("+")[0]
    print(f"{platform.machine()}, one thread a process, torch {version}, mini, micro-batch {MICRO}")
    start, right = time.perf_counter(), True
    with tempfile.TemporaryDirectory() as folder:
        for recipe in given.recipes.split(","):
            right &= not given.kills or kills(given, recipe, Path(folder))
            right &= processes(given, recipe, Path(folder))
    print(f"\n{(time.perf_counter() - start) / 60:.0f} minutes")
    sys.exit(not right)


if __name__ == "__main__":
    main()
