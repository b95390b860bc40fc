"""Time of a training step: python benchmarks/pretrain_step.py [v1-nano v1.1-nano ...] [--official] [--steps N]

Ours against the encoder and predictor of olmoearth-pretrain-minimal with the same weights: same micro-batches, masks,
targets, losses and AdamW on both sides, both in training mode with drop path and band dropout; only the forward and
backward of encoder and predictor differ. Masks are spread over pixels, as the reference reads them, before the clock
starts. Interleaved in one process, several rounds over the same micro-batches. With everything random switched off both
sides are first compared: relative differences of loss and norm of the gradient.

Prints medians over micro-batches in milliseconds with quartiles, the quartiles of the ratio of neighbours, and the
time of all micro-batches together, by which models are to be compared: crops are the same for all of them. Then a
sample of ours end to end, its drawing included (windows, masks, scaling; files are open and in memory), over its
multiply-accumulates at the rate of a plain product of as many tokens.

The same goes to `data/published/speed_training.csv`, from which `python benchmarks/speed_page.py` writes its tables; a
model that stands there is measured anew and its row is replaced.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from olmoearth_pretrain_minimal import load_model_from_path
from speed import about, clock_of, read_rows

from olmoearth_nb import Batch, save_model
from olmoearth_nb.comparison.clock import interleaved, product_rate
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.grid import Role
from olmoearth_nb.io.durable import write_csv
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.pretrain.batches import MicroBatches
from olmoearth_nb.pretrain.cost import step_macs
from olmoearth_nb.pretrain.crops import TWO_CORES, Crops
from olmoearth_nb.pretrain.losses import contrast, patch_discrimination
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.weights.reference import reference_sample
from olmoearth_nb.weights.trained import initial_model

ROOT = Path(__file__).parents[1]
TILES, TABLE = ROOT / "data" / "world" / "tiles", ROOT / "data" / "published" / "speed_training.csv"
COLUMNS = ("model", "crops", "batch", "reference", "ours", "drawing", "gmacs", "gmacs_of_product", "loss_apart",
           "gradient_apart", "threads", "clock", "torch", "processor")  # fmt: skip
"""Of the table; `reference`, `ours`, `drawing` and `gmacs` hold a number for each micro-batch, parted by spaces."""


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
        """A whole step."""
        self.gradient(micro, samples)
        self.optimiser.step()


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
    clock = clock_of(given)
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
        times = [
            turns(sides, data, number, *both, clock, given.rounds) for number, both in enumerate(batches)
        ]  # the first turn of each also warms up
    micros = [micro for micro, _ in batches]
    return np.array(times).T, apart, arithmetic(ours.model.config, micros, clock)


def turns(sides, data, number, micro, samples, clock, rounds):
    """Milliseconds of a step of ours, of the reference, and of drawing the micro-batch: medians of some turns."""
    calls = [lambda: sides[0].step(micro, None), lambda: sides[1].step(micro, samples), lambda: data[number]]
    return 1000 * np.median(interleaved(calls, 0, clock, rounds), axis=0)


def arithmetic(config, micros, clock):
    """Giga-MACs of each micro-batch, and giga-MACs a second of a plain product of as many tokens as are encoded."""
    macs = [float(step_macs(config, micro.grid, micro.roles).sum()) / 1e9 for micro in micros]
    encoded = np.mean([int((micro.roles[0] == Role.ONLINE).sum()) for micro in micros])
    return macs, product_rate(round(encoded), config.width, clock=clock) / 1e9


def row(name, given, times, apart, counted):
    """What goes to the table."""
    ours, theirs, drawing = ([f"{value:.4g}" for value in of] for of in times)
    macs, rate = counted
    crops = "official" if given.official else "two cores"
    return {
        "model": name, "crops": crops, "batch": given.batch, "reference": " ".join(theirs), "ours": " ".join(ours),
        "drawing": " ".join(drawing), "gmacs": " ".join(f"{value:.4g}" for value in macs),
        "gmacs_of_product": f"{rate:.2f}", "loss_apart": f"{apart[0]:.1e}", "gradient_apart": f"{apart[1]:.1e}",
        **about(given),
    }  # fmt: skip


def keep(path, made):
    """Puts a row into the table, in place of an older one of the same model and crops."""
    key = [made["model"], made["crops"]]
    write_csv(path, COLUMNS, [row for row in read_rows(path) if [row["model"], row["crops"]] != key] + [made])


def line(made):
    """A line of the table of a row; of the rounds over a micro-batch the median counts."""
    theirs, ours, drawing, macs = (
        np.array(made[name].split(), dtype=float) for name in ("reference", "ours", "drawing", "gmacs")
    )
    low, middle, high = np.percentile(theirs / ours, [25, 50, 75])
    spread = [f"{np.median(x):.0f} [{np.percentile(x, 25):.0f}, {np.percentile(x, 75):.0f}]" for x in (theirs, ours)]
    samples = len(ours) * int(made["batch"])
    a, b, whole = (x.sum() / samples for x in (theirs, ours, ours + drawing))
    least = 1000 * macs.sum() / samples / float(made["gmacs_of_product"])
    shown = f"{spread[0]} | {spread[1]} | {middle:.2f} [{low:.2f}, {high:.2f}] | {a:.1f} | {b:.1f} | {b / a:.2f}"
    apart = f"{made['loss_apart']}, {made['gradient_apart']}"
    return f"| {made['model']}, {made['crops']} | {shown} | {whole:.1f} | {least:.1f} | {whole / least:.1f} | {apart} |"


HEAD = (
    "| model, crops | reference, ms a step | ours, ms a step | speed-up | reference, ms a sample | ours, ms a sample | "
    "ours / reference | end to end, ms a sample | arithmetic, ms "
    "| end to end / arithmetic | difference of loss, gradient |"
    f"\n{'|---' * 11}|"
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["v1-nano", "naive-nano", "v1.1-nano", "v1.1-mini"])
    parser.add_argument("--official", action="store_true", help="crops of official training")
    parser.add_argument("--batch", type=int, default=4, help="samples of a micro-batch")
    parser.add_argument("--steps", type=int, default=12, help="micro-batches")
    parser.add_argument("--rounds", type=int, default=3, help="of each; the first also warms up")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--process", action="store_true", help="processor time of one thread, beside other work")
    parser.add_argument("--data", type=Path, default=TILES)
    parser.add_argument("--out", type=Path, default=TABLE)
    given = parser.parse_args()
    if given.threads or given.process:
        torch.set_num_threads(1 if given.process else given.threads)
    keep_freed_memory()
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}, float32, "
        f"micro-batches of {given.batch}, {given.steps} of them, {given.rounds} rounds\n\n{HEAD}"
    )
    for name in given.models:
        made = row(name, given, *measure(name, given))
        keep(given.out, made)
        print(line(made), flush=True)


if __name__ == "__main__":
    main()
