"""The benchmark of speed writes whole tables, measures nothing twice, and the page is what its tables say."""

from pathlib import Path
from types import SimpleNamespace

import pretrain_step
import speed
import speed_page

from olmoearth_nb.comparison.speed import COLUMNS, Setting

GIVEN = SimpleNamespace(process=True, shapes=["64x4", "pixel"], samples=[1], seconds=0)


def test_a_case_that_stands_is_not_measured_again(tmp_path, monkeypatch, capsys):
    path, asked = tmp_path / "speed.csv", []

    def measured(size, setting, models, given):
        asked.append(setting)
        return [speed.row(size, "v1", "ours", setting, (1.25, 2.0), given)]

    monkeypatch.setattr(speed, "measure", measured)
    monkeypatch.setattr(speed, "pair", lambda version, size: (version, size))
    speed.measure_cases("nano", path, SimpleNamespace(**{**vars(GIVEN), "shapes": ["pixel"]}))
    speed.measure_cases("nano", path, GIVEN)
    speed.measure_cases("nano", path, GIVEN)
    assert asked == [Setting(1, 12, 1), Setting(64, 1, 4)]
    rows = speed.read_rows(path)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["milliseconds"] for row in rows] == ["1.25 2"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["speed.csv"]
    assert capsys.readouterr().out.count("ms") == 2


def test_a_case_compares_both_implementations(monkeypatch):
    one = Setting(8, 1, 8, 2)
    rows = speed.measure("nano", one, {"v1.1": speed.pair("v1.1", "nano")}, GIVEN)
    assert [row["whose"] for row in rows] == ["reference", "ours"]
    assert all(float(row["difference"]) < 1e-5 for row in rows)
    assert all(int(row["memory"]) > 0 and len(row["milliseconds"].split()) == 3 for row in rows)


def test_precisions_are_timed_in_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "COMPARED", [Setting(16, 1, 4, 2)])
    monkeypatch.setattr("olmoearth_nb.model.precision.multiplies_bfloat16", lambda: True)
    speed.measure_half("nano", tmp_path / "half.csv", GIVEN)
    speed.measure_half("nano", tmp_path / "half.csv", GIVEN)
    rows = speed.read_rows(tmp_path / "half.csv")
    assert [(row["version"], row["whose"]) for row in rows] == [
        (version, name) for version in ("v1", "v1.1") for name in ("32-true", "bf16-mixed")
    ]
    assert all(1e-4 < float(row["difference"]) < 0.05 for row in rows)


def test_a_row_of_training_takes_the_place_of_the_old_one(tmp_path):
    given = SimpleNamespace(process=False, official=False, batch=4)
    for step in (10.0, 20.0):
        times = ([step, step], [40.0, 40.0], [5.0, 5.0])
        made = pretrain_step.row("v1-nano", given, times, (1e-7, 1e-7), ([2.0, 2.0], 100.0))
        pretrain_step.keep(tmp_path / "x.csv", made)
    (kept,) = speed.read_rows(tmp_path / "x.csv")
    cells = [cell.strip() for cell in pretrain_step.line(kept).strip("|").split("|")]
    assert cells[4:10] == ["10.0", "5.0", "0.50", "6.2", "5.0", "1.2"]
    assert len(cells) == pretrain_step.HEAD.splitlines()[0].count(" |")


def test_the_page_is_what_the_tables_say():
    written = speed_page.PAGE.read_text(encoding="utf8").partition(speed_page.MARK)[2]
    assert written == "\n".join(speed_page.lines()) + "\n", "run `python benchmarks/speed_page.py`"


def test_the_readme_has_the_rows_of_the_tables():
    """What the README says of speed is what the committed tables say."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf8")
    rows = list(speed_page.short())
    assert len(rows) == 5
    assert "\n".join(rows) in readme
