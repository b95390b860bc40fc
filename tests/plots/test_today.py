"""What is known today: tables that say what their sources say, and a figure of them."""

from pathlib import Path

import pytest

from olmoearth_nb.io.shipped import published
from olmoearth_nb.plots import today

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def lines_of(source):
    return (RESULTS / Path(source).name).read_text(encoding="utf8").splitlines()


def test_wrongly_labelled_sets_come_first_and_are_named():
    assert list(today.elsewhere())[:2] == ["m-eurosat (wrong labels)", "benv2"]


def test_what_was_not_measured_is_no_number():
    assert today.milliseconds("base", "v1", (64, 64, 1)) == 592.3
    for shape in ((64, 64, 2), (64, 32, 1)):
        with pytest.raises(ValueError, match=r"was not measured on \(64, .*measured are"):
            today.milliseconds("base", "v1", shape)
    with pytest.raises(ValueError, match="no table 'x'; there are cards, encoder_ms, "):
        published("x")
