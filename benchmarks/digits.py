"""Do two states of the code give the same numbers, bit for bit? python benchmarks/digits.py FILE.json [OLDER.json]

Writes a hash and a sum of some 360 arrays and losses of shipped models, training steps, masks, costs and the simulated
world; compares them with those of an older state. Run both on the same machine with the same versions.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb import TOKENIZATIONS, Batch, encoder_cost, size_config
from olmoearth_nb.data import data_dir, embedded_names, load_embedded, pretrained_dir, pretrained_names
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.data.simulate.tile import tile_sample
from olmoearth_nb.pretrain.batches import MicroBatches
from olmoearth_nb.pretrain.crops import TWO_CORES
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import RECIPES, differences, official, two_cores
from olmoearth_nb.weights.trained import initial_model, load_trained, load_untrained


def digest(values):
    """Hash of the bytes, and the sum, by which a difference can be judged."""
    array = np.ascontiguousarray(values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values)
    return f"{hashlib.sha256(array.tobytes()).hexdigest()[:16]} {array.astype(np.float64).sum():.6f}"


@torch.no_grad()
def models():
    """Embeddings of every shipped model of every embedded chip; one masked view, its predictions and targets."""
    batches = {name: Batch.from_samples(load_embedded(name)) for name in embedded_names()}
    for name in pretrained_names():
        model, start = load_trained(pretrained_dir(name)), load_untrained(pretrained_dir(name))
        for chip, patch_size in [*((chip, 8) for chip in batches), ("fields", 4)]:
            encoded = model.encoder(batches[chip], patch_size)
            yield f"{name} {chip} {patch_size} tokens", digest(encoded.tokens)
            yield f"{name} {chip} {patch_size} pooled", digest(encoded.pool())
            yield f"{name} {chip} {patch_size} projected", digest(model.encoder.project(encoded))
        batch = batches["fields"]
        grid = batch.grid(model.config.tokenization, 8)
        roles = draw_roles("random", grid, torch.zeros(1, len(grid), dtype=torch.bool), 0, [0], 0, 0)
        encoded = model.encoder(batch, 8, roles)
        yield f"{name} masked", digest(encoded.tokens)
        yield f"{name} predicted", digest(model.decoder(encoded))
        yield f"{name} targets", digest(model.target_encoder(batch, 8))
        yield f"{name} untrained", digest(start(batch, 8).tokens)


def steps():
    """Masks, inputs, losses and gradients of three optimiser steps of every recipe; what the official ones change."""
    with tempfile.TemporaryDirectory() as cache:
        corpus = TileCorpus(data_dir() / "world" / "tiles", Path(cache))
        for name in RECIPES:
            recipe = two_cores(name, "mini")
            stream = MicroBatches(corpus, recipe, TWO_CORES, 0, 8)
            pretraining = Pretraining(initial_model(recipe.config("mini"), 0), recipe).train()
            optimiser = torch.optim.AdamW(pretraining.parameters(), lr=1e-3)
            for number in range(3):
                micro = stream[number]
                yield f"{name} roles {number}", digest(micro.roles)
                yield f"{name} images {number}", digest(micro.images["sentinel2_l2a"])
                torch.manual_seed(number)
                step = pretraining(micro)
                optimiser.zero_grad()
                step.loss.backward()
                optimiser.step()
                gradients = [p.grad for p in pretraining.parameters() if p.grad is not None]
                yield f"{name} loss {number}", " ".join(f"{x.item():.9g}" for x in step[:3])
                yield f"{name} gradient {number}", f"{sum(float(g.double().abs().sum()) for g in gradients):.9g}"
            changed = differences(official("v1", "nano"), official(name, "nano"))
            yield f"{name} official", json.dumps({key: str(value) for key, value in changed.items()})


def plain():
    """Costs of all tokenizations, and a tile of the simulated world."""
    for name, tokenization in TOKENIZATIONS.items():
        for size in ("nano", "base"):
            yield f"cost {name} {size}", str(encoder_cost(size_config(size, tokenization), (64, 64, 12), 4))
    for name, image in tile_sample(3, 46).images.items():
        yield f"tile {name}", digest(image)


def main(target, older=None):
    torch.set_num_threads(1)
    numbers = dict([*models(), *steps(), *plain()])
    Path(target).write_text(json.dumps(numbers, indent=1) + "\n")
    print(f"{len(numbers)} numbers in {target}")
    if older is not None:
        before = json.loads(Path(older).read_text())
        differ = [key for key in before if before[key] != numbers.get(key)]
        print(f"{len(differ)} of {len(before)} differ from {older}")
        print("\n".join(f"{key}: {before[key]} -> {numbers.get(key)}" for key in differ))


if __name__ == "__main__":
    main(*sys.argv[1:3])
