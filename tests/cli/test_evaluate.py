"""`evaluate`: models on EuroSAT's twin and on a table, by one command; what it keeps; what it refuses."""

import csv

import numpy as np
import pandas as pd
import pytest
from geotiffs import write
from terminal import invoke

from olmoearth_nb import SENTINEL2
from olmoearth_nb.data.geobench.chip import FILE_ORDER
from olmoearth_nb.weights.encoder_file import save_encoder
from olmoearth_nb.weights.load import open_encoder

LAND = (1357, 1123, 1057, 959, 1227, 2077, 2463, 2390, 762, 12, 1861, 1139, 2700)
WATER = (1200, 850, 560, 340, 300, 240, 230, 200, 90, 10, 45, 25, 170)
TABLES = ("scores.csv", "intervals.csv", "differences.csv")


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Twelve chips of 8 x 8 px of three classes, the third between the other two."""
    root, generator = tmp_path_factory.mktemp("set") / "eurosat", np.random.default_rng(0)
    means = {"Forest": np.array(LAND), "SeaLake": np.array(WATER), "River": (np.array(LAND) + WATER) / 2}
    for name, bands in means.items():
        (root / name).mkdir(parents=True)
        for number in range(12):
            bright = bands * generator.uniform(0.8, 1.2)
            values = generator.normal(bright[:, None, None], bright[:, None, None] / 20, (len(FILE_ORDER), 8, 8))
            place = (400_000 + 20_000 * number, 800_000 + 20_000 * len(name))  # each on its own
            write(root / name / f"{name}_{number}.tif", values.clip(1).astype(np.uint16), origin=place)
    return root


def rows(path):
    with path.open(encoding="utf8") as file:
        return list(csv.DictReader(file))


def test_both_names_of_a_set(chips, tmp_path):
    out = tmp_path / "out"
    words = ("mini-v1-long", "seeds=mini-v1.1-0,mini-v1.1-1", "--data", chips, "--out", out, "--repeats", "1")
    words += ("--names", "content,published", "--folds", "3", "--probes", "kNN-5,linear")
    result = invoke("evaluate", *words)
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} >= {*TABLES, "scores.png", "report.md"}
    scores = rows(out / "scores.csv")
    assert {row["names"] for row in scores} == {"content", "published"}
    assert {row["model"] for row in scores} == {
        *("mini-v1-long", "seeds", "random, as mini-v1-long", "random, as seeds"),
        *("image statistics", "band means", "majority"),
    }
    assert {row["seed"] for row in scores if row["model"] == "seeds"} == {"0", "1"}
    assert {row["seed"] for row in scores if row["model"] == "random, as seeds"} == {"0", "1"}
    value = {
        tuple(row[key] for key in ("names", "model", "probe", "metric")): row for row in rows(out / "intervals.csv")
    }
    assert float(value["content", "mini-v1-long", "linear", "accuracy"]["value"]) > 0.8
    assert {row["question"] for row in rows(out / "differences.csv")} == {
        "Do models differ?",
        "Are models above what is read without them?",
        "What do these names cost?",
        "Do these names cost one more than another?",
    }
    page = (out / "report.md").read_text()
    assert "wrong names on purpose" in page
    assert page in result.output
    before = {
        path: path.stat().st_mtime_ns for part in ("embeddings", "predictions") for path in (out / part).iterdir()
    }
    tables = {name: (out / name).read_bytes() for name in TABLES}
    again = invoke("evaluate", *words)
    assert again.exit_code == 0, again.output
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert tables == {name: (out / name).read_bytes() for name in TABLES}


def test_a_table_of_real_values_and_an_encoder_alone(tmp_path):
    generator = np.random.default_rng(0)
    columns = {f"{band}_{t}": generator.integers(300, 4000, 40) for band in SENTINEL2.band_names for t in (1, 2)}
    table = pd.DataFrame(columns | {"field": np.arange(40) // 2})
    table["yield"] = table[["B08_1", "B08_2"]].mean(axis=1) / 1000
    table.to_parquet(tmp_path / "t.parquet")
    save_encoder(open_encoder("mini-v1.1-0"), tmp_path / "encoder.safetensors")
    words = ("--data", tmp_path / "t.parquet", "--out", tmp_path / "out", "--dates", "2021-03-01,2021-07-01")
    words += ("--label", "yield", "--unit", "t/ha", "--groups", "field", "--repeats", "2")
    result = invoke("evaluate", tmp_path / "encoder.safetensors", *words)
    assert result.exit_code == 0, result.output
    assert "## RMSE, in t/ha, names: content" in result.output
    assert "40 places are tested, in 20 groups. ridge: 5 stratified folds, drawn 2 times" in result.output
    (one,) = (
        row
        for row in rows(tmp_path / "out" / "intervals.csv")
        if row["model"] == "band means" and row["metric"] == "R2"
    )
    assert float(one["value"]) > 0.95


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name at least one model, or say --all"),
        (("mini-v1-0", "mini-v1-0"), "two rows have the name mini-v1-0; give each its own, as NAME=mini-v1-0"),
        (("mini-v9",), "mini-v9"),
        (("a=mini-v1-0,mini-v1-1", "b=nano-v1,mini-v1-0,mini-v1-1"), "one seed, or all as many, so that they can be"),
        (("mini-v1-0", "--names", "right"), "right"),
        (("mini-v1-0", "--probes", "ridge"), "say --probes kNN-5,kNN-20,linear, or some of them"),
        (("mini-v1-0", "--label", "x"), "label"),
        (("mini-v1-0", "--folds", "2"), "folds must be from 3 to the 36 groups of EuroSAT"),
        (("mini-v1-0", "--part", "1/5"), "no class of EuroSAT (part 1/5) has a place for each of 5 folds"),
        (("mini-v1-0", "--apart", "10000"), "folds must be from 3 to the 1 groups of EuroSAT"),
        (("mini-v1-0", "--repeats", "0"), "at least once"),
    ],
)
def test_what_does_not_fit_is_refused(chips, tmp_path, words, said):
    result = invoke("evaluate", *words, "--data", chips, "--out", tmp_path)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_model_to_compare_with_that_there_is_not(chips, tmp_path):
    words = ("--data", chips, "--out", tmp_path, "--against", "other", "--probes", "kNN-5")
    result = invoke("evaluate", "mini-v1-0", *words)
    assert result.exit_code == 2
    assert "no model 'other' to compare with; say --against one of mini-v1-0" in result.output
