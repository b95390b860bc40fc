"""Figures of pretraining: masked views, targets, curves, and what was learnt, of awkward places and runs."""

import numpy as np
import pytest
import torch

from olmoearth_nb import Sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.plots import curves as plots_curves
from olmoearth_nb.plots import learnt as plots_learnt
from olmoearth_nb.plots import masking as plots_masking
from olmoearth_nb.plots.views import masked_views
from olmoearth_nb.pretrain.recipes import RECIPES


def cut(height, width):
    """A corner of the forest, twelve dates."""
    full = load_embedded("forest")
    return Sample({"sentinel2_l2a": full.images["sentinel2_l2a"][:height, :width]}, full.timestamps)


def views(sample, name, patch=8):
    return sample.grid(RECIPES[name].tokenization, patch), masked_views(sample, RECIPES[name], patch)


def test_views_of_a_place_with_gaps_and_maps(figures):
    """Not square, one date without Sentinel-2, and a map: every role of every token has its colour."""
    image = cut(32, 16).select_times([0, 1, 2]).images["sentinel2_l2a"].copy()
    image[:, :, 1] = MISSING
    maps = {"worldcover": np.full((32, 16, 1, 1), 40), "srtm": np.zeros((32, 16, 1, 1))}
    place = Sample({"sentinel2_l2a": image, **maps}, cut(8, 8).timestamps[:3])
    drawn = {name: views(place, name) for name in ("v1", "v1.1")}
    plots_masking.show_views(place, drawn)
    axes = figures[0].axes
    assert [ax.texts[-1].get_text() for ax in axes] == [f"{name}, view {i}" for name in drawn for i in (1, 2)]
    assert [len(ax.images) for ax in axes] == [3, 3, 0, 0]
    for ax, roles in zip(axes, [roles for _, both in drawn.values() for roles in both], strict=True):
        shown = np.concatenate([mesh.get_array().ravel() for mesh in ax.collections])
        assert np.array_equal(np.bincount(shown.astype(int)), np.bincount(roles))
    names = {text.get_text() for text in axes[0].texts}
    assert {"Sentinel-2 L2A\n10 m", "Sentinel-2 L2A\n60 m", "maps", "cover", "elevation", "Jan"} <= names


def test_views_of_one_sensor_alone(figures):
    radar = Sample({"sentinel1": np.full((16, 16, 2, 2), -12.0)}, cut(8, 8).timestamps[:2])
    plots_masking.show_views(radar, {"v1": views(radar, "v1")})
    assert {text.get_text() for text in figures[0].axes[0].texts} >= {"Sentinel-1"}


def test_discrimination_numbers_the_patches(figures):
    cosines = torch.eye(8)
    plots_masking.show_discrimination(cut(16, 16), 4, 3, cosines, cosines.softmax(-1))
    left = figures[0].axes[0]
    assert [text.get_text() for text in left.texts] == [str(i) for i in range(1, 9)]
    assert [text.get_position()[1] for text in left.texts] == [1.5] * 4 + [5.5] * 4


def test_main_components_of_a_place_with_gaps():
    values = np.random.default_rng(0).normal(size=(6, 5, 16)) * np.array([9, 3, 1] + [0.01] * 13)
    values[2, 3] = np.nan
    picture, share = plots_learnt.main_components(values)
    assert picture.shape == (6, 5, 3)
    assert (picture[2, 3] == 0.6).all()
    assert share > 0.99
    first = values[..., 0][~np.isnan(values[..., 0])]
    assert abs(np.corrcoef(picture[..., 0][~np.isnan(values[..., 0])], first)[0, 1]) > 0.9
    with pytest.raises(ValueError, match="at least four patches with an embedding, got 0"):
        plots_learnt.main_components(np.full((2, 2, 8), np.nan))
    constant, share = plots_learnt.main_components(np.ones((3, 3, 8)))
    assert np.isfinite(constant).all()
    assert share == 0


def test_components_beside_the_place(figures):
    values = np.random.default_rng(0).normal(size=(4, 4, 8))
    plots_learnt.show_components(cut(16, 16), {"untrained": values, "trained": values})
    assert len(figures[0].axes) == 3
    assert figures[0].axes[2].get_title().startswith("trained: ")


def test_curves_of_seeds_are_drawn_as_one(figures):
    steps = np.arange(1.0, 41)
    curve = {"samples": 8 * steps, "patches": 3 - steps / 50, "chance": np.full(40, 3.0), "best": np.full(40, 1.0)}
    curve |= {"rank": np.where(steps < 3, np.nan, 20 + steps), "rate": np.full(40, 1e-3)}
    lower = curve | {"patches": curve["patches"] - 0.5}
    plots_curves.show_curves(curve, {("v1", "mini"): [curve, lower], ("x", "nano"): [curve]})
    middle = figures[0].axes[1]
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == [
        "v1, mini, 2 seeds",
        "x, nano",
        "the live run",
    ]
    assert len(middle.lines) == 4
    assert np.allclose(middle.lines[0].get_ydata() - middle.lines[1].get_ydata(), 0.125), "the mean of both seeds"
    assert np.isfinite(figures[0].axes[2].lines[0].get_ydata()).all()


def test_curves_of_the_live_run_alone(figures):
    """Too short for a rank, and no model beside it."""
    row = {"samples": 8, "patches": 3, "chance": 2.9, "best": 1, "rank": np.nan, "rate": 1e-3}
    plots_curves.show_curves({name: np.array([value], dtype=float) for name, value in row.items()}, {})
    assert len(figures[0].axes[1].lines) == 2
    assert not figures[0].axes[2].lines


def test_readings_stand_where_they_are_with_their_ends(figures):
    readings = {
        "water": {"raw bands": Interval(0.7, 0.6, 0.8), "trained": Interval(0.9, 0.8, 1.0)},
        "early": {"raw bands": Interval(0.6, 0.55, 0.65), "trained": Interval(0.5, 0.4, 0.6)},
    }
    plots_learnt.show_readings(readings)
    (ax,) = figures[0].axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["water", "early"]
    assert ax.yaxis_inverted()
    assert ax.get_xlim()[0] < 0.4
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["raw bands", "trained"]
    drawn = {bars.get_label(): bars for bars in ax.containers}
    assert drawn["trained"].lines[0].get_xdata().tolist() == [0.9, 0.5]
    ends = [segment[:, 0].tolist() for segment in drawn["trained"].lines[2][0].get_segments()]
    np.testing.assert_allclose(ends, [[0.8, 1.0], [0.4, 0.6]])
