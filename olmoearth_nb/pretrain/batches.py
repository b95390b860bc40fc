"""The stream of micro-batches: which places, which windows, and what is masked, all from (seed, number).

Micro-batch i is the same whoever asks for it, so a run can be taken up anywhere, split over processes, or loaded by
workers, and stays the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from olmoearth_nb.bands import MISSING, MODALITIES, SENSORS, modality
from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.pretrain.crops import Crops, first_date
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.recipes import Recipe
from olmoearth_nb.sample import Batch, Sample
from olmoearth_nb.tokenization import Tokenization
from olmoearth_nb.weights.scaling import Statistics, rescaling

WINDOWS = 20
"""Windows that are drawn from a place before it counts as empty."""


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
        corpus: the places.
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
        places = [_place(self.seed, number * size + i, len(self.corpus)) for i in range(size)]
        smallest = min(min(self.corpus.size(place)) for place in places)
        patch_size, edge, dates = self.crops.draw(generator, smallest)  # one for all samples: they are stacked
        samples = [self._crop(place, patch_size, edge, dates, generator) for place in places]
        batch = collate(samples)
        shapes = tuple((name, tuple(image.shape[1:4])) for name, image in batch.images.items())
        grid = _grid(shapes, self.recipe.tokenization, patch_size)
        images, missing = observed(batch.images, grid)
        if self.recipe.normalisation != "official":
            scaling, statistics = self.recipe.normalisation, self.recipe.statistics
            images = {
                name: rescaled(image, batch.images[name], name, scaling, statistics) for name, image in images.items()
            }
        drawn = [draw_roles(self.recipe.masking, grid, missing, self.seed, places, number, view) for view in range(2)]
        return MicroBatch(images, batch.timestamps, grid, torch.stack(drawn), number)  # roles (2, B, N)

    def _crop(self, place: int, patch_size: int, edge: int, dates: int, generator: np.random.Generator) -> Sample:
        """A window of a place with at most so many dates; another one where nothing of it can be encoded."""
        pixels = patch_size * edge
        room = np.array(self.corpus.size(place)) - pixels + 1
        for _ in range(WINDOWS):
            row, column = generator.integers(0, room, 2).tolist()
            sample = self.corpus.window(place, row, column, pixels)
            known = {name: image != MISSING for name, image in sample.images.items() if name in SENSORS}
            seen = np.any([values.any((0, 1, 3)) for values in known.values()], axis=0)  # (T,)
            start = first_date(seen, dates, generator)
            if start is not None and seen.any():
                steps = slice(start, min(start + dates, len(seen)))
                kept = sample if len(seen) <= dates else sample.select_times(range(steps.start, steps.stop))
                if _whole(known, steps, self.recipe.tokenization) or _encodable(
                    kept, self.recipe.tokenization, patch_size
                ):
                    return kept
        raise ValueError(f"{self.corpus.name(place)} was observed in none of {WINDOWS} windows drawn from it")


def _whole(known: Mapping[str, np.ndarray], steps: slice, tokenization: Tokenization) -> bool:
    """Whether some sensor observed a date whole, so that its tokens can be encoded: most often so, and soon told."""
    return any(
        values[:, :, steps].all((0, 1, 3)).any() for name, values in known.items() if tokenization.groups_of(name)
    )


def _encodable(sample: Sample, tokenization: Tokenization, patch_size: int) -> bool:
    """Whether at least one token of a sensor was observed whole."""
    images = {name: image for name, image in sample.images.items() if name in SENSORS}
    tensors = {name: torch.from_numpy(image)[None] for name, image in images.items()}
    grid = _grid(tuple((name, image.shape[:3]) for name, image in images.items()), tokenization, patch_size)
    return not bool(observed(tensors, grid)[1].all())


@lru_cache(maxsize=64)
def _grid(shapes: tuple[tuple[str, tuple[int, ...]], ...], tokenization: Tokenization, patch_size: int) -> TokenGrid:
    """The grid of such images; the coordinates of its tokens are kept with it for the next micro-batch."""
    return TokenGrid.build(dict(shapes), tokenization, patch_size)


def _place(seed: int, position: int, places: int) -> int:
    """Which place stands at a position of the run: a new random order every time that all have been seen."""
    return int(_order(seed, position // places, places)[position % places])


@lru_cache(maxsize=8)
def _order(seed: int, epoch: int, places: int) -> np.ndarray:
    """Order of the places in one pass over them."""
    return np.random.default_rng([seed, epoch, places]).permutation(places)


def collate(samples: Sequence[Sample]) -> Batch:
    """Brings samples to one length and the same modalities, normalises and stacks them.

    What a sample lacks is `MISSING`; dates behind its end repeat its last one. A modality that no sample has is left
    out.
    """
    longest = max(len(sample.timestamps) for sample in samples)
    height, width = samples[0].shape
    stamps = np.stack([s.timestamps[np.minimum(np.arange(longest), len(s.timestamps) - 1)] for s in samples])
    images = {}
    for name in (name for name in MODALITIES if any(name in sample.images for sample in samples)):
        spec = modality(name)
        steps = longest if spec.multitemporal else 1
        stacked = np.full((len(samples), height, width, steps, len(spec.bands)), MISSING, np.float32)
        for row, sample in zip(stacked, samples, strict=True):
            if name in sample.images:
                row[:, :, : sample.images[name].shape[2]] = sample.images[name]
        images[name] = spec.normalize(torch.from_numpy(stacked))
    return Batch(images, torch.from_numpy(stamps))


def rescaled(
    image: Tensor, raw: Tensor, name: str, scaling: str = "standard", statistics: Statistics | None = None
) -> Tensor:
    """Officially normalised values in another scaling; unobserved ones stay as they are.

    Args:
        image: (..., C) officially normalised values.
        raw: of the same shape, `MISSING` where unobserved.
        name: of the modality.
        scaling: see `weights.scaling.rescaling`.
        statistics: likewise.
    """
    factor, shift = rescaling(scaling, statistics, name)
    return torch.where(raw == MISSING, image, factor * image + shift)
