"""How fast is the encoder, beside olmoearth-pretrain-minimal? python benchmarks/speed.py [nano tiny base] [options]

Same weights, same inputs, same threads, interleaved in one process, the reference in its fast pass (nothing is masked).
Outputs are compared in the same run. Each case is a row as soon as it is measured:

* medians in milliseconds with quartiles; ours over reference, the median of neighbouring runs with quartiles;
* memory: the most that is allocated during the pass, above weights and images, as torch's profiler counts it;
* share of peak: multiply-accumulates a second, attention included, against a plain matrix product of the block's own
  widest shape in the same run, the better of MKL and oneDNN.

Then geometric means by size and version, and by how much v1.1 is quicker than v1 against what its multiply-accumulates
say. ``--process`` counts processor time instead of wall time: for one thread beside other work.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from batches import random_batch
from oracle import pair

from olmoearth_nb import Batch, encoder_cost
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.weights.reference import reference_sample

S2 = "sentinel2_l2a"
SHAPES = {"64x8": (64, 1, 8), "64x4": (64, 1, 4), "32x6": (32, 6, 4), "32x12": (32, 12, 4), "pixel": (1, 12, 1)}
"""Edge in pixels, dates, patch size."""

COMPARED = ("64x4", "32x12")
"""Shapes for which time and count are compared."""

FEWEST, MOST = 3, 200

COLUMNS = ("model, image, T, P, batch", "reference, ms", "ours, ms", "ours / reference", "memory of reference, MiB",
           "ours", "ours / reference", "share of peak", "runs", "difference")  # fmt: skip


class Case(NamedTuple):
    """What is encoded, and by which model."""

    size: str
    version: str
    shape: str
    samples: int

    @property
    def label(self):
        edge, timesteps, patch_size = SHAPES[self.shape]
        return f"{self.version} {self.size}, {edge}x{edge}, {timesteps}, {patch_size}, {self.samples}"


def quartiles(values):
    return [float(x) for x in np.percentile(values, [25, 50, 75])]


def interleaved(calls, clock, seconds):
    """Seconds of each call, (runs, calls), the first one changing from run to run."""
    rows, begin = [], clock()
    while len(rows) < FEWEST or (clock() - begin < seconds and len(rows) < MOST):
        spent = [0.0] * len(calls)
        for number in sorted(range(len(calls)), reverse=len(rows) % 2 == 1):
            start = clock()
            calls[number]()
            spent[number] = clock() - start
        rows.append(spent)
    return np.array(rows)


def peak_bytes(call):
    """The most that a call holds at a time, beside what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events), default=0)


def product_rate(tokens, width, clock):
    """Multiply-accumulates a second of a plain product of so many tokens with a D x 4 D matrix."""
    x, weight, bias = torch.randn(tokens, width), torch.randn(4 * width, width), torch.zeros(4 * width)
    calls = [lambda: torch.nn.functional.linear(x, weight, bias)]
    if torch.backends.mkldnn.is_available():
        calls.append(lambda: torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))
    for call in calls:
        call()
    return tokens * 4 * width**2 / np.median(interleaved(calls, clock, 0.2), axis=0).min()


def calls_of(case, reference, ours):
    """What is timed, each giving the tokens of Sentinel-2, and multiply-accumulates and tokens of all samples."""
    edge, timesteps, patch_size = SHAPES[case.shape]
    batch = random_batch((S2,), (edge, edge), timesteps, min(case.samples, 4))
    repeat = -(-case.samples // len(batch))
    batch = Batch({S2: batch.images[S2].repeat(repeat, 1, 1, 1, 1)}, batch.timestamps.repeat(repeat, 1, 1))
    grid = batch.grid(ours.config.tokenization, patch_size)
    sample = reference_sample(batch, torch.zeros(len(batch), len(grid), dtype=torch.long), grid)

    def theirs():
        return reference.encoder(sample, patch_size=patch_size, fast_pass=True)["tokens_and_masks"].sentinel2_l2a

    def mine():
        return ours.encoder(batch, patch_size).of(S2)

    cost = encoder_cost(ours.config, (edge, edge, timesteps), patch_size)
    return (theirs, mine), case.samples * cost.macs, case.samples * cost.tokens


@torch.inference_mode()
def measure(case, models, given):
    """A row."""
    clock = time.process_time if given.process else time.perf_counter
    calls, macs, tokens = calls_of(case, *models)
    expected, got = (call() for call in calls)
    difference = float((got - expected).abs().max() / expected.abs().max())
    del expected, got
    memory = [peak_bytes(call) for call in calls]
    times = interleaved(calls, clock, given.seconds)
    rate = product_rate(tokens, models[1].config.width, clock)
    return {
        **case._asdict(),
        "runs": len(times),
        "reference_ms": quartiles(1000 * times[:, 0]),
        "ours_ms": quartiles(1000 * times[:, 1]),
        "ratio": quartiles(times[:, 1] / times[:, 0]),
        "memory_reference": memory[0],
        "memory_ours": memory[1],
        "macs": macs,
        "share_of_peak": float(macs / np.median(times[:, 1]) / rate),
        "difference": difference,
    }


def spread(values, digits):
    low, middle, high = values
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def line(case, row):
    a, b = (row[key] / 2**20 for key in ("memory_reference", "memory_ours"))
    cells = [case.label, spread(row["reference_ms"], 1), spread(row["ours_ms"], 1), spread(row["ratio"], 2)]
    cells += [f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}", f"{row['share_of_peak']:.2f}", str(row["runs"])]
    return "| " + " | ".join([*cells, f"{row['difference']:.0e}"]) + " |"


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def summary(rows):
    """Geometric means of ours over reference, and v1 over v1.1 in time against the same in counts."""
    yield "\n| model | time, ours / reference | slowest case | memory | cases |\n|---|---|---|---|---|"
    for size, version in dict.fromkeys((row["size"], row["version"]) for row in rows):
        own = [row for row in rows if (row["size"], row["version"]) == (size, version)]
        ratios = [row["ratio"][1] for row in own]
        memory = geometric([row["memory_ours"] / row["memory_reference"] for row in own])
        yield f"| {version} {size} | {geometric(ratios):.2f} | {max(ratios):.2f} | {memory:.2f} | {len(own)} |"
    yield "\n| v1 / v1.1 | MACs | time, ours | time, reference | ours over MACs |\n|---|---|---|---|---|"
    for first in rows:
        same = {**{key: first[key] for key in Case._fields}, "version": "v1.1"}
        for other in rows:
            asked = first["version"] == "v1" and first["shape"] in COMPARED
            if asked and all(other[key] == value for key, value in same.items()):
                macs = first["macs"] / other["macs"]
                ours, theirs = (first[key][1] / other[key][1] for key in ("ours_ms", "reference_ms"))
                named = f"{first['size']}, {first['shape']}, {first['samples']}"
                yield f"| {named} | {macs:.2f} | {ours:.2f} | {theirs:.2f} | {ours / macs:.2f} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", default=["nano", "tiny", "base"])
    parser.add_argument("--versions", nargs="+", default=["v1", "v1.1", "v1.2"])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--samples", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=5.0, help="of a case")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--process", action="store_true", help="processor time of one thread")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    if given.threads or given.process:
        torch.set_num_threads(1 if given.process else given.threads)
    clock, threads = "processor" if given.process else "wall", torch.get_num_threads()
    print(f"{platform.machine()}, {threads} threads, torch {torch.__version__.split('+')[0]}, float32, {clock} time\n")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    rows = []
    for size in given.sizes:
        for version in given.versions:
            torch.manual_seed(1)
            models = pair(version, size)
            for case in (Case(size, version, shape, n) for shape in given.shapes for n in given.samples):
                rows.append(measure(case, models, given))
                print(line(case, rows[-1]), flush=True)
    print("\n".join(summary(rows)))
    if given.out:
        about = {"machine": platform.machine(), "processor": processor(), "threads": threads, "clock": clock}
        about |= {"torch": torch.__version__, "python": platform.python_version(), "rows": rows}
        given.out.write_text(json.dumps(about, indent=1))


def processor():
    """The name of the processor, where the system says it."""
    path = Path("/proc/cpuinfo")
    names = [text for text in path.read_text().splitlines() if text.startswith("model name")] if path.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()


if __name__ == "__main__":
    main()
