"""Micro-batches: the same whoever asks, every tile once a pass, and values as they stand in the files."""

import shutil
from dataclasses import replace
from functools import lru_cache

import h5py
import hdf5plugin  # noqa: F401  registers zstd
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from olmoearth_nb.bands import MISSING, MODALITIES
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.data.official import folder_name, write_index
from olmoearth_nb.grid import Role
from olmoearth_nb.pretrain import batches as microbatch
from olmoearth_nb.pretrain import masking
from olmoearth_nb.pretrain.batches import MicroBatches, collate
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.recipes import Optimisation, recipe
from olmoearth_nb.sample import Sample

CROPS = Crops(patch_sizes=(2, 4, 8), edges=(1, 3), budget=300)
SENSORS = ("sentinel2_l2a", "sentinel1", "landsat")


def small(name="v1", samples=4, **changes):
    return replace(recipe(name), optimisation=Optimisation(batch=samples, micro_batch=samples), **changes)


def stream(world, total=100, seed=1, cache=None, crops=CROPS, **changes):
    return MicroBatches(TileCorpus(world, cache), small(**changes), crops, seed, total)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def asked(monkeypatch):
    """Every window that is read: (place, row, column, edge)."""
    calls, window = [], TileCorpus.window

    def recorded(self, *where):
        calls.append(where)
        return window(self, *where)

    monkeypatch.setattr(TileCorpus, "window", recorded)
    return calls


def assert_same(first, second):
    assert list(first.images) == list(second.images)
    for name, image in first.images.items():
        assert torch.equal(image, second.images[name])
    assert torch.equal(first.timestamps, second.timestamps)
    assert torch.equal(first.roles, second.roles)
    assert first.grid.shapes == second.grid.shapes
    assert first.grid.patch_size == second.grid.patch_size
    assert first.number == second.number


class TestTheSameWhoeverAsks:
    def test_in_any_order_and_of_any_length(self, small_world, cache):
        first = stream(small_world, cache=cache)
        inorder = {number: first[number] for number in (3, 4, 5)}
        other = stream(small_world, total=7, cache=cache)
        for number in (5, 3, 4):
            assert other[number].number == number
            assert_same(other[number], inorder[number])

    def test_in_workers(self, small_world, cache):
        batches = stream(small_world, total=5, cache=cache)
        loaded = list(DataLoader(batches, batch_size=None, num_workers=2))
        assert len(loaded) == len(batches) == 5
        for number, micro in enumerate(loaded):
            assert_same(micro, batches[number])

    def test_numbers_and_seeds_make_others(self, small_world, cache):
        one, other = stream(small_world, cache=cache)[0], stream(small_world, cache=cache, seed=2)[0]
        next_one = stream(small_world, cache=cache)[1]
        for different in (other, next_one):
            same = one.roles.shape == different.roles.shape and torch.equal(one.timestamps, different.timestamps)
            assert not same or not torch.equal(one.images["sentinel1"], different.images["sentinel1"])

    def test_recipes_of_one_tokenization_read_the_same_pixels(self, small_world, cache):
        """What is compared between recipes is not which tiles, windows and dates they happened to see."""
        for number in range(3):
            first, second = (stream(small_world, cache=cache, name=name)[number] for name in ("v1", "v1.1"))
            assert first.grid.patch_size == second.grid.patch_size
            for name in first.images:
                assert torch.equal(first.images[name], second.images[name])

    def test_no_two_draws_share_a_generator(self, small_world, cache, monkeypatch):
        """Order, crops and each mask come from streams of their own, else a mask would follow from its crop."""
        states, make = [], np.random.default_rng

        def recorded(entropy):
            states.append(tuple(np.random.SeedSequence(entropy).generate_state(4)))
            return make(entropy)

        for module in (microbatch, masking):
            monkeypatch.setattr(module.np.random, "default_rng", recorded)
        microbatch._order.cache_clear()
        batches = stream(small_world, seed=5, cache=cache, samples=3)  # of six tiles: none twice in a micro-batch
        for number in range(8):
            batches[number]
        assert len(states) == 8 * (1 + 2 * 3) + 4, "crops, masks, and an order for each of four passes"
        assert len(set(states)) == len(states)


class TestWhichTiles:
    def test_each_pass_takes_each_tile_once_in_a_new_order(self, small_world, cache, asked):
        batches = stream(small_world, cache=cache)
        for number in range(9):
            batches[number]
        places = np.array([place for place, *_ in asked]).reshape(6, 6)
        assert (np.sort(places) == np.arange(6)).all()
        assert len({tuple(order) for order in places.tolist()}) == 6

    @pytest.mark.parametrize("part", ["", "h5py_data_w_missing_timesteps_zstd_3_128_x_4"])
    def test_only_training_tiles_of_a_world(self, small_world, part):
        """Whether its folder is named or one below: validation and test are never trained on."""
        corpus = TileCorpus(small_world / part)
        assert corpus.numbers.tolist() == [0, 1, 2, 3, 4, 5]
        assert len(corpus) == 6
        assert corpus.identity()["tiles"] == 8
        assert corpus.identity()["trained on"] == 6
        assert corpus.identity()["world"]["scenes"] == 128

    def test_only_training_tiles_of_a_world_in_a_folder(self, small_world):
        assert len(TileCorpus(small_world.parent)) == 6

    def test_all_tiles_of_a_real_subset(self, small_world, tmp_path):
        source = TileCorpus(small_world).tiles.folder
        shutil.copytree(source, tmp_path / source.parent.parent.name / source.parent.name / source.name)
        corpus = TileCorpus(tmp_path)
        assert corpus.numbers.tolist() == list(range(8))
        assert corpus.identity().items() >= {"tiles": 8, "trained on": 8}.items()

    def test_no_tiles(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"must hold one sample_metadata\.csv, it holds 0"):
            TileCorpus(tmp_path)

    def test_windows_lie_anywhere_in_a_tile(self, small_world, cache, asked):
        batches = stream(small_world, cache=cache)
        for number in range(40):
            batches[number]
        edges, rows, columns = (np.array([call[i] for call in asked]) for i in (3, 1, 2))
        assert set(edges.tolist()) == {2, 4, 6, 8, 12, 24}
        assert (rows + edges <= 128).all()
        assert (columns + edges <= 128).all()
        for starts in (rows, columns):
            assert starts.min() < 8
            assert (128 - starts - edges).min() < 8
        assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) > 0.9 * len(rows)


@lru_cache
def in_the_file(folder, tile, name):
    """(128, 128, 12 or 1, C) raw values of a modality, MISSING where it has no date; by h5py alone. And dates."""
    with h5py.File(folder / f"sample_{tile}.h5") as file:
        stamps = file["timestamps"][()]
        masks = {key: mask[()] for key, mask in file["missing_timesteps_masks"].items()}
        if name not in file:
            return None, stamps, masks
        values = file[name][()].astype(np.float64)
    if name not in masks:
        return values, stamps, masks
    full = np.full((128, 128, 12, values.shape[-1]), MISSING)
    full[:, :, masks[name]] = values
    return full, stamps, masks


def expected(micro, row, corpus, place, top, left, edge):
    """Raw values of a sample of a micro-batch, from its file and the dates that it says it shows."""
    tile = corpus.numbers[place]
    length = micro.timestamps.shape[1]
    _, stamps, masks = in_the_file(corpus.tiles.folder, tile, "sentinel2_l2a")
    first = next(i for i in range(12) if (stamps[i] == micro.timestamps[row, 0].numpy()).all())
    anything = np.any(list(masks.values()), axis=0)
    assert anything[first], "a series begins where some sensor has a date"
    last = np.flatnonzero(anything)[-1]
    shown = [slot for slot in range(first, min(first + length, last + 1))]
    padded = [*shown, *[shown[-1]] * (length - len(shown))]
    assert (micro.timestamps[row].numpy() == stamps[padded]).all(), "dates behind the end repeat the last one"
    raw = {}
    for name, image in micro.images.items():
        values = in_the_file(corpus.tiles.folder, tile, name)[0]
        raw[name] = np.full(image.shape[1:], MISSING)
        if values is not None:
            window = values[top : top + edge, left : left + edge]
            if name in SENSORS:
                raw[name][:, :, : len(shown)] = window[:, :, shown]
            else:
                raw[name][:] = window
    return raw


class TestValues:
    @pytest.mark.parametrize("normalisation", ["official", "standard"])
    def test_are_those_of_the_file_normalised(self, small_world, cache, asked, normalisation):
        """(x - mean) / 4 std + 1/2, or (x - mean) / std; 0 where nothing was observed."""
        batches = stream(small_world, cache=cache, normalisation=normalisation)
        missing = 0
        for number in range(5):
            asked.clear()
            micro = batches[number]
            for row, where in enumerate(list(asked)):
                for name, raw in expected(micro, row, batches.corpus, *where).items():
                    bands = MODALITIES[name].bands
                    mean, std = (np.array([getattr(band, key) for band in bands]) for key in ("mean", "std"))
                    plain = (raw - mean) / std
                    given = plain if normalisation == "standard" else plain / 4 + 0.5
                    given[raw == MISSING] = 0
                    missing += (raw == MISSING).sum()
                    np.testing.assert_allclose(micro.images[name][row].numpy(), given, atol=2e-5)
        assert missing

    def test_a_known_value(self, small_world, cache):
        """B02 of 1188.94 is the mean of the pretraining data, and 1859.19 its deviation: the published numbers."""
        official, standard = (
            stream(small_world, cache=cache, normalisation=name)[0].images["sentinel2_l2a"][..., 0].double()
            for name in ("official", "standard")
        )
        seen = official != 0
        number = (official[seen] - 0.5) * 4 * 1859.1923971769581 + 1188.9412572078477
        assert torch.allclose(number, number.round(), rtol=0, atol=0.01), "digital numbers are whole"
        assert len(number.round().unique()) > 20
        assert torch.allclose(standard[seen] * 1859.1923971769581 + 1188.9412572078477, number, rtol=0, atol=0.01)

    def test_what_is_not_in_the_file_has_the_role_missing_in_both_views(self, small_world, cache, asked):
        batches = stream(small_world, cache=cache)
        for number in range(5):
            asked.clear()
            micro = batches[number]
            assert micro.roles.shape == (2, 4, len(micro.grid))
            for row, where in enumerate(list(asked)):
                for name, raw in expected(micro, row, batches.corpus, *where).items():
                    p, (rows, columns, dates, groups) = micro.grid.patch_size, micro.grid.shapes[name]
                    gone = (raw == MISSING).any(-1).reshape(rows, p, columns, p, dates).any((1, 3))
                    gone = np.repeat(gone[..., None], groups, -1).ravel()
                    for view in micro.roles[:, row, micro.grid.slices[name]]:
                        assert ((view.numpy() == Role.MISSING) == gone).all()

    def test_the_views_differ_and_follow_the_recipe(self, small_world, cache):
        for name in ("v1", "v1.1"):
            micro = stream(small_world, cache=cache, name=name, crops=Crops((4,), (3,), 300))[2]
            assert not torch.equal(micro.roles[0], micro.roles[1])
            assert (micro.roles == Role.ONLINE).any(2).all()
            maps = micro.roles[..., micro.grid.decode_only]
            assert not (maps == Role.ONLINE).any()
            assert (maps == Role.TARGET_ONLY).any() == (name == "v1"), "v1.1 predicts all of a map"

    def test_a_modality_that_no_sample_has_is_left_out(self, small_world, cache, asked):
        batches = stream(small_world, cache=cache, samples=1)
        folder, seen = batches.corpus.tiles.folder, set()
        for number in range(6):
            asked.clear()
            micro = batches[number]
            with h5py.File(folder / f"sample_{batches.corpus.numbers[asked[0][0]]}.h5") as file:
                has = [name for name in MODALITIES if name in file]
            assert list(micro.images) == list(micro.grid.shapes) == has
            seen.add(tuple(has))
        assert len(seen) > 1, "tiles of this world have different maps"

    def test_the_budget_holds_for_real_sequences(self, small_world, cache):
        batches = stream(small_world, cache=cache, name="v1")
        drawn = set()
        for number in range(25):
            grid = batches[number].grid
            rows, columns, dates, _ = grid.shapes["sentinel2_l2a"]
            assert rows == columns
            assert dates <= CROPS.dates(rows)
            assert len(grid) <= CROPS.budget
            drawn.add((grid.patch_size, rows))
        assert drawn == {(p, edge) for p in CROPS.patch_sizes for edge in CROPS.edges}

    def test_moved_to_a_device(self, small_world, cache):
        micro = stream(small_world, cache=cache)[0]
        assert_same(micro.to("cpu"), micro)
        assert micro.to("meta").images["sentinel1"].device.type == "meta"


def test_samples_of_different_lengths_and_modalities_are_brought_together():
    """The shorter one lacks its last dates, which repeat the last that it has; what one sample lacks is missing."""
    generator = np.random.default_rng(0)

    def sample(steps, *names):
        images = {
            n: generator.normal(size=(4, 4, steps if n in SENSORS else 1, len(MODALITIES[n].bands))) for n in names
        }
        return Sample(images, [(5 + steps, month, 2020) for month in range(steps)])

    long, short = sample(4, "sentinel1", "landsat", "srtm"), sample(2, "sentinel1", "sentinel2_l2a")
    images, timestamps = collate([long, short])
    assert list(images) == ["sentinel2_l2a", "sentinel1", "landsat", "srtm"]
    assert timestamps[0].tolist() == [[9, 0, 2020], [9, 1, 2020], [9, 2, 2020], [9, 3, 2020]]
    assert timestamps[1].tolist() == [[7, 0, 2020], [7, 1, 2020], [7, 1, 2020], [7, 1, 2020]]
    gone = {name: (image == MISSING).all((1, 2, 4)).tolist() for name, image in images.items()}
    assert gone == {
        "sentinel2_l2a": [[True] * 4, [False, False, True, True]],
        "sentinel1": [[False] * 4, [False, False, True, True]],
        "landsat": [[False] * 4, [True] * 4],
        "srtm": [[False], [True]],
    }
    assert torch.equal(images["sentinel1"][1, :, :, :2], torch.from_numpy(short.images["sentinel1"])), "as it was"


class TestCache:
    def test_gives_what_the_files_give(self, small_world, cache):
        cached, plain = stream(small_world, cache=cache), stream(small_world)
        for number in (0, 1):
            assert_same(cached[number], plain[number])

    def test_is_written_once_whole_and_without_compression(self, small_world, tmp_path):
        corpus = TileCorpus(small_world, tmp_path)
        source = corpus.tiles.path(0)
        first = corpus.window(0, 3, 4, 5)
        (copy,) = (path for path in tmp_path.rglob("*") if path.is_file())
        assert copy.suffix == ".h5"
        with h5py.File(source) as old, h5py.File(copy) as new:
            names = [name for name in old if isinstance(old[name], h5py.Dataset)]
            assert set(new) == set(old)
            for name in names:
                assert new[name].compression is None
                assert new[name].dtype == old[name].dtype
                assert (new[name][()] == old[name][()]).all()
            for name in old["missing_timesteps_masks"]:
                key = f"missing_timesteps_masks/{name}"
                assert (new[key][()] == old[key][()]).all()
        written = copy.stat().st_mtime_ns
        again = TileCorpus(small_world, tmp_path).window(0, 3, 4, 5)
        assert copy.stat().st_mtime_ns == written
        for name in first.images:
            assert (first.images[name] == again.images[name]).all()

    def test_of_two_data_sets_in_one_folder_stays_apart(self, small_world, tmp_path):
        """Tiles of all data sets are named alike; a second one must not get the first one's pixels."""
        source = TileCorpus(small_world).tiles.folder
        other = tmp_path / "other" / folder_name(["sentinel2_l2a"]) / "1"
        other.mkdir(parents=True)
        shutil.copy(source / "sample_5.h5", other / "sample_0.h5")
        with h5py.File(other / "sample_0.h5") as file:
            has = [name for name in MODALITIES if name in file]
            write_index(other, [has], file["latlon"][()][None])
        for data in (small_world, tmp_path / "other"):
            cached, plain = (TileCorpus(data, where).window(0, 0, 0, 8) for where in (tmp_path / "cache", None))
            assert np.array_equal(cached.images["sentinel2_l2a"], plain.images["sentinel2_l2a"])


class TestPlacesThatNobodyObserved:
    @pytest.fixture
    def holed(self, monkeypatch):
        """Windows of which all rows above one are unobserved by every sensor."""
        window, rows = TileCorpus.window, [0]

        def hidden(self, place, row, column, edge):
            sample = window(self, place, row, column, edge)
            images = {name: image.copy() for name, image in sample.images.items()}
            for name in set(images) & set(SENSORS):
                images[name][: max(0, rows[0] - row)] = MISSING
            return replace(sample, images=images)

        monkeypatch.setattr(TileCorpus, "window", hidden)
        return rows

    def test_another_window_is_drawn(self, small_world, cache, holed, asked):
        holed[0] = 100
        batches = stream(small_world, cache=cache, crops=Crops((8,), (2,), 300))
        micro = batches[0]
        assert len(asked) > 4, "some windows were drawn again"
        assert (micro.roles[0] == Role.ONLINE).any(1).all()
        assert_same(batches[0], micro)

    def test_windows_whose_first_dates_are_empty(self, small_world, cache, monkeypatch):
        """Where no date with room behind it was observed, another window is drawn."""
        window, seen = TileCorpus.window, []

        def late(self, place, row, column, edge):
            sample = window(self, place, row, column, edge)
            images = {name: image.copy() for name, image in sample.images.items()}
            for name in set(images) & set(SENSORS) if not seen else ():
                images[name][:, :, :-1] = MISSING
            seen.append(row)
            return replace(sample, images=images)

        monkeypatch.setattr(TileCorpus, "window", late)
        micro = stream(small_world, cache=cache, crops=Crops((4,), (8,), 1300))[0]
        assert len(seen) == len(micro.timestamps) + 1
        assert (micro.roles[0] == Role.ONLINE).any(1).all()

    def test_an_empty_tile_is_named(self, small_world, cache, holed):
        holed[0] = 128
        with pytest.raises(ValueError, match=r"sample_\d+\.h5 was observed in none of 20 windows drawn from it"):
            stream(small_world, cache=cache)[0]
