"""How often the intervals of several seeds on the same scenes cover the truth: python benchmarks/coverage.py.

Ours against a bootstrap that resamples seeds and scenes both and takes percentiles. Accuracies are drawn from a
logistic model with a random part of the seed, of the scene and of both (`tests/test_intervals.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from crossed import scores

from olmoearth_nb.evaluation.intervals import accuracy

REPEATS, SCENES, ROWS = 1000, 150, 4


def percentile(right, rows, generator, draws=300):
    """The ends of a two-way percentile bootstrap."""
    seeds, scenes = right.shape
    found = []
    for _ in range(draws):
        s, n = generator.integers(0, seeds, seeds), generator.integers(0, scenes, scenes)
        found.append(right[s][:, n].sum() / seeds / rows[n].sum())
    return np.percentile(found, [2.5, 97.5])


def main():
    print("| seeds | spread of seeds | ours: coverage | width | two-way percentiles: coverage | width |")
    print("|---|---|---|---|---|---|")
    rows = np.full(SCENES, float(ROWS))
    for seeds, spread in ((3, 0.0), (3, 0.1), (3, 0.3), (5, 0.1), (5, 0.3), (10, 0.3)):
        generator = np.random.default_rng(seeds)
        truth = float(scores(generator, 2000, 2000, seed_spread=spread).mean() / ROWS)
        hits, widths = np.zeros((REPEATS, 2), bool), np.zeros((REPEATS, 2))
        for i in range(REPEATS):
            right = scores(generator, seeds, SCENES, seed_spread=spread)
            ours = accuracy(right, rows, draws=300, seed=i)
            low, high = percentile(right, rows, generator)
            hits[i] = ours.low <= truth <= ours.high, low <= truth <= high
            widths[i] = ours.high - ours.low, high - low
        covered, width = hits.mean(0), widths.mean(0)
        print(
            f"| {seeds} | {spread} | {covered[0]:.3f} | {width[0]:.3f} | {covered[1]:.3f} | {width[1]:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
