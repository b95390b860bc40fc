"""The drawing of where bands can act together."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from olmoearth_nb import TOKENIZATIONS
from olmoearth_nb.plots.meeting import LOOKS, show_meeting
from olmoearth_nb.pretrain.recipes import RECIPES, Recipe


def parts(ax, look):
    """Boxes that have a look."""
    face = to_hex(LOOKS[look]["facecolor"])
    return [one for one in ax.patches if type(one) is FancyBboxPatch and to_hex(one.get_facecolor()) == face]


@pytest.mark.parametrize(
    ("name", "tokens", "together", "adds"),
    [("v1", 3, 4, 0), ("naive", 1, 2, 1), ("v1.1", 1, 3, 1), ("v1 tokens", 3, 4, 0)],
)
def test_parts_say_what_they_do_with_resolutions(figures, name, tokens, together, adds):
    """Attention and the MLPs after it in all; a pixel layer of all bands in v1.1 alone, a sum in merged projections."""
    show_meeting(RECIPES[name])
    (ax,) = figures[0].axes
    assert ax.get_title() == f"{name}: {tokens} token{'s' * (tokens > 1)}"
    assert len(parts(ax, "together")) == together
    assert len(parts(ax, "adds")) == adds
    shown = [text.get_text() for text in ax.texts]
    assert shown.count("token") == tokens
    assert ("attention, to other patches and dates" in shown) == (tokens == 1)
    assert shown.count("pixel layer") == (2 if name == "v1 tokens" else name == "v1.1")  # no room for that of 60 m


def test_other_tokenizations_are_drawn_with_the_bands_that_they_read(figures):
    show_meeting(Recipe("satmae", TOKENIZATIONS["satmae"]))
    (ax,) = figures[0].axes
    assert {"02", "8A"} <= {text.get_text() for text in ax.texts}
    assert "09" not in {text.get_text() for text in ax.texts}
