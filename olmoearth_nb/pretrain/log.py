"""What a run says of itself: a line of JSON a step, a progress bar, and measures that tell learning from collapse."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from olmoearth_nb.grid import Role
from olmoearth_nb.io.durable import append, sync, write
from olmoearth_nb.pretrain.batches import MicroBatch
from olmoearth_nb.pretrain.losses import chance_and_best
from olmoearth_nb.pretrain.objective import Step
from olmoearth_nb.pretrain.plan import Leg, Plan

LOG = "log.jsonl"
"""Name of a leg's log."""

LOOK_EVERY = 25
"""Steps between the costlier measures."""

RANKED = 64
"""Embeddings whose rank is measured: the last ones, always as many, because of more the rank is larger."""


class Monitor:
    """Log and progress of a leg.

    Args:
        folder: of the leg.
        plan: the run.
        leg: the stretch.
        step: steps done; later lines of an interrupted run are dropped.
        writes: whether this process is the one that writes.
        quiet: whether to leave out the progress bar.
    """

    def __init__(self, folder: Path, plan: Plan, leg: Leg, step: int, writes: bool, quiet: bool) -> None:
        self.path, self.plan, self.leg, self.first, self.writes = folder / LOG, plan, leg, step, writes
        self.tokens, self.before, self.started = 0, 0.0, time.monotonic()
        self.embeddings: Tensor | None = None
        self.last: tuple[MicroBatch, Step] | None = None
        self.bar: Any = None
        self.show = writes and not quiet

    def __enter__(self) -> Monitor:
        if self.writes:
            lines = [line for line in read_log(self.path) if line["step"] <= self.first]
            self.before = lines[-1]["seconds"] if lines else 0.0
            text = "".join(f"{json.dumps(line)}\n" for line in lines)
            write(self.path, lambda part: part.write_text(text, encoding="utf8"))
        if self.show:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns)
            self.bar.start()
            self.title = f"{self.plan.recipe.name} {self.plan.size}, {self.leg.name}"
            self.task = self.bar.add_task(self.title, total=self.leg.end, completed=self.first)
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def saw(self, number: int, micro: MicroBatch, step: Step) -> Tensor:
        """A micro-batch went through this process.

        Args:
            number: of the optimiser step.
            micro: what was seen.
            step: what became of it.

        Returns:
            (2,) patch discrimination by chance and by a perfect predictor, mean of both views as the loss is; NaN at
            steps that are not looked at.
        """
        pooled = step.pooled.float()
        self.embeddings = pooled if self.embeddings is None else torch.cat([self.embeddings, pooled])[-RANKED:]
        self.last = micro, step
        if number % LOOK_EVERY:
            return pooled.new_full((2,), math.nan)
        masked = self.plan.recipe.masked_negatives
        with torch.no_grad():
            both = [torch.stack(chance_and_best(step.targets, roles, micro.grid, masked)) for roles in micro.roles]
        return torch.stack(both).mean(0)

    def stepped(self, step: int, losses: Sequence[float], tokens: int, rate: float, norm: float) -> None:
        """An optimiser step was made: writes a line.

        Args:
            step: its number, from 0.
            losses: mean over its micro-batches of the sum, of patch discrimination, of the contrast, of chance and of
                a perfect predictor.
            tokens: how many went through, of all processes.
            rate: learning rate.
            norm: of the gradient before it was clipped.
        """
        self.tokens += tokens
        seconds = time.monotonic() - self.started
        line: dict[str, Any] = {"step": step + 1, "samples": (step + 1) * self.plan.batch}
        means = dict(zip(("loss", "patches", "contrast", "chance", "best"), losses, strict=True))
        looked = {name: means.pop(name) for name in ("chance", "best")}
        line |= {name: round(loss, 5) for name, loss in means.items()}
        line |= {"rate": rate, "norm": round(norm, 5), "tokens_per_second": round(self.tokens / seconds)}
        line["seconds"] = round(self.before + seconds, 1)
        if step % LOOK_EVERY == 0:
            looked |= self._look()
            line |= {name: round(value, 5) for name, value in looked.items() if math.isfinite(value)}
        if self.writes:
            append(self.path, json.dumps(line))
        if self.bar is not None:
            message = f"{self.title}: loss {losses[0]:.3f}, {line['tokens_per_second']:,} tokens/s"
            self.bar.update(self.task, completed=step + 1, description=message)

    def safe(self) -> None:
        """Brings the log to the disk, so that no checkpoint is ahead of it."""
        if self.writes:
            sync(self.path)

    def _look(self) -> dict[str, float]:
        """Likeness of the targets of the last micro-batch, and rank of the embeddings."""
        assert self.last is not None
        assert self.embeddings is not None
        micro, step = self.last
        found = {"target_cosine": target_likeness(step.targets, micro)}
        if len(self.embeddings) == RANKED:  # of fewer it would be smaller
            found["rank"] = effective_rank(self.embeddings)
        return found


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without a last one that was cut off; none if there is no log."""
    lines = path.read_text(encoding="utf8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def effective_rank(embeddings: Tensor) -> float:
    """Entropy of the normalised singular values, exponentiated: the directions in use (Roy and Vetterli 2007).

    Args:
        embeddings: (n, D); at most min(n - 1, D) can be found.
    """
    embeddings = embeddings.cpu().double()
    values = torch.linalg.svdvals(embeddings - embeddings.mean(0))
    fraction = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(fraction * fraction.clamp(min=1e-12).log()).sum()))


def target_likeness(targets: Tensor, micro: MicroBatch, most: int = 256) -> float:
    """Median cosine between the targets of a sample's hidden Sentinel-2 tokens; near 1 they cannot be told apart."""
    span = micro.grid.slices.get("sentinel2_l2a", slice(None))
    cosines = []
    for of_sample, roles in zip(targets[:, span], micro.roles[0][:, span], strict=True):
        hidden = F.normalize(of_sample[roles == Role.DECODER][:most].float(), dim=-1)
        if len(hidden) > 1:
            pairs = torch.triu_indices(len(hidden), len(hidden), 1, device=hidden.device)
            cosines.append((hidden @ hidden.T)[pairs[0], pairs[1]].median())
    return float(torch.stack(cosines).median()) if cosines else float("nan")
