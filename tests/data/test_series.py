"""Series of many pixels: arrays, wide and long tables say the same; wrong ones are errors; one warning for all."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from olmoearth_nb import Batch, to_sample, to_samples
from olmoearth_nb.bands import MISSING, SENTINEL2, modality
from olmoearth_nb.data import tables
from olmoearth_nb.io import memory

BANDS = list(SENTINEL2.band_names)
DATES = ["2021-03-01", "2021-05-01", "2021-07-01"]
S2 = "sentinel2_l2a"


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(300, 4000, (70, 3, 12)).astype(np.uint16)


def wide(values, dates=("1", "2", "3")):
    columns = {f"{b}_{d}": values[:, t, c] for c, b in enumerate(BANDS) for t, d in enumerate(dates)}
    return pd.DataFrame(columns | {"crop": np.arange(len(values)) % 4, "NDVI_1": 0.5})


def long(values, dates=DATES):
    rows = [
        {"id": f"p{n}", "when": dates[t], "crop": n % 4, **dict(zip(BANDS, values[n, t], strict=True))}
        for n in range(len(values))
        for t in range(values.shape[1])
    ]
    return pd.DataFrame(rows)


def test_arrays_and_tables_say_the_same(values, tmp_path):
    expected = to_samples(values, BANDS, DATES)
    table, rows = wide(values), long(values)
    table.to_parquet(tmp_path / "wide.parquet")
    rows.sample(frac=1, random_state=0).sort_values("id", kind="stable").to_csv(tmp_path / "long.csv", index=False)
    named = {band: [f"{band}_{t}" for t in (1, 2, 3)] for band in BANDS}
    steps = ("2021-05-01", "2021-03-01", "2021-07-01")
    others = [
        to_samples(table, dates=DATES),
        to_samples(tmp_path / "wide.parquet", dates=DATES),
        to_samples(table, dates=DATES, columns=named),
        to_samples(wide(values[:, [1, 0, 2]], steps)),  # steps that are dates, in another order
        to_samples(rows, dates="when", pixel="id"),
    ]
    for found in others:
        assert np.array_equal(found.images[S2], expected.images[S2])
        assert np.array_equal(found.timestamps, expected.timestamps)
    shuffled = to_samples(str(tmp_path / "long.csv"), dates="when", pixel="id", labels=["id", "crop"])
    number = [int(name[1:]) for name in shuffled.labels["id"]]
    assert np.array_equal(shuffled.images[S2], expected.images[S2][number])
    assert np.array_equal(shuffled.labels["crop"], np.array(number) % 4)


@pytest.mark.case("friction 4")
def test_each_pixel_is_what_to_sample_makes_of_it(values):
    series = to_samples(values, BANDS, DATES, title="fields")
    assert len(series) == 70
    assert series.modalities == (S2,)
    alone = to_sample(values[7][None, None], BANDS, DATES)
    assert np.array_equal(series[7].images[S2], alone.images[S2])
    assert series[7].dates == alone.dates
    assert series[-1].title == "fields, pixel 69"
    assert len(list(series)) == 70
    by_samples = Batch.from_samples([series[i] for i in (3, 1)])
    batch = series.batch([3, 1], (S2,))
    assert torch.equal(batch.images[S2], by_samples.images[S2])
    assert torch.equal(batch.timestamps, by_samples.timestamps)
    some = series.select(np.arange(70) % 2 == 1)
    assert np.array_equal(some.images[S2], series.images[S2][1::2])
    assert len(series.select(slice(5))) == 5
    with pytest.raises(ValueError, match="pixels has no sentinel1; it has sentinel2_l2a"):
        to_samples(values, BANDS, DATES).batch([0], ("sentinel1",))


def test_dates_in_common_or_of_each_pixel(values):
    odd = np.arange(70) % 2
    starts = np.array(["2019-01", "2021-07"], "datetime64[M]")[odd]
    each = to_samples(values, BANDS, starts[:, None] + np.arange(3))
    assert each[0].dates == ["2019-01-01", "2019-02-01", "2019-03-01"]
    assert each[1].dates == ["2021-07-01", "2021-08-01", "2021-09-01"]
    again = to_samples(values, BANDS, each.timestamps)
    assert np.array_equal(again.timestamps, each.timestamps)
    with pytest.raises(ValueError, match="not those of 35 pixels, first of 1"):
        to_samples(values, BANDS, np.where(odd[:, None, None], each.timestamps[:, ::-1], each.timestamps))
    with pytest.raises(ValueError, match=r"3 timesteps .* but 2 dates"):
        to_samples(values, BANDS, DATES[:2])
    with pytest.raises(ValueError, match=r"\(N, T\) = \(70, 3\), got \(70, 2\)"):
        to_samples(values, BANDS, np.array(DATES)[None, :2].repeat(70, 0))
    with pytest.raises(ValueError, match="2009-01-01 cannot be the date of such an image"):
        to_samples(values, BANDS, starts[:, None] + np.arange(3) - 120)
    with pytest.raises(ValueError, match="is not a date"):
        to_samples(long(values, (6, 7, 8)), dates="when", pixel="id")


@pytest.mark.case("tables")
@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_signs_between_columns(values, tmp_path, sign):
    long(values).to_csv(tmp_path / "long.csv", index=False, sep=sign)
    found = to_samples(tmp_path / "long.csv", dates="when", pixel="id")
    assert np.array_equal(found.images[S2], to_samples(long(values), dates="when", pixel="id").images[S2])


@pytest.mark.case("tables")
@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        ({"when": "date"}, {}, r"no step: is it .* Then say pixel='id', the column .* row is of; .* id, crop"),
        ({"when": "date"}, {"dates": DATES}, r"say pixel='id', the column"),
        ({"when": "day"}, {}, r"say pixel='id', .* row is of, and dates='day', the column of dates"),
        ({}, {}, r"say pixel='id', .* row is of, and dates='when', the column of dates; .* id, crop"),
        ({}, {"pixel": "id"}, r"no column date; say dates=, its column of dates; it has id, when"),
        ({}, {"dates": "when"}, "goes with a long table: say pixel= as well"),
    ],
)
def test_a_long_table_that_is_not_named_one(values, names, given, message):
    with pytest.raises(ValueError, match=message):
        to_samples(long(values).rename(columns=names), **given)


def renamed(values, name, dates):
    """A wide table whose columns are named by a function of band and step, in alphabetical order."""
    table = pd.DataFrame({name(b, d): values[:, t, c] for c, b in enumerate(BANDS) for t, d in enumerate(dates)})
    return table[sorted(table.columns)]


@pytest.mark.case("columns")
@pytest.mark.parametrize(
    ("twins", "given", "message"),
    [
        (
            {"B02_1_mean": 1, "B02_1_std": 2},
            {"columns": "{band}_{step}_*"},
            "B02_1_mean and B02_1_std are both B02 at 1",
        ),
        ({"B02_1": 1, "B2_01": 2}, {}, "B02_1 and B2_01 are both B02 at 01"),
        ({"B02_mean": 1, "B02_std": 2}, {}, "the steps mean, std of the columns have no order in time"),
        ({"B02_10m": 1, "B02_20m": 2}, {"columns": "{band}_*", "pixel": "id"}, "B02_10m and B02_20m are both B02 by"),
    ],
)
def test_two_columns_are_never_one_band_at_one_step(twins, given, message):
    table = pd.DataFrame(twins | {"id": 1, "date": "2021-03-01"}, index=range(3))
    dates = {} if "pixel" in given else {"dates": DATES[:2]}
    with pytest.raises(ValueError, match=message + ".*columns="):
        to_samples(table, missing_bands="zero", **dates, **given)


@pytest.mark.case("columns")
@pytest.mark.parametrize(
    "steps",
    [
        [f"ts{number}" for number in range(12)],
        [str(number) for number in range(1, 13)],
        "jan feb mar apr may jun jul aug sep oct nov dec".split(),
        "Oct2020 Nov2020 Dec2020 Jan2021 Feb2021 Mar2021 Apr2021 May2021 Jun2021 Jul2021 Aug2021 Sep2021".split(),
        "october november december january february march april may june july august september".split(),
        [f"2020-{month:02d}" for month in range(1, 13)],
        [f"2020{month:02d}15" for month in range(1, 13)],
    ],
    ids="ts numbers jan years names 2020-01 20200115".split(),
)
def test_steps_go_by_time_and_not_by_the_alphabet(steps):
    values = np.random.default_rng(1).integers(300, 4000, (5, 12, 12)).astype(np.uint16)
    first = np.datetime64("2020-10") if steps[0].lower().startswith("oct") else np.datetime64("2020-01")
    dates = [f"{month}-15" for month in first + np.arange(12)]
    pixels = to_samples(renamed(values, lambda b, d: f"{b}_{d}", steps), dates=dates)
    assert np.array_equal(pixels.images[S2], to_samples(values, BANDS, dates).images[S2])
    assert any(f"{steps[3]} as {dates[3]}" in note for note in pixels.notes)


@pytest.mark.case("columns")
@pytest.mark.parametrize(
    "steps",
    [DATES, ["2021-03", "2021-05", "2021-07"], ["mar", "may", "jul"], ["mar2021", "may2021", "jul2021"]],
)
def test_dates_that_contradict_the_columns(values, steps):
    table = renamed(values, lambda b, d: f"{b}_{d}", steps)
    assert to_samples(table, dates=DATES)[0].dates == DATES
    wrong = (
        [date.replace("2021", "2019") for date in DATES]
        if "2021" in steps[0]
        else ["2021-05-01", "2021-07-01", "2021-09-01"]
    )
    for dates in (wrong, np.array(wrong)[None].repeat(70, 0)):
        with pytest.raises(
            ValueError, match=r"columns of step \S+ are given the date \S+, which contradicts their name"
        ):
            to_samples(table, dates=dates)


@pytest.mark.case("columns")
@pytest.mark.parametrize(
    ("name", "steps", "pattern"),
    [
        ("{step}_{band}", "123", "{step}_{band}"),
        ("{step}_{band}", ["t1", "t2", "t3"], "{step}_{band}"),
        ("{step}_{band}", DATES, "{step}_{band}"),
        ("{band}.{step}", "123", "{band}.{step}"),
        ("{band}-{step}", "123", "{band}-{step}"),
    ],
)
def test_a_pattern_that_fits_is_named(values, name, steps, pattern):
    table = renamed(values, lambda b, d: name.format(band=b, step=d), steps)
    with pytest.raises(ValueError, match=f"say columns= \\('{pattern}', which fits"):
        to_samples(table, dates=DATES)
    assert np.array_equal(
        to_samples(table, dates=DATES, columns=pattern).images[S2], to_samples(values, BANDS, DATES).images[S2]
    )


@pytest.mark.case("columns")
@pytest.mark.parametrize(("text", "shown"), [("0,123", "0,123"), ("1,234.5", "1,234.5"), ("n/a ", "n/a ")])
def test_text_in_a_column_is_shown_with_what_to_do(values, text, shown):
    table = wide(values).astype({"B03_1": object})
    table.loc[4, "B03_1"] = text
    with pytest.raises(ValueError, match=rf"column B03_1 holds text, such as '{shown}' \(write 1234\.5"):
        to_samples(table, dates=DATES)


@pytest.mark.case("dates")
@pytest.mark.parametrize("twice", [["2021-03-01", "20210301"], ["2021-03-01T10:00", "2021-03-01T11:00"]])
def test_one_day_in_two_spellings_is_one_day(values, twice):
    with pytest.raises(ValueError, match="pixel p0 has 2021-03-01 twice"):
        to_samples(long(values, [*twice, "2021-07-01"]), dates="when", pixel="id")


@pytest.mark.case("words")
def test_what_was_given_is_shown_in_plain_words(values):
    table, names = wide(values), np.array(BANDS[:2])
    for call, message in (
        (lambda: to_samples(values, names, DATES), r"bands=\['B02', 'B03'\]"),
        (lambda: to_samples(values, BANDS, DATES, labels=np.array(["crop"])), r"got \['crop'\]"),
        (lambda: to_samples(table, dates=DATES, labels={"crop": values}), r"in a list, got \['crop'\]"),
        (lambda: to_samples(values, BANDS, DATES[:1]), r"3 timesteps \(axis 1 of \(70, 3, 12\)\), but 1 date$"),
        (lambda: to_samples(values, BANDS, np.array(["01/01/2023", *DATES[1:]])), "^'01/01/2023' is not a date"),
        (lambda: to_samples(values, BANDS, DATES).join("x"), "joined with pixels of to_samples, got str"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.case("friction 4")
def test_gaps_are_missing_in_every_form(values):
    holes = values.copy()
    holes[4, 1] = 65535
    table = wide(values).drop(columns="NDVI_1").astype("Int64")
    table.loc[4, [f"{band}_2" for band in BANDS]] = pd.NA
    short = long(values).drop(index=4 * 3 + 2)  # pixel 4 has two dates, the others three
    valid = np.ones((70, 3), bool)
    valid[4, 1] = False
    for series in (
        to_samples(holes, BANDS, DATES, nodata=65535),
        to_samples(table, dates=DATES),
        to_samples(values, BANDS, DATES, valid=valid),
        to_samples(np.ma.MaskedArray(values, holes == 65535), BANDS, DATES),
    ):
        image = series.images[S2]
        assert (image[4, 1] == MISSING).all()
        assert (image == MISSING).sum() == 12
        assert any("0.5% of the Sentinel-2 L2A values" in note for note in series.notes)
    ragged = to_samples(short, dates="when", pixel="id")
    assert (ragged.images[S2][4, 2] == MISSING).all()
    assert ragged[4].dates == [*DATES[:2], DATES[1]], "what lies behind the end repeats its date"
    nothing = values.copy()
    nothing[9] = 0
    assert to_samples(nothing, BANDS, DATES).seen.tolist() == [i != 9 for i in range(70)]


def test_radar_is_converted_as_the_caller_says_and_joined(values):
    stored = np.full((70, 3, 2), 3000, np.uint16)
    stored[0, 0] = 65535  # no data, named by nobody
    stored[1, 0] = 0
    radar = to_samples(stored, ["VV", "VH"], DATES, modality_name="sentinel1", decibel=(20, -83))
    found = radar.images["sentinel1"]
    assert np.allclose(found[2], 20 * np.log10(3000) - 83)
    assert (found[:2, 0] == MISSING).all()
    both = to_samples(values, BANDS, DATES, labels={"crop": np.arange(70)}).join(radar)
    assert both[5].modalities == (S2, "sentinel1")
    assert both.batch([2]).images["sentinel1"].shape == (1, 1, 1, 3, 2)
    assert both.labels["crop"][5] == 5
    with pytest.raises(ValueError, match="both have sentinel1"):
        both.join(radar)
    with pytest.raises(ValueError, match="the same dates in the same order"):
        both.join(to_samples(np.full((70, 3, 11), 9000), modality("landsat").band_names, ["2020-01-01", *DATES[1:]],
                             modality_name="landsat"))  # fmt: skip
    with pytest.raises(ValueError, match="amplitudes as stored"):
        to_samples(stored, ["VV", "VH"], DATES, modality_name="sentinel1", nodata=[65535, 0])
    with pytest.raises(ValueError, match="decibel= is for Sentinel-1"):
        to_samples(values, BANDS, DATES, decibel=(20, -83))


@pytest.mark.case("friction 4")
def test_one_warning_for_all(values):
    """Of data that are fed to the wrong level, of bands that are filled, and of numbers that contradict their names."""
    lit = np.full((200, 3, 12), 3000, np.uint16)
    lit[..., BANDS.index("B09")] = 900
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        to_samples(lit, BANDS, DATES, level="L1C")
        to_samples(lit[..., :4], BANDS[:4], DATES, missing_bands="zero")
        odd = to_samples(lit, BANDS, DATES)
    texts = [str(one.message) for one in heard]
    assert len(texts) == 3
    assert "top-of-atmosphere data (L1C)" in texts[0]
    assert "8 of 12 bands are filled" in texts[1]
    assert "B09 is far below B8A" in texts[2]
    assert {one.filename for one in heard} == {__file__}
    assert any("B09 is far below B8A" in note for note in odd[150].notes), "every pixel keeps the note"


@pytest.mark.case("5")
@pytest.mark.parametrize(("unit", "odd"), [(100, [3]), (1e4, [3]), (100, [0, 5, 6])])
def test_single_pixels_in_another_unit(values, unit, odd):
    mixed = values.astype(float)
    mixed[odd] = (mixed[odd] + 0.3) / unit
    count = "1 pixel of 70 looks" if len(odd) == 1 else "3 pixels of 70 look"
    with pytest.raises(ValueError, match=f"{count} like percent or reflectance.*first of {odd[0]}, counted from 0"):
        to_samples(mixed, BANDS, DATES)
    dark = values.astype(float)
    dark[odd] = np.rint(dark[odd] / 100)  # whole numbers may be of very dark water
    assert len(to_samples(dark, BANDS, DATES)) == 70
    means = dark + 0.25
    assert len(to_samples(means, BANDS, DATES)) == 70


@pytest.mark.case("1")
def test_fill_values_of_pixels_are_missing(values):
    holes = values.astype(np.int16)
    holes[3, 1] = -9999
    assert (to_samples(holes, BANDS, DATES).images[S2][3, 1] == MISSING).all()
    wrong = values.astype(np.float32)
    wrong[3, 1] = -5000
    with pytest.raises(ValueError, match="12 Sentinel-2 L2A values are impossible"):
        to_samples(wrong, BANDS, DATES)


WRONG = {
    "one pixel": (lambda v: to_samples(v[0], BANDS, DATES), r"one pixel is data\[None\]"),
    "no names": (lambda v: to_samples(v, None, DATES), "a name in bands= for each of the C bands"),
    "text": (lambda v: to_samples(v.astype(str), BANDS, DATES), "numbers, got <U"),
    "NaN in an array": (lambda v: to_samples(np.where(v > 3900, np.nan, v), BANDS, DATES), "values are NaN"),
    "no dates": (lambda v: to_samples(v, BANDS), "dates are needed"),
    "reflectance": (lambda v: to_samples(v / 1e4, BANDS, DATES), "say scale='reflectance'"),
    "a list of labels": (lambda v: to_samples(v, BANDS, DATES, labels=["crop"]), "name -> \\(N,\\) values"),
    "labels too few": (lambda v: to_samples(v, BANDS, DATES, labels={"crop": [1]}), "each pixel, 70, got 1 of crop"),
    "not a table": (lambda v: to_samples({"B02": v}), "a DataFrame, or a .parquet or .csv file, got dict"),
    "steps without dates": (lambda v: to_samples(wide(v)), "are 1, 2, 3, not dates"),
    "a step is missing": (lambda v: to_samples(wide(v).drop(columns="B04_2"), dates=DATES), "missing: B04 at 2"),
    "no band": (lambda v: to_samples(wide(v)[["crop"]], dates=DATES), "no column is a band of Sentinel-2 L2A"),
    "a pattern without step": (lambda v: to_samples(wide(v), dates=DATES, columns="{band}"), "{band} and {step}"),
    "text in a column": (lambda v: to_samples(wide(v).assign(B02_1="x"), dates=DATES), "column B02_1 holds"),
    "no such label": (lambda v: to_samples(wide(v), dates=DATES, labels=["kind"]), "no column kind; it has B02_1"),
    "uneven lists": (
        lambda v: to_samples(wide(v), dates=DATES, columns={"B02": ["B02_1"], "B03": ["B03_1", "B03_2"]}),
        "as many columns for each band",
    ),
    "a date twice": (lambda v: to_samples(long(v, [*DATES[:2], DATES[0]]), dates="when", pixel="id"), "has 2021-03-01"),
    "a label that changes": (
        lambda v: to_samples(long(v), dates="when", pixel="id", labels=["when"]),
        "when is not the same in all rows of pixel p0",
    ),
    "too many dates": (
        lambda v: to_samples(
            long(np.repeat(v, 5, 1), pd.date_range("2021-01-01", periods=15)), dates="when", pixel="id"
        ),
        "a pixel has 15 dates; the models take at most 12",
    ),
    "too many dates of each pixel": (
        lambda v: to_samples(np.repeat(v, 5, 1), BANDS, np.array(DATES)[None, :1].repeat(70, 0).repeat(15, 1)),
        "15 dates given; the models take at most 12",
    ),
    "no column of dates": (lambda v: to_samples(long(v), pixel="id"), "no column date"),
    "dates of a long table": (lambda v: to_samples(long(v), dates=DATES, pixel="id"), "are a column of it"),
    "a column without pixel": (lambda v: to_samples(long(v), dates="when"), "say pixel= as well"),
    "bands of a table": (lambda v: to_samples(wide(v), BANDS, DATES), "a table names its bands by columns="),
    "no rows": (lambda v: to_samples(wide(v).iloc[:0], dates=DATES), "has no rows"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_series_are_errors_that_say_what_to_do(case, values):
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        call(values)


def test_wrong_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        to_samples(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"a \.parquet or \.csv file, got 'a\.xlsx'"):
        to_samples(tmp_path / "a.xlsx")
    for name, content in (("a.parquet", b"PAR1 no"), ("b.csv", b"\xff\xfe\x00"), ("c.csv", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} is not a whole"):
            to_samples(tmp_path / name, dates=DATES)


@pytest.mark.case("H22")
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_that_would_not_fit_is_refused_before_it_is_read(values, tmp_path, monkeypatch, suffix):
    table, path = wide(values), tmp_path / f"a{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_csv(path, index=False)
    number = table.size if suffix == ".parquet" else path.stat().st_size // 4
    monkeypatch.setattr(memory, "machine_memory", lambda: 40 * number)
    assert len(to_samples(path, dates=DATES)) == 70
    monkeypatch.setattr(memory, "machine_memory", lambda: 40 * number - 1)
    with pytest.raises(ValueError, match=rf"^a\{suffix} would take about .* of memory, .*; cut it in pieces"):
        to_samples(path, dates=DATES)
    monkeypatch.setattr(tables, "MOST_VALUES", number - 1)
    with pytest.raises(ValueError, match=rf"^a\{suffix} has about .* values, at most {number - 1:,} are read"):
        to_samples(path, dates=DATES)


def test_a_small_parquet_file_of_many_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST_VALUES", 100_000)
    pd.DataFrame({"B02_1": np.zeros(200_000, np.int64)}).to_parquet(tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    with pytest.raises(ValueError, match=r"^a\.parquet has about 200,000 values"):
        to_samples(tmp_path / "a.parquet", dates=DATES[:1])
