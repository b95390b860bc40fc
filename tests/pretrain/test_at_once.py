"""Windows of many chips cut at once are those that are cut one by one, bit for bit; numbers are normalised later."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.chips import UNOBSERVED, open_corpus
from olmoearth_nb.grid import Role
from olmoearth_nb.pretrain import batches
from olmoearth_nb.pretrain.batches import Draws, MicroBatches
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.recipes import two_cores

CROPS = Crops(patch_sizes=(2, 4), edges=(2, 4), budget=300)
GAPS = {
    "nothing": lambda dn: None,
    "some pixels": lambda dn: dn[::5, :, 10:11, 3:40].fill(0),  # no data: 0 in all bands
    "one band": lambda dn: dn[:, 3, :20].fill(65535),  # a fill value
    "one small number": lambda dn: dn[2::3, :, 30:, 30:].fill(1),  # a 0 from which an offset was taken
    "most of a chip": lambda dn: dn[4, :, 6:].fill(0),  # windows of it are drawn again
}


def write(path, gaps, shape=(23, 12, 64, 64), dtype=np.uint16, seed=0):
    """A shard in an order of bands that is not ours."""
    dn = np.random.default_rng(seed).integers(1500, 3000, shape).astype(dtype)
    GAPS[gaps](dn)
    with h5py.File(path, "w") as file:
        file["dn"] = dn
        file.attrs["bands"] = " ".join(reversed(SENTINEL2.band_names))
    return path


def stream(corpus, name="v1", normalisation="standard", samples=16):
    recipe = two_cores(name)
    optimisation = replace(recipe.optimisation, batch=samples, micro_batch=samples)
    return MicroBatches(corpus, replace(recipe, normalisation=normalisation, optimisation=optimisation), CROPS, 3, 40)


def one_by_one(monkeypatch):
    """From here on no corpus cuts at once."""
    monkeypatch.setattr(batches, "ChipsInMemory", ())


@pytest.mark.parametrize(("name", "normalisation"), [("v1", "standard"), ("v1.1", "official")])
@pytest.mark.parametrize("gaps", GAPS)
def test_the_same_to_the_last_bit(tmp_path, monkeypatch, gaps, name, normalisation):
    write(tmp_path / "a.h5", gaps)
    write(tmp_path / "b.h5", "nothing", (9, 12, 48, 48), seed=1)  # of another size
    made = stream(open_corpus(tmp_path), name, normalisation)
    calls, cut = [], made._crop
    made._crop = lambda *given: calls.append(given) or cut(*given)
    first = [made[number] for number in range(8)]
    if gaps in ("nothing", "some pixels", "most of a chip"):
        assert bool(calls) == (gaps == "most of a chip"), "one by one only where a window has to be drawn again"
    one_by_one(monkeypatch)
    hidden = 0
    for number, micro in enumerate(first):
        other = made[number]
        assert torch.equal(micro.roles, other.roles)
        assert torch.equal(micro.timestamps, other.timestamps)
        assert micro.grid.shapes == other.grid.shapes
        assert micro.grid.patch_size == other.grid.patch_size
        assert list(micro.images) == list(other.images)
        assert torch.equal(micro.images[SENTINEL2.name], other.images[SENTINEL2.name])
        assert micro.images[SENTINEL2.name].dtype == torch.float32
        hidden += int((micro.roles == Role.MISSING).sum())
    assert bool(hidden) == (gaps != "nothing")


def test_numbers_stay_two_bytes_until_they_are_where_the_model_is(tmp_path):
    made = stream(open_corpus(write(tmp_path / "a.h5", "one band")))
    drawn = Draws(made)[0]
    stored, image = drawn.images[SENTINEL2.name], made[0].images[SENTINEL2.name]
    assert stored.dtype == torch.uint16
    gaps = stored.numpy() == UNOBSERVED
    assert gaps.any()
    assert (image.numpy()[gaps] == 0).all()
    mean, std = (np.array([getattr(band, key) for band in SENTINEL2.bands]) for key in ("mean", "std"))
    expected = (stored.numpy() - mean) / std
    assert np.allclose(image.numpy()[~gaps], expected[~gaps], atol=1e-5)
    assert drawn.to("meta").images[SENTINEL2.name].dtype == torch.float32


def test_other_numbers_are_cut_one_by_one(tmp_path):
    """Reflectance below 0 does not fit into two bytes without a sign."""
    corpus = open_corpus(write(tmp_path / "a.h5", "nothing", dtype=np.int32))
    assert corpus.windows(np.array([0]), np.array([0]), np.array([0]), 8) is None
    assert Draws(stream(corpus))[0].images[SENTINEL2.name].dtype == torch.float32


def test_windows_are_those_of_single_chips(tmp_path):
    corpus = open_corpus(write(tmp_path / "a.h5", "some pixels"))
    places, rows, columns = np.array([5, 0, 22, 5]), np.array([8, 0, 40, 9]), np.array([1, 3, 40, 0])
    found = corpus.windows(places, rows, columns, 24)
    assert found.shape == (4, 24, 24, 1, 12)
    for i, place in enumerate(places):
        image = corpus.window(place, rows[i], columns[i], 24).images[SENTINEL2.name]
        assert np.array_equal(np.where(found[i] == UNOBSERVED, MISSING, found[i]), image)
