"""The command line's `ablate` and `report`: studies and what they found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmoearth_nb.cli.errors import keeping


def ablate(
    file: Annotated[Path, typer.Argument(help="the study, a YAML: arms, seeds, data, budgets, tasks")],
    out: Annotated[Path, typer.Option(help="folder of the sweep; the same command goes on with it")],
    workers: Annotated[int, typer.Option(min=1, help="arms that train at once, each on one thread")] = 2,
    scheduler: Annotated[
        str, typer.Option(help="a Dask scheduler instead of this machine, such as tcp://host:8786")
    ] = "",
    timings: Annotated[
        Path | None, typer.Option(help="a sweep whose timings are taken, so that minutes mean the same samples")
    ] = None,
    notebook: Annotated[
        Path | None, typer.Option(help="notebook to run for each arm and seed, kept as its record")
    ] = None,
) -> None:
    """Train and score every arm of a study with every seed; then write its report."""
    from olmoearth_nb.ablation.report import report as write_report
    from olmoearth_nb.ablation.study import Study
    from olmoearth_nb.ablation.sweep import ablate as sweep

    with keeping(f"{out} keeps what is done, the same command goes on with it"):
        if notebook is not None and not notebook.is_file():
            raise FileNotFoundError(f"there is no notebook {notebook}")
        folder = sweep(Study.load(file), out, workers, scheduler, timings or "", notebook or "")
        typer.echo(str(write_report(folder)))


def report(folder: Annotated[Path, typer.Argument(help="folder of a sweep whose arms are done")]) -> None:
    """Write a sweep's tables and figures again, from its CSVs."""
    from olmoearth_nb.ablation.report import report as write_report

    typer.echo(str(write_report(folder)))
