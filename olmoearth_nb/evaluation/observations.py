"""What a card is made from: patches of many places, each on several dates, seen by one sensor.

An observation is one date of a patch, or of a pixel where places are pixels. The encoder sees all drawn dates of a
patch together, as it does in use, and what is read off the tokens of one date was in that date or in its neighbours.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, SENSORS, SENTINEL2, modality
from olmoearth_nb.data.chips import open_corpus
from olmoearth_nb.data.labelled.neighbours import APART, grouped
from olmoearth_nb.data.official import OfficialDataset, stored_tile
from olmoearth_nb.data.series import Checks, PixelSeries, to_samples
from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.data.tables import SUFFIXES, read_table
from olmoearth_nb.sample import Batch, Sample
from olmoearth_nb.tokenization import check_patch_size

BRIGHT = 2000.0
"""Digital numbers of B02 from which an observation of Sentinel-2 is cloud, haze, snow or salt. A few such observations
hold most of the variance of every band, so that scores with them would tell clouds from land and no more."""

_COORDINATES = (("lat", "lon"), ("latitude", "longitude"))
"""Names of the columns that say where a pixel lies."""

Place = tuple[Sample, tuple[float, float] | None]
"""A place, and its latitude and longitude if they are known."""


@dataclass(frozen=True)
class Draw:
    """How observations are drawn.

    Attributes:
        most: observations of a sensor, at most; ridge regressions of some hundred features need no more than the
            default.
        together: dates of a patch that are seen together, at most; 1 for each date alone.
        patch_size: edge of a patch in pixels; pixels of a table have 1.
        apart: kilometres from which two places are independent; nearer ones are linked into groups.
        seed: of the draw.

    Raises:
        ValueError: for numbers out of range.
    """

    most: int = 3000
    together: int = 6
    patch_size: int = 4
    apart: float = APART
    seed: int = 0

    def __post_init__(self) -> None:
        check_patch_size(self.patch_size)
        if not 1 <= self.together <= MAX_TIMESTEPS:
            raise ValueError(f"from 1 to {MAX_TIMESTEPS} dates are seen together, got together={self.together}")
        if self.most < 10 * self.together:
            raise ValueError(
                f"a card needs at least ten patches; say most={10 * self.together} or more, got {self.most}"
            )


@dataclass(frozen=True, eq=False)
class View:
    """What one sensor saw: n patches of T dates, n T observations.

    Attributes:
        sensor: name of its modality.
        images: (n, P, P, T, C) raw values, all observed.
        timestamps: (n, T, 3) day 1..31, month 0..11, year.
        patch_place: (n,) number of the place that each patch is of.
    """

    sensor: str
    images: np.ndarray
    timestamps: np.ndarray
    patch_place: np.ndarray

    def __len__(self) -> int:
        """How many observations there are."""
        return self.images.shape[0] * self.images.shape[3]

    @cached_property
    def values(self) -> np.ndarray:
        """(n T, C) mean of each band over the pixels, in float64."""
        means = self.images.mean((1, 2), dtype=np.float64)
        return means.reshape(-1, means.shape[-1])

    @property
    def month(self) -> np.ndarray:
        """(n T,) month 0..11 of each observation."""
        return self.timestamps[..., 1].reshape(-1)

    @property
    def place(self) -> np.ndarray:
        """(n T,) place of each observation."""
        return self.patch_place.repeat(self.images.shape[3])

    def select(self, patches: np.ndarray) -> View:
        """Some of the patches."""
        return replace(
            self,
            images=self.images[patches],
            timestamps=self.timestamps[patches],
            patch_place=self.patch_place[patches],
        )

    def batch(self, patches: slice) -> Batch:
        """Some of the patches as one normalised batch."""
        images = {self.sensor: modality(self.sensor).normalize(torch.from_numpy(self.images[patches]))}
        return Batch(images, torch.from_numpy(self.timestamps[patches]))


@dataclass(frozen=True, eq=False)
class Observations:
    """Observations of the same places by one or several sensors.

    Attributes:
        name: what tables call them.
        views: sensor -> what it saw.
        latlon: (places, 2) degrees, NaN where nobody knows.
        groups: (places,) numbers of groups that must not be divided.
        notes: what a reader of the scores must know, one sentence each.
    """

    name: str
    views: Mapping[str, View]
    latlon: np.ndarray
    groups: np.ndarray
    notes: tuple[str, ...] = ()

    def of(self, sensor: str) -> View:
        """What a sensor saw.

        Raises:
            ValueError: if there is nothing of that sensor.
        """
        if sensor not in self.views:
            raise ValueError(f"{self.name} has no {sensor!r}; say sensor= one of {', '.join(self.views)}")
        return self.views[sensor]


def open_observations(
    path: str | os.PathLike[str], draw: Draw | None = None, groups: str | None = None, **reading: Any
) -> Observations:
    """Opens data of any kind and draws observations from it.

    Args:
        path: a folder of tiles in the official format, simulated or real; a folder of chips, EuroSAT's among them; a
            shard of chips; or a table of pixel series (``.parquet``, ``.csv``), whose columns `lat` and `lon` say where
            its pixels lie.
        draw: how; by default six dates together.
        groups: of a table, the column whose pixels must not be divided, in place of their distance.
        reading: of a table, what `to_samples` takes.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if it is none of these, for an option that its kind has not, or if it is damaged or too small.
    """
    path, draw = Path(path).expanduser(), draw or Draw()
    if path.suffix.lower() in SUFFIXES:
        return _of_table(path, draw, groups, reading)
    if groups is not None or reading:
        given = ", ".join(f"{name}=" for name in [*(["groups"] if groups else []), *reading])
        raise ValueError(f"{path.name} is no table of pixels; {given} goes with one ({' or '.join(SUFFIXES)})")
    if path.is_dir() and next(path.rglob("sample_metadata.csv"), None) is not None:
        tiles = OfficialDataset(path)
        return observe(path.name, len(tiles), lambda number: _tile(tiles.path(number)), draw)
    corpus = open_corpus(path)
    return observe(path.name, len(corpus), lambda number: _chip(corpus, number), draw)


def of_series(
    series: PixelSeries, latlon: np.ndarray | None = None, groups: np.ndarray | None = None, draw: Draw | None = None
) -> Observations:
    """Draws observations of single pixels from their series.

    Args:
        series: the pixels, as `to_samples` reads them.
        latlon: (N, 2) degrees of the pixels, if they are known.
        groups: (N,) numbers of groups; by default pixels are linked by their distance, and are each a group where
            nobody knows where they lie.
        draw: how.

    Raises:
        ValueError: if no pixel has a whole observation.
    """

    def look(number: int) -> Place:
        return series[number], None if latlon is None else (float(latlon[number, 0]), float(latlon[number, 1]))

    return observe(series.title, len(series), look, replace(draw or Draw(), patch_size=1), groups)


def observe(
    name: str, places: int, look: Callable[[int], Place], draw: Draw, groups: np.ndarray | None = None
) -> Observations:
    """Draws observations from places of any kind.

    Args:
        name: what tables call them.
        places: how many there are.
        look: number of a place -> the place.
        draw: how.
        groups: (places,) numbers of groups; by default places are linked by their distance.

    Raises:
        ValueError: if no place has a whole observation.
    """
    generator = np.random.default_rng([draw.seed, 11])
    chosen = np.sort(generator.permutation(places)[: draw.most // draw.together])
    each = -(-draw.most // len(chosen)) if len(chosen) else 0
    patches: dict[str, list[_Patch]] = {}
    latlon, notes, bright = np.full((len(chosen), 2), np.nan), dict.fromkeys(list[str]()), 0
    for number, place in enumerate(chosen.tolist()):
        sample, where = look(place)
        latlon[number] = where or (np.nan, np.nan)
        notes |= dict.fromkeys(sample.notes)
        for sensor in (one for one in SENSORS if one in sample.images):
            for patch, lost in _patches(sample, sensor, draw.patch_size, each, number, generator):
                patches.setdefault(sensor, []).append(patch)
                bright += lost
    views = {sensor: _view(sensor, own, draw, generator) for sensor, own in patches.items()}
    if not views:
        raise ValueError(f"{name} has no whole observation: in every patch and date a value is missing, or it is cloud")
    known = np.isfinite(latlon).all(1).any()
    linked = grouped(latlon, draw.apart) if groups is None else np.asarray(groups)[chosen]
    counts = (f"{len(view)} of {sensor}, {view.images.shape[3]} dates together" for sensor, view in views.items())
    said = [
        *([f"{bright} observations with {BRIGHT:g} or more in B02 are left out (clouds, snow)"] if bright else []),
        f"observations: {'; '.join(counts)}",
        f"{len(chosen)} places in {len(np.unique(linked))} groups"
        + (f", linked by steps shorter than {draw.apart:g} km" if groups is None and known else ""),
    ]
    return Observations(name, views, latlon, linked, (*notes, *said))


@dataclass(frozen=True, eq=False)
class _Patch:
    """The whole dates of a patch: (dates, P, P, C) and (dates, 3), and its place."""

    images: np.ndarray
    timestamps: np.ndarray
    place: int


def _patches(
    sample: Sample, sensor: str, edge: int, count: int, place: int, generator: np.random.Generator
) -> Iterator[tuple[_Patch, int]]:
    """So many patches of a place, at most, each with the number of its dates that are too bright."""
    image = sample.images[sensor]
    rows, columns = image.shape[0] // edge, image.shape[1] // edge
    for at in generator.permutation(rows * columns)[:count].tolist():
        row, column = at // columns * edge, at % columns * edge
        window = image[row : row + edge, column : column + edge].transpose(2, 0, 1, 3)  # (dates, P, P, C)
        whole = (window != MISSING).all((1, 2, 3))
        dark = np.ones(len(window), bool)
        if sensor == SENTINEL2.name:
            dark = window[..., SENTINEL2.indices(["B02"])[0]].mean((1, 2)) < BRIGHT
        kept = whole & dark
        if kept.any():
            yield _Patch(window[kept], sample.timestamps[kept], place), int((whole & ~dark).sum())


def _view(sensor: str, patches: Sequence[_Patch], draw: Draw, generator: np.random.Generator) -> View:
    """Drawn dates of patches, seen together: as many as are asked for, or as half of the patches have.

    A patch with twice as many dates may be drawn twice, with other dates, once all patches have been drawn.
    """
    counts = np.sort([len(patch.images) for patch in patches])
    together = int(min(draw.together, counts[len(counts) // 2]))
    drawn = []  # (which time the patch is drawn, its number, its dates)
    for number in generator.permutation(len(patches)).tolist():
        dates = generator.permutation(len(patches[number].images))
        for time in range(len(dates) // together):
            drawn.append((time, number, np.sort(dates[time * together : (time + 1) * together])))
    drawn = sorted(drawn, key=lambda one: one[0])[: draw.most // together]  # a stable order: still at random
    drawn.sort(key=lambda one: one[1])
    chosen = [(patches[number], dates) for _, number, dates in drawn]
    return View(
        sensor,
        np.stack([patch.images[dates].transpose(1, 2, 0, 3) for patch, dates in chosen]),
        np.stack([patch.timestamps[dates] for patch, dates in chosen]),
        np.array([patch.place for patch, _ in chosen]),
    )


def _of_table(path: Path, draw: Draw, groups: str | None, reading: Mapping[str, Any]) -> Observations:
    """Observations of a table of pixel series."""
    parameters = inspect.signature(to_samples).parameters
    valid = [name for name in [*list(parameters)[1:-1], *Checks.__annotations__] if name != "labels"]
    wrong = [f"{name}=" for name in reading if name not in valid]
    if wrong:
        known = ", ".join(f"{name}=" for name in ("groups", *valid))
        raise ValueError(f"a table has no {', '.join(wrong)}; it has {known}")
    table = read_table(path)
    where = next((pair for pair in _COORDINATES if {*pair} <= {*map(str, table.columns)}), ())
    series = to_samples(table, labels=[*where, *([groups] if groups else [])], **{"title": path.stem, **reading})
    latlon = np.stack([series.labels[name].astype(np.float64) for name in where], 1) if where else None
    number = np.unique(series.labels[groups].astype(str), return_inverse=True)[1] if groups else None
    return of_series(series, latlon, number, draw)


def _tile(path: Path) -> Place:
    """A tile of the official format with its place."""
    tile, images = stored_tile(path)
    return tile.window(lambda name, square: images[name][square], slice(None), slice(None)), tile.latlon


def _chip(corpus: Corpus, number: int) -> Place:
    """A chip, cut to a square."""
    sample = corpus.window(number, 0, 0, min(corpus.size(number)))
    return sample, None if sample.georeference is None else sample.georeference.centre(*sample.shape)
