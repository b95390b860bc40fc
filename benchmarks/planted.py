"""Does the bench state its own errors rightly? python benchmarks/planted.py [--repetitions 1000]

Studies are drawn in which the truth is known (`olmoearth_nb.ablation.planted`): once without any difference, once with
the difference planted in one of the two arms that the first says it could see with a power of 80 %.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from rich.progress import track

from olmoearth_nb.ablation.planted import Design, behaviour

DESIGNS = {
    "2 seeds": Design(seeds=2),
    "3 seeds": Design(seeds=3),
    "5 seeds": Design(seeds=5),
    "10 seeds": Design(seeds=10),
    "5 seeds, 30 tiles": Design(seeds=5, tiles=30),
    "5 seeds, seeds alike": Design(seeds=5, own_seed_spread=0.0),
    "5 seeds, seeds far apart": Design(seeds=5, own_seed_spread=0.03),
    "5 seeds, near the top": Design(seeds=5, level=0.9, tile_spread=0.02, own_tile_spread=0.01),
    "3 seeds, 300 groups in folds": Design(seeds=3, tiles=300, rows=2, repeats=5, fold_spread=0.01, trained=1.9),
    "3 seeds, 60 groups in folds": Design(seeds=3, tiles=60, rows=3, repeats=5, fold_spread=0.02, trained=1.9),
}

MOST = 0.3
"""Most that is planted; more would leave no room between 0 and 1."""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=1000)
    given, start = parser.parse_args(), time.perf_counter()
    print("| design | p < 0.05 without a difference | any false finding in a table, Holm | intervals that cover |")
    print("|---|---|---|---|")
    rows = []
    for name, design in track(DESIGNS.items(), "drawing studies", transient=True):
        none = behaviour(design, given.repetitions)
        planted = min(none.detectable, MOST)
        some = behaviour(replace(design, differences=(planted, 0.0)), given.repetitions, seed=1)
        covered = (none.covered + some.covered) / 2
        print(f"| {name} | {none.false:.3f} | {none.false_in_table:.3f} | {covered:.3f} |", flush=True)
        stated = f"{none.detectable:.3f}" if none.detectable < 1 else "none below 1"
        rows.append(
            f"| {name} | {stated} | {planted:.3f} | {some.power:.3f} | {some.power_holm:.3f} | {some.false:.3f} |"
        )
    print("\n| design | stated as detectable | planted | found | found after Holm | the other arm, p < 0.05 |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))
    design = DESIGNS["5 seeds"]
    took = (time.perf_counter() - start) / 60
    print(
        f"\n{given.repetitions} repetitions, {len(design.arms)} arms, {design.tasks} tasks, {took:.1f} minutes; ",
        end="",
    )
    print(f"{design.tiles} tiles of some {design.rows} answers where not said otherwise")


if __name__ == "__main__":
    main()
