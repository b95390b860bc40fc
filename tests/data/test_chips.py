"""Folders of chips as a corpus: every kind is told apart, wrong ones are named, what is undated says so."""

import os
from pathlib import Path

import geotiffs
import h5py
import numpy as np
import pytest

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.chips import UNDATED, ChipFiles, Shards, open_corpus
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.data.simulate.world import open_world

NAMES = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"
IMAGE = SENTINEL2.name
REAL = Path(__file__).parents[3] / "shared" / "real" / "l2a_chips"


def numbers(count=5, bands=12, size=16, seed=0):
    """Digital numbers that differ everywhere, (N, C, H, W); B09 as bright as its neighbour."""
    chance = np.random.default_rng(seed)
    return chance.integers(1500, 3000, (count, bands, size, size)).astype(np.uint16)


def shard(path, image=None, bands=NAMES, name="dn", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=numbers() if image is None else image, **options)
        if bands is not None:
            file.attrs["bands"] = bands
    return path


def chip(folder, name, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    values = {"image": numbers(1)[0].transpose(1, 2, 0)[:, :, None], "bands": NAMES.split(), "dates": ["2021-05-01"]}
    np.savez(folder / f"{name}.npz", **{key: value for key, value in (values | arrays).items() if value is not None})


WRONG = {
    "no bands": ({"bands": None}, "does not name its bands"),
    "unknown band": ({"bands": NAMES.replace("B01", "B77")}, "has no band 'B77'"),
    "too few names": ({"bands": NAMES[4:]}, "lacks B01"),
    "a band twice": ({"bands": NAMES.replace("B01", "B02")}, "given twice"),
    "cirrus": ({"bands": f"{NAMES} B10", "image": numbers(2, 13)}, "B10 .* top-of-atmosphere"),
    "more bands than names": ({"image": numbers(2, 13)}, "names 12 of 13 bands"),
    "a picture": ({"image": numbers()[0]}, r"must be \(N, C, H, W\)"),
    "none": ({"image": numbers(0)}, r"must be \(N, C, H, W\)"),
    "large": ({"image": np.ones((1, 12, 2, 1025), np.uint16)}, "at most 1024 px"),
    "reflectance": ({"image": numbers() / 10_000}, "look like reflectance"),
    "8-bit": ({"image": (numbers() // 12).astype(np.uint8)}, "8-bit picture"),
    "impossible": ({"image": numbers().astype(np.float32) * -3}, "impossible"),
    "text": ({"image": np.full((1, 12, 4, 4), b"a")}, "must hold"),
    "petabytes": ({"shape": (10**6, 12, 512, 512)}, "do not fit into the memory"),
}


class TestShards:
    def test_every_number_comes_out_under_its_name(self, tmp_path):
        """Bands in any order and spelling, over several files."""
        one, other = numbers(3, seed=1), numbers(4, size=24, seed=2)
        shard(tmp_path / "a.h5", one, compression="gzip", chunks=(1, 12, 16, 16))
        shard(tmp_path / "b.hdf5", other[:, ::-1], ", ".join(NAMES.replace("B0", "b").split()[::-1]))
        corpus = open_corpus(tmp_path)
        assert isinstance(corpus, Shards)
        assert isinstance(corpus, Corpus)
        assert len(corpus) == 7
        order = [NAMES.split().index(band) for band in SENTINEL2.band_names]
        for place in range(7):
            image = one[place] if place < 3 else other[place - 3]
            assert corpus.size(place) == image.shape[1:]
            window = corpus.window(place, 3, 5, 8)
            wanted = image[order, 3:11, 5:13].transpose(1, 2, 0)[:, :, None]
            assert np.array_equal(window.images[IMAGE], wanted)
            assert window.images[IMAGE].dtype == np.float32
        assert corpus.name(4) == f"{tmp_path / 'b.hdf5'}, chip 1"

    def test_undated_chips_are_of_july_2020_and_say_so(self, tmp_path):
        sample = open_corpus(shard(tmp_path / "a.h5")).window(0, 0, 0, 8)
        assert sample.dates == ["2020-07-01"]
        assert UNDATED in sample.notes

    def test_what_was_not_observed(self, tmp_path):
        image = numbers()
        image[1, :, 2, 3] = 0
        image[2, 4, 5, 6] = 65535
        corpus = open_corpus(shard(tmp_path / "a.h5", image))
        assert (corpus.window(1, 0, 0, 16).images[IMAGE] == MISSING).sum() == 12
        assert (corpus.window(2, 0, 0, 16).images[IMAGE] == MISSING).sum() == 1
        assert any("0 in all bands" in note for note in corpus.notes)

    def test_a_dark_chip_among_others_is_no_reflectance(self, tmp_path):
        """What numbers are is judged by all of a shard: a window of dark water proves nothing."""
        image = numbers(40)
        image[7] = np.arange(1, 13)[:, None, None]
        assert open_corpus(shard(tmp_path / "a.h5", image)).window(7, 0, 0, 8).images[IMAGE].max() == 12

    @pytest.mark.parametrize("case", WRONG)
    def test_wrong_ones_are_named(self, tmp_path, case):
        given, message = WRONG[case]
        if "shape" in given:
            with h5py.File(tmp_path / "a.h5", "w") as file:
                file.create_dataset("dn", given["shape"], np.uint16, chunks=True)
                file.attrs["bands"] = NAMES
        else:
            shard(tmp_path / "a.h5", **given)
        with pytest.raises(ValueError, match=message) as caught:
            open_corpus(tmp_path)
        assert "a.h5" in str(caught.value)

    def test_impossible_numbers_are_found_wherever_they_are(self, tmp_path):
        image = numbers(200, size=8).astype(np.int32)
        image[157, 3, 2, 1] = 70_000
        with pytest.raises(ValueError, match=r"a\.h5: .* impossible, most often 70000"):
            open_corpus(shard(tmp_path / "a.h5", image))

    def test_a_link_to_another_file_is_not_followed(self, tmp_path):
        shard(tmp_path / "elsewhere" / "a.h5")
        (tmp_path / "set").mkdir()
        with h5py.File(tmp_path / "set" / "b.h5", "w") as file:
            file["dn"] = h5py.ExternalLink("../elsewhere/a.h5", "dn")
            file.attrs["bands"] = NAMES
        with pytest.raises(ValueError, match="is a link, which is not followed"):
            open_corpus(tmp_path / "set")

    def test_all_together_fit_into_the_budget(self, tmp_path):
        for name in "abc":
            shard(tmp_path / f"{name}.h5")
        size = numbers().nbytes
        assert len(open_corpus(tmp_path, memory=3 * size)) == 15
        with pytest.raises(ValueError, match=r"c\.h5: 5 chips of 16 x 16 px do not fit into the memory"):
            open_corpus(tmp_path, memory=3 * size - 1)

    def test_names_that_contradict_numbers_are_told(self, tmp_path):
        image = numbers()
        image[:, NAMES.split().index("B8A")] //= 4
        with pytest.warns(UserWarning, match=r"a\.h5: .*(B8A|B09)"):
            corpus = open_corpus(shard(tmp_path / "a.h5", image))
        assert len(corpus.notes) > 1

    def test_the_identity_tells_contents_apart(self, tmp_path):
        known = [open_corpus(shard(tmp_path / str(i) / "a.h5", numbers(seed=i // 2))).identity() for i in range(3)]
        assert known[0] == known[1] != known[2]


class TestFiles:
    def test_geotiffs_in_class_folders_with_and_without_dates(self, tmp_path):
        values = geotiffs.numbers(12)
        for name in ("Forest/a", "Forest/b_2021-03-04", "River/c"):
            path = tmp_path / f"{name}.tif"
            path.parent.mkdir(exist_ok=True)
            geotiffs.write(path, values, NAMES.split())
        corpus = open_corpus(tmp_path)
        assert isinstance(corpus, ChipFiles)
        assert isinstance(corpus, Corpus)
        assert [Path(corpus.name(place)).name for place in range(3)] == ["a.tif", "b_2021-03-04.tif", "c.tif"]
        samples = [corpus.window(place, 1, 2, 8) for place in range(3)]
        assert [sample.dates for sample in samples] == [["2020-07-01"], ["2021-03-04"], ["2020-07-01"]]
        assert [UNDATED in sample.notes for sample in samples] == [True, False, True]
        assert samples[0].shape == (8, 8)
        assert corpus.size(0) == (16, 16)

    def test_npz_with_and_without_dates(self, tmp_path):
        chip(tmp_path, "a")
        chip(tmp_path, "b", dates=None)
        corpus = open_corpus(tmp_path)
        assert [corpus.window(place, 0, 0, 8).dates for place in range(2)] == [["2021-05-01"], ["2020-07-01"]]

    def test_several_dates_that_nobody_names_are_refused(self, tmp_path):
        chip(tmp_path, "a", dates=None, image=np.repeat(numbers(1)[0].transpose(1, 2, 0)[:, :, None], 2, 2))
        with pytest.raises(ValueError, match=r"a\.npz.* 2 timesteps .* 1 dates"):
            open_corpus(tmp_path).size(0)

    @pytest.mark.parametrize(("memory", "times"), [(0, 4), (10**9, 1)])
    def test_what_fits_is_read_once(self, tmp_path, monkeypatch, memory, times):
        from olmoearth_nb.data import chips

        chip(tmp_path, "a")
        read, real = [], chips.load_chip
        monkeypatch.setattr(chips, "load_chip", lambda path: read.append(path) or real(path))
        corpus = open_corpus(tmp_path, memory=memory)
        windows = [corpus.window(0, 2, 3, 8).images[IMAGE] for _ in range(4)]
        assert len(read) == times
        assert all(np.array_equal(window, windows[0]) for window in windows)

    def test_a_damaged_one_is_named(self, tmp_path):
        chip(tmp_path, "a")
        os.truncate(tmp_path / "a.npz", 200)
        with pytest.raises(ValueError, match=r"a\.npz is not a whole"):
            open_corpus(tmp_path).window(0, 0, 0, 8)

    def test_warnings_are_given_once(self, tmp_path):
        for name in "abc":
            chip(tmp_path, name, level=np.array("L1C"))
        corpus = open_corpus(tmp_path)
        with pytest.warns(UserWarning, match="top-of-atmosphere") as heard:
            assert [corpus.size(place) for place in range(3)] == [(16, 16)] * 3
        assert len([one for one in heard if "top-of-atmosphere" in str(one.message)]) == 1

    def test_a_link_out_of_the_folder_is_refused(self, tmp_path):
        chip(tmp_path / "elsewhere", "a")
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "a.npz").symlink_to(tmp_path / "elsewhere" / "a.npz")
        with pytest.raises(ValueError, match="is a link that leaves the folder"):
            open_corpus(tmp_path / "set")


class TestWhichKind:
    def test_tiles(self, tmp_path):
        folder = open_world(scenes=16, cache=tmp_path / "world").folder
        assert isinstance(open_corpus(folder, tmp_path / "tiles"), TileCorpus)

    def test_nothing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="holds nothing to train on"):
            open_corpus(tmp_path)
        with pytest.raises(FileNotFoundError, match="no folder"):
            open_corpus(tmp_path / "absent")

    def test_two_kinds(self, tmp_path):
        shard(tmp_path / "a.h5")
        chip(tmp_path, "b")
        with pytest.raises(ValueError, match=r"files of another kind, such as b\.npz"):
            open_corpus(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real chips in {REAL.name}")
def test_real_chips():
    corpus = open_corpus(REAL)
    assert len(corpus) == 2116
    assert corpus.notes == (UNDATED,), "no contradiction, nothing missing"
    assert {corpus.size(place) for place in range(0, 2116, 100)} == {(64, 64)}
