"""Figures of interactions show each value in its place."""

import numpy as np
import pytest

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.insight.interactions import ShapleyInteraction
from olmoearth_nb.insight.players import Players
from olmoearth_nb.plots.interactions import show_pairs, show_stages, show_synergy

BANDS, RESOLUTIONS = Players.each_band(), Players.by_resolution()


def test_bands_stand_by_wavelength(figures):
    matrix = np.arange(144.0).reshape(12, 12)
    show_pairs({"one": matrix, "other": 2 * matrix}, BANDS)
    left, right, _ = figures[0].axes
    order = sorted(range(12), key=lambda i: SENTINEL2.bands[i].centre)
    drawn = left.images[0].get_array()
    assert np.isnan(np.diag(drawn.filled(np.nan))).all()
    assert drawn[2, 5] == matrix[order[2], order[5]]
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 2 * matrix[11, 10])
    assert [text.get_text() for text in left.get_xticklabels()] == [SENTINEL2.band_names[i] for i in order]
    assert left.get_yticklabels()[0].get_text() == "B01  443"
    grounds = [text.get_bbox_patch().get_facecolor() for text in left.get_xticklabels()]
    assert len(set(grounds)) == 3
    show_pairs({"signed": matrix - 70}, BANDS)
    low, high = figures[1].axes[0].images[0].get_clim()
    assert low == -high


def test_synergy_above_and_redundancy_below(figures):
    values = np.zeros((2, 8))
    values[:, 3] = values[:, 7] = (1, -1)  # 10 m and 20 m together, whichever way
    values[0, 6] = 5
    found = ShapleyInteraction(RESOLUTIONS, values)
    show_synergy(found, "logit")
    drawn = figures[0].axes[0].images[0].get_array()
    order = [0, 2, 1]  # by wavelength: 10 m, 60 m, 20 m
    assert drawn[0, 2] == pytest.approx(found.synergy[order[0], order[2]])
    assert drawn[2, 0] == pytest.approx(-found.redundancy[order[0], order[2]])


def test_stages_beside_untrained_twins(figures):
    found = [Interval(value, value - 0.05, value + 0.05) for value in (0.1, 0.3)]
    show_stages({"v1": found, "mine": found}, {"v1": [Interval(0.1, 0.0, 0.2)] * 2}, ("tokens", "norm"))
    left, right = figures[0].axes
    assert [len(ax.containers) for ax in (left, right)] == [2, 1]
    assert list(left.containers[0].lines[0].get_ydata()) == [0.1, 0.3]
    assert [text.get_text() for text in left.get_xticklabels()] == ["tokens", "embedding"]
    handles = dict(zip(("trained", "untrained"), figures[0].legends[0].legend_handles, strict=True))
    assert handles["trained"].get_markerfacecolor() == "black", "the colour of no arm"
    assert handles["untrained"].get_markerfacecolor() == "white"
