"""Masked views of a sample, and what is seen near what is hidden."""

import numpy as np
import pytest
import torch

from olmoearth_nb import Role, Sample, TokenGrid
from olmoearth_nb.data import load_embedded
from olmoearth_nb.plots.views import NEIGHBOURS, masked_views, seen_near
from olmoearth_nb.pretrain.recipes import RECIPES


@pytest.fixture(scope="module")
def place():
    """Sentinel-2 and an invented Sentinel-1, 16 x 16 px, three dates."""
    sample = load_embedded("forest").window(0, 0, 16).select_times([2, 5, 8])
    radar = np.random.default_rng(0).normal(-12, 3, (16, 16, 3, 2))
    return Sample({**sample.images, "sentinel1": radar}, sample.timestamps)


@pytest.mark.parametrize("name", ["v1", "naive", "v1.1"])
def test_views_come_in_pairs_and_again(place, name):
    first, second, *more = masked_views(place, RECIPES[name], 4, seed=3, pairs=4)
    assert len(more) == 6
    assert len(first) == len(place.grid(RECIPES[name].tokenization, 4))
    assert not torch.equal(first, second)
    again = masked_views(place, RECIPES[name], 4, seed=3)
    assert torch.equal(torch.stack(again), torch.stack([first, second]))
    assert not torch.equal(masked_views(place, RECIPES[name], 4, seed=4)[0], first)


def test_counted_by_hand():
    """One row of two patches, two dates; v1 has three Sentinel-2 tokens of each."""
    tokenization = RECIPES["v1"].tokenization
    grid = TokenGrid.build({"sentinel2_l2a": (8, 16, 2), "sentinel1": (8, 16, 2)}, tokenization, 8)
    roles = torch.full((len(grid),), int(Role.TARGET_ONLY))

    def give(role, modality, column, time, group=0):
        roles[grid.where(modality, column=column, time=time, group=group)] = int(role)

    give(Role.DECODER, "sentinel2_l2a", 0, 0, 1)
    assert seen_near(grid, roles) == {"hidden": 1, **dict.fromkeys(NEIGHBOURS, 0)}
    give(Role.ONLINE, "sentinel2_l2a", 1, 1)  # another patch on another date is not near
    assert seen_near(grid, roles) == {"hidden": 1, **dict.fromkeys(NEIGHBOURS, 0)}
    steps = [("sentinel2_l2a", 0, 0, 2), ("sentinel2_l2a", 0, 1, 1), ("sentinel2_l2a", 1, 0, 0), ("sentinel1", 0, 0, 0)]
    for number, step in enumerate(steps):
        give(Role.ONLINE, *step)
        assert list(seen_near(grid, roles).values()) == [1] + [1] * (number + 1) + [0] * (3 - number)
    give(Role.DECODER, "sentinel1", 1, 0)
    assert seen_near(grid, roles, "sentinel1")["hidden"] == 1
    assert seen_near(grid, roles)["hidden"] == 1


def test_merged_tokens_have_no_neighbour_between_bands(place):
    for name in ("naive", "v1.1"):
        grid = place.grid(RECIPES[name].tokenization, 4)
        for roles in masked_views(place, RECIPES[name], 4, pairs=20):
            assert seen_near(grid, roles)[NEIGHBOURS[0]] == 0
    grid = place.grid(RECIPES["v1"].tokenization, 4)
    assert sum(seen_near(grid, roles)[NEIGHBOURS[0]] for roles in masked_views(place, RECIPES["v1"], 4, pairs=20)) > 0


def test_an_unknown_sensor_of_the_place_is_never_hidden(place):
    grid = place.grid(RECIPES["v1"].tokenization, 4)
    assert seen_near(grid, masked_views(place, RECIPES["v1"], 4)[0], "landsat")["hidden"] == 0
