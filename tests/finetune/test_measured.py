"""The table of label efficiency is read as it was written."""

import pytest

from olmoearth_nb.finetune import measured
from olmoearth_nb.finetune.measured import label_efficiency, worth


def row(kind, curve, count, value, **more):
    known = {"kind": kind, "data": "chips", "curve": curve, "count": str(count), "value": str(value)}
    known |= {"low": str(value - 0.1), "high": str(value + 0.1), "seeds": "5"}
    return known | dict.fromkeys(("p", "p_holm", "detectable", "seconds", "learnt"), "") | more


def test_accuracies_and_differences_are_told_apart(monkeypatch):
    rows = [
        row("accuracy", "LoRA", 10, 0.4, seconds="2.5", learnt="650"),
        row("accuracy", "LoRA", 30, 0.5, seconds="2.5", learnt="650"),
        row("difference", "worth", 10, 0.15, p="0.001", p_holm="0.009", detectable="0.12"),
        row("difference", "worth", 30, -0.15, p="0.001", p_holm="0.009", detectable="0.12"),
        row("difference", "worth", 100, 0.05, p="0.04", p_holm="0.2", detectable="0.12"),
    ]
    monkeypatch.setattr(measured, "published", lambda name: rows)
    curve = label_efficiency()["chips"]["LoRA"]
    assert [point.count for point in curve] == [10, 30]
    assert (curve[0].interval.value, curve[0].seconds, curve[0].learnt, curve[0].seeds) == (0.4, 2.5, 650, 5)
    assert curve[1].interval.high == pytest.approx(0.6)
    (family,) = worth()["chips"].values()
    assert [point.finding for point in family] == [
        "larger",
        "smaller",
        "not seen; 0.120 would be, with a power of 80%",
    ]
