"""Our encoder against olmoearth-pretrain-minimal: python benchmarks/encoder.py [nano tiny base]

Same weights, same inputs, same threads, interleaved in one process, the reference in its fast pass (nothing is masked).
Outputs are compared in the same run. Prints one row a case as it is measured: medians in milliseconds with quartiles,
and the speed-up with the quartiles of the ratio of neighbouring runs.
"""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from batches import random_batch
from oracle import pair

from olmoearth_nb.weights.reference import reference_sample

CASES = [(64, 1, 8), (64, 1, 4), (32, 6, 4), (32, 12, 4), (1, 12, 1)]
SECONDS, FEWEST, MOST = 5.0, 5, 40


def timed(call):
    start = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - start) * 1000


def measure(reference, ours, size, timesteps, patch_size, samples):
    batch = random_batch(("sentinel2_l2a",), (size, size), timesteps, min(samples, 4))
    repeat = -(-samples // len(batch))
    image = batch.images["sentinel2_l2a"].repeat(repeat, 1, 1, 1, 1)
    batch = type(batch)({"sentinel2_l2a": image}, batch.timestamps.repeat(repeat, 1, 1))
    grid = batch.grid(ours.config.tokenization, patch_size)
    sample = reference_sample(batch, torch.zeros(len(batch), len(grid), dtype=torch.long), grid)

    def theirs():
        return reference.encoder(sample, patch_size=patch_size, fast_pass=True)["tokens_and_masks"].sentinel2_l2a

    def mine():
        return ours.encoder(batch, patch_size).of("sentinel2_l2a")

    expected, got = theirs(), mine()
    difference = float((got - expected).abs().max() / expected.abs().max())
    times, start = [], time.perf_counter()
    while len(times) < FEWEST or (time.perf_counter() - start < SECONDS and len(times) < MOST):
        order = (theirs, mine) if len(times) % 2 == 0 else (mine, theirs)
        spent = {call: timed(call)[1] for call in order}
        times.append((spent[theirs], spent[mine]))
    return np.array(times), difference


def row(label, times, difference):
    (a, b), ratio = times.T, times[:, 0] / times[:, 1]
    low, middle, high = np.percentile(ratio, [25, 50, 75])
    spread = [f"{np.median(x):.1f} [{np.percentile(x, 25):.1f}, {np.percentile(x, 75):.1f}]" for x in (a, b)]
    shown = f"{middle:.2f} [{low:.2f}, {high:.2f}]"
    print(f"| {label} | {spread[0]} | {spread[1]} | {shown} | {len(times)} | {difference:.0e} |", flush=True)


def main():
    sizes = sys.argv[1:] or ["nano", "tiny", "base"]
    threads = torch.get_num_threads()
    print(f"{platform.machine()}, {threads} threads, torch {torch.__version__.split('+')[0]}, float32\n")
    print("| model, image, T, P, batch | reference, ms | ours, ms | speed-up | runs | difference |")
    print("|---|---|---|---|---|---|")
    for size in sizes:
        for version in ("v1", "v1.1", "v1.2"):
            torch.manual_seed(1)
            models = pair(version, size)
            for edge, timesteps, patch_size in CASES:
                for samples in (1, 8):
                    with torch.inference_mode():
                        times, difference = measure(*models, edge, timesteps, patch_size, samples)
                    row(f"{version} {size}, {edge}x{edge}, {timesteps}, {patch_size}, {samples}", times, difference)


if __name__ == "__main__":
    main()
