"""The command line: `olmoearth-nb run`, also `python -m olmoearth_nb run`."""

from __future__ import annotations

import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from olmoearth_nb.cli.ablation import ablate, report
from olmoearth_nb.cli.data import data_app
from olmoearth_nb.cli.errors import Command, in_options
from olmoearth_nb.cli.loading import WordsCommand, takes_loading
from olmoearth_nb.cli.pretrain import pretrain

app = typer.Typer(add_completion=False, help="Notebooks and tools of olmoearth_nb.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--notebooks", help="folder that holds the notebooks")]
Only = Annotated[str, typer.Option("--nb", help="only notebooks whose name begins with this, such as 02")]


class Outside(StrEnum):
    """What becomes of features outside a scene."""

    error = "error"
    skip = "skip"


app.add_typer(data_app, name="data")
for command in (pretrain, ablate, report):
    app.command(cls=Command)(command)


@app.callback()
def main() -> None:
    """Read, run, question and extend the tokenization of OlmoEarth."""


@app.command(cls=WordsCommand)
@takes_loading
def run(
    options: dict[str, Any],
    notebooks: Folder = Path("notebooks"),
    nb: Only = "",
    data: Annotated[
        str,
        typer.Option(
            help="your own sample: a GeoTIFF, a Sentinel-2 .SAFE folder, an m-eurosat .hdf5 or EuroSAT .tif chip, an "
            "official .h5 tile, an .npz"
        ),
    ] = "",
    build: Annotated[Path, typer.Option(help="where executed copies and pages go")] = Path("build"),
) -> None:
    """Execute the notebooks; write executed copies, pages and an index."""
    from olmoearth_nb.notebook.run import run as run_all

    outcomes = run_all(notebooks.resolve(), build, nb, data, options)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


@app.command(cls=Command)
def export(
    model: Annotated[
        str, typer.Argument(help="name of a published model, or a folder of one, such as run/budget-4096")
    ],
    folder: Annotated[Path, typer.Argument(help="where config.json, weights.pth and encoder.safetensors go")],
) -> None:
    """Write a model in the official layout, and its encoder alone as safetensors."""
    from olmoearth_nb.weights.encoder_file import save_encoder
    from olmoearth_nb.weights.load import load_model
    from olmoearth_nb.weights.official import save_model

    loaded = load_model(model)
    save_encoder(loaded.encoder, save_model(loaded, folder) / "encoder.safetensors")
    typer.echo(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


@app.command(cls=Command)
@takes_loading
def embed(
    options: dict[str, Any],
    model: Annotated[str, typer.Option(help="a published model, a model folder, or an encoder.safetensors")],
    data: Annotated[str, typer.Option(help="a scene that knows its place: a GeoTIFF or a folder of such, .SAFE, .npz")],
    points: Annotated[
        Path, typer.Option(help="GeoJSON of points or polygons, whose coordinates are longitude, latitude")
    ],
    out: Annotated[Path, typer.Option(help="table to write, .parquet or .csv")],
    patch_size: Annotated[int, typer.Option(help="edge of a patch in pixels, 1 to 8")] = 4,
    window: Annotated[int, typer.Option(help="edge of what the encoder sees at once, in pixels; 0: 16 patches")] = 0,
    outside: Annotated[Outside, typer.Option(help="what to do with features outside the scene")] = Outside.error,
) -> None:
    """Embed the points and polygons of a GeoJSON file in a scene; one row for each."""
    from olmoearth_nb.data import load_sample
    from olmoearth_nb.points.features import check_table_path, embed_features, read_features, require_place, write_table
    from olmoearth_nb.weights.load import open_encoder

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", UserWarning)
        check_table_path(out)
        features, scene = read_features(points), load_sample(data, **options)
        heard.clear()  # what a loader warns of is in the notes of its sample
        require_place(scene)
        encoder = open_encoder(model)
        table = embed_features(
            encoder, scene, features, patch_size, window=window or None, outside=outside.value, model=model
        )
        write_table(table, out)
    for note in [*scene.notes, *(str(warning.message) for warning in heard if warning.category is UserWarning)]:
        typer.echo(f"note: {in_options(note)}", err=True)
    cut = int((table["inside"] < 1).sum())
    if cut:
        typer.echo(f"note: {cut} features reach beyond the scene and are embedded by their part in it", err=True)
    typer.echo(f"{out}: {len(table)} features, embeddings of {encoder.config.width} numbers")


@app.command(cls=Command)
def notebooks(folder: Folder = Path("notebooks"), nb: Only = "") -> None:
    """Make the committed notebooks from notebooks/src: generate, execute, tidy."""
    from olmoearth_nb.notebook.make import make_all

    make_all(folder.resolve(), nb)
