"""The command line's doors to data: `olmoearth-nb data simulate` and its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmoearth_nb.data.subset import URL

data_app = typer.Typer(help="Make and fetch data.", no_args_is_help=True)


@data_app.callback()
def data() -> None:
    """Make and fetch data."""


@data_app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="folder to make")],
    scenes: Annotated[int, typer.Option(help="how many scenes")] = 2000,
    size: Annotated[int, typer.Option(help="edge of a scene in pixels of 10 m, 8 to 128")] = 32,
    dates: Annotated[int, typer.Option(help="months that a scene shows, 1 to 12")] = 6,
    seed: Annotated[int, typer.Option(help="seed of the world")] = 0,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
) -> None:
    """Simulate scenes and write them in the official pretraining format."""
    from olmoearth_nb.data.simulate.generate import simulate as make

    try:
        made = make(out, scenes, size, dates, seed, workers)
    except (FileExistsError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    size_on_disk = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    typer.echo(f"{made}: {scenes} scenes of {size} x {size} px x {dates} dates, {size_on_disk / 1e6:.0f} MB")


@data_app.command()
def subset(
    out: Annotated[Path, typer.Option(help="folder to make")],
    url: Annotated[str, typer.Option(help="address of the tar")] = URL,
) -> None:
    """Download the official subset of the pretraining data; the same call goes on after a break."""
    from olmoearth_nb.data.subset import fetch_subset
    from olmoearth_nb.fetch import DownloadError

    try:
        tiles = fetch_subset(out, url)
    except (DownloadError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{tiles.folder}: {len(tiles)} tiles, open them by olmoearth_nb.data.official.OfficialDataset")
