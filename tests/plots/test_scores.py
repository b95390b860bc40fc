"""The figure of an evaluation shows every arm where its score is."""

import pytest

from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.plots.scores import plot_scores


def test_dots_intervals_and_lines():
    arms = {"one": Interval(0.7, 0.6, 0.8), "random": Interval(0.5, 0.4, 0.6), "statistics": Interval(0.65, 0.6, 0.7)}
    other = {**arms, "one": Interval(0.4, 0.3, 0.5)}
    panels = {("content", "kNN-5"): arms, ("content", "linear"): arms, ("published", "kNN-5"): other}
    panels["published", "linear"] = arms
    drawing = plot_scores(panels, ["random"], ["statistics"], "accuracy, twin")
    assert len(drawing.axes) == 4
    dots = {}
    for axes in drawing.axes:
        lines = [(line.get_xdata(), line.get_markerfacecolor(), line.get_marker()) for line in axes.lines]
        dots[axes.get_title()] = [x[0] for x, _, marker in lines if marker == "o"]
        assert sum(list(x) == [0.65, 0.65] for x, *_ in lines) == 1
        assert [face for _, face, marker in lines if marker == "o"][1] == "white"
    assert dots["kNN-5, names: content"] == pytest.approx([0.7, 0.5])
    assert dots["kNN-5, names: published"] == pytest.approx([0.4, 0.5])
    assert [text.get_text() for text in drawing.axes[0].get_yticklabels()] == ["one", "random"]
    assert drawing.axes[-1].get_xlabel() == "accuracy, twin"
    assert [text.get_text() for text in drawing.legends[0].get_texts()] == ["statistics"]
