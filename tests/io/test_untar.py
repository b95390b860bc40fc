"""Tar archives that mean ill, are cut off or broken: nothing leaves the folder, nothing partial stays."""

import io
import os
import shutil
import tarfile
from collections import namedtuple

import pytest
from archives import EVIL, folder, member
from hypothesis import given, settings
from hypothesis import strategies as st

from olmoearth_nb.io.untar import ArchiveError, look_through, unpack


def write(path, *members, form=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return path


GOOD = (folder("./"), folder("./a"), member("./a/one.txt"), member("./b/c/two.txt", bytes(3000)))


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_whole(tmp_path, form):
    name = "a/" + "long/" * 20 + "three.txt"
    archive = write(tmp_path / "x.tar", *GOOD, member(name, b"3", mode=0o777, mtime=1), form=form)
    unpack(archive, tmp_path / "out", quiet=True)
    assert contents(tmp_path / "out") == {"a/one.txt": b"hello", "b/c/two.txt": bytes(3000), name: b"3"}
    assert not (tmp_path / "out" / name).stat().st_mode & 0o111, "modes of the archive are not applied"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x.tar"]


@pytest.mark.parametrize("name", EVIL)
def test_nothing_evil_is_unpacked(tmp_path, name):
    members, message = EVIL[name]
    (tmp_path / "in").mkdir()
    archive = write(tmp_path / "in" / "x.tar", *GOOD[2:], *members)
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(ArchiveError, match=message):
        unpack(archive, tmp_path / "in" / "out", quiet=True)
    assert sorted(path for path in tmp_path.rglob("*")) == before, "not one file was written"


def test_a_size_beyond_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("olmoearth_nb.io.untar.MOST_BYTES", 2000)
    with pytest.raises(ArchiveError, match=r"'\./b/c/two.txt' has 3,000 bytes; at most 2,000"):
        look_through(write(tmp_path / "x.tar", *GOOD))


def test_a_negative_size(tmp_path):
    """A header that says -512 bytes leads a careless reader back to itself, for ever."""
    header = bytearray(member("a", b"")[0].tobuf())
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:512]))
    (tmp_path / "x.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ArchiveError):
        look_through(tmp_path / "x.tar")


def test_cut_off_anywhere(tmp_path):
    """Also between two members, where Python's tarfile takes the rest for the whole."""
    whole = write(tmp_path / "x.tar", *GOOD).read_bytes()
    end = whole.rstrip(b"\0").rfind(b"two.txt")
    for length in [*range(0, end + 512, 512), 100, 700, end + 600]:
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        with pytest.raises(ArchiveError, match="not a whole tar archive"):
            unpack(tmp_path / "cut.tar", tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"\x1f\x8b" + bytes(600), b"x" * 5000])
def test_not_a_tar(tmp_path, data):
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"x\.tar is not a whole tar archive"):
        unpack(tmp_path / "x.tar", tmp_path / "out")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 5119), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_never_escape(tmp_path_factory, changes):
    """Any archive either unpacks inside its folder or is refused in our words."""
    root = tmp_path_factory.mktemp("fuzz")
    data = bytearray(write(root / "x.tar", *GOOD, member("p", pax_headers={"comment": "x"})).read_bytes())
    for position, value in changes:
        data[position] = value
    (root / "x.tar").write_bytes(bytes(data))
    try:
        unpack(root / "x.tar", root / "out", quiet=True)
    except ArchiveError:
        assert not (root / "out").exists()
    assert {path.name for path in root.iterdir()} <= {"x.tar", "out"}
    assert not any(path.is_symlink() for path in root.rglob("*"))
    shutil.rmtree(root)


def test_the_folder_must_be_empty(tmp_path):
    archive = write(tmp_path / "x.tar", *GOOD)
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out", quiet=True)
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        unpack(archive, tmp_path / "out")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        unpack(archive, tmp_path / "link")


def test_what_a_kill_left_is_begun_anew(tmp_path):
    (tmp_path / "out.unpacking" / "a").mkdir(parents=True)
    (tmp_path / "out.unpacking" / "a" / "one.txt").write_text("he")
    (tmp_path / "out.unpacking" / "old.txt").write_text("of another version")
    unpack(write(tmp_path / "x.tar", *GOOD), tmp_path / "out", quiet=True)
    assert set(contents(tmp_path / "out")) == {"a/one.txt", "b/c/two.txt"}


def test_not_accepted(tmp_path):
    def accept(root):
        assert set(contents(root)) == {"a/one.txt", "b/c/two.txt"}
        raise ArchiveError("it is something else")

    with pytest.raises(ArchiveError, match="something else"):
        unpack(write(tmp_path / "x.tar", *GOOD), tmp_path / "out", accept, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_the_disk_is_too_small(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    archive = write(tmp_path / "x.tar", *GOOD)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, 3000))
    with pytest.raises(OSError, match=r"unpacking x\.tar takes 0\.00 GB"):
        unpack(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["x.tar"]


def test_the_disk_fills_up(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    archive = write(tmp_path / "x.tar", *GOOD)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(archive, tmp_path / "out", quiet=True)
    assert os.listdir(tmp_path) == ["x.tar"], "half a folder is no folder"
