"""The figure of a card shows each score where it is, for one model in detail, for several side by side."""

import numpy as np
import pytest

from olmoearth_nb.evaluation.card import RAW, SENSOR, Card
from olmoearth_nb.evaluation.intervals import Resampled
from olmoearth_nb.evaluation.questions import WEIGHT, Question
from olmoearth_nb.plots.card import BANDS, LIMITS, plot_cards

QUESTIONS = (
    *(Question("bands", "mean"), Question("own parts", "mean"), Question("B04", "band"), Question("B02", "band")),
    *(Question("own part of B04", "own part"), Question("NDVI", "index"), Question("month", "month"), WEIGHT, SENSOR),
)


def card(models, data="here", below=False):
    twins = {f"random, as {name}": (name,) for name in models}
    scores = {}
    for place, name in enumerate([*models, *twins, RAW]):
        for layer in [RAW] if name == RAW else ["tokens", "norm"]:
            for number, question in enumerate(QUESTIONS):
                if name == RAW and question is SENSOR:
                    continue
                value = -3.0 if below else 0.1 * place + 0.05 * number + 0.01 * (layer == "norm")
                drawn = value + np.random.default_rng(0).normal(0, 0.02, (1, 1, 50))
                scores[name, layer, question.name] = Resampled(np.full((1, 1), value), drawn, 9)
    sources = {name: "model" for name in models} | {name: "random" for name in twins} | {RAW: RAW}
    return Card(data, "sentinel2_l2a", QUESTIONS, sources, twins, scores, ())


def dots(axes, fill=None):
    """x of the marks, filled or hollow."""
    marks = [line for line in axes.lines if line.get_marker() in ("o", "<")]
    return [float(line.get_xdata()[0]) for line in marks if (line.get_markerfacecolor() == "white") != (fill is True)]


def test_one_model_in_detail():
    drawing = plot_cards([card(["m"]), card(["m"], "there")])
    bands, parts, others, strip = drawing.axes[:4]
    assert [text.get_text() for text in bands.get_yticklabels()] == ["B02", "B04"], "in the order of wavelengths"
    assert dots(bands, True) == pytest.approx([0.05 * 3 + 0.01, 0.05 * 2 + 0.01])
    assert dots(bands, False) == pytest.approx([0.1 + 0.05 * 3 + 0.01, 0.1 + 0.05 * 2 + 0.01])
    assert [text.get_text() for text in parts.get_yticklabels()] == ["B04"]
    assert [text.get_text() for text in others.get_yticklabels()] == ["NDVI", "month", "weight of month", "sensor"]
    raw = [float(line.get_xdata()[0]) for line in others.lines if line.get_color() == BANDS]
    assert raw == pytest.approx([0.2 + 0.05 * number for number in (5, 6, 7)])
    assert not [line for line in bands.lines if line.get_color() == BANDS], "raw bands are the question"
    assert [text.get_text() for text in strip.get_xticklabels()] == ["tokens", "norm"]
    assert strip.texts[0].get_text() == "0.00"
    assert strip.texts[1].get_text() == "0.01"
    assert drawing.axes[4].get_ylabel() == "there"
    assert {text.get_text() for text in drawing.legends[0].get_texts()} == {"model", "random initialisation", RAW}


def test_several_models_side_by_side():
    drawing = plot_cards([card(["m", "n"]), card(["m", "n"], "there")])
    titles = [axes.get_title() for axes in drawing.axes]
    assert titles[:6] == ["bands", "own parts", "NDVI", "month", "weight of month", "sensor"]
    assert len(titles) == 12
    first = drawing.axes[0]
    assert [text.get_text() for text in first.get_yticklabels()] == ["m", "n"]
    assert dots(first, True) == pytest.approx([0.01, 0.11])
    assert dots(first, False) == pytest.approx([0.21, 0.31])
    month = drawing.axes[3]
    assert [line.get_xdata()[0] for line in month.lines if line.get_color() == BANDS] == pytest.approx([0.4 + 0.05 * 6])


def test_far_below_zero_is_drawn_at_the_edge():
    axes = plot_cards([card(["m"], below=True)]).axes[0]
    assert dots(axes) == [LIMITS[0]] * len(dots(axes))
    assert {line.get_marker() for line in axes.lines} == {"<", "None"}
