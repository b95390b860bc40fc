"""Figures of awkward samples: not square, with gaps, with many bands left out."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text

from olmoearth_nb import SENTINEL2, TOKENIZATIONS, Sample, Tokenization, encoder_cost, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded
from olmoearth_nb.data.simulate.library import SURFACES, library
from olmoearth_nb.plots import map as plots_map
from olmoearth_nb.plots import sample as plots_sample
from olmoearth_nb.plots import tokens as plots_tokens
from olmoearth_nb.plots import world as plots_world
from olmoearth_nb.plots.designs import FIGURE_INCHES, show_costs, show_patch_grid, show_tokens, tokens_figure
from olmoearth_nb.plots.style import BY_WAVELENGTH, RESOLUTION_COLOURS, true_colour


def cut(height, width, hole=False):
    full = load_embedded("forest")
    image = full.images["sentinel2_l2a"][:height, :width].copy()
    if hole:
        image[2:12, 2:12] = MISSING
    return Sample({"sentinel2_l2a": image}, full.timestamps)


@pytest.mark.parametrize("size", [(64, 32), (16, 64)])
def test_grid_of_a_non_square_image(figures, size):
    show_patch_grid(cut(*size), 8, size[0] // 16, size[1] // 16)
    left = figures[0].axes[0]
    assert left.get_xlim() == (-0.5, size[1] - 0.5)
    assert left.get_ylim() == (size[0] - 0.5, -0.5)


def test_gaps_are_grey_and_do_not_stretch_the_picture(figures):
    whole, holed = true_colour(cut(64, 64)), true_colour(cut(64, 64, hole=True))
    assert (holed[2:12, 2:12] == 0.6).all()
    assert np.abs(holed[20:] - whole[20:]).max() < 0.1
    show_patch_grid(cut(64, 64, hole=True), 8, 1, 1)
    assert figures[0].axes[1].get_ylim()[1] < 20_000


def rows_of(figure):
    """The axes of a figure of tokens that hold one tokenization each."""
    return [ax for ax in figure.axes if len(ax.images) == 12]


@pytest.mark.parametrize("bands", ["B02 B03 B04", "B09"])
def test_every_band_is_inside_the_figure(figures, bands):
    few = Tokenization("few", {"sentinel2_l2a": [bands]})
    show_tokens(cut(64, 64), [few, TOKENIZATIONS["per_band"]], row=1, column=1)
    assert len(rows_of(figures[0])) == 2
    for ax in rows_of(figures[0]):
        assert max(image.get_extent()[1] for image in ax.images) < ax.get_xlim()[1]
        bottom, top = ax.get_position().y0, ax.get_position().y1
        assert 0 <= bottom < top <= 1


def test_one_frame_for_each_token_and_one_ground_for_each_resolution(figures):
    show_tokens(cut(64, 64), list(TOKENIZATIONS.values()), row=1, column=1)
    for ax, tokenization in zip(rows_of(figures[0]), TOKENIZATIONS.values(), strict=True):
        frames = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
        assert len(frames) == len(tokenization.groups_of("sentinel2_l2a"))
        grounds = [to_hex(patch.get_facecolor()) for patch in ax.patches if isinstance(patch, Rectangle)]
        assert [grounds.count(colour) for colour in RESOLUTION_COLOURS.values()] == [4, 6, 2]
        widths = {frame.get_x(): frame.get_x() + frame.get_width() for frame in frames}
        inside = [image for image in ax.images if any(a < image.get_extent()[0] < b for a, b in widths.items())]
        assert len(inside) == 12 - len(tokenization.left_out())


@pytest.mark.parametrize("hole", [False, True])
def test_a_band_has_one_grey_scale_in_the_whole_place(figures, hole):
    """A flat patch of a varied place is one grey, neither black nor white; a gap has no value."""
    image = cut(64, 64, hole=hole).images["sentinel2_l2a"]
    image[16:24, 16:24] = np.median(image[32:], axis=(0, 1))
    sample = Sample({"sentinel2_l2a": image}, load_embedded("forest").timestamps)
    show_tokens(sample, [TOKENIZATIONS["v1.1"]], row=2, column=2, time=5)
    flat = np.stack([image.get_array() for image in rows_of(figures[0])[0].images])
    assert np.ptp(flat, axis=(1, 2)).max() == 0
    assert 0.1 < flat.min() < flat.max() < 0.95
    show_tokens(sample, [TOKENIZATIONS["v1.1"]], row=0, column=0, time=5)
    assert np.ma.getmaskarray(rows_of(figures[1])[0].images[0].get_array())[2:, 2:].all() == hole


def test_the_hero_of_the_readme_is_sharp_and_light():
    path = Path(__file__).parents[2] / "docs" / "figures" / "hero.png"
    assert path.stat().st_size < 400_000
    width = plt.imread(path).shape[1]
    assert width >= 150 * FIGURE_INCHES
    figure = tokens_figure(cut(64, 64), list(TOKENIZATIONS.values()), row=1, column=1)
    assert figure.get_figwidth() == FIGURE_INCHES <= 900 / 95, "at 900 px, 96 to the inch, no letter shrinks"
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 10


def test_costs_are_sorted(figures):
    costs = {name: encoder_cost(size_config("nano", name), (64, 64, 1), 8) for name in TOKENIZATIONS}
    show_costs(costs, "t")
    names = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert names[-1] == "per_band"
    assert set(names[:2]) == {"v1.1", "croma"}


def place(dates, hole=False, size=64):
    """A corner of the forest at some dates; with a hole at the first, or nothing at all there."""
    image = load_embedded("forest").images["sentinel2_l2a"][:size, :size, list(dates)].copy()
    if hole:
        image[: size // 2, : size // 2, 0] = MISSING
    return Sample({"sentinel2_l2a": image}, load_embedded("forest").timestamps[list(dates)])


AWKWARD = [
    place(range(12)),
    place([3]),
    place([2, 5], hole=True),
    place([4, 7], size=8),
    place([1, 6], hole=True, size=8),
]


def test_true_colours_are_one_stretch_for_all():
    """Grey ground is grey, at any brightness and beside anything; twice the light is brighter; white clips."""
    image = np.full((8, 8, 2, 12), 400.0)
    image[:, 4:, 0] = 1500
    image[:, :, 1] = 9000
    sample = Sample({"sentinel2_l2a": image}, [(1, 0, 2020), (1, 1, 2020)])
    dark, white = true_colour(sample, 0), true_colour(sample, 1)
    assert np.ptp(dark, axis=-1).max() == 0
    assert 0.2 < dark[0, 0, 0] < dark[0, 5, 0] < 0.8
    assert (white == 1).all()
    assert (true_colour(sample.select_times([0])) == dark).all(), "other dates do not matter"


@pytest.mark.parametrize("sample", AWKWARD)
def test_bands_stand_in_the_order_of_wavelength(figures, sample):
    plots_sample.show_bands(sample)
    titles = [ax.get_title() for part in figures[0].subfigs for ax in part.axes]
    assert [title[:3] for title in titles[2:]] == "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split()
    bars = [patch for patch in figures[0].subfigs[0].axes[0].patches if patch.get_height() == 0.42]
    assert sorted(bar.get_x() + bar.get_width() / 2 for bar in bars) == pytest.approx(
        sorted(band.centre for band in SENTINEL2.bands)
    )


@pytest.mark.parametrize("sample", AWKWARD)
@pytest.mark.parametrize("corner", [(4, 8), (60, 60)])
def test_the_corner_looked_at_stays_inside(figures, sample, corner):
    plots_sample.show_resolutions(sample, 0, *corner)
    place_, part, *bands = figures[0].axes
    edge = min(24, *sample.images["sentinel2_l2a"].shape[:2])
    for ax in (part, *bands):
        assert ax.images[0].get_array().shape[:2] == (edge, edge)
    box = place_.patches[0]
    assert box.get_x() + box.get_width() <= sample.images["sentinel2_l2a"].shape[1]


@pytest.mark.parametrize("crowded", [[0.0, 0.1, 5.0], [1.0, 1.0, 1.0, 1.0], [3.0]])
def test_labels_move_apart_and_stay_in_order(crowded):
    moved = plots_sample.spread(crowded, 1)
    assert (np.diff(moved) > 0.99).all()
    assert moved.mean() == pytest.approx(np.mean(crowded))
    assert plots_sample.spread([0, 2, 4], 1).tolist() == [0, 2, 4]


def test_lines_frame_blocks_and_nothing_else(figures):
    """B01 in blocks of 4 and 8 pixels has lines there; interpolated, it has none, and B04 has one at every pixel."""
    sample = place([6], size=24)
    image = sample.images["sentinel2_l2a"]
    b01, b05 = SENTINEL2.indices(["B01", "B05"])
    image[:, :, 0, b01] = np.repeat([1, 2, 2, 3, 4, 4], 4)
    image[:, :, 0, b05] = np.add.outer(np.arange(24), np.arange(24))
    plots_sample.show_resolutions(sample, 0, 0, 0)
    lines = [[part.get_segments() for part in ax.collections] for ax in figures[0].axes[2:]]
    assert [[len(part) for part in parts] for parts in lines] == [[23, 23], [], [0, 3]]
    assert [segment[0][0] for segment in lines[2][1]] == [3.5, 11.5, 15.5]


def test_a_few_roofs_do_not_make_the_fields_black(figures):
    sample = place([6])
    sample.images["sentinel2_l2a"][:4, :4] = 20_000
    plots_sample.show_bands(sample)
    whole = plots_sample.reflectance(sample)[:, :, 0]
    for ax, channel in zip(figures[0].subfigs[1].axes, BY_WAVELENGTH, strict=True):
        assert ax.images[0].get_clim() == pytest.approx(np.percentile(whole[..., channel], (2, 98)))
        assert ax.images[0].get_clim()[1] < 1


def test_the_title_of_a_single_date_is_not_cut(figures):
    plots_sample.show_year(place([3]), 0, 0)
    figures[0].canvas.draw()
    box = figures[0].axes[0].get_tightbbox()
    assert box.x1 < figures[0].bbox.x1
    assert box.y1 < figures[0].bbox.y1


def test_coarse_bands_show_blocks(figures):
    sample = place([6])
    plots_sample.show_resolutions(sample, 0, 0, 0)
    fine, coarse = (figures[0].axes[i].images[0].get_array() for i in (2, 3))
    assert (coarse == coarse[::2, ::2].repeat(2, 0).repeat(2, 1)).all()
    assert (fine != fine[::2, ::2].repeat(2, 0).repeat(2, 1)).any()


@pytest.mark.parametrize("sample", AWKWARD)
def test_a_year_has_a_picture_and_a_column_for_each_date(figures, sample):
    plots_sample.show_year(sample, 0, 0)
    pictures, table, _, green = figures[0].axes
    steps = len(sample.dates)
    assert len(pictures.images) == steps
    assert table.images[0].get_array().shape == (12, steps)
    missing = [text for text in green.texts if text.get_text() == "no data"]
    assert len(missing) == int((sample.images["sentinel2_l2a"][:8, :8] == MISSING).all((0, 1, 3)).sum())


def test_a_white_date_is_marked_and_not_joined(figures):
    sample = place([4, 5, 6])
    sample.images["sentinel2_l2a"][:, :, 1] = 8000
    plots_sample.show_year(sample, 8, 8)
    green = figures[0].axes[3]
    joined, hollow = (line.get_ydata() for line in green.lines)
    assert np.isnan(joined).tolist() == [False, True, False]
    assert hollow.tolist() == [0.0]
    assert [text.get_text() for text in green.texts] == ["cloud\nor snow"]


def test_one_band_at_a_date_and_at_a_gap(figures):
    sample = place([4, 5])
    sample.images["sentinel2_l2a"][:, :, 1] = MISSING
    for time, said in ((0, "B11, 2023-05-01"), (1, "B11, 2023-06-01: no data")):
        plots_sample.show_band(sample, "B11", time)
        assert figures[time].axes[1].get_title() == said
    assert figures[0].axes[1].images[0].get_clim() == figures[1].axes[1].images[0].get_clim()


def test_surfaces_and_a_place_of_ones_own(figures):
    plots_world.show_surfaces(library("train"), np.full(12, 0.3), "mine")
    left, right, *_ = figures[0].axes
    assert [line.get_label() for line in right.lines] == ["snow", "cloud"]
    assert [line.get_label() for line in left.lines] == [
        *(name for name in SURFACES if name not in ("snow", "cloud")), "mine",
    ]  # fmt: skip
    assert max(max(line.get_ydata()) for line in left.lines) < left.get_ylim()[1]


@pytest.mark.parametrize("sample", AWKWARD)
def test_one_box_for_each_token(figures, sample):
    chosen = [TOKENIZATIONS[name] for name in ("v1", "v1.1", "per_band", "satmae")]
    plots_tokens.show_sequences(sample, chosen, row=0, column=0)
    axes = figures[0].subfigs[1].axes
    gap = bool((sample.images["sentinel2_l2a"][:8, :8] == MISSING).any())
    for ax, tokenization in zip(axes, chosen, strict=True):
        groups = len(tokenization.groups_of("sentinel2_l2a"))
        assert len(ax.patches) == groups * len(sample.dates)
        assert sum(patch.get_facecolor()[3] == 0 for patch in ax.patches) == groups * gap
        assert ax.get_title(loc="left").startswith(f"{tokenization.name}: {groups} token")


@pytest.mark.parametrize("coasts", [True, False])
def test_a_map_with_and_without_coasts(figures, monkeypatch, coasts):
    if not coasts:
        monkeypatch.setattr(plots_map.importlib.util, "find_spec", lambda name: None)
    plots_map.show_places([(10, 20), (-30, 150)], {"mine": (50, 10)})
    ax = figures[0].axes[0]
    assert (len(ax.patches) > 100) == coasts
    assert ax.lines[0].get_xydata().tolist() == [[20, 10], [150, -30]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2 simulated tiles", "mine"]
    assert ax.get_yticklabels()[0].get_text() == "60° S"
