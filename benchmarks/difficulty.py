"""How hard the designed targets are: python benchmarks/difficulty.py WORLD [seeds [target]]

Floors that read raw bands, against a small supervised network that reads the same numbers; patches of 4 x 4 px, three
seeds (of the patches drawn and of the network), 95 % intervals over seeds and test tiles. Prints docs/results' table.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from olmoearth_nb.data.simulate.scenes import TARGETS
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.baselines import band_statistics, patch_means, time_aware
from olmoearth_nb.evaluation.intervals import accuracy, difference
from olmoearth_nb.evaluation.network import network_probe
from olmoearth_nb.evaluation.probes import Split, by_scene, knn, linear_probe, majority

PATCH, SHARE = 4, 0.2
SENSORS = ("sentinel2_l2a", "sentinel1")


def logarithms(means, bands):
    """Time-aware features of log reflectance; Sentinel-1 is logarithmic already."""
    values = means.copy()
    values[..., :12] = np.log(np.maximum(values[..., :12], 50))
    return time_aware(values[..., :bands])


def rows_of(world, split, target, means, seed):
    """Drawn patches that have an answer: their means, answers and scenes."""
    scenes = world.of(split)
    answers = world.answers(target, scenes, PATCH).reshape(len(scenes), -1)
    drawn = (answers >= 0) & (np.random.default_rng(seed).uniform(size=answers.shape) < SHARE)
    # what is resampled are tiles: the scenes of a tile share its weather
    return means[split][drawn], answers[drawn], np.repeat(world.tile[scenes], drawn.sum(1))


def run(world, target, means, seed):
    """Right answers by test tile of every reader."""
    bands = 14 if target == "two sensors" else 12
    # the test patches are the same for all seeds, so that seeds and scenes are crossed
    raw = {split: rows_of(world, split, target, means, 0 if split == "test" else seed) for split in means}

    def splits(features):
        return [Split(features(m[..., :bands]), y, scene) for m, y, scene in raw.values()]

    def standard(found):
        scaler = StandardScaler().fit(found[0].x)
        return [Split(scaler.transform(s.x), s.y, s.scene) for s in found]

    statistics, dates = standard(splits(band_statistics)), standard(splits(time_aware))
    logs = splits(lambda m: logarithms(m, bands))
    readers = {
        "majority": majority(statistics[0], statistics[2].x),
        "band statistics, kNN": knn(statistics[0], statistics[2].x),
        "band statistics, logistic": linear_probe(statistics[0], statistics[1], statistics[2].x),
        "time-aware, linear": linear_probe(dates[0], dates[1], dates[2].x),
        "supervised network": network_probe(logs[0], logs[1], logs[2].x, seed),
    }
    return {name: by_scene(answers, statistics[2]) for name, answers in readers.items()}


def main():
    torch.set_num_threads(1)
    world, seeds = World(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    start = time.perf_counter()
    means = {}
    for split in ("train", "valid", "test"):
        samples = world.samples(world.of(split), SENSORS)
        means[split] = np.stack([patch_means(sample, PATCH, SENSORS) for sample in samples]).astype(np.float32)
    print(f"{len(world)} scenes, {seeds} seeds, {SHARE:.0%} of the patches")
    names = [
        "majority",
        "band statistics, kNN",
        "band statistics, logistic",
        "time-aware, linear",
        "supervised network",
    ]
    print("| target | " + " | ".join(names) + " | network over the best floor |")
    print("|---|" + "---|" * (len(names) + 1))
    for target in sys.argv[3:] or TARGETS:
        found = [run(world, target, means, seed) for seed in range(seeds)]
        rows = found[0]["majority"][1]
        right = {name: np.stack([one[name][0] for one in found]) for name in names}
        cells = {name: accuracy(values, rows) for name, values in right.items()}
        best = max(names[:-1], key=lambda name: cells[name].value)
        gap = difference(right[names[-1]], right[best], rows)
        print(f"| {target} | " + " | ".join(str(cells[name]) for name in names) + f" | {gap} |", flush=True)
    print(f"\n{(time.perf_counter() - start) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
