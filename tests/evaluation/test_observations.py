"""Observations of any kind of data: whole, dark, of the right place and date, and no more than were asked for."""

import h5py
import numpy as np
import pandas as pd
import pytest

from olmoearth_nb import SENTINEL2, Sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import data_dir
from olmoearth_nb.data.official import OfficialDataset, read_tile
from olmoearth_nb.data.series import to_samples
from olmoearth_nb.evaluation.observations import BRIGHT, Draw, observe, of_series, open_observations

S2 = "sentinel2_l2a"
TILES = data_dir() / "world" / "tiles"


def test_tiles():
    found = open_observations(TILES, Draw(most=240, together=4, apart=1))
    assert set(found.views) == {S2, "sentinel1", "landsat"}
    seen = found.of(S2)
    assert seen.images.shape == (60, 4, 4, 4, 12)
    assert len(seen) == len(seen.values) == len(seen.month) == len(seen.place) == 240
    assert (seen.images != MISSING).all()
    assert seen.values[:, 0].max() < BRIGHT
    assert any("observations with 2000 or more in B02 are left out" in note for note in found.notes)
    assert "3 places in 3 groups, linked by steps shorter than 1 km" in found.notes
    tiles = OfficialDataset(TILES)
    assert np.abs(found.latlon - np.load(tiles.folder / "latlon_distribution.npy")).max() < 1e-4
    tile = read_tile(tiles.path(2), [S2])
    patch = int(np.flatnonzero(seen.patch_place == 2)[0])
    dates = [tile.timestamps.tolist().index(stamp) for stamp in seen.timestamps[patch].tolist()]
    assert dates == sorted(set(dates))
    blocks = tile.images[S2].reshape(32, 4, 32, 4, -1, 12).transpose(0, 2, 1, 3, 4, 5)[..., dates, :]
    assert (blocks == seen.images[patch]).all((2, 3, 4, 5)).sum() == 1, "one patch of the tile, all its bands"
    again = open_observations(TILES, Draw(most=240, together=4, apart=1))
    assert (again.of(S2).images == seen.images).all()
    other = open_observations(TILES, Draw(most=240, together=4, apart=1, seed=1))
    assert not np.array_equal(other.of(S2).images, seen.images)


def test_a_table_with_gaps(tmp_path):
    generator = np.random.default_rng(0)
    columns = {f"{band}_{t}": generator.integers(300, 1900, 60) for band in SENTINEL2.band_names for t in range(5)}
    table = pd.DataFrame(columns | {"lat": np.arange(60) / 3, "lon": 10.0, "field": np.arange(60) // 4})
    table.loc[:9, "B02_1"] = 65535
    table.loc[10:14, "B02_2"] = 5000
    table.to_parquet(tmp_path / "t.parquet")
    about = {"dates": [f"2021-{month:02d}-01" for month in range(3, 8)], "nodata": 65535}
    found = open_observations(tmp_path / "t.parquet", Draw(most=3000, together=5, apart=50), **about)
    seen = found.of(S2)
    assert seen.images.shape == (45, 1, 1, 5, 12), "fifteen pixels lack one of the five dates"
    assert set(seen.patch_place.tolist()) == set(range(15, 60))
    pixel = int(seen.patch_place[7])
    assert (seen.values[35:40, 3] == table.loc[pixel, [f"B08_{t}" for t in range(5)]]).all()
    assert seen.month[35:40].tolist() == [2, 3, 4, 5, 6]
    assert found.latlon[pixel].tolist() == [pytest.approx(pixel / 3), 10.0]
    assert len(np.unique(found.groups)) == 1, "steps of 37 km link all pixels"
    assert len(np.unique(open_observations(tmp_path / "t.parquet", Draw(apart=30), **about).groups)) == 60
    fields = open_observations(tmp_path / "t.parquet", Draw(), "field", **about)
    assert len(np.unique(fields.groups)) == 15
    assert (fields.groups.reshape(15, 4) == fields.groups[::4, None]).all()
    alone = open_observations(tmp_path / "t.parquet", Draw(most=100, together=1), **about).of(S2)
    assert alone.images.shape[3] == 1
    assert len(alone) == 100
    assert set(np.bincount(alone.patch_place).tolist()) == {1, 2}, "all pixels once, then some of them again"
    again = np.stack([alone.patch_place, alone.month], 1)
    assert len(np.unique(again, axis=0)) == 100, "on other dates"


def test_dates_that_half_of_the_places_have():
    values = np.random.default_rng(0).uniform(500, 1500, (40, 6, 12))
    valid = np.arange(6) < np.where(np.arange(40) < 25, 3, 6)[:, None]
    series = to_samples(values, SENTINEL2.band_names, [f"2021-{m:02d}-01" for m in range(1, 7)], valid=valid)
    seen = of_series(series, draw=Draw(together=6)).of(S2)
    assert seen.images.shape[3] == 3
    assert of_series(series, draw=Draw(together=2)).of(S2).images.shape[3] == 2


def test_a_shard_of_chips_without_dates(tmp_path):
    image = np.random.default_rng(0).integers(300, 1900, (30, 12, 9, 10), dtype=np.uint16)
    with h5py.File(tmp_path / "shard.h5", "w") as file:
        file["dn"] = image
        file.attrs["bands"] = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"
    found = open_observations(tmp_path / "shard.h5", Draw(most=90))
    seen = found.of(S2)
    assert seen.images.shape[1:] == (4, 4, 1, 12)
    assert np.isnan(found.latlon).all()
    assert len(np.unique(found.groups)) == 15, "six dates were hoped for, so that 15 chips are enough"
    assert set(seen.month.tolist()) == {6}
    chip = image[:, [1]].astype(float)
    means = chip[:, 0, :8, :8].reshape(30, 2, 4, 2, 4).mean((2, 4)).ravel()
    assert np.isin(seen.values[:, 0].round(4), means.round(4)).all()


def test_what_is_wrong_is_said(tmp_path):
    gone = Sample({S2: np.full((4, 4, 1, 12), MISSING)}, [[1, 6, 2020]])
    cloud = Sample({S2: np.full((4, 4, 1, 12), 6000.0)}, [[1, 6, 2020]])
    with pytest.raises(ValueError, match="in every patch and date a value is missing, or it is cloud"):
        observe("nothing", 2, lambda number: ((gone, cloud)[number], None), Draw())
    with pytest.raises(ValueError, match="together=13"):
        Draw(together=13)
    with pytest.raises(ValueError, match="say most=60 or more, got 20"):
        Draw(most=20)
    with pytest.raises(ValueError, match="patch"):
        Draw(patch_size=9)
    with pytest.raises(ValueError, match=r"tiles is no table of pixels; groups=, dates= goes with one"):
        open_observations(TILES, None, "field", dates=["2020-01-01"])
    pd.DataFrame({"B02_1": [1.0]}).to_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match="a table has no readout=, labels=; it has groups=, bands=, dates="):
        open_observations(tmp_path / "t.csv", readout="scene", labels=["x"])
    with pytest.raises(FileNotFoundError, match="no folder"):
        open_observations(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no file"):
        open_observations(tmp_path / "nowhere.parquet")
