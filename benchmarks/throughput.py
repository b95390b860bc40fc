"""How much is done a second around the encoder? python benchmarks/throughput.py [map loading simulation compiled]

* map: square kilometres a second, from twelve files of 512 x 512 px to a map of embeddings (nano, random weights,
  windows of 128 px side by side); v1 and v1.1.
* loading: samples a second that pretraining draws from simulated tiles (three sensors, twelve dates, 32 px): from the
  files, and again from the cache.
* simulation: scenes of twelve dates a second, one process.
* compiled: one sample through the nano encoder as it is, and through `torch.compile`; same run, outputs compared.
* notebooks: seconds of each notebook from start to executed copy, and of all (only by name: `throughput.py notebooks`).

Writes data/published/speed_around.csv, a row for each case with all of its runs. Then `python benchmarks/speed_page.py`
writes the table of docs/results/speed.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import maps
import numpy as np
import torch
from speed import PUBLISHED, about, read_rows

from olmoearth_nb.comparison.clock import interleaved
from olmoearth_nb.comparison.roofline import noise, untrained
from olmoearth_nb.comparison.speed import Setting
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.data.simulate.generate import simulate
from olmoearth_nb.io.durable import write_csv
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.maps.make import make_map
from olmoearth_nb.notebook.run import execute, find_notebooks

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
TABLE = PUBLISHED / "speed_around.csv"
COLUMNS = ("part", "case", "unit", "runs", "threads", "clock", "torch", "processor")
SCENE, SCENES, WINDOWS = 512, 64, 96
"""Edge of the mapped scene in pixels, simulated scenes, and samples that are loaded."""

COMPILED = (Setting(64, 1, 4), Setting(32, 12, 4), Setting(1, 12, 1))


def of_map(folder, given):
    """Maps of one scene, v1 and v1.1 in turns."""
    given.out = folder
    scene, area = maps.scene(given, SCENE), (SCENE * 10 / 1000) ** 2
    encoders = {version: untrained(version, "nano") for version in ("v1", "v1.1")}

    def mapped(version):
        options = {"patch_size": 8, "stride": 128, "overwrite": True, "quiet": True}
        make_map(encoders[version], scene, folder / f"{version}.tif", **options)

    seconds = interleaved([lambda name=name: mapped(name) for name in encoders], 0, fewest=given.rounds)
    for version, taken in zip(encoders, seconds.T, strict=True):
        yield f"{version}, {SCENE} x {SCENE} px, 12 dates", "km2/s", area / taken


def of_loading(folder, given):
    """Windows of tiles, which are opened for the first time or lie in the cache."""
    world = simulate(folder / "world", SCENES, dates=12, seed=3, version=2, quiet=True)
    found = {"from files": [], "from the cache": []}
    for number in range(given.rounds):
        corpus = TileCorpus(world, folder / f"tiles-{number}")
        for rates in found.values():
            start = time.perf_counter()
            for one in range(WINDOWS):
                corpus.window(one % len(corpus), 8 * (one % 12), 4 * (one % 24), 32)
            rates.append(WINDOWS / (time.perf_counter() - start))
    for name, rates in found.items():
        yield f"three sensors, 12 dates, 32 px, {name}", "samples/s", rates


def of_simulation(folder, given):
    """Worlds of one seed each."""
    rates = []
    for number in range(given.rounds):
        start = time.perf_counter()
        simulate(folder / f"simulated-{number}", SCENES, dates=12, seed=number, version=2, quiet=True)
        rates.append(SCENES / (time.perf_counter() - start))
    yield f"{SCENES} scenes, 12 dates, 32 px, one process", "scenes/s", rates


@torch.inference_mode()
def of_compiled(folder, given):
    """How many times faster a compiled encoder is, and how long it takes to compile."""
    for version in ("v1", "v1.1"):
        for setting in COMPILED:
            torch.compiler.reset()
            encoder, batch = untrained(version, "nano"), noise(setting)
            compiled = torch.compile(encoder)
            start = time.perf_counter()
            made = compiled(batch, setting.patch_size).tokens
            spent = time.perf_counter() - start
            apart = float((made - encoder(batch, setting.patch_size).tokens).abs().max())
            assert apart < 1e-4, f"{version}, {setting}: outputs are {apart} apart"
            calls = [partial(one, batch, setting.patch_size) for one in (encoder, compiled)]
            interleaved(calls, 0, fewest=2)
            plain, fast = interleaved(calls, given.seconds).T
            yield f"{version}, {setting}, plain over compiled", "times", plain / fast
            yield f"{version}, {setting}, to compile", "seconds", [spent]


def of_notebooks(folder, given):
    """The notebooks as papermill runs them, one after the other."""
    seconds = {}
    for _ in range(given.rounds):
        for notebook in find_notebooks(NOTEBOOKS):
            start = time.perf_counter()
            error = execute(notebook, folder / notebook.name, {})
            assert not error, f"{notebook.name}: {error}"
            seconds.setdefault(notebook.stem, []).append(time.perf_counter() - start)
    for name, taken in seconds.items():
        yield name, "seconds", taken
    yield f"all {len(seconds)}", "seconds", np.sum(list(seconds.values()), axis=0)


PARTS = {
    "map": of_map,
    "loading": of_loading,
    "simulation": of_simulation,
    "compiled": of_compiled,
    "notebooks": of_notebooks,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], help="of " + ", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a compiled case")
    parser.add_argument("--table", type=Path, default=TABLE)
    given = parser.parse_args()
    given.process = False
    keep_freed_memory()
    for part in given.parts or (part for part in PARTS if part != "notebooks"):
        with tempfile.TemporaryDirectory() as folder:
            rows = []
            for case, unit, runs in PARTS[part](Path(folder), given):
                rows.append({"part": part, "case": case, "unit": unit, "runs": " ".join(f"{x:.4g}" for x in runs)})
                print(f"{part}: {case}: {np.median(runs):.3g} {unit}", flush=True)
        kept = [row for row in read_rows(given.table) if row["part"] != part]
        write_csv(given.table, COLUMNS, [*kept, *(row | about(given) for row in rows)])


if __name__ == "__main__":
    main()
