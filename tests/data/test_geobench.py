"""m-eurosat as a data set, from a folder and from a hub on 127.0.0.1, whole and broken."""

import io
import json
import os
import pickle
import shutil
import stat
import zipfile
from collections import OrderedDict, namedtuple
from pathlib import Path

import h5py
import numpy as np
import pytest
from chips import Bomb, write_chip
from hub_server import Hub

from olmoearth_nb import SENTINEL2
from olmoearth_nb.data.geobench.chip import LABELS, load_geobench_chip, read_label
from olmoearth_nb.data.geobench.dataset import ARCHIVE, CLASSES, REPOSITORY, GeoBench
from olmoearth_nb.io.fetch import ChecksumError, DownloadError
from olmoearth_nb.io.unzip import unpack_zip

S2 = "sentinel2_l2a"
REAL = Path(__file__).parents[3] / "shared" / "real"
REAL_CHIP, REAL_STATS = REAL / "m-eurosat_id_1905.hdf5", REAL / "m-eurosat_band_stats.json"
SPLITS = {"train": ["id_1", "id_2", "id_3"], "valid": ["id_4"], "test": ["id_5"]}
OLD_NAMES = (
    "Industrial Buildings,Residential Buildings,Annual Crop,Permanent Crop,River,Sea and Lake,Herbaceous Vegetation,"
    "Highway,Pasture,Forest"
).split(",")

pytestmark = pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")


class Classification:
    """Pickled by name and absent where it is read, like GeoBench's own."""

    def __init__(self, names):
        self.n_classes, self._class_names = len(names), names


class TaskSpecifications:
    def __init__(self, names=OLD_NAMES, **more):
        self.dataset_name, self.label_type = "m-eurosat", Classification(names)
        self.extra, self.eval_loss = OrderedDict(a=1), np.float64(0.5)
        self.__dict__ |= more


def write_set(folder, splits=SPLITS, specs=None):
    """A synthetic twin of the data set; the label of chip i is i."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "default_partition.json").write_text(json.dumps(splits))
    stats = {label: {"mean": 100.0 * i, "std": 1.0 + i, "max": 9.0} for i, label in enumerate(LABELS)}
    (folder / "band_stats.json").write_text(json.dumps({**stats, "label": {"mean": 4.5, "std": 2.9}}))
    (folder / "task_specs.pkl").write_bytes(pickle.dumps(specs or TaskSpecifications()))
    for i in range(1, 6):
        write_chip(folder / f"id_{i}.hdf5", metadata={"label": i})
    return folder


def test_splits_samples_and_labels(tmp_path):
    write_set(tmp_path / "m-eurosat")
    data = GeoBench(tmp_path)
    assert {split: len(data.samples(split)) for split in data.splits} == {"train": 3, "valid": 1, "test": 1}
    train = data.samples("train")
    sample, label = train[1]
    assert sample.title == "id_2"
    assert (sample.images[S2] == load_geobench_chip(tmp_path / "m-eurosat" / "id_2.hdf5").images[S2]).all()
    assert label == 2
    assert train.labels.tolist() == [label for _, label in train] == [1, 2, 3]
    assert [label for _, label in train[1:]] == [2, 3]
    assert data.samples("test")[-1][1] == 5


def test_names_of_the_classes(tmp_path):
    """In alphabetical order, whatever order the published list has; that list is kept beside."""
    data = GeoBench(write_set(tmp_path / "a"))
    assert data.published_names == OLD_NAMES
    assert data.class_names == CLASSES == tuple(sorted(OLD_NAMES))
    (tmp_path / "a" / "task_specs.pkl").unlink()
    unnamed = GeoBench(tmp_path / "a")
    assert unnamed.published_names is None
    assert unnamed.class_names == CLASSES


def test_statistics_by_content_and_by_label(tmp_path):
    write_set(tmp_path)
    content, published = GeoBench(tmp_path).band_stats, GeoBench(tmp_path, names="published").band_stats
    assert content["B8A"]["mean"] == published["B12"]["mean"] == 1200
    assert content["B09"]["mean"] == published["B8A"]["mean"] == 800
    assert set(content) == {*SENTINEL2.band_names, "B10"}
    first = GeoBench(tmp_path, names="published").samples("train")[0][0]
    assert (first.images[S2] == load_geobench_chip(tmp_path / "id_1.hdf5", "published").images[S2]).all()


@pytest.mark.skipif(not REAL_CHIP.exists(), reason="the real m-eurosat chip is not part of the project")
def test_the_real_chip_and_its_statistics(tmp_path):
    """Label 1 is Forest: green everywhere and moist, which no residential area is."""
    write_set(tmp_path, {"train": ["id_1905"], "valid": [], "test": []})
    shutil.copy(REAL_CHIP, tmp_path / "id_1905.hdf5")
    shutil.copy(REAL_STATS, tmp_path / "band_stats.json")
    data = GeoBench(tmp_path)
    sample, label = data.samples("train")[0]
    assert (label, data.class_names[label], data.published_names[label]) == (1, "Forest", "Residential Buildings")
    image = dict(zip(SENTINEL2.band_names, sample.images[S2][:, :, 0].transpose(2, 0, 1), strict=True))
    ndvi = (image["B08"] - image["B04"]) / (image["B08"] + image["B04"])
    assert np.percentile(ndvi, 1) > 0.5
    assert image["B12"].mean() < image["B11"].mean() / 2 < image["B08"].mean() / 4
    assert data.band_stats["B10"]["mean"] == pytest.approx(12.3, abs=0.1)
    with pytest.raises(ValueError, match=r"the split 'valid' of .* is empty"):
        data.samples("valid")


def change(**files):
    """A data set with other content in some files."""

    def make(folder):
        write_set(folder)
        for name, content in files.items():
            path = folder / name.replace("__", ".")
            path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
        return folder

    return make


def partition(**splits):
    return change(default_partition__json=json.dumps({**SPLITS, **splits}))


def stats(**values):
    """Statistics of which one band's are odd."""
    table = {label: {"mean": 1000.0, "std": 100.0} for label in LABELS}
    return change(band_stats__json=json.dumps(table | {"02 - Blue": table["02 - Blue"] | values}))


def linked(folder):
    write_set(folder / "set")
    shutil.move(folder / "set" / "id_3.hdf5", folder / "elsewhere.hdf5")
    os.symlink(folder / "elsewhere.hdf5", folder / "set" / "id_3.hdf5")
    return folder / "set"


def without(name):
    def make(folder):
        (write_set(folder) / name).unlink()
        return folder

    return make


def cut(folder):
    path = write_set(folder) / "id_1.hdf5"
    path.write_bytes(path.read_bytes()[:3000])
    return folder


def pixels(values):
    def make(folder):
        path = write_set(folder) / "id_1.hdf5"
        with h5py.File(path, "a") as file:
            del file["04 - Red"]
            file["04 - Red"] = values
        return folder

    return make


def labelled(label):
    def make(folder):
        write_chip(write_set(folder) / "id_1.hdf5", metadata={"label": label})
        return folder

    return make


WRONG = {
    "no partition": (without("default_partition.json"), "must hold one default_partition.json, it holds 0"),
    "two data sets": (lambda t: write_set(t / "a") and write_set(t / "b").parent, "it holds 2"),
    "a partition cut off": (change(default_partition__json='{"train": ['), "is not whole JSON"),
    "a partition that is a list": (change(default_partition__json="[1]"), "must hold a dictionary, it is a list"),
    "a split missing": (change(default_partition__json=json.dumps({"train": ["id_1"]})), "not so for valid, test"),
    "a split of numbers": (partition(valid=[4]), "not so for valid"),
    "a path that goes up": (partition(valid=["../../x"]), r"'\.\./\.\./x\.hdf5' is no name of a file inside of"),
    "an absolute path": (partition(valid=["/etc/passwd"]), "is no name of a file inside of"),
    "a path of Windows": (partition(valid=["..\\x"]), "is no name of a file inside of"),
    "a link out of the folder": (linked, r"id_3\.hdf5 is a link that leaves the folder"),
    "a chip missing": (without("id_4.hdf5"), r"lacks 1 of 5 chips: \['id_4'\]"),
    "a chip in two splits": (partition(test=["id_1"]), "the chip id_1 is in train and again in test"),
    "a chip twice": (partition(valid=["id_4", "id_4"]), "the chip id_4 is in valid and again in valid"),
    "specifications cut off": (change(task_specs__pkl=b"\x80\x04\x95\xff"), "task_specs.pkl cannot be read safely"),
    "too large specifications": (change(task_specs__pkl=b"x" * 200_000), "more; at most 100,000 are read"),
    "nine classes": (
        lambda t: write_set(t, specs=TaskSpecifications(OLD_NAMES[:9])),
        "must name 10 classes, it has",
    ),
    "an empty split": (partition(train=[]), "the split 'train' of .* is empty"),
    "a chip cut off": (cut, "id_1.hdf5 is not a whole HDF5 file"),
    "a chip with NaN": (pixels(np.full((64, 64), np.nan)), "4,096 values are NaN or infinite"),
    "a chip of text": (pixels(np.full((64, 64), b"x")), "04 - Red must hold whole numbers or decimal numbers, got .S1"),
    "no label": (labelled(None), "id_1.hdf5 has no class: the label in its metadata is None"),
    "a label of text": (labelled("Forest"), "is 'Forest'"),
    "a label of another set": (labelled(17), "has the label 17; valid are 0 to 9"),
    "no statistics": (without("band_stats.json"), "has no band_stats.json"),
    "statistics of 10^400": (stats(mean=10**400), "not so for .*'02 - Blue'"),
    "statistics of text": (stats(mean="3"), "not so for .*'02 - Blue'"),
    "statistics of true": (stats(std=True), "not so for .*'02 - Blue'"),
    "a deviation of 0": (stats(std=0), "not so for .*'02 - Blue'"),
    "statistics of a list": (change(band_stats__json="[]"), r"band_stats\.json must hold a dictionary"),
    "statistics in brackets": (change(band_stats__json="[" * 10**6), r"band_stats\.json is not whole JSON"),
    "a partition in brackets": (change(default_partition__json='{"a":' * 10**6), "partition.json is not whole JSON"),
    "a name of no letters": (partition(valid=["\ud800"]), "it has letters that a name cannot have here"),
    "a name without end": (partition(valid=["x" * 5000]), "it is longer than 1000 bytes"),
    "statistics of NaN": (
        change(band_stats__json='{"02 - Blue": {"mean": NaN, "std": 1}}'),
        "not so for .*'02 - Blue'",
    ),
}


@pytest.mark.case("H17")
@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_sets(tmp_path, name):
    make, message = WRONG[name]
    folder = make(tmp_path)
    with pytest.raises(ValueError, match=message):
        used(folder)


def used(folder):
    """All that is read of a data set."""
    data = GeoBench(folder)
    return data.samples("train")[0], data.band_stats


def test_wrong_questions(tmp_path):
    data = GeoBench(write_set(tmp_path / "a"))
    with pytest.raises(ValueError, match="no split 'val'; there are train, valid, test"):
        data.samples("val")
    with pytest.raises(ValueError, match="'content' or 'published', got 'x'"):
        GeoBench(tmp_path / "a", names="x")
    with pytest.raises(FileNotFoundError, match="no folder"):
        GeoBench(tmp_path / "nowhere")
    (tmp_path / "a" / "id_1.hdf5").write_text("hello")
    with pytest.raises(ValueError, match="not a whole HDF5 file"):
        read_label(tmp_path / "a" / "id_1.hdf5")


def test_hostile_specifications_run_nothing(tmp_path):
    specs = TaskSpecifications(bomb=Bomb(tmp_path / "ran"))
    assert GeoBench(write_set(tmp_path / "a", specs=specs)).published_names == OLD_NAMES
    assert not (tmp_path / "ran").exists()


def zipped(folder):
    """The data set as it is published."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    return file.getvalue()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return {ARCHIVE: zipped(write_set(tmp_path_factory.mktemp("published") / "m-eurosat")), "README.md": b"hello"}


@pytest.fixture
def hub(published, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub = Hub(published, REPOSITORY, "datasets")
    yield hub
    hub.stop()


@pytest.fixture
def options(hub, tmp_path):
    return {"endpoint": hub.endpoint, "cache_dir": tmp_path / "cache", "lock_file": tmp_path / "lock.json"}


def test_from_the_hub_once(hub, options):
    hub.breaks = 2
    data = GeoBench.from_hub(**options)
    assert data.samples("train").labels.tolist() == [1, 2, 3]
    lock = json.loads(options["lock_file"].read_text())["m-eurosat"]
    assert lock["commit"] == hub.commit
    assert list(lock["sha256"]) == [ARCHIVE], "nothing else of the repository is loaded"
    hub.stop()
    again = GeoBench.from_hub(**options)
    assert again.folder == data.folder
    assert again.samples("test")[0][1] == 5


@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_hub_that_refuses(hub, options, status):
    hub.fault = status
    with pytest.raises(DownloadError, match=str(status)):
        GeoBench.from_hub(**options)
    hub.fault = None
    hub.refusals = [status] * 100
    with pytest.raises(DownloadError, match=f"refused {REPOSITORY}: {status}"):
        GeoBench.from_hub(**options)
    assert not options["lock_file"].exists()
    hub.refusals = [429, 500, None]
    assert len(GeoBench.from_hub(**options).samples("train")) == 3, "what passes is waited for"


@pytest.mark.parametrize("fault", ["wrong content", "wrong checksum"])
def test_a_hub_that_lies(hub, options, fault):
    hub.fault = fault
    with pytest.raises(ChecksumError, match="which was listed by the hub; removed"):
        GeoBench.from_hub(**options)
    assert not list(options["cache_dir"].rglob("*.hdf5"))
    hub.fault = None
    GeoBench.from_hub(**options)


def test_an_archive_that_changes_later(hub, options, published):
    GeoBench.from_hub(**options)
    archive = next(options["cache_dir"].rglob("*.zip"))
    archive.write_bytes(published[ARCHIVE][:-1] + b"x")
    with pytest.raises(ChecksumError, match="recorded when it was first downloaded"):
        GeoBench.from_hub(**options)


def test_a_hub_without_it(hub, options):
    del hub.files[ARCHIVE]
    with pytest.raises(DownloadError, match=r"has no \['classification_v1.0/m-eurosat.zip'\]"):
        GeoBench.from_hub(**options)


def test_never_loaded_and_offline(hub, options):
    hub.stop()
    with pytest.raises(DownloadError, match=r"or load a folder that holds classification_v1\.0/m-eurosat\.zip"):
        GeoBench.from_hub(**options)


def test_a_full_disk(hub, options, monkeypatch):
    """Before the download, and before unpacking; nothing half-made is left."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 0))
    with pytest.raises(DownloadError, match=r"needs .* GB more and .* has 0.00 GB free"):
        GeoBench.from_hub(**options)
    size = len(hub.files[ARCHIVE])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(size, 0, size))
    with pytest.raises(OSError, match=r"m-eurosat\.zip needs .* unpacked and .* free; nothing was written"):
        GeoBench.from_hub(**options)
    assert not list(options["cache_dir"].rglob("*.hdf5"))
    monkeypatch.undo()
    assert len(GeoBench.from_hub(**options).samples("train")) == 3


def archive_of(path, *entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def link_to(target):
    entry = zipfile.ZipInfo("set/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, target


def truncated(path):
    archive_of(path, ("set/a", b"x" * 5000), ("set/b", b"y" * 5000))
    path.write_bytes(path.read_bytes()[:4000])
    return path


def damaged(path):
    archive_of(path, ("set/a", b"x" * 5000))
    path.write_bytes(path.read_bytes().replace(b"xxxx", b"xxyx", 1))
    return path


ARCHIVES = {
    "up": (lambda p: archive_of(p, ("set/a", b"1"), ("../outside", b"2")), "'../outside' is no name of a file inside"),
    "absolute": (lambda p: archive_of(p, ("/tmp/outside", b"2")), "is no name of a file inside"),
    "a link": (lambda p: archive_of(p, ("set/a", b"1"), link_to("/etc/passwd")), "set/link in a.zip is a link"),
    "cut off": (truncated, "is not a whole .zip file"),
    "damaged": (damaged, "is not a whole .zip file"),
    "text": (lambda p: p.write_text("hello") and p, "is not a whole .zip file"),
}


@pytest.mark.case("H22")
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c"), ("a", "a/")])
def test_a_file_that_is_a_folder_as_well(tmp_path, names):
    archive = archive_of(tmp_path / "a.zip", *((name, b"") for name in names))
    with pytest.raises(ValueError, match=r"a\S* in a\.zip is a file in one place and a folder in another"):
        unpack_zip(archive, tmp_path / "out" / "a")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.lock"]


@pytest.mark.parametrize("name", ARCHIVES)
def test_wrong_archives(tmp_path, name):
    """Refused, and neither a file outside nor a half-made folder is left."""
    make, message = ARCHIVES[name]
    archive = make(tmp_path / "a.zip")
    with pytest.raises(ValueError, match=message):
        unpack_zip(archive, tmp_path / "out" / "a")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.lock"]
    assert not (tmp_path / "outside").exists()


def test_what_an_interrupted_call_left_is_not_taken_for_the_whole(tmp_path):
    archive = archive_of(tmp_path / "a.zip", ("set/", b""), ("set/a", b"whole"))
    (tmp_path / "a.part" / "set").mkdir(parents=True)
    (tmp_path / "a.part" / "set" / "b").write_text("half")
    folder = unpack_zip(archive, tmp_path / "a")
    assert {path.name: path.read_text() for path in (folder / "set").iterdir()} == {"a": "whole"}
    assert not (tmp_path / "a.part").exists()
    archive.unlink()
    assert unpack_zip(archive, folder) == folder, "what is there is not unpacked again"
