"""What was measured of shipped and studied models, as it comes with the package: docs/results/attention.md says how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.io.shipped import published

ACROSS = "across resolutions"

TWIN = "random, as "
"""Before the name of an arm: its random twins."""


@dataclass(frozen=True)
class MeasuredStages:
    """Interaction across resolutions at every stage of several arms, with intervals over seeds and samples.

    Attributes:
        stages: names, from the tokens to the norm.
        trained: arm -> one interval a stage.
        untrained: arm -> the same of its random twins.
        gain: arm -> trained minus untrained, paired, one interval a stage.
        seeds: arm -> how many trainings.
        samples: places.
    """

    stages: tuple[str, ...]
    trained: dict[str, list[Interval]]
    untrained: dict[str, list[Interval]]
    gain: dict[str, list[Interval]]
    seeds: dict[str, int]
    samples: int


def measured_stages(
    data: str = "chips", players: int = 3, pairs: str = ACROSS, removal: str = "draws"
) -> MeasuredStages:
    """Interaction at every stage, read from the tables that come with the package.

    Args:
        data: "chips" (EuroSAT, models of real chips) or "world" (models of the simulated world).
        players: 3 for the resolutions, 12 for the bands.
        pairs: "across resolutions" or "within a resolution".
        removal: what stood in the place of removed bands: "draws", "mean" or "zero".

    Raises:
        ValueError: if that was not measured, saying what was.
    """
    wanted = {"data": data, "players": str(players), "pairs": pairs, "removal": removal}
    rows = [row for row in published("interactions") if all(row[name] == value for name, value in wanted.items())]
    if not rows:
        known = sorted({tuple(row[name] for name in wanted) for row in published("interactions")})
        raise ValueError(f"there is no measurement of {', '.join(wanted.values())}; there are {known}")
    found = MeasuredStages(tuple(dict.fromkeys(row["stage"] for row in rows)), {}, {}, {}, {}, int(rows[0]["samples"]))
    for row in rows:
        arm, interval = row["arm"].removeprefix(TWIN), _interval(row, "value", "low", "high")
        if row["kind"] == "random":
            found.untrained.setdefault(arm, []).append(interval)
            continue
        found.trained.setdefault(arm, []).append(interval)
        found.gain.setdefault(arm, []).append(_interval(row, "minus twin", "twin low", "twin high"))
        found.seeds[arm] = int(row["seeds"])
    return found


def measured_attention(
    data: str = "chips", arm: str = "v1", keys: str = "own patch and date"
) -> dict[tuple[str, str, str], tuple[Interval, Interval]]:
    """Attention of band groups to each other relative to uniform attention.

    Ratios are geometric means over places and seeds; their intervals are those of the logarithm.

    Args:
        data: "chips" or "world".
        arm: one with several tokens a patch.
        keys: which tokens of the asked group count: "own patch and date" or "all".

    Returns:
        (block, asking group, asked group) -> (several trainings, their random twins), with intervals over both seeds
        and samples; of one training over samples alone.

    Raises:
        ValueError: if that was not measured, saying what was.
    """
    wanted = (data, arm, keys)
    found: dict[tuple[str, str, str], dict[str, Interval]] = {}
    for row in published("interactions_attention"):
        if (row["data"], row["arm"].removeprefix(TWIN), row["keys"]) == wanted:
            one = found.setdefault((row["block"], row["query"], row["key"]), {})
            one[row["kind"]] = _interval(row, "ratio", "low", "high")
    if not found:
        rows = [row for row in published("interactions_attention") if row["kind"] == "model"]
        known = sorted({(row["data"], row["arm"], row["keys"]) for row in rows})
        raise ValueError(f"there is no measurement of {', '.join(wanted)}; there are {known}")
    return {key: (one["model"], one["random"]) for key, one in found.items()}


def measured_validation() -> list[dict[str, str]]:
    """The rows of the planted tasks: who read them, which pair was planted, which one was named."""
    return published("interactions_validation")


@dataclass(frozen=True)
class Check:
    """How the planted tasks of one reader went; fractions are NaN where nothing was measured.

    Attributes:
        players: "6 groups" or "12 bands".
        reader: raw bands or an encoder.
        tasks: with a planted pair.
        solved: those that the reader answers with an accuracy of `SOLVED` or more.
        named: (a) fraction of the solved ones in which the planted pair is named.
        chance: that of naming it by chance.
        together: interaction of the planted pair relative to single players.
        apart: the same where the answer is a sum of both.
        named_random: (b) fraction of all in which the pair is named behind random weights, by the probe of the trained.
        shuffled: the interaction of the pair, as a fraction of all, where answers were shuffled before the probe
            was fitted.
        named_refitted: as `named_random`, with a probe fitted anew behind the random weights.
        without_named: (c) accuracy without the named pair.
        without_random: the same without random pairs.
        incomplete: (d) what the parts miss of the whole, relative, at most.
    """

    players: str
    reader: str
    tasks: int
    solved: int
    named: float
    chance: float
    together: float
    apart: float
    named_random: float
    shuffled: float
    named_refitted: float
    without_named: float
    without_random: float
    incomplete: float


SOLVED = 0.75
"""Accuracy from which a planted task counts as solved."""


def validation_checks() -> list[Check]:
    """The planted tasks of each reader in one row."""
    of_reader: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in measured_validation():
        of_reader.setdefault((row["players"], row["reader"]), []).append(row)
    return [_check(*key, rows) for key, rows in of_reader.items()]


def _check(players: str, reader: str, rows: Sequence[dict[str, str]]) -> Check:
    """The row of one reader."""
    tasks = [row for row in rows if row["kind"] == "together"]
    solved = [row for row in tasks if float(row["accuracy"]) >= SOLVED]
    named = [(row["first"], row["second"]) == (row["named first"], row["named second"]) for row in solved]
    count = int(players.split()[0])
    return Check(
        players,
        reader,
        len(tasks),
        len(solved),
        float(np.mean(named)) if named else float("nan"),
        2 / (count * (count - 1)),
        _mean(solved, "relative"),
        _mean([row for row in rows if row["kind"] == "apart"], "relative"),
        _mean(tasks, "right random weights"),
        _mean([row for row in rows if row["kind"] == "shuffled"], "fraction"),
        _mean(tasks, "right refitted random weights"),
        _mean(solved, "without named"),
        _mean(solved, "without random"),
        max(float(row["incomplete"]) for row in rows),
    )


def _mean(rows: Sequence[dict[str, str]], column: str) -> float:
    """Mean of what is there of a column; NaN if nothing is."""
    values = [float(row[column]) for row in rows if row[column]]
    return float(np.mean(values)) if values else float("nan")


def _interval(row: dict[str, str], *names: str) -> Interval:
    """Three columns of a row."""
    return Interval(*(float(row[name]) for name in names))
