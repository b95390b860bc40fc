"""similar-but-different: patches in the cells of tables, what contradicts its listing, and what is refused."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from labelled_twins import PATCH_ORDER, SURFACE, patch, pixels, write_shard, write_similar

from olmoearth_nb import SENTINEL2
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.labelled import cells
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.labelled.similar import similar_set
from olmoearth_nb.data.sets import LabelledSet

S2 = "sentinel2_l2a"

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "sbd"  # a folder of its own above it, which tests open as well
    folder.mkdir()
    return write_similar(folder)


@pytest.fixture
def folder(good, tmp_path):
    return shutil.copytree(good, tmp_path / "sbd")


def relisted(folder, **changes):
    path = folder / "splits.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_set(good):
    data = open_set(good.parent)
    assert isinstance(data, LabelledSet)
    assert (data.name, len(data), data.unit) == ("similar-but-different", 8, "")
    assert data.classes == ("Tree cover", "Permanent water bodies"), "by class_to_idx, not by name"
    assert data.split.tolist() == ["train", "train", "valid", "test"] * 2
    assert [data.classes[answer][0] for answer in data.answers] == [*"PPPPTTTT"], "shard by shard"
    sample = data.samples([5])[0]
    assert (sample.title, sample.dates, sample.shape) == ("t2", ["2021-06-01"], (32, 32))
    expected = dict(zip(PATCH_ORDER, pixels(SURFACE, PATCH_ORDER, 12, 32), strict=True))
    for i, band in enumerate(SENTINEL2.band_names):
        assert (sample.images[S2][:, :, 0, i] == expected[band]).all(), band
    assert sample.georeference.crs == "EPSG:32631"
    assert "t2 of Tree cover.parquet, 44.2" in sample.provenance
    assert data.notes[0] == "the patch has no date; it gets that of the OlmoEarth evaluation, 2021-06-01"
    assert data.batch(np.arange(8), (S2,)).images[S2].shape == (8, 32, 32, 1, 12)


def test_groups(good, tmp_path):
    assert open_set(good).groups.tolist() == [0] * 8, "6 km apart"
    assert open_set(good, apart=5).groups.tolist() == list(range(8))
    alone = open_set(write_similar(tmp_path, origin=(400_000, 4_900_000)))
    assert alone.groups.tolist() == list(range(8)), "the same place in all patches is nobody's"
    assert "whether the published split or drawn folds divide a scene cannot be told" in alone.notes[-1]
    with pytest.raises(ValueError, match="has no label=, names=; it has apart="):
        open_set(good, names="published", label="x")


def test_a_patch_that_says_little_or_more(folder):
    """No place, names of bands that are right or nobody's, an area that was not observed, ids that are numbers."""
    values = pixels(SURFACE, PATCH_ORDER, 0, 32)
    values[:, :4] = 0
    named = [f"B{i}" for i in (1, 2, 3, 4, 5, 6, 7, 8, "8A", 9, 11, 12)]
    rows = [
        (1, patch(crs=None), "Tree cover"),
        (2, patch(names=named), "Tree cover"),
        (3, patch(names=[f"layer {i}" for i in range(12)]), "Tree cover"),
        (4, patch(values, nodata=0), "Tree cover"),
        (5, patch(), "Tree cover"),
    ]
    shutil.rmtree(folder / "shards")
    write_shard(folder / "shards" / "deeper" / "trees.parquet", rows)
    relisted(folder, train={"Tree cover": [1, 2]}, val={}, test={"Tree cover": ["3", 4]})
    data = similar_set(folder)
    samples = data.samples(np.arange(4))
    assert samples[0].georeference is None
    assert data.groups.tolist() == [0, 1, 1, 1]
    assert [len(sample.notes) for sample in samples] == [1, 1, 2, 1]
    assert "not Sentinel-2's were not read: 'layer 0', 'layer 1'" in samples[2].notes[1]
    assert (samples[3].images[S2][:4] == MISSING).all()
    assert (samples[3].images[S2][4:] > 0).all()
    assert "1 patches of the shards are in no split and are left out" in data.notes


PATCHES_REFUSED = {
    "cut": (lambda: patch()[:-9000], "is not a whole file of GTiff"),
    "text": (lambda: b"hello", "is not a whole file of GTiff"),
    "another format": (lambda: b'<VRTDataset rasterXSize="32" rasterYSize="32"/>', "is not a whole file of GTiff"),
    "eleven bands": (lambda: patch(pixels(edge=32)[:11]), r"12 bands of 32 x 32 px, it has 11 of 32 x 32"),
    "larger": (lambda: patch(pixels(SURFACE, PATCH_ORDER, edge=64)), "it has 12 of 64 x 64"),
    "reflectance": (lambda: patch((pixels(SURFACE, PATCH_ORDER, edge=32) / 1e4).astype("f4")), "holds float32"),
    "names in another order": (
        lambda: patch(names=[*PATCH_ORDER[:8], "B09", "B8A", "B11", "B12"]),
        "it calls the 9th B09, which should be B8A; the 10th B8A, which should be B09",
    ),
    "cirrus": (lambda: patch(names=[*PATCH_ORDER[:10], "B10", "B11"]), "the 11th B10, which should be B11"),
    "nothing": (lambda: patch(np.zeros((12, 32, 32), np.uint16)), "holds no observed value"),
    "a large file": (lambda: bytes(2 << 20), "2,097,152 bytes; at most 1,048,576"),
}


@pytest.mark.case("H26")
@pytest.mark.parametrize("name", PATCHES_REFUSED)
def test_a_patch_that_is_refused(tmp_path, name):
    make, message = PATCHES_REFUSED[name]
    with pytest.raises(ValueError, match=rf"(?s)^the patch t3 of Tree cover\.parquet.*{message}"):
        open_set(write_similar(tmp_path, {"t3": make()}))


@pytest.mark.case("H1")
def test_overviews_elsewhere(tmp_path, good):
    (tmp_path / "a.tif").write_bytes(patch())
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(good / "splits.json"))
    data = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(ValueError, match=r"the patch w1 of .* names another file as its overviews"):
        open_set(write_similar(tmp_path, {"w1": data}))


LISTINGS = {
    "in two splits": (
        {"test": {"Tree cover": ["t4", "t1"]}},
        "the patch t1 is in Tree cover of train and again in Tree cover of test",
    ),
    "another class": (
        {"val": {"Tree cover": ["w3"]}},
        r"the patch w3 of Permanent water bodies\.parquet has the class 'Permanent water bodies', splits\.json lists "
        "it as 'Tree cover' of valid",
    ),
    "no such patch": ({"val": {"Tree cover": ["t3", "../t9"]}}, r"lacks 1 of 8 patches: \['\.\./t9'\]"),
    "no such class": ({"val": {"Snow": ["t3"]}}, "'val' has the class 'Snow', not in class_to_idx"),
    "no split": ({"val": None}, "must list the patches of each class in 'val'"),
    "no lists": ({"val": {"Tree cover": "t3"}}, "must list the patches of each class in 'val'"),
    "odd ids": ({"val": {"Tree cover": [True]}}, "the id of a patch is text or a whole number, got True"),
    "odd indices": ({"class_to_idx": {"Tree cover": 0, "Permanent water bodies": 2}}, "number its classes from 0 on"),
    "indices that are none": ({"class_to_idx": ["Tree cover"]}, "number its classes from 0 on"),
    "nothing": ({"train": {}, "val": {}, "test": {}}, "lists no patches"),
}


@pytest.mark.case("H22")
@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_that_is_refused(folder, name):
    changes, message = LISTINGS[name]
    relisted(folder, **changes)
    with pytest.raises(ValueError, match=message):
        open_set(folder)


def frame(**columns):
    """The rows of a shard, some of them changed."""
    rows = {"patch_id": [f"t{i}" for i in range(1, 5)], "tif": [patch()] * 4, "wc_mode_label": ["Tree cover"] * 4}
    return pa.table({name: values for name, values in (rows | columns).items() if values is not None})


TABLES = {
    "no column": (lambda: frame(tif=None), "has no column tif; it has patch_id, wc_mode_label"),
    "no files": (lambda: frame(tif=pa.array([None] * 4, pa.binary())), "has no tif for the patch t1"),
    "files in parts": (lambda: frame(tif=[{"bytes": b"x", "path": "a.tif"}] * 4), r"no column tif; .*tif\.bytes"),
    "numbers": (lambda: frame(tif=[1.5] * 4), "tif is stored as DOUBLE"),
    "an id is gone": (lambda: frame(patch_id=["t1", None, "t3", "t4"]), "text or whole numbers, row 1 has"),
    "an id twice": (lambda: frame(patch_id=["t1", "t2", "t3", "t3"]), r" is in row 3, and in row 2 of Tree"),
    "another label": (lambda: frame(wc_mode_label=[10] * 4), "has the class '10', .* lists it as 'Tree cover'"),
}


@pytest.mark.case("H22")
@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_refused(folder, name):
    make, message = TABLES[name]
    pq.write_table(make(), folder / "shards" / "Tree cover.parquet")
    with pytest.raises(ValueError, match=rf"Tree cover\.parquet.*({message})"):
        open_set(folder)


@pytest.mark.case("H26")
def test_tables_that_are_larger_than_they_should(folder, monkeypatch):
    """Announced rows and bytes, and what unpacks to more than is announced, are refused before they take memory."""
    path = folder / "shards" / "Tree cover.parquet"
    monkeypatch.setattr(cells, "MOST_ROWS", 3)
    with pytest.raises(ValueError, match=r"announces 4 rows with [\d,]+ bytes of patch_id; at most 3 rows"):
        open_set(folder)
    monkeypatch.setattr(cells, "MOST_ROWS", 10)
    monkeypatch.setattr(cells, "MOST_FILES", 60_000)
    with pytest.raises(ValueError, match=r"announces 4 rows with [\d,]+ bytes of tif; .* and 60,000 bytes"):
        open_set(folder)
    monkeypatch.setattr(cells, "_require_column", lambda *arguments: "BYTE_ARRAY")
    with pytest.raises(ValueError, match=r"tif unpack to more than 60,000 bytes"):
        open_set(folder)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"Tree cover\.parquet is not a whole \.parquet table"):
        open_set(folder)


@pytest.mark.case("H26")
@pytest.mark.parametrize("length", [50, 2_000_000])
def test_one_word_many_times(tmp_path, monkeypatch, length):
    """It takes few bytes of a file, and is kept once or refused; written out, the long one would take 180 GB."""
    path = tmp_path / "a.parquet"
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(90_000, np.int32)), pa.array(["x" * length]))
    pq.write_table(pa.table({"word": words}), path)
    assert path.stat().st_size < 300_000
    if length > 50:
        with pytest.raises(ValueError, match="word unpack to more than 134,217,728 bytes"):
            cells.read_words(path, ["word"])
        monkeypatch.setattr(cells, "MOST_FILES", 50_000_000)
        with pytest.raises(ValueError, match="word unpack to more than 50,000,000 bytes"):
            cells.FilesInCells("word").read(path, 0, "x")
    else:
        found = cells.read_words(path, ["word"])[0]
        assert len(found) == 90_000
        assert found[0] is found[-1]


def test_only_what_has_room_is_kept(good, monkeypatch):
    files, paths = cells.FilesInCells("tif"), sorted((good / "shards").iterdir())
    monkeypatch.setattr(cells, "MOST_KEPT", 150_000)
    read = [files.read(path, row, "x") for path in (*paths, *paths) for row in (0, 3)]
    assert read[:4] == read[4:]
    assert [*files._kept] == paths[1:], "a shard has 100 kB"
    with pytest.raises(ValueError, match=r"has no tif for the patch"):
        files.read(paths[0], 4, "the patch")
    with pytest.raises(FileNotFoundError, match="no file"):
        files.read(good / "none.parquet", 0, "x")


def test_not_the_set(good, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        similar_set(tmp_path / "nowhere")
    shutil.copytree(good, folder / "again")
    with pytest.raises(ValueError, match=r"must hold splits\.json beside shards/ in one place, they are in 2"):
        open_set(folder)
    shutil.rmtree(folder / "again")
    shard = folder / "shards" / "Tree cover.parquet"
    pq.write_table(frame().slice(0, 0), shard)
    with pytest.raises(ValueError, match=r"shards lacks 4 of 8 patches: \['t1', 't2', 't3', 't4'\]"):
        open_set(folder)
    shard.unlink()
    shard.symlink_to(good / "shards" / "Tree cover.parquet")
    with pytest.raises(ValueError, match="is a link that leaves the folder"):
        open_set(folder)
