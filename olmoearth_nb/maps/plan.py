"""All that the pixels of a map depend on, written beside it so that a killed run goes on with the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from olmoearth_nb.georeference import Georeference
from olmoearth_nb.maps.coding import (
    OF_HEADS,
    OF_NONE,
    OUTPUTS,
    Coding,
    components,
    of_classes,
    of_embeddings,
    of_picture,
    of_probabilities,
    of_values,
)
from olmoearth_nb.maps.probe import Head, digest, sensors
from olmoearth_nb.maps.reading import Reading, embeddings, linear
from olmoearth_nb.maps.windows import BLENDINGS, Tiling
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.precision import FULL, check_precision, in_precision
from olmoearth_nb.scene import Scene
from olmoearth_nb.tokenization import check_patch_size
from olmoearth_nb.weights.trained import weights_hash

PATCHES = 16
"""Default edge of a window in patches."""

_SAMPLED = 16
"""Windows from all over a scene that decide how embeddings become bytes."""

_COMPARED, _EDGE = 4, 64
"""How many windows of so many pixels say whether a scene is the one that a map was begun with."""


@dataclass(frozen=True)
class Settings:
    """What a map shows, and how its windows lie.

    Attributes:
        output: one of `coding.OUTPUTS`.
        patch_size: P.
        window: edge of what the encoder sees at once, in pixels.
        stride: from one window to the next in pixels; as long as the window, none overlap.
        blending: of windows that overlap; one of `windows.BLENDINGS`.
        precision: of the encoder's products; one of `model.precision.PRECISIONS`.
    """

    output: str
    patch_size: int
    window: int
    stride: int
    blending: str
    precision: str = FULL

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ValueError(f"output is one of {', '.join(OUTPUTS)}, got {self.output!r}")
        check_patch_size(self.patch_size)
        p = self.patch_size
        if self.window < p or self.window % p:
            raise ValueError(f"a window is a multiple of the patch size, {p} px, got window={self.window}")
        if not 0 < self.stride <= self.window or self.stride % p:
            raise ValueError(
                f"a stride is a multiple of the patch size, {p} px, and at most the window, {self.window} px, got "
                f"stride={self.stride}"
            )
        if self.blending not in BLENDINGS:
            raise ValueError(f"blending is one of {', '.join(BLENDINGS)}, got {self.blending!r}")
        check_precision(self.precision)


def settings(
    head: Head | None,
    output: str = "",
    patch_size: int | None = None,
    window: int | None = None,
    stride: int | None = None,
    blending: str = BLENDINGS[0],
    precision: str = FULL,
) -> Settings:
    """Settings with everything that was left open.

    Args:
        head: what tells classes, if anything does.
        output: by default what `coding.OF_HEADS` or `coding.OF_NONE` has first.
        patch_size: the head's, else 4.
        window: 16 patches.
        stride: half a window, in whole patches.
        blending: of windows that overlap.
        precision: of products.

    Raises:
        ValueError: for what cannot be.
    """
    able = OF_HEADS[head.kind] if head else OF_NONE
    output = output or able[0]
    if output in OUTPUTS and output not in able:
        told = f"a head of {head.kind} shows {' or '.join(able)}" if head else f"{output} need a head: give head="
        raise ValueError(f"{told}; say output={able[0]!r}, not {output!r}")
    p = patch_size or (head.patch_size if head else 4)
    check_patch_size(p)
    window = PATCHES * p if window is None else window
    stride = max(1, window // p // 2) * p if stride is None else stride
    return Settings(output, p, window, stride, blending, precision)


@dataclass(frozen=True, eq=False)
class Plan:
    """A map that is to be made.

    Attributes:
        settings: what it shows.
        about: all that its pixels depend on, as JSON holds it.
        coding: how numbers are stored.
        basis: (3, D) and (3,) of a picture's principal components; else None.
    """

    settings: Settings
    about: Mapping[str, Any]
    coding: Coding
    basis: tuple[np.ndarray, np.ndarray] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        basis = None if self.basis is None else [part.tolist() for part in self.basis]
        return {"settings": vars(self.settings), "about": self.about, "coding": self.coding.to_dict(), "basis": basis}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Plan:
        """What `to_dict` wrote, after JSON."""
        basis = given["basis"] and tuple(np.array(part) for part in given["basis"])
        return cls(Settings(**given["settings"]), given["about"], Coding.from_dict(given["coding"]), basis)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.tiling.shape

    @property
    def tiling(self) -> Tiling:
        """Its windows."""
        return _tiling(self.about["shape"], self.settings, self.about["cells"])

    @property
    def georeference(self) -> Georeference:
        """Of the map's pixels, the cells."""
        a, b, c, d, e, f = self.about["transform"]
        k = self.settings.patch_size / self.about["cells"]
        return Georeference(self.about["crs"], (a * k, b * k, c, d * k, e * k, f))

    def reading(self, encoder: Encoder, head: Head | None) -> Reading:
        """What reads windows for this map."""
        p = self.settings.patch_size
        if head is not None:
            return Reading(encoder, p, head.cells, len(head.classes), head.show)
        if self.basis is not None:
            return Reading(encoder, p, 1, 3, linear(*self.basis))
        return Reading(encoder, p, 1, encoder.config.width, embeddings)

    def tags(self) -> dict[str, str]:
        """What the file says of how it was made."""
        given = {**vars(self.settings), **self.about}
        shown = {name: given[name] for name in given if name not in ("shape", "crs", "transform", "pixels")}
        return {
            name.upper(): value if isinstance(value, str) else json.dumps(value)
            for name, value in shown.items()
            if value is not None
        }


def _tiling(shape: tuple[int, int], settings: Settings, cells: int = 1) -> Tiling:
    """Windows over the map of a scene; pixels that do not fill a patch at its edges are left out.

    Args:
        shape: height and width of the scene in pixels.
        settings: of the map.
        cells: edge of a patch in pixels of the map.
    """
    rows, columns, window, stride = (
        n // settings.patch_size * cells for n in (*shape, settings.window, settings.stride)
    )
    return Tiling((rows, columns), window, stride, settings.blending)


def described(model: str, encoder: Encoder, scene: Scene, head: Head | None, settings: Settings) -> dict[str, Any]:
    """All that a map's pixels depend on beside its settings, as JSON holds it.

    Raises:
        ValueError: if the scene does not know its place, is smaller than a patch, has no sensor or one that the model
            does not know, or the head is of other embeddings.
    """
    from olmoearth_nb.points.features import require_place

    require_place(scene)
    assert scene.georeference is not None
    if min(scene.shape) < settings.patch_size:
        raise ValueError(f"{scene.title} has {scene.shape[0]}x{scene.shape[1]} px, less than a patch")
    if not sensors(scene):
        raise ValueError(f"{scene.title} has no sensor to encode, only {list(scene.modalities)}")
    if absent := [name for name in sensors(scene) if name not in encoder.config.modalities]:
        raise ValueError(f"the model has no weights for {absent}; it has {list(encoder.config.modalities)}")
    if head is not None:
        head.require_fit(encoder, scene, settings.patch_size)
    scene.georeference.pixel_size(*scene.shape)  # raises for a system that nobody knows, or a place off the Earth
    corner = scene.window(0, 0, 1, 1)
    about = {
        "model": model,
        "encoder": weights_hash(encoder),
        "tokenization": encoder.config.tokenization.name,
        "head": None if head is None else head.digest(),
        "cells": 1 if head is None else head.cells,
        "classes": None if head is None else head.classes,
        "source": scene.title,
        "provenance": scene.provenance,
        "notes": scene.notes,
        "modalities": sensors(scene),
        "dates": corner.dates,
        "shape": scene.shape,
        "crs": scene.georeference.crs,
        "transform": scene.georeference.transform,
        "pixels": digest(*_pixels(scene)),
    }
    return json.loads(json.dumps(about))


def _spread(scene: Scene, settings: Settings) -> list[tuple[int, int]]:
    """Corners of all windows in pixels, in an order that spreads them."""
    corners = _tiling(scene.shape, settings).corners()
    order = np.random.default_rng(0).permutation(len(corners))
    return [(corners[i][0] * settings.patch_size, corners[i][1] * settings.patch_size) for i in order]


def _pixels(scene: Scene) -> list[np.ndarray]:
    """The pixels of some windows from all over a scene, whatever a map's settings are."""
    draw, parts = np.random.default_rng(0), []
    for _ in range(_COMPARED):
        row, column = (int(draw.integers(max(1, edge - _EDGE + 1))) for edge in scene.shape)
        sample = scene.window(row, column, _EDGE)
        parts += [sample.images[name] for name in sensors(scene)]
    return parts


def planned(encoder: Encoder, scene: Scene, head: Head | None, settings: Settings, about: Mapping[str, Any]) -> Plan:
    """The plan of a map; how embeddings become bytes is decided by windows from all over the scene.

    Raises:
        ValueError: if nothing was observed anywhere.
    """
    if head is not None:
        made = {"classes": of_classes, "probabilities": of_probabilities, "values": of_values}
        return Plan(settings, about, made[settings.output](head.classes))
    sample = _sample(encoder, scene, settings)
    if settings.output == "embeddings":
        return Plan(settings, about, of_embeddings(sample))
    weight, bias = components(sample)
    return Plan(settings, about, of_picture(sample @ weight.T + bias), (weight, bias))


def _sample(encoder: Encoder, scene: Scene, settings: Settings) -> np.ndarray:
    """(n, D) embeddings of the patches of some windows of which something was observed."""
    reading = Reading(encoder, settings.patch_size, 1, encoder.config.width, embeddings)
    p, parts = settings.patch_size, []
    with in_precision(settings.precision, encoder):
        for row, column in _spread(scene, settings):
            values = reading.window(scene, row // p, column // p, settings.window // p)
            if values is not None:
                parts.append(values[np.isfinite(values).all(2)])
            if len(parts) == _SAMPLED:
                break
    sample = np.concatenate(parts) if parts else np.zeros((0, encoder.config.width), dtype=np.float32)
    if not len(sample):
        raise nothing_observed(scene.title)
    if settings.output == "pca" and len(sample) < 4:
        raise ValueError(f"{scene.title} has {len(sample)} observed patches; three components need at least 4")
    return sample


def nothing_observed(title: str) -> ValueError:
    """The error of a scene of which no patch was observed."""
    return ValueError(
        f"nothing whole was observed in {title}: no patch has any date without a missing pixel, so there is no map"
    )
