"""Fits small enough for tests, in this process or, as a script, in one that is killed while it writes."""

import sys
from pathlib import Path

import numpy as np
import torch
from half_saved import die_in_save
from labelled import InMemorySet
from tuned import tuned

from olmoearth_nb.finetune.engine import Engine
from olmoearth_nb.finetune.places import Places
from olmoearth_nb.finetune.ways import Settings

S2 = ("sentinel2_l2a",)
TRAIN, VALID, TEST = np.arange(24), np.arange(24, 36), np.arange(36, 48)
EPOCHS = 6


def encoder(drop_path=0.5):
    """A mini encoder with random weights that skips branches while it learns."""
    return tuned(drop_path=drop_path).encoder


def chips(kind="classes", pixels=False, places=48, seed=0):
    """Places of 8 x 8 px whose brightness is the answer: of the place, or of its left and right half."""
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 3, (places, 2)) if pixels else np.arange(places)[:, None] % 3 * [[1, 1]]
    by_pixel = np.repeat(levels, 4, 1)[:, None].repeat(8, 1)  # (n, 8, 8)
    images = generator.normal(600 + 1500 * by_pixel[..., None, None], 60, (places, 8, 8, 1, 12)).astype(np.float32)
    answers = by_pixel if pixels else levels[:, 0]
    if kind == "values":
        return InMemorySet(images, 2000.0 + 5 * answers, np.arange(places) // 2, (), "m")
    if kind == "truths":
        answers = np.stack([answers > 0, answers > 1], 1).astype(int)
    return InMemorySet(images, answers, np.arange(places) // 2, ("dark", "grey", "bright")[: 2 + (kind == "classes")])


def engine(way="layer decay", folder=None, labelled=None, valid=VALID, drop_path=0.5, **changes):
    """An engine on three batches an epoch."""
    settings = Settings(way, **{"epochs": EPOCHS, "batch": 8, "rate": 3e-3, **changes})
    places = Places(labelled or chips(), S2)
    return Engine(encoder(drop_path), places, TRAIN, valid, settings, folder)


def state(tuned):
    """All numbers of a fitted model."""
    return {name: value.clone() for name, value in tuned.state_dict().items()}


def differing(one, other):
    """Names of what is not the same bit for bit."""
    return [name for name in one.keys() | other.keys() if not torch.equal(one[name], other[name])]


if __name__ == "__main__":
    torch.set_num_threads(1)
    die_in_save(int(sys.argv[2]))
    engine("full", Path(sys.argv[1])).run()
