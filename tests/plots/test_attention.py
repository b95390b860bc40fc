"""Figures of recorded attention: what is written, how it is coloured, where it lies."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from olmoearth_nb import Batch, Encoder, Sample, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded
from olmoearth_nb.insight.attention import record_attention
from olmoearth_nb.insight.token import Token
from olmoearth_nb.plots.attention import show_heads, show_ratios, show_token

TOKEN = Token(1, 2, "B05", time=1)


def recorded(tokenization, steps=(3, 5, 7, 9), hole=False):
    """A place of 16 x 24 px, and the attention of an encoder with random weights."""
    sample = load_embedded("fields").window(0, 0, 16, 24).select_times(steps)
    image = sample.images["sentinel2_l2a"].copy()
    if hole:
        image[:8, :8, 0] = MISSING
    sample = Sample({"sentinel2_l2a": image}, sample.timestamps)
    encoder = Encoder(size_config("mini", tokenization)).eval()
    rows = [TOKEN] if len(steps) > 1 else [Token(1, 2, "B05")]
    with torch.no_grad(), record_attention(encoder, rows=rows) as attention:
        encoder(Batch.from_samples(sample), 8)
    return sample, attention


def pictures(figure):
    return [image for ax in figure.axes for image in ax.images]


def test_ratios_are_written_and_have_one_scale_with_uniform_in_the_middle(figures):
    _, attention = recorded("v1")
    table = attention.between_groups()
    show_ratios(table, attention.groups)
    figure = figures[0]
    matrices = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in matrices] == ["block 1", "block 2", "block 3"]
    for ax, ratio in zip(matrices, table.mean_of_heads().ratio[:, 0], strict=True):
        assert [text.get_text() for text in ax.texts] == [f"{value:.2f}" for value in ratio.ravel()]
        np.testing.assert_allclose(ax.images[0].get_array(), np.log2(ratio))
    limits = {image.get_clim() for image in pictures(figure)}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high
    assert [label.get_text() for label in matrices[0].get_yticklabels()][2] == "B01 B09\n443, 945 nm"
    show_ratios(table, attention.groups, doublings=2)
    bar = next(ax for ax in figures[1].axes if not ax.images)
    assert [label.get_text() for label in bar.get_yticklabels()] == ["1/4", "1/2", "1", "2", "4"]
    assert {image.get_clim() for image in pictures(figures[1])} == {(-2, 2)}


@pytest.mark.parametrize("tokenization", ["per_band", "v1.1"])
def test_many_groups_and_one_stay_inside_the_figure(figures, tokenization):
    _, attention = recorded(tokenization)
    show_ratios(attention.between_groups(), attention.groups)
    show_heads(attention.between_groups())
    for figure, panels in zip(figures, (3, 12), strict=True):
        figure.draw_without_rendering()
        assert len(pictures(figure)) == panels
        title = figure.get_suptitle()
        assert ("undefined" in title) == (tokenization == "v1.1")
        renderer = figure.canvas.get_renderer()
        shown = [ax for ax in figure.axes if ax.get_visible()]
        for box in [ax.get_tightbbox(renderer) for ax in shown] + [figure._suptitle.get_window_extent(renderer)]:
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("steps", [(3, 5, 7, 9), (5,)], ids=["dates to the right", "groups to the right"])
def test_attention_lies_on_the_picture_and_leaves_it_bare_where_nothing_is(figures, steps):
    sample, attention = recorded("v1", steps, hole=True)
    token = TOKEN if len(steps) > 1 else Token(1, 2, "B05")
    row = attention.of(token)
    show_token(sample, row, layer=2)
    shape = (3, 4) if len(steps) > 1 else (1, 3)
    axes = np.array([ax for ax in figures[0].axes if len(ax.images) == 2]).reshape(shape)
    axes = axes.T if len(steps) > 1 else axes  # (T, S)
    marked = [[any(isinstance(p, Rectangle) for p in ax.patches) for ax in line] for line in axes]
    assert marked == [[time == token.time] * 3 for time in range(len(steps))]
    corner = next(p for p in axes[token.time, 0].patches if isinstance(p, Rectangle))
    assert (corner.get_xy(), corner.get_width()) == ((15.5, 7.5), 8)
    for group in range(3):
        laid = axes[0, group].images[1]
        assert laid.get_extent() == [-0.5, 23.5, 15.5, -0.5]
        assert laid.get_alpha()[0, 0] == 0  # the hole
        (missing,) = axes[0, group].collections
        assert missing.get_hatch()
        assert [path.vertices.min(0).tolist() for path in missing.get_paths()] == [[-0.5, -0.5]]
        assert not any(one.get_paths() for ax in axes[1:, group] for one in ax.collections)
        assert (laid.get_alpha()[1:] > 0).all()
        expected = np.log2(row.ratio[1].mean(0)[0, group][1:])
        np.testing.assert_allclose(laid.get_array()[1:], expected)
    show_token(sample, row, layer=2, head=3)
    again = next(ax for ax in figures[1].axes if len(ax.images) == 2).images[1]
    np.testing.assert_allclose(again.get_array()[1:], np.log2(row.ratio[1, 2, 0, 0][1:]))


def test_what_was_not_recorded_is_not_shown():
    sample, attention = recorded("v1")
    row = attention.of(TOKEN)
    with pytest.raises(ValueError, match="block 4 was not recorded; recorded are block 1, block 2, block 3"):
        show_token(sample, row, layer=4)
    with pytest.raises(ValueError, match="head 0 was not recorded"):
        show_token(sample, row, layer=1, head=0)
    with pytest.raises(ValueError, match="is not that of a sample of 16 x 24 px and 2 timesteps"):
        show_token(sample.select_times([0, 1]), row, layer=1)
    with pytest.raises(ValueError, match="is not that of a sample of 16 x 16 px"):
        show_token(sample.window(0, 0, 16), row, layer=1)
