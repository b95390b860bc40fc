"""Removal of bands from images, before anything is made of them: the same for every tokenization.

A band that is removed does not go away, since encoders read all of their bands. Something else stands in its place,
and what that is decides what is measured:

* *zero*: 0 after normalisation, which is mean - 2 std of the pretraining data, not the mean. That is what band dropout
  puts there, so that v1.1 has seen it in training, and v1 never has: an encoder that was not trained with it is asked
  about images that do not exist.
* *mean*: the mean of the band over a background of other samples. A band without any variation is rare, too.
* *draws*: the band as another sample of the background shows it, several of them one after the other. Each band is then
  a real one, only that the bands of an image no longer fit each other.

What was not observed stays unobserved, so that the same tokens exist whatever is removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.bands import MISSING, modality
from olmoearth_nb.insight.given import require_batch
from olmoearth_nb.insight.players import Players
from olmoearth_nb.sample import Batch


@dataclass(frozen=True, eq=False)
class Removal:
    """What stands in the place of removed bands; made by `by_zero`, `by_mean` or `by_draws`.

    Attributes:
        name: "zero", "mean" or "draws".
        draws: how many stand-ins there are for each sample.
        background: the samples that they come from; None for zero.
        seed: of the draws.
    """

    name: str
    draws: int = 1
    background: Batch | None = None
    seed: int = 0

    def stand_ins(self, batch: Batch, players: Players) -> Tensor:
        """What may stand in the place of an image's bands, of all samples at once; see `of_each`.

        Returns:
            (B, draws, H, W, T, C), H = W = T = 1 where a band has one value.
        """
        return torch.stack(list(self.of_each(batch, players)))

    def of_each(self, batch: Batch, players: Players) -> Iterator[Tensor]:
        """What may stand in the place of an image's bands, sample by sample.

        Args:
            batch: the samples whose bands will be removed.
            players: which bands may be removed; those that no player holds need not be in the background.

        Yields:
            (draws, H, W, T, C) of each sample, H = W = T = 1 where a band has one value. Of draws, those of each sample
            follow from the seed and its place in the batch, and none is the sample itself.

        Raises:
            ValueError: if the background has no such sensor, images of another shape, or too few other samples.
        """
        image, name = batch.images[players.modality], players.modality
        if self.background is None:
            yield from image.new_zeros(len(image), 1, 1, 1, 1, image.shape[-1])
            return
        if name not in self.background.images:
            raise ValueError(f"the background has no {modality(name).title}, only {', '.join(self.background.images)}")
        others = self.background.images[name].to(image.device)
        mean = _band_means(others, players)  # (C,)
        if self.name == "mean":
            yield from mean.expand(len(image), 1, 1, 1, 1, -1)
            return
        if others.shape[1:] != image.shape[1:]:
            raise ValueError(
                f"draws need a background of the same height, width, dates and bands as the samples, "
                f"{tuple(image.shape[1:])}, got {tuple(others.shape[1:])}"
            )
        for drawn in self._drawn(image, others):
            chosen = others[drawn]
            yield torch.where(chosen == MISSING, mean, chosen)

    def _drawn(self, image: Tensor, others: Tensor) -> Tensor:
        """(B, draws) numbers of background samples, each of a sample once and never itself."""
        chosen = np.empty((len(image), self.draws), np.int64)
        for number, one in enumerate(image):
            order = np.random.default_rng([self.seed, number]).permutation(len(others))
            # from the front until there are enough: comparing with all of a large background would take long
            fit = (other for other in order.tolist() if not torch.equal(others[other], one))
            drawn = [other for _, other in zip(range(self.draws), fit, strict=False)]
            if len(drawn) < self.draws:
                raise ValueError(f"{self.draws} draws need as many other samples, the background has {len(drawn)}")
            chosen[number] = drawn
        return torch.from_numpy(chosen).to(image.device)


def by_zero() -> Removal:
    """Removed bands are 0 after normalisation: mean - 2 std of the pretraining data, as in band dropout."""
    return Removal("zero")


def by_mean(background: Batch) -> Removal:
    """Removed bands are their mean over all observed pixels and dates of other samples.

    Args:
        background: normalised samples of any size.

    Raises:
        ValueError: for an empty background, or one that is no batch.
    """
    require_batch(background, "background")
    return Removal("mean", 1, background)


def by_draws(background: Batch, draws: int = 4, seed: int = 0) -> Removal:
    """Removed bands are those of other samples, drawn without replacement; a pixel missing there takes the band's mean.

    Args:
        background: normalised samples of the same size and number of dates.
        draws: how many are drawn for each sample. All coalitions of a sample see the same ones.
        seed: of the draws.

    Raises:
        ValueError: for an empty background, or one that is no batch, or less than one draw.
    """
    require_batch(background, "background")
    if draws < 1:
        raise ValueError(f"there must be at least one draw, got {draws}")
    return Removal("draws", draws, background, seed)


def without(batch: Batch, players: Players, present: Tensor, stand_in: Tensor) -> Batch:
    """A batch in which the players that are not present are removed, pixel by pixel, before tokenization.

    Args:
        batch: B samples.
        players: which bands belong together.
        present: (B, n) bool, False = removed.
        stand_in: (B, H, W, T, C) or anything that fits it: what takes the place of removed bands.
    """
    image = batch.images[players.modality]
    player = torch.from_numpy(players.player_of_channel).to(image.device)  # (C,)
    stays = present.to(image.device)[:, player] | (player < 0)  # (B, C)
    kept = stays[:, None, None, None, :] | (image == MISSING)
    return Batch({**batch.images, players.modality: torch.where(kept, image, stand_in)}, batch.timestamps)


def _band_means(images: Tensor, players: Players) -> Tensor:
    """(C,) mean of each band over what was observed of (B, H, W, T, C); 0 of a band that was not, and stays."""
    known = images != MISSING
    rows = known.flatten(0, -2).sum(0)
    absent = (rows == 0).cpu().numpy() & (players.player_of_channel >= 0)
    if absent.any():
        names = [modality(players.modality).band_names[channel] for channel in absent.nonzero()[0]]
        raise ValueError(f"the background never observed {', '.join(names)}: it has no mean to put there")
    return (torch.where(known, images, 0).flatten(0, -2).double().sum(0) / rows.clamp(min=1)).to(images.dtype)
