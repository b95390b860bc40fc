"""The command line: `olmoearth-nb run`, also `python -m olmoearth_nb run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmoearth_nb.cli_data import data_app
from olmoearth_nb.cli_pretrain import pretrain

app = typer.Typer(add_completion=False, help="Notebooks and tools of olmoearth_nb.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--notebooks", help="folder that holds the notebooks")]
Only = Annotated[str, typer.Option("--nb", help="only notebooks whose name begins with this, such as 02")]

app.add_typer(data_app, name="data")
app.command()(pretrain)


@app.callback()
def main() -> None:
    """Read, run, question and extend the tokenization of OlmoEarth."""


@app.command()
def run(
    notebooks: Folder = Path("notebooks"),
    nb: Only = "",
    data: Annotated[
        str, typer.Option(help="your own sample: a GeoTIFF, an m-eurosat .hdf5 chip, an official .h5 tile, an .npz")
    ] = "",
    build: Annotated[Path, typer.Option(help="where executed copies and pages go")] = Path("build"),
) -> None:
    """Execute the notebooks; write executed copies, pages and an index."""
    from olmoearth_nb.book.run import run as run_all

    try:
        outcomes = run_all(notebooks.resolve(), build, nb, data)
    except (FileNotFoundError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def export(
    model: Annotated[
        str, typer.Argument(help="name of a published model, or a folder of one, such as run/budget-4096")
    ],
    folder: Annotated[Path, typer.Argument(help="where config.json, weights.pth and encoder.safetensors go")],
) -> None:
    """Write a model in the official layout, and its encoder alone as safetensors."""
    from olmoearth_nb.checkpoint import load_model, save_model
    from olmoearth_nb.durable import DiskFullError
    from olmoearth_nb.encoder_file import save_encoder
    from olmoearth_nb.fetch import DownloadError

    try:
        loaded = load_model(model)
        save_encoder(loaded.encoder, save_model(loaded, folder) / "encoder.safetensors")
    except (DiskFullError, DownloadError, FileNotFoundError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


@app.command()
def notebooks(folder: Folder = Path("notebooks"), nb: Only = "") -> None:
    """Make the committed notebooks from notebooks/src: generate, execute, tidy."""
    from olmoearth_nb.book.make import make_all

    try:
        make_all(folder.resolve(), nb)
    except FileNotFoundError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
