"""Figures of what cheaper means say what their numbers say."""

import pytest

from olmoearth_nb.comparison.roofline import REST, Part
from olmoearth_nb.comparison.speed import AXES, GROWN, OURS, REFERENCE, Law, Measured, Spread
from olmoearth_nb.plots.speed import show_counted, show_days, show_growth, show_roofline, show_savings


def test_bars_are_the_ratios_and_what_is_unknown_has_none(figures):
    three, time = Spread(3, 3, 3), Spread(1.5, 2, 2.5)
    senses = {"tokens": {OURS: three}, "MACs": {OURS: three}, "time": {OURS: time, REFERENCE: three}}
    show_savings({"nano": senses, "base": {"tokens": {OURS: three}}}, "x")
    nano, base = figures[0].axes
    assert [bar.get_width() for bar in nano.patches] == [3, 3, 2, 3]
    assert [bar.get_width() for bar in base.patches] == [3]
    assert [label.get_text() for label in nano.get_yticklabels()] == ["tokens", "MACs", "memory", "time"]


def test_the_drawing_says_what_is_not_counted(figures):
    show_counted()
    texts = [text.get_text() for text in figures[0].axes[0].texts]
    assert texts.count("not counted") == 3
    assert {"3 D²", "2 D N", "D²", "8 D²"} <= set(texts)


def test_growth_has_points_a_law_and_the_count(figures):
    law = Law(2.0, 30.0, 20.0)
    rows = [
        Measured("nano", version, OURS, setting, (law.milliseconds(setting.cost("nano", version)),), 0, 0, 0, "here")
        for version in ("v1", "v1.1")
        for setting in GROWN
    ]
    show_growth(rows, {"v1": law, "v1.1": law}, "x")
    for ax, settings in zip(figures[0].axes, AXES.values(), strict=True):
        points, solid, dotted = ax.lines[0], ax.lines[1], ax.lines[2]
        assert points.get_ydata() == pytest.approx(solid.get_ydata())  # these times are the law's own
        assert dotted.get_linestyle() == ":"
        assert max(dotted.get_ydata()) == pytest.approx(max(solid.get_ydata()))
        assert min(dotted.get_ydata()) < min(solid.get_ydata())
        assert len(points.get_xdata()) == len(settings)
    assert figures[0].axes[2].xaxis_inverted()


def test_parts_lie_under_the_roof_and_fill_their_bars(figures):
    parts = {"MLP": Part(8e9, 1e8, 0.3), "attention": Part(2e9, 1e8, 0.1), REST: Part(0, 1, 0.1)}
    show_roofline({"v1": parts}, peak=3e10, copied=1e10)
    roof, bars = figures[0].axes
    marked = [line.get_xydata()[0].tolist() for line in roof.lines if len(line.get_xdata()) == 1]
    assert marked == [[80.0, pytest.approx(8 / 0.3)], [20.0, pytest.approx(20)]]
    assert max(roof.lines[0].get_ydata()) == 30
    widths = [bar.get_width() for bar in bars.patches]
    assert widths == pytest.approx([0.8, 0.2, 0, 0.6, 0.2, 0.2])


def test_days_say_how_many_times(figures):
    show_days({"here": {"v1": 30.0, "v1.1": 10.0}}, "x")
    assert [text.get_text() for text in figures[0].axes[0].texts] == ["3.0x"]
