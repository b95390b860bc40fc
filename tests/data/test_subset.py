"""The official subset from a server on 127.0.0.1 that stalls, breaks off, lies and changes its mind."""

import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from archives import EVIL, folder, member
from hub_server import Hub
from terminal import invoke

from olmoearth_nb.data import data_dir
from olmoearth_nb.data.official import OfficialDataset, read_tile
from olmoearth_nb.data.subset import URL, fetch_subset
from olmoearth_nb.io.fetch import ChecksumError, DownloadError
from olmoearth_nb.io.untar import ArchiveError

TILES = data_dir() / "world" / "tiles"
ROOT = next(TILES.glob("h5py_data_w_missing_timesteps*"))


def packed(*more, leave_out=(), change=None):
    """The committed tiles as the official archive holds them; `change` maps a path to other content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(ROOT.rglob("*")):
            name = path.relative_to(TILES).as_posix()
            if path.is_dir():
                tar.addfile(folder(name)[0])
            elif path.name not in leave_out:
                info, data = member(name, (change or {}).get(path.name, path.read_bytes()))
                tar.addfile(info, io.BytesIO(data))
        for info, data in more:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return buffer.getvalue()


GOOD = packed()


@pytest.fixture
def hub():
    hub = Hub({"subset.tar": GOOD}, "owner/name")
    hub.url = f"{hub.endpoint}/owner/name/resolve/{hub.commit}/subset.tar"
    yield hub
    hub.stop()


@pytest.fixture
def patient(monkeypatch):
    """Waiting takes no time."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data" / "subset"


def left(out):
    return sorted(path.name for path in out.parent.iterdir() if not path.name.endswith(".lock"))


def is_whole(tiles):
    assert [tiles.path(i).read_bytes() for i in range(3)] == [
        next(ROOT.rglob(f"sample_{i}.h5")).read_bytes() for i in range(3)
    ]
    return True


def test_whole(hub, out):
    tiles = fetch_subset(out, hub.url, quiet=True)
    assert len(tiles) == 3
    assert is_whole(tiles)
    assert left(out) == ["subset", "subset.sha256.json"], "the archive is not kept"
    direct, ours = read_tile(next(ROOT.rglob("sample_1.h5"))), OfficialDataset(out)[1]
    assert all(np.array_equal(direct.images[name], ours.images[name]) for name in direct.images)
    before = len(hub.requests)
    assert is_whole(fetch_subset(out, hub.url))
    assert len(hub.requests) == before, "what is finished needs no network"


def test_the_command(hub, out):
    result = invoke("data", "subset", "--out", out, "--url", hub.url)
    assert result.exit_code == 0, result.output
    assert "3 tiles" in result.output
    (out.parent / "other").mkdir()
    (out.parent / "other" / "mine.txt").touch()
    result = invoke("data", "subset", "--out", out.parent / "other", "--url", hub.url)
    assert result.exit_code == 2
    assert "is there and is not a whole subset" in result.output
    hub.fault = 404
    result = invoke("data", "subset", "--out", out.parent / "third", "--url", hub.url)
    assert result.exit_code == 2
    assert "404" in result.output
    assert invoke("data", "subset", "--out", out.parent / "x", "--url", "subset.tar").exit_code == 2
    with pytest.raises(ValueError, match="begins with http"):
        fetch_subset(out.parent / "y", "ftp://127.0.0.1/subset.tar")
    assert not list(out.parent.glob("[xy]*")), "not even a lock"
    said = " ".join(invoke("data", "subset", "--help").output.replace("│", " ").split())
    assert URL.rpartition("/")[2] in said
    assert "records its sha256" in said


def test_the_default_address():
    assert URL.startswith("https://storage.googleapis.com/")
    assert URL.endswith("subset_1k_h5py_data.tar")


def test_stalls_and_breaks(hub, out, monkeypatch, patient):
    monkeypatch.setattr("olmoearth_nb.io.fetch.TIMEOUT", 0.3)
    hub.breaks, hub.stall_after = 2, 100_000
    assert is_whole(fetch_subset(out, hub.url, quiet=True))
    starts = [int(span.removeprefix("bytes=").rstrip("-")) if span else 0 for _, _, span in hub.requests]
    assert starts == sorted(starts), "what has arrived is not asked for again"
    assert len(starts) >= 3


@pytest.mark.parametrize("status", [404, 429, 500])
def test_refused(hub, out, patient, status):
    hub.fault = status
    with pytest.raises(DownloadError, match=f"refused .*subset.tar: {status}"):
        fetch_subset(out, hub.url)
    assert left(out) == []
    hub.fault = None
    assert is_whole(fetch_subset(out, hub.url, quiet=True))


def test_a_server_that_says_less_than_it_has(hub, out):
    """The file has the length that the server said; only the tar knows that it is not whole."""
    hub.fault = "says less than it has"
    with pytest.raises(ArchiveError, match=r"not a whole tar archive .*; kept as .*subset\.tar\.refused"):
        fetch_subset(out, hub.url, quiet=True)
    assert left(out) == ["subset.tar.refused"], "nothing is recorded of what was refused"
    hub.fault = None
    assert is_whole(fetch_subset(out, hub.url, quiet=True))


def test_another_version_while_downloading(hub, out, patient):
    hub.breaks, hub.refusals = 1, [None, 403]
    with pytest.raises(DownloadError, match="403"):
        fetch_subset(out, hub.url, quiet=True)
    assert left(out) == ["subset.tar.json", "subset.tar.part"]
    hub.files["subset.tar"] = packed(member("notes.txt"))
    fetch_subset(out, hub.url, quiet=True)
    assert (out / "notes.txt").read_bytes() == b"hello"


def test_another_version_on_second_sight(hub, out):
    fetch_subset(out, hub.url, quiet=True)
    shutil.rmtree(out)
    hub.files["subset.tar"] = packed(member("notes.txt"))
    with pytest.raises(ChecksumError, match=r"recorded when it was first downloaded \(remove .*subset\.sha256\.json"):
        fetch_subset(out, hub.url, quiet=True)
    assert left(out) == ["subset.sha256.json"]
    hub.files["subset.tar"] = GOOD
    assert is_whole(fetch_subset(out, hub.url, quiet=True))
    shutil.rmtree(out)
    hub.files["subset.tar"] = packed(member("notes.txt"))
    (out.parent / "subset.sha256.json").unlink()
    fetch_subset(out, hub.url, quiet=True)
    assert (out / "notes.txt").is_file(), "accepted by hand"


@pytest.mark.case("H23")
@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 100_000, '{"archive": 7}', '{"archive": {"sha256": 7}}', '{"archive": {}}']
)
def test_a_damaged_record(hub, out, text):
    out.parent.mkdir()
    (out.parent / "subset.sha256.json").write_text(text)
    with pytest.raises(DownloadError, match=r"is damaged|records no sha256 of the archive; remove it"):
        fetch_subset(out, hub.url, quiet=True)


@pytest.mark.case("H10")
def test_a_signed_address_is_nowhere(hub, out, patient, monkeypatch, capsys):
    with pytest.raises(DownloadError, match="404") as refused:
        fetch_subset(out, f"{hub.endpoint}/nothing?sig=secret")
    monkeypatch.setattr(hub, "answer", lambda request, body: Hub.file(hub, request, "subset.tar", body))
    tiles = fetch_subset(out, f"{hub.url}?sig=secret")
    record = (out.parent / "subset.sha256.json").read_text()
    assert "subset.tar" in record
    assert "secret" not in f"{refused.value} {record} {tiles!r} {capsys.readouterr()} {left(out)}"


WRONG = {
    "no index": (packed(leave_out=["sample_metadata.csv"]), "must hold one sample_metadata.csv, it holds 0"),
    "two indices": (packed(member("other/3/sample_metadata.csv")), "it holds 2"),
    "a tile missing": (packed(leave_out=["sample_1.h5"]), r"lacks 1 of 3 tiles: \[1\]"),
    "a tile cut off": (packed(change={"sample_2.h5": b"\x89HDF"}), r"1 of 3 tiles are not HDF5 .*: \[2\]"),
    "a tile of something else": (packed(change={"sample_0.h5": b"hello"}), r"1 of 3 tiles are not HDF5 .*: \[0\]"),
    "a photograph": (b"\xff\xd8\xff\xe0" * 1000, "not a whole tar archive"),
    "cut off": (GOOD[: len(GOOD) // 512 // 2 * 512], "not a whole tar archive"),
    "without end": (GOOD.rstrip(b"\0")[:-1024], "not a whole tar archive"),
}


@pytest.mark.parametrize("name", WRONG)
def test_not_the_data(hub, out, name):
    hub.files["subset.tar"], message = WRONG[name]
    with pytest.raises(ArchiveError, match=message):
        fetch_subset(out, hub.url, quiet=True)
    assert left(out) == ["subset.tar.refused"]


@pytest.mark.parametrize("name", ["traversal", "absolute", "symbolic link", "hard link", "device", "setuid"])
def test_evil_members(hub, out, name):
    members, message = EVIL[name]
    hub.files["subset.tar"] = packed(member("a"), *members) if name != "hard link" else packed(*members)
    with pytest.raises(ArchiveError, match=message):
        fetch_subset(out, hub.url, quiet=True)
    assert left(out) == ["subset.tar.refused"]
    assert [path.name for path in out.parent.parent.iterdir()] == ["data"]


usage = namedtuple("usage", "total used free")


def test_room_for_archive_and_content_together_comes_first(hub, out, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, int(1.9 * len(GOOD))))
    with pytest.raises(DownloadError, match="GB more and "):
        fetch_subset(out, hub.url, quiet=True)
    assert not list(out.parent.glob("*.part")), "before the first byte"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, int(2.1 * len(GOOD))))
    assert is_whole(fetch_subset(out, hub.url, quiet=True))


def test_the_disk_fills_up_while_unpacking(hub, out, monkeypatch):
    """The archive is whole and stays: the same call needs no second download."""
    free = iter([10 * len(GOOD), 1000, 10 * len(GOOD)])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, next(free)))
    with pytest.raises(OSError, match=r"unpacking subset\.tar takes"):
        fetch_subset(out, hub.url, quiet=True)
    assert left(out) == ["subset.sha256.json", "subset.tar"]
    assert is_whole(fetch_subset(out, hub.url, quiet=True))
    assert len(hub.requests) == 1


def test_an_archive_changed_on_the_disk(hub, out, monkeypatch):
    monkeypatch.setattr("olmoearth_nb.data.subset.unpack", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch_subset(out, hub.url, quiet=True)
    monkeypatch.undo()
    archive = out.parent / "subset.tar"
    archive.write_bytes(archive.read_bytes()[:-20_000] + bytes(20_000))
    with pytest.raises(ChecksumError, match="removed, the next try loads it anew"):
        fetch_subset(out, hub.url, quiet=True)
    assert is_whole(fetch_subset(out, hub.url, quiet=True))


SLOW = """
import sys, time
from olmoearth_nb.data import subset
from olmoearth_nb.io import untar

def half(source, file, length):
    file.write(source.read(5000))
    if file.name.endswith("sample_1.h5"):
        file.flush()
        open(sys.argv[1], "w").close()
        time.sleep(60)
    file.write(source.read())

untar.shutil.copyfileobj = half
subset.fetch_subset(sys.argv[2], sys.argv[3], quiet=True)
"""


def test_killed_while_unpacking(hub, out, tmp_path):
    """kill -9 in the middle of a tile: nothing is taken for whole, nothing is downloaded again."""
    mark = tmp_path / "mark"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(mark), str(out), hub.url], cwd=Path(__file__).parents[2]
    )
    while not mark.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    partial = next((out.parent / "subset.unpacking").rglob("sample_1.h5"))
    assert partial.stat().st_size == 5000
    assert not out.exists()
    pinned = json.loads((out.parent / "subset.sha256.json").read_text())["archive"]
    assert pinned["bytes"] == len(GOOD)
    assert is_whole(fetch_subset(out, hub.url, quiet=True))
    assert left(out) == ["subset", "subset.sha256.json"]
    assert len(hub.requests) == 1


def test_a_tile_taken_away_from_a_finished_subset(hub, out):
    tiles = fetch_subset(out, hub.url, quiet=True)
    tiles.path(1).unlink()
    with pytest.raises(FileExistsError, match=r"is not a whole subset .*lacks 1 of 3 tiles: \[1\]"):
        fetch_subset(out, hub.url)
