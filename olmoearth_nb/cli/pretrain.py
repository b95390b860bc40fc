"""The command line's `pretrain`: recipes, sizes, budgets, and going on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olmoearth_nb.cli.errors import keeping
from olmoearth_nb.cli.loading import PRECISION

if TYPE_CHECKING:
    from olmoearth_nb.pretrain.plan import Plan
    from olmoearth_nb.pretrain.recipes import Recipe


def pretrain(
    recipe: Annotated[str, typer.Option(help="v1, naive, v1.1, v1.2, or an ablation of v1.1")] = "v1.1",
    size: Annotated[str, typer.Option(help="mini, nano, tiny, small, base or large")] = "mini",
    data: Annotated[Path | None, typer.Option(help="folder of tiles (simulated or real), or of chips")] = None,
    out: Annotated[Path, typer.Option(help="folder of the run; the same command goes on with it")] = Path("run"),
    samples: Annotated[
        str, typer.Option(help="budgets in samples, such as 20000 or 5000,20000; a run takes longer ones later")
    ] = "",
    minutes: Annotated[
        float | None, typer.Option(help="budget in minutes: timed, turned into samples, and kept")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of everything random")] = 0,
    scale: Annotated[
        str, typer.Option(help="'cores' for two cores, 'official' for the published configuration")
    ] = "cores",
    normalisation: Annotated[
        str | None, typer.Option(help="official, standard or robust inputs; by default those of the recipe")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="learning rate; by default that of the recipe")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="samples a step; by default those of the recipe")] = None,
    micro_batch: Annotated[
        int | None, typer.Option(min=1, help="samples a forward pass; --batch divided by it is shared by processes")
    ] = None,
    precision: Annotated[str, typer.Option(help=PRECISION)] = "32-true",
    threads: Annotated[int, typer.Option(min=0, help="threads of this process; 0 for all")] = 0,
    workers: Annotated[
        int, typer.Option(min=0, help="processes that load data, each with 2 GB of memory for them")
    ] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="folder for uncompressed tiles, some 10 MB each; by default in the run")
    ] = None,
    save_every: Annotated[float, typer.Option(min=0, help="seconds between checkpoints")] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what would be done, and stop")] = False,
) -> None:
    """Pretrain a model; under torchrun, in as many processes."""
    with keeping(f"{out} keeps the run so far, the same command goes on with it"):
        changed = {"rate": rate, "batch": batch, "micro_batch": micro_batch}
        chosen = _recipe(recipe, size, scale, {key: value for key, value in changed.items() if value is not None})
        if normalisation is not None:
            chosen = replace(chosen, normalisation=normalisation)  # type: ignore[arg-type]  # checked by the recipe
        plan = _plan(chosen, size, scale, samples, minutes, seed, precision)
        if dry_run or (scale == "official" and data is None):
            from olmoearth_nb.pretrain.cost import describe

            typer.echo(describe(plan, minutes, official=scale == "official"))
            return
        _train(plan, data, out, minutes, threads, workers, cache, save_every)


def _recipe(name: str, size: str, scale: str, changed: dict[str, Any]) -> Recipe:
    """A built-in recipe at a scale, with another rate or batch where they were given."""
    from olmoearth_nb.pretrain.recipes import official, two_cores

    if scale not in ("cores", "official"):
        raise ValueError(f"scale must be 'cores' or 'official', got {scale!r}")
    chosen = official(name, size) if scale == "official" else two_cores(name, size)
    return replace(chosen, optimisation=replace(chosen.optimisation, **changed))


def _plan(
    recipe: Recipe, size: str, scale: str, samples: str, minutes: float | None, seed: int, precision: str
) -> Plan:
    """The run that was asked for; if its budget was given in minutes, another stands in until they are timed."""
    from olmoearth_nb.pretrain.crops import TWO_CORES, Crops
    from olmoearth_nb.pretrain.plan import Plan, budgets_of

    if samples and minutes is not None:
        raise ValueError("give a budget in samples or in minutes, not both")
    recipe.config(size)
    parts = (samples or _default(scale)).split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"samples must be whole numbers with commas between them, such as 5000,20000, got {samples!r}")
    budgets = budgets_of([int(part) for part in parts], recipe.optimisation.batch)
    return Plan(recipe, size, Crops() if scale == "official" else TWO_CORES, seed, budgets, precision)


def _train(
    plan: Plan,
    data: Path | None,
    out: Path,
    minutes: float | None,
    threads: int,
    workers: int,
    cache: Path | None,
    save_every: float,
) -> None:
    """Trains, and says what was made; under torchrun the first process alone speaks."""
    import torch

    from olmoearth_nb.data.chips import open_corpus
    from olmoearth_nb.data.corpus import TileCorpus
    from olmoearth_nb.plots.training import plot_run
    from olmoearth_nb.pretrain.fabric import launch
    from olmoearth_nb.pretrain.run import pretrain as train
    from olmoearth_nb.pretrain.run import samples_in

    if data is None:
        raise ValueError("give --data, a folder of tiles or chips; 'olmoearth-nb data simulate --out world' makes one")
    if threads:
        torch.set_num_threads(threads)
    fabric = launch(plan.precision)
    corpus = open_corpus(data, cache or out / "tiles")
    if minutes is not None:
        if fabric.is_global_zero and isinstance(corpus, TileCorpus):
            corpus.copy_all()  # or else unpacking, which happens once, would be taken for training
        fabric.barrier()
        plan = replace(plan, budgets=(samples_in(minutes, plan, corpus, out, fabric, workers),))
        if fabric.is_global_zero:
            typer.echo(f"{minutes:g} minutes are {plan.budgets[0]:,} samples here")
    made = train(plan, corpus, out, fabric, workers, save_every=save_every)
    if fabric.is_global_zero:
        plot_run(out).savefig(out / "loss.png", dpi=120)
        typer.echo("\n".join(str(folder) for folder in made))


def _default(scale: str) -> str:
    """Budget where none is given: 300 passes over whole batches of the official data, or minutes on two cores."""
    from olmoearth_nb.pretrain.cost import OFFICIAL_SAMPLES

    return str(300 * (OFFICIAL_SAMPLES // 512 * 512) if scale == "official" else 4096)
