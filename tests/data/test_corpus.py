"""The cache of uncompressed tiles: what is damaged is noticed and made again, what changed is read anew."""

import os
import shutil

import numpy as np
import pytest

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.data import official
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.data.official import folder_name, read_tile, write_index, write_tile
from olmoearth_nb.io.durable import read_array, write_array

IMAGE = "sentinel2_l2a"


def put(path, value=1000, latlon=(10, 20), **images):
    """A tile of one value."""
    steps = np.isin(np.arange(12), [2, 3, 6])
    image = np.full((128, 128, 12, 12), value, np.float32) + np.arange(128, dtype=np.float32)[:, None, None, None]
    write_tile(path, {IMAGE: image, **images}, {IMAGE: steps}, [(1, month, 2020) for month in range(12)], latlon)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "set" / folder_name([IMAGE]) / "2"
    folder.mkdir(parents=True)
    write_index(folder, [[IMAGE], [IMAGE]], np.array([[10, 20], [10, 20]]))
    for number in range(2):
        put(folder / f"sample_{number}.h5", 1000 * (number + 1))
    return folder


@pytest.fixture
def corpus(folder, tmp_path):
    """Read from its copies alone, nothing kept in memory."""
    return TileCorpus(folder, tmp_path / "cache", memory=0)


def copies(corpus):
    return sorted(corpus.cache.rglob("*.h5"), key=lambda path: path.name)


def same(corpus, place=0):
    """Whether all windows are those of the tile itself."""
    whole, sample = read_tile(corpus.tiles.path(place)), corpus.window(place, 0, 0, 128)
    assert (sample.title, sample.provenance) == (whole.title, whole.provenance)
    return np.array_equal(sample.images[IMAGE], whole.images[IMAGE])


@pytest.mark.case("H14")
@pytest.mark.parametrize("most", [0, 100, 5000, -1])
def test_a_copy_that_was_cut_off_is_made_again(corpus, most):
    corpus.copy_all(quiet=True)
    copy = copies(corpus)[0]
    os.truncate(copy, most if most >= 0 else copy.stat().st_size - 1)
    with pytest.warns(UserWarning, match=r"was not whole, it is made again \(.*cache.*sample_0.*h5"):
        assert same(corpus)
    assert same(corpus), "and without a warning from then on"


@pytest.mark.case("H14")
def test_no_flipped_byte_is_read(corpus):
    """Wherever it is: noticed, or in a place that is not read."""
    corpus.copy_all(quiet=True)
    copy = copies(corpus)[0]
    data, chance, noticed = copy.read_bytes(), np.random.default_rng(0), 0
    for place in [*range(0, 200, 5), *chance.integers(0, len(data), 60)]:
        with copy.open("r+b") as file:
            file.seek(place)
            file.write(bytes([data[place] ^ (1 << int(chance.integers(8)))]))
        with pytest.MonkeyPatch.context() as patch:
            heard = []
            patch.setattr("olmoearth_nb.data.corpus.warn", heard.append)
            assert same(corpus), place
        noticed += len(heard)
        copy.write_bytes(data)
    assert noticed > 60


@pytest.mark.case("H14")
@pytest.mark.parametrize("memory", [0, 10**9])
def test_a_tile_that_changed_under_its_index(folder, tmp_path, memory):
    """Also to the same size, also back again; the index says nothing of it."""
    corpus = TileCorpus(folder, tmp_path / "cache", memory=memory)
    before = corpus.identity()
    assert same(corpus)
    put(folder / "sample_0.h5", 3000)
    assert same(corpus)
    assert corpus.identity() == before
    first = corpus.window(0, 0, 0, 8).images[IMAGE]
    size = (folder / "sample_0.h5").stat().st_size
    shutil.copy(folder / "sample_1.h5", folder / "sample_0.h5")
    os.truncate(folder / "sample_0.h5", max(size, (folder / "sample_1.h5").stat().st_size))
    assert same(corpus)
    assert not np.array_equal(corpus.window(0, 0, 0, 8).images[IMAGE], first)


@pytest.mark.case("H14")
def test_a_copy_that_goes_while_a_run_goes_on(corpus, monkeypatch):
    assert same(corpus)
    copy = copies(corpus)[0]
    monkeypatch.setattr(TileCorpus, "_copy", lambda self, tile: copy)
    copy.unlink()
    with pytest.warns(UserWarning, match="it is made again"):
        assert same(corpus)


class TestMemory:
    """Tiles that fit are read once; windows are those of the files all the same."""

    @pytest.fixture
    def opened(self, monkeypatch):
        """Files that were opened."""
        paths, real = [], official.open_hdf5
        monkeypatch.setattr(official, "open_hdf5", lambda path: paths.append(path) or real(path))
        return paths

    def test_what_fits_is_read_once(self, folder, opened):
        corpus, windows = TileCorpus(folder), [(0, 3, 4, 5), (1, 120, 0, 8), (0, 0, 0, 128), (1, 1, 1, 1)]
        found = [corpus.window(*where) for where in windows]
        assert len(opened) == 2
        for (place, row, column, edge), sample in zip(windows, found, strict=True):
            whole = read_tile(folder / f"sample_{place}.h5").window(row, column, edge)
            assert np.array_equal(sample.images[IMAGE], whole.images[IMAGE])
            assert sample.images[IMAGE].dtype == np.float32
            assert np.array_equal(sample.timestamps, whole.timestamps)
            assert (sample.title, sample.provenance) == (whole.title, whole.provenance)

    def test_a_window_is_no_view_of_what_is_kept(self, folder):
        corpus = TileCorpus(folder)
        corpus.window(0, 0, 0, 8).images[IMAGE][:] = 7
        assert corpus.window(0, 0, 0, 8).images[IMAGE].max() == 1007

    def test_the_budget_holds_and_the_first_stay(self, folder, opened):
        """One tile of three dates has 128 x 128 x 3 x 12 x 4 bytes."""
        corpus = TileCorpus(folder, memory=3 * 10**6)
        for _ in range(3):
            corpus.window(0, 0, 0, 8)
            corpus.window(1, 0, 0, 8)
        assert [path.name for path in opened].count("sample_0.h5") == 1
        assert [path.name for path in opened].count("sample_1.h5") >= 3

    def test_what_goes_is_missed_though_it_is_kept(self, folder):
        corpus = TileCorpus(folder)
        corpus.window(0, 0, 0, 8)
        (folder / "sample_0.h5").unlink()
        with pytest.raises(FileNotFoundError, match=r"sample_0\.h5"):
            corpus.window(0, 0, 0, 8)


@pytest.mark.case("H14")
def test_where_the_tile_itself_is_damaged_it_is_named(folder, corpus):
    """With its folder; the copy is not blamed, and nothing is made again for ever."""
    os.truncate(folder / "sample_0.h5", 3000)
    for cache in (corpus, TileCorpus(folder)):
        with pytest.raises(ValueError, match=rf"{folder}/sample_0\.h5 is not a whole HDF5 file"):
            cache.window(0, 0, 0, 8)
    (folder / "sample_0.h5").unlink()
    with pytest.raises(FileNotFoundError, match=rf"{folder}/sample_0\.h5"):
        corpus.window(0, 0, 0, 8)


@pytest.mark.case("H25")
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_tile_with_nan_is_named(folder, tmp_path, cached, value):
    put(folder / "sample_1.h5", value)
    corpus = TileCorpus(folder, tmp_path / "cache" if cached else None)
    with pytest.raises(ValueError, match=rf"{folder}/sample_1\.h5: Sentinel-2.* holds NaN or infinite values"):
        corpus.window(1, 0, 0, 8)


@pytest.mark.case("H25")
@pytest.mark.parametrize("latlon", [(np.nan, 0), (91, 0), (0, -200)])
def test_a_tile_that_lies_nowhere_is_named(folder, latlon):
    put(folder / "sample_1.h5", latlon=latlon)
    with pytest.raises(ValueError, match=rf"{folder}/sample_1\.h5: latlon must be latitude and longitude"):
        read_tile(folder / "sample_1.h5")


@pytest.mark.case("H25")
def test_a_map_with_nan_is_named(folder):
    height = np.full((128, 128, 1, len(MODALITIES["srtm"].bands)), np.nan, np.float32)
    put(folder / "sample_1.h5", srtm=height)
    with pytest.raises(ValueError, match=rf"{folder}/sample_1\.h5: .* holds NaN or infinite values"):
        read_tile(folder / "sample_1.h5", ["srtm", IMAGE])


@pytest.mark.case("H17")
@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000, '"a"'])
def test_the_description_of_a_world_is_damaged(folder, corpus, text):
    (folder.parents[2] / "world.json").write_text(text)
    with pytest.raises(ValueError, match=r"world\.json (is not whole JSON|must hold a dictionary)"):
        corpus.identity()


@pytest.mark.case("H14")
@pytest.mark.parametrize("change", ["flip", "cut", "another", "empty"])
def test_a_kept_array_is_read_only_as_it_was_written(tmp_path, change):
    """The cache of embeddings: a damaged one is said and computed again."""
    path = write_array(tmp_path / "a.npy", np.arange(500.0))
    assert np.array_equal(read_array(path), np.arange(500.0))
    assert np.array_equal(np.load(path), np.arange(500.0)), "numpy reads it as any other"
    data = path.read_bytes()
    spoilt = {"flip": data[:900] + b"\xff" + data[901:], "cut": data[:-30], "another": data[:-64], "empty": b""}
    path.write_bytes(spoilt[change])
    with pytest.warns(UserWarning, match=r"a\.npy is not as it was written; it is made again"):
        assert read_array(path) is None
