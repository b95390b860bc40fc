"""The page of claims is what its script makes of the committed tables."""

from pathlib import Path

import pytest

from olmoearth_nb.comparison.ladder import Measured
from olmoearth_nb.evaluation.intervals import Interval

SCRIPT = "claims"


def row(value, p):
    return Measured("r1", "difference", "a - b", "s", "", "8 samples", 5, Interval(value, -0.1, 0.1), p, 0.12)


def test_the_page_is_up_to_date(script):
    page = Path(__file__).parents[2] / "docs" / "claims.md"
    assert page.read_text(encoding="utf8") == script.page(), "run python benchmarks/claims.py"


@pytest.mark.parametrize(
    ("value", "p", "verdict"),
    [(-0.1, 0.01, "shown"), (0.1, 0.01, "opposite"), (-0.1, 0.2, "not shown; 12 points would be")],
)
def test_a_verdict_follows_from_the_row(script, value, p, verdict):
    assert script.judged(row(value, p), -1) == verdict


def test_what_was_not_run_is_said(script):
    assert script.judged(None, 1) == "not run yet"
