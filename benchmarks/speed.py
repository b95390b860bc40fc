"""How fast is the encoder, beside olmoearth-pretrain-minimal? python benchmarks/speed.py [cases growth ...] [sizes]

Same weights, same inputs, same threads; the reference in its fast pass (nothing is masked). All encoders of a case, v1,
v1.1 and v1.2, ours and the reference's, are run in turns in one process. Outputs are compared in the same run.

* ``cases`` (default) fills `data/published/speed.csv`: milliseconds of all runs; memory, the most that is allocated
  during a pass above weights and images, as torch's profiler counts it; and the rate of a plain matrix product of the
  block's own widest shape in the same run, the better of MKL and oneDNN.
* ``growth`` fills `data/published/speed_growth.csv`: milliseconds of ours, one sample, as images, dates and patches
  grow (`olmoearth_nb.comparison.speed.AXES`), all settings of a size in turns.
* ``parts`` fills `data/published/speed_parts.csv`: where the time of a pass of ours goes, one sample.
* ``half`` fills `data/published/speed_half.csv`: ours in float32 and with products in bfloat16, in turns, in the
  settings for which time and count are compared; `difference` is that of the tokens, over the largest value. The page
  shows that of `speed_second`, whose processor has such products.

A row is written as soon as its case is measured, and a case that stands in the file is not measured again: so the
script goes on where it was stopped, sizes can be measured one by one, and a file that is removed is begun anew. Measure
on an idle machine. ``--process`` counts processor time of one thread, for a first look beside other work.
``--name speed_second`` writes tables of that name beside those of the first machine.
Then `python benchmarks/speed_page.py` writes the tables of docs/results/speed.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from batches import random_batch
from oracle import pair

from olmoearth_nb import Batch
from olmoearth_nb.comparison.clock import interleaved, peak_bytes, product_rate
from olmoearth_nb.comparison.roofline import parts_of, untrained
from olmoearth_nb.comparison.speed import COLUMNS, COMPARED, GROWN, OURS, REFERENCE, Setting, spread
from olmoearth_nb.io.durable import read_csv, write_csv
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.io.processor import processor_says
from olmoearth_nb.model.precision import FULL, HALF, in_precision
from olmoearth_nb.weights.reference import reference_sample

PUBLISHED = ROOT / "data" / "published"
ENDINGS = {"cases": "", "growth": "_growth", "parts": "_parts", "half": "_half"}
"""Of the names of tables."""

PARTS = ("size", "version", *Setting._fields, "part", "macs", "milliseconds", "threads", "clock", "torch", "processor")
"""Columns of the last one; a part is that of all blocks."""

S2 = "sentinel2_l2a"
SHAPES = {"64x8": (64, 1, 8), "64x4": (64, 1, 4), "32x6": (32, 6, 4), "32x12": (32, 12, 4), "pixel": (1, 12, 1)}
"""Edge in pixels, dates, patch size."""

VERSIONS = ("v1", "v1.1", "v1.2")
LONGEST = 40
"""Runs of a case at most."""


def read_rows(path):
    """Rows of a table that is there, or none."""
    return read_csv(path) if path.exists() else []


def clock_of(given):
    """What tells the time."""
    return time.process_time if given.process else time.perf_counter


def stands(path, size, setting):
    """Whether a setting of a size was measured."""
    key = {"size": size, **{name: str(value) for name, value in setting._asdict().items()}}
    return any(all(row[name] == value for name, value in key.items()) for row in read_rows(path))


def batch_of(setting):
    """Noise; four different samples, repeated."""
    batch = random_batch((S2,), (setting.edge, setting.edge), setting.timesteps, min(setting.samples, 4))
    repeat = -(-setting.samples // len(batch))
    return Batch({S2: batch.images[S2].repeat(repeat, 1, 1, 1, 1)}, batch.timestamps.repeat(repeat, 1, 1))


def passes(models, setting):
    """(version, whose) -> a forward pass that gives the tokens of Sentinel-2."""
    batch, calls = batch_of(setting), {}
    for version, (reference, ours) in models.items():
        grid = batch.grid(ours.config.tokenization, setting.patch_size)
        sample = reference_sample(batch, torch.zeros(len(batch), len(grid), dtype=torch.long), grid)
        calls[version, REFERENCE] = their_pass(reference.encoder, sample, setting.patch_size)
        calls[version, OURS] = our_pass(ours.encoder, batch, setting.patch_size)
    return calls


def their_pass(encoder, sample, patch_size):
    return lambda: encoder(sample, patch_size=patch_size, fast_pass=True)["tokens_and_masks"].sentinel2_l2a


def our_pass(encoder, batch, patch_size):
    return lambda: encoder(batch, patch_size).of(S2)


@torch.inference_mode()
def measure(size, setting, models, given):
    """The rows of a case."""
    clock = clock_of(given)
    for call in passes(models, setting._replace(samples=1)).values():
        call()  # so that what is kept from pass to pass is there
    calls, memory, apart = passes(models, setting), {}, {}
    for version in models:
        memory[version, REFERENCE], expected = peak_bytes(calls[version, REFERENCE])
        memory[version, OURS], got = peak_bytes(calls[version, OURS])
        apart[version] = float((got - expected).abs().max() / expected.abs().max())
        del expected, got
    times = 1000 * interleaved(list(calls.values()), given.seconds, clock, most=LONGEST)
    rates = {}
    for version, (_, ours) in models.items():
        tokens = setting.samples * setting.cost(size, version).tokens
        rates[version] = product_rate(tokens, ours.config.width, clock=clock) / 1e9
    return [
        row(
            size, version, whose, setting, runs, given, memory=memory[version, whose],
            gmacs_of_product=f"{rates[version]:.2f}", difference=f"{apart[version]:.1e}",
        )
        for (version, whose), runs in zip(calls, times.T, strict=True)
    ]  # fmt: skip


def row(size, version, whose, setting, runs, given, **more):
    """A row of a table."""
    runs = " ".join(f"{value:.4g}" for value in runs)
    named = {"size": size, "version": version, "whose": whose, **setting._asdict()}
    return {**named, **more, "milliseconds": runs, **about(given)}


def about(given):
    """Where and how it was measured."""
    clock = "processor" if given.process else "wall"
    versions = {
        "torch": torch.__version__.split("+")[0],
        "processor": processor_says("model name").replace("(R)", "").removesuffix(" Processor"),
    }
    return {"threads": torch.get_num_threads(), "clock": clock, **versions}


def measure_cases(size, path, given):
    """All settings of a size that are not there yet."""
    settings = [Setting(*SHAPES[shape], samples) for shape in given.shapes for samples in given.samples]
    settings = [setting for setting in settings if not stands(path, size, setting)]
    models = {}
    for version in VERSIONS if settings else ():
        torch.manual_seed(1)
        models[version] = pair(version, size)
    for setting in settings:
        rows = measure(size, setting, models, given)
        write_csv(path, COLUMNS, [*read_rows(path), *rows])
        for one in rows:
            shown = spread(list(map(float, one["milliseconds"].split()))).shown(1)
            print(f"{one['version']:5} {size}, {setting}, {one['whose']:9} {shown} ms", flush=True)


@torch.inference_mode()
def measure_growth(size, path, given):
    """Ours of v1 and v1.1 in all settings of the axes."""
    if stands(path, size, GROWN[-1]):
        return
    calls = {}
    for version in ("v1", "v1.1"):
        encoder = untrained(version, size)
        calls |= {(version, one): our_pass(encoder, batch_of(one), one.patch_size) for one in GROWN}
    clock = clock_of(given)
    interleaved(list(calls.values()), 0, clock, fewest=1)
    times = 1000 * interleaved(list(calls.values()), given.seconds, clock, fewest=given.fewest)
    rows = [
        row(size, version, OURS, setting, runs, given) for (version, setting), runs in zip(calls, times.T, strict=True)
    ]
    write_csv(path, COLUMNS, [*read_rows(path), *rows])
    print(f"{size}: {len(times)} runs of {len(rows)} settings", flush=True)


@torch.inference_mode()
def measure_parts(size, path, given):
    """Parts of v1 and v1.1 of ours in the settings for which time and count are compared."""
    clock = clock_of(given)
    for setting in (one for one in COMPARED if one.samples == 1 and not stands(path, size, one)):
        rows = []
        for version in ("v1", "v1.1"):
            parts = parts_of(untrained(version, size), setting, given.seconds / 4, clock)
            for name, part in parts.items():
                told = {"part": name, "macs": round(part.macs), "milliseconds": f"{1000 * part.seconds:.4g}"}
                rows.append({"size": size, "version": version, **setting._asdict(), **told, **about(given)})
        write_csv(path, PARTS, [*read_rows(path), *rows])
        print(f"{size}, {setting}: {len(rows)} parts", flush=True)


@torch.no_grad()
def measure_half(size, path, given):
    """Ours of v1 and v1.1 in both precisions, in the settings for which time and count are compared."""
    clock, encoders = clock_of(given), {version: untrained(version, size) for version in ("v1", "v1.1")}
    for setting in (one for one in COMPARED if not stands(path, size, one)):
        calls, apart = {}, {}
        with in_precision(HALF, encoders["v1"]):  # around all, so that the weights are turned once
            for version, encoder in encoders.items():
                half = our_pass(encoder, batch_of(setting), setting.patch_size)
                calls[version, FULL], calls[version, HALF] = in_full(half, encoder), half
                expected = calls[version, FULL]()
                apart[version] = float((half() - expected).abs().max() / expected.abs().max())
            times = 1000 * interleaved(list(calls.values()), given.seconds, clock, most=LONGEST)
        rows = [
            row(size, version, name, setting, runs, given, difference=f"{apart[version]:.1e}")
            for (version, name), runs in zip(calls, times.T, strict=True)
        ]
        write_csv(path, COLUMNS, [*read_rows(path), *rows])
        print(f"{size}, {setting}: {len(times)} runs in two precisions", flush=True)


def in_full(call, encoder):
    """A pass in float32, whatever stands around it."""

    def computed():
        with in_precision(FULL, encoder):
            return call()

    return computed


MEASURES = {"cases": measure_cases, "growth": measure_growth, "parts": measure_parts, "half": measure_half}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=[], help="cases, growth, parts or half, then sizes")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--samples", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=10.0, help="of a case, all its encoders together")
    parser.add_argument("--fewest", type=int, default=5, help="runs of growth")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--process", action="store_true", help="processor time of one thread")
    parser.add_argument("--name", default="speed", help="of the tables")
    given = parser.parse_args()
    asked = [name for name in given.what if name in MEASURES] or ["cases"]
    sizes = [name for name in given.what if name not in MEASURES] or ["nano", "tiny", "base"]
    keep_freed_memory()
    if given.threads or given.process:
        torch.set_num_threads(1 if given.process else given.threads)
    for size in sizes:
        for name in asked:
            MEASURES[name](size, PUBLISHED / f"{given.name}{ENDINGS[name]}.csv", given)


if __name__ == "__main__":
    main()
