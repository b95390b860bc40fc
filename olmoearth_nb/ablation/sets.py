"""The labelled sets that a study is scored on, as its YAML names them.

    data:
      corpus: l2a_chips
      evaluate:
        - {path: eurosat_ms, names: [content, published], probes: [kNN-5, kNN-20]}
        - {path: series.parquet, label: crop, groups: region}

A set gives a task for each way to name its bands and each probe. What is not a field of `ScoredSet` is for `open_set`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Strict

from olmoearth_nb.data.labelled.part import Part

T = TypeVar("T")
Whole = Annotated[int, Strict()]
"""A whole number; 1.0 and true are none."""
Listed = Annotated[tuple[T, ...], BeforeValidator(lambda given: given if isinstance(given, list | tuple) else [given])]
"""A tuple, of one where a file holds one alone."""


@dataclass(frozen=True)
class ScoredSet:
    """Places with an answer each, and how embeddings of them are scored.

    Attributes:
        path: of what `open_set` opens.
        name: in tables; by default what the set calls itself.
        names: ways to name the bands; a task each.
        probes: kNN-5, kNN-20 and linear of classes, ridge of real values; all that fit by default.
        folds: stratified folds, where the set has no published split; nearest neighbours leave one group out.
        repeats: how often folds are drawn.
        knn_in_folds: whether nearest neighbours are asked in the same folds.
        ignore_split: whether folds are drawn although the set has a published split.
        patch_size: P; 0 for 4, or 1 where places are smaller.
        modalities: sensors that encoders see.
        part: some of the places, such as "1/5" to choose by and "2-5/5" to test on; all by default. No group is in two
            parts (see `data.labelled.part`).
        options: of `open_set`, such as `kind`, `label`, `groups`, `unit` and `apart`.
    """

    path: str
    name: str = ""
    names: Listed[str] = ("content",)
    probes: Listed[str] = ()
    folds: Whole = 5
    repeats: Whole = 10
    knn_in_folds: Annotated[bool, Strict()] = False
    ignore_split: Annotated[bool, Strict()] = False
    patch_size: Whole = 0
    modalities: Listed[str] = ("sentinel2_l2a",)
    part: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what in ("names", "probes", "modalities"):
            given = getattr(self, what)
            if len(set(given)) < len(given) or (not given and what != "probes"):
                raise ValueError(f"{what} of the set {self.path} are at least one, none twice, got {[*given]}")
        if self.folds < 3 or self.repeats < 1 or self.patch_size < 0:
            raise ValueError(
                f"the set {self.path} needs at least 3 folds, 1 repeat and a patch size of 0 or more, got "
                f"{self.folds}, {self.repeats} and {self.patch_size}"
            )

        if self.part:
            Part.parse(self.part)

    def meets(self, other: ScoredSet) -> bool:
        """Whether both may have a place in common, as far as their paths and parts tell."""
        if self.path != other.path:
            return False
        apart = self.part and other.part and not Part.parse(self.part).meets(Part.parse(other.part))
        return not apart or self.options != other.options  # which say what groups and classes are divided

    def to_dict(self) -> dict[str, Any]:
        """As a file holds it: options beside the fields."""
        plain = asdict(self) | {name: [*getattr(self, name)] for name in ("names", "probes", "modalities")}
        options: dict[str, Any] = plain.pop("options")
        return plain | options


def split_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of a set with what is no field of `ScoredSet` under "options".

    Args:
        given: as a file holds it.

    Raises:
        ValueError: if there is no path.
    """
    if not isinstance(given, Mapping) or "path" not in given:
        raise ValueError(f"a set to evaluate on is a mapping with a path, such as {{path: eurosat_ms}}, got {given!r}")
    known = {one.name for one in fields(ScoredSet)} - {"options"}
    own = {name: value for name, value in given.items() if name in known}
    return own | {"options": {name: _plain(value) for name, value in given.items() if name not in known}}


def _plain(value: Any) -> Any:
    """A value as JSON has it: YAML reads a date that has no quotes as one."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def beside(given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Data of a study whose paths are relative to a folder, with absolute ones.

    Args:
        given: `folder`, `corpus`, `evaluate` and `choose` of a study.
        folder: of the study's file.
    """

    def absolute(path: Any) -> str:
        return str((folder / Path(str(path)).expanduser()).resolve())

    found = dict(given)
    for key in ("folder", "corpus"):
        if key in found:
            found[key] = absolute(found[key])
    for key in ("evaluate", "choose"):
        sets = found.get(key, [])
        sets = [sets] if isinstance(sets, Mapping) else sets
        if key in found and isinstance(sets, list):
            found[key] = [
                {**one, "path": absolute(one["path"])} if isinstance(one, Mapping) and "path" in one else one
                for one in sets
            ]
    return found
