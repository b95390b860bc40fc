"""What two labelled sets have in common: places whose pixels are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.sample import Sample

_AT_ONCE = 64
"""Places that are read at once."""


def in_common(one: LabelledSet, other: LabelledSet, modalities: tuple[str, ...]) -> list[tuple[str, str]]:
    """The places of which both sets hold the same pixels, whatever their files are called.

    Places that were cut or resampled differ, and are not noticed. Those that show a single value, such as "not
    observed", are not compared. Every place is read, unless those of the two sets have different sizes or dates.

    Args:
        one: a set.
        other: another one.
        modalities: sensors that both have.

    Returns:
        The ids of each such place in the first and in the second set.
    """
    first = [labelled.samples(np.zeros(1, np.int64), modalities)[0] for labelled in (one, other)]
    sizes = [[sample.images[name].shape for name in modalities] for sample in first]
    if sizes[0] != sizes[1]:
        return []
    known = {digest: name for name, digest in _digests(one, modalities)}
    return [(known[digest], name) for name, digest in _digests(other, modalities) if digest in known]


def _digests(labelled: LabelledSet, modalities: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Id and checksum of the pixels of each place that can be told from others."""
    for start in range(0, len(labelled), _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, len(labelled)))
        for number, sample in zip(numbers.tolist(), labelled.samples(numbers, modalities), strict=True):
            digest = _digest(sample, modalities)
            if digest is not None:
                yield labelled.ids[number], digest


def _digest(sample: Sample, modalities: tuple[str, ...]) -> bytes | None:
    """Checksum of a place's pixels; None where they are one value."""
    images = [np.ascontiguousarray(sample.images[name], np.float32) for name in modalities]
    if all(image.min() == image.max() for image in images):
        return None
    found = hashlib.sha256()
    for image in images:
        found.update(image.tobytes())
    return found.digest()
