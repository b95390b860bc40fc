"""The command line: `olmoearth-nb run`, also `python -m olmoearth_nb run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from olmoearth_nb.cli.ablation import ablate, report
from olmoearth_nb.cli.card import card
from olmoearth_nb.cli.compare import compare
from olmoearth_nb.cli.data import data_app
from olmoearth_nb.cli.embed import embed
from olmoearth_nb.cli.errors import Command
from olmoearth_nb.cli.evaluate import evaluate
from olmoearth_nb.cli.finetune import finetune
from olmoearth_nb.cli.loading import WordsCommand, loading, takes
from olmoearth_nb.cli.map import map_
from olmoearth_nb.cli.pretrain import pretrain
from olmoearth_nb.io.memory import keep_freed_memory

app = typer.Typer(add_completion=False, help="Notebooks and tools of olmoearth_nb.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--notebooks", help="folder that holds the notebooks")]
Only = Annotated[str, typer.Option("--nb", help="only notebooks whose name begins with this, such as 02")]

app.add_typer(data_app, name="data")
for command in (pretrain, ablate, report, embed, evaluate, finetune, compare, card):
    app.command(cls=Command)(command)
app.command("map", cls=Command)(map_)


@app.callback()
def main() -> None:
    """Read, run, question and extend the tokenization of OlmoEarth."""
    keep_freed_memory()


@app.command(cls=WordsCommand)
@takes(options=loading)
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
def notebooks(folder: Folder = Path("notebooks"), nb: Only = "") -> None:
    """Make the committed notebooks from notebooks/src: generate, execute, tidy."""
    from olmoearth_nb.notebook.make import make_all

    make_all(folder.resolve(), nb)
