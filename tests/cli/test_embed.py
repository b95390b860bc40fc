"""`embed` of tables of pixel series, what it says of what does not fit, random weights, names that are no text."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from terminal import invoke

from olmoearth_nb import SENTINEL2, to_samples
from olmoearth_nb.data import load_place
from olmoearth_nb.data.npz import save_npz
from olmoearth_nb.evaluation.embed import embed
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.weights.load import open_encoder, random_encoder

MODEL = "mini-v1.1-long"
DATES = ["2021-03-01", "2021-05-01", "2021-07-01"]
BANDS = list(SENTINEL2.band_names)


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(300, 4000, (5, 3, 12)).astype(np.uint16)


@pytest.fixture
def wide(values, tmp_path):
    """A row for each pixel."""
    columns = {f"{band}_{t + 1}": values[:, t, c] for c, band in enumerate(BANDS) for t in range(3)}
    pd.DataFrame(columns | {"crop": list("abcde")}).to_parquet(tmp_path / "wide.parquet")
    return tmp_path / "wide.parquet"


@pytest.fixture
def long(values, tmp_path):
    """A row for each pixel and date."""
    rows = [
        {"field": f"f{n}", "when": DATES[t], "series": n, **dict(zip(BANDS, values[n, t], strict=True))}
        for n in range(5)
        for t in range(3)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "long.csv", index=False)
    return tmp_path / "long.csv"


def call(data, out, *more, model=MODEL):
    return invoke("embed", "--model", model, "--data", data, "--out", out, *more)


def embeddings(table):
    return table.filter(regex=r"^(t\d\d_)?e\d+$").to_numpy()


def test_a_wide_table(wide, values, tmp_path):
    result = call(wide, tmp_path / "out.parquet", "--dates", ",".join(DATES), "--labels", "crop")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'out.parquet'}: 5 series, embeddings of 64 numbers" in result.output
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table.columns[:5]) == ["crop", "series", "model", "tokenization", "e000"]
    assert table["crop"].tolist() == list("abcde")
    assert set(table["model"]) == {MODEL}
    expected = embed(open_encoder(MODEL), to_samples(values, BANDS, DATES), patch_size=1)
    assert np.allclose(embeddings(table), expected, atol=1e-5)


def test_a_long_table_with_its_dates_kept(long, values, tmp_path):
    more = ("--pixel", "field", "--dates", "when", "--labels", "series", "--readout", "patches by date")
    result = call(long, tmp_path / "out.csv", *more)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["field"].tolist() == [f"f{n}" for n in range(5)]
    assert table["label_series"].tolist() == table["series"].tolist() == list(range(5))
    assert [table[f"t{t:02d}_date"].unique().tolist() for t in range(3)] == [[date] for date in DATES]
    series = to_samples(values, BANDS, DATES)
    expected = embed(open_encoder(MODEL), series, patch_size=1, readout="patches by date")
    assert np.allclose(embeddings(table), expected[:, 0], atol=1e-5)


def test_no_data_and_missing_bands(values, tmp_path):
    columns = {f"s2_{band}_{t}": values[:, t, c] for c, band in enumerate(BANDS[:-1]) for t in range(3)}
    columns["s2_B02_0"] = np.array([65535, *values[1:, 0, 0]])
    pd.DataFrame(columns).to_parquet(tmp_path / "some.parquet")
    more = ["--columns", "s2_{band}_{step}", "--dates", ",".join(DATES), "--nodata", "65535"]
    refused = call(tmp_path / "some.parquet", tmp_path / "out.csv", *more)
    assert refused.exit_code == 2
    assert "say --missing-bands zero (for v1.1 and later)" in refused.output
    result = call(tmp_path / "some.parquet", tmp_path / "out.csv", *more, "--missing-bands", "zero")
    assert result.exit_code == 0, result.output
    assert "of the Sentinel-2 L2A values are gaps or no data" in result.output.replace("Sentinel-2 values", "")


def test_a_radar_stored_as_numbers(tmp_path):
    stored = np.random.default_rng(0).integers(1000, 5000, (4, 2, 2)).astype(np.uint16)
    columns = {
        f"{band}_{date}": stored[:, t, c] for c, band in enumerate(("VV", "VH")) for t, date in enumerate(DATES[:2])
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "radar.parquet")
    more = ("--modality", "sentinel1", "--decibel", "20,-83")
    result = call(tmp_path / "radar.parquet", tmp_path / "out.parquet", *more)
    assert result.exit_code == 0, result.output
    assert "dB = 20 log10(stored) -83" in result.output
    decibel = (20 * np.log10(stored) - 83).astype(np.float32)
    series = to_samples(decibel, ["vv", "vh"], DATES[:2], modality_name="sentinel1")
    expected = embed(open_encoder(MODEL), series, patch_size=1, modalities=("sentinel1",))
    assert np.allclose(embeddings(pd.read_parquet(tmp_path / "out.parquet")), expected, atol=1e-4)


def test_random_weights_of_a_seed(wide, values, tmp_path):
    result = call(wide, tmp_path / "out.parquet", "--dates", ",".join(DATES), "--seed", 3)
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert set(table["model"]) == {f"{MODEL}, random weights of seed 3"}
    expected = embed(random_encoder(MODEL, 3), to_samples(values, BANDS, DATES), patch_size=1)
    assert np.allclose(embeddings(table), expected, atol=1e-5)
    assert "a seed is a whole number" in call(wide, tmp_path / "o.csv", "--dates", ",".join(DATES), "--seed", -1).output


def test_half_precision(wide, values, tmp_path):
    more = ("--dates", ",".join(DATES), "--precision")
    result = call(wide, tmp_path / "out.parquet", *more, "bf16-mixed")
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert set(table["model"]) == {f"{MODEL}, bf16-mixed"}
    full = embed(open_encoder(MODEL), to_samples(values, BANDS, DATES), patch_size=1)
    assert 1e-4 < np.abs(embeddings(table) - full).max() / np.abs(full).max() < 0.05
    result = call(wide, tmp_path / "o.csv", *more, "half")
    assert result.exit_code == 2
    assert "precision must be one of 32-true, bf16-mixed, got 'half'" in result.output


@pytest.mark.case("tables")
@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        ("wide.parquet", ["--points", "x.geojson", "--window", "8"], "rows are embedded: leave --points, --window out"),
        ("wide.parquet", ["--offset", "1000"], "no --offset: leave --offset out"),
        ("wide.parquet", ["--decibel", "20"], "--decibel is two numbers, such as 20,-83, got '20'"),
        ("wide.parquet", ["--nodata", "x"], "--nodata is numbers with commas between them, got 'x'"),
        ("wide.parquet", [], "not dates: give --dates for them"),
        ("wide.parquet", ["--pixel", "id"], "named like '{band}'"),
        ("wide.parquet", ["--sentinel1", "linear", "--mask-clouds"], "no --sentinel1, --mask-clouds: leave"),
        ("stored.csv", ["--modality", "sentinel1"], "or say --decibel a,b where a table's dB are a log10"),
        ("long.csv", [], "say --pixel field, the column that says which pixel a row is of, and --dates when"),
        ("long.csv", ["--pixel", "field"], "no column date; say --dates, its column of dates"),
        ("town", [], "say which places of town to embed: give --points"),
        (
            "town",
            ["--labels", "crop", "--points", "x"],
            "is not a table of pixel series, .parquet or .csv: leave --labels",
        ),
        ("none.csv", [], "no file"),
    ],
)
def test_what_does_not_fit(wide, long, tmp_path, data, more, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({f"{band}_2021-03-01": [3000, 4000] for band in ("VV", "VH")}).to_csv("stored.csv", index=False)
    result = call(data, "out.csv", *more)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.case("H25")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_names_that_the_locale_cannot_write(wide, tmp_path, kind):
    (tmp_path / "münchen").mkdir()
    wide.rename(tmp_path / "münchen" / "größe.parquet")
    out = tmp_path / "münchen" / f"é.{kind}"
    given = ["--model", MODEL, "--data", tmp_path / "münchen" / "größe.parquet", "--out", out]
    done = subprocess.run(
        [sys.executable, "-m", "olmoearth_nb", "embed", *given, "--dates", ",".join(DATES)],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(out) if kind == "csv" else pd.read_parquet(out)) == 5


@pytest.fixture
def points(tmp_path):
    """A point in the town that comes along, which lies somewhere."""
    place = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 5_000_000))
    save_npz(replace(load_place("town"), georeference=place), tmp_path / "town.npz")
    lon, lat = place.to_lonlat(8, 8)
    (tmp_path / "points.csv").write_text(f"name,lon,lat\na,{lon},{lat}\n")
    return tmp_path / "points.csv"


@pytest.mark.case("tables")
@pytest.mark.parametrize("way", ["the table", "a link to it", "the points"])
def test_what_is_embedded_is_not_overwritten(wide, points, tmp_path, way):
    out = wide if way == "the table" else points
    if way == "a link to it":
        out = tmp_path / "link.parquet"
        out.symlink_to(wide)
    before = out.read_bytes()
    more = ("--points", points) if way == "the points" else ("--dates", ",".join(DATES))
    result = call(tmp_path / "town.npz" if way == "the points" else wide, out, *more)
    assert result.exit_code == 2
    assert f"--out {out} is what is embedded, and would be lost; give another name" in result.output
    assert out.read_bytes() == before


@pytest.mark.case("tables")
def test_a_table_of_points_is_told_how_to_become_geojson(points, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("town.npz", "out.csv", "--points", "points.csv")
    assert result.exit_code == 2
    exec(re.search("`(.*)`", result.output)[1], {})
    assert call("town.npz", "out.csv", "--points", "points.geojson").exit_code == 0
    assert pd.read_csv("out.csv")["name"].tolist() == ["a"]


@pytest.mark.case("H28")
def test_what_a_terminal_obeys_does_not_reach_it(points, tmp_path):
    path = tmp_path / "town.npz"
    with np.load(path) as file:
        np.savez(path, **{**file, "notes": np.array(["\x1b]0;title\x07\x1b[2J"])})
    _, lon, lat = points.read_text().split("\n")[1].split(",")
    there = {"type": "Point", "coordinates": [float(lon), float(lat)]}
    (tmp_path / "p.geojson").write_text(json.dumps(there))
    for more in (["--points", tmp_path / "p.geojson"], ["--points", "\x1b[2Jx"]):
        result = call(path, tmp_path / "out.csv", *more)
        assert not set(result.output) & set("\x1b\x07")
        assert "\ufffd" in result.output
