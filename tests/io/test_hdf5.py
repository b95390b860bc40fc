"""HDF5 files that somebody else wrote: nothing outside is read, and nothing large is allocated for small ones."""

import random
import tracemalloc
import warnings
import zlib

import h5py
import hdf5plugin
import numpy as np
import pytest
from chips import write_chip

from olmoearth_nb.data.geobench.chip import LABELS, load_geobench_chip, read_label
from olmoearth_nb.data.official import copy_uncompressed, is_tile, read_tile, write_tile
from olmoearth_nb.io.hdf5 import LARGEST, Hdf5Error, open_hdf5

BAND, IMAGE = LABELS[3], "sentinel2_l2a"
SHAPES = {BAND: (64, 64), IMAGE: (128, 128, 3, 12), "timestamps": (12, 3)}
SECRET = b"a line that nobody may see\n" * 50_000


@pytest.fixture
def tile(tmp_path):
    images = {IMAGE: np.full((128, 128, 12, 12), 1000, np.uint16)}
    present = {IMAGE: np.isin(np.arange(12), [2, 3, 6])}
    write_tile(tmp_path / "sample_0.h5", images, present, [(1, month, 2020) for month in range(12)], (10, 20))
    return tmp_path / "sample_0.h5"


@pytest.fixture
def chip(tmp_path):
    return write_chip(tmp_path / "id_1.hdf5")


@pytest.fixture
def other(tmp_path):
    """A file that the hostile one points to: its pixels are those of a secret."""
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        for name, shape in SHAPES.items():
            file[name] = np.full(shape, 7, np.int32)
    return tmp_path / "other.h5"


def external_storage(file, name, other):
    file.create_dataset(name, SHAPES[name], "uint8", external=[(str(other.with_name("secret")), 0, h5py.h5f.UNLIMITED)])


def external_link(file, name, other):
    file[name] = h5py.ExternalLink(str(other), name)


def soft_link(file, name, other):
    file["elsewhere"] = np.zeros(SHAPES[name], np.uint8)
    file[name] = h5py.SoftLink("/elsewhere")


def virtual(file, name, other):
    layout = h5py.VirtualLayout(SHAPES[name], np.int32)
    layout[...] = h5py.VirtualSource(str(other), name, SHAPES[name])
    file.create_virtual_dataset(name, layout)


def references(file, name, other):
    values = np.empty(SHAPES[name], h5py.ref_dtype)
    values[...] = file["/"].ref
    file[name] = values


def regions(file, name, other):
    values = np.empty(SHAPES[name], h5py.regionref_dtype)
    file["elsewhere"] = np.zeros((4, 4))
    values[...] = file["elsewhere"].regionref[:2]
    file[name] = values


def group(file, name, other):
    file.create_group(name)


ELSEWHERE = {
    "external storage": (external_storage, "is stored in other files"),
    "an external link": (external_link, "is a link, which is not followed"),
    "a soft link": (soft_link, "is a link, which is not followed"),
    "a virtual data set": (virtual, "is stored in other files"),
    "references": (references, "must hold (truth values or )?whole numbers or"),
    "region references": (regions, "must hold (truth values or )?whole numbers or"),
    "a group": (group, "is no data set"),
}


def spoil(path, name, make, other=None):
    with h5py.File(path, "a") as file:
        del file[name]
        make(file, name, other)


@pytest.mark.case("H3")
@pytest.mark.parametrize(("make", "message"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_lies_elsewhere_is_not_read(tmp_path, tile, chip, other, make, message):
    """In a tile that is read or copied, in a chip, and where only a kind of file is asked for."""
    spoil(tile, IMAGE, make, other)
    spoil(chip, BAND, make, other)
    for read in (lambda: read_tile(tile), lambda: copy_uncompressed(tile, tmp_path / "copy.h5")):
        with pytest.raises(ValueError, match=f"{IMAGE} .*({message}|must be .128, 128)"):
            read()
    with pytest.raises(ValueError, match=f"id_1.hdf5: {BAND} {message}"):
        load_geobench_chip(chip)
    assert not (tmp_path / "copy.h5").exists()


@pytest.mark.case("H3")
def test_the_kind_of_a_file_and_its_label_follow_nothing(tmp_path, tile, chip, other):
    """A link to a file that would block or tell when it is opened: neither question opens it."""
    spoil(tile, "timestamps", external_link, tmp_path / "nowhere.h5")
    assert is_tile(tile), "a link of that name, unfollowed; reading the tile then refuses it"
    with pytest.raises(ValueError, match="timestamps is a link"):
        read_tile(tile)
    spoil(chip, BAND, external_storage, other)
    assert read_label(chip) == 3, "pixels are not touched"
    masks = "missing_timesteps_masks"
    spoil(tile, masks, lambda file, name, other: file.__setitem__(name, h5py.ExternalLink(str(other), "/")), other)
    with pytest.raises(ValueError, match="is a link"):
        read_tile(tile)


@pytest.mark.case("H3")
def test_a_link_of_a_kind_of_its_own(tmp_path):
    """Links that a user has defined run what a program registered for them; their type byte is 65 to 255."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file[BAND] = h5py.ExternalLink("other.h5", "x")
    link = b"\x40" + bytes([len(BAND)]) + BAND.encode()
    path.write_bytes(path.read_bytes().replace(link, b"\x41" + link[1:]))
    with h5py.File(path) as file:
        assert file.id.links.get_info(BAND.encode()).type == 65
    with open_hdf5(path) as file, pytest.raises(Hdf5Error, match="is a link, which is not followed"):
        file.read(BAND)


def announced(shape, **options):
    """A data set of which nothing is stored."""
    return lambda file, name, other: file.create_dataset(name, shape, "uint16", **options)


def wide_items(file, name, other):
    file.create_dataset(name, SHAPES[name], "S100000", chunks=tuple(min(8, n) for n in SHAPES[name]))


def packed(content, filters):
    """A data set with one chunk, whose packed bytes are given."""

    def make(file, name, other):
        data = file.create_dataset(name, SHAPES[name], "uint16", chunks=SHAPES[name], **filters)
        data.id.write_direct_chunk((0,) * len(SHAPES[name]), content)

    return make


def zstd_frame(size, content=b"\x01\x00\x00"):
    return b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + content


DEFLATED = zlib.compress(bytes(300_000_000), 9)
ZSTD = dict(hdf5plugin.Zstd())
HUGE = {
    "announced": announced((10**5, 10**5, 10**5), chunks=(1, 1, 100)),
    "announced, unpacked": announced((3000, 3000, 3000)),
    "chunks beyond the image": announced((64, 64), chunks=(2**16, 2**14), maxshape=(None, None)),
    "long texts": wide_items,
    "a deflated bomb": packed(DEFLATED, {"compression": "gzip"}),
    "a zstd frame that announces much": packed(zstd_frame(1 << 40), ZSTD),
    "a zstd frame that announces nothing": packed(b"\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00", ZSTD),
    "no zstd frame": packed(b"hello", ZSTD),
    "a filter of another kind": announced((64, 64), chunks=(8, 8), compression="lzf"),
}


@pytest.mark.case("H3")
@pytest.mark.parametrize("name", HUGE)
def test_what_would_take_much_is_refused_before(tile, chip, name):
    for path, part in ((tile, IMAGE), (chip, BAND)):
        spoil(path, part, HUGE[name])
        with open_hdf5(path) as file, pytest.raises(Hdf5Error, match=rf"{path.name}: {part} (has|unpacks|must hold)"):
            file.read(part)
    tracemalloc.start()
    for read, path in ((read_tile, tile), (load_geobench_chip, chip)):
        with pytest.raises(ValueError, match=path.name):
            read(path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("filters", [{"compression": "gzip", "shuffle": True, "fletcher32": True}, ZSTD, {}])
def test_filters_that_are_read(tmp_path, filters):
    values = np.arange(6000, dtype=">u2").reshape(60, 100)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a/b", data=values, chunks=(32, 7), **filters)
    with open_hdf5(tmp_path / "a.h5") as file:
        assert "a/b" in file
        assert "a/c" not in file
        assert "a/b/c" not in file
        assert np.array_equal(file.read("a/b"), values)
        assert file.read("a/b").dtype.isnative
        assert np.array_equal(file.read("a/b", window=(slice(5, 40), slice(3))), values[5:40, :3])


KINDS = {
    "compound": np.zeros((64, 64), [("a", "i4"), ("b", "f4")]),
    "text": np.full((64, 64), b"abc"),
    "truth values": np.zeros((64, 64), bool),
    "complex": np.zeros((64, 64), complex),
    "opaque": np.zeros((64, 64), "V8"),
    "one number": np.float32(3),
    "nothing": h5py.Empty("f4"),
}


@pytest.mark.case("H22")
@pytest.mark.parametrize("kind", [*KINDS, "words", "enumeration"])
def test_odd_types(chip, kind):
    """Of images: named, with the file and the data set."""
    with h5py.File(chip, "a") as file:
        del file[BAND]
        if kind == "words":
            file.create_dataset(BAND, (64, 64), h5py.string_dtype())
        elif kind == "enumeration":
            file.create_dataset(BAND, (64, 64), h5py.enum_dtype({"forest": 1, "sea": 2}))
        else:
            file[BAND] = KINDS[kind]
    with pytest.raises(ValueError, match=r"id_1\.hdf5(: 04 - Red (must hold|is no)| is no m-eurosat chip: its)"):
        load_geobench_chip(chip)


@pytest.mark.case("H22")
@pytest.mark.filterwarnings("ignore:top-of-atmosphere", "ignore:.*8-bit")
@pytest.mark.parametrize("number", [">i2", "<f8", ">f4", "u1", "f2"])
def test_numbers_of_every_order(chip, number):
    values = np.arange(100, 164, dtype=number) * np.ones((64, 1), number)
    spoil(chip, BAND, lambda file, name, other: file.__setitem__(name, values.astype(number)))
    with open_hdf5(chip) as file:
        assert np.array_equal(file.read(BAND), values)
    sample = load_geobench_chip(chip)
    assert np.array_equal(sample.images[IMAGE][:, :, 0, 2], values.astype("f4"))


@pytest.mark.case("H22")
@pytest.mark.parametrize(
    "value",
    [3, 2.5, True, b"x" * 10, ["a", "b"], np.zeros(3), h5py.Empty("S1"), np.array([(1, 2)], "i4,i4"), "no pickle"],
)
def test_odd_attributes(chip, value):
    """Of the metadata."""
    with h5py.File(chip, "a") as file:
        file.attrs["pickle"] = value
    for read in (read_label, load_geobench_chip):
        with pytest.raises(ValueError, match=r"id_1\.hdf5: (the attribute pickle must be one text|the chip's pickled)"):
            read(chip)


@pytest.mark.case("H22")
def test_metadata_as_bytes(chip):
    """The same text, stored with a fixed length."""
    with h5py.File(chip, "a") as file:
        file.attrs["pickle"] = np.bytes_(file.attrs["pickle"])
    assert read_label(chip) == 3


def says_no(read, path):
    """Whether a file is refused; by an error that names it, if so."""
    try:
        read(path)
    except ValueError as error:
        if path.name not in str(error):
            raise
        return True
    return False


@pytest.mark.parametrize("kind", ["tile", "chip"])
def test_mutated_files_raise_one_kind_of_error(request, kind, tmp_path):
    """Bytes changed, cut or doubled: the right sample or a ValueError that names the file."""
    source = request.getfixturevalue(kind)
    data, chance = source.read_bytes(), random.Random(5)
    path = tmp_path / f"mutated{source.suffix}"
    refused = 0
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 3, 20))):
            changed[chance.randrange(min(len(data), chance.choice((800, 4000, len(data)))))] = chance.randrange(256)
        path.write_bytes(bytes(changed[: chance.choice((len(data), len(data), chance.randrange(len(data))))]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refused += says_no(read_tile if kind == "tile" else load_geobench_chip, path)
    assert refused > 30


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"), open_hdf5(tmp_path / "none.h5"):
        pass
    with pytest.raises(FileNotFoundError, match="no file"), open_hdf5(tmp_path):
        pass
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(Hdf5Error, match=r"text\.h5 is not a whole HDF5 file"), open_hdf5(tmp_path / "text.h5"):
        pass
    assert LARGEST < 1e9


@pytest.mark.case("H3")
def test_a_heap_without_end(chip):
    """libhdf5 loops for ever over free space of the size 0, which a byte too many in the file makes."""
    data = chip.read_bytes()
    heap = data.index(b"GCOL")
    used = int.from_bytes(data[heap + 24 : heap + 32], "little")
    free = heap + 32 + -(-used // 8) * 8
    assert data[free : free + 2] == b"\0\0", "the free space behind the one text"
    chip.write_bytes(data[: free + 8] + bytes(8) + data[free + 16 :])
    with pytest.raises(Hdf5Error, match="a heap with free space of 0 bytes"):
        load_geobench_chip(chip)
