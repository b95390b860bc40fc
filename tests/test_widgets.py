"""What moves in a notebook: with its library, and without."""

import sys

import matplotlib.pyplot as plt
import pytest

from olmoearth_nb.data import load_embedded
from olmoearth_nb.widgets import band_browser, live_map, token_calculator


@pytest.mark.parametrize(
    ("library", "show"),
    [
        ("ipywidgets", token_calculator),
        ("ipywidgets", lambda: band_browser(load_embedded())),
        ("folium", lambda: live_map([(0, 0)], {})),
    ],
)
def test_without_its_library_it_says_so(monkeypatch, capsys, library, show):
    monkeypatch.setitem(sys.modules, library, None)
    show()
    assert capsys.readouterr().out.startswith(f"{library} is not installed")


@pytest.mark.parametrize("steps", [[5], [0, 5, 6]])
def test_sliders_draw_every_band_and_date(monkeypatch, steps):
    import ipywidgets

    made, shown = [], []
    monkeypatch.setattr(ipywidgets, "interact", lambda draw, **sliders: made.append((draw, sliders)))
    monkeypatch.setattr(plt, "show", lambda: shown.append([ax.get_title() for ax in plt.gcf().axes][:2]))
    sample = load_embedded().select_times(steps)
    band_browser(sample)
    draw, sliders = made[0]
    assert [label for label, _ in sliders["time"].options] == sample.dates
    for band in sliders["band"].options:
        draw(band, len(steps) - 1)
    plt.close("all")
    assert [titles[1] for titles in shown] == [
        f"{band}, {sample.dates[-1]}" for band in "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split()
    ]


def test_the_map_holds_every_place(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    live_map([(10.5, 20.25), (-30, 40)], {"mine": (1, 2)})
    page = shown[0].get_root().render()
    assert page.count("L.circleMarker") == 2
    for text in ("[10.5, 20.25]", "[-30.0, 40.0]", "mine", "[1.0, 2.0]"):
        assert text in page
