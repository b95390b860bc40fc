"""GeoBench's m-eurosat and m-brick-kiln as data sets: chips, splits and classes, from a folder or the hub.

Two more traps of m-eurosat are dealt with here, after those of `chip.py`.

* The names of the classes. A label is the position of EuroSAT's class folder in alphabetical order, because the chips
  were made from such folders. The list of names that the converter took from TorchGeo had another order then (first
  Industrial Buildings): by it, a forest is called a residential area. So names are sorted here. Sources: GeoBench's
  public converter; TorchGeo's issue 1648; the one real chip that we have, of label 1, which is forest.
* The place in the metadata. By the same converter it is that of the first picture in every chip; we do not read it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olmoearth_nb.data.geobench.chip import (
    LABELS,
    MOST_METADATA,
    Inert,
    load_geobench_chip,
    order_of,
    read_label,
    read_pickle,
)
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.io.paths import inside
from olmoearth_nb.io.unzip import unpack_zip
from olmoearth_nb.sample import Sample

CLASSES = (
    *("Annual Crop", "Forest", "Herbaceous Vegetation", "Highway", "Industrial Buildings", "Pasture"),
    *("Permanent Crop", "Residential Buildings", "River", "Sea and Lake"),
)
"""Class of each label of m-eurosat, 0 to 9."""

KILNS = ("not brick kiln", "brick kiln")
"""Class of each label of m-brick-kiln, 0 and 1, by GeoBench's public converter."""

Names = Literal["content", "published"]
Kind = Literal["m-eurosat", "m-brick-kiln"]

SPLITS = ("train", "valid", "test")

REPOSITORY = "recursix/geo-bench-1.0"
"""Where GeoBench v1 is published on the hub (read in its own downloader, not tried)."""

ARCHIVE = "classification_v1.0/m-eurosat.zip"
"""m-eurosat in that repository; m-brick-kiln lies beside it."""

_PARTITION = "default_partition.json"
_MOST = 1e6


class GeoBench:
    """m-eurosat (2,000 chips to train on, 1,000 to validate, 1,000 to test, of ten classes) or m-brick-kiln (of two).

    Args:
        folder: holds `default_partition.json` and the chips, itself or in one folder below it.
        names: see `load_geobench_chip`.
        kind: which set it is; by default m-brick-kiln where `task_specs.pkl` or the folder names kilns, else m-eurosat.

    Attributes:
        folder: where the chips are.
        kind: which set it is.
        splits: split -> names of its chips.
        class_names: class of each label.
        published_names: the names as `task_specs.pkl` lists them, in an order that is not that of the labels; None if
            it does not list any.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if there is no partition or it is damaged, a chip is missing, named twice, in two splits or outside
            of the folder.
    """

    def __init__(self, folder: str | os.PathLike[str], names: Names = "content", kind: Kind | None = None) -> None:
        order_of(names, kind or "m-eurosat")
        root = Path(folder)
        if not root.is_dir():
            raise FileNotFoundError(f"no folder {root}")
        found = sorted(path.parent for path in root.rglob(_PARTITION))
        if len(found) != 1:
            raise ValueError(f"{root} must hold one {_PARTITION}, it holds {len(found)}")
        self.folder, self.names = found[0], names
        self.splits = _splits(self.folder)
        self.kind = kind or kind_of(self.folder)
        known = KILNS if self.kind == "m-brick-kiln" else CLASSES
        self.published_names = _published_names(_specs(self.folder), len(known))
        listed = tuple(self.published_names or known)
        self.class_names = listed if self.kind == "m-brick-kiln" else tuple(sorted(listed))

    @classmethod
    def from_hub(
        cls,
        repository: str = REPOSITORY,
        archive: str = ARCHIVE,
        *,
        endpoint: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        lock_file: str | os.PathLike[str] | None = None,
        names: Names = "content",
    ) -> GeoBench:
        """Downloads the data set, once, verified and pinned as models are (see `io/hub.py`), and unpacks it.

        Args:
            repository: of data sets on the hub.
            archive: the `.zip` in it; it is kept, so that later calls can verify it without a network.
            endpoint: address of the hub; the public one by default.
            cache_dir: where files are kept, ``~/.cache/huggingface/olmoearth_nb`` by default.
            lock_file: where commit and checksum are recorded; `datasets.lock.json` in the cache by default.
            names: see `load_geobench_chip`.

        Raises:
            ChecksumError: if the archive differs from what the hub lists or from what was recorded.
            DownloadError: if the hub does not have it, refuses, or cannot be reached.
            OSError: if the disk is too small to unpack it.
            ValueError: if the archive or the data set in it is damaged.
        """
        from olmoearth_nb.io.hub import Repository, default_cache, fetch_pinned

        cache = Path(cache_dir) if cache_dir else default_cache()
        lock = Path(lock_file) if lock_file else cache / "datasets.lock.json"
        stem = Path(archive).stem
        kept = fetch_pinned(Repository(repository, "dataset"), (archive,), stem, endpoint, cache, lock)
        folder = kept / "unpacked" / stem
        return cls(unpack_zip(kept / archive, folder), names)

    @cached_property
    def band_stats(self) -> dict[str, dict[str, float]]:
        """Statistics of the bands in digital numbers, by the names of `load_geobench_chip`, from `band_stats.json`.

        Raises:
            ValueError: if the file is missing or damaged, or lacks a band.
        """
        table = _json(self.folder, "band_stats.json")
        absent = [label for label in LABELS if not _finite(table.get(label))]
        if absent:
            raise ValueError(f"band_stats.json needs a mean and std for every band, not so for {absent}")
        named = zip(order_of(self.names, self.kind), LABELS, strict=True)
        return {band: table[label] for band, label in named if band is not None}

    def samples(self, split: str) -> GeoBenchSplit:
        """The chips of a split with their labels, read when asked for.

        Raises:
            ValueError: for a split that there is not, or that is empty.
        """
        if split not in self.splits:
            raise ValueError(f"no split {split!r}; there are {', '.join(self.splits)}")
        if not self.splits[split]:
            raise ValueError(f"the split {split!r} of {self.folder} is empty")
        paths = [self.folder / f"{name}.hdf5" for name in self.splits[split]]
        return GeoBenchSplit(paths, len(self.class_names), self.names, self.kind)


def kind_of(folder: Path) -> Kind:
    """Which set a folder holds, by the name that its specifications or else the folder itself gives it.

    Args:
        folder: that of `default_partition.json`.
    """
    names = [str(_specs(folder).get("dataset_name", "")).lower(), folder.name.lower()]
    told = [name for name in names if "brick" in name or "eurosat" in name]
    return "m-brick-kiln" if told and "brick" in told[0] else "m-eurosat"


class GeoBenchSplit(Sequence[tuple[Sample, int]]):
    """Samples and labels of one split.

    Args:
        paths: the chips.
        classes: number of classes.
        names: see `load_geobench_chip`.
        kind: see `load_geobench_chip`.
    """

    def __init__(self, paths: list[Path], classes: int, names: Names = "content", kind: Kind = "m-eurosat") -> None:
        self.paths, self.classes, self.names, self.kind = paths, classes, names, kind

    def __len__(self) -> int:
        """Number of chips."""
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        """The chip's sample and its label."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        path = self.paths[index]
        return load_geobench_chip(path, self.names, self.kind), self._label(path)

    @cached_property
    def labels(self) -> np.ndarray:
        """(n,) labels, read from the chips' metadata alone."""
        from rich.progress import track

        paths = track(self.paths, "reading labels", transient=True, disable=len(self) < 500)
        return np.array([self._label(path) for path in paths], dtype=np.int64)

    def _label(self, path: Path) -> int:
        label = read_label(path)
        if not 0 <= label < self.classes:
            raise ValueError(f"{path.name} has the label {label}; valid are 0 to {self.classes - 1}")
        return label


def _json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON file's dictionary."""
    path = inside(folder, name)
    if not path.is_file():
        raise ValueError(f"{folder} has no {name}")
    return read_json(path)


def _splits(folder: Path) -> dict[str, tuple[str, ...]]:
    """Chips of each split, all there and each in one of them once."""
    table = _json(folder, _PARTITION)
    lists = {split: table.get(split) for split in SPLITS}
    bad = [s for s, names in lists.items() if not isinstance(names, list) or not all(isinstance(n, str) for n in names)]
    if bad:
        raise ValueError(f"{_PARTITION} must list the chips of {', '.join(SPLITS)}; not so for {', '.join(bad)}")
    split_of: dict[str, str] = {}
    for split, names in lists.items():
        for name in names or []:
            if name in split_of:
                raise ValueError(f"{_PARTITION}: the chip {name} is in {split_of[name]} and again in {split}")
            split_of[name] = split
    gone = [name for name in split_of if not inside(folder, f"{name}.hdf5").is_file()]
    if gone:
        raise ValueError(f"{folder} lacks {len(gone)} of {len(split_of)} chips: {gone[:5]}")
    return {split: tuple(names or []) for split, names in lists.items()}


def _specs(folder: Path) -> dict[str, Any]:
    """What `task_specs.pkl` says, which is read without running anything of it; nothing without that file."""
    path = inside(folder, "task_specs.pkl")
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        data = file.read(MOST_METADATA + 1)
    specs = read_pickle(data, f"the task specifications {path.name}")
    return specs.state if isinstance(specs, Inert) and isinstance(specs.state, dict) else {}


def _published_names(specs: dict[str, Any], classes: int) -> list[str] | None:
    """Names of the classes in the specifications."""
    kind = specs.get("label_type")
    state = kind.state if isinstance(kind, Inert) and isinstance(kind.state, dict) else {}
    names = state.get("_class_names", state.get("class_names"))
    if names is None:
        return None
    if not isinstance(names, (list, tuple)) or len(set(map(str, names))) != len(names) or len(names) != classes:
        raise ValueError(f"task_specs.pkl must name {classes} classes, it has {names!r}")
    return [str(name) for name in names]


def _finite(stats: Any) -> bool:
    """Whether a band's statistics have a mean, and a standard deviation above 0, that can be digital numbers."""
    known: dict[str, Any] = stats if isinstance(stats, dict) else {}
    mean, std = known.get("mean"), known.get("std")
    if not isinstance(mean, (int, float)) or not isinstance(std, (int, float)) or bool in (type(mean), type(std)):
        return False
    return abs(mean) < _MOST and 0 < std < _MOST
