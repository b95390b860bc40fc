"""What is known today: tables that say what their sources say, and a figure of them."""

import re
from pathlib import Path

import pytest

from olmoearth_nb.io.shipped import published
from olmoearth_nb.plots import today

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def lines_of(source):
    return (RESULTS / Path(source).name).read_text(encoding="utf8").splitlines()


def test_long_models_are_those_of_the_results_page():
    recipes = ["v1", "naive", "v1.1"]
    for row in published("long_models"):
        line = next(line for line in lines_of(row["source"]) if line.startswith(f"| {row['task']} |"))
        cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
        first = 1 + 3 * recipes.index(row["recipe"])
        assert cells[first] == row["accuracy"]
        assert re.findall(r"-?[\d.]+", cells[first + 2]) == [row["gain"], row["low"], row["high"]]


def test_wrongly_labelled_sets_come_first_and_are_named():
    assert list(today.elsewhere())[:2] == ["m-eurosat (wrong labels)", "benv2"]


def test_what_was_not_measured_is_no_number():
    assert today.milliseconds("base", "v1", (64, 64, 1)) == 592.3
    for shape in ((64, 64, 2), (64, 32, 1)):
        with pytest.raises(ValueError, match=r"was not measured on \(64, .*measured are"):
            today.milliseconds("base", "v1", shape)
    with pytest.raises(ValueError, match="no table 'x'; there are cards, encoder_ms, "):
        published("x")


def test_the_figure_marks_what_has_wrong_labels(figures):
    today.show_today({"tokens": {"nano": 3.0, "tiny": 3.0, "base": 3.0}, "MACs": {"base": 3.2}})
    saved, here, elsewhere = figures[0].axes
    assert [label.get_text() for label in saved.get_yticklabels()] == ["tokens", "MACs"]
    assert len(saved.collections) == 4
    assert {text.get_text() for text in here.get_legend().get_texts()} == {"v1", "naive", "v1.1"}
    labels = [label.get_text() for label in elsewhere.get_yticklabels()]
    assert [label for label in labels if "wrong labels" in label] == labels[:1]
    hollow = [not len(marks.get_facecolor()) for marks in elsewhere.collections]
    assert hollow == [True] * 3 + [False] * (len(hollow) - 3)
