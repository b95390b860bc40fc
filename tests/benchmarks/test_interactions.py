"""The benchmark of interactions compares arms with their twins on the same samples, and writes what was planted."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from olmoearth_nb.insight.interactions import PairInteraction
from olmoearth_nb.insight.players import Players

PATH = Path(__file__).parents[2] / "benchmarks" / "interactions.py"
PLAYERS = Players.by_resolution()


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("interactions_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(value, seeds, seed=0):
    """Interactions whose index is some 0.1 around a value, for six samples of four groups, at two stages."""
    rng = np.random.default_rng(seed)
    index = value + rng.normal(0, 0.02, (seeds, 6, 2, 3))
    return [PairInteraction(PLAYERS, ("tokens", "norm"), one, np.ones_like(one)) for one in index]


def test_stages_have_intervals_and_differences_from_the_twin(script):
    groups = np.array([0, 0, 1, 2, 3, 3])
    arms = [("v1", [], "model", ""), ("random, as v1", [], "random", "v1, v1 tokens")]
    given = {(3, "draws", "v1"): found(0.4, 3), (3, "draws", "random, as v1"): found(0.1, 3, 1)}
    rows = list(script.stage_rows("data", arms, given, groups))
    assert [(row["arm"], row["stage"]) for row in rows] == [
        (arm, stage) for arm in ("v1", "random, as v1") for stage in ("tokens", "norm")
    ]
    first = {key: float(rows[0][key]) for key in ("value", "low", "high", "minus twin", "twin low", "twin high")}
    mean = np.mean([one.together[:, 0].mean() for one in given[3, "draws", "v1"]])
    assert first["value"] == pytest.approx(mean, abs=1e-4)
    assert first["low"] < 0.4 < first["high"]
    assert first["minus twin"] == pytest.approx(0.3, abs=0.03)
    assert 0 < first["twin low"] < 0.3 < first["twin high"]
    assert "minus twin" not in rows[2]


def test_one_place_of_each_group_is_explained(script):
    class Set:
        groups = np.array([0, 0, 1, 2, 2, 2, 3, 4])

        def __len__(self):
            return 8

    chosen, groups = script.apart(Set(), 4)
    assert len(set(groups.tolist())) == len(chosen) == 4
    chosen, groups = script.apart(Set(), 20)  # never more than half, so that the others are a background
    assert len(set(chosen.tolist())) == 4


def test_named_rightly(script):
    row = {"first": "B03", "second": "B06", "named first": "B03", "named second": "B06"}
    assert script.is_right(row)
    assert not script.is_right(row | {"named second": "B07"})
