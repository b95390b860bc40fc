"""What moves in a notebook: with its library, and without."""

import html
import sys

import matplotlib.pyplot as plt
import pytest

from olmoearth_nb import TOKENIZATIONS, Encoder, Sample, Tokenization, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_embedded
from olmoearth_nb.plots.widgets import attention_explorer, band_browser, calculate, live_map, token_calculator


@pytest.mark.parametrize(
    ("library", "show"),
    [
        ("ipywidgets", token_calculator),
        ("ipywidgets", lambda: band_browser(load_embedded())),
        ("ipywidgets", lambda: attention_explorer(load_embedded(), {})),
        ("folium", lambda: live_map([(0, 0)], {})),
    ],
)
def test_without_its_library_it_says_so(monkeypatch, capsys, library, show):
    monkeypatch.setitem(sys.modules, library, None)
    show()
    assert capsys.readouterr().out.startswith(f"{library} is not installed")


@pytest.fixture
def shown(monkeypatch):
    """What is displayed."""
    import IPython.display

    given = []
    monkeypatch.setattr(IPython.display, "display", given.append)
    return given


def test_the_calculator_follows_its_sliders(shown):
    token_calculator()
    size, edge, patch, dates, table = shown[0].children
    assert [control.description for control in (size, edge, patch, dates)] == [
        "model",
        "edge, px",
        "patch, px",
        "dates",
    ]
    assert table.value == f"<pre>{calculate('base', 64, 4, 1)}</pre>"
    size.value, edge.value, patch.value, dates.value = "tiny", 32, 8, 12
    assert table.value == f"<pre>{calculate('tiny', 32, 8, 12)}</pre>"


def test_the_calculator_takes_a_design_of_the_readers_own(shown):
    """A design like v1 costs what v1 costs, whatever its name, and a name may not break the table or the page."""
    like_v1 = Tokenization("<b>as the first one</b>", TOKENIZATIONS["v1"].groups)
    designs = (*TOKENIZATIONS.values(), like_v1)
    lines = calculate("nano", 64, 8, 1, designs).splitlines()
    assert len(lines) == 2 + len(TOKENIZATIONS) + 1
    assert len(set(map(len, lines[1:]))) == 1, "columns stand below each other"
    assert lines[-1].split(like_v1.name)[1] == lines[2 + list(TOKENIZATIONS).index("v1")].split("v1")[1]
    token_calculator(designs)
    table = shown[0].children[-1].value
    assert table == f"<pre>{html.escape(calculate('base', 64, 4, 1, designs))}</pre>"
    assert "<b>" not in table


def test_a_design_alone_is_compared_with_v1():
    (line,) = calculate("nano", 64, 8, 1, [TOKENIZATIONS["per_band"]]).splitlines()[2:]
    assert float(line.split()[-1]) > 4


@pytest.mark.parametrize("steps", [[5], [0, 5, 6]])
def test_sliders_draw_every_band_and_date(shown, steps):
    sample, before = load_embedded().select_times(steps), plt.get_fignums()
    band_browser(sample)
    band, date, picture = shown[0].children
    assert " ".join(band.options) == "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"
    assert [label for label, _ in date.options] == sample.dates
    seen = set()
    for band.value in ("B01", "B04", "B11"):
        for date.value in range(len(steps)):
            assert bytes(picture.value).startswith(b"\x89PNG")
            seen.add(bytes(picture.value))
    assert len(seen) == 3 * len(steps), "every band and date is another picture"
    assert plt.get_fignums() == before, "nothing is left for the notebook to show"


def test_the_map_holds_every_place(shown):
    live_map([(10.5, 20.25), (-30, 40)], {"mine": (1, 2)})
    page = shown[0].get_root().render()
    assert page.count("L.circleMarker") == 2
    for text in ("[10.5, 20.25]", "[-30.0, 40.0]", "mine", "[1.0, 2.0]"):
        assert text in page


def test_the_explorer_of_attention_follows_its_controls(shown):
    sample = load_embedded("fields").window(0, 0, 16, 24).select_times([3, 5])
    models = {name: Encoder(size_config("mini", name)) for name in ("v1", "v1.1")}
    attention_explorer(sample, models)
    *controls, picture = shown[0].children
    assert [control.description for control in controls] == ["model", "band", "date", "row", "column", "block", "head"]
    assert (controls[3].max, controls[4].max, controls[5].max) == (3, 5, 3)
    seen = {picture.value}
    for control, value in zip(controls, ("v1.1", "B11", 0, 3, 5, 1, 2), strict=True):
        control.value = value
        seen.add(picture.value)
    assert len(seen) == 8
    assert not plt.get_fignums(), "figures are closed"


def picture_of(shown):
    return bytes(shown[0].children[-1].value)


def test_the_explorer_moves_to_another_place_and_offers_its_whole_dates(shown):
    whole = load_embedded("fields").window(0, 0, 16, 24).select_times([3, 5, 7])
    image = whole.images["sentinel2_l2a"][:8, :12].copy()
    image[:4, :4, 1] = MISSING
    other = Sample({"sentinel2_l2a": image}, whole.timestamps)
    attention_explorer({"large": whole, "small": other}, {"v1": Encoder(size_config("mini", "v1"))})
    place, _, _, date, row, column, *_ = shown[0].children
    assert list(place.options) == ["large", "small"]
    assert [number for _, number in date.options] == [0, 1, 2]
    before = picture_of(shown)
    row.value, column.value = 3, 5
    place.value = "small"
    assert [number for _, number in date.options] == [0, 2], "the date with a gap is not offered"
    assert (row.max, column.max) == (1, 2)
    assert (row.value, column.value) == (1, 2)
    assert picture_of(shown) != before
    place.value = "large"
    assert [number for _, number in date.options] == [0, 1, 2]
    assert not plt.get_fignums()


def test_the_explorer_says_why_it_has_no_picture(shown, monkeypatch):
    """A place without any whole date offers all; of a token that was not observed no old picture stays."""
    sample = load_embedded("fields").window(0, 0, 8, 8).select_times([3])
    image = sample.images["sentinel2_l2a"].copy()
    image[:4, :4] = MISSING
    written = []
    monkeypatch.setattr("olmoearth_nb.plots.widgets.fill", lambda text, width: written.append(text) or text)
    models = {"v1": Encoder(size_config("mini", "v1"))}
    attention_explorer(Sample({"sentinel2_l2a": image}, sample.timestamps), models)
    _, _, _, row, column, *_ = shown[0].children
    before = picture_of(shown)
    assert not written
    row.value, column.value = 0, 0
    assert "did not see Token(row=0, column=0" in written[-1]
    assert picture_of(shown) != before
    assert not plt.get_fignums()
