"""A run from its first step to its files, in a folder that remembers what it is.

The same call goes on where an interrupted one ended. A folder that holds another run is refused.
"""

from __future__ import annotations

import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from olmoearth_nb.data.corpus import Corpus, identity
from olmoearth_nb.durable import write_json
from olmoearth_nb.engine import Engine, finished
from olmoearth_nb.plan import Plan, budgets_of
from olmoearth_nb.trained import save_trained

PLAN = "plan.json"
MEASURED_STEPS = 20
"""Steps that are timed to turn minutes into samples, after two that are not."""


def pretrain(
    plan: Plan, corpus: Corpus, folder: Path, fabric: Any = None, workers: int = 0, quiet: bool = False
) -> list[Path]:
    """Trains through all legs of a plan, from wherever they stand.

    Args:
        plan: the run.
        corpus: its tiles.
        folder: where everything goes.
        fabric: see `Engine`.
        workers: see `Engine`.
        quiet: see `Engine`.

    Returns:
        Folders of the trained models, one for each budget, each with `encoder.safetensors`, `predictor.safetensors`
        and `run.json`.

    Raises:
        FileExistsError: if the folder holds a run that differs, naming what does.
        TrainingError: if training cannot go on; the same call tries again from the last checkpoint.
        DiskFullError: if the disk is full; the last checkpoint is kept.
    """
    engine = Engine(plan, corpus, folder, fabric, workers, quiet)
    about = plan.describe() | {"data": identity(corpus)}
    if engine.fabric.is_global_zero:
        _remember(folder / PLAN, about)
    engine.fabric.barrier()
    for leg in plan.legs:
        models = folder / leg.name
        if finished(folder, leg) and (not leg.falls or (models / "run.json").is_file()):
            continue
        start = time.monotonic()
        if not finished(folder, leg):
            engine.run(leg)
        else:
            engine.load(leg)
        if leg.falls and engine.fabric.is_global_zero:
            more = {"seconds": round(time.monotonic() - start), "machine": machine(engine)}
            save_trained(
                engine.model,
                models,
                about | more | {"samples": leg.end * plan.batch, "steps": leg.end, "falls": leg.start},
            )
    return [folder / leg.name for leg in plan.legs if leg.falls]


def samples_in(minutes: float, plan: Plan, corpus: Corpus, folder: Path, workers: int = 0) -> int:
    """How many samples a run of so many minutes has on this machine: twenty steps are timed and thrown away.

    Args:
        minutes: of training, loading included.
        plan: any budget.
        corpus: the tiles.
        folder: of the run; a number that was measured for it before is taken again.
        workers: processes that load data.
    """
    stored = folder / "minutes.json"
    if stored.is_file():
        return int(json.loads(stored.read_text(encoding="utf8"))["samples"])
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as aside:
        for steps in (2, MEASURED_STEPS):
            trial = replace(plan, budgets=(steps * plan.batch,))
            trial = replace(trial, recipe=replace(plan.recipe, optimisation=replace(plan.recipe.optimisation, decay=0)))
            engine, start = Engine(trial, corpus, Path(aside) / str(steps), None, workers, quiet=True), time.monotonic()
            engine.run(trial.legs[0])
            seconds = (time.monotonic() - start) / steps
    samples = budgets_of(max(plan.batch, int(60 * minutes / seconds) * plan.batch), plan.batch)[0]
    write_json(stored, {"samples": samples, "minutes": minutes, "seconds_per_step": round(seconds, 3)})
    return samples


def machine(engine: Engine) -> dict[str, Any]:
    """What it ran on."""
    return {
        "processor": platform.machine(),
        "device": str(engine.fabric.device),
        "processes": engine.fabric.world_size,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
    }


def _remember(path: Path, about: dict[str, Any]) -> None:
    """Writes what the run is, or checks that it is what was written."""
    if not path.is_file():
        write_json(path, about)
        return
    found, asked = json.loads(path.read_text(encoding="utf8")), json.loads(json.dumps(about))
    differs = {key: (found.get(key), asked.get(key)) for key in asked if found.get(key) != asked.get(key)}
    if differs:
        said = "; ".join(f"{key}: {old} there, {new} asked for" for key, (old, new) in differs.items())
        raise FileExistsError(f"{path.parent} holds another run ({said}); give another folder")
