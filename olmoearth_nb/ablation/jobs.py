"""What each kind of job of a study does, on one thread.

A job reads `study.json` and writes `jobs/KEY.json` whole or not at all, so that a job that is done is never run again
and one that was killed never counts. Keys are those of `folder.Job`, such as "cell ARM SEED".
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import subprocess
import tempfile
import threading
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import olmoearth_nb
from olmoearth_nb.ablation.folder import Job, done, result, run_of
from olmoearth_nb.ablation.scoring import floors, mean_score, scores, world_of
from olmoearth_nb.ablation.study import Arm, Study
from olmoearth_nb.data.chips import open_corpus
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.io.durable import write_json
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.pretrain.engine import DivergedError
from olmoearth_nb.pretrain.log import LOG, read_log
from olmoearth_nb.pretrain.plan import TRUNK, Plan, budgets_of
from olmoearth_nb.pretrain.run import pretrain, samples_in
from olmoearth_nb.pretrain.saves import Checkpoints
from olmoearth_nb.weights.trained import load_trained, load_untrained

ROUNDS = 3
"""Times that an arm is timed; the median counts."""


def read_study(folder: Path) -> Study:
    """The study that a folder holds.

    Raises:
        FileNotFoundError: if it holds none.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no study; `olmoearth-nb ablate FILE --out {folder}` makes one")
    return Study.from_dict(json.loads(path.read_text(encoding="utf8")))


def corpus_of(study: Study, folder: Path) -> Corpus:
    """What the study's arms are trained on."""
    if "corpus" in study.data:
        return open_corpus(study.data["corpus"], folder / "tiles")
    return TileCorpus(world_of(study, folder).folder, folder / "tiles")


def budgets(study: Study, folder: Path, arm: str) -> dict[str, int]:
    """Samples of each budget of an arm, by the budget's name: "2048 samples", "2 minutes".

    Args:
        study: its budgets.
        folder: of the study, where timings are.
        arm: name.
    """
    batch = study.arm(arm).recipe.optimisation.batch
    found = {f"{count} samples": budgets_of(count, batch)[0] for count in study.samples}
    for minutes in study.minutes:
        in_a_minute = result(folder, Job("timing", arm))["samples a minute"]
        found[f"{minutes:g} minutes"] = max(batch, budgets_of(int(minutes * in_a_minute), batch)[0])
    return found


def timed_plan(study: Study, arm: Arm) -> Plan:
    """The run that is timed: what an arm does in a step, whatever its budgets."""
    return Plan(arm.recipe, study.size, study.crops, budgets=(arm.recipe.optimisation.batch,))


def timing(study: Study, folder: Path, arm: Arm) -> dict[str, Any]:
    """How many samples an arm sees in a minute when nothing else runs."""
    plan = timed_plan(study, arm)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        corpus = corpus_of(study, folder)
        counts = [samples_in(1.0, plan, corpus, Path(aside) / str(turn), quiet=True) for turn in range(ROUNDS)]
    return {"samples a minute": int(np.median(counts)), "rounds": counts, "plan": plan.describe()}


def trial(study: Study, folder: Path, arm: Arm, rate: float) -> dict[str, Any]:
    """What an arm answers right after a short run with a rate, on validation tiles and the sets to choose by."""
    assert study.rates is not None
    recipe = replace(arm.recipe, optimisation=replace(arm.recipe.optimisation, rate=rate))
    count = budgets_of(study.rates.samples, recipe.optimisation.batch)
    plan = Plan(recipe, study.size, study.crops, study.rates.seed, count)
    run = run_of(folder, Job("rate", arm.name, repr(rate)))
    try:
        made = pretrain(plan, corpus_of(study, folder), run, quiet=True)[0]
    except DivergedError as error:  # what a rate that is too high does is a result
        return {"accuracy": 0.0, "diverged": str(error)}
    found = scores(study, folder, load_trained(made).encoder, study.rates.seed, "valid")
    _forget(run)
    return {"accuracy": mean_score(found), "scores": found}


def cell(study: Study, folder: Path, arm: Arm, seed: int) -> dict[str, Any]:
    """Trains an arm with a seed through all budgets and scores the tasks on test tiles, once."""
    rate = result(folder, Job("chosen", arm.name))["rate"] if study.rates else arm.recipe.optimisation.rate
    recipe = replace(arm.recipe, optimisation=replace(arm.recipe.optimisation, rate=rate))
    named = budgets(study, folder, arm.name)
    plan = Plan(recipe, study.size, study.crops, seed, tuple(sorted(set(named.values()))))
    run = run_of(folder, Job("cell", arm.name, str(seed)))
    made = pretrain(plan, corpus_of(study, folder), run, quiet=True)
    start: dict[str, Any] = {"budget": "untrained", "samples": 0, "seconds": 0.0, "steps": 0, "rate": rate}
    found = [start | {"scores": scores(study, folder, load_untrained(made[0]), seed)}]
    by_samples = {}
    for count, model in zip(plan.budgets, made, strict=True):
        about = json.loads((model / "run.json").read_text(encoding="utf8"))
        known = {key: about[key] for key in ("samples", "steps", "seconds")} | {"rate": rate}
        known["loss"] = read_log(model / LOG)[-1]["loss"]
        known["scores"] = scores(study, folder, load_trained(model).encoder, seed)
        by_samples[count] = known
    found += [{"budget": name} | by_samples[count] for name, count in named.items()]
    return {"arm": arm.name, "seed": seed, "budgets": found}


def _forget(run: Path, but: Path | None = None) -> None:
    """Removes the checkpoints of a run that is done and scored; models and logs stay."""
    for path in run.rglob("*.pt"):
        if path != but:
            path.unlink()


def environment() -> dict[str, Any]:
    """Commit, versions, hardware and threads."""
    import torch

    at, commit = Path(olmoearth_nb.__file__).parents[1], ""
    if (at / "pyproject.toml").is_file():  # a clone, not an installed wheel
        head, changes = (
            subprocess.run(["git", "-C", at, *words], capture_output=True, text=True, check=False).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
        commit = head + ("-dirty" if changes else "")
    packages = ("olmoearth_nb", "torch", "numpy", "scikit-learn")
    return {
        "commit": commit or "none",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "host": platform.node(),
        "processor": platform.machine(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
    }


def run_job(folder: Path, key: str) -> dict[str, Any]:
    """Runs a job in this process and keeps its result; one that is done is read.

    Raises:
        ValueError: for a key that is none, or names an arm or seed that the study does not have.
    """
    job = Job.parse(key)
    if done(folder, job).is_file():
        return result(folder, job)
    import torch
    from threadpoolctl import threadpool_limits

    keep_freed_memory()
    study = read_study(folder)
    if job.kind == "cell" and job.value not in map(str, study.seeds):
        raise ValueError(f"no seed {job.value}; the study has {', '.join(map(str, study.seeds))}")
    with threadpool_limits(1):
        torch.set_num_threads(1)
        found = _run(study, folder, job) | {"environment": environment()}
    write_json(done(folder, job), found)
    if job.kind == "cell":
        run = run_of(folder, job)
        _forget(run, but=Checkpoints(run / TRUNK).last_kept())  # longer budgets that join later go on from there
    return found


def _run(study: Study, folder: Path, job: Job) -> dict[str, Any]:
    """What a job finds."""
    if job.kind == "floors":
        return floors(study, folder)
    arm = study.arm(job.arm)
    if job.kind == "timing":
        return timing(study, folder, arm)
    if job.kind == "rate":
        return trial(study, folder, arm, float(job.value))
    if job.kind == "cell":
        return cell(study, folder, arm, int(job.value))
    raise ValueError(f"{job} is chosen when its rates have run, it is no job to run")


_ALONE = threading.Lock()
"""Held by the job that runs in this process; torch's random state, its threads and the output belong to all of it."""


def work(folder: str, key: str, notebook: str = "") -> None:
    """Runs a job on a Dask worker, unless it is done; waits where it still runs on another one.

    Args:
        folder: of the study.
        key: of the job.
        notebook: that runs it, if any.

    Raises:
        RuntimeError: if it failed, with the last line of its traceback; all of it is in `jobs/KEY.log`.
    """
    from filelock import FileLock

    log = done(Path(folder), key).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with _ALONE, FileLock(log.with_suffix(".lock")):
        if done(Path(folder), key).is_file():
            return
        with log.open("w", encoding="utf8") as out, redirect_stdout(out), redirect_stderr(out):
            atexit.register(os._exit, 1)  # a worker may end before its job, whose thread then leaves h5py's lock closed
            try:
                if notebook:
                    run_notebook(Path(notebook), Path(folder), key)
                else:
                    run_job(Path(folder), key)
            except Exception:  # not every exception can be sent to another process, its words can
                message = traceback.format_exc()
                out.write(message)
                raise RuntimeError(message.strip().splitlines()[-1]) from None
            finally:
                atexit.unregister(os._exit)


def run_notebook(notebook: Path, folder: Path, key: str) -> Path:
    """Runs a cell of the study as a notebook with the parameters `sweep`, `arm` and `seed`, and keeps its copy.

    Raises:
        ValueError: if the notebook ended without the job's result.
    """
    import papermill

    job = Job.parse(key)
    copy = folder / "notebooks" / f"{job.arm} {job.value}.ipynb"
    copy.parent.mkdir(parents=True, exist_ok=True)
    parameters = {"sweep": str(folder), "arm": job.arm, "seed": int(job.value)}
    papermill.execute_notebook(str(notebook), str(copy), parameters, progress_bar=False, cwd=str(notebook.parent))
    if not done(folder, job).is_file():
        raise ValueError(f'{notebook.name} ended without a result: it must call run_job(sweep, "cell ARM SEED")')
    return copy
