"""EuroSAT, m-eurosat and m-brick-kiln as labelled sets: answers, groups, splits, and what is told once."""

import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from chips import write_chip
from labelled_twins import KILN, LAND, WATER, chip, pixels, placed, write_eurosat, write_kilns, write_m_eurosat

from olmoearth_nb import SENTINEL2, Batch
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.geobench.chip import FILE_ORDER, LABELS, load_geobench_chip, read_place
from olmoearth_nb.data.geobench.dataset import GeoBench
from olmoearth_nb.data.labelled import chips as module
from olmoearth_nb.data.labelled.eurosat import eurosat_set
from olmoearth_nb.data.labelled.geobench import geobench_set
from olmoearth_nb.data.sets import LabelledSet

S2 = "sentinel2_l2a"
BAND = {name: i for i, name in enumerate(SENTINEL2.band_names)}
REAL = Path(__file__).parents[4] / "shared" / "real"

pytestmark = pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")


def warned(make, *arguments, **options):
    """What is made, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = make(*arguments, **options)
    return made, [str(one.message) for one in caught]


def test_eurosat(tmp_path):
    data = eurosat_set(write_eurosat(tmp_path))
    assert isinstance(data, LabelledSet)
    assert (data.name, len(data), data.unit, data.split) == ("EuroSAT", 9, "", None)
    assert [data.classes[answer] for answer in data.answers] == ["Forest"] * 3 + ["Pasture"] * 3 + ["SeaLake"] * 3
    samples = data.samples(np.array([8, 0]))
    assert (samples[0].images[S2][:, :, 0, BAND["B02"]] == pixels(WATER, seed=22)[1]).all()
    batch = data.batch(np.array([8, 0]), (S2,))
    assert (batch.images[S2] == Batch.from_samples(samples).images[S2]).all()
    assert [note.split(";")[0] for note in data.notes[:2]] == [
        "the chip has no date",
        "top-of-atmosphere reflectance (L1C): the models were trained on surface reflectance (L2A)",
    ]


def test_groups_by_place(tmp_path):
    data = eurosat_set(write_eurosat(tmp_path, step=6_000))
    assert data.groups.tolist() == [0] * 9
    assert eurosat_set(tmp_path, apart=5).groups.tolist() == list(range(9))
    chip(tmp_path / "Forest" / "Forest_4.tif", crs=None)
    lone = eurosat_set(tmp_path)
    assert lone.groups.tolist() == [0, 0, 0, 1, *[0] * 6], "nobody knows where it lies"
    assert "2 groups of 10 chips, the largest of 9; the place of 1 is unknown" in lone.notes[-1]


def test_a_chip_is_read_once(tmp_path, monkeypatch):
    data = eurosat_set(write_eurosat(tmp_path))
    first = data.batch(np.arange(9), (S2,))
    for path in data.paths:
        path.unlink()
    assert (data.batch(np.arange(9), (S2,)).images[S2] == first.images[S2]).all()
    monkeypatch.setattr(module, "MOST_KEPT", 2 * 64 * 64 * 12 * 4)
    small = eurosat_set(write_eurosat(tmp_path))
    assert (small.batch(np.arange(9), (S2,)).images[S2] == first.images[S2]).all()
    for path in small.paths:
        path.unlink()
    assert len(small.samples(np.arange(2))) == 2
    with pytest.raises(FileNotFoundError):
        small.samples(np.array([2]))


def test_what_is_told_is_told_once(tmp_path, monkeypatch):
    """Also of chips that are read long after the set was opened."""
    monkeypatch.setattr(module, "LOOKED_AT", 5)
    write_eurosat(tmp_path, count=5)
    right, told = warned(eurosat_set, tmp_path)
    assert len(told) == 1
    assert "top-of-atmosphere" in told[0]
    wrong, told = warned(eurosat_set, tmp_path, "published")
    assert wrong.name == "EuroSAT (published names)"
    assert len(told) == 2
    sentence = "in 3 of 5 chips that were looked at, the names or the order of the bands are almost surely wrong"
    assert told[1].startswith(f"EuroSAT (published names): {sentence}"), "water has no infrared to tell by"
    assert [note for note in wrong.notes if note.startswith(sentence)]
    assert not [note for note in right.notes if "almost surely" in note]
    for data in (right, wrong):
        assert warned(data.batch, np.arange(15), (S2,))[1] == []
    a, b = (data.samples(np.arange(15)) for data in (right, wrong))
    assert all(
        (p.images[S2][..., BAND["B12"]] == q.images[S2][..., BAND["B11"]]).all() for p, q in zip(a, b, strict=True)
    )


def cut(folder):
    path = folder / "Pasture" / "Pasture_2.tif"
    path.write_bytes(path.read_bytes()[:20_000])


def smaller(folder):
    chip(folder / "Pasture" / "Pasture_2.tif", pixels(edge=32))


def turned(folder):
    chip(folder / "Pasture" / "Pasture_2.tif", pixels()[::-1])


def unseen(folder):
    chip(folder / "Pasture" / "Pasture_2.tif", pixels() * 0, nodata=0)


WRONG = {
    "cut off": (cut, r"Pasture_2\.tif is not a whole file|Pasture_2\.tif.*not whole|not a whole"),
    "another size": (smaller, r"all chips must have one size, but .*Pasture_2\.tif has 32x32 px, others have 64x64"),
    "another order": (turned, r"Pasture_2\.tif is not in EuroSAT's order of bands"),
    "nothing observed": (unseen, "holds no observed value"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("looked", [2, 64], ids=["later", "when opened"])
def test_one_damaged_chip(tmp_path, monkeypatch, name, looked):
    monkeypatch.setattr(module, "LOOKED_AT", looked)
    damage, message = WRONG[name]
    damage(write_eurosat(tmp_path))
    with pytest.raises(ValueError, match=message):
        eurosat_set(tmp_path).samples(np.arange(9))


def test_gaps_stay_gaps(tmp_path):
    values = pixels()
    values[:, :20] = 0
    chip(write_eurosat(tmp_path) / "Forest" / "Forest_1.tif", values, nodata=0)
    image = eurosat_set(tmp_path).samples(np.array([0]))[0].images[S2]
    assert (image[:20] == MISSING).all()
    assert (image[20:] != MISSING).all()


def test_wrong_questions(tmp_path):
    data = eurosat_set(write_eurosat(tmp_path))
    with pytest.raises(ValueError, match="EuroSAT has sentinel2_l2a alone, not sentinel2_l2a, sentinel1"):
        data.batch(np.array([0]), (S2, "sentinel1"))
    with pytest.raises(IndexError):
        data.samples(np.array([9]))
    with pytest.raises(FileNotFoundError, match="no folder"):
        eurosat_set(tmp_path / "nowhere")


@pytest.fixture
def kilns(tmp_path):
    lat = (23.5, 23.55, 24.5, 24.5, 25.5)
    return write_kilns(tmp_path / "m-brick-kiln", [placed(one, 90.0) for one in lat])


def test_brick_kilns_by_content(kilns):
    """The ten bands are those that the pixels are; two that are absent are filled as was said."""
    data, told = warned(geobench_set, kilns)
    assert told == []
    assert (data.name, data.classes) == ("m-brick-kiln", ("not brick kiln", "brick kiln"))
    assert data.answers.tolist() == [1, 0, 0, 1, 0]
    assert data.split.tolist() == ["train"] * 3 + ["valid", "test"]
    values = pixels(order=KILN, seed=1)
    image = data.samples(np.array([0]))[0].images[S2][:, :, 0]
    for band in BAND:
        if band not in ("B06", "B09"):
            assert (image[..., BAND[band]] == values[KILN.index(band)]).all(), band
    assert (image[..., BAND["B06"]] == image[..., BAND["B05"]]).all(), "nearest in wavelength"
    assert (image[..., BAND["B09"]] == image[..., BAND["B8A"]]).all()
    notes = " ".join(data.notes)
    assert "bands not in the data, filled by 'nearest': B06, B09" in notes
    assert "processing level is not recorded" in notes
    zero = geobench_set(kilns, missing_bands="zero").batch(np.array([0]), (S2,)).images[S2]
    assert (zero[..., [BAND["B06"], BAND["B09"]]] == 0).all()


def test_brick_kilns_by_their_labels(kilns):
    data, told = warned(geobench_set, kilns, "published")
    image = data.samples(np.array([0]))[0].images[S2][:, :, 0]
    assert (image[..., BAND["B12"]] == pixels(order=KILN, seed=1)[KILN.index("blue")]).all()
    assert sum("B11, B12 almost surely hold an 8-bit picture" in one for one in told) == 1
    assert "in 5 of 5 chips that were looked at, B11, B12 almost surely hold an 8-bit picture" in " ".join(data.notes)


def test_brick_kilns_are_grouped_by_place(kilns):
    data = geobench_set(kilns)
    assert data.groups.tolist() == [0, 0, 1, 1, 2]
    assert "3 groups of 5 chips" in data.notes[-1]
    lat, lon = read_place(kilns / "id_1.hdf5")
    assert (lat, lon) == pytest.approx((23.5 - 0.32 / 111, 90 + 0.32 / 111))


FORGED = {
    "text": placed(23.5, 90.0) | {"transform": "here"},
    "too few numbers": placed(23.5, 90.0) | {"transform": type(placed(1, 2)["transform"])(1.0, 2.0)},
    "not a number": placed(float("nan"), 90.0),
    "words for numbers": placed(23.5, 90.0) | {"transform": type(placed(1, 2)["transform"])(*"abcdef")},
    "a system that names a file": placed(23.5, 90.0, "+proj=longlat +nadgrids=/etc/passwd"),
    "no system": placed(23.5, 90.0, "nowhere"),
    "a list": [1, 2],
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_place_is_none(tmp_path, name):
    folder = write_kilns(tmp_path, [FORGED[name], *[placed(23.5 + i, 90.0) for i in range(4)]])
    assert read_place(folder / "id_1.hdf5") is None
    data = geobench_set(folder)
    assert data.groups.tolist() == [0, 1, 2, 3, 4]
    assert "the place of 1 is unknown" in data.notes[-1]


def test_places_that_are_all_one_are_none(tmp_path):
    data = geobench_set(write_kilns(tmp_path, [placed(23.5, 90.0)] * 5))
    assert data.groups.tolist() == [0, 1, 2, 3, 4]
    assert "where the chips lie is not recorded" in data.notes[-1]


def test_which_of_geobenchs_sets(tmp_path):
    """By what its specifications say, else by the name of the folder."""
    assert GeoBench(write_kilns(tmp_path / "a")).kind == "m-brick-kiln"
    (tmp_path / "a" / "task_specs.pkl").unlink()
    assert GeoBench(tmp_path / "a").kind == "m-eurosat"
    assert GeoBench(tmp_path / "a", kind="m-brick-kiln").class_names == ("not brick kiln", "brick kiln")
    (tmp_path / "a").rename(tmp_path / "m-brick-kiln")
    assert GeoBench(tmp_path / "m-brick-kiln").kind == "m-brick-kiln"
    assert "B06" not in GeoBench(tmp_path / "m-brick-kiln").band_stats
    with pytest.raises(ValueError, match="kind must be 'm-eurosat' or 'm-brick-kiln', got 'm-so2sat'"):
        GeoBench(tmp_path / "m-brick-kiln", kind="m-so2sat")


def test_m_eurosat(tmp_path):
    data = geobench_set(write_m_eurosat(tmp_path / "m-eurosat"))
    assert (data.name, data.answers.tolist(), data.split.tolist()) == (
        "m-eurosat",
        [1, 2, 3],
        ["train", "train", "test"],
    )
    assert data.classes[1] == "Forest"
    assert data.groups.tolist() == [0, 1, 2], "the place in its metadata is not the chip's own"
    image = data.samples(np.array([1]))[0].images[S2][:, :, 0]
    assert (image[..., BAND["B8A"]] == pixels(LAND, seed=2)[FILE_ORDER.index("B8A")]).all()
    published, told = warned(geobench_set, tmp_path / "m-eurosat", "published")
    assert published.name == "m-eurosat (published names)"
    assert "in 3 of 3 chips" in told[-1]


def wrong_label(folder):
    write_chip(folder / "id_2.hdf5", {"label": 2}, values=pixels(order=KILN))


def gone(folder):
    (folder / "id_2.hdf5").unlink()


def short(folder):
    (folder / "id_2.hdf5").write_bytes((folder / "id_2.hdf5").read_bytes()[:3000])


def not_a_number(folder):
    with h5py.File(folder / "id_2.hdf5", "a") as file:
        del file[LABELS[3]]
        file[LABELS[3]] = np.full((64, 64), np.nan)


def empty(folder):
    (folder / "default_partition.json").write_text(json.dumps({"train": [], "valid": [], "test": []}))


DAMAGED = {
    "a label of another set": (wrong_label, "has the label 2; valid are 0 to 1"),
    "a chip missing": (gone, r"lacks 1 of 5 chips: \['id_2'\]"),
    "a chip cut off": (short, "id_2.hdf5 is not a whole HDF5 file"),
    "NaN": (not_a_number, "values are NaN or infinite"),
    "no chips": (empty, "lists no chips"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_set_of_geobench(kilns, name):
    damage, message = DAMAGED[name]
    damage(kilns)
    with pytest.raises(ValueError, match=message):
        geobench_set(kilns)


def test_filling_is_said(kilns):
    with pytest.raises(ValueError, match="missing_bands must be"):
        load_geobench_chip(kilns / "id_1.hdf5", kind="m-brick-kiln", missing_bands="no")


@pytest.mark.skipif(not (REAL / "eurosat_ms").exists(), reason="the real chips are not part of the project")
def test_the_real_chips():
    data, told = warned(eurosat_set, REAL / "eurosat_ms", "published")
    assert len(data) == 375
    assert "in 57 of 64 chips that were looked at" in told[-1]
    assert "308 groups of 375 chips, the largest of 4" in data.notes[-1]
    assert np.bincount(data.answers, minlength=10).min() >= 20
