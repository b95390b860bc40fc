"""The stream of micro-batches: which places, which windows, and what is masked, all from (seed, number).

Micro-batch i is the same whoever asks for it, so a run can be taken up anywhere, split over processes, or loaded by
workers, and stays the same run. It is drawn as numbers as they are stored (`Drawn`) and normalised where the model is.
Where a corpus cuts many windows at once, they are cut at once: the same windows, sooner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from olmoearth_nb.bands import MISSING, MODALITIES, SENSORS, SENTINEL2, modality
from olmoearth_nb.data.chips import UNOBSERVED, ChipsInMemory
from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.pretrain.crops import Crops, first_date
from olmoearth_nb.pretrain.masking import draw_roles
from olmoearth_nb.pretrain.recipes import Recipe
from olmoearth_nb.sample import Sample
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


class Drawn:
    """A micro-batch whose images are numbers as they are stored; a plain class, as `MicroBatch` is.

    Attributes:
        images: modality name -> (B, H, W, T, C), float32 with `MISSING`, or uint16 with `UNOBSERVED`.
        scales: modality name -> factor and shift that follow the official normalisation; none if it is to stay.
        timestamps: see `MicroBatch`, as `grid`, `roles` and `number`.
    """

    def __init__(
        self,
        images: dict[str, Tensor],
        scales: Mapping[str, tuple[Tensor, Tensor]],
        timestamps: Tensor,
        grid: TokenGrid,
        roles: Tensor,
        number: int,
    ) -> None:
        self.images, self.scales, self.timestamps = images, scales, timestamps
        self.grid, self.roles, self.number = grid, roles, number

    def pin_memory(self) -> Drawn:
        """The same in memory that a GPU reads while the host goes on; `DataLoader` calls it."""
        images = {name: image.pin_memory() for name, image in self.images.items()}
        return Drawn(images, self.scales, self.timestamps.pin_memory(), self.grid, self.roles, self.number)

    def to(self, device: torch.device | str) -> MicroBatch:
        """Brings it to a device and normalises it there; nothing waits for the device."""
        images = {}
        for name, stored in self.images.items():
            image = stored.to(device, non_blocking=True)
            if image.dtype == torch.uint16:
                image = image.float()
                image = image.masked_fill(image == UNOBSERVED, MISSING)
            normal = modality(name).normalize(image).masked_fill(image == MISSING, 0.0)
            if name in self.scales:
                factor, shift = (part.to(device, non_blocking=True) for part in self.scales[name])
                normal = torch.where(image == MISSING, normal, factor * normal + shift)
            images[name] = normal
        stamps = self.timestamps.to(device, non_blocking=True)
        return MicroBatch(images, stamps, self.grid, self.roles, self.number)


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
        return self.drawn(number).to("cpu")

    def drawn(self, number: int) -> Drawn:
        """Micro-batch of that number before its images are normalised."""
        size = self.recipe.optimisation.micro_batch
        places = [_place(self.seed, number * size + i, len(self.corpus)) for i in range(size)]
        images, stamps, patch_size = self._at_once(places, number)
        grid, missing = self._tokens(images, patch_size)
        if not images or bool(missing.all(1).any()):  # a window of which nothing can be encoded is drawn again
            images, stamps, patch_size = self._one_by_one(places, number)
            grid, missing = self._tokens(images, patch_size)
        drawn = [draw_roles(self.recipe.masking, grid, missing, self.seed, places, number, view) for view in range(2)]
        scales = {name: self._scales[name] for name in images} if self._scales else {}
        return Drawn(images, scales, stamps, grid, torch.stack(drawn), number)  # roles (2, B, N)

    @cached_property
    def _scales(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Factors and shifts of all modalities; none of official inputs."""
        scaling, statistics = self.recipe.normalisation, self.recipe.statistics
        return {} if scaling == "official" else {name: rescaling(scaling, statistics, name) for name in MODALITIES}

    def _start(self, number: int, smallest: int) -> tuple[np.random.Generator, int, int, int]:
        """The generator of a micro-batch, of its number alone, and the crop that was drawn first, for all samples."""
        generator = np.random.default_rng([self.seed, number])
        return generator, *self.crops.draw(generator, smallest)

    def _one_by_one(self, places: Sequence[int], number: int) -> tuple[dict[str, Tensor], Tensor, int]:
        """Windows of any corpus, stacked; their timestamps and patch size."""
        smallest = min(min(self.corpus.size(place)) for place in places)
        generator, patch_size, edge, dates = self._start(number, smallest)
        samples = [self._crop(place, patch_size, edge, dates, generator) for place in places]
        return *collate(samples), patch_size

    def _at_once(self, places: Sequence[int], number: int) -> tuple[dict[str, Tensor], Tensor, int]:
        """The first window of each place, cut all at once; no image where a corpus cannot do so."""
        if not isinstance(self.corpus, ChipsInMemory):
            return {}, torch.empty(0), 1
        chosen = np.array(places)
        sizes = self.corpus.sizes(chosen)  # (B, 2)
        generator, patch_size, edge, _ = self._start(number, int(sizes.min()))
        pixels = patch_size * edge
        rows, columns = generator.integers(0, sizes - pixels + 1).T  # what one draw after another gives
        found = self.corpus.windows(chosen, rows, columns, pixels)
        images = {} if found is None else {SENTINEL2.name: torch.from_numpy(found)}
        return images, torch.from_numpy(self.corpus.timestamps).repeat(len(places), 1, 1), patch_size

    def _tokens(self, images: Mapping[str, Tensor], patch_size: int) -> tuple[TokenGrid, Tensor]:
        """The grid of images, and (B, N) bool, True = the token was not observed."""
        shapes = tuple((name, tuple(image.shape[1:4])) for name, image in images.items())
        grid, raw = _grid(shapes, self.recipe.tokenization, patch_size), dict(images)
        for name, image in images.items():
            if image.dtype == torch.uint16:
                gaps = torch.from_numpy(image.numpy() == UNOBSERVED)
                if not bool(gaps.any()):  # such images come alone
                    return grid, torch.zeros(len(image), len(grid), dtype=torch.bool)
                raw[name] = gaps * MISSING
        return grid, observed(raw, grid)[1] if raw else torch.empty(0)

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


class Draws(Dataset[Drawn]):
    """Micro-batches as they are drawn: what processes that load data hand to the one that has the model.

    Args:
        batches: of the run.
    """

    def __init__(self, batches: MicroBatches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        """How many there are."""
        return len(self.batches)

    def __getitem__(self, number: int) -> Drawn:
        """Micro-batch of that number."""
        return self.batches.drawn(number)


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


def collate(samples: Sequence[Sample]) -> tuple[dict[str, Tensor], Tensor]:
    """Brings samples to one length and the same modalities and stacks them, as they are.

    What a sample lacks is `MISSING`; dates behind its end repeat its last one. A modality that no sample has is left
    out.

    Returns:
        Modality name -> (B, H, W, T, C) raw values, and (B, T, 3) timestamps.
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
        images[name] = torch.from_numpy(stacked)
    return images, torch.from_numpy(stamps)


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
