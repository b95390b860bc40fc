"""Files that are whole or not there, on disks that fill and folders that are taken."""

import json
import os
import resource
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from olmoearth_nb.io.durable import DiskFullError, alone, append, write, write_json, write_tensors

LARGE = {"a": torch.zeros(300_000)}


@contextmanager
def small_files(most=500_000):
    """No file may grow beyond a size; beyond it writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def save_h5(path):
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(300_000)


SAVERS = {
    "text": lambda path: path.write_text("x" * 600_000),
    "torch": lambda path: torch.save(LARGE, path),
    "safetensors": lambda path: save_file(LARGE, path),
    "h5": save_h5,
}


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.case("H9")
def test_a_full_disk_keeps_what_was_there(tmp_path, save):
    """Every library really fails, with its own error, after it has written a part."""
    path = tmp_path / "file"
    path.write_text("old")
    with small_files(), pytest.raises(DiskFullError, match=r"file could not be written, the disk or its quota is full"):
        write(path, save)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
    write(path, save)
    assert path.stat().st_size > 500_000


@pytest.mark.case("H9")
def test_a_line_on_a_full_disk(tmp_path):
    """Whether nothing of it fits any more, or a part."""
    for most in (61, 80):
        path = tmp_path / str(most)
        append(path, "x" * 60)
        with small_files(most), pytest.raises(DiskFullError, match=f"{most} could not be written"):
            append(path, "y" * 60)
        assert path.stat().st_size == most


def test_other_errors_are_themselves(tmp_path):
    def fails(path):
        path.write_text("a part")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        write(tmp_path / "deep" / "file", fails)
    assert os.listdir(tmp_path / "deep") == []
    with pytest.raises(IsADirectoryError):
        append(tmp_path, "line")


def test_what_is_written_can_be_read(tmp_path):
    assert json.loads(write_json(tmp_path / "a.json", {"a": [1]}).read_text()) == {"a": [1]}
    path = write_tensors(tmp_path / "a.pt", {"a": {"b": torch.arange(3)}})
    assert torch.load(path, weights_only=True)["a"]["b"].tolist() == [0, 1, 2]


def test_others_may_read_what_is_written(tmp_path):
    """safetensors makes files that only their owner may read."""
    other = tmp_path / "other"
    other.touch()
    path = write(tmp_path / "a.safetensors", lambda part: save_file({"a": torch.zeros(2)}, part))
    assert path.stat().st_mode == other.stat().st_mode


def test_a_folder_is_for_one_at_a_time(tmp_path):
    (tmp_path / "leg").mkdir()
    (tmp_path / "leg" / "step-3.pt.1234.part").write_text("left by one that was killed")
    with alone(tmp_path):
        assert os.listdir(tmp_path / "leg") == []
        with pytest.raises(FileExistsError, match="another process works in"), alone(tmp_path):
            pass
    with alone(tmp_path):
        pass
