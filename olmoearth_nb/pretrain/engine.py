"""The engine of pretraining: Lightning Fabric for devices, precision and processes, and nothing lost on the way.

Every random number follows from the seed and the number of a micro-batch, so a checkpoint needs no state of any
generator: a run that was killed goes on to the same weights, bit for bit on the same machine with as many threads.
All processes read checkpoints from one folder, which the first of them alone writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from olmoearth_nb.data.sets import Corpus
from olmoearth_nb.errors import PlainError
from olmoearth_nb.io.durable import DiskFullError
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.pretrain.batches import Drawn, Draws, MicroBatches
from olmoearth_nb.pretrain.fabric import Interrupts, launch, stand_apart
from olmoearth_nb.pretrain.log import Monitor
from olmoearth_nb.pretrain.objective import Pretraining
from olmoearth_nb.pretrain.plan import TRUNK, Leg, Plan, learning_rate
from olmoearth_nb.pretrain.saves import Checkpoints, DamagedError, read
from olmoearth_nb.weights.trained import initial_model

SAVE_EVERY = 60.0
"""Seconds between checkpoints."""


class TrainingError(PlainError):
    """Training cannot go on; the last checkpoint is kept."""


class DivergedError(TrainingError):
    """A loss or gradient is no number: most often the learning rate is too high."""


class Engine:
    """Runs the legs of a plan.

    Args:
        plan: the run.
        corpus: its places.
        folder: where checkpoints and logs go.
        fabric: of `launch`; by default the best device here, or the processes that torchrun started.
        workers: processes that load data, for each process that trains; 0 for none.
        quiet: whether to leave out the progress bar.
        save_every: seconds between checkpoints.
    """

    def __init__(
        self,
        plan: Plan,
        corpus: Corpus,
        folder: Path,
        fabric: Any = None,
        workers: int = 0,
        quiet: bool = False,
        save_every: float = SAVE_EVERY,
    ) -> None:
        fabric = fabric or launch(plan.precision)
        self.plan, self.corpus, self.folder, self.fabric = plan, corpus, folder, fabric
        self.workers, self.quiet, self.save_every = workers, quiet, save_every
        optimisation = plan.recipe.optimisation
        self.accumulate = optimisation.batch // optimisation.micro_batch
        if self.accumulate % fabric.world_size:
            raise ValueError(
                f"{fabric.world_size} processes cannot share {self.accumulate} micro-batches a step evenly: batch "
                f"{optimisation.batch} / micro_batch {optimisation.micro_batch} must be a multiple of their number"
            )
        self.turns = self.accumulate // fabric.world_size  # micro-batches of this process in a step
        self.pretraining = Pretraining(self._initial(), plan.recipe)
        trained = [parameter for parameter in self.pretraining.parameters() if parameter.requires_grad]
        decay = optimisation.weight_decay
        optimiser = torch.optim.AdamW(trained, optimisation.rate, weight_decay=decay, fused=True)  # all at once
        self.unused = optimiser.state_dict()
        self.module, self.optimiser = fabric.setup(self.pretraining, optimiser)
        self.random = torch.Generator(fabric.device)  # of its own: torch's belongs to the caller
        self.pretraining.draw_from(self.random)

    @property
    def model(self) -> OlmoEarth:
        """The model in training."""
        return self.pretraining.model

    def run(self, leg: Leg) -> None:
        """Trains through a leg, from its newest whole checkpoint if there is one.

        Raises:
            DivergedError: for a loss or gradient that is no number.
            TrainingError: for data that cannot be read.
            DiskFullError: if the disk is full; the last checkpoint is kept.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, when the step is done and saved.
        """
        step, saved = self.load(leg), time.monotonic()
        monitor = Monitor(self.folder / leg.name, self.plan, leg, step, self.fabric.is_global_zero, self.quiet)
        self.module.train()
        with Interrupts() as interrupts, closing(self._stream(step, leg.end)) as stream, monitor:
            while step < leg.end:
                stop = self._step(leg, step, stream, monitor, interrupts.requested)
                step += 1
                kept = step in leg.keeps or step == leg.end
                if kept or stop or time.monotonic() - saved > self.save_every:
                    monitor.safe()
                    self._save(leg, step, kept)
                    saved = time.monotonic()
                if stop:
                    raise KeyboardInterrupt(f"stopped after step {step}; the same call goes on from there")
        if self.fabric.is_global_zero:
            Checkpoints(self.folder / leg.name).forget()
        requested = torch.tensor(float(interrupts.requested), device=self.fabric.device)  # perhaps behind the last step
        if float(self.fabric.all_reduce(requested, reduce_op="sum")):
            raise KeyboardInterrupt(f"stopped after {leg.name}; the same call goes on from there")

    def _step(self, leg: Leg, step: int, stream: Generator[Drawn], monitor: Monitor, stop: bool) -> bool:
        """One optimiser step, in which this process has its part of the micro-batches; whether to stop after it."""
        rate, seen = learning_rate(self.plan.recipe.optimisation, leg, step), []
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        for turn in range(self.turns):
            micro = next(stream).to(self.fabric.device)
            self.random.manual_seed(int(np.random.SeedSequence([self.plan.seed, micro.number]).generate_state(1)[0]))
            # gradients of all processes are averaged once, behind the last micro-batch
            with self.fabric.no_backward_sync(self.module, enabled=turn < self.turns - 1):
                result = self.module(micro)
                self.fabric.backward(result.loss / self.turns)
            losses = torch.stack([result.loss.detach(), result.patches, result.contrast])
            about = torch.tensor([micro.roles[0].numel(), float(stop)]).to(losses, non_blocking=True)
            seen.append(torch.cat([losses, monitor.saw(step, micro, result), about]))
        everyone = self._gathered(torch.stack(seen))
        clip = self.plan.recipe.optimisation.clip
        norm = float(self.fabric.clip_gradients(self.module, self.optimiser, max_norm=clip, error_if_nonfinite=False))
        self._check(step, everyone[:, 0], norm)  # before the step: weights that were good stay good
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        tokens, stops = everyone[:, -2:].T
        monitor.stepped(step, everyone[:, :-2].mean(0).tolist(), int(tokens.sum()), rate, norm)
        return bool(stops.any())

    def _gathered(self, mine: Tensor) -> Tensor:
        """(turns, C) of this process to (accumulate, C) of all, in the order of the micro-batches."""
        everyone = mine.new_zeros(self.turns, self.fabric.world_size, mine.shape[1])
        everyone[:, self.fabric.global_rank] = mine
        return self.fabric.all_reduce(everyone, reduce_op="sum").flatten(0, 1).cpu().double()

    def _check(self, step: int, losses: Tensor, norm: float) -> None:
        """Raises before a loss or gradient that is no number reaches the weights."""
        bad = (~losses.isfinite()).nonzero().flatten().tolist()
        if bad:
            what = f"loss of micro-batch {step * self.accumulate + bad[0]} (step {step}) is {float(losses[bad[0]])}"
        elif not math.isfinite(norm):
            what = f"gradient of step {step} is {norm}"
        else:
            return
        raise DivergedError(
            f"the {what}; the last checkpoint in {self.folder} is kept. The same call would end here again; a lower "
            "learning rate in another folder may not"
        )

    def _stream(self, start: int, end: int) -> Generator[Drawn]:
        """The micro-batches of this process from one optimiser step to another, in order."""
        total = end * self.accumulate
        own = range(start * self.accumulate + self.fabric.global_rank, total, self.fabric.world_size)
        everything = MicroBatches(self.corpus, self.plan.recipe, self.plan.crops, self.plan.seed, total)
        loader = DataLoader(
            Subset(Draws(everything), own),
            batch_size=None,
            num_workers=self.workers,
            worker_init_fn=stand_apart,
            pin_memory=self.fabric.device.type == "cuda",
        )
        try:
            yield from loader
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]  # an error of a worker brings the lines that led to it
            if isinstance(error, DiskFullError):
                raise DiskFullError(reason) from error
            raise TrainingError(f"a sample could not be read: {reason}; the run so far is kept") from error

    def load(self, leg: Leg) -> int:
        """Loads where the leg stands, or what it begins from; returns the steps done.

        Raises:
            TrainingError: if a branch's beginning is damaged or absent.
        """
        path, state = self._found(leg) if self.fabric.is_global_zero else (None, None)
        path = self.fabric.broadcast(path)
        if path is None:
            state = {"model": self._initial().state_dict(), "optimiser": self.unused, "step": 0}
        elif state is None:
            state = read(path)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])

    def _found(self, leg: Leg) -> tuple[Path | None, dict[str, Any] | None]:
        """The checkpoint to go on from; None where training begins with initial weights."""
        own, trunk = Checkpoints(self.folder / leg.name), Checkpoints(self.folder / TRUNK)
        lost = (step for step in leg.keeps if not own.kept(step).is_file())
        found = own.newest(min(lost, default=leg.end))
        if found or not leg.start:
            return found or (None, None)
        try:
            return trunk.kept(leg.start), read(trunk.kept(leg.start))
        except (DamagedError, FileNotFoundError) as error:
            raise TrainingError(f"{error}; remove it, and the same command makes it again") from error

    def _initial(self) -> OlmoEarth:
        """The model before its first step."""
        return initial_model(self.plan.recipe.config(self.plan.size), self.plan.seed)

    def _save(self, leg: Leg, step: int, kept: bool) -> None:
        """Writes a checkpoint, by one process for all."""
        if self.fabric.is_global_zero:
            files = Checkpoints(self.folder / leg.name)
            state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "step": step}
            files.write(files.kept(step) if kept else files.passing(step), state)
