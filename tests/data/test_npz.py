"""What an .npz says of itself: read, noted or refused, with the name of the file."""

import io
import zipfile

import numpy as np
import pytest
from chips import Bomb, write_npz

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.load import load_sample
from olmoearth_nb.data.npz import load_npz, save_npz
from olmoearth_nb.io import memory
from olmoearth_nb.io.shipped import data_dir

S2 = "sentinel2_l2a"
UTM, PLACE = "EPSG:32631", [10, 0, 5e5, 0, -10, 5.7e6]


def image(offset=(0, 0)):
    values = np.random.default_rng(0).integers(300, 4000, (8, 8, 2, 12), dtype=np.uint16)
    return values + np.array(offset, np.uint16)[:, None]


@pytest.mark.case("fields")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PROCESSING_BASELINE", ["03.01", "04.00"]),
        ("Processing_Baseline", ["02.14", "05.09"]),
        ("BOA_ADD_OFFSET", [0, -1000]),
        ("boa_offset_applied", [True, False]),
    ],
)
def test_what_is_said_of_each_date_is_read_for_it(tmp_path, name, said):
    # a date of which "applied" is False is left to the baseline
    more = {} if "applied" not in name else {"PROCESSING_BASELINE": "04.00"}
    expected = image()[..., ::-1]
    for turn in (1, -1):
        path = write_npz(tmp_path / "a.npz", image=image((0, 1000)[::turn]), **{name: said[::turn]}, **more)
        assert np.array_equal(load_sample(path).images[S2], expected)


@pytest.mark.case("fields")
def test_said_of_the_whole_file_or_of_too_many_dates(tmp_path):
    path = write_npz(tmp_path / "a.npz", image=image((1000, 1000)), BOA_ADD_OFFSET=[-1000] * 12)
    assert np.array_equal(load_sample(path).images[S2], image()[..., ::-1])
    path = write_npz(tmp_path / "b.npz", PROCESSING_BASELINE=["03.01", "04.00", "04.00"])
    with pytest.raises(
        ValueError, match=r"b\.npz: PROCESSING_BASELINE holds 3 values, .* there are 2 dates: one for the"
    ):
        load_sample(path)


@pytest.mark.case("fields")
@pytest.mark.parametrize("nodata", [777, 777.0, [777, 5]])
def test_numbers_that_mean_no_data(tmp_path, nodata):
    values = image()
    values[2, 3, 1] = 777
    sample = load_sample(write_npz(tmp_path / "a.npz", image=values, nodata=nodata))
    assert (sample.images[S2][2, 3, 1] == MISSING).all()
    assert any("are nodata, not observed" in note for note in sample.notes)
    with pytest.raises(ValueError, match=r"b\.npz: nodata must be a number"):
        load_sample(write_npz(tmp_path / "b.npz", nodata="none"))


@pytest.mark.case("fields")
@pytest.mark.parametrize(
    ("field", "note"),
    [("mask", "mask; of masks, valid is read"), ("scale_factor", "scale_factor"), ("offset", "offset")],
)
def test_other_fields_are_named_in_a_note(tmp_path, field, note):
    sample = load_sample(write_npz(tmp_path / "a.npz", **{field: np.ones(1)}))
    assert any(f"fields of a.npz that are not read: {note}" in one for one in sample.notes)
    assert not any("not read" in one for one in load_sample(write_npz(tmp_path / "b.npz")).notes)


@pytest.mark.case("transform")
@pytest.mark.parametrize(
    ("crs", "transform", "message"),
    [
        (UTM, [5e5, 10, 0, 5.7e6, 0, -10], r"begins with the corner, as GDAL's does; .* \[10\.0, 0\.0, 500000\.0"),
        ("EPSG:4326", [3.0, 1e-4, 0, 51.0, 0, -1e-4], "on one line|m; the models read 10 m|nowhere on Earth"),
        (UTM, [30, 0, 5e5, 0, -30, 5.7e6], "30 x 30 m; the models read 10 m: resample, or say resolution='as is'"),
        (UTM, [1, 0, 5e5, 0, -1, 5.7e6], "1 x 1 m; the models read 10 m"),
        (UTM, [10, 0, 5e5], "transform must be six numbers"),
        ("nowhere", PLACE, "'nowhere' is no coordinate system"),
    ],
)
def test_a_place_that_cannot_be(tmp_path, crs, transform, message):
    with pytest.raises(ValueError, match=rf"a\.npz: .*{message}"):
        load_sample(write_npz(tmp_path / "a.npz", crs=crs, transform=transform))


@pytest.mark.case("transform")
def test_a_place_that_can_be(tmp_path):
    place = load_sample(write_npz(tmp_path / "a.npz", crs=UTM, transform=PLACE))
    assert place.georeference.transform == tuple(PLACE)
    coarse = write_npz(tmp_path / "b.npz", crs=UTM, transform=[30, 0, 5e5, 0, -30, 5.7e6])
    assert any("pixels of 30 x 30 m" in note for note in load_sample(coarse, resolution="as is").notes)
    for name, value in (("crs", UTM), ("transform", PLACE)):
        sample = load_sample(write_npz(tmp_path / "c.npz", **{name: value}))
        assert sample.georeference is None
        assert any(f"place unknown: c.npz has {name}, but no" in note for note in sample.notes)
    assert not [note for note in load_npz(save_npz(place, tmp_path / "d.npz")).notes if "not read" in note]


def raw(path, shape, content=bytes(100)):
    """An .npz whose image announces a shape, written as text."""
    head = f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("image.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + content)
        for name, values in {"bands": list(SENTINEL2.band_names), "dates": ["2021-05-01"]}.items():
            buffer = io.BytesIO()
            np.save(buffer, np.array(values))
            file.writestr(f"{name}.npy", buffer.getvalue())
    return path


@pytest.mark.case("H22")
@pytest.mark.parametrize(
    "shape", ["(100000, 10000, 1, 12)", "(-1, 3, 1, 12)", "(8, 8, 1, 12)", "(__import__('os'),)", "(8, 8", "(1e3,)"]
)
def test_headers_that_lie(tmp_path, shape):
    with pytest.raises(ValueError, match=r"a\.npz is not a whole \.npz file"):
        load_sample(raw(tmp_path / "a.npz", shape))


@pytest.mark.case("H22")
@pytest.mark.parametrize("name", ["bands", "dates", "title", "nodata"])
def test_objects_are_refused_wherever_they_are(tmp_path, name):
    path = write_npz(tmp_path / "a.npz", **{name: np.array([Bomb(tmp_path / "ran")], object)})
    with pytest.raises(ValueError, match=rf"a\.npz holds Python objects in {name}, which are not read"):
        load_sample(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.case("H22")
@pytest.mark.parametrize("needed", [20 * 8 * 8 * 2 * 12 - 1, 20 * 8 * 8 * 2 * 12])
def test_memory_is_asked_for_before_it_is_taken(tmp_path, monkeypatch, needed):
    monkeypatch.setattr(memory, "machine_memory", lambda: needed)
    path = write_npz(tmp_path / "a.npz")
    if needed < 20 * 8 * 8 * 2 * 12:
        with pytest.raises(ValueError, match=r"a\.npz would take about .* of memory, .*; cut it in pieces"):
            load_sample(path)
    else:
        assert load_sample(path).shape == (8, 8)


def test_shipped_chips_need_no_note():
    for path in (data_dir() / "chips").glob("*.npz"):
        assert not load_npz(path, offset=None).notes
