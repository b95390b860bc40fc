"""What others measured of the official models: torchgeo-bench's scores and speeds, kept in `data/published`.

Its intervals are of single scores, not of differences. What can be said of differences is how far the sizes of a model,
and how far data sets, lie apart: that is what the intervals here are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from olmoearth_nb.evaluation.intervals import Interval, mean_of
from olmoearth_nb.io.shipped import published

SIZES = ("nano", "tiny", "base")


@dataclass(frozen=True)
class Independent:
    """A version minus v1 on one data set, in points.

    Attributes:
        dataset: name.
        probe: "kNN" or "linear".
        mislabelled: whether the bands of the data set have wrong names.
        by_size: model size -> difference.
    """

    dataset: str
    probe: str
    mislabelled: bool
    by_size: dict[str, float]

    @property
    def mean(self) -> Interval:
        """Mean over the sizes of a model, with an interval of 95 % over them; without one of a single size."""
        return mean_of(list(self.by_size.values()))


def independent(version: str = "v1.1") -> list[Independent]:
    """A version minus v1, by data set and probe, rightly labelled sets first; sets it was not run on are left out.

    Args:
        version: "v1.1" or "v1.2".

    Raises:
        ValueError: for a version that was not measured.
    """
    rows = published("torchgeo_bench")
    score = {(row["dataset"], row["probe"], row["size"], row["version"]): float(row["score"]) for row in rows}
    known = sorted({row["version"] for row in rows} - {"v1"})
    if version not in known:
        raise ValueError(f"no version {version!r} was measured beside v1; there are {', '.join(known)}")
    found: dict[tuple[str, str], Independent] = {}
    for row in sorted(rows, key=lambda row: row["band_labels"] == "wrong"):
        dataset, probe, size = row["dataset"], row["probe"], row["size"]
        if row["version"] == version:
            one = found.setdefault((dataset, probe), Independent(dataset, probe, row["band_labels"] == "wrong", {}))
            one.by_size[size] = round(100 * (float(row["score"]) - score[dataset, probe, size, "v1"]), 1)
    return list(found.values())


def over_sets(rows: Sequence[Independent], probe: str = "kNN", size: str = "") -> Interval:
    """Mean over rightly labelled data sets of one probe, with an interval of 95 % over the data sets.

    Args:
        rows: of one version.
        probe: "kNN" or "linear".
        size: of the model; by default the mean over sizes is taken of each data set.
    """
    right = [one for one in rows if one.probe == probe and not one.mislabelled]
    return mean_of([one.by_size[size] if size else one.mean.value for one in right])


def speed() -> dict[str, dict[str, float]]:
    """What v1.1 saves on a GPU, v1 divided by v1.1: "compute" and "time" -> model size -> ratio."""
    rows = {(row["size"], row["version"]): row for row in published("torchgeo_speed")}
    flops, images = (
        {size: [float(rows[size, version][column]) for version in ("v1", "v1.1")] for size in SIZES}
        for column in ("gflops", "images_per_second")
    )
    return {
        "compute": {size: old / new for size, (old, new) in flops.items()},
        "time": {size: new / old for size, (old, new) in images.items()},
    }
