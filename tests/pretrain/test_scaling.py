"""Robust scaling: statistics of the corpus, inputs by the definition, and a run that leaves an ordinary encoder."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import tiny
import torch

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.data.chips import open_corpus
from olmoearth_nb.model.patch_embed import enlarged
from olmoearth_nb.pretrain.batches import MicroBatches
from olmoearth_nb.pretrain.crops import TWO_CORES, Crops
from olmoearth_nb.pretrain.measures import target_angle
from olmoearth_nb.pretrain.recipes import Recipe, two_cores
from olmoearth_nb.pretrain.run import pretrain
from olmoearth_nb.pretrain.scaling import measured, with_statistics
from olmoearth_nb.weights.scaling import check_scaling, rescaling
from olmoearth_nb.weights.trained import initial_model, load_trained, load_untrained

NAME = "sentinel2_l2a"
BANDS = MODALITIES[NAME].band_names


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Two hundred chips of 20 x 20 px; each band has a level and a spread of its own."""
    folder = tmp_path_factory.mktemp("chips")
    chance = np.random.default_rng(0)
    level = 1000 + 150 * np.arange(12)[:, None, None]
    image = chance.normal(level, 0.1 * level, (200, 12, 20, 20)).round().astype(np.uint16)
    image[3:20, :, :8, :8] = 9000  # clouds
    image[21, :, 10:] = 0
    with h5py.File(folder / "a.h5", "w") as file:
        file["dn"] = image
        file.attrs["bands"] = " ".join(BANDS)
    return open_corpus(folder)


@pytest.fixture(scope="module")
def tiles():
    return open_corpus(tiny.TILES)


def robust(name="v1", **changes):
    return replace(two_cores(name), normalisation="robust", **changes)


def test_statistics_are_those_of_the_corpus_and_not_of_its_clouds(chips):
    found = np.array(measured(chips)[NAME])
    level = 1000 + 150 * np.arange(12)
    assert np.abs(found[:, 0] / level - 1).max() < 0.01
    assert np.abs(found[:, 1] / (0.1 * 1.349 * level) - 1).max() < 0.05
    assert measured(chips) == measured(chips)


def test_a_band_that_hardly_varies_keeps_the_official_statistics(tiles):
    """OpenStreetMap is 0 almost everywhere: its range would be 0."""
    found = measured(tiles)
    spec = MODALITIES["openstreetmap_raster"]
    assert (spec.bands[0].mean, 1.349 * spec.bands[0].std) in found[spec.name]
    assert all(spread > 0 for pairs in found.values() for _, spread in pairs)
    check_scaling("robust", found)


def test_inputs_are_by_the_definition(tiles):
    recipe = with_statistics(robust(), tiles)
    official = replace(recipe, normalisation="official", statistics=None)
    ours, theirs = (MicroBatches(tiles, one, TWO_CORES, 0, 3)[1] for one in (recipe, official))
    assert torch.equal(ours.roles, theirs.roles), "scaling changes neither windows nor masks"
    for name, image in ours.images.items():
        bands = MODALITIES[name].bands
        mean, std = (torch.tensor([getattr(band, key) for band in bands]).double() for key in ("mean", "std"))
        middle, spread = torch.tensor(recipe.statistics[name]).double().T
        raw = (theirs.images[name].double() - 0.5) * 4 * std + mean
        seen = theirs.images[name] != 0
        wanted = (raw - middle) / (spread / 1.349)
        assert torch.allclose(image.double()[seen], wanted[seen], rtol=1e-4, atol=2e-3)
        assert (image[~seen] == 0).all() or name not in (NAME, "sentinel1", "landsat")


def test_standard_is_four_times_the_official_less_two():
    factor, shift = rescaling("standard", None, NAME)
    assert factor.tolist() == [4.0] * 12
    assert shift.tolist() == [-2.0] * 12


def test_a_table_goes_before_the_corpus(chips):
    table = {NAME: ((1000.0, 500.0),) * 12}
    assert with_statistics(robust(statistics=table), chips).statistics == table
    assert with_statistics(two_cores("v1"), chips) == two_cores("v1")


WRONG = {
    "without statistics": (lambda chips: MicroBatches(chips, robust(), Crops((2,), (2,)), 0, 1)[0], "needs statistics"),
    "with another scaling": (lambda _: Recipe("x", statistics={NAME: ((0.0, 1.0),) * 12}), "belong to normalisation="),
    "of no modality": (lambda _: robust(statistics={"x": ()}), "statistics hold modalities"),
    "of some bands": (lambda _: robust(statistics={NAME: ((0.0, 1.0),)}), "for each of its 12 bands"),
    "no spread": (lambda _: robust(statistics={"srtm": ((0.0, 0.0),)}), "an IQR above 0"),
    "no number": (lambda _: robust(statistics={"srtm": ((0.0, float("nan")),)}), "an IQR above 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_statistics(chips, case):
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        call(chips)


def test_a_run_leaves_an_encoder_of_official_inputs(chips, tmp_path):
    """Its statistics are in run.json; the same call goes on, another table is another run."""
    chosen = tiny.plan((32,))
    plan = replace(chosen, recipe=replace(chosen.recipe, normalisation="robust"), crops=Crops((2, 4), (2, 4), 130))
    made = pretrain(plan, chips, tmp_path / "run", quiet=True)
    about = json.loads((made[0] / "run.json").read_text())
    assert np.allclose(about["statistics"][NAME], measured(chips)[NAME])
    assert about["data"]["chips"] == 200
    assert pretrain(plan, chips, tmp_path / "run", quiet=True) == made
    table = replace(plan, recipe=replace(plan.recipe, statistics={NAME: ((1000.0, 500.0),) * 12}))
    with pytest.raises(FileExistsError, match="statistics"):
        pretrain(table, chips, tmp_path / "run", quiet=True)

    recipe = with_statistics(plan.recipe, chips)
    own, official = (
        MicroBatches(chips, one, plan.crops, 0, 1)[0]
        for one in (recipe, replace(recipe, normalisation="official", statistics=None))
    )
    before = initial_model(recipe.config("mini"), plan.seed)
    with torch.no_grad():
        wanted = before.encoder.patch_embeddings.embed(enlarged(own.images, own.grid), own.grid)
        found = load_untrained(made[0]).patch_embeddings.embed(enlarged(official.images, own.grid), own.grid)
        targets = before.target_encoder.patch_embeddings(own.images, own.grid)
        again = load_trained(made[0]).target_encoder.patch_embeddings(official.images, own.grid)
    seen = (own.roles[0] != 3)[..., None]
    assert torch.allclose(wanted * seen, found * seen, atol=1e-4)
    assert torch.allclose(targets * seen, again * seen, atol=1e-4)


def test_the_angle_between_targets_grows_from_official_to_robust(tiles):
    """Clouds widen the official deviation, so that clear land crowds together."""
    angles = []
    for scaling in ("official", "standard", "robust"):
        recipe = with_statistics(replace(two_cores("naive"), normalisation=scaling), tiles)
        stream = MicroBatches(tiles, recipe, TWO_CORES, 0, 6)
        angles.append(target_angle(initial_model(recipe.config("mini"), 0), [stream[i] for i in range(6)]))
    assert angles[0] < angles[1] < angles[2] < 120
