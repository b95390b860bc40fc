"""Single bands: ablation and integrated gradients, against captum and against what they must add up to."""

import numpy as np
import pytest
import torch

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.insight import outputs
from olmoearth_nb.insight.interactions import shapley
from olmoearth_nb.insight.players import Players
from olmoearth_nb.insight.removal import by_draws, by_zero
from olmoearth_nb.insight.single import ablation, integrated_gradients
from olmoearth_nb.sample import Batch
from olmoearth_nb.weights.load import open_encoder

NAME, PLAYERS = SENTINEL2.name, Players.by_resolution()


def batch(count, seed):
    images = torch.rand(count, 8, 8, 1, 12, generator=torch.Generator().manual_seed(seed))
    return Batch({NAME: images}, torch.tensor([[1, 6, 2020]]).expand(count, 1, 3))


def length(model="mini-v1.1-long"):
    return outputs.along(outputs.embedding(open_encoder(model), 4), np.random.default_rng(0).normal(size=64))


def test_ablation_is_what_the_coalitions_say():
    removal = by_draws(batch(4, 1), 2)
    found = ablation(length(), batch(2, 0), PLAYERS, removal)
    values = shapley(length(), batch(2, 0), PLAYERS, removal).values
    np.testing.assert_allclose(found, values[:, 7:] - values[:, [6, 5, 3]], atol=1e-6)


def test_ablation_as_captum_does_it():
    FeatureAblation = pytest.importorskip("captum.attr").FeatureAblation
    samples, groups = batch(2, 0), torch.from_numpy(PLAYERS.player_of_channel)
    number = lambda pixels: length()(Batch({NAME: pixels}, samples.timestamps[: len(pixels)]), None)  # noqa: E731
    with torch.inference_mode():
        theirs = FeatureAblation(number).attribute(
            samples.images[NAME], 0.0, feature_mask=groups.expand(1, 8, 8, 1, 12)
        )
    firsts = [int((groups == player).nonzero()[0]) for player in range(3)]
    np.testing.assert_allclose(
        ablation(length(), samples, PLAYERS, by_zero()), theirs[:, 0, 0, 0, firsts].numpy(), atol=1e-5
    )


def test_integrated_gradients_add_up():
    pytest.importorskip("captum")
    samples, removal = batch(2, 0), by_draws(batch(4, 1), 2)
    found = integrated_gradients(length("mini-v1-long"), samples, PLAYERS, removal, steps=48)
    total = shapley(length("mini-v1-long"), samples, PLAYERS, removal).total
    np.testing.assert_allclose(found.sum(1), total, rtol=0.02, atol=0.01)
