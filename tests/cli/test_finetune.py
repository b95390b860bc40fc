"""`finetune`: chips, pixels of a world and a table by one command; what it keeps; what it refuses."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from fitting import encoder
from labelled_twins import LAND, WATER, chip, pixels
from terminal import invoke

from olmoearth_nb import SENTINEL2
from olmoearth_nb.finetune.fitted import load_fitted
from olmoearth_nb.weights.encoder_file import save_encoder

pytestmark = pytest.mark.filterwarnings("ignore:no place of .* that trains")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_encoder(encoder(), tmp_path_factory.mktemp("model") / "encoder.safetensors")


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Six chips of 8 x 8 px of each of two classes, each on its own."""
    root = tmp_path_factory.mktemp("set") / "eurosat"
    for number in range(12):
        name, means = (("Forest", LAND), ("SeaLake", WATER))[number % 2]
        place = (400_000 + 20_000 * number, 4_900_000)
        chip(root / name / f"{name}_{number}.tif", pixels(means, seed=number, edge=8), origin=place)
    return root


def rows(out):
    with (out / "scores.csv").open(encoding="utf8") as file:
        return list(csv.DictReader(file))


def test_two_ways_on_chips_and_again(chips, model, tmp_path):
    words = ("finetune", model, "--data", chips, "--way", "frozen,layer-decay", "--epochs", "2", "--folds", "3")
    words += ("--seeds", "2", "--out", tmp_path)
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    table = rows(tmp_path)
    assert [(row["way"], row["metric"]) for row in table] == [
        (way, metric) for way in ("frozen", "layer decay") for metric in ("accuracy", "balanced accuracy", "macro F1")
    ]
    assert all(0 <= float(row["low"]) <= float(row["value"]) <= float(row["high"]) <= 1 for row in table)
    assert (tmp_path / "report.md").read_text() in result.output
    folders = sorted(path.parent for path in tmp_path.rglob("fitted.json"))
    assert len(folders) == 2 * 2 * 3
    about = load_fitted(folders[-1]).about
    other = json.loads((folders[-2] / "fitted.json").read_text())
    assert not set(about["train"]) & set(about["valid"])
    assert about["train"] != other["train"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("told.npy")}
    (folders[0] / "fitted.json").unlink()  # as if it had been killed there
    assert invoke(*words).exit_code == 0
    assert rows(tmp_path) == table or {**table[0], "seconds": ""} == {**rows(tmp_path)[0], "seconds": ""}
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_pixels_of_a_world(small_world, model, tmp_path):
    words = ("--data", small_world, "--label", "cover", "--way", "frozen", "--epochs", "1", "--count", "12")
    words += ("--out", tmp_path)
    result = invoke("finetune", model, *words)  # one tile alone is tested in so small a world
    assert result.exit_code == 2
    assert "are one group, and intervals need two; give more places, or say --ignore-split" in result.output
    result = invoke("finetune", model, *words, "--ignore-split", "--folds", "3")
    assert result.exit_code == 0, result.output
    assert "| frozen | mIoU |" in result.output
    assert {float(row["labels"]) for row in rows(tmp_path)} == {12}
    assert "cover of scenes of world" in result.output
    assert "the labels cover, crop, height, elevation, got 'roofs'" in (
        invoke("finetune", model, "--data", small_world, "--label", "roofs").output
    )


def test_a_table_of_real_values(model, tmp_path):
    generator = np.random.default_rng(0)
    columns = {f"{band}_{t}": generator.integers(300, 4000, 40) for band in SENTINEL2.band_names for t in (1, 2)}
    table = pd.DataFrame(columns | {"field": np.arange(40) // 2})
    table["yield"] = table[["B08_1", "B08_2"]].mean(axis=1) / 1000
    table.to_parquet(tmp_path / "t.parquet")
    words = ("--data", tmp_path / "t.parquet", "--dates", "2021-03-01,2021-07-01", "--label", "yield", "--unit", "t/ha")
    words += ("--groups", "field", "--way", "lora", "--epochs", "1", "--folds", "3", "--out", tmp_path / "out")
    result = invoke("finetune", model, *words)
    assert result.exit_code == 0, result.output
    assert "| lora | RMSE, in t/ha |" in result.output
    assert load_fitted(next((tmp_path / "out").rglob("fitted.json")).parent).tuned.patch_size == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--way", "best"), "way must be one of 'frozen', 'full', 'layer decay', 'lora', got 'best'; say --way full"),
        (("--count", "1000"), "1000 labels are more than the"),
        (("--count", "1"), "label"),
        (("--folds", "2"), "folds must be from 3 to the"),
        (("--apart", "10000"), "folds must be from 3 to the 1 groups of EuroSAT"),
        (("--modalities", "sentinel1"), "sentinel2_l2a alone"),
        (("--label", "cover"), "label"),
        (("--patch-size", "9"), "patch"),
        (("--layers", "q"), "layers must be one of qv, all"),
    ],
)
def test_what_does_not_fit_is_refused(chips, model, tmp_path, words, said):
    result = invoke("finetune", model, "--data", chips, "--out", tmp_path, "--folds", "3", "--epochs", "1", *words)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.rglob("*.safetensors"))
