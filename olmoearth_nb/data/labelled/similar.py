"""similar-but-different as a `LabelledSet`: 30,927 patches of Sentinel-2 that look alike in red, green and blue.

Patches of 32 x 32 px and 12 bands of surface reflectance, of ten classes of ESA WorldCover; each has a look-alike of
another class, so that what tells them apart lies beyond the visible bands. `splits.json` names the patches of each
split and class, and `shards/*.parquet` hold their GeoTIFFs.

Nothing of the real set was loaded here. What it holds was read in the public evaluation code of `olmoearth_pretrain`:
names of files and columns, the order of the bands, and the date, which the patches do not have. Not known is whether
the GeoTIFFs say where they lie and how their bands are called, which is used where they do; and whether the offset of
1000 that newer Sentinel-2 products add is in some of them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.arrays import to_sample
from olmoearth_nb.data.geotiff.read import Raster, read_header
from olmoearth_nb.data.labelled.cells import FilesInCells, read_words
from olmoearth_nb.data.labelled.chips import ChipSet
from olmoearth_nb.data.labelled.neighbours import APART, by_place
from olmoearth_nb.georeference import degrees
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.io.paths import inside
from olmoearth_nb.io.raster import InMemory
from olmoearth_nb.sample import Sample

NAME = "similar-but-different"

SPLITS = {"train": "train", "val": "valid", "test": "test"}
"""Names of the splits in the file, and ours."""

LISTED, SHARDS = "splits.json", "shards"
ID, FILE, LABEL = "patch_id", "tif", "wc_mode_label"

ORDER = tuple("B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split())
"""Bands of a patch."""

EDGE = 32
"""Pixels along the edge of a patch."""

DATE = "2021-06-01"
"""What the OlmoEarth evaluation takes for the date of all patches."""

UNDATED = f"the patch has no date; it gets that of the OlmoEarth evaluation, {DATE}"
ALONE = (
    "where the patches lie is not recorded, so each is its own group; whether the published split or drawn folds "
    "divide a scene cannot be told"
)


class Patch(NamedTuple):
    """Where a patch is.

    Attributes:
        name: its id.
        shard: the table that holds it.
        row: of the table, counted from 0.
    """

    name: str
    shard: Path
    row: int

    def __str__(self) -> str:
        return f"the patch {self.name:.100} of {self.shard.name}"


class Listed(NamedTuple):
    """What `splits.json` says.

    Attributes:
        classes: their names; an answer is the position.
        patches: split and class of each patch, by its id.
    """

    classes: tuple[str, ...]
    patches: dict[str, tuple[str, str]]


def similar_set(folder: str | os.PathLike[str], *, apart: float = APART) -> ChipSet[Patch]:
    """Opens the set with its published split.

    Args:
        folder: holds `splits.json` and `shards/`, itself or in one folder below it.
        apart: kilometres between the centres of two patches from which they are independent.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the set or a patch is damaged, or what is in it contradicts the split.
    """
    root = _root(Path(folder))
    listed = read_splits(root / LISTED)
    patches, left = _located(root, listed)
    files = FilesInCells(FILE)
    splits, names = zip(*(listed.patches[patch.name] for patch in patches), strict=True)
    return ChipSet(
        NAME,
        patches,
        partial(load_patch, files=files),
        np.array([listed.classes.index(name) for name in names]),
        listed.classes,
        group=partial(_groups, patches, files, apart),
        split=np.array(splits),
        notes=[f"{left} patches of the shards are in no split and are left out"] if left else (),
        ids=[patch.name for patch in patches],
    )


def is_similar(path: Path) -> bool:
    """Whether the set lies in a folder, or below it."""
    return any((listed.parent / SHARDS).is_dir() for listed in path.rglob(LISTED))


def load_patch(patch: Patch, files: FilesInCells) -> Sample:
    """Opens a patch.

    Args:
        patch: where it is.
        files: of the shards.

    Returns:
        A sample of one timestep.

    Raises:
        ValueError: if it is not a whole GeoTIFF of 12 bands of 32 x 32 px of digital numbers, or its bands have names
            of another order; the message names the patch.
    """
    raster = _header(patch, files)
    if len(raster.names) != len(ORDER) or raster.shape != (EDGE, EDGE):
        height, width = raster.shape
        raise ValueError(
            f"{patch} must have {len(ORDER)} bands of {EDGE} x {EDGE} px, it has {len(raster.names)} of "
            f"{height} x {width}"
        )
    if raster.dtype != np.uint16 or set(raster.scales) != {1.0} or set(raster.offsets) != {0.0}:
        raise ValueError(
            f"{patch} must hold digital numbers (uint16) without a scale, it holds {raster.dtype} with the scales "
            f"{sorted(set(raster.scales))} and offsets {sorted(set(raster.offsets))}"
        )
    notes = [UNDATED, *_unread_names(raster, patch)]
    where = "place unknown" if raster.place is None else degrees(*raster.place)
    image = raster.values(range(len(ORDER)))[:, :, None]
    try:
        sample = to_sample(
            image, ORDER, [DATE], level="L2A", title=patch.name, provenance=f"{NAME}, {patch}, {where}", notes=notes
        )
    except ValueError as error:
        raise ValueError(f"{patch}: {error}") from error
    return replace(sample, georeference=raster.georeference)


def _header(patch: Patch, files: FilesInCells) -> Raster:
    """What the GeoTIFF of a patch says of itself."""
    return read_header(InMemory(str(patch), files.read(patch.shard, patch.row, str(patch))))


def _unread_names(raster: Raster, patch: Patch) -> list[str]:
    """A note on names of bands that are none of Sentinel-2's.

    Raises:
        ValueError: if a name is that of another band than the order says.
    """
    named = [(i, name, SENTINEL2.spelled(name)) for i, name in enumerate(raster.names) if name]
    wrong = [
        f"the {i + 1}th {known}, which should be {ORDER[i]}" for i, _, known in named if known not in (None, ORDER[i])
    ]
    if wrong:
        raise ValueError(f"{patch} names its bands in another order than is published: it calls {'; '.join(wrong)}")
    other = [f"{name!r:.50}" for _, name, known in named if known is None]
    return [f"names of bands that are not Sentinel-2's were not read: {', '.join(other)}"] if other else []


def _root(folder: Path) -> Path:
    """The folder of the listing and the shards."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    roots = [path.parent for path in sorted(folder.rglob(LISTED)) if (path.parent / SHARDS).is_dir()]
    if len(roots) != 1:
        raise ValueError(f"{folder} must hold {LISTED} beside {SHARDS}/ in one place, they are in {len(roots)}")
    inside(folder, (roots[0] / LISTED).relative_to(folder).as_posix())
    return roots[0]


def read_splits(path: Path) -> Listed:
    """The listing of patches.

    Args:
        path: of `splits.json`.

    Raises:
        ValueError: if it is damaged, or a patch is in two places.
    """
    table = read_json(path)
    classes = _classes(table.get("class_to_idx"), path)
    patches: dict[str, tuple[str, str]] = {}
    for published, split in SPLITS.items():
        lists = table.get(published)
        if not isinstance(lists, dict) or not all(isinstance(names, list) for names in lists.values()):
            raise ValueError(f"{path.name} must list the patches of each class in {published!r}")
        unknown = [name for name in lists if name not in classes]
        if unknown:
            raise ValueError(f"{path.name}: {published!r} has the class {unknown[0]!r:.50}, not in class_to_idx")
        for label, names in lists.items():
            for name in map(partial(_id, path=path), names):
                if name in patches:
                    before = " of ".join(reversed(patches[name]))
                    raise ValueError(
                        f"{path.name}: the patch {name:.100} is in {before} and again in {label} of {split}"
                    )
                patches[name] = split, label
    if not patches:
        raise ValueError(f"{path} lists no patches")
    return Listed(classes, patches)


def _classes(indices: Any, path: Path) -> tuple[str, ...]:
    """Names of the classes in the order of their indices."""
    known: dict[str, Any] = indices if isinstance(indices, dict) else {}
    numbers = [value for value in known.values() if type(value) is int]
    if not known or sorted(numbers) != list(range(len(known))):
        raise ValueError(f"{path.name}: class_to_idx must number its classes from 0 on, it is {str(indices)[:200]}")
    return tuple(sorted(known, key=lambda name: known[name]))


def _id(value: Any, path: Path) -> str:
    """The id of a patch, a text or a whole number, as text."""
    if type(value) not in (str, int):
        raise ValueError(f"{path.name}: the id of a patch is text or a whole number, got {value!r:.50}")
    return str(value)


def _located(root: Path, listed: Listed) -> tuple[list[Patch], int]:
    """Where the listed patches are, in the order of the shards, and how many others there are.

    Raises:
        ValueError: if a patch is missing, in two rows, or has another class than is listed.
    """
    found: dict[str, Patch] = {}
    left = 0
    for path in sorted((root / SHARDS).rglob("*.parquet")):
        shard = inside(root, path.relative_to(root).as_posix())
        for row, (name, label) in enumerate(zip(*read_words(shard, (ID, LABEL)), strict=True)):
            if name not in listed.patches:
                left += 1
                continue
            patch = Patch(name, shard, row)
            if name in found:
                raise ValueError(f"{patch} is in row {row}, and in row {found[name].row} of {found[name].shard.name}")
            if label != listed.patches[name][1]:
                split, meant = listed.patches[name]
                raise ValueError(f"{patch} has the class {label!r:.50}, {LISTED} lists it as {meant!r} of {split}")
            found[name] = patch
    gone = [name for name in listed.patches if name not in found]
    if gone:
        raise ValueError(f"{root / SHARDS} lacks {len(gone)} of {len(listed.patches)} patches: {gone[:5]}")
    return list(found.values()), left


def _groups(patches: list[Patch], files: FilesInCells, apart: float) -> tuple[np.ndarray, str]:
    """Groups of patches by the places in their headers, where those are the patches' own."""
    from rich.progress import track

    steps = track(patches, "reading places", transient=True, disable=len(patches) < 500)
    places = [_header(patch, files).place for patch in steps]
    if len(set(places)) < 2:
        return np.arange(len(patches)), ALONE
    return by_place(np.array([place or (np.nan, np.nan) for place in places]), apart)
