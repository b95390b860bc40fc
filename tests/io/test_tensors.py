"""Files of tensors that somebody else wrote: small files that stand for large ones, and files of another kind."""

import json
import os
import pickle
import random
import resource
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from olmoearth_nb.io.tensors import MisfitError, UnsafeFileError, read_safetensors, read_torch, safetensors_header


@pytest.fixture
def little_memory():
    """Reading must not take two gigabytes more than there are now."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 31), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def saved(path, value):
    torch.save(value, path)
    return path


def repacked(path, **options):
    """The same archive, each of its files packed anew."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def bomb(path):
    """A weight of 300 MB of zeros in a file of 1 MB."""
    saved(path, {"a": torch.zeros(10)})
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in entries.items():
            with archive.open(name, "w", force_zip64=True) as file:
                if name.endswith("data/0"):
                    for _ in range(30):
                        file.write(bytes(10_000_000))
                else:
                    file.write(content)
    return path


def twice_in_one_place(path):
    """An archive whose entries all lie in the same bytes: what it announces is more than it has."""
    saved(path, {f"{i}": torch.zeros(100_000) for i in range(3)})
    with zipfile.ZipFile(path) as archive:
        entries, directory = archive.infolist(), archive.start_dir
    first, *others = [entry for entry in entries if "/data/" in entry.filename]
    data = bytearray(path.read_bytes())
    for entry in others:
        place = data.index(entry.filename.encode(), directory) - 46 + 42  # the offset in its entry of the directory
        data[place : place + 4] = first.header_offset.to_bytes(4, "little")
    path.write_bytes(data[: first.header_offset + 400_500] + data[directory:])
    return path


@pytest.mark.case("H18")
@pytest.mark.parametrize("make", [bomb, lambda path: repacked(saved(path, {"a": torch.zeros(9)}), compression=8)])
def test_compressed_archives(tmp_path, little_memory, make):
    path = make(tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"weights\.pth was refused: torch stores tensors uncompressed"):
        read_torch(path)


VIEWS = {
    "one number repeated": lambda: torch.zeros(1).expand(16_000_000_000),
    "one row repeated": lambda: torch.zeros(1000).expand(1000, 1000),
    "windows that overlap": lambda: torch.zeros(1000).unfold(0, 500, 1),
    "in a list in a dictionary": lambda: {"b": [torch.zeros(2), (torch.zeros(1).expand(1 << 40),)]},
    "a parameter": lambda: torch.nn.Parameter(torch.zeros(1)).expand(1 << 33).detach(),
}


@pytest.mark.case("H18")
@pytest.mark.parametrize("name", VIEWS)
def test_views_larger_than_what_is_stored(tmp_path, little_memory, name):
    path = saved(tmp_path / "weights.pth", {"a": VIEWS[name]()})
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"weights\.pth: a.* has [\d,]+ bytes, of which fewer are stored"):
        read_torch(path)


@pytest.mark.case("H18")
def test_entries_that_share_their_bytes(tmp_path):
    """Refused for what it announces, or as no whole archive; which of the two is up to zipfile."""
    with pytest.raises(ValueError, match=r"weights\.pth (was refused: it announces|cannot be read)"):
        read_torch(twice_in_one_place(tmp_path / "weights.pth"))


@pytest.mark.case("H18")
@pytest.mark.parametrize(
    "value", [torch.zeros(4).to_sparse(), torch.empty(1 << 40, device="meta")], ids=["sparse", "meta"]
)
def test_tensors_that_are_not_in_memory(tmp_path, value):
    with pytest.raises(ValueError, match="a is not a dense tensor"):
        read_torch(saved(tmp_path / "weights.pth", {"a": value}))


def test_what_is_read(tmp_path):
    """Shared memory and values that hold themselves are no reason to refuse or to go on for ever."""
    whole = torch.arange(6.0).reshape(2, 3)
    inner = [whole]
    inner.append(inner)
    state = read_torch(saved(tmp_path / "a.pt", {"a": whole, "b": whole[0], "c": whole.T, "d": inner, "step": 3}))
    assert torch.equal(state["c"], whole.T)
    assert state["d"][1] is state["d"]
    assert state["step"] == 3


@pytest.mark.case("H18")
def test_old_pickles_are_refused(tmp_path):
    """Their sizes cannot be checked before they are read; torch has not written them since 1.6."""
    path = tmp_path / "old.pth"
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    for content in (path.read_bytes(), pickle.dumps({"a": 1})):
        path.write_bytes(content)
        with pytest.raises(UnsafeFileError, match=r"a bare pickle.*would run code; if you trust it"):
            read_torch(path)


@pytest.mark.case("H18")
def test_mutated_archives_raise_one_kind_of_error(tmp_path):
    source, chance, refused = saved(tmp_path / "a.pt", {"a": torch.zeros(50), "b": [1, "x"]}), random.Random(3), 0
    data, path = source.read_bytes(), tmp_path / "mutated.pt"
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 4))):
            changed[chance.randrange(4, len(data))] = chance.randrange(256)
        path.write_bytes(bytes(changed[: chance.choice((len(data), chance.randrange(4, len(data))))]))
        try:
            read_torch(path)
        except ValueError as error:
            refused += 1
            if "mutated.pt" not in str(error):
                raise
    assert refused > 100


def lying(header, data=b"\0" * 40):
    """A safetensors file with that header."""
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + data


def one(kind="F32", shape=(10,), end=40, start=0, names=("a",), data=bytes(40)):
    """A file of one tensor, or of several in the same place."""
    return lying({name: {"dtype": kind, "shape": shape, "data_offsets": [start, end]} for name in names}, data)


WANTED = {"a": torch.empty(10, device="meta")}
HEADERS = {
    "a shape that is not stored": (one(shape=[1 << 40]), "whole"),
    "offsets beyond the file": (one(start=1000, end=1040), "whole"),
    "a header of a terabyte": ((1 << 40).to_bytes(8, "little") + b"{}", "whole"),
    "overlapping tensors": (one(names="ab"), "whole"),
    "a million brackets": (lying(b"[" * 1_000_000), "whole"),
    "a negative size": (one(shape=[-10]), "whole"),
    "nothing": (b"", "whole"),
    "another shape": (one(shape=[5, 2]), "1 of another shape"),
    "another name": (one(names="b"), "1 missing .'a'., 1 unknown"),
    "whole numbers": (one("I32"), "floats of F16"),
    "small floats": (one("F8_E5M2", end=10, data=bytes(10)), "floats of F16"),
    "NaN": (one(data=b"\xff" * 40), "a holds NaN"),
}


@pytest.mark.case("H18")
@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie(tmp_path, name):
    content, message = HEADERS[name]
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.safetensors.*{message}"):
        read_safetensors(path, WANTED)


def test_safetensors_that_are_read(tmp_path):
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        save_file({"a": torch.arange(10).to(kind)}, tmp_path / "a.safetensors", metadata={"what": "x"})
        assert read_safetensors(tmp_path / "a.safetensors", WANTED)["a"].tolist() == list(range(10))
        assert safetensors_header(tmp_path / "a.safetensors") == {"what": "x"}
    with pytest.raises(MisfitError):
        read_safetensors(tmp_path / "a.safetensors", {})
    with pytest.raises(FileNotFoundError):
        safetensors_header(tmp_path)
