"""How much of its objective a model has learnt: python benchmarks/learnt.py FOLDER ... [--data WORLD]

The way from chance (0, a predictor that knows nothing) to a predictor that returns the targets (1), for each modality,
on crops of 4 x 4 patches of 4 px over all dates. Crops and masks have a seed that no run has, the same for all models.
Folders hold a finished model, such as run/budget-4096 or data/pretrained/nano-v1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb import Batch
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.grid import Role
from olmoearth_nb.pretrain.batches import MicroBatches
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.losses import chance_and_best, patch_discrimination
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.weights.trained import RUN, load_trained

TILES = Path(__file__).parents[1] / "data" / "world" / "tiles"
SEED = 99


def measure(model, recipe, batches):
    """Modality -> mean loss, chance and best over micro-batches in which it was asked for."""
    found = {}
    for micro in batches:
        roles, grid = micro.roles[0], micro.grid
        with torch.no_grad():
            targets = model.target_encoder.patch_embeddings(micro.images, grid)
            predicted = model.decoder(model.encoder(Batch(micro.images, micro.timestamps), grid.patch_size, roles))
            for name, span in grid.slices.items():
                alone = torch.full_like(roles, int(Role.MISSING))
                alone[:, span] = roles[:, span]
                if (alone == Role.DECODER).any():
                    asked = targets, alone, grid, recipe.masked_negatives
                    losses = patch_discrimination(predicted, *asked), *chance_and_best(*asked)
                    found.setdefault(name, []).append([float(loss) for loss in losses])
    return {name: np.mean(rows, 0) for name, rows in found.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, default=TILES)
    parser.add_argument("--micro-batches", type=int, default=16)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | samples | modality: share of the way |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        corpus = TileCorpus(given.data, cache)
        for folder in given.folders:
            facts, model = json.loads((folder / RUN).read_text(encoding="utf8")), load_trained(folder)
            recipe = replace(two_cores(facts["recipe"]), normalisation="official")  # which trained encoders read
            data = MicroBatches(corpus, recipe, Crops((4,), (4,), 1300), SEED, given.micro_batches)
            found = measure(model, recipe, [data[number] for number in range(given.micro_batches)])
            way = {
                name: (chance - loss) / (chance - best) for name, (loss, chance, best) in found.items() if chance > best
            }
            said = ", ".join(f"{name} {share:.3f}" for name, share in way.items())
            print(f"| {folder} | {facts['samples']:,} | {said} |", flush=True)


if __name__ == "__main__":
    main()
