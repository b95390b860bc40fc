"""All jobs of a study on Dask: a local cluster by default, or the scheduler of any other one.

A sweep can be killed at any moment; the same call goes on with what is not done. Nothing is scored twice. Local workers
end with the sweep. A worker of another scheduler finishes the job that it has begun, and the next sweep waits for it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olmoearth_nb.ablation.folder import Job, done, result, run_of
from olmoearth_nb.ablation.jobs import budgets, corpus_of, read_study, timed_plan, work
from olmoearth_nb.ablation.study import Arm, Study
from olmoearth_nb.ablation.tables import write_scores
from olmoearth_nb.data.corpus import TileCorpus
from olmoearth_nb.errors import PlainError
from olmoearth_nb.io.cluster import cluster
from olmoearth_nb.io.durable import alone, write_json
from olmoearth_nb.pretrain.log import LOG

if TYPE_CHECKING:
    from distributed import Client


class SweepError(PlainError):
    """Some jobs failed; those that are done are kept."""


def ablate(
    study: Study,
    folder: str | os.PathLike[str],
    workers: int = 2,
    scheduler: str = "",
    timings: str | os.PathLike[str] = "",
    notebook: str | os.PathLike[str] = "",
    quiet: bool = False,
) -> Path:
    """Trains and scores every arm with every seed, and writes the tables.

    Args:
        study: arms, seeds, data, budgets, tasks.
        folder: of the sweep; all workers must see it under this path. One that holds part of this study, or this
            study with fewer arms or shorter budgets of samples, is gone on with.
        workers: processes of the local cluster.
        scheduler: address of a Dask scheduler instead, such as "tcp://host:8786".
        timings: folder of another sweep, whose timings are taken so that budgets in minutes are the same.
        notebook: a notebook to run for every arm and seed, by papermill; its copies are kept.
        quiet: whether to leave out the progress bar.

    Returns:
        The folder, with `scores.csv`, `runs.csv` and `results.json`.

    Raises:
        FileExistsError: if the folder holds another study, or another process works in it.
        SweepError: if jobs failed, naming them; the others are done and kept.
        ModuleNotFoundError: if Dask is not installed, saying how to.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    folder = Path(folder).resolve()
    with alone(folder):
        _remember(study, folder)
        corpus = corpus_of(study, folder)
        if isinstance(corpus, TileCorpus):
            corpus.copy_all(quiet)  # made once, before many ask for it and before anything is timed
        with cluster(workers, scheduler) as client:
            run = partial(_run, client, folder, quiet=quiet)
            run([Job("floors")])  # asks every task, so that a mistake in one shows before anything is trained
            for arm in study.arms if study.minutes else ():
                _take_timing(arm, folder, Path(timings) if timings else None)
                run([Job("timing", arm.name)])  # while nothing else runs
            if study.rates:
                run([Job("rate", arm.name, repr(rate)) for arm in study.arms for rate in study.rates.choose])
                _choose(study, folder)
            run(_cells(study), notebook=str(notebook and Path(notebook).resolve()))
        return write_scores(folder)


def _remember(study: Study, folder: Path) -> None:
    """Writes what the study is, or checks that it is what was written; arms and longer budgets of samples may join.

    Arms that are there already keep their results; their trainings go on to longer budgets, and are scored anew. More
    seeds may not join: to stop when a difference shows would make false findings likelier than stated.
    """
    path = folder / "study.json"
    given = study.to_dict()
    if path.is_file():
        written = read_study(folder).to_dict()
        longer = _longer(written["samples"], given["samples"])
        differs = [key for key in given if key not in ("arms", *longer) and written[key] != given[key]]
        differs += [f"arm {name}" for name, arm in written["arms"].items() if given["arms"].get(name) != arm]
        differs += ["baseline"] if next(iter(written["arms"])) != next(iter(given["arms"])) else []
        if differs:
            raise FileExistsError(f"{folder} holds another study ({', '.join(differs)} differ); give another folder")
        for job in _cells(study) if longer else ():
            done(folder, job).unlink(missing_ok=True)
    write_json(path, given)


def _longer(written: Sequence[int], given: Sequence[int]) -> tuple[str, ...]:
    """("samples",) if those given are those written and longer ones, which trainings can go on to."""
    added = {*given} - {*written}
    return ("samples",) if added and {*written} < {*given} and min(added) > max(written, default=0) else ()


def _cells(study: Study) -> list[Job]:
    """All trainings, seeds outermost: a sweep that is cut short has compared all arms on its first seeds."""
    return [Job("cell", arm.name, str(seed)) for seed in study.seeds for arm in study.arms]


def _take_timing(arm: Arm, folder: Path, other: Path | None) -> None:
    """Takes another sweep's timing of an arm, so that budgets in minutes are the same samples."""
    job = Job("timing", arm.name)
    if other is None or done(folder, job).is_file():
        return
    if not done(other, job).is_file():
        raise FileNotFoundError(f"{other} has no {job}")
    found, plan = result(other, job), timed_plan(read_study(folder), arm)
    if found["plan"] != json.loads(json.dumps(plan.describe())):
        raise ValueError(f"{other} timed another arm under the name {arm.name!r}")
    write_json(done(folder, job), found)


def _choose(study: Study, folder: Path) -> None:
    """The rate of every arm by the study's rule: most right on validation tiles, the lower of equals."""
    assert study.rates is not None
    for arm in study.arms:
        tries = {rate: Job("rate", arm.name, repr(rate)) for rate in sorted(study.rates.choose)}
        results = {rate: result(folder, job) for rate, job in tries.items()}
        found = {rate: one["accuracy"] for rate, one in results.items()}
        stable = [rate for rate, one in results.items() if "diverged" not in one]  # R2 may be below the 0 of the others
        if not stable:
            raise SweepError(f"{arm.name} diverges at all of the rates {', '.join(map(str, found))}; give lower ones")
        best = max(stable, key=lambda rate: found[rate])
        at_edge = len(found) > 1 and best in (min(found), max(found))
        tried = [{"rate": rate, "accuracy": accuracy} for rate, accuracy in found.items()]
        write_json(done(folder, Job("chosen", arm.name)), {"rate": best, "at the edge": at_edge, "tried": tried})


def _run(client: Client, folder: Path, jobs: Sequence[Job], notebook: str = "", quiet: bool = False) -> None:
    """Runs the jobs that are not done, as many at once as there are workers."""
    left = [job for job in jobs if not done(folder, job).is_file()]
    futures = {
        job: client.submit(work, str(folder), str(job), notebook, pure=False, priority=-number)
        for number, job in enumerate(left)
    }
    with _progress(folder, jobs, quiet) as show:
        while not all(future.done() for future in futures.values()):
            show()
            time.sleep(0.5)
        show()
    failed = {job: future.exception() for job, future in futures.items() if future.status != "finished"}
    if failed:
        reasons = "\n".join(f"{job}: {error}" for job, error in failed.items())
        raise SweepError(
            f"{len(failed)} of {len(jobs)} jobs failed; the others are kept, the same call tries again\n{reasons}"
        )


@contextmanager
def _progress(folder: Path, jobs: Sequence[Job], quiet: bool) -> Iterator[Any]:
    """A bar over the training steps and the jobs of all arms."""
    if quiet:
        yield lambda: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        expected = {job: _expected(folder, job) for job in jobs}
        task = bar.add_task("", total=sum(expected.values()))

        def show() -> None:
            finished = [job for job in jobs if done(folder, job).is_file()]
            made = sum(steps if job in finished else _made(folder, job) for job, steps in expected.items())
            bar.update(task, completed=made, description=f"{len(finished)} of {len(jobs)} jobs")

        yield show


def _expected(folder: Path, job: Job) -> float:
    """Training steps of a job, a tenth more for what follows them."""
    if job.kind in ("floors", "timing"):
        return 1.0
    study = read_study(folder)
    optimisation = study.arm(job.arm).recipe.optimisation
    if job.kind == "rate":
        assert study.rates is not None
        return 1.1 * study.rates.samples / optimisation.batch
    counts = sorted(set(budgets(study, folder, job.arm).values()))
    return 1.1 * (counts[-1] * (1 - optimisation.decay) + optimisation.decay * sum(counts)) / optimisation.batch


def _made(folder: Path, job: Job) -> int:
    """Training steps that a job has logged."""
    return sum(path.read_bytes().count(b"\n") for path in run_of(folder, job).glob(f"*/{LOG}"))
