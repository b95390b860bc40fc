"""Embeddings of scenes: the readouts by hand, gaps, and the cache."""

import numpy as np
import pytest
import torch
from vast import Vast

from olmoearth_nb import Batch, Encoder, Sample, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.simulate.generate import simulate
from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.evaluation.baselines import band_statistics, fill, patch_means, time_aware
from olmoearth_nb.evaluation.embed import embed, embed_place, embed_window
from olmoearth_nb.io.durable import write_array


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(simulate(tmp_path_factory.mktemp("embed") / "world", 16, size=32, dates=12, quiet=True))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder(size_config("nano", "v1")).eval()


SCENES = np.array([3, 0, 9])


def test_readouts_by_hand(world, encoder):
    with torch.inference_mode():
        encoded = encoder(world.batch(SCENES), 8)
    tokens = encoded.of("sentinel2_l2a")  # (B, 4, 4, 12, 3, D)
    online = encoded.grid.unflatten(encoded.online.unsqueeze(-1), "sentinel2_l2a")[..., 0]
    assert not online.all(), "this world has a month without Sentinel-2, or the test shows nothing"
    scene, patches, dates = (embed(encoder, world, SCENES, 8, r) for r in ("scene", "patches", "patches by date"))
    seen = tokens[0][online[0]]
    assert np.allclose(scene[0], seen.mean(0), atol=1e-5)
    assert np.allclose(patches[0, 5], tokens[0, 1, 1][online[0, 1, 1]].mean(0), atol=1e-5)
    by_date = dates.reshape(3, 16, 12, 128)
    there = online[0, 1, 1, :, 0].numpy()
    assert np.allclose(by_date[0, 5][there], tokens[0, 1, 1].mean(1)[there], atol=1e-5)
    assert np.allclose(by_date[0, 5][~there], tokens[0, 1, 1].mean(1)[there].mean(0), atol=1e-5)


def test_batches_do_not_matter(world, encoder):
    one, all_at_once = (embed(encoder, world, SCENES, 8, batch_size=size) for size in (1, 3))
    assert np.allclose(one, all_at_once, atol=1e-5)


def test_the_cache_knows_model_data_and_setting(world, encoder, tmp_path):
    first = embed(encoder, world, SCENES, 8, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    kept = next(tmp_path.iterdir())
    write_array(kept, first + 1)
    assert (embed(encoder, world, SCENES, 8, cache=tmp_path) == first + 1).all(), "read, not computed again"
    torch.manual_seed(1)
    embed(Encoder(encoder.config), world, SCENES, 8, cache=tmp_path)
    embed(encoder, world, SCENES[:2], 8, cache=tmp_path)
    embed(encoder, world, SCENES, 4, cache=tmp_path)
    embed(encoder, world, SCENES, 8, "patches", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 5
    with pytest.raises(ValueError, match="no readout 'tokens'; there are scene, patches"):
        embed(encoder, world, SCENES, 8, "tokens")


def test_a_pass_for_patches_keeps_the_scenes(world, encoder, tmp_path, monkeypatch):
    alone = embed(encoder, world, SCENES, 8)
    embed(encoder, world, SCENES, 8, "patches", cache=tmp_path)
    monkeypatch.setattr(Encoder, "forward", lambda *args: pytest.fail("a second pass"))
    assert (embed(encoder, world, SCENES, 8, cache=tmp_path) == alone).all()


def test_floors_by_hand(world):
    sample = world.samples(SCENES, ("sentinel2_l2a", "sentinel1"))[0]
    means = patch_means(sample, 8, ("sentinel2_l2a", "sentinel1"))
    assert means.shape == (16, 12, 14)
    image = sample.images["sentinel2_l2a"]
    there = ~np.isnan(means[5, :, 0])
    assert 0 < there.sum() < 12
    assert np.allclose(means[5, there, :12], image[8:16, 8:16][:, :, there].mean((0, 1)), rtol=1e-5)
    filled = fill(means[..., :12])
    assert np.isfinite(filled).all()
    assert np.allclose(filled[5, ~there], means[5, there, :12].mean(0))
    assert np.allclose(band_statistics(means[..., :12])[5, :12], filled[5].mean(0))
    assert time_aware(means[..., :12]).shape == (16, 12 * 13)


def test_a_place_window_by_window(world, encoder):
    """Each window is what the encoder makes of it alone; gaps and the rest at the edges are told apart."""
    image = world.samples(SCENES)[0].images["sentinel2_l2a"][:, :, 5:7].copy()
    image[image == MISSING] = 1000
    image[16:20, 4:8] = MISSING
    place = Sample({"sentinel2_l2a": image[:30]}, [[1, 5, 2020], [1, 6, 2020]])
    found = embed_place(encoder, place, 4, 16)
    assert found.shape == (7, 8, 128)
    gone = np.isnan(found).any(-1)
    assert gone.sum() == 1
    assert gone[4, 1]
    with torch.inference_mode():
        alone = encoder(Batch.from_samples(place.window(0, 16, 16)), 4).pool_patches()[0]
    assert np.allclose(found[:4, 4:], alone, atol=1e-5)
    assert np.allclose(found[4:, 4:], embed_window(encoder, place, 16, 16, 16, 4), atol=1e-5)
    nothing = Sample({"sentinel2_l2a": np.full((8, 8, 2, 12), MISSING)}, place.timestamps)
    assert embed_window(encoder, nothing, 0, 0, 8, 4) is None
    assert np.isnan(embed_place(encoder, nothing, 4, 8)).all()
    for patch, window, text in ((4, 18, "windows of 18 px"), (8, 4, "windows of 4 px, patches of 8 px")):
        with pytest.raises(ValueError, match=text):
            embed_place(encoder, place, patch, window)
    with pytest.raises(ValueError, match=r"the place at least a patch.* and 2x32 px"):
        embed_place(encoder, Sample({"sentinel2_l2a": image[:2]}, place.timestamps), 4)


@pytest.mark.case("H27")
@pytest.mark.parametrize("maps", [False, True])
def test_a_scene_is_read_window_by_window(encoder, maps):
    """The embeddings are those of a sample of the same pixels; maps are neither embedded nor in the way."""
    scene = Vast(70, 50, seen=40, maps=maps)
    found = embed_place(encoder, scene, 8, 16)
    assert found.shape == (8, 6, 128)
    assert max(height * width for *_, height, width in scene.asked) == 16 * 16
    whole = scene.window(0, 0, 70, 50)
    assert np.array_equal(found, embed_place(encoder, whole, 8, 16), equal_nan=True)
    assert np.isnan(found[5:]).all()
    assert np.isfinite(found[:5, :5]).all()


@pytest.mark.case("H27")
def test_embeddings_that_memory_does_not_hold_go_where_the_caller_says(encoder, tmp_path, monkeypatch):
    scene = Vast(64, 32)
    expected = embed_place(encoder, scene, 8, 16)
    monkeypatch.setattr("olmoearth_nb.evaluation.embed.memory_of", lambda device: 1 << 12)
    with pytest.raises(ValueError, match=r"8 x 4 x 128 numbers, take 0 GiB; write them to a file by out="):
        embed_place(encoder, scene, 8, 16)
    file = np.lib.format.open_memmap(tmp_path / "e.npy", "w+", "float32", (8, 4, 128))
    embed_place(encoder, scene, 8, 16, out=file)
    file.flush()
    assert np.array_equal(np.load(tmp_path / "e.npy"), expected)
    with pytest.raises(
        ValueError, match=r"out must be float32 of shape \(8, 4, 128\), got float64 of shape \(8, 4, 2\)"
    ):
        embed_place(encoder, scene, 8, 16, out=np.zeros((8, 4, 2)))


def test_a_scene_of_maps_alone_has_nothing_to_embed(encoder):
    maps = Sample({"srtm": np.zeros((16, 16, 1, 1))}, [[1, 5, 2020]], "hills")
    with pytest.raises(ValueError, match=r"hills has no sensor to encode, only \['srtm'\]"):
        embed_place(encoder, maps, 8, 16)


@pytest.mark.case("15")
def test_baselines_are_not_made_of_nothing():
    means = np.random.default_rng(0).normal(size=(5, 3, 4))
    means[2] = np.nan
    assert np.allclose(fill(means)[2], np.nanmean(means, (0, 1))), "a row without dates takes the mean of all"
    means[0, 1, 1] = np.inf
    with pytest.raises(ValueError, match="1 of 5 rows hold infinity"):
        band_statistics(means)
    means[:, :, 1] = np.nan
    with pytest.raises(ValueError, match="bands 1, counted from 0, were observed nowhere"):
        time_aware(means)
