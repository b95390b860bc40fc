"""`compare`: two models on chips and on points of a scene, by one command; what it keeps; what it refuses."""

import csv

import numpy as np
import pandas as pd
import pytest
from geotiffs import BANDS, numbers, write
from terminal import invoke

from olmoearth_nb import OlmoEarth, save_model, size_config
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.weights.encoder_file import save_encoder
from olmoearth_nb.weights.load import open_encoder, random_encoder

GRID = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000))
LAND = np.array([800, 900, 1000, 2600, 1300, 2100, 2400, 2600, 1800, 1000, 900, 2700])
QUICK = ("--folds", "3", "--repeats", "1", "--seeds", "1")
TABLES = ("scores.csv", "intervals.csv", "differences.csv", "classes.csv", "splits.csv", "agreement.csv")


def rows(path):
    with path.open(encoding="utf8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def chips(folder):
    """Chips of three classes, two a kilometre apart, the pairs far from each other."""
    generator = np.random.default_rng(0)
    for kind, name in enumerate(("field", "water", "wood")):
        (folder / "chips" / name).mkdir(parents=True)
        for number in range(10):
            values = LAND * (1, 0.3, 0.7)[kind] * generator.uniform(0.8, 1.2)
            values = generator.normal(values[:, None, None], 60, (12, 8, 8)).clip(1).astype(np.uint16)
            at = (300_000 + 60_000 * (number // 2) + 1000 * number, 700_000 + 50_000 * kind)
            write(folder / "chips" / name / f"{number}_2021-07-04.tif", values, BANDS, origin=at)
    return folder / "chips"


@pytest.fixture(scope="module")
def scene(folder):
    """A scene of squares of two classes, and a point in each of them."""
    generator = np.random.default_rng(1)
    kind = generator.permutation(np.arange(36) % 2).reshape(6, 6)
    bright = np.where(kind, 0.4, 1.0) * generator.uniform(0.9, 1.1, (6, 6))
    means = LAND[:, None, None] * bright.repeat(8, 0).repeat(8, 1)
    values = generator.normal(means, 60).clip(1).astype(np.uint16)
    path = write(folder / "scene_2021-07-04.tif", values, BANDS)
    row, column = np.divmod(np.arange(36), 6)
    lon, lat = GRID.to_lonlat(column * 8 + 4.5, row * 8 + 4.5)
    names = np.array(["field", "water"])[kind.reshape(-1)]
    table = pd.DataFrame({"lon": lon, "lat": lat, "crop": names, "date": "2021-05-01"})
    table.to_csv(folder / "points.csv", index=False)
    return path, folder / "points.csv", table


def test_chips(chips, folder):
    """An encoder file, and a folder in the official layout."""
    save_encoder(open_encoder("mini-v1.1-0"), folder / "encoder.safetensors")
    save_model(OlmoEarth(size_config("mini", "v1")), folder / "official")
    out = folder / "out"
    words = ("--models", folder / "official", f"new={folder / 'encoder.safetensors'}", "--data", chips, "--out", out)
    result = invoke("compare", *words, *QUICK, "--apart", "20")
    assert result.exit_code == 0, result.output
    page = (out / "report.md").read_text()
    assert page in result.output
    assert page.splitlines()[2].startswith("**")
    assert "Retrain your heads" in page
    assert {path.name for path in out.iterdir()} >= {*TABLES, "cost.csv", "scores.png", "classes.png", "agreement.png"}
    assert {row["class"] for row in rows(out / "classes.csv")} == {"field", "water", "wood"}
    splits = rows(out / "splits.csv")
    assert {(row["model"].split("/")[-1], row["probe"]) for row in splits} == {
        (model, probe) for model in ("official", "new") for probe in ("kNN-5", "linear")
    }
    places = rows(out / "agreement.csv")
    assert len(places) == 30
    assert places[0]["place"] == "field/0_2021-07-04.tif"
    assert 6 < float(places[0]["lat"]) < 7
    costs = rows(out / "cost.csv")
    assert [int(row["tokens"]) for row in costs] == [12, 4]
    assert "random, as new" in page
    kept = {path: path.stat().st_mtime_ns for part in ("embeddings", "predictions") for path in (out / part).iterdir()}
    tables = {name: (out / name).read_bytes() for name in TABLES}
    again = invoke("compare", *words, *QUICK, "--apart", "20")
    assert again.exit_code == 0, again.output
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert tables == {name: (out / name).read_bytes() for name in TABLES}


def test_points_of_a_scene(scene, folder):
    path, points, table = scene
    save_encoder(random_encoder("mini-v1.1-0", 7), folder / "b.safetensors")
    out = folder / "scene"
    words = ("--models", "mini-v1.1-0", f"other={folder / 'b.safetensors'}", "--data", path, "--labels", points)
    result = invoke("compare", *words, "--label", "crop", "--probes", "kNN-5,linear", "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert "a label holds for all dates of the scene" in result.output
    assert "labels of one block of 0.16 km are one group: 9 groups" in result.output
    found = {(row["lat"], row["lon"]): row for row in rows(out / "map.csv")}
    assert len(found) == 36
    # every square is labelled, so that the map is nearly the truth
    truth = table.sort_values(["lat", "lon"], ascending=[False, True])["crop"].tolist()
    for model in ("current", "candidate"):
        told = [row[model] for row in found.values()]
        assert np.mean([one == other for one, other in zip(told, truth, strict=True)]) > 0.9
    assert (out / "map.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--models", "mini-v1-0", "mini-v9"), "mini-v9"),
        (("--models", "mini-v1-0", "mini-v1-0"), "two rows have the name mini-v1-0"),
        (("--probes", "ridge"), "say --probes kNN-5,kNN-20,linear, or some of them"),
        (("--apart", "10000"), "folds must be from 3 to the 1 groups of chips"),
        (("--margin", "0"), "got --margin 0"),
        (("--modalities", "sentinel1"), "chips has sentinel2_l2a alone, not sentinel1"),
        (("--label", "crop"), "kind 'folders' has no --label"),
        (("--bands", ",".join([*BANDS[:-1], "B99"])), "B99"),
        (("--edge", "8"), "kind 'folders' has no --edge"),
    ],
)
def test_what_does_not_fit_chips(chips, tmp_path, words, said):
    given = ("--models", "mini-v1.1-0", "mini-v1-0") if "--models" not in words else ()
    result = invoke("compare", *given, *words, "--data", chips, "--out", tmp_path, *QUICK)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output


def test_what_does_not_fit_a_scene(scene, tmp_path):
    path, points, table = scene
    bad = tmp_path / "bad.csv"
    for columns, words, said in (
        ({}, (), "has no column 'label'; it has crop, date"),
        ({"crop": "field"}, ("--label", "crop"), "crop has one value alone, field"),
        ({"lon": table["lat"], "lat": table["lon"]}, ("--label", "crop"), "are exchanged: exchange them"),
        ({"lon": 500_000 + table.index, "lat": 800_000.0}, ("--label", "crop"), "not metres of a projection"),
        ({"lon": 40.0}, ("--label", "crop"), "lie outside of the scene"),
        ({}, ("--label", "crop", "--apart", "5"), "folds must be from 3 to the 1 groups"),
        ({}, ("--label", "crop", "--split", "crop"), "labels of a scene have no --split"),
        ({"date": "2001-01-01"}, ("--label", "crop"), "say --days"),
    ):
        table.assign(**columns).to_csv(bad, index=False)
        given = ("--models", "mini-v1.1-0", "mini-v1-0", "--data", path, "--labels", bad, "--out", tmp_path)
        result = invoke("compare", *given, *words, *QUICK)
        assert (result.exit_code, said in result.output) == (2, True), result.output
    result = invoke("compare", "--models", "mini-v1.1-0", "mini-v1-0", "--data", path, "--out", tmp_path)
    assert result.exit_code == 2
    assert "is a scene and has no answers: say --labels" in result.output
    foreign = write(tmp_path / "f_2021-07-04.tif", numbers(3, 16, 16), ["red", "green", "blue"])
    result = invoke("compare", "--models", "mini-v1.1-0", "mini-v1-0", "--data", foreign, "--labels", points)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


def test_interrupted_and_a_full_disk(chips, tmp_path, monkeypatch):
    """What was embedded is kept; the same command takes it from there."""
    words = ("--models", "mini-v1.1-0", "mini-v1-0", "--data", chips, "--out", tmp_path / "o", "--probes", "kNN-5")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("olmoearth_nb.comparison.compare.evaluate", interrupt)
        result = invoke("compare", *words, *QUICK)
    assert result.exit_code == 130
    assert f"{tmp_path / 'o'} keeps what is done, the same command goes on with it" in result.output
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "o" / "embeddings").iterdir()}
    assert len(kept) == 4

    def full(path, save):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *_: full(*_))
        result = invoke("compare", *words, *QUICK)
    assert result.exit_code == 2, result.output
    assert "the disk or its quota is full; what was there is kept" in result.output
    assert invoke("compare", *words, *QUICK).exit_code == 0
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
