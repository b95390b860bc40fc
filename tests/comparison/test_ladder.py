"""The reader of the ladder's table."""

import math

import pytest

from olmoearth_nb.comparison.ladder import final_budget, ladder, one
from olmoearth_nb.io.shipped import published


def test_primary_comparisons_that_were_run_have_numbers():
    rows = {row.what[:2]: row for row in ladder(part="primary")}
    assert {"P1", "P2", "P3", "P4"} <= set(rows)
    for row in rows.values():
        assert row.interval.low < row.interval.value < row.interval.high
        assert row.found == (row.p_holm < 0.05)
        assert row.seeds == 5


def test_a_primary_comparison_is_that_of_the_table_of_its_part():
    (primary,) = [row for row in ladder(part="primary") if row.what.startswith("P1")]
    same = one(
        part="r1", kind="difference", what="naive - v1", score=primary.score, names="content", budget=primary.budget
    )
    assert same.interval == primary.interval
    assert same.p_holm >= primary.p_holm  # a larger family


def test_samples_are_those_of_trainings_alone():
    counts = {row.budget: row.samples for row in ladder(part="r1", kind="score")}
    assert counts["untrained"] == counts["floor"] == 0
    assert max(counts, key=counts.get) == final_budget("r1") == "65536 samples"
    assert all(math.isnan(row.p_holm) for row in ladder(part="r1", kind="score"))


def test_what_is_asked_wrongly_is_said():
    with pytest.raises(ValueError, match="the ladder has no arm; its columns are part, kind, "):
        ladder(arm="v1")
    with pytest.raises(ValueError, match="0 rows of the ladder are"):
        one(part="r9")


def test_an_unknown_table_is_named_with_those_that_are_there():
    with pytest.raises(ValueError, match="no table 'x'; there are cards, finetune, "):
        published("x")
