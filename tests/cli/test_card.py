"""`card`: tiles and a table by one command; what it writes; what it refuses."""

import csv

import numpy as np
import pandas as pd
import pytest
from terminal import invoke

from olmoearth_nb import SENTINEL2
from olmoearth_nb.data import data_dir

TILES = data_dir() / "world" / "tiles"
FEW = ("--most", "60", "--together", "2")


@pytest.fixture
def table(tmp_path):
    generator = np.random.default_rng(0)
    columns = {f"{band}_{t}": generator.integers(300, 1900, 40) for band in SENTINEL2.band_names for t in range(4)}
    pd.DataFrame(columns | {"field": np.arange(40) // 2}).to_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def rows(path):
    with path.open(encoding="utf8") as file:
        return list(csv.DictReader(file))


def test_tiles_and_a_table(table, tmp_path):
    words = ("mini-v1-0", "three=mini-v1.1-0,mini-v1.1-1", "--data", TILES, "--data", table, "--groups", "field", *FEW)
    words += ("--dates", "2021-01-01,2021-03-01,2021-05-01,2021-07-01", "--out", tmp_path / "out")
    result = invoke("card", *words)
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"card.csv", "card.md", "card.png"}
    assert (tmp_path / "out" / "card.md").read_text() in result.output
    found = rows(tmp_path / "out" / "card.csv")
    assert {row["data"] for row in found} == {"tiles", "t"}
    assert {row["model"] for row in found} == {
        *("mini-v1-0", "three", "random, as mini-v1-0", "random, as three", "raw bands"),
    }
    assert {row["seeds"] for row in found if row["model"] in ("three", "random, as three")} == {"2"}
    assert {row["layer"] for row in found if row["model"] == "three"} == {
        *("tokens", "block 1", "block 2", "block 3", "norm"),
    }
    asked = {name: {row["question"] for row in found if row["data"] == name} for name in ("tiles", "t")}
    assert asked["tiles"] - asked["t"] == {"sensor"}
    assert "place is not asked" in result.output
    (one,) = (
        row
        for row in found
        if (row["data"], row["model"], row["layer"], row["question"]) == ("t", "mini-v1-0", "tokens", "bands")
    )
    assert float(one["value"]) > 0.9


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name at least one model, or say --all"),
        (("mini-v1-0", "--together", "13"), "got --together 13"),
        (("mini-v1-0", "--most", "20"), "say --most 60 or more"),
        (
            ("mini-v1-0", *FEW, "--sensor", "modis"),
            "tiles has no 'modis'; say --sensor one of sentinel2_l2a, sentinel1",
        ),
        (("mini-v1-0", *FEW, "--groups", "field"), "tiles is no table of pixels; --groups goes with one"),
        (("mini-v1-0", *FEW, "--apart", "19999"), "at least 3 folds and 3 groups of places, got 5 and 1"),
        (("mini-v9", *FEW), "mini-v9"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, words, said):
    result = invoke("card", *words, "--data", TILES, "--out", tmp_path)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_without_data_a_world_stands_in(tmp_path, monkeypatch):
    """No world is simulated here; the committed tiles take its place."""
    monkeypatch.setattr("olmoearth_nb.cli.card._world", lambda: TILES)
    result = invoke("card", "mini-v1-0", *FEW, "--seeds", "1", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "## tiles" in result.output
