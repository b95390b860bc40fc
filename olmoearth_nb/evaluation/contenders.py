"""Models that are compared, opened: each with its seeds, and random twins beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.weights.load import open_encoder, random_encoder
from olmoearth_nb.weights.trained import is_trained, weights_hash

SEEDS = 3
"""Random twins of each model, where no model has several seeds."""


class Contender(NamedTuple):
    """A row of a table.

    Attributes:
        name: in tables.
        encoders: one for each seed.
        kind: "model", or "random" for random weights.
        of: of a random twin, the models that it is like.
    """

    name: str
    encoders: list[Encoder]
    kind: str = "model"
    of: str = ""


def open_contenders(rows: Mapping[str, Sequence[str]], seeds: int = SEEDS) -> list[Contender]:
    """Models, then their random twins, each kind of twin once.

    Args:
        rows: name -> the models that are its seeds: names, folders or encoder files.
        seeds: of each twin, where no row has several; else as many as that has, so that they can be compared.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: for an unknown name, or files that are not a model's.
        DownloadError: if a published model cannot be had.
    """
    found: list[Contender] = []
    twins: dict[str, tuple[list[Encoder], list[str]]] = {}
    several = max(map(len, rows.values()))
    for name, sources in rows.items():
        encoders = [open_encoder(source) for source in sources]
        found.append(Contender(name, encoders))
        like = _beginning(sources[0], encoders[0])
        random = [random_encoder(like, seed) for seed in range(several if several > 1 else seeds)]
        twins.setdefault(weights_hash(random[0]), (random, []))[1].append(name)
    for random, of in twins.values():
        found.append(Contender(f"random, as {of[0]}", random, "random", ", ".join(of)))
    return found


def _beginning(source: str, encoder: Encoder) -> str | ModelConfig:
    """What a model's random twin is made from: what says how it was trained, or else its configuration."""
    path = Path(source)
    return encoder.config if path.is_file() or (path.is_dir() and not is_trained(path)) else source
