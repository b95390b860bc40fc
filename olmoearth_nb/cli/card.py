"""The command line's `card`: what encoders keep of what they see, and what they forget."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olmoearth_nb.cli.embed import OF_TABLES, series
from olmoearth_nb.cli.errors import in_options
from olmoearth_nb.cli.loading import loading, takes
from olmoearth_nb.cli.models import Every, Models, asked, bar, opened
from olmoearth_nb.data.tables import SUFFIXES

if TYPE_CHECKING:
    from olmoearth_nb.evaluation.card import Card
    from olmoearth_nb.evaluation.observations import Draw, Observations

WORLD = (320, 4)
"""Scenes and seed of the world that is looked at where no data are named; no shipped model was trained on it."""

WRITTEN = ("card.csv", "card.md", "card.png")


def drawing(
    most: Annotated[int, typer.Option(help="observations of each data set, at most")] = 3000,
    together: Annotated[int, typer.Option(help="dates of a patch that an encoder sees together; 1: each alone")] = 6,
    patch_size: Annotated[int, typer.Option(help="edge of a patch in pixels; pixels of a table have 1")] = 4,
    apart: Annotated[float, typer.Option(help="kilometres from which two places are independent")] = 10.0,
) -> dict[str, Any]:
    """How observations are drawn, as `Draw` takes it."""
    return {"most": most, "together": together, "patch_size": patch_size, "apart": apart}


@takes(draw=drawing, table=series, options=loading)
def card(
    draw: dict[str, Any],
    table: dict[str, Any],
    options: dict[str, Any],
    models: Models = None,
    every: Every = False,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="a folder of tiles (simulated or real) or of chips, a shard, or a table of pixels; may be said "
            "several times. By default a simulated world of 20 tiles, made once and kept"
        ),
    ] = None,
    sensor: Annotated[str, typer.Option(help="whose bands are asked")] = "sentinel2_l2a",
    seeds: Annotated[
        int,
        typer.Option(min=1, help="random twins of each model, where no row has several seeds; else as many as that"),
    ] = 5,
    groups: Annotated[str | None, typer.Option(help="column of a table whose pixels must not be divided")] = None,
    out: Annotated[Path, typer.Option(help="folder of the table, the page and the figure")] = Path("card"),
) -> None:
    """Say what can be read off the embeddings of models, layer by layer, beside random twins and raw bands.

    Options of tables go to the tables among the data.
    """
    from olmoearth_nb.evaluation.card import Subject, make_card
    from olmoearth_nb.evaluation.observations import Draw

    rows = asked(models or [], every)
    reading = {**{OF_TABLES.get(name, name): value for name, value in options.items()}, **table}
    given = reading | ({"groups": groups} if groups else {})
    seen = [_seen(path, Draw(**draw), given, data or []) for path in data or [_world()]]
    subjects = [Subject(name, tuple(encoders), kind, of) for name, encoders, kind, of in opened(rows, seeds)]
    with bar("reading", len(seen) * sum(len(subject.encoders) for subject in subjects)) as done:
        cards = [make_card(subjects, one, sensor, done=done) for one in seen]
    _write(cards, out)


def _world() -> Path:
    """The simulated world that stands in where no data are named."""
    from olmoearth_nb.data.simulate.world import open_world

    scenes, seed = WORLD
    return open_world(scenes, seed=seed).folder


def _seen(path: Path, draw: Draw, given: Mapping[str, Any], data: Sequence[Path]) -> Observations:
    """The observations of one of the data sets."""
    from olmoearth_nb.evaluation.observations import open_observations

    tables = [one for one in data if one.suffix.lower() in SUFFIXES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what a loader warns of is in the notes
        return open_observations(path, draw, **(given if path in tables or not tables else {}))


def _write(cards: Sequence[Card], out: Path) -> None:
    """Writes table, page and figure, and shows the page."""
    from matplotlib import pyplot as plt

    from olmoearth_nb.evaluation.card_page import COLUMNS, card_rows, pages
    from olmoearth_nb.io.durable import write, write_csv
    from olmoearth_nb.plots.card import plot_cards
    from olmoearth_nb.plots.style import use_style, write_figure

    write_csv(out / "card.csv", COLUMNS, (row for one in cards for row in card_rows(one)))
    with plt.style.context("default"):
        use_style()
        write_figure(out / "card.png", plot_cards(cards), dpi=130)
    text = in_options("\n".join([*pages(cards), "![What is kept](card.png)", ""]))
    write(out / "card.md", lambda part: part.write_text(text, encoding="utf8"))
    typer.echo(text)
    typer.echo(f"{out}: {', '.join(WRITTEN)}")
