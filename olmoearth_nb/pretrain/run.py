"""A run from its first step to its files, in a folder that remembers what it is.

The same call goes on where an interrupted one ended. A folder that holds another run is refused.
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.io.durable import alone, write_json
from olmoearth_nb.pretrain.engine import SAVE_EVERY, Engine
from olmoearth_nb.pretrain.fabric import launch
from olmoearth_nb.pretrain.log import LOG, read_log
from olmoearth_nb.pretrain.plan import TRUNK, Leg, Plan, budgets_of
from olmoearth_nb.pretrain.saves import Checkpoints
from olmoearth_nb.pretrain.scaling import with_statistics
from olmoearth_nb.weights.trained import is_trained, save_trained

PLAN, MINUTES = "plan.json", "minutes.json"

MEASURED = ("samples", "seconds_per_step")
"""What `minutes.json` holds beside the run that was timed."""

WARM_STEPS, MEASURED_STEPS = 2, 20
"""Steps that are timed to turn minutes into samples, after some that are not."""


def pretrain(
    plan: Plan,
    corpus: Corpus,
    folder: Path,
    fabric: Any = None,
    workers: int = 0,
    quiet: bool = False,
    save_every: float = SAVE_EVERY,
) -> list[Path]:
    """Trains through all legs of a plan, from wherever they stand.

    Longer budgets than before may be wanted of the same folder: its trunk goes on to them.

    Args:
        plan: the run.
        corpus: its places.
        folder: where everything goes; all processes must see it.
        fabric: see `Engine`.
        workers: see `Engine`.
        quiet: see `Engine`.
        save_every: see `Engine`.

    Returns:
        Folders of the trained models, one for each budget that was given, each with `encoder.safetensors`,
        `predictor.safetensors` and `run.json`.

    Raises:
        FileExistsError: if the folder holds a run that differs, naming what does, or longer budgets than a new one, or
            another process trains in it.
        TrainingError: if training cannot go on; the same call tries again from the last checkpoint.
        DiskFullError: if the disk is full; the last checkpoint is kept.
    """
    fabric = fabric or launch(plan.precision)
    with alone(folder) if fabric.is_global_zero else nullcontext():
        data, plan = corpus.identity(), replace(plan, recipe=with_statistics(plan.recipe, corpus))
        wanted, plan = plan.budgets, _joined(plan, data, folder / PLAN, fabric)
        engine = Engine(plan, corpus, folder, fabric, workers, quiet, save_every)
        legs = [leg for leg in plan.legs if not leg.falls or leg.end * plan.batch in wanted]
        for leg in legs:
            if fabric.broadcast(_is_done(folder, leg)):
                continue
            engine.run(leg)
            if leg.falls and fabric.is_global_zero:
                result: dict[str, Any] = {"samples": leg.end * plan.batch, "steps": leg.end, "falls": leg.start}
                result |= {"seconds": _seconds(folder, leg), "machine": machine(engine)}
                save_trained(engine.model, folder / leg.name, plan.describe() | {"data": data} | result)
        fabric.barrier()
    return [folder / leg.name for leg in legs if leg.falls]


def samples_in(
    minutes: float,
    plan: Plan,
    corpus: Corpus,
    folder: Path,
    fabric: Any = None,
    workers: int = 0,
    quiet: bool = False,
) -> int:
    """How many samples a run of so many minutes has on this machine: twenty steps are timed and thrown away.

    Args:
        minutes: of training, loading included.
        plan: any budget.
        corpus: the places.
        folder: of the run; a number that was measured for it before is taken again.
        fabric: see `Engine`.
        workers: see `Engine`.
        quiet: see `Engine`.

    Raises:
        ValueError: for minutes that are none.
        FileExistsError: if the folder holds a number that was measured for another run or for other minutes.
    """
    if not 0 < minutes < float("inf"):
        raise ValueError(f"minutes must be above 0, got {minutes}")
    fabric = fabric or launch(plan.precision)
    plan = replace(plan, recipe=with_statistics(plan.recipe, corpus))
    wanted = {"minutes": minutes} | plan.describe() | {"data": corpus.identity()}
    del wanted["budgets"]  # which is what is to be found
    _refuse_another(folder / PLAN, {key: wanted[key] for key in wanted if key != "minutes"}, but=("budgets",))
    stored = folder / MINUTES
    if not fabric.broadcast(stored.is_file()):
        seconds = fabric.broadcast(_seconds_a_step(Engine(plan, corpus, folder, fabric, workers, quiet)))
        samples = max(plan.batch, budgets_of(int(60 * minutes / seconds * plan.batch), plan.batch)[0])
        if fabric.is_global_zero:
            measured = dict(zip(MEASURED, (samples, round(seconds, 3)), strict=True))
            write_json(stored, wanted | measured)
        fabric.barrier()
    _refuse_another(stored, wanted, but=MEASURED)
    return int(json.loads(stored.read_text(encoding="utf8"))["samples"])


def _seconds_a_step(engine: Engine) -> float:
    """Times steps in a folder that is removed."""
    with _aside(engine.folder / "timing") if engine.fabric.is_global_zero else nullcontext():
        for end in (WARM_STEPS, WARM_STEPS + MEASURED_STEPS):
            start = time.monotonic()
            engine.run(Leg("timing", 0, end, falls=False))
        return (time.monotonic() - start) / MEASURED_STEPS


@contextmanager
def _aside(folder: Path) -> Iterator[None]:
    """A folder that is not there before and after."""
    with alone(folder.parent):
        try:
            _remove(folder)
            yield
        finally:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Removes a folder, if it is there."""
    if folder.is_dir():
        shutil.rmtree(folder)


def _is_done(folder: Path, leg: Leg) -> bool:
    """Whether a branch has left its model, and the trunk all that branches begin from."""
    if leg.falls:
        return is_trained(folder / leg.name)
    return all(Checkpoints(folder / leg.name).kept(step).is_file() for step in leg.keeps)


def _seconds(folder: Path, leg: Leg) -> float:
    """Seconds of training that a model took: its part of the trunk, and its branch."""
    before = [line["seconds"] for line in read_log(folder / TRUNK / LOG) if line["step"] <= leg.start]
    own = [line["seconds"] for line in read_log(folder / leg.name / LOG)]
    return float(sum(part[-1] for part in (before, own) if part))


def machine(engine: Engine) -> dict[str, Any]:
    """What it ran on."""
    return {
        "processor": platform.machine(),
        "device": engine.fabric.device.type,
        "processes": engine.fabric.world_size,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
    }


def _joined(plan: Plan, data: dict[str, Any], path: Path, fabric: Any) -> Plan:
    """The plan with the shorter budgets that its folder has had before; writes which run and budgets a folder holds.

    New budgets may only be longer than those before, so that a trunk never goes back.
    """
    about = plan.describe() | {"data": data}
    _refuse_another(path, about, but=("budgets",))
    stored = json.loads(path.read_text(encoding="utf8"))["budgets"] if path.is_file() else []
    short = [budget for budget in plan.budgets if budget not in stored and budget < max(stored, default=0)]
    if short:
        raise FileExistsError(
            f"{path.parent} holds a run with budgets of {', '.join(map(str, stored))} samples; further ones must be "
            f"longer, got {', '.join(map(str, short))}; give another folder"
        )
    known = fabric.broadcast(sorted({*stored, *plan.budgets}))
    if fabric.is_global_zero and known != stored:
        write_json(path, about | {"budgets": known})
    fabric.barrier()
    return replace(plan, budgets=tuple(budget for budget in known if budget <= plan.budgets[-1]))


def _refuse_another(path: Path, about: dict[str, Any], but: Sequence[str]) -> None:
    """Raises if a folder holds another run than this one; some things may differ or be there alone."""
    if not path.is_file():
        return
    kept, wanted = json.loads(path.read_text(encoding="utf8")), json.loads(json.dumps(about))
    keys = [key for key in {**wanted, **kept} if key not in but]  # of both: defaults are left out
    differs = {key: (kept.get(key), wanted.get(key)) for key in keys if kept.get(key) != wanted.get(key)}
    if differs:
        message = "; ".join(f"{key}: {old} there, {new} asked for" for key, (old, new) in differs.items())
        raise FileExistsError(f"{path.parent} holds another run ({message}); give another folder")
