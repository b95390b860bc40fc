"""Checkpoints: the newest whole one is found, the others are named."""

import os

import pytest
import tiny
import torch

from olmoearth_nb.io.durable import write
from olmoearth_nb.pretrain.saves import Checkpoints, DamagedError, _save, read


def state(step):
    return {"model": {"weight": torch.full((5000,), float(step))}, "optimiser": {"state": {}}, "step": step}


@pytest.fixture
def files(tmp_path):
    """Checkpoints of steps 1 to 12, of which 4 is kept."""
    checkpoints = Checkpoints(tmp_path)
    for step in range(1, 13):
        checkpoints.write(checkpoints.kept(step) if step == 4 else checkpoints.passing(step), state(step))
    return checkpoints


def test_the_newest_two_and_those_that_are_kept_stay(files):
    assert sorted(os.listdir(files.folder)) == ["kept-4.pt", "step-11.pt", "step-12.pt"]
    files.forget()
    assert os.listdir(files.folder) == ["kept-4.pt"]


def test_the_newest_is_that_of_the_highest_step(files):
    assert files.newest(99)[0] == files.passing(12)
    assert files.newest(11)[1]["step"] == 11
    assert files.newest(10)[0] == files.kept(4)
    assert files.newest(3) is None
    assert Checkpoints(files.folder / "nowhere").newest(99) is None


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def sealed(state):
    """Writes something else in the way of a checkpoint."""
    return lambda path: write(path, lambda part: _save(state, part))


HARM = {
    "a bit": tiny.flip,
    "cut off": cut,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint"),
    "header": lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18)),
    "another": sealed({"model": {}}),
    "a list": sealed([1]),
    "torch's": lambda path: torch.save(state(12), path),
    "code": lambda path: torch.save({"model": os.system, "optimiser": 0, "step": 0}, path),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_no_damaged_one_is_taken(files, harm):
    harm(files.passing(12))
    with pytest.raises(DamagedError, match=r"step-12\.pt is (damaged|no checkpoint)"):
        read(files.passing(12))
    with pytest.warns(UserWarning, match=r"step-12\.pt is .*; going on from the one before it"):
        path, found = files.newest(99)
    assert path == files.passing(11)
    assert found["model"]["weight"].eq(11).all()


def test_a_changed_bit_anywhere_is_damage(files):
    """Those of the zip directory, too, of which some make torch read other numbers without a word."""
    path = files.passing(12)
    whole = path.read_bytes()
    begin = whole.index(b"PK\x01\x02")
    for bit in [*range(0, 8 * begin, 2003), *range(8 * begin, 8 * len(whole), 7)]:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedError, match="cut off or changed"):
            read(path)


def test_torch_reads_one(files):
    assert torch.load(files.passing(12), weights_only=True)["step"] == 12


def test_all_damaged(files):
    for path in files.folder.iterdir():
        cut(path)
    with pytest.warns(UserWarning, match="damaged"):
        assert files.newest(99) is None


def test_absent(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"kept-1\.pt"):
        read(tmp_path / "kept-1.pt")


HOSTILE = {
    "a number that stands for a terabyte": {"model": {"w": torch.zeros(1).expand(1 << 38)}, "optimiser": {}, "step": 1},
    "so in the optimiser": {
        "model": {},
        "optimiser": {"state": {0: {"m": torch.zeros(9).expand(1 << 20, 9)}}},
        "step": 1,
    },
    "code": {"model": os.system, "optimiser": {}, "step": 1},
}


@pytest.mark.case("H18")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_checkpoint_with_a_right_checksum_is_not_trusted_for_it(tmp_path, name):
    """Whoever writes a checkpoint can write its checksum."""
    sealed(HOSTILE[name])(tmp_path / "step-3.pt")
    with pytest.raises(DamagedError, match=r"step-3\.pt is damaged: .*(fewer are stored|would run code)"):
        read(tmp_path / "step-3.pt")
    with pytest.warns(UserWarning, match="going on from the one before it"):
        assert Checkpoints(tmp_path).newest(9) is None
