"""One function opens every kind of labelled set, and says what it looked for otherwise."""

import numpy as np
import pandas as pd
import pytest
from labelled_twins import write_eurosat, write_kilns

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.labelled.open import open_set
from olmoearth_nb.data.labelled.series import SeriesSet
from olmoearth_nb.data.sets import LabelledSet

pytestmark = pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")


def table(path):
    values = np.random.default_rng(0).integers(300, 4000, (12, 12))
    columns = {f"{band}_2021-07-01": values[:, i] for i, band in enumerate(SENTINEL2.band_names)}
    rows = pd.DataFrame(
        columns | {"crop": ["wheat", "rice"] * 6, "field": np.arange(12) // 2, "dry": np.arange(12) / 7}
    )
    rows.to_parquet(path) if path.suffix == ".parquet" else rows.to_csv(path, index=False)
    return path


def test_eurosat(tmp_path):
    write_eurosat(tmp_path / "data" / "EuroSAT_MS")
    data = open_set(tmp_path / "data", apart=1)
    assert (data.name, len(data), len(set(data.groups))) == ("EuroSAT", 9, 9)
    with pytest.warns(UserWarning, match="almost surely wrong"):
        assert open_set(str(tmp_path / "data"), names="published").name == "EuroSAT (published names)"


def test_geobench(tmp_path):
    folder = write_kilns(tmp_path / "data" / "brick")
    data = open_set(tmp_path / "data", missing_bands="zero")
    assert data.name == "m-brick-kiln"
    assert "filled by 'zero'" in " ".join(data.notes)
    with pytest.warns(UserWarning, match="in 5 of 5 chips"):
        assert open_set(folder, names="published").name == "m-brick-kiln (published names)"
    with pytest.raises(ValueError, match="must name 10 classes"):
        open_set(folder, kind="m-eurosat")


def test_a_world(small_world):
    data = open_set(small_world)
    assert len(data) == 128
    assert isinstance(data, LabelledSet)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table(tmp_path, suffix):
    path = table(tmp_path / f"crops{suffix}")
    data = open_set(path, label="crop", groups="field")
    assert isinstance(data, SeriesSet)
    assert (data.name, data.classes) == ("crops: crop", ("rice", "wheat"))
    assert data.groups.tolist() == (np.arange(12) // 2).tolist()
    dry = open_set(path, kind="table", label="dry", unit="%", name="dryness", nodata=[65535])
    assert (dry.name, dry.unit, dry.answers[7]) == ("dryness", "%", 1.0)


def test_what_it_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(
            ValueError, match=r"no world\.json .* no default_partition\.json .* no class folders of chips"
        ):
            open_set(path)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        open_set(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"kind must be 'auto' or one of 'eurosat', .*, got 'sbd'"):
        open_set(tmp_path, kind="sbd")
    with pytest.raises(FileNotFoundError, match="holds no finished world"):
        open_set(tmp_path, kind="world")
    with pytest.raises(ValueError, match="must hold the class folders of EuroSAT"):
        open_set(tmp_path, kind="eurosat")


def test_options_that_a_kind_has_not(tmp_path, small_world):
    with pytest.raises(ValueError, match="kind 'world' has no names=; it has no option"):
        open_set(small_world, names="published")
    with pytest.raises(ValueError, match="kind 'eurosat' has no label=; it has names=, apart="):
        open_set(write_eurosat(tmp_path / "e"), label="x")
    path = table(tmp_path / "crops.csv")
    with pytest.raises(ValueError, match=r"kind 'table' has no apart=, names=; it has label=, groups=, .*nodata=, "):
        open_set(path, label="crop", apart=3, names="published")
    with pytest.raises(ValueError, match=r"crops\.csv is a table: say label="):
        open_set(path)
    with pytest.raises(ValueError, match="the table has no column soil; it has B02"):
        open_set(path, label="crop", groups="soil")
    with pytest.raises(ValueError, match="names must be 'content' or 'published', got 'right'"):
        open_set(tmp_path / "e", names="right")


def test_a_table_cut_off(tmp_path):
    path = table(tmp_path / "crops.parquet")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"crops\.parquet is not a whole \.parquet table"):
        open_set(path, label="crop")
