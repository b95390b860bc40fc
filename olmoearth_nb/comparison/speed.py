"""What "three times cheaper" is in tokens, multiply-accumulates, memory and time, from kept measurements.

The tables are `data/published/speed.csv` and `speed_growth.csv`, written by `benchmarks/speed.py`. All encoders of a
case were timed in turns, so that run i of one row is the neighbour of run i of another row of the same case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from olmoearth_nb.evaluation.intervals import Interval, mean_of
from olmoearth_nb.io.shipped import published
from olmoearth_nb.model.config import published_config
from olmoearth_nb.model.cost import Cost, encoder_cost

COLUMNS = ("size", "version", "whose", "edge", "timesteps", "patch_size", "samples", "memory", "gmacs_of_product",
           "difference", "milliseconds", "threads", "clock", "torch", "processor")  # fmt: skip
"""Of both tables; `milliseconds` holds all runs, parted by spaces."""

OURS, REFERENCE = "ours", "reference"

SENSES = ("tokens", "MACs", "memory", "time")


class Setting(NamedTuple):
    """What is encoded.

    Attributes:
        edge: of the image in pixels.
        timesteps: T.
        patch_size: P in pixels.
        samples: B.
    """

    edge: int
    timesteps: int
    patch_size: int
    samples: int = 1

    def cost(self, size: str, version: str) -> Cost:
        """Of one sample, for a published model."""
        return encoder_cost(published_config(version, size), (self.edge, self.edge, self.timesteps), self.patch_size)

    @property
    def square_km(self) -> float:
        """Area of all samples on the ground, at 10 m a pixel."""
        return self.samples * (self.edge * _PIXEL) ** 2

    def __str__(self) -> str:
        """As in a table."""
        samples = f"{self.samples} sample{'s' if self.samples > 1 else ''}"
        return f"{self.edge} x {self.edge} px, T = {self.timesteps}, P = {self.patch_size}, {samples}"


COMPARED = (Setting(64, 1, 4), Setting(32, 12, 4), Setting(64, 1, 4, 8), Setting(32, 12, 4, 8))
"""Settings for which time and count are held against each other."""

AXES = {
    "edge of the image": tuple(Setting(edge, 1, 4) for edge in (16, 32, 48, 64)),
    "timesteps": tuple(Setting(32, timesteps, 4) for timesteps in (1, 3, 6, 12)),
    "patch size": tuple(Setting(64, 1, patch_size) for patch_size in (8, 4, 2)),
}
"""Along what an input grows."""

GROWN = tuple(dict.fromkeys(setting for settings in AXES.values() for setting in settings))
"""All settings of `AXES`, each once."""


GPU = Setting(224, 1, 8, 64)
"""What torchgeo-bench encoded on a GPU. The patch size is not stated there; it follows from the published GFLOPs."""

LAND = 149e6
"""Square kilometres of land on Earth, Antarctica included."""

_PIXEL, _DAY = 0.01, 86_400
"""Edge of a pixel in kilometres; seconds."""


class Spread(NamedTuple):
    """Quartiles of runs."""

    low: float
    middle: float
    high: float

    def shown(self, digits: int) -> str:
        """As in a table."""
        return f"{self.middle:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Measured:
    """One encoder in one setting.

    Attributes:
        size: of the published model.
        version: of the published model.
        whose: `OURS` or `REFERENCE`, which is olmoearth-pretrain-minimal.
        setting: what was encoded.
        milliseconds: of each run, all samples together.
        memory: bytes that a pass held at most above weights and images; 0 if that was not measured.
        gmacs_of_product: giga-MACs a second of a plain product of the block's own shape; 0 if not measured.
        difference: largest difference between ours and the reference, over the largest value.
        where: threads, clock, torch and processor, in words.
    """

    size: str
    version: str
    whose: str
    setting: Setting
    milliseconds: tuple[float, ...]
    memory: int
    gmacs_of_product: float
    difference: float
    where: str

    @property
    def time(self) -> Spread:
        """Milliseconds of a run."""
        return spread(self.milliseconds)

    @property
    def cost(self) -> Cost:
        """Of one sample."""
        return self.setting.cost(self.size, self.version)

    @property
    def square_km_a_second(self) -> float:
        """Ground that is encoded in a second."""
        return 1000 * self.setting.square_km / self.time.middle

    @property
    def fraction_of_peak(self) -> float:
        """Multiply-accumulates a second over those of the plain product."""
        return self.setting.samples * self.cost.macs / (1e6 * self.time.middle) / self.gmacs_of_product


def measured(table: str = "speed") -> list[Measured]:
    """The rows of a kept table.

    Args:
        table: "speed", "speed_growth", or with "speed_second" before it, from another processor.
    """
    found = []
    for row in published(table):
        setting = Setting(*(int(row[name]) for name in Setting._fields))
        runs = tuple(map(float, row["milliseconds"].split()))
        told = (int(row["memory"] or 0), float(row["gmacs_of_product"] or 0), float(row["difference"] or 0))
        found.append(Measured(row["size"], row["version"], row["whose"], setting, runs, *told, where_of(row)))
    return found


def where_of(row: Mapping[str, str]) -> str:
    """Threads, clock, torch and processor of a row of a table, in words."""
    threads = f"{row['threads']} thread{'s' if row['threads'] != '1' else ''}"
    return f"{threads}, {row['clock']} time, torch {row['torch']}, {row['processor']}"


def spread(values: Sequence[float] | np.ndarray) -> Spread:
    """Quartiles."""
    return Spread(*(float(x) for x in np.percentile(values, [25, 50, 75])))


def times_less(old: Measured, new: Measured) -> Spread:
    """Time of one encoder over that of another one in the same case: quartiles of neighbouring runs."""
    if len(old.milliseconds) != len(new.milliseconds):
        raise ValueError(
            f"runs of {old.size} {old.version} and {new.size} {new.version} are no neighbours: there are "
            f"{len(old.milliseconds)} and {len(new.milliseconds)}; measure both in one call of benchmarks/speed.py"
        )
    return spread(np.array(old.milliseconds) / np.array(new.milliseconds))


def savings(rows: Sequence[Measured], size: str, setting: Setting, new: str = "v1.1") -> dict[str, dict[str, Spread]]:
    """What v1 needs divided by what a later version needs, in each of `SENSES`.

    Args:
        rows: of `measured`.
        size: of the models.
        setting: what is encoded.
        new: the later version.

    Returns:
        Sense -> whose -> ratio. Tokens and MACs are counted, are the same for both, and stand under `OURS`. Who was not
        measured is left out, and memory or time that nobody was measured in as well.
    """
    first, later = (setting.cost(size, version) for version in ("v1", new))
    found = {"tokens": {OURS: _exact(first.tokens / later.tokens)}, "MACs": {OURS: _exact(first.macs / later.macs)}}
    known = {(row.version, row.whose): row for row in rows if (row.size, row.setting) == (size, setting)}
    for whose in (OURS, REFERENCE):
        if {("v1", whose), (new, whose)} <= set(known):
            one, other = known["v1", whose], known[new, whose]
            found.setdefault("time", {})[whose] = times_less(one, other)
            if one.memory and other.memory:
                found.setdefault("memory", {})[whose] = _exact(one.memory / other.memory)
    return {sense: found[sense] for sense in SENSES if sense in found}


class OnGpu(NamedTuple):
    """What torchgeo-bench measured of a model in the setting `GPU`.

    Attributes:
        square_km_a_second: ground that is encoded in a second.
        gmacs: giga-MACs of an image; published are GFLOPs, two of which are one MAC.
    """

    square_km_a_second: float
    gmacs: float


def on_gpu() -> dict[tuple[str, str], OnGpu]:
    """(size, version) -> what was published of it."""
    image = GPU.square_km / GPU.samples
    return {
        (row["size"], row["version"]): OnGpu(image * float(row["images_per_second"]), float(row["gflops"]) / 2)
        for row in published("torchgeo_speed")
    }


def days(square_km: float, square_km_a_second: float) -> float:
    """How long an area takes."""
    return square_km / square_km_a_second / _DAY


def _exact(value: float) -> Spread:
    return Spread(value, value, value)


class Law(NamedTuple):
    """Time of a pass as a constant and two rates: t = overhead + linear / linear_rate + attention / attention_rate.

    Attributes:
        overhead: milliseconds that a pass takes however small its input is.
        linear_rate: giga-MACs a second of linear layers; infinite if time does not grow with them.
        attention_rate: the same of attention.
    """

    overhead: float
    linear_rate: float
    attention_rate: float

    def milliseconds(self, cost: Cost) -> float:
        """Of one sample."""
        return (
            self.overhead + cost.linear_macs / self.linear_rate / 1e6 + cost.attention_macs / self.attention_rate / 1e6
        )


def fitted_law(costs: Sequence[Cost], milliseconds: Sequence[float]) -> Law:
    """The law that is nearest to measured times, in relative errors; nothing in it is negative.

    Args:
        costs: of one sample in each setting, at least three.
        milliseconds: of each setting.
    """
    from scipy.optimize import nnls

    if len(costs) < 3 or len(costs) != len(milliseconds):
        raise ValueError(f"a law is fitted to at least 3 settings with a time each, got {len(costs)} settings")
    times = np.array(milliseconds, dtype=float)
    parts = np.array([(1.0, one.linear_macs / 1e6, one.attention_macs / 1e6) for one in costs])
    overhead, linear, attention = nnls(parts / times[:, None], np.ones(len(times)))[0]
    rates = (float(1 / part) if part else float("inf") for part in (linear, attention))
    return Law(float(overhead), *rates)


def exponent(tokens: Sequence[int], amounts: Sequence[float]) -> float:
    """The power of tokens that an amount grows with, a slope between logarithms: 1 is in proportion, 2 with the square.

    Args:
        tokens: N of at least two settings.
        amounts: time, or multiply-accumulates, of each setting.
    """
    return float(np.polyfit(np.log(tokens), np.log(amounts), 1)[0])


class Growth(NamedTuple):
    """How time and count grow along an axis.

    Attributes:
        time: exponent of time in tokens, with a Student interval of 95 % over the runs.
        macs: exponent of the count over the same settings.
    """

    time: Interval
    macs: float


def growths(rows: Sequence[Measured], size: str, version: str) -> dict[str, Growth]:
    """Exponents of a model along each of `AXES`.

    Args:
        rows: of `measured("speed_growth")`, or made live.
        size: of the model.
        version: of the model.
    """
    own = {row.setting: row for row in rows if (row.size, row.version, row.whose) == (size, version, OURS)}
    found = {}
    for axis, settings in AXES.items():
        along = [own[setting] for setting in settings if setting in own]
        if len(along) < 2:
            continue
        tokens = [row.cost.tokens for row in along]
        runs = zip(*(row.milliseconds for row in along), strict=True)
        time = mean_of([exponent(tokens, run) for run in runs])
        found[axis] = Growth(time, exponent(tokens, [row.cost.macs for row in along]))
    return found
