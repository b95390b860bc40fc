"""The stream of micro-batches: which tiles, which windows, and what is masked, all from (seed, number).

Micro-batch i is the same whoever asks for it, so a run can be taken up anywhere, split over processes, or loaded by
workers, and stays the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from olmoearth_nb.bands import MISSING, MODALITIES, SENSORS, TILE, modality
from olmoearth_nb.data.corpus import Corpus
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.pretrain.crops import Crops, first_date
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.recipes import Recipe
from olmoearth_nb.sample import Batch, Sample
from olmoearth_nb.tokenization import Tokenization

WINDOWS = 20
"""Windows that are drawn from a tile before it counts as empty."""


class MicroBatch:
    """What one forward pass of pretraining reads; a plain class, so that engines pass it on as it is.

    Attributes:
        images: modality name -> (B, H, W, T, C), normalised, 0 where unobserved.
        timestamps: (B, T, 3) day, month, year.
        grid: the layout of the tokens.
        roles: (2, B, N) `Role` of every token in each of the two views, on the host.
        number: of the micro-batch in the run; what else is random in the step follows from it.
    """

    def __init__(
        self, images: dict[str, Tensor], timestamps: Tensor, grid: TokenGrid, roles: Tensor, number: int
    ) -> None:
        self.images, self.timestamps, self.grid, self.roles, self.number = images, timestamps, grid, roles, number

    def to(self, device: torch.device | str) -> MicroBatch:
        """The same on another device; roles stay on the host, where masks are read without waiting."""
        images = {name: image.to(device) for name, image in self.images.items()}
        return MicroBatch(images, self.timestamps.to(device), self.grid, self.roles, self.number)


class MicroBatches(Dataset[MicroBatch]):
    """All micro-batches of a run.

    Args:
        corpus: the tiles.
        recipe: masking, tokenization, normalisation, size of a micro-batch.
        crops: what windows are drawn from.
        seed: of the run.
        total: how many micro-batches the run has.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe, crops: Crops, seed: int, total: int) -> None:
        self.corpus, self.recipe, self.crops, self.seed, self.total = corpus, recipe, crops, seed, total

    def __len__(self) -> int:
        """How many there are."""
        return self.total

    def __getitem__(self, number: int) -> MicroBatch:
        """Micro-batch of that number."""
        size = self.recipe.optimisation.micro_batch
        generator = np.random.default_rng([self.seed, number])  # of the number alone, never of what came before
        patch_size, edge, dates = self.crops.draw(generator)  # one for all samples: they are stacked
        tiles = [_tile(self.seed, number * size + i, len(self.corpus)) for i in range(size)]
        samples = [self._crop(tile, patch_size, edge, dates, generator) for tile in tiles]
        batch = collate(samples)
        grid = batch.grid(self.recipe.tokenization, patch_size)
        images, missing = observed(batch.images, grid)
        if self.recipe.normalisation == "standard":
            images = {name: standardise(image, batch.images[name]) for name, image in images.items()}
        drawn = [draw_roles(self.recipe.masking, grid, missing, self.seed, tiles, number, view) for view in range(2)]
        return MicroBatch(images, batch.timestamps, grid, torch.stack(drawn), number)  # roles (2, B, N)

    def _crop(self, tile: int, patch_size: int, edge: int, dates: int, generator: np.random.Generator) -> Sample:
        """A window of a tile with at most so many dates; another one where nothing of it can be encoded."""
        for _ in range(WINDOWS):
            row, column = generator.integers(0, TILE - patch_size * edge + 1, 2).tolist()
            sample = self.corpus.window(tile, row, column, patch_size * edge)
            seen = np.any([(image != MISSING).any((0, 1, 3)) for image in _sensors(sample).images.values()], axis=0)
            start = first_date(seen, dates, generator)
            if start is not None and seen.any():
                sample = sample.select_times(range(start, min(start + dates, len(seen))))
                if _encodable(_sensors(sample), self.recipe.tokenization, patch_size):
                    return sample
        raise ValueError(f"{self.corpus.name(tile)} was observed in none of {WINDOWS} windows drawn from it")


def _sensors(sample: Sample) -> Sample:
    """The sample without its maps."""
    return replace(sample, images={name: image for name, image in sample.images.items() if name in SENSORS})


def _encodable(sample: Sample, tokenization: Tokenization, patch_size: int) -> bool:
    """Whether at least one token of a sample was observed whole."""
    images = {name: torch.from_numpy(image)[None] for name, image in sample.images.items()}
    return not bool(observed(images, sample.grid(tokenization, patch_size))[1].all())


def _tile(seed: int, position: int, tiles: int) -> int:
    """Which tile stands at a position of the run: a new random order every time that all have been seen."""
    return int(_order(seed, position // tiles, tiles)[position % tiles])


@lru_cache(maxsize=8)
def _order(seed: int, epoch: int, tiles: int) -> np.ndarray:
    """Order of the tiles in one pass over them."""
    return np.random.default_rng([seed, epoch, tiles]).permutation(tiles)


def collate(samples: Sequence[Sample]) -> Batch:
    """Brings samples to one length and the same modalities, normalises and stacks them.

    What a sample lacks is `MISSING`; dates behind its end repeat its last one. A modality that no sample has is left
    out.
    """
    longest = max(len(sample.timestamps) for sample in samples)
    names = [name for name in MODALITIES if any(name in sample.images for sample in samples)]
    stamps = np.stack([_pad(s.timestamps, 0, longest, None) for s in samples])
    images = {}
    for name in names:
        spec = modality(name)
        height, width = next(iter(samples[0].images.values())).shape[:2]
        blank = np.full((height, width, longest if spec.multitemporal else 1, len(spec.bands)), MISSING, np.float32)
        parts = [blank if name not in s.images else _pad(s.images[name], 2, blank.shape[2], MISSING) for s in samples]
        images[name] = spec.normalize(torch.from_numpy(np.stack(parts)))
    return Batch(images, torch.from_numpy(stamps))


def _pad(values: np.ndarray, axis: int, length: int, constant: float | None) -> np.ndarray:
    """Values made longer along an axis, by a constant or by the last of them."""
    reach = [(0, 0)] * values.ndim
    reach[axis] = (0, length - values.shape[axis])
    if constant is None:
        return np.pad(values, reach, mode="edge")
    return np.pad(values, reach, constant_values=constant)


def standardise(image: Tensor, raw: Tensor) -> Tensor:
    """Officially normalised values to mean 0 and deviation 1: 4 x - 2; unobserved ones stay 0."""
    return torch.where(raw == MISSING, image, 4 * image - 2)
