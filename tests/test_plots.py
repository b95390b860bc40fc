"""Figures of awkward samples: not square, with gaps, with many bands left out."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from olmoearth_nb import TOKENIZATIONS, Sample, Tokenization, encoder_cost, plots, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded


@pytest.fixture
def figures(monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    yield shown
    plt.close("all")


def cut(height, width, hole=False):
    full = load_embedded("forest")
    image = full.images["sentinel2_l2a"][:height, :width].copy()
    if hole:
        image[2:12, 2:12] = MISSING
    return Sample({"sentinel2_l2a": image}, full.timestamps)


@pytest.mark.parametrize("size", [(64, 32), (16, 64)])
def test_grid_of_a_non_square_image(figures, size):
    plots.show_patch_grid(cut(*size), 8, size[0] // 16, size[1] // 16)
    left = figures[0].axes[0]
    assert left.get_xlim() == (-0.5, size[1] - 0.5)
    assert left.get_ylim() == (size[0] - 0.5, -0.5)


def test_gaps_are_grey_and_do_not_stretch_the_picture(figures):
    whole, holed = plots.true_colour(cut(64, 64)), plots.true_colour(cut(64, 64, hole=True))
    assert (holed[2:12, 2:12] == 0.6).all()
    assert np.abs(holed[20:] - whole[20:]).max() < 0.1
    plots.show_patch_grid(cut(64, 64, hole=True), 8, 1, 1)
    assert figures[0].axes[1].get_ylim()[1] < 20_000


@pytest.mark.parametrize("bands", ["B02 B03 B04", "B09"])
def test_every_band_is_inside_the_figure(figures, bands):
    few = Tokenization("few", {"sentinel2_l2a": [bands]})
    plots.show_tokens(cut(64, 64), [few, TOKENIZATIONS["per_band"]], row=1, column=1)
    for ax in figures[0].axes:
        assert len(ax.images) == 12
        assert max(image.get_extent()[1] for image in ax.images) < ax.get_xlim()[1]
    assert len(set(plots.GROUP_COLOURS)) >= 12


def test_costs_are_sorted(figures):
    costs = {name: encoder_cost(size_config("nano", name), (64, 64, 1), 8) for name in TOKENIZATIONS}
    plots.show_costs(costs, "t")
    names = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert names[-1] == "per_band"
    assert set(names[:2]) == {"v1.1", "croma"}
