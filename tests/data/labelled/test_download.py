"""EuroSAT and m-eurosat from a server on 127.0.0.1 that breaks off, lies and changes its mind."""

import io
import shutil
import zipfile
from collections import namedtuple

import pytest
from hub_server import Hub
from labelled_twins import chip, pixels, write_eurosat, write_kilns
from terminal import invoke

from olmoearth_nb.data.geobench.dataset import ARCHIVE, REPOSITORY
from olmoearth_nb.data.labelled.download import EUROSAT, MEUROSAT, fetch_eurosat, fetch_meurosat
from olmoearth_nb.io.fetch import ChecksumError, DownloadError
from olmoearth_nb.io.untar import ArchiveError

pytestmark = pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")


def zipped(folder, *more):
    """A folder as an archive, and further entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
        for name, content in more:
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return zipped(write_eurosat(tmp_path_factory.mktemp("good") / "EuroSAT_MS", count=2))


@pytest.fixture
def hub(good, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub = Hub({"EuroSAT_MS.zip": good}, "owner/name")
    hub.url = f"{hub.endpoint}/owner/name/resolve/{hub.commit}/EuroSAT_MS.zip"
    yield hub
    hub.stop()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data" / "eurosat"


def left(out):
    return sorted(path.name for path in out.parent.iterdir() if not path.name.endswith(".lock"))


def test_whole_and_broken_off(hub, out):
    hub.breaks = 2
    chips = fetch_eurosat(out, hub.url, quiet=True)
    assert len(chips) == 6
    assert chips.folder == out.resolve() / "EuroSAT_MS"
    assert left(out) == ["eurosat", "eurosat.sha256.json"], "the archive is not kept"
    starts = [int(span.removeprefix("bytes=").rstrip("-")) if span else 0 for _, _, span in hub.requests]
    assert starts == sorted({*starts}), "what has arrived is not asked for again"
    before = len(hub.requests)
    assert len(fetch_eurosat(out, hub.url)) == 6
    assert len(hub.requests) == before, "what is finished needs no network"


def test_the_commands(hub, out, tmp_path):
    done = invoke("data", "eurosat", "--out", out, "--url", hub.url)
    assert done.exit_code == 0, done.output
    assert done.output.index("2.1 GB to load and 2.9 GB unpacked") < done.output.index("6 chips")
    hub.files["EuroSAT_MS.zip"] = zipped(write_kilns(tmp_path / "m-brick-kiln"))
    done = invoke("data", "meurosat", "--out", out.parent / "m", "--url", hub.url)
    assert done.exit_code == 0, done.output
    assert "3 train, 1 valid, 1 test chips" in done.output
    assert invoke("data", "eurosat", "--out", out.parent / "x", "--url", "EuroSAT_MS.zip").exit_code == 2
    (out.parent / "mine").mkdir()
    (out.parent / "mine" / "notes.txt").touch()
    done = invoke("data", "eurosat", "--out", out.parent / "mine", "--url", hub.url)
    assert done.exit_code == 2
    assert "is there and is not a whole EuroSAT" in done.output
    for command in ("eurosat", "meurosat"):
        said = " ".join(invoke("data", command, "--help").output.replace("│", " ").split())
        assert "records the archive's sha256" in said


def test_the_default_addresses():
    assert EUROSAT == "https://zenodo.org/records/7711810/files/EuroSAT_MS.zip"
    assert f"/datasets/{REPOSITORY}/resolve/main/{ARCHIVE}" in MEUROSAT


@pytest.mark.parametrize("status", [404, 429, 500])
def test_refused(hub, out, status):
    hub.fault = status
    with pytest.raises(DownloadError, match=f"refused .*EuroSAT_MS.zip: {status}"):
        fetch_eurosat(out, hub.url)
    assert left(out) == []
    hub.fault = None
    assert len(fetch_eurosat(out, hub.url, quiet=True)) == 6


def test_another_version_on_second_sight(hub, out, good):
    fetch_eurosat(out, hub.url, quiet=True)
    shutil.rmtree(out)
    hub.files["EuroSAT_MS.zip"] = good + b"x"
    with pytest.raises(ChecksumError, match=r"recorded when it was first downloaded \(remove .*eurosat\.sha256\.json"):
        fetch_eurosat(out, hub.url, quiet=True)
    hub.files["EuroSAT_MS.zip"] = good
    assert len(fetch_eurosat(out, hub.url, quiet=True)) == 6


def other_order(folder):
    chip(folder / "Forest" / "Forest_1.tif", pixels()[::-1])
    return zipped(folder)


def cut(folder):
    path = folder / "SeaLake" / "SeaLake_1.tif"
    path.write_bytes(path.read_bytes()[:9000])
    return zipped(folder)


WRONG = {
    "cut off": (lambda folder: zipped(folder)[:-5000], r"not a whole \.zip file"),
    "text": (lambda folder: b"hello", r"not a whole \.zip file"),
    "a name that goes up": (lambda folder: zipped(folder, ("../evil", b"x")), r"'\.\./evil' is no name of a file"),
    "another set": (
        lambda folder: zipped(folder / "nowhere", ("a.txt", b"x")),
        "in one place, they are in 0",
    ),
    "an unknown class": (lambda folder: zipped(folder, ("EuroSAT/Desert/a.tif", b"x")), r"no class of .*\['Desert'\]"),
    "chips in another order": (other_order, "is not in EuroSAT's order of bands"),
    "a chip cut off": (cut, "not a whole file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused_is_kept_aside_and_loaded_anew(hub, out, good, tmp_path, name):
    make, message = WRONG[name]
    hub.files["EuroSAT_MS.zip"] = make(write_eurosat(tmp_path / "EuroSAT", count=1))
    with pytest.raises(ArchiveError, match=f"(?s){message}.*kept as .*refused, the next call loads it anew"):
        fetch_eurosat(out, hub.url, quiet=True)
    assert left(out) == ["eurosat.zip.refused"], "nothing is recorded or unpacked of what was refused"
    assert not (tmp_path / "evil").exists()
    hub.files["EuroSAT_MS.zip"] = good
    assert len(fetch_eurosat(out, hub.url, quiet=True)) == 6


def test_room_comes_first(hub, out, monkeypatch, good):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, int(2.4 * len(good))))
    with pytest.raises(DownloadError, match=r"needs .* GB more and .* free"):
        fetch_eurosat(out, hub.url)
    monkeypatch.undo()
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    free = iter([int(9 * len(good)), 0])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, next(free)))
    with pytest.raises(OSError, match=r"unpacked and .* free; nothing was written"):
        fetch_eurosat(out, hub.url, quiet=True)
    assert left(out) == ["eurosat.sha256.json", "eurosat.zip"]
    monkeypatch.undo()
    before = len(hub.requests)
    assert len(fetch_eurosat(out, hub.url, quiet=True)) == 6
    assert len(hub.requests) == before, "the archive is not loaded again"


def test_killed_while_unpacking(hub, out, good):
    """What an earlier call left half unpacked is not taken for the whole."""
    (out.parent / "eurosat.unpacking" / "EuroSAT_MS" / "Forest").mkdir(parents=True)
    assert len(fetch_eurosat(out, hub.url, quiet=True)) == 6
    assert left(out) == ["eurosat", "eurosat.sha256.json"]
    (out.parent / "empty").mkdir()
    assert len(fetch_eurosat(out.parent / "empty", hub.url, quiet=True)) == 6


def test_m_eurosat_whose_chips_are_damaged(hub, out, tmp_path):
    folder = write_kilns(tmp_path / "m-brick-kiln")
    (folder / "id_4.hdf5").write_bytes(b"hello")
    hub.files["EuroSAT_MS.zip"] = zipped(folder)
    with pytest.raises(ArchiveError, match=r"id_4\.hdf5 is not a whole HDF5 file"):
        fetch_meurosat(out, hub.url, quiet=True)
