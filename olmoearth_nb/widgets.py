"""What moves in a notebook: a calculator of tokens and cost, bands and dates by slider, a map to zoom.

Each has a static twin for pages and slow machines, and says so where its library is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from olmoearth_nb.config import size_config
from olmoearth_nb.cost import encoder_cost
from olmoearth_nb.sample import Sample
from olmoearth_nb.tokenization import TOKENIZATIONS


def calculate(size: str, edge: int, patch_size: int, timesteps: int) -> str:
    """A table of tokens and giga-MACs of every built-in tokenization.

    Args:
        size: model size.
        edge: edge of the image in pixels of 10 m; cut down to whole patches.
        patch_size: P.
        timesteps: T.

    Returns:
        Lines of text: tokenization, tokens, GMACs, attention's share, cost relative to v1.
    """
    edge -= edge % patch_size
    lines = [f"{size}, {edge} x {edge} px, T={timesteps}, P={patch_size}"]
    lines.append(f"{'':>9} {'tokens':>8} {'GMACs':>9} {'attention':>9} {'v1 = 1':>7}")
    reference = encoder_cost(size_config(size, "v1"), (edge, edge, timesteps), patch_size).macs
    for name in TOKENIZATIONS:
        cost = encoder_cost(size_config(size, name), (edge, edge, timesteps), patch_size)
        share = cost.attention_macs / cost.macs
        row = f"{name:>9} {cost.tokens:>8,} {cost.macs / 1e9:>9.2f} {share:>9.0%} {cost.macs / reference:>7.2f}"
        lines.append(row)
    return "\n".join(lines)


def token_calculator(sizes: Sequence[str] = ("nano", "tiny", "base", "large")) -> None:
    """Shows sliders above the table of `calculate`; without ipywidgets, says so."""
    try:
        import ipywidgets
    except ModuleNotFoundError:
        print("ipywidgets is not installed; the table below is the same calculator without sliders")
        return
    options = {"continuous_update": False}
    ipywidgets.interact(
        lambda size, edge, patch_size, timesteps: print(calculate(size, edge, patch_size, timesteps)),
        size=ipywidgets.Dropdown(options=list(sizes), value="base", description="model"),
        edge=ipywidgets.IntSlider(64, 8, 128, 8, description="edge, px", **options),
        patch_size=ipywidgets.IntSlider(4, 1, 8, description="patch, px", **options),
        timesteps=ipywidgets.IntSlider(1, 1, 12, description="dates", **options),
    )


def band_browser(sample: Sample) -> None:
    """Shows two sliders, band (by wavelength) and date, above `plots_sample.show_band`.

    Args:
        sample: a sample with Sentinel-2.
    """
    try:
        import ipywidgets
    except ModuleNotFoundError:
        print("ipywidgets is not installed; plots_sample.show_band(sample, band, date) draws the same")
        return
    from olmoearth_nb.bands import SENTINEL2
    from olmoearth_nb.indices import clearest
    from olmoearth_nb.plots import BY_WAVELENGTH
    from olmoearth_nb.plots_sample import show_band

    bands, dates = [SENTINEL2.band_names[i] for i in BY_WAVELENGTH], sample.dates
    ipywidgets.interact(
        lambda band, time: show_band(sample, band, time),
        band=ipywidgets.SelectionSlider(options=bands, value="B08", continuous_update=False),
        time=ipywidgets.SelectionSlider(
            options=[(date, step) for step, date in enumerate(dates)],
            value=clearest(sample),
            description="date",
            continuous_update=False,
        ),
    )


def live_map(places: Sequence[tuple[float, float]], named: Mapping[str, tuple[float, float]]) -> None:
    """Shows a map to zoom and to click on; `plots_map.show_places` is its twin that needs no network.

    Args:
        places: latitude and longitude of the dots.
        named: label -> latitude and longitude.
    """
    try:
        import folium
    except ModuleNotFoundError:
        print("folium is not installed; the map below shows the same")
        return
    from IPython.display import display

    shown = folium.Map(location=(30, 10), zoom_start=2, height=360)
    for place in places:
        label = f"{place[0]:.2f}, {place[1]:.2f}"
        folium.CircleMarker(place, radius=3, color="#444444", weight=1, fill=True, tooltip=label).add_to(shown)
    for label, place in named.items():
        folium.Marker(place, tooltip=label).add_to(shown)
    display(shown)
