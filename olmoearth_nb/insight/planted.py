"""Tasks whose truth is known: answers that depend on a pair of players, read by an encoder and a small network.

Bands of real images tell of each other, so that there no pair is *the* pair. Here the bands of each player come from an
image of their own: all values are real, and no player says anything of another. An answer is then planted: whether two
players are on the same side of their medians (an exclusive or: neither alone says anything), or a sum of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.official import OfficialDataset, read_tile
from olmoearth_nb.evaluation.network import Fitted, fitted_network
from olmoearth_nb.evaluation.probes import Split
from olmoearth_nb.insight import outputs
from olmoearth_nb.insight.coalitions import Output
from olmoearth_nb.insight.interactions import ShapleyInteraction, shapley
from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import by_draws, without
from olmoearth_nb.io.shipped import data_dir
from olmoearth_nb.sample import Batch

SLOPE = 2.0
"""Change of the log odds with each player of `answers_apart`, in standard deviations of its rank."""

BACKGROUND = 500
"""Rows that removed bands are drawn from."""

PASS = 1000
"""Rows that pass an encoder together."""


def shipped_patches(patch_size: int = 4) -> Batch:
    """All patches of one date, wholly observed, of the simulated tiles that come with the package.

    Args:
        patch_size: edge in pixels.

    Returns:
        Sentinel-2 alone, normalised, (B, P, P, 1, C), all with the same date.
    """
    tiles, parts = OfficialDataset(data_dir() / "world" / "tiles"), []
    for number in range(len(tiles)):
        image = Batch.from_samples(read_tile(tiles.path(number), (SENTINEL2.name,))).images[SENTINEL2.name][0]
        cut = image.unflatten(0, (-1, patch_size)).unflatten(2, (-1, patch_size))  # (rows, P, columns, P, T, C)
        cut = cut.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)  # (rows columns T, P, P, C)
        parts.append(cut[~(cut == MISSING).flatten(1).any(1)].unsqueeze(3))
    every = torch.cat(parts)
    return Batch({SENTINEL2.name: every}, torch.tensor([[1, 6, 2020]]).expand(len(every), 1, 3))


def mixed(batch: Batch, players: Players, count: int, seed: int = 0) -> Batch:
    """Samples of which the bands of each player come from a sample of their own, drawn with replacement.

    Args:
        batch: samples of which nothing is missing; dates are those of the first.
        players: all bands that no player holds come together from one more sample.
        count: how many are made.
        seed: of the draws.
    """
    image = batch.images[players.modality]
    if (image == MISSING).any():
        raise ValueError("planted tasks need samples of which everything was observed; leave the others out")
    generator, player = np.random.default_rng(seed), players.player_of_channel
    made = image.new_empty(count, *image.shape[1:])
    for number in range(-1, len(players)):
        drawn = torch.from_numpy(generator.integers(0, len(image), count))
        made[..., player == number] = image[drawn][..., player == number]
    return Batch({players.modality: made}, batch.timestamps[:1].expand(count, -1, -1))


def levels(batch: Batch, players: Players) -> np.ndarray:
    """(B, n) mean of each player's bands over pixels and dates, as ranks turned into a normal distribution."""
    from scipy.special import ndtri

    image = batch.images[players.modality].double().flatten(1, -2).mean(1).numpy()  # (B, C)
    values = np.stack([image[:, players.player_of_channel == player].mean(1) for player in range(len(players))], 1)
    ranks = values.argsort(0, kind="stable").argsort(0, kind="stable")
    return np.asarray(ndtri((ranks + 0.5) / len(ranks)))


def answers_together(found: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """(B,) 1 where the two players are on different sides of their medians, else 0.

    Args:
        found: (B, n) `levels`.
        pair: numbers of two players.
    """
    return ((found[:, pair[0]] > 0) ^ (found[:, pair[1]] > 0)).astype(np.int64)


def answers_apart(found: np.ndarray, pair: tuple[int, int], seed: int = 0) -> np.ndarray:
    """(B,) 0 or 1, drawn with log odds that are the sum of both players' levels times `SLOPE`: no interaction.

    Args:
        found: (B, n) `levels`.
        pair: numbers of two players.
        seed: of the draws.
    """
    odds = SLOPE * (found[:, pair[0]] + found[:, pair[1]])
    return (np.random.default_rng(seed).uniform(size=len(odds)) < 1 / (1 + np.exp(-odds))).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Reader:
    """An encoder, or raw bands, and a network that was fitted to one task.

    Attributes:
        output: what the network reads.
        probe: the network.
        accuracy: on rows that neither trained nor chose.
        batch: those rows.
        answers: theirs.
        background: rows that trained.
    """

    output: Output
    probe: Fitted
    accuracy: float
    batch: Batch
    answers: np.ndarray
    background: Batch

    def explain(
        self, players: Players, samples: int = 8, draws: int = 1, output: Output | None = None
    ) -> ShapleyInteraction:
        """Exact interactions of the logit of the right answer, of the first tested rows.

        Args:
            players: see `Players`.
            samples: rows that are explained.
            draws: of each removal.
            output: in place of the reader's own, such as that of an encoder without training.
        """
        chosen = rows_of(self.batch, slice(samples))
        explained = outputs.logit(output or self.output, self.probe.scores, self.answers[:samples])
        return shapley(explained, chosen, players, by_draws(self.background, draws))

    def accuracy_without(self, players: Players, gone: tuple[int, ...], seed: int = 0) -> float:
        """Accuracy on the tested rows where some players are removed by a draw.

        Args:
            players: see `Players`.
            gone: numbers of the players that are removed.
            seed: of the draws.
        """
        present = torch.ones(len(self.batch), len(players), dtype=torch.bool)
        present[:, list(gone)] = False
        stand_in = by_draws(self.background, 1, seed).stand_ins(self.batch, players)[:, 0]
        x = features(self.output, without(self.batch, players, present, stand_in))
        return float((self.probe.predict(x) == self.answers).mean())


def fitted_reader(output: Output, batch: Batch, answers: np.ndarray, x: np.ndarray | None = None) -> Reader:
    """A network that is fitted to two thirds of the rows, chosen on a sixth, and tested on the last.

    Args:
        output: (R, D) features.
        batch: the rows.
        answers: (B,) classes.
        x: (B, D) `features` of the batch, if they are known already.
    """
    x = features(output, batch) if x is None else x
    first, second = len(x) * 4 // 6, len(x) * 5 // 6
    train, valid, test = (slice(first), slice(first, second), slice(second, len(x)))
    fit, check = (Split(x[part], answers[part], np.arange(len(x))[part]) for part in (train, valid))
    probe = fitted_network(fit, check)
    right = float((probe.predict(x[test]) == answers[test]).mean())
    return Reader(
        output, probe, right, rows_of(batch, test), answers[test], rows_of(batch, slice(min(BACKGROUND, first)))
    )


def features(output: Output, batch: Batch) -> np.ndarray:
    """(B, D) what an output gives for a batch, some rows at a time."""
    with torch.inference_mode():
        parts = [
            output(rows_of(batch, slice(start, start + PASS)), np.arange(start, min(start + PASS, len(batch))))
            for start in range(0, len(batch), PASS)
        ]
    return torch.cat(parts).float().cpu().numpy()


def band_means(modality_name: str) -> Output:
    """Raw bands in place of an encoder: (R, T C) their means over pixels."""
    return lambda batch, _: batch.images[modality_name].mean((1, 2)).flatten(1)


def rows_of(batch: Batch, rows: slice | Tensor) -> Batch:
    """Some samples of a batch."""
    return Batch({name: image[rows] for name, image in batch.images.items()}, batch.timestamps[rows])
