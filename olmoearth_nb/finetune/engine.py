"""The engine of fine-tuning: an encoder and a head are fitted to labels, and nothing is lost on the way.

Every random number follows from the seed and the number of a step, so a checkpoint needs no state of any generator: a
fit that was killed goes on to the same weights, bit for bit on the same machine with as many threads.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.errors import PlainError
from olmoearth_nb.finetune.freezing import FreezeThenThaw
from olmoearth_nb.finetune.groups import set_rate
from olmoearth_nb.finetune.heads import Read
from olmoearth_nb.finetune.losses import class_weights
from olmoearth_nb.finetune.places import Features, Places, order, pieces
from olmoearth_nb.finetune.scores import score
from olmoearth_nb.finetune.target import Target
from olmoearth_nb.finetune.tuned import Tuned
from olmoearth_nb.finetune.ways import Plateau, Settings, adapted, optimiser
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.transformer import DropPath
from olmoearth_nb.pretrain.fabric import Interrupts, launch
from olmoearth_nb.pretrain.saves import Checkpoints

LOG = ("epoch", "step", "loss", "rate", "valid", "best", "seconds")
"""Columns of `log.csv`, a row an epoch; `valid` is the first of `scores.metrics`, empty without validation."""


class FittingError(PlainError):
    """A fit cannot go on; its last checkpoint is kept."""


class Plain:
    """What the engine needs of Lightning Fabric, on one device in single precision, without it.

    Args:
        device: of the fit.
    """

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.autocast = contextlib.nullcontext

    def setup(self, module: Tuned, optimiser: torch.optim.Optimizer) -> tuple[Tuned, torch.optim.Optimizer]:
        """Brings a model to the device."""
        return module.to(self.device), optimiser

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss."""
        loss.backward()


def launched(precision: str = "32-true") -> Any:
    """Lightning Fabric on the best device here; without it, the CPU or a GPU in single precision.

    Args:
        precision: as Fabric names it.

    Raises:
        ModuleNotFoundError: for another precision, if Fabric is not installed.
        ValueError: under torchrun with several processes.
    """
    try:
        fabric = launch(precision)
    except ModuleNotFoundError:
        if precision != "32-true":
            raise
        return Plain("cuda" if torch.cuda.is_available() else "cpu")
    if fabric.world_size > 1:
        raise ValueError(f"a fit has one process, torchrun started {fabric.world_size}; start it without torchrun")
    return fabric


@dataclass(eq=False)
class Fit:
    """A finished fit.

    Attributes:
        tuned: in evaluation mode, with the weights of the best epoch, or of the last one without validation.
        target: what it tells.
        modalities: sensors that it was fitted on.
        settings: of the fit.
        log: a row an epoch, see `LOG`.
        learnt: how many numbers were learnt; weights of sensors that were not read are none.
    """

    tuned: Tuned
    target: Target
    modalities: tuple[str, ...]
    settings: Settings
    log: list[dict[str, Any]]
    learnt: int

    @property
    def seconds(self) -> float:
        """That the fit took."""
        return float(self.log[-1]["seconds"])


class Engine:
    """Fits a copy of an encoder, and a head, to the labels of some places.

    Args:
        encoder: any; it stays as it is.
        places: of a labelled set.
        train: (n,) numbers of the places that it is fitted to.
        valid: (m,) numbers of those by which the best epoch is chosen; none for the last epoch.
        settings: how.
        folder: where checkpoints go, from which the same call goes on; None for none.
        fabric: of `launched`; by default the device that the encoder is on.
        quiet: whether to leave out the progress bar.

    Raises:
        ValueError: if the set asks nothing, or nothing has a label in the places that train.
    """

    def __init__(
        self,
        encoder: Encoder,
        places: Places,
        train: np.ndarray,
        valid: np.ndarray,
        settings: Settings,
        folder: Path | None = None,
        fabric: Any = None,
        quiet: bool = True,
    ) -> None:
        self.places, self.train, self.valid, self.settings = places, np.asarray(train), np.asarray(valid), settings
        self.target, answers = Target.of(places.labelled), places.answers[self.train]
        self.target.check(answers, f"the {len(self.train)} places of {places.labelled.name} that train")
        if settings.balanced and self.target.kind != "classes":
            raise ValueError(f"balanced weights are for one class of several, {places.labelled.name} has another task")
        self.fabric, self.quiet = fabric or Plain(next(encoder.parameters()).device), quiet
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers go on as if nothing had been drawn
            torch.manual_seed(settings.seed)
            head = self.target.head(encoder.config.width, settings.patch_size, answers)
            self.tuned = Tuned(adapted(encoder, settings), head, settings.patch_size)
        if settings.way == "frozen":
            self.tuned.freeze()
        self.adam = optimiser(self.tuned, settings)
        self.optimiser = self.fabric.setup(self.tuned, self.adam)[1]
        weights = class_weights(answers, self.target.outputs) if settings.balanced else None
        self.weights = None if weights is None else weights.to(self.fabric.device)
        self.random = torch.Generator(self.fabric.device)  # of its own: torch's belongs to the caller
        for module in self.tuned.modules():
            if isinstance(module, DropPath):
                module.generator = self.random
        self.batches = len(pieces(self.train, settings.batch))  # of an epoch
        self.protocol = FreezeThenThaw(settings.epochs * self.batches) if settings.way == "full" else None
        self.plateau, self.features = Plateau(), Features()
        self.saves = None if folder is None else Checkpoints(folder)
        self.step, self.losses, self.seconds = 0, 0.0, 0.0
        self.log: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None

    def run(self) -> Fit:
        """Fits, from the newest whole checkpoint if there is one.

        Raises:
            FittingError: for a loss that is no number.
            DiskFullError: if the disk is full; the last checkpoint is kept.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, when the step is done and saved.
        """
        self._load()
        started, before = time.monotonic(), self.seconds
        # without a folder nothing could be saved, and Ctrl-C stops at once
        listening = Interrupts() if self.saves else contextlib.nullcontext(Interrupts())
        with listening as interrupts, self._bar() as moved:
            while not self._done():
                epoch = self.step // self.batches
                for numbers in order(self.train, self.settings.seed, epoch, self.settings.batch)[
                    self.step % self.batches :
                ]:
                    self._step(numbers)
                    self.seconds = before + time.monotonic() - started
                    if interrupts.requested and self.step % self.batches:
                        self._save()
                        raise KeyboardInterrupt(f"stopped after step {self.step}; the same call goes on from there")
                self._end(epoch)
                moved(epoch + 1, self.log[-1])
                self._save()
                if interrupts.requested and not self._done():
                    raise KeyboardInterrupt(f"stopped after epoch {epoch + 1}; the same call goes on from there")
        if self.best is not None:
            self._put(self.best["model"])
        self.tuned.eval()
        learnt = sum(weight.numel() for weight in self.adam.state)
        return Fit(self.tuned, self.target, self.places.modalities, self.settings, self.log, learnt)

    def predict(self, numbers: np.ndarray) -> np.ndarray:
        """What is told of some places, as `Target.predicted` gives it."""
        self.tuned.eval()
        told = []
        for piece in pieces(np.asarray(numbers), self.settings.batch):
            with torch.no_grad(), self.fabric.autocast():
                told.append(self.target.predicted(self.tuned.head.tell(self._read(piece))))
        return np.concatenate(told)

    def _step(self, numbers: np.ndarray) -> None:
        """One step of the optimiser."""
        factor = self.plateau.factor if self.protocol else 1.0
        self.tuned.train()
        if self.protocol:
            factor *= self.protocol.begin(self.tuned, self.step)
        set_rate(self.optimiser, self.settings.whole_rate * factor)
        seed = np.random.SeedSequence([self.settings.seed, self.step]).generate_state(1)[0]
        self.random.manual_seed(int(seed))
        with self.fabric.autocast():
            read = self._read(numbers)
            told, head = self.tuned.head.tell(read), self.tuned.head
            answers = self.target.tensor(self.places.answers[numbers], _pixels(read, self.tuned.patch_size))
            loss = self.target.loss(told, answers.to(self.fabric.device), head, self.weights)
        value = float(loss.detach())
        if not np.isfinite(value):  # before the step: weights that were good stay good
            raise FittingError(
                f"the loss of step {self.step} is {value}; a lower learning rate than {self.settings.whole_rate:g}, in "
                "another folder, may help"
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.optimiser.step()
        self.step += 1
        self.losses += value

    def _read(self, numbers: np.ndarray) -> Read:
        """What the head reads; of a frozen encoder it is made once."""
        still = self.settings.way == "frozen"
        kept = self.features.get(numbers) if still else None
        if kept is None:
            batch = self.places.batch(numbers).to(self.fabric.device)
            try:
                kept = self.tuned.head.read(self.tuned.encoder(batch, self.tuned.patch_size))
            except ValueError as error:  # most often a place of which nothing was observed
                names = ", ".join(self.places.labelled.ids[number] for number in numbers.tolist())
                raise ValueError(f"{error}; this batch is {names}") from error
            if still:
                self.features.put(numbers, kept)
        return kept

    def _end(self, epoch: int) -> None:
        """An epoch ended: it is scored, and kept if it is the best one."""
        valid = None
        if len(self.valid):
            valid = score(self.target, self.predict(self.valid), self.places.answers[self.valid])
            self.plateau.saw(valid)
            if self.best is None or valid > self.best["valid"]:
                self.best = {"valid": valid, "epoch": epoch + 1, "model": self._weights()}
        row: dict[str, Any] = {"epoch": epoch + 1, "step": self.step, "loss": self.losses / self.batches}
        row |= {"rate": self.optimiser.param_groups[-1]["lr"], "valid": valid}
        self.log.append(row | {"best": self.best and self.best["epoch"], "seconds": round(self.seconds, 3)})
        self.losses = 0.0

    def _done(self) -> bool:
        """Whether the last epoch is over, or validation has not been better for too long."""
        epochs, patience = self.step // self.batches, self.settings.patience
        if self.step % self.batches:
            return False
        waited = patience and self.best is not None and epochs - self.best["epoch"] >= patience
        return epochs >= self.settings.epochs or bool(waited)

    def _weights(self) -> dict[str, Tensor]:
        """A copy of what learns, on the host."""
        return {name: weight.detach().cpu().clone() for name, weight in self.tuned.learnable().items()}

    def _put(self, weights: dict[str, Tensor]) -> None:
        """Gives what learns these values."""
        with torch.no_grad():
            for name, weight in self.tuned.learnable().items():
                weight.copy_(weights[name])

    def _save(self) -> None:
        """Writes a checkpoint, if there is a folder."""
        if self.saves is None:
            return
        state = {"model": self._weights(), "optimiser": self.optimiser.state_dict(), "step": self.step}
        state |= {"losses": self.losses, "seconds": self.seconds, "log": self.log, "best": self.best}
        self.saves.write(self.saves.passing(self.step), state | {"plateau": self.plateau.state()})

    def _load(self) -> None:
        """Goes on from the newest whole checkpoint, if there is one."""
        newest = self.saves and self.saves.newest(self.settings.epochs * self.batches)
        if not newest:
            return
        state = newest[1]
        self._put(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.plateau.load(state["plateau"])
        self.step, self.losses, self.seconds = state["step"], state["losses"], state["seconds"]
        self.log, self.best = state["log"], state["best"]

    @contextlib.contextmanager
    def _bar(self) -> Any:
        """A progress bar over epochs."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=True, disable=self.quiet) as bar:
            task = bar.add_task(self.settings.way, total=self.settings.epochs, completed=len(self.log))

            def moved(epochs: int, row: dict[str, Any]) -> None:
                valid = "" if row["valid"] is None else f", validation {row['valid']:.3f}"
                bar.update(task, completed=epochs, description=f"{self.settings.way}: loss {row['loss']:.3f}{valid}")

            yield moved


def _pixels(read: Read, patch_size: int) -> Tensor | None:
    """(B, H, W) bool, where something is told; None of places."""
    if read.seen is None:
        return None
    return read.seen.repeat_interleave(patch_size, 1).repeat_interleave(patch_size, 2)
