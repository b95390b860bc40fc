"""The engine of pretraining: Lightning Fabric for devices, precision and processes, and nothing lost on the way.

Every random number follows from the seed and the number of a micro-batch, so a checkpoint needs no state of any
generator: a run that was killed goes on to the same weights, bit for bit on the same machine with as many threads.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from olmoearth_nb.data.corpus import Corpus
from olmoearth_nb.durable import write_tensors
from olmoearth_nb.microbatch import MicroBatch, MicroBatches
from olmoearth_nb.model import OlmoEarth
from olmoearth_nb.monitor import Monitor
from olmoearth_nb.plan import Leg, Plan, learning_rate
from olmoearth_nb.pretrain import Pretraining
from olmoearth_nb.trained import initial_model

KEPT = 2
"""Checkpoints of a leg that are kept, the newest ones."""

SAVE_EVERY = 60.0
"""Seconds between checkpoints."""


class TrainingError(RuntimeError):
    """Training cannot go on; the last checkpoint is kept."""


class Engine:
    """Runs the legs of a plan.

    Args:
        plan: the run.
        corpus: its tiles.
        folder: where checkpoints and logs go.
        fabric: a launched `lightning_fabric.Fabric`; by default the best device here, one process.
        workers: processes that load data; 0 for none.
        quiet: whether to leave out the progress bar.
    """

    def __init__(
        self, plan: Plan, corpus: Corpus, folder: Path, fabric: Any = None, workers: int = 0, quiet: bool = False
    ) -> None:
        if fabric is None:
            from lightning_fabric import Fabric

            fabric = Fabric(accelerator="auto", devices=1, precision=plan.precision)  # type: ignore[arg-type]
        self.plan, self.corpus, self.folder, self.fabric = plan, corpus, folder, fabric
        self.workers, self.quiet = workers, quiet
        optimisation = plan.recipe.optimisation
        self.accumulate = optimisation.batch // optimisation.micro_batch
        if self.accumulate % fabric.world_size:
            raise ValueError(
                f"{fabric.world_size} processes cannot share {self.accumulate} micro-batches a step evenly; "
                f"batch {optimisation.batch} / micro_batch {optimisation.micro_batch} must be a multiple of processes"
            )
        model = initial_model(plan.recipe.config(plan.size), plan.seed)
        module = Pretraining(model, plan.recipe)
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(trained, optimisation.rate, weight_decay=optimisation.weight_decay)
        self.module, self.optimiser = fabric.setup(module, optimiser)
        self.pretraining = module

    @property
    def model(self) -> OlmoEarth:
        """The model in training."""
        return self.pretraining.model

    def run(self, leg: Leg) -> None:
        """Trains through a leg, from its newest checkpoint if there is one.

        Raises:
            TrainingError: for a loss that is no number, or data that cannot be read.
        """
        step = self.load(leg)
        monitor = Monitor(self.folder / leg.name, self.plan, leg, step, self.fabric.is_global_zero, self.quiet)
        stream, saved = self._stream(step, leg.end), time.monotonic()
        self.module.train()
        with monitor:
            try:
                while step < leg.end:
                    self._step(leg, step, stream, monitor)
                    step += 1
                    if step in leg.keeps or step == leg.end:
                        self._save(self.folder / leg.name / f"kept-{step}.pt", step)
                    if time.monotonic() - saved > SAVE_EVERY:
                        self._save(self.folder / leg.name / f"step-{step}.pt", step)
                        saved = time.monotonic()
            except KeyboardInterrupt:
                self._save(self.folder / leg.name / f"step-{step}.pt", step)
                raise
        self._prune(leg.name, 0)

    def _step(self, leg: Leg, step: int, stream: Iterator[MicroBatch], monitor: Monitor) -> None:
        """One optimiser step: this process's share of the micro-batches."""
        rate = learning_rate(self.plan.recipe.optimisation, leg, step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        share = self.accumulate // self.fabric.world_size
        for turn in range(share):
            micro = next(stream).to(self.fabric.device)
            torch.manual_seed(int(np.random.SeedSequence([self.plan.seed, micro.number]).generate_state(1)[0]))
            with self.fabric.no_backward_sync(self.module, enabled=turn < share - 1):
                result = self.module(micro)
                if not math.isfinite(float(result.loss.detach())):
                    raise TrainingError(
                        f"the loss of micro-batch {micro.number} (step {step}) is {float(result.loss.detach())}; the "
                        f"last checkpoint in {self.folder / leg.name} is kept. A lower learning rate may help"
                    )
                self.fabric.backward(result.loss / share)
            monitor.saw(micro, result)
        norm = self.fabric.clip_gradients(
            self.module, self.optimiser, max_norm=self.plan.recipe.optimisation.clip, error_if_nonfinite=False
        )
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        monitor.stepped(step, rate, float(norm) if norm is not None else float("nan"))

    def _stream(self, start: int, end: int) -> Iterator[MicroBatch]:
        """The micro-batches of this process from one optimiser step to another, in order."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        own = range(start * self.accumulate + rank, end * self.accumulate, world)
        total = end * self.accumulate
        everything = MicroBatches(self.corpus, self.plan.recipe, self.plan.crops, self.plan.seed, total)
        loader = DataLoader(Subset(everything, own), batch_size=None, num_workers=self.workers)
        try:
            yield from loader
        except (OSError, ValueError) as error:
            raise TrainingError(f"a sample could not be read: {error}; the run so far is kept") from error

    def load(self, leg: Leg) -> int:
        """Loads where the leg stands, or the checkpoint that it begins from; returns the steps done."""
        found = newest(self.folder / leg.name)
        if found is None and leg.falls:
            found = leg.start, self.folder / "trunk" / f"kept-{leg.start}.pt"
        if found is None:
            return leg.start
        state = torch.load(found[1], map_location=self.fabric.device, weights_only=True)
        self.pretraining.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])

    def _save(self, path: Path, step: int) -> None:
        """Writes a checkpoint, by one process for all, and forgets the ones before the last two."""
        if self.fabric.is_global_zero:
            state = {
                "model": self.pretraining.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": step,
            }
            write_tensors(path, state)
            self._prune(path.parent.name, KEPT)
        self.fabric.barrier()

    def _prune(self, leg: str, kept: int) -> None:
        """Removes all but the newest passing checkpoints of a leg."""
        if self.fabric.is_global_zero:
            for _, path in _checkpoints(self.folder / leg, "step")[: -kept or None]:
                path.unlink()


def newest(folder: Path) -> tuple[int, Path] | None:
    """Step and file of the newest checkpoint of a leg."""
    found = sorted(_checkpoints(folder, "step") + _checkpoints(folder, "kept"))
    return found[-1] if found else None


def _checkpoints(folder: Path, kind: str) -> list[tuple[int, Path]]:
    """Checkpoints of a kind, oldest first."""
    files = folder.glob(f"{kind}-*.pt") if folder.is_dir() else iter(())
    named = ((re.fullmatch(rf"{kind}-(\d+)\.pt", path.name), path) for path in files)
    return sorted((int(match.group(1)), path) for match, path in named if match)


def finished(folder: Path, leg: Leg) -> bool:
    """Whether a leg has been run to its end."""
    return (folder / leg.name / f"kept-{leg.end}.pt").is_file() if leg.end > leg.start else True


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log."""
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
