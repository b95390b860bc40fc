"""How far ours is from olmoearth-pretrain-minimal: python benchmarks/parity.py

Random weights (seed 1), noise input of Sentinel-2, Sentinel-1, Landsat and two maps, 16 x 16 px (15 for P = 5), three
dates, two samples, two fifths of the tokens seen, a fifth predicted. Prints the largest difference relative to the
largest value, over the patch sizes given, in float32.
"""

import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from batches import random_batch, random_roles
from oracle import pair, run_reference

from olmoearth_nb import Role
from olmoearth_nb.model.config import PUBLISHED

NAMES = ("sentinel2_l2a", "sentinel1", "landsat", "worldcover", "openstreetmap_raster")


def difference(ours, theirs):
    return float((ours - theirs).abs().max() / theirs.abs().max())


def measure(reference, ours, patch_size):
    edge = 15 if patch_size == 5 else 16
    batch = random_batch(NAMES, (edge, edge), timesteps=3)
    grid = batch.grid(ours.config.tokenization, patch_size)
    roles = random_roles(grid, len(batch), seed=patch_size)
    tokens, predictions, projected = run_reference(reference, batch, patch_size, roles, grid)
    with torch.no_grad():
        encoded = ours.encoder(batch, patch_size, roles)
        predicted, pooled = ours.decoder(encoded), ours.encoder.project(encoded)
    asked = roles == Role.DECODER
    flat = torch.cat([predictions[name].flatten(1, 4) for name in grid.shapes], 1)
    seen = torch.cat([tokens[name].flatten(1, 4) for name in grid.shapes], 1)
    online = roles == Role.ONLINE
    return (
        difference(encoded.tokens[online], seen[online]),
        difference(predicted[asked], flat[asked]),
        difference(pooled, projected),
    )


def main():
    sizes = sys.argv[1:] or ["nano", "tiny", "small", "base", "large"]
    print("| model | patch sizes | encoder | predictor | pooled | seconds |\n|---|---|---|---|---|---|")
    for version, published in PUBLISHED.items():
        for size in [size for size in published if size in sizes]:
            patch_sizes = (1, 2, 4, 5, 8) if size == "nano" else (4, 8)
            start = time.perf_counter()
            torch.manual_seed(1)
            models = pair(version, size)
            rows = torch.tensor([measure(*models, patch_size) for patch_size in patch_sizes])
            encoder, predictor, pooled = rows.amax(0).tolist()
            shown = " ".join(map(str, patch_sizes))
            seconds = time.perf_counter() - start
            print(
                f"| {version} {size} | {shown} | {encoder:.1e} | {predictor:.1e} | {pooled:.1e} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
