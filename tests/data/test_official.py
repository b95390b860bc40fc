"""The official format, checked by h5py alone where it is written and by bad files where it is read."""

import csv
import json

import h5py
import hdf5plugin  # noqa: F401  registers zstd
import numpy as np
import pytest

from olmoearth_nb.bands import MISSING, MODALITIES
from olmoearth_nb.data.official import OfficialDataset, folder_name, read_tile, write_index, write_tile
from olmoearth_nb.data.simulate.generate import simulate

SENSORS = ("sentinel2_l2a", "sentinel1", "landsat")
BANDS = {name: len(spec.bands) for name, spec in MODALITIES.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("official") / "world", 3 * 16, seed=2, quiet=True)


def folder_of(made):
    return next(path.parent for path in made.rglob("sample_metadata.csv"))


def test_the_folder(made):
    folder = folder_of(made)
    assert folder.name == "3", "the folder is named like the number of samples"
    assert folder.parent.name.split("_cdl")[0] != ""
    names = folder.parent.name
    assert names == "_".join(sorted(MODALITIES)), "modalities, sorted, joined"
    assert folder.parent.parent.name == "h5py_data_w_missing_timesteps_zstd_3_128_x_4"
    with (folder / "sample_metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sample_index"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        with h5py.File(folder / f"sample_{row['sample_index']}.h5") as file:
            assert {name for name in MODALITIES if row.get(name) == "1"} == set(file) & set(MODALITIES)
    where = np.load(folder / "latlon_distribution.npy")
    assert where.shape == (3, 2)
    assert (np.abs(where) <= [90, 180]).all()
    assert json.loads((folder / "compression_settings.json").read_text())["compression"] == "zstd"


@pytest.mark.parametrize("number", range(3))
def test_a_file_keeps_every_rule(made, number):
    with h5py.File(folder_of(made) / f"sample_{number}.h5") as file:
        assert set(file) - set(MODALITIES) == {"latlon", "timestamps", "missing_timesteps_masks"}
        assert file["latlon"].shape == (2,)
        assert file["latlon"].dtype == np.float32
        stamps = file["timestamps"][()]
        assert stamps.shape == (12, 3)
        assert np.issubdtype(stamps.dtype, np.integer)
        assert ((stamps[:, 0] >= 1) & (stamps[:, 0] <= 31)).all()
        assert ((stamps[:, 1] >= 0) & (stamps[:, 1] <= 11)).all()
        assert (stamps[:, 2] >= 2016).all()
        masks = file["missing_timesteps_masks"]
        assert set(masks) == set(file) & set(SENSORS)
        for name in set(file) & set(MODALITIES):
            data = file[name]
            steps = int(masks[name][()].sum()) if name in SENSORS else 1
            assert data.shape == (128, 128, steps, BANDS[name]), "only present timesteps, one behind the other"
            assert data.chunks == data.shape, "one chunk"
            assert data._filters.get("32015") is not None, "zstd"
            assert np.isfinite(data[()]).all()
            assert not (data[()] == MISSING).any(), "what is missing is left out, not filled"
        for name in masks:
            assert masks[name].dtype == bool
            assert masks[name].shape == (12,)
        if "sentinel1" in file:
            assert file["sentinel1"][()].max() < 30, "decibels"
            assert file["sentinel1"][()].min() > -50


def parts(steps=12):
    generator = np.random.default_rng(0)
    images = {
        "sentinel2_l2a": generator.integers(1, 5000, (128, 128, 12, 12), dtype=np.uint16),
        "worldcover": generator.integers(10, 20, (128, 128, 1, 1), dtype=np.uint8),
    }
    present = {"sentinel2_l2a": np.isin(np.arange(12), [2, 3, 6])}
    stamps = np.array([(1, month, 2020) for month in range(12)])
    return images, present, stamps


def test_round_trip(tmp_path):
    images, present, stamps = parts()
    write_tile(tmp_path / "sample_0.h5", images, present, stamps, (10.0, 20.0))
    sample = read_tile(tmp_path / "sample_0.h5")
    assert sample.dates == ["2020-03-01", "2020-04-01", "2020-05-01", "2020-06-01", "2020-07-01"], "ends are cut off"
    assert (sample.images["sentinel2_l2a"][:, :, [0, 1, 4]] == images["sentinel2_l2a"][:, :, [2, 3, 6]]).all()
    assert (sample.images["sentinel2_l2a"][:, :, [2, 3]] == MISSING).all()
    assert (sample.images["worldcover"] == images["worldcover"]).all()
    window = read_tile(tmp_path / "sample_0.h5", ["worldcover", "sentinel2_l2a"], slice(8, 16), slice(0, 8))
    assert (window.images["worldcover"] == images["worldcover"][8:16, :8]).all()
    assert "10.000 N 20.000 E" in sample.provenance
    assert not list(tmp_path.glob("*.part"))


def test_what_is_not_written(tmp_path):
    images, present, stamps = parts()
    with pytest.raises(ValueError, match=r"timestamps must be \(12, 3\), got \(6, 3\)"):
        write_tile(tmp_path / "a.h5", images, present, stamps[:6], (0, 0))
    with pytest.raises(ValueError, match=r"must be \(128, 128, 12, 12\), got \(64, 128"):
        write_tile(tmp_path / "a.h5", images | {"sentinel2_l2a": images["sentinel2_l2a"][:64]}, present, stamps, (0, 0))
    with pytest.raises(ValueError, match="at least one date"):
        write_tile(tmp_path / "a.h5", images, {"sentinel2_l2a": np.zeros(12, bool)}, stamps, (0, 0))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="must be named 2, got 'five'"):
        write_index(tmp_path / "five", [["srtm"], ["srtm"]], np.zeros((2, 2)))


def test_what_is_not_read(tmp_path):
    images, present, stamps = parts()
    good = tmp_path / "sample_0.h5"
    write_tile(good, images, present, stamps, (0, 0))
    with pytest.raises(FileNotFoundError):
        read_tile(tmp_path / "none.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(good.read_bytes()[:5000])
    with pytest.raises(ValueError, match="not a whole HDF5 file"):
        read_tile(cut)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(ValueError, match="it is not a tile of the official format"):
        read_tile(tmp_path / "other.h5")
    with h5py.File(good, "a") as file:
        file["missing_timesteps_masks/sentinel2_l2a"][:] = True
    with pytest.raises(ValueError, match=r"sentinel2_l2a must be \(128, 128, 12, 12\), got \(128, 128, 3, 12\)"):
        read_tile(good)
    with h5py.File(good, "a") as file:
        file["missing_timesteps_masks/sentinel2_l2a"][:] = False
    with pytest.raises(ValueError, match="no date of any of"):
        read_tile(good)
    with h5py.File(good, "a") as file:
        del file["missing_timesteps_masks/sentinel2_l2a"]
    with pytest.raises(ValueError, match=r"of the 12 timesteps whether \['sentinel2_l2a'\] have it"):
        read_tile(good)
    with h5py.File(good, "a") as file:
        file["missing_timesteps_masks/sentinel2_l2a"] = np.ones(3, bool)
    with pytest.raises(ValueError, match="of the 12 timesteps"):
        read_tile(good)


def test_a_folder_that_lacks_tiles(tmp_path):
    folder = tmp_path / folder_name(["srtm", "sentinel1"]) / "2"
    folder.mkdir(parents=True)
    write_index(folder, [["srtm"], ["sentinel1"]], np.zeros((2, 2)))
    assert folder.parent.name == "sentinel1_srtm"
    with pytest.raises(FileNotFoundError, match=r"lacks 2 of 2 tiles: \[0, 1\]"):
        OfficialDataset(tmp_path)
    with pytest.raises(FileNotFoundError, match="it holds 0"):
        OfficialDataset(folder / "nothing")
