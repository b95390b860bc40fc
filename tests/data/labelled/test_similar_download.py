"""similar-but-different from a hub on 127.0.0.1 that breaks off, lies and changes its mind."""

import shutil
from collections import namedtuple

import pytest
from hub_server import Hub
from labelled_twins import patch, write_similar
from terminal import invoke

from olmoearth_nb.data.labelled.download import SIMILAR, SIMILAR_COMMIT, fetch_similar
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.io.fetch import ChecksumError, DownloadError

OTHERS = ("README.md", "eval/test_pairs.parquet", "shards/../../evil.parquet", "shards/.hidden.parquet", "shards/a.txt")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Files of the repository: the twin's, their names without blanks, and others."""
    folder = write_similar(tmp_path_factory.mktemp("good"))
    names = {path: path.relative_to(folder).as_posix().replace(" ", "-") for path in folder.rglob("*.*")}
    return {name: path.read_bytes() for path, name in names.items()} | dict.fromkeys(OTHERS, b"x")


@pytest.fixture
def hub(good, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub = Hub(good, SIMILAR, "datasets")
    hub.commit = SIMILAR_COMMIT
    yield hub
    hub.stop()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data" / "sbd"


def asked(hub):
    """Files that were sent."""
    return [
        path.split("/resolve/")[1].split("/", 1)[1]
        for kind, path, _ in hub.requests
        if kind == "GET" and "/resolve/" in path
    ]


SHARDS = ["shards/Permanent-water-bodies.parquet", "shards/Tree-cover.parquet"]


def test_whole_and_broken_off(hub, out):
    hub.breaks, said = 2, []
    data = fetch_similar(out, hub.endpoint, say=said.append)
    assert (len(data), data.split.tolist().count("train")) == (8, 4)
    assert len(said) == 1
    assert said[0].startswith("3 files of 0.00 GB; ")
    assert {*asked(hub)} == {*SHARDS, "splits.json"}, "nothing else is loaded"
    assert f"/api/datasets/{SIMILAR}/revision/{SIMILAR_COMMIT}" in hub.requests[0][1]
    assert not list(out.parent.parent.rglob("evil*"))
    hub.stop()
    assert len(fetch_similar(out, hub.endpoint, say=said.append)) == 8, "what is finished needs no network"
    assert len(said) == 1
    assert len(open_set(out)) == 8
    assert (out.parent / "sbd.sha256.json").is_file()


def test_a_call_that_ended_is_gone_on_with(hub, out):
    hub.refusals = [None, None, None, None, 404]  # in order: shards, then the listing of patches
    with pytest.raises(DownloadError, match="404"):
        fetch_similar(out, hub.endpoint)
    assert asked(hub) == SHARDS
    assert len(fetch_similar(out, hub.endpoint)) == 8
    assert asked(hub)[2:] == ["splits.json"], "whole files are not loaded again"


def test_the_command(hub, out):
    done = invoke("data", "sbd", "--out", out, "--endpoint", hub.endpoint)
    assert done.exit_code == 0, done.output
    told = ["30,927 patches", "3 files of 0.00 GB", "GB are free", "8 patches, open them by"]
    assert [*map(done.output.index, told)] == sorted(map(done.output.index, told))
    (out.parent / "mine").mkdir()
    (out.parent / "mine" / "notes.txt").touch()
    done = invoke("data", "sbd", "--out", out.parent / "mine", "--endpoint", hub.endpoint)
    assert done.exit_code == 2
    assert "holds notes.txt, no download of similar-but-different" in done.output
    assert invoke("data", "sbd", "--out", out.parent / "x", "--endpoint", "ftp://x").exit_code == 2
    said = " ".join(invoke("data", "sbd", "--help").output.replace("│", " ").split())
    assert f"{SIMILAR} at the commit 610444375" in said
    assert "records their sha256" in said


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (404, "the hub has no|refused"),
        (500, "refused"),
        ("wrong checksum", "listed by the hub"),
        ("wrong content", "listed"),
    ],
)
def test_refused(hub, out, fault, message):
    hub.fault = fault
    with pytest.raises(DownloadError, match=message):
        fetch_similar(out, hub.endpoint)
    assert not (out.parent / "sbd.sha256.json").exists()
    hub.fault = None
    assert len(fetch_similar(out, hub.endpoint)) == 8


def test_another_content_on_second_sight(hub, out, good):
    fetch_similar(out, hub.endpoint)
    shutil.rmtree(out)
    hub.files[SHARDS[1]] = good[SHARDS[1]] + b"x"
    with pytest.raises(ChecksumError, match="recorded when it was first downloaded"):
        fetch_similar(out, hub.endpoint)
    hub.files = good
    assert len(fetch_similar(out, hub.endpoint)) == 8
    damaged = next(out.rglob("Tree-cover.parquet"))
    damaged.write_bytes(good[SHARDS[1]][:-1])
    with pytest.raises(ChecksumError, match=r"Tree-cover\.parquet has checksum"):
        fetch_similar(out, hub.endpoint)
    assert len(fetch_similar(out, hub.endpoint)) == 8


def test_another_repository(hub, out):
    hub.commit = "b" * 40
    with pytest.raises(DownloadError, match=f"lists the commit {'b' * 40}"):
        fetch_similar(out, hub.endpoint)
    hub.commit, hub.files = SIMILAR_COMMIT, dict.fromkeys(OTHERS, b"x")
    with pytest.raises(DownloadError, match=r"at 6104\w+ has no file "):
        fetch_similar(out, hub.endpoint)


def test_room_comes_first(hub, out, monkeypatch):
    usage, said = namedtuple("usage", "total used free"), []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, 1000))
    with pytest.raises(DownloadError, match=r"needs .* GB more and .* free"):
        fetch_similar(out, hub.endpoint, say=said.append)
    assert said[0].endswith("; 0.0 GB are free")
    assert asked(hub) == []


def test_a_set_that_is_not_what_it_should_be(hub, out, tmp_path):
    folder = write_similar(tmp_path / "bad", {"t1": patch()[:500]})
    hub.files[SHARDS[1]] = (folder / "shards" / "Tree cover.parquet").read_bytes()
    with pytest.raises(ValueError, match=r"the patch t1 of Tree-cover\.parquet is not a whole"):
        fetch_similar(out, hub.endpoint)
