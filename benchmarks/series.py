"""Series of pixels, from a Parquet file to embeddings: python benchmarks/series.py [--pixels N] [--models A,B]
[--batch N]

Writes a table of N pixels x 12 dates x 12 bands into a temporary folder (a row for each pixel, columns such as
`B02_1`, a tenth of the dates without data), then times reading it and embedding it, each in a process of its own, so
that peak memory is that of the step: what it takes beyond the imported libraries, and in all.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from olmoearth_nb import to_samples
from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.evaluation.embed import embed
from olmoearth_nb.weights.load import open_encoder

DATES = [f"2022-{month:02d}-15" for month in range(1, 13)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pixels", type=int, default=30_000)
    parser.add_argument("--models", default="mini-v1-long,mini-v1.1-long")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--step", default="")
    parser.add_argument("--path", default="")
    given = parser.parse_args()
    if given.step:
        print(json.dumps(measured(given.path, given.step, given.batch)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "pixels.parquet", given.pixels)
        print(f"{given.pixels:,} pixels, {path.stat().st_size / 1e6:.0f} MB of Parquet; one thread")
        print("| step | seconds | series a second | MB beyond the libraries | MB in all |\n|---|---|---|---|---|")
        for step in ("read", *given.models.split(",")):
            command = [sys.executable, __file__, "--step", step, "--path", path, "--batch", str(given.batch)]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            rate = given.pixels / found["seconds"]
            print(
                f"| {step} | {found['seconds']:.2f} | {rate:,.0f} | {found['more']:.0f} | {found['all']:.0f} |",
                flush=True,
            )


def write(path, pixels):
    """A table of plausible numbers: each pixel has its level, its season and some noise."""
    rng = np.random.default_rng(0)
    level = rng.uniform(500, 3500, (pixels, 1, 12))
    season = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(12) / 12)[:, None] + rng.uniform(0, 6, (pixels, 1, 1)))
    values = (level * season + rng.normal(0, 60, (pixels, 12, 12))).clip(1, 12_000).astype(np.uint16)
    values[rng.uniform(size=(pixels, 12)) < 0.1] = 65535
    columns = {f"{b}_{t + 1}": values[:, t, c] for c, b in enumerate(SENTINEL2.band_names) for t in range(12)}
    pd.DataFrame(columns | {"crop": rng.integers(0, 9, pixels)}).to_parquet(path)
    return path


def measured(path, step, batch):
    """Seconds and peak memory of a step."""
    torch.set_num_threads(1)
    before = peak()
    start = time.perf_counter()
    series = to_samples(path, dates=DATES, nodata=65535, labels=["crop"])
    seconds = time.perf_counter() - start
    if step != "read":
        encoder = open_encoder(step)
        start = time.perf_counter()
        found = embed(encoder, series, patch_size=1, batch_size=batch)
        seconds = time.perf_counter() - start
        assert np.isfinite(found).all()
        assert found.shape == (len(series), encoder.config.width)
    return {"seconds": seconds, "more": peak() - before, "all": peak()}


def peak():
    """Most memory that this process has had, in MB."""
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
