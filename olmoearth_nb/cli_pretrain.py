"""The command line's `pretrain`: recipes, sizes, budgets, and going on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def pretrain(
    recipe: Annotated[str, typer.Option(help="v1, naive, v1.1, v1.2, or an ablation of v1.1")] = "v1.1",
    size: Annotated[str, typer.Option(help="mini, nano, tiny, small, base or large")] = "mini",
    data: Annotated[Path, typer.Option(help="folder of tiles in the official format, simulated or real")] = Path(),
    out: Annotated[Path, typer.Option(help="folder of the run; the same command goes on with it")] = Path("run"),
    samples: Annotated[str, typer.Option(help="budgets in samples, such as 20000 or 5000,20000")] = "",
    minutes: Annotated[float, typer.Option(help="budget in minutes: timed, turned into samples, and kept")] = 0.0,
    seed: Annotated[int, typer.Option(help="of everything random")] = 0,
    scale: Annotated[
        str, typer.Option(help="'cores' for two cores, 'official' for the published configuration")
    ] = "cores",
    rate: Annotated[float, typer.Option(help="learning rate; by default that of the recipe")] = 0.0,
    precision: Annotated[str, typer.Option(help="32-true or bf16-mixed")] = "32-true",
    threads: Annotated[int, typer.Option(help="threads of this process; 0 for all")] = 0,
    workers: Annotated[int, typer.Option(help="processes that load data")] = 0,
    cache: Annotated[Path | None, typer.Option(help="folder for uncompressed tiles; by default beside the run")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what would be done, and stop")] = False,
) -> None:
    """Pretrain a model; under torchrun, in as many processes."""
    from olmoearth_nb.crops import TWO_CORES, Crops
    from olmoearth_nb.data.corpus import Corpus
    from olmoearth_nb.durable import DiskFullError
    from olmoearth_nb.engine import TrainingError
    from olmoearth_nb.plan import Plan, budgets_of
    from olmoearth_nb.recipes import official, two_cores
    from olmoearth_nb.runs import pretrain as train
    from olmoearth_nb.runs import samples_in
    from olmoearth_nb.training_cost import describe

    try:
        if scale not in ("cores", "official"):
            raise ValueError(f"scale must be 'cores' or 'official', got {scale!r}")
        if samples and minutes:
            raise ValueError("give a budget in samples or in minutes, not both")
        chosen = official(recipe, size) if scale == "official" else two_cores(recipe)
        if rate:
            chosen = replace(chosen, optimisation=replace(chosen.optimisation, rate=rate))
        given = [int(part) for part in samples.split(",")] if samples else [_default(scale)]
        plan = Plan(
            chosen,
            size,
            Crops() if scale == "official" else TWO_CORES,
            seed,
            budgets_of(given, chosen.optimisation.batch),
            precision,
        )
        if threads:
            import torch

            torch.set_num_threads(threads)
        if dry_run or (scale == "official" and data == Path()):
            typer.echo(describe(plan))
            return
        corpus = Corpus(data, cache or out / "tiles")
        if minutes:
            plan = replace(plan, budgets=(samples_in(minutes, plan, corpus, out, workers),))
            typer.echo(f"{minutes:g} minutes are {plan.budgets[0]:,} samples here")
        made = train(plan, corpus, out, workers=workers)
    except (DiskFullError, FileExistsError, FileNotFoundError, TrainingError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo(f"interrupted; {out} keeps the run so far, the same command goes on with it", err=True)
        raise typer.Exit(130) from error
    from olmoearth_nb.plots_training import plot_run

    plot_run(out).savefig(out / "loss.png", dpi=120)
    typer.echo("\n".join(str(folder) for folder in made))


def _default(scale: str) -> int:
    """Budget where none is given: 300 passes over the official data, or a few minutes on two cores."""
    return 300 * 1_138_828 if scale == "official" else 4096
