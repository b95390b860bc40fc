"""What a model gives for coalitions of players: the bands of those who are in it stay, the others are removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import Removal, without
from olmoearth_nb.sample import Batch

Output = Callable[[Batch, np.ndarray], Tensor]
"""(R changed samples, (R,) which sample of the original batch each of them is) -> (R, ...) what is explained."""

VALUES = 1 << 22
"""Pixel values of all changed samples that pass an encoder together: 16 MiB, and some ten times that inside of it."""

ROWS = 2048
"""Changed samples that pass together at most."""

PATIENCE = 5.0
"""Seconds after which a bar shows how far the work is."""


def of_coalitions(
    output: Output, batch: Batch, players: Players, removal: Removal, coalitions: np.ndarray
) -> Iterator[np.ndarray]:
    """What a model gives for coalitions, sample by sample, so that never more than one sample's are in memory.

    Args:
        output: what is explained, such as `outputs.embedding`.
        batch: the samples.
        players: whose bands are there or removed.
        removal: what takes their place.
        coalitions: (K, n) bool, True = in it.

    Yields:
        (draws, K, ...) float64 of each sample in turn.

    Raises:
        ValueError: if a player was not observed in a sample, or the background does not fit.
    """
    players.require_in(batch)
    stand_ins = removal.of_each(batch, players)
    present = torch.from_numpy(coalitions)
    total = removal.draws * len(coalitions)
    rows = int(np.clip(VALUES // max(image[0].numel() for image in batch.images.values()), 1, ROWS))
    for sample, stand_in in if_slow(enumerate(stand_ins), "removing bands", len(batch)):
        found = []
        for piece in torch.arange(total).split(rows):
            draw, coalition = piece // len(coalitions), piece % len(coalitions)
            repeated = Batch(
                {name: image[sample].expand(len(piece), *image.shape[1:]) for name, image in batch.images.items()},
                batch.timestamps[sample].expand(len(piece), -1, -1),
            )
            changed = without(repeated, players, present[coalition], stand_in[draw])
            with torch.inference_mode():
                found.append(output(changed, np.full(len(piece), sample)).double().cpu().numpy())
        yield np.concatenate(found).reshape(removal.draws, len(coalitions), *found[0].shape[1:])


Item = TypeVar("Item")


def if_slow(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a bar once they have taken longer than `PATIENCE`.

    Args:
        items: what is worked on.
        what: the work, for the bar.
        total: number of items, where they have no length.
    """
    from rich.progress import Progress

    start, bar, count = time.monotonic(), None, total or len(items)  # type: ignore[arg-type]
    with ExitStack() as stack:
        for number, item in enumerate(items, 1):
            yield item
            if bar is None and time.monotonic() - start > PATIENCE and number < count:
                bar = stack.enter_context(Progress(transient=True))
                task = bar.add_task(what, total=count)
            if bar is not None:
                bar.update(task, completed=number)
