"""What a map is made of, as objects, and as names by which workers elsewhere open the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olmoearth_nb.data.load import load_scene
from olmoearth_nb.maps.fitted import FittedHead, open_fitted
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
        model: see `open_encoder`; empty for that of the head.
        data: see `load_scene`.
        options: of its loader.
        head: a folder of `finetune`, or what `save_probe` wrote; empty for none.
    """

    model: str
    data: str
    options: Mapping[str, Any]
    head: str = ""

    def open(self) -> Opened:
        """The objects."""
        return opened(self.model or None, self.data, self.head or None, self.options)


def named(model: Any, data: Any, head: Any, options: Mapping[str, Any]) -> Sources | None:
    """What was given, as paths and names; None if any of it is an object."""
    if not all(part is None or isinstance(part, (str, os.PathLike)) for part in (model, data, head)):
        return None
    texts = [os.fspath(part) if part else "" for part in (model, data, head)]
    paths = [str(Path(text).resolve()) if text and Path(text).exists() else text for text in texts]
    return Sources(paths[0], paths[1], dict(options), paths[2])


def opened(model: Any, data: Any, head: Any, options: Mapping[str, Any]) -> Opened:
    """What was given, as objects.

    Args:
        model: a source of `open_encoder`, or an encoder; None for that of the head.
        data: a source of `load_scene`, or a scene.
        head: a folder of `finetune`, what `save_probe` wrote, a head, or None.
        options: of the scene's loader.

    Raises:
        FileNotFoundError: if one of them is not there.
        ValueError: if there is neither a model nor a head that brings one, or one of them cannot be read.
    """
    scene = load_scene(data, **options) if isinstance(data, (str, os.PathLike)) else data
    encoder = open_encoder(model) if isinstance(model, (str, os.PathLike)) else model
    if isinstance(head, (str, os.PathLike)):
        if Path(head).is_dir():
            encoder, head = open_fitted(head, encoder)
        else:
            head = load_probe(head)
    if encoder is None and isinstance(head, FittedHead):
        encoder = head.fitted.tuned.encoder
    if encoder is None:
        raise ValueError("give model=; only a head of finetune brings its own")
    return Opened(encoder.eval(), scene, head)
