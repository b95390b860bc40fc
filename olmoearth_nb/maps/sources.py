"""What a map is made of, as objects, and as names by which workers elsewhere open the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olmoearth_nb.data.load import load_scene
from olmoearth_nb.maps.probe import Head, load_probe
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.scene import Scene
from olmoearth_nb.weights.load import open_encoder


@dataclass(frozen=True, eq=False)
class Opened:
    """What a map is made of, as objects.

    Attributes:
        encoder: in evaluation mode.
        scene: to read.
        head: what tells classes; None for embeddings.
    """

    encoder: Encoder
    scene: Scene
    head: Head | None


@dataclass(frozen=True)
class Sources:
    """What a map is made of, as workers elsewhere open it; all of them must see the same files under these paths.

    Attributes:
        model: see `open_encoder`.
        data: see `load_scene`.
        options: of its loader.
        head: what `save_probe` wrote; empty for none.
    """

    model: str
    data: str
    options: Mapping[str, Any]
    head: str = ""

    def open(self) -> Opened:
        """The objects."""
        head = load_probe(self.head) if self.head else None
        return Opened(open_encoder(self.model).eval(), load_scene(self.data, **self.options), head)


def named(model: Any, data: Any, head: Any, options: Mapping[str, Any]) -> Sources | None:
    """What was given, as paths and names; None if any of it is an object."""
    parts = [part for part in (model, data, head) if part is not None]
    if not all(isinstance(part, (str, os.PathLike)) for part in parts):
        return None
    known_model, known_data = (
        str(Path(part).resolve()) if Path(part).exists() else os.fspath(part) for part in (model, data)
    )
    return Sources(known_model, known_data, dict(options), "" if head is None else str(Path(head).resolve()))


def given(model: Any, data: Any, head: Any, options: Mapping[str, Any]) -> Opened:
    """What was given as objects, and the rest opened."""
    encoder = model if isinstance(model, Encoder) else open_encoder(model)
    scene = load_scene(data, **options) if isinstance(data, (str, os.PathLike)) else data
    return Opened(encoder.eval(), scene, load_probe(head) if isinstance(head, (str, os.PathLike)) else head)
