"""What benchmarks/gpu.py trains on and is scored on: from files, or from one archive that needs no reader of rasters.

The archive holds differences of neighbouring pixels, whose bytes compress to two thirds of the numbers themselves.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.arrays import observe, to_sample
from olmoearth_nb.data.chips import ChipsInMemory, open_corpus
from olmoearth_nb.data.geobench.chip import EVALUATION_DATE, ORDERS
from olmoearth_nb.evaluation.arms import baselines
from olmoearth_nb.io.durable import write
from olmoearth_nb.sample import Batch

MOST = 60_000_000
"""Bytes of an archive."""

NAMES = {"content": "EuroSAT", "published": "EuroSAT (published names)"}


class Raw:
    """Samples as `evaluation.arms.baselines` reads a set of classes."""

    classes = ("any",)

    def __init__(self, samples):
        self.all = samples

    def __len__(self):
        return len(self.all)

    def samples(self, numbers, modalities):
        return [self.all[number] for number in numbers]


class Labelled:
    """Chips with a class each, normalised on the device where they are embedded; see `evaluation.sources.Source`.

    `baselines` holds what is read without an encoder, by the names that studies have: (n, D), or None for the commonest
    answer.
    """

    def __init__(self, name, samples, answers, groups, device):
        self.name, self.answers, self.groups = name, np.asarray(answers), np.asarray(groups)
        batch = Batch.from_samples(samples)
        self.images, self.timestamps = batch.to(device).images, batch.timestamps.to(device)
        statistics, means, _ = baselines(Raw(samples), (SENTINEL2.name,))
        self.baselines = {"raw bands": statistics.features[0], "band means": means.features[0], "majority": None}

    def __len__(self):
        return len(self.answers)

    def batch(self, numbers, modalities, /):
        rows = torch.from_numpy(numbers).to(self.timestamps.device)
        return Batch({name: self.images[name][rows] for name in modalities}, self.timestamps[rows])


def squeezed(image):
    """(N, H, W, C) uint16 as bytes that compress well: differences down and across, small ones near 0."""
    down = np.diff(image, axis=1, prepend=np.uint16(0))  # of two bytes each, and so lossless
    both = np.diff(down, axis=2, prepend=np.uint16(0)).astype(np.int16)
    folded = ((both << 1) ^ (both >> 15)).view(np.uint16)  # 0 -1 1 -2 2 to 0 1 2 3 4
    planes = np.ascontiguousarray(folded.transpose(0, 3, 1, 2))
    return np.stack([planes & 255, planes >> 8]).astype(np.uint8)


def restored(planes):
    """What `squeezed` was given."""
    folded = (planes[0].astype(np.uint16) | planes[1].astype(np.uint16) << 8).transpose(0, 2, 3, 1)
    both = (folded >> 1) ^ (0 - (folded & 1)).astype(np.uint16)
    return np.cumsum(np.cumsum(both, axis=2, dtype=np.uint16), axis=1, dtype=np.uint16)


def pack(chips, eurosat, target, most=MOST):
    """Writes one archive of EuroSAT's chips and as many chips to train on as fit."""
    from olmoearth_nb.data.eurosat import EuroSAT
    from olmoearth_nb.data.geotiff.read import read_header
    from olmoearth_nb.data.labelled.eurosat import eurosat_set

    labelled, files = eurosat_set(eurosat), EuroSAT(eurosat)
    images = np.stack([np.asarray(read_header(path).values(range(13))) for path in files.paths]).astype(np.uint16)
    corpus, known = open_corpus(chips), {"answers": files.labels, "groups": labelled.groups}
    known["eurosat"] = squeezed(images)
    edge = min(corpus.size(0))
    rows = np.arange(len(corpus))
    while True:
        corner = np.zeros(len(rows), dtype=int)
        trained = squeezed(corpus.windows(rows, corner, corner, edge)[:, :, :, 0])
        file = io.BytesIO()
        np.savez_compressed(file, chips=trained, **known)
        if file.tell() <= most:
            content = file.getvalue()
            write(target, lambda part, content=content: part.write_bytes(content))
            return f"{len(rows)} of {len(corpus)} chips and {len(images)} of EuroSAT, {file.tell() / 1e6:.1f} MB"
        if len(rows) == 1:
            raise ValueError(f"not even one chip fits into {most / 1e6:.1f} MB beside {len(images)} of EuroSAT")
        rows = rows[: int(len(rows) * min(0.98, most / file.tell()))]


def chips_of(path):
    """Chips to train on: an archive, or all that `open_corpus` opens."""
    if path.suffix != ".npz":
        return open_corpus(path)
    with np.load(path) as file:
        image = restored(file["chips"])
    whole = []
    for start in range(0, len(image), 64):
        block = image[start : start + 64]
        values = observe(block.reshape(-1, *block.shape[2:])[:, :, None], SENTINEL2, judged=True)[0]
        whole.append((values != MISSING).reshape(len(block), -1).all(1))
    return ChipsInMemory([image], [np.concatenate(whole)], [path.name])


def sets_of(path, device):
    """EuroSAT under right and under published names of its bands."""
    if path.suffix != ".npz":
        from olmoearth_nb.data.labelled.open import open_set

        opened = {names: open_set(path, "eurosat", names) for names in NAMES}
        return [
            Labelled(NAMES[names], one.samples(np.arange(len(one))), one.answers, one.groups, device)
            for names, one in opened.items()
        ]
    with np.load(path) as file:
        images, answers, groups = restored(file["eurosat"]), file["answers"], file["groups"]
    sets = []
    for names, title in NAMES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is L1C, and of the names that are wrong on purpose
            samples = [to_sample(image[:, :, None], ORDERS[names], [EVALUATION_DATE], level="L1C") for image in images]
        sets.append(Labelled(title, samples, answers, groups, device))
    return sets
