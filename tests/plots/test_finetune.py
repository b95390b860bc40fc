"""Figures of fine-tuning say what their numbers say."""

from dataclasses import replace

import numpy as np
import pytest

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.load import load_embedded
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.finetune.measured import Point
from olmoearth_nb.plots.finetune import (
    DIFFERENCES,
    SHOWN,
    show_cost,
    show_curves,
    show_live,
    show_told,
    show_ways,
    show_worth,
)


def points(first):
    """Three points of a curve that begins there."""
    return [
        Point(count, Interval(first + k / 10, first + k / 10 - 0.05, first + k / 10 + 0.05), 5, 2.0 + k, 100 * (1 + k))
        for k, count in enumerate((10, 30, 100))
    ]


CURVES = {
    "chips": {"image statistics": points(0.2), "pretrained, full": points(0.5)},
    "world": {"image statistics": points(0.1)},
}


def test_curves_have_their_numbers_and_names(figures):
    show_curves(CURVES)
    chips, world = figures[0].axes
    assert [ax.get_title() for ax in (chips, world)] == ["chips", "world"]
    assert [label.get_text() for label in figures[0].legends[0].get_texts()] == ["image statistics", "pretrained, full"]
    heights = [bars.lines[0].get_ydata() for bars in chips.containers]
    assert heights[1] == pytest.approx([0.5, 0.6, 0.7])
    assert chips.containers[0].lines[0].get_color() == SHOWN["image statistics"][0]
    assert [tick for tick in chips.get_xticks()] == [10, 30, 100]
    assert world.containers[0].lines[0].get_xdata() == pytest.approx([10, 30, 100], rel=0.1)


def test_differences_are_filled_where_they_were_found(figures):
    first, second = list(DIFFERENCES)[:2]
    clear = [replace(point, p=0.01) for point in points(-0.1)]
    show_worth({"chips": {first: clear, second: points(0.2)}, "world": {first: points(0.3)}})
    chips, world = figures[0].axes
    shown = [line for line in chips.lines if len(line.get_xdata()) == 1]
    assert [line.get_ydata()[0] for line in shown] == pytest.approx([-0.1, 0, 0.1, 0.2, 0.3, 0.4])
    assert [line.get_markerfacecolor() != "white" for line in shown] == [True] * 3 + [False] * 3
    assert [list(line.get_ydata()) for line in chips.lines if len(line.get_xdata()) == 2] == [[0, 0]]
    assert len(figures[0].legends[0].get_texts()) == 2
    assert chips.get_ylim() == world.get_ylim()


def test_ways_show_rates_and_what_stands_still(figures):
    show_ways()
    (ax,) = figures[0].axes
    shown = [text.get_text() for text in ax.texts]
    assert [shown.count(text) for text in ("frozen", "1", "0.1", "B A")] == [4 + 4 + 1, 4, 5, 3]
    assert {"0.65", "0.42", "0.27"} <= set(shown)


def test_cost_stands_where_it_was_measured(figures):
    show_cost(CURVES["chips"], 30)
    learnt, seconds = figures[0].axes
    assert [line.get_xdata()[0] for line in learnt.lines] == [200, 200]
    assert [line.get_xdata()[0] for line in seconds.lines] == [3.0, 3.0]
    assert [line.get_ydata()[0] for line in learnt.lines] == pytest.approx([0.3, 0.6])


def test_live_scores_and_chance(figures):
    show_live({"random, frozen": {10: 0.2, 100: 0.4}}, chance=0.15)
    (ax,) = figures[0].axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.2, 0.4], [0.15, 0.15]]


def test_what_pixels_are_told(figures):
    sample, told = load_embedded("town").window(0, 0, 8), np.full((8, 8, 3), 0.1)
    told[:4, :, 2] = told[4:, :, 1] = 0.8
    told[0, 0] = np.nan
    show_told(sample, told, ("sea", "land", "ice"))
    _, classes, sure, _ = figures[0].axes
    assert [text.get_text() for text in classes.get_legend().get_texts()] == ["land", "ice"]
    shown = classes.images[0].get_array()
    assert (shown[4, 0], shown[0, 1]) == (1, 2)
    assert shown.mask[0, 0]
    assert sure.images[0].get_array()[3, 3] == pytest.approx(0.8)
    assert MISSING < 0
