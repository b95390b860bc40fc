"""Small chips and stacks in the layouts that loaders read."""

import os
import pickle

import h5py
import numpy as np

from olmoearth_nb import SENTINEL2
from olmoearth_nb.data.geobench.chip import LABELS


class Sentinel2:
    """Pickled by name and absent where it is read, like GeoBench's own classes."""

    def __init__(self, name):
        self.name = name


def write_chip(path, metadata=None, skip=(), values=None):
    """A synthetic twin of an m-eurosat chip: band i holds 100 * i + column, or what is in `values` (13, H, W)."""
    with h5py.File(path, "w") as file:
        for i, label in enumerate(LABELS):
            if label not in skip:
                ramp = np.tile(100 * i + np.arange(64, dtype=np.int16), (64, 1))
                file[label] = ramp if values is None else values[i]
        described = {label: {"date": None, "band_info": Sentinel2(label)} for label in LABELS}
        file.attrs["pickle"] = repr(pickle.dumps(metadata or {"label": 3, **described}))
    return path


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write_npz(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.integers(0, 5000, (8, 8, 2, 12), dtype=np.uint16),
        "bands": list(reversed(SENTINEL2.band_names)),
        "dates": ["2021-01-31", "2021-12-01"],
    }
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path
