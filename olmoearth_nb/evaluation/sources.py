"""What can be embedded: anything that gives batches by number, and lists of samples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from olmoearth_nb.bands import SENTINEL2, modality
from olmoearth_nb.data.series import PixelSeries
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.sample import Batch, Sample


@runtime_checkable
class Source(Protocol):
    """Places by number, such as the scenes of a `World` or the pixels of a `PixelSeries`."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...], /) -> Batch:
        """Some of them as one normalised batch."""
        ...


class Samples:
    """A list of samples as a source, whose samples may differ in size and dates.

    Args:
        samples: what is embedded; their notes stay with them.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.samples)

    def batch(self, numbers: np.ndarray, modalities: tuple[str, ...]) -> Batch:
        """Samples of one shape as a batch."""
        chosen = [self.samples[number] for number in numbers.tolist()]
        return Batch.from_samples([_only(sample, modalities) for sample in chosen])

    def shape(self, number: int) -> tuple[int, ...]:
        """Height, width and number of dates: samples of the same can be stacked."""
        sample = self.samples[number]
        return (*sample.shape, len(sample.timestamps))


def _only(sample: Sample, modalities: tuple[str, ...]) -> Sample:
    """A sample with some of its modalities."""
    absent = [name for name in modalities if name not in sample.images]
    if absent:
        raise ValueError(
            f"{sample.title} has no {', '.join(absent)}; say modalities=, of {', '.join(sample.images)}, which it has"
        )
    return Sample({name: sample.images[name] for name in modalities}, sample.timestamps, sample.title)


def as_source(given: Any) -> Source:
    """What was given as a source.

    Raises:
        ValueError: if it is none, saying what to do.
    """
    if isinstance(given, Source) and not isinstance(given, type):
        return given
    if isinstance(given, list | tuple) and given and all(isinstance(one, Sample) for one in given):
        return Samples(given)
    advice = {
        Sample: "put a sample into a list, or use embed_place for each of its patches",
        Batch: "call the encoder on a batch itself",
        list: "a list holds samples, at least one",
        tuple: "a tuple holds samples, at least one",
        str | os.PathLike: "open a file first, by load_sample or to_samples",
        np.ndarray: "make samples of an array, by to_sample or to_samples",
        Mapping: "make samples of it, by to_sample or to_samples",
    }
    hints = [text for kind, text in advice.items() if isinstance(given, kind)]
    if hasattr(given, "window"):
        hints = hints or ["use embed_place for a scene"]
    hint = (hints or ["make samples of it, by to_sample or to_samples"])[0]
    raise ValueError(
        f"embed reads a list of samples, the pixels of to_samples, or a simulated world, got {type(given).__name__}; "
        f"{hint}"
    )


def sensors_of(source: Source, numbers: np.ndarray) -> tuple[str, ...]:
    """The sensors that are embedded where nobody names them: all of samples and pixels, of others Sentinel-2 alone.

    Args:
        source: the places.
        numbers: of those that are embedded.

    Raises:
        ValueError: if samples have different sensors.
    """
    if isinstance(source, PixelSeries):
        return source.modalities
    if not isinstance(source, Samples):
        return (SENTINEL2.name,)
    by_sensors: dict[frozenset[str], Sample] = {}
    for number in numbers.tolist():
        sample = source.samples[number]
        by_sensors.setdefault(frozenset(_sensors(sample)), sample)
    if len(by_sensors) == 1:
        return _sensors(next(iter(by_sensors.values())))
    one, other = list(by_sensors.values())[:2]
    shared = [name for name in _sensors(one) if all(name in sensors for sensors in by_sensors)]
    raise ValueError(
        f"samples with different sensors: {one.title} has {_listed(_sensors(one))}, {other.title} has "
        f"{_listed(_sensors(other))}; say modalities=, of those that all have ({_listed(shared)})"
    )


def _sensors(sample: Sample) -> tuple[str, ...]:
    """The modalities of a sample that are no maps."""
    return tuple(name for name in sample.images if not modality(name).decode_only)


def _listed(names: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(names) or "none"


def groups(source: Source, numbers: np.ndarray) -> list[np.ndarray]:
    """Positions in `numbers` of places that can be stacked; all of them but for samples of several sizes."""
    if not isinstance(source, Samples):
        return [np.arange(len(numbers))]
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for position, number in enumerate(numbers.tolist()):
        by_shape.setdefault(source.shape(number), []).append(position)
    return [np.array(positions) for positions in by_shape.values()]


def content(source: Source, pieces: Sequence[np.ndarray], modalities: tuple[str, ...]) -> bytes:
    """What tells a source from another: of a world its parameters, of all others their values and dates.

    Args:
        source: the places.
        pieces: numbers of those that are embedded, as they are batched.
        modalities: sensors that are read.
    """
    if isinstance(source, World):
        about = json.dumps(json.loads((source.folder / "world.json").read_text(encoding="utf8"))).encode()
        numbers = np.concatenate([*pieces, np.zeros(0, np.int64)])
        return about + np.ascontiguousarray(numbers, dtype=np.int64).tobytes()
    digest = hashlib.sha256()
    for piece in pieces:
        batch = source.batch(piece, modalities)
        for name, values in (*batch.images.items(), ("timestamps", batch.timestamps)):
            digest.update(repr((name, tuple(values.shape), str(values.dtype))).encode())
            digest.update(np.ascontiguousarray(values.cpu().numpy()).tobytes())
    return digest.digest()
