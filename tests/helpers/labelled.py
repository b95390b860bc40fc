"""Labelled sets in memory, for tests of what reads them."""

from dataclasses import dataclass, field

import numpy as np

from olmoearth_nb import Batch, Sample


@dataclass
class InMemorySet:
    """A `LabelledSet` of images that are given."""

    images: np.ndarray
    answers: np.ndarray
    groups: np.ndarray
    classes: tuple = ()
    unit: str = ""
    split: np.ndarray | None = None
    name: str = "twin"
    notes: tuple = ("made for a test",)
    months: np.ndarray | None = None
    asked: list = field(default_factory=list)

    @property
    def ids(self):
        return [f"place {number}" for number in range(len(self))]

    def __len__(self):
        return len(self.answers)

    def samples(self, numbers, modalities=("sentinel2_l2a",)):
        self.asked.append(len(numbers))
        months = np.full(len(self), 6) if self.months is None else self.months
        return [Sample({"sentinel2_l2a": self.images[n]}, [[1, months[n], 2020]], f"place {n}") for n in numbers]

    def batch(self, numbers, modalities, /):
        return Batch.from_samples(self.samples(numbers, modalities))


def bright(places=48, classes=3, noise=60.0, per_group=2, real=False, seed=0):
    """Chips of 8 x 8 px whose class, or value, is in the brightness of B08 beside B04."""
    generator = np.random.default_rng(seed)
    groups = np.arange(places) // per_group
    answers = groups % classes if not real else generator.uniform(0, 10, places)
    images = generator.normal(1000, 30, (places, 8, 8, 1, 12))
    step = 400 if not real else 100
    images[..., 3] += (step * answers + generator.normal(0, noise, places))[:, None, None, None]
    names = () if real else tuple("abcdef"[:classes])
    return InMemorySet(images.astype(np.float32), answers.astype(float if real else int), groups, names, "m" * real)
