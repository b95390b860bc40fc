"""What moves in a notebook: a calculator of tokens and cost, bands and dates by slider, a map to zoom.

Each has a static twin for pages and slow machines, and says so where its library is not installed.

`ipywidgets.interact` is not used: its output area makes programs that execute notebooks wait for their whole time
limit now and then, because they answer it on the channel on which they also wait for the cell to end.
"""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.insight.given import encoder_of
from olmoearth_nb.insight.token import Token
from olmoearth_nb.model.config import size_config
from olmoearth_nb.model.cost import encoder_cost
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.sample import Batch, Sample
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization

EXPLORED = 4
"""Edge of the patches that the explorer of attention makes, in pixels."""

DOUBLINGS = 2.0
"""Ends of the explorer's scale of colours: a quarter and four times as much as uniform."""


def calculate(
    size: str,
    edge: int,
    patch_size: int,
    timesteps: int,
    designs: Collection[Tokenization] = tuple(TOKENIZATIONS.values()),
) -> str:
    """A table of tokens and giga-MACs of several tokenizations.

    Args:
        size: model size.
        edge: edge of the image in pixels of 10 m; cut down to whole patches.
        patch_size: P.
        timesteps: T.
        designs: the tokenizations, one line each; the built-in ones, or with yours among them.

    Returns:
        Lines of text: tokenization, tokens, GMACs, attention's fraction of them, cost relative to v1.
    """
    edge -= edge % patch_size
    wide = max([9, *(len(design.name) for design in designs)])
    lines = [f"{size}, {edge} x {edge} px, T={timesteps}, P={patch_size}"]
    lines.append(f"{'':>{wide}} {'tokens':>8} {'GMACs':>9} {'attention':>9} {'v1 = 1':>7}")
    reference = encoder_cost(size_config(size, "v1"), (edge, edge, timesteps), patch_size).macs
    for design in designs:
        cost = encoder_cost(size_config(size, design), (edge, edge, timesteps), patch_size)
        attention, relative = cost.attention_macs / cost.macs, cost.macs / reference
        row = f"{design.name:>{wide}} {cost.tokens:>8,} {cost.macs / 1e9:>9.2f} {attention:>9.0%} {relative:>7.2f}"
        lines.append(row)
    return "\n".join(lines)


def _controlled(controls: Mapping[str, Any], view: Any, draw: Callable[..., Any]) -> None:
    """Shows controls above a view whose value is drawn anew from theirs whenever one of them moves.

    Args:
        controls: name of an argument of `draw` -> ipywidgets control.
        view: a widget with a value.
        draw: makes that value.
    """
    import ipywidgets
    from IPython.display import display

    def update(change: object = None) -> None:
        view.value = draw(**{name: control.value for name, control in controls.items()})

    for name, control in controls.items():
        control.description = control.description or name
        control.observe(update, "value")
    update()
    display(ipywidgets.VBox([*controls.values(), view]))


def token_calculator(
    designs: Collection[Tokenization] = tuple(TOKENIZATIONS.values()),
    sizes: Sequence[str] = ("nano", "tiny", "base", "large"),
) -> None:
    """Shows sliders above the table of `calculate`; without ipywidgets, says so.

    Args:
        designs: the tokenizations, one line each; the built-in ones, or with yours among them.
        sizes: the models to choose from.
    """
    try:
        import ipywidgets
    except ModuleNotFoundError:
        print("ipywidgets is not installed; the table below is the same calculator without sliders")
        return
    options = {"continuous_update": False}
    controls = {
        "size": ipywidgets.Dropdown(options=list(sizes), value="base", description="model"),
        "edge": ipywidgets.IntSlider(64, 8, 128, 8, description="edge, px", **options),
        "patch_size": ipywidgets.IntSlider(4, 1, 8, description="patch, px", **options),
        "timesteps": ipywidgets.IntSlider(1, 1, 12, description="dates", **options),
    }

    def table(**values: Any) -> str:
        return f"<pre>{html.escape(calculate(**values, designs=designs))}</pre>"

    _controlled(controls, ipywidgets.HTML(), table)


def band_browser(sample: Sample) -> None:
    """Shows two sliders, band (by wavelength) and date, above `plots.sample.show_band`; without ipywidgets, says so.

    Args:
        sample: a sample with Sentinel-2.
    """
    try:
        import ipywidgets
    except ModuleNotFoundError:
        print("ipywidgets is not installed; plots.sample.show_band(sample, band, time) draws the same")
        return
    from olmoearth_nb.plots.indices import clearest
    from olmoearth_nb.plots.sample import band_figure
    from olmoearth_nb.plots.style import BY_WAVELENGTH

    def draw(band: str, time: int) -> bytes:
        figure, picture = band_figure(sample, band, time), io.BytesIO()
        figure.savefig(picture, format="png")
        return picture.getvalue()

    bands, dates = [SENTINEL2.band_names[i] for i in BY_WAVELENGTH], [(day, i) for i, day in enumerate(sample.dates)]
    options = {"continuous_update": False, "layout": {"width": "440px"}}
    controls = {
        "band": ipywidgets.SelectionSlider(options=bands, value="B08", **options),
        "time": ipywidgets.SelectionSlider(options=dates, value=clearest(sample), description="date", **options),
    }
    _controlled(controls, ipywidgets.Image(format="png", layout={"width": "576px"}), draw)


def attention_explorer(places: Sample | Mapping[str, Sample], models: Mapping[str, Encoder | OlmoEarth]) -> None:
    """Shows controls above `plots.attention.show_token`: place, model, token, block, head.

    All pictures have one scale of colours, so that they can be compared. Without ipywidgets it says so.

    Args:
        places: a sample with Sentinel-2, or name -> sample of several; dates that were wholly observed are offered.
        models: name -> an encoder or a model, which reads all bands with patches of 4 px.
    """
    try:
        import ipywidgets
    except ModuleNotFoundError:
        print(
            "ipywidgets is not installed; plots.attention.show_token(sample, attention.of(token), layer) draws the same"
        )
        return
    samples = {"": places} if isinstance(places, Sample) else dict(places)
    encoders = {name: encoder_of(model) for name, model in models.items()}
    controls = _attention_controls(samples, encoders)

    def move(change: Any) -> None:
        sample = samples[change["new"]]
        controls["row"].max, controls["column"].max = (side // EXPLORED - 1 for side in sample.shape)
        dates = _whole_dates(sample)
        with controls["time"].hold_trait_notifications():
            controls["time"].options, controls["time"].index = dates, len(dates) // 2

    def draw(place: str, model: str, band: str, time: int, row: int, column: int, block: int, head: int) -> bytes:
        return _attention_picture(samples[place], encoders[model], Token(row, column, band, time), block, head or None)

    controls["place"].observe(move, "value")  # before the picture is drawn anew
    if len(samples) == 1:
        draw = partial(draw, controls.pop("place").value)
    _controlled(controls, ipywidgets.Image(format="png", layout={"width": "100%", "max_width": "860px"}), draw)


def _attention_controls(samples: Mapping[str, Sample], encoders: Mapping[str, Encoder]) -> dict[str, Any]:
    """What chooses a token of the first place, and the block and head that are shown of it."""
    import ipywidgets

    from olmoearth_nb.plots.style import BY_WAVELENGTH

    depth = min(encoder.config.depth for encoder in encoders.values())
    heads = min(encoder.config.heads for encoder in encoders.values())
    first = next(iter(samples.values()))
    bands, dates = [SENTINEL2.band_names[i] for i in BY_WAVELENGTH], _whole_dates(first)
    rows, columns = (side // EXPLORED for side in first.shape)
    options: dict[str, Any] = {"continuous_update": False, "layout": {"width": "440px"}}
    return {
        "place": ipywidgets.Dropdown(options=list(samples)),
        "model": ipywidgets.Dropdown(options=list(encoders)),
        "band": ipywidgets.SelectionSlider(options=bands, value="B05", **options),
        "time": ipywidgets.SelectionSlider(options=dates, index=len(dates) // 2, description="date", **options),
        "row": ipywidgets.IntSlider(rows // 2, 0, rows - 1, **options),
        "column": ipywidgets.IntSlider(columns // 2, 0, columns - 1, **options),
        "block": ipywidgets.IntSlider(depth, 1, depth, **options),
        "head": ipywidgets.Dropdown(options=[("mean of heads", 0), *((str(one), one) for one in range(1, heads + 1))]),
    }


def _whole_dates(sample: Sample) -> list[tuple[str, int]]:
    """Dates of Sentinel-2 and their numbers, those that were wholly observed where there are any."""
    gaps = (sample.images[SENTINEL2.name] == MISSING).any((0, 1, 3))  # (T,)
    dates = [(day, number) for number, day in enumerate(sample.dates)]
    return [date for date in dates if not gaps[date[1]]] or dates


def _attention_picture(sample: Sample, encoder: Encoder, token: Token, block: int, head: int | None) -> bytes:
    """The figure of one token's attention as a PNG file; what hinders it, in words, where there is none."""
    import torch

    from olmoearth_nb.insight.attention import record_attention
    from olmoearth_nb.plots.attention import token_figure

    encoder.eval()
    try:
        with torch.inference_mode(), record_attention(encoder, layers=[block], rows=[token]) as attention:
            encoder(Batch.from_samples([sample]).to(next(encoder.parameters()).device), EXPLORED)
        figure = token_figure(sample, attention.of(token), block, head, DOUBLINGS)
    except ValueError as error:  # such as a token that was not observed: the last picture would be one of another token
        figure = plt.figure(figsize=(7, 1))
        figure.text(0.01, 0.5, fill(str(error), 100), va="center", fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    plt.close(figure)
    return picture.getvalue()


def live_map(places: Sequence[tuple[float, float]], named: Mapping[str, tuple[float, float]]) -> None:
    """Shows a map to zoom and to click on; `plots.map.show_places` is its twin that needs no network.

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
