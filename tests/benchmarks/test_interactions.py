"""The benchmark of interactions compares arms with their twins on the same samples, and writes what was planted."""

from types import SimpleNamespace

import numpy as np
import pytest

from olmoearth_nb.insight.interactions import PairInteraction
from olmoearth_nb.insight.players import Players
from olmoearth_nb.tokenization import TOKENIZATIONS

SCRIPT = "interactions"
PLAYERS = Players.by_resolution()


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


def test_one_place_of_each_group_is_explained_and_no_place_of_it_is_in_the_background(script):
    class Set:
        groups = np.array([0, 0, 1, 2, 2, 2, 3, 4])

        def __len__(self):
            return 8

    chosen, groups, others = script.apart(Set(), 2)
    assert len(set(groups.tolist())) == len(chosen) == 2
    assert set(Set.groups[others].tolist()) == set(Set.groups.tolist()) - set(groups.tolist())
    chosen, groups, others = script.apart(Set(), 20)  # all places of half of the groups
    assert len(set(groups.tolist())) == 2
    assert len(set(chosen.tolist())) == len(chosen) == np.isin(Set.groups, groups).sum()
    assert not set(Set.groups[others].tolist()) & set(groups.tolist())


def test_random_pairs_have_nothing_of_the_planted_one_and_are_drawn_anew(script):
    players = Players.each_band()
    drawn = [script.pairs_apart(players, (2, 5), seed) for seed in (0, 1)]
    for pairs in drawn:
        assert len(set(pairs)) == 8
        assert not {2, 5} & {one for pair in pairs for one in pair}
    assert drawn[0] != drawn[1]


THREE = {"v1": 0.4, "naive": 0.2}
ARMS = [(name, [], "model", "") for name in THREE] + [("random, as v1", [], "random", "v1, naive")]


def compared(value, seeds, seed=0, players=PLAYERS):
    rng = np.random.default_rng(seed)
    index = value + rng.normal(0, 0.02, (seeds, 6, 3, len(players.pairs)))
    return [PairInteraction(players, ("tokens", "attention 1", "norm"), one, np.ones_like(one)) for one in index]


def test_arms_are_subtracted_and_a_twin_of_both_says_nothing(script):
    given = {(3, "draws", name): compared(value, 3, place) for place, (name, value) in enumerate(THREE.items())}
    given[3, "draws", "random, as v1"] = compared(0.1, 2, 5)
    rows = list(script.difference_rows("data", ARMS, given, np.array([0, 0, 1, 2, 3, 3])))
    assert [(row["stage"], row["arm"], row["minus"]) for row in rows] == [
        (stage, "v1", "naive") for stage in ("tokens", "attention 1", "norm")
    ]
    for row in rows:
        assert 0.1 < float(row["low"]) < float(row["difference"]) < float(row["high"]) < 0.3
        assert row["difference of gains"] == row["difference"]
    two = [*ARMS[:2], ("random, as v1", [], "random", "v1"), ("random, as naive", [], "random", "naive")]
    given[3, "draws", "random, as naive"] = compared(0.3, 2, 6)
    for row in script.difference_rows("data", two, given, np.array([0, 0, 1, 2, 3, 3])):
        assert float(row["difference of gains"]) == pytest.approx(0.4, abs=0.05)
        assert float(row["gain low"]) < 0.4 < float(row["gain high"])


def test_patterns_are_compared_with_random_weights_and_with_tokens(script):
    players = Players.each_band()
    encoder = SimpleNamespace(config=SimpleNamespace(tokenization=TOKENIZATIONS["v1"]))
    arms = [("v1", [encoder], "model", ""), ("random, as v1", [encoder], "random", "v1")]
    token = {band: at for at, group in enumerate(TOKENIZATIONS["v1"].groups_of("sentinel2_l2a")) for band in group}
    value = np.array([0.5 if token[players.names[i]] == token[players.names[j]] else 0.1 for i, j in players.pairs])
    slope = np.linspace(0, 0.05, len(players.pairs))
    given = {
        (12, "draws", "v1"): compared(value + slope, 3, 1, players),
        (12, "draws", "random, as v1"): compared(0.2 - slope, 3, 2, players),
    }
    model, random = script.pattern_rows("data", arms, given, np.arange(6))
    assert float(model["correlation between seeds"]) > 0.7 > 0 > float(model["correlation with twin"])
    assert float(model["within a token low"]) > 0.4 > 0.2 > float(model["across tokens high"])
    assert "correlation with twin" not in random


def test_correlations_with_accuracy_have_intervals_and_lose_freedom_to_the_means_of_arms(script):
    rng, rows = np.random.default_rng(0), []
    for arm in range(4):
        for value in rng.normal(arm, 0.1, 3):
            row = {"arm": str(arm), "kind": "model", "task": "kNN", "accuracy": value + rng.normal(0, 0.1)}
            rows.append(row | {"cross-resolution interaction": value})
    whole, _, within = script.correlation_rows("data", rows)
    assert float(whole["low"]) < float(whole["correlation"]) < float(whole["high"])
    assert float(whole["low"]) > 0.5
    assert whole["n"] == within["n"] == 12
    width = [float(row["high"]) - float(row["low"]) for row in (whole, within)]
    assert width[1] > width[0]


def test_ratios_of_attention_are_told_by_their_logarithms(script):
    own, twins = np.log([[2.0, 4, 8], [4, 4, 4]]), np.log([[2.0, 2, 2]])
    row = script.ratio_cells(own, {"ratio": [], "times twin": [twins]}, np.ones(3), "model")
    assert (float(row["ratio"]), float(row["times twin"])) == (4, 2)
    assert float(row["low"]) * float(row["high"]) == pytest.approx(16, rel=0.001)
    assert set(script.ratio_cells(own, {"ratio": [], "times twin": [twins]}, np.ones(3), "random")) == {
        "ratio",
        "low",
        "high",
    }


def test_named_rightly(script):
    row = {"first": "B03", "second": "B06", "named first": "B03", "named second": "B06"}
    assert script.is_right(row)
    assert not script.is_right(row | {"named second": "B07"})
