"""Time of a training step: python benchmarks/pretrain_step.py [v1-nano v1.1-nano ...] [--official] [--steps N]

Ours against the encoder and predictor of olmoearth-pretrain-minimal with the same weights: same micro-batches, masks,
targets, losses and AdamW on both sides, both in training mode with drop path and band dropout; only the forward and
backward of encoder and predictor differ. Masks are spread over pixels, as the reference reads them, before the clock
starts. Interleaved in one process, several rounds over the same micro-batches. With everything random switched off both
sides are first compared: relative differences of loss and norm of the gradient.

Prints medians over micro-batches in milliseconds with quartiles, the quartiles of the ratio of neighbours, and the
time of all micro-batches together, by which models are to be compared: crops are the same for all of them.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from olmoearth_pretrain_minimal import load_model_from_path

from olmoearth_nb import Batch, save_model
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.pretrain.batches import MicroBatches
from olmoearth_nb.pretrain.crops import TWO_CORES, Crops
from olmoearth_nb.pretrain.losses import contrast, patch_discrimination
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.weights.reference import reference_sample
from olmoearth_nb.weights.trained import initial_model

TILES = Path(__file__).parents[1] / "data" / "world" / "tiles"


class Reference(torch.nn.Module):
    """The published encoder and predictor under the objective of a recipe, with our targets and losses."""

    def __init__(self, model, ours):
        super().__init__()
        self.model, self.ours, self.recipe = model, [ours.model.target_encoder], ours.recipe
        model.encoder.encoder_input_modality_names = None  # its loader drops maps, and none could be predicted

    def forward(self, micro, samples):
        with torch.no_grad():
            targets = self.ours[0].patch_embeddings(micro.images, micro.grid)
        patches, projected = [], []
        for view, sample in enumerate(samples):
            encoded = self.model.encoder(sample, patch_size=micro.grid.patch_size)
            decoded = self.model.decoder(encoded["tokens_and_masks"], micro.timestamps, micro.grid.patch_size)
            flat = torch.cat([getattr(decoded, name).flatten(1, 4) for name in micro.grid.shapes], 1)
            patches.append(
                patch_discrimination(flat, targets, micro.roles[view], micro.grid, self.recipe.masked_negatives)
            )
            projected.append(encoded["project_aggregated"])
        return (patches[0] + patches[1]) / 2 + self.recipe.contrast * contrast(*projected)


def pair(recipe, size):
    """Both sides with the same weights, each moved away from its (often zero) start, in training mode."""
    model = initial_model(recipe.config(size), 0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "month_embed" not in name:
                parameter.add_(0.02 * torch.randn_like(parameter))
    with tempfile.TemporaryDirectory() as folder:
        theirs = load_model_from_path(save_model(model, folder))
    ours = Pretraining(model, recipe)
    theirs.target_encoder = None
    theirs.encoder.enable_band_dropout()
    return ours.train(), Reference(theirs, ours).train()


class Side:
    """A module with its optimiser."""

    def __init__(self, module, optimisation):
        self.module, self.clip = module, optimisation.clip
        self.trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(self.trained, optimisation.rate, weight_decay=optimisation.weight_decay)

    def gradient(self, micro, samples):
        """Loss and norm of the gradient."""
        self.optimiser.zero_grad(set_to_none=True)
        result = self.module(micro) if samples is None else self.module(micro, samples)
        loss = result if samples is not None else result.loss
        loss.backward()
        return float(loss.detach()), float(torch.nn.utils.clip_grad_norm_(self.trained, self.clip))

    def step(self, micro, samples):
        """Milliseconds of a whole step."""
        start = time.perf_counter()
        self.gradient(micro, samples)
        self.optimiser.step()
        return (time.perf_counter() - start) * 1000


def without_chance(ours, theirs, recipe):
    """Switches drop path and band dropout off; returns what switches them on again."""
    paths = [module for module in theirs.modules() if type(module).__name__ == "DropPath"]
    blocks, embeddings = ours.model.encoder.blocks, ours.model.encoder.patch_embeddings
    kept = [path.drop_prob for path in paths], [block.drop_path.rate for block in blocks]

    def switch(on):
        for path, value in zip(paths, kept[0], strict=True):
            path.drop_prob = value if on else 0.0
        for block, value in zip(blocks, kept[1], strict=True):
            block.drop_path.rate = value if on else 0.0
        embeddings.band_dropout.enabled = on
        theirs.model.encoder.patch_embeddings.band_dropout_rate = recipe.band_dropout if on else 0.0

    switch(False)
    return switch


def compare(sides, batches, switch):
    """Largest relative difference of loss and gradient over all micro-batches, nothing being random."""
    apart = np.zeros(2)
    for micro, samples in batches:
        one, other = np.array(sides[0].gradient(micro, None)), np.array(sides[1].gradient(micro, samples))
        apart = np.maximum(apart, abs(one - other) / abs(other))
    switch(True)
    return apart


def measure(name, given):
    recipe, size = two_cores(name.rpartition("-")[0]), name.rpartition("-")[2]
    recipe = replace(recipe, optimisation=replace(recipe.optimisation, batch=given.batch, micro_batch=given.batch))
    torch.manual_seed(0)
    ours, theirs = pair(recipe, size)
    with tempfile.TemporaryDirectory() as cache:
        corpus = TileCorpus(given.data, cache)
        data = MicroBatches(corpus, recipe, Crops() if given.official else TWO_CORES, 0, given.steps)
        batches = []
        for micro in (data[number] for number in range(given.steps)):
            batch = Batch(micro.images, micro.timestamps)
            batches.append((micro, [reference_sample(batch, roles, micro.grid) for roles in micro.roles]))
    sides = [Side(module, recipe.optimisation) for module in (ours, theirs)]
    apart = compare(sides, batches, without_chance(ours, theirs, recipe))
    times = np.zeros((given.rounds, given.steps, 2))
    for turn in range(given.rounds):
        for number, (micro, samples) in enumerate(batches):
            for side in (0, 1) if (turn + number) % 2 else (1, 0):
                times[turn, number, side] = sides[side].step(micro, samples if side else None)
    return times, apart


def row(name, times, apart, batch):
    """A line of the table; of the rounds over a micro-batch the median counts."""
    each = np.median(times, axis=0)
    ours, theirs = each.T
    low, middle, high = np.percentile(theirs / ours, [25, 50, 75])
    spread = [f"{np.median(x):.0f} [{np.percentile(x, 25):.0f}, {np.percentile(x, 75):.0f}]" for x in (theirs, ours)]
    a, b = (x.sum() / (len(x) * batch) for x in (theirs, ours))
    shown = f"{spread[0]} | {spread[1]} | {middle:.2f} [{low:.2f}, {high:.2f}] | {a:.1f} | {b:.1f} | {a / b:.2f}"
    print(f"| {name} | {shown} | {apart[0]:.0e}, {apart[1]:.0e} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["v1-nano", "naive-nano", "v1.1-nano", "v1.1-mini"])
    parser.add_argument("--official", action="store_true", help="crops of official training")
    parser.add_argument("--batch", type=int, default=4, help="samples of a micro-batch")
    parser.add_argument("--steps", type=int, default=12, help="micro-batches")
    parser.add_argument("--rounds", type=int, default=3, help="over them; the first also warms up")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--data", type=Path, default=TILES)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    crops = "official crops" if given.official else "crops for two cores"
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}, float32, "
        f"{crops}, micro-batches of {given.batch}, {given.steps} of them, {given.rounds} rounds\n"
    )
    print(
        "| model | reference, ms a step | ours, ms a step | speed-up | reference, ms a sample | ours, ms a sample "
        "| speed-up of all | difference of loss, gradient |\n|---|---|---|---|---|---|---|---|"
    )
    for name in given.models:
        row(name, *measure(name, given), given.batch)


if __name__ == "__main__":
    main()
