"""Planted truth at small size: the pair is found, nothing is found where nothing is, and what is named matters."""

import numpy as np
import pytest
import torch

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.insight import outputs
from olmoearth_nb.insight.planted import (
    answers_apart,
    answers_together,
    band_means,
    features,
    fitted_reader,
    levels,
    mixed,
)
from olmoearth_nb.insight.players import Players
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.load import open_encoder, random_encoder

NAME = SENTINEL2.name
GROUPS = Players.of({"visible": "B02 B03 B04", "near": "B08 B8A", "red edge": "B05 B06 B07", "short-wave": "B11 B12"})
RAW = band_means(NAME)


def fraction(found, pair):
    """Of all interaction, that of one pair; a sixth where no pair stands out."""
    return 2 * found.strength[pair] / found.strength.sum()


@pytest.fixture(scope="module")
def rows():
    """Patches whose bands rise and fall together, as real ones do, mixed."""
    random = torch.Generator().manual_seed(0)
    bright = torch.rand(400, 1, 1, 1, 1, generator=random)
    images = 0.2 + 0.5 * bright + 0.05 * torch.rand(400, 4, 4, 1, 12, generator=random)
    return mixed(Batch({NAME: images}, torch.tensor([[1, 6, 2020]]).expand(400, 1, 3)), GROUPS, 1800)


def test_players_tell_nothing_of_each_other(rows):
    found = levels(rows, GROUPS)
    assert abs(np.corrcoef(found.T) - np.eye(4)).max() < 0.08
    within = rows.images[NAME].mean((1, 2, 3))[:, SENTINEL2.indices(["B05", "B07"])]
    assert np.corrcoef(within.T)[0, 1] > 0.95
    together = answers_together(found, (0, 3))
    assert all(abs(np.corrcoef(together, found[:, player])[0, 1]) < 0.08 for player in range(4))
    apart = answers_apart(found, (0, 3))
    assert [np.corrcoef(apart, found[:, player])[0, 1] > 0.3 for player in range(4)] == [True, False, False, True]


@pytest.mark.parametrize("pair", [(0, 3), (1, 2)])
@pytest.mark.parametrize("model", ["", "mini-v1-long"])
def test_the_planted_pair_is_named_and_its_loss_hurts(rows, pair, model):
    output = outputs.embedding(open_encoder(model), 4) if model else RAW
    reader = fitted_reader(output, rows, answers_together(levels(rows, GROUPS), pair))
    found = reader.explain(GROUPS)
    assert reader.accuracy > 0.85
    assert found.strongest == pair
    assert found.incomplete < 1e-5
    rest = tuple(player for player in range(4) if player not in pair)
    assert reader.accuracy_without(GROUPS, pair) < 0.6 < reader.accuracy_without(GROUPS, rest)
    assert fraction(found, pair) > 0.6
    if model:  # the same network behind weights that were never trained: numbers are large, but none stands out
        chance = [reader.explain(GROUPS, output=outputs.embedding(random_encoder(model, seed), 4)) for seed in range(5)]
        assert np.mean([fraction(one, pair) for one in chance]) < 0.35


def test_near_zero_where_players_act_apart(rows):
    pair, size = (0, 3), []
    for answers in (answers_together(levels(rows, GROUPS), pair), answers_apart(levels(rows, GROUPS), pair)):
        found = fitted_reader(RAW, rows, answers).explain(GROUPS)
        size.append(found.strength[pair] / abs(found.single).sum(1).mean())
    assert size[1] < 0.25 * size[0]


def test_shuffled_answers_show_no_structure(rows):
    pair, x = (0, 3), features(RAW, rows)
    right = answers_together(levels(rows, GROUPS), pair)
    known = fitted_reader(RAW, rows, right, x).explain(GROUPS).strength
    shuffled = fitted_reader(RAW, rows, np.random.default_rng(0).permutation(right), x)
    assert 0.4 < shuffled.accuracy < 0.6
    assert shuffled.explain(GROUPS).strength.max() < known[pair] / 3


def test_gaps_cannot_be_mixed():
    images = torch.rand(3, 4, 4, 1, 12)
    images[0, 0, 0, 0, 0] = MISSING
    with pytest.raises(ValueError, match="everything was observed"):
        mixed(Batch({NAME: images}, torch.tensor([[1, 6, 2020]]).expand(3, 1, 3)), GROUPS, 10)
