"""What Sentinel-2 alone at a single date leaves of each recipe's masking, as docs/pretraining.md states it."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.data.chips import open_corpus
from olmoearth_nb.grid import Role
from olmoearth_nb.pretrain import masking
from olmoearth_nb.pretrain.batches import MicroBatches
from olmoearth_nb.pretrain.crops import TWO_CORES, Crops
from olmoearth_nb.pretrain.measures import role_fractions
from olmoearth_nb.pretrain.recipes import two_cores
from olmoearth_nb.tokenization import TOKENIZATIONS

RECIPES = {name: two_cores(name) for name in ("v1", "naive", "v1.1")}
RECIPES["v1 tokens, v1.1 recipe"] = replace(RECIPES["v1.1"], tokenization=TOKENIZATIONS["v1"])

STATED = {
    "v1": (0.42, 0.37, 0.22, 0.0),
    "naive": (0.5, 0.5, 0.0, 1.0),
    "v1.1": (0.5, 0.5, 0.0, 1.0),
    "v1 tokens, v1.1 recipe": (1 / 3, 1 / 6, 0.5, 0.0),
}
"""Fractions of the tokens that are seen, predicted, neither; fraction of the samples whose masks are plain halves."""


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    path = tmp_path_factory.mktemp("chips") / "a.h5"
    with h5py.File(path, "w") as file:
        file["dn"] = np.random.default_rng(0).integers(1500, 3000, (40, 12, 64, 64)).astype(np.uint16)
        file.attrs["bands"] = " ".join(MODALITIES["sentinel2_l2a"].band_names)
    return open_corpus(path)


@pytest.mark.parametrize("name", STATED)
def test_roles_are_as_stated(chips, name, monkeypatch):
    halves, halve = [], masking._halve
    monkeypatch.setattr(masking, "_halve", lambda *given: halves.append(0) or halve(*given))
    stream = MicroBatches(chips, RECIPES[name], TWO_CORES, 0, 60)
    found = role_fractions(stream[i] for i in range(60))
    shares = [found[role] for role in (Role.ONLINE, Role.DECODER, Role.TARGET_ONLY)]
    assert np.allclose(shares, STATED[name][:3], atol=0.04)
    assert len(halves) / (60 * 4 * 2) == STATED[name][3]
    assert found[Role.MISSING] == 0
    assert stream[0].timestamps.shape == (4, 1, 3), "one date: nothing to fill in from others"
    assert list(stream[0].images) == ["sentinel2_l2a"], "no map: masked negatives have nothing to do"


@pytest.mark.parametrize("name", STATED)
def test_bands_predict_each_other_only_with_tokens_of_their_own(chips, name):
    """Where a band group is hidden at a place at which another is seen."""
    stream = MicroBatches(chips, RECIPES[name], TWO_CORES, 0, 20)
    across = False
    for micro in (stream[i] for i in range(20)):
        roles = micro.grid.unflatten(micro.roles.flatten(0, 1), "sentinel2_l2a")  # (2 B, h, w, 1, G)
        across |= bool(((roles == Role.ONLINE).any(-1) & (roles == Role.DECODER).any(-1)).any())
    assert across == ("v1 tokens" in name or name == "v1")


def test_the_published_crops_fit_into_a_chip(chips):
    """Up to twelve patches of eight pixels are asked for, chips have 64: such crops are not drawn."""
    stream = MicroBatches(chips, RECIPES["v1.1"], Crops(), 0, 40)
    edges = set()
    for micro in (stream[i] for i in range(40)):
        assert not torch.isnan(micro.images["sentinel2_l2a"]).any()
        edges.add(micro.images["sentinel2_l2a"].shape[1])
    assert max(edges) <= 64
    assert len(edges) > 10
