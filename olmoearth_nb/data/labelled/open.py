"""One function for every kind of labelled set."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from olmoearth_nb.data.eurosat import CLASSES, is_eurosat_chip
from olmoearth_nb.data.geobench.dataset import Names, kind_of
from olmoearth_nb.data.labelled.eurosat import eurosat_set
from olmoearth_nb.data.labelled.folders import OPTIONS, folder_set, holds_class_folders
from olmoearth_nb.data.labelled.geobench import geobench_set
from olmoearth_nb.data.labelled.part import Part, PartSet
from olmoearth_nb.data.labelled.series import SeriesSet
from olmoearth_nb.data.labelled.similar import is_similar, similar_set
from olmoearth_nb.data.labelled.world import WorldSet
from olmoearth_nb.data.series import Checks, to_samples
from olmoearth_nb.data.sets import LabelledSet
from olmoearth_nb.data.tables import SUFFIXES

Kind = Literal["auto", "eurosat", "m-eurosat", "m-brick-kiln", "similar-but-different", "world", "table", "folders"]


def open_set(
    path: str | os.PathLike[str], kind: Kind = "auto", names: Names = "content", part: str = "", **options: Any
) -> LabelledSet:
    """Opens places with an answer each.

    Args:
        path: a folder of class folders with chips (EuroSAT's or any other), a data set of GeoBench,
            similar-but-different, a simulated world, or a table of pixels (``.parquet``, ``.csv``).
        kind: which of them it is; by default it is looked for.
        names: of EuroSAT and GeoBench, "content" or "published" names of the bands; see `data.geobench.chip`.
        part: some of the places, such as "1/5", a fifth by groups, or "2-5/5", the rest (see `labelled.part`).
        options: of EuroSAT and similar-but-different ``apart``; of other class folders ``apart`` and what its loader
            takes (see `labelled.folders.folder_set`); of GeoBench ``apart`` and ``missing_bands``; of a table
            ``label`` (which it needs), ``groups``, ``unit``, ``split`` and ``name`` (see `labelled.series.SeriesSet`)
            and all that `data.series.to_samples` takes.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if it is none of these or another kind than was said, for an option that its kind has not, or if the
            set is damaged.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no file or folder {path}")
    which = _kind(path) if kind == "auto" else kind
    if which not in _OPENERS:
        raise ValueError(f"kind must be 'auto' or one of {', '.join(map(repr, _OPENERS))}, got {kind!r}")
    valid = _options(_OPENERS[which])
    given = {**options, "names": names} if "names" in valid or names != "content" else options
    wrong = [name for name in given if name not in valid]
    if wrong:
        raise ValueError(
            f"a set of the kind {which!r} has no {', '.join(f'{name}=' for name in wrong)}; it has "
            f"{', '.join(f'{name}=' for name in valid) or 'no option'}"
        )
    labelled = _OPENERS[which](path, **given)
    return PartSet(labelled, Part.parse(part)) if part else labelled


def _kind(path: Path) -> str:
    """What lies at a path, by what must be in it."""
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return "table"
    if (path / "world.json").is_file():
        return "world"
    partitions = sorted(path.rglob("default_partition.json"))
    if partitions:
        return kind_of(partitions[0].parent)
    if is_similar(path):
        return "similar-but-different"
    if _is_eurosat(path):
        return "eurosat"
    if holds_class_folders(path):
        return "folders"
    raise ValueError(
        f"{path} is no set of places with an answer each: it is no {' or '.join(SUFFIXES)} table, and holds no "
        "world.json (a simulated world), no default_partition.json (m-eurosat, m-brick-kiln), no splits.json beside "
        f"shards (similar-but-different) and no class folders of chips ({', '.join(CLASSES[:3])}, ...)"
    )


def _is_eurosat(path: Path) -> bool:
    """Whether there are class folders of EuroSAT, and the first chip of one, if there is any, is like EuroSAT's."""
    folders = [folder for folder in path.rglob("*") if folder.is_dir() and folder.name in CLASSES]
    first = [next(iter(sorted(folder.glob("*.tif"))), None) for folder in folders]
    return any(chip is None or is_eurosat_chip(chip) for chip in first)


def _table(
    path: Path,
    label: str = "",
    groups: str | None = None,
    unit: str = "",
    split: str | None = None,
    name: str | None = None,
    **reading: Any,
) -> SeriesSet:
    """A table of pixels; `reading` goes on to `to_samples`."""
    if not label:
        raise ValueError(f"{path.name} is a table: say label=, the column that holds the answers")
    columns = list(dict.fromkeys(column for column in (label, groups, split) if column is not None))
    series = to_samples(path, labels=columns, **{"title": path.stem, **reading})
    return SeriesSet(series, label, groups=groups, unit=unit, split=split, name=name)


_OPENERS: dict[str, Callable[..., LabelledSet]] = {
    "eurosat": eurosat_set,
    "m-eurosat": partial(geobench_set, kind="m-eurosat"),
    "m-brick-kiln": partial(geobench_set, kind="m-brick-kiln"),
    "similar-but-different": similar_set,
    "world": WorldSet,
    "table": _table,
    "folders": folder_set,
}


def _options(opener: Callable[..., LabelledSet]) -> list[str]:
    """What a kind of set is told beyond its path."""
    names = [name for name in inspect.signature(opener).parameters if name not in ("kind", "reading")][1:]
    if opener is folder_set:
        return [*names, *OPTIONS]
    if opener is not _table:
        return names
    reading = [*list(inspect.signature(to_samples).parameters)[1:-1], *Checks.__annotations__]
    return [*names, *(name for name in reading if name != "labels")]
