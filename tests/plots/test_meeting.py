"""The drawing of where bands meet."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from olmoearth_nb import TOKENIZATIONS
from olmoearth_nb.plots.meeting import MEETS, show_meeting


@pytest.mark.parametrize(
    ("name", "tokens", "arcs"), [("v1", 3, 3), ("v1.1", 1, 0), ("satmae", 3, 3), ("per_band", 12, 66)]
)
def test_attention_joins_every_pair_of_tokens(figures, name, tokens, arcs):
    show_meeting(TOKENIZATIONS[name])
    (ax,) = figures[0].axes
    assert ax.get_title().startswith(f"{name}: {tokens} token")
    assert (
        sum(to_hex(one.get_edgecolor()) == MEETS.lower() for one in ax.patches if type(one) is FancyArrowPatch) == arcs
    )
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("token") == tokens
    assert ("attention to other\npatches and dates alone" in texts) == (tokens == 1)


def arrows(ax):
    return [one for one in ax.patches if type(one) is FancyArrowPatch]


def test_parts_where_resolutions_meet_are_marked(figures):
    show_meeting(TOKENIZATIONS["v1"], TOKENIZATIONS["v1.1"])
    marked = [
        sum(to_hex(one.get_edgecolor()) == MEETS.lower() for one in ax.patches if type(one) is FancyBboxPatch)
        for ax in figures[0].axes
    ]
    assert marked == [0, 2]  # one token: its patch embedding and its MLP
