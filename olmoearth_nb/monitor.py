"""What a run says of itself: a line of JSON a step, a progress bar, and measures that tell learning from collapse."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from olmoearth_nb.grid import Role
from olmoearth_nb.losses import chance_and_best
from olmoearth_nb.microbatch import MicroBatch
from olmoearth_nb.plan import Leg, Plan
from olmoearth_nb.pretrain import Step

LOOK_EVERY = 25
"""Steps between the costlier measures."""


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
        self.path, self.plan, self.leg, self.first, self.writes = folder / "log.jsonl", plan, leg, step, writes
        self.losses: list[Tensor] = []
        self.tokens, self.steps, self.started = 0, 0, time.monotonic()
        self.embeddings: deque[Tensor] = deque(maxlen=16)
        self.last: tuple[MicroBatch, Step] | None = None
        self.bar: Any = None
        self.show = writes and not quiet

    def __enter__(self) -> Monitor:
        if self.writes:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            before = self.path.read_text(encoding="utf8").splitlines() if self.path.is_file() else []
            whole = [line for line in before if line.endswith("}") and json.loads(line)["step"] <= self.first]
            self.path.write_text("".join(f"{line}\n" for line in whole), encoding="utf8")
            self.file = self.path.open("a", encoding="utf8")
        if self.show:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns)
            self.bar.start()
            title = f"{self.plan.recipe.name} {self.plan.size}, {self.leg.name}"
            self.task = self.bar.add_task(title, total=self.leg.end, completed=self.first)
            self.title = title
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()
        if self.writes:
            self.file.close()

    def saw(self, micro: MicroBatch, step: Step) -> None:
        """A micro-batch went through."""
        self.losses.append(torch.stack([step.loss.detach(), step.patches, step.contrast]))
        self.tokens += micro.roles.shape[1] * len(micro.grid)
        self.embeddings.append(step.pooled.float())
        self.last = micro, step

    def stepped(self, step: int, rate: float, norm: float) -> None:
        """An optimiser step was made: writes a line."""
        self.steps += 1
        loss, patches, between = torch.stack(self.losses).mean(0).tolist()
        self.losses.clear()
        seconds = time.monotonic() - self.started
        line: dict[str, Any] = {
            "step": step + 1,
            "samples": (step + 1) * self.plan.batch,
            "loss": round(loss, 5),
            "patches": round(patches, 5),
            "contrast": round(between, 5),
            "rate": rate,
            "norm": round(norm, 5),
            "tokens_per_second": round(self.tokens / seconds),
            "seconds": round(seconds, 1),
        }
        if step % LOOK_EVERY == 0:
            line |= self._look()
        if self.writes:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        if self.bar is not None:
            said = f"{self.title}: loss {loss:.3f}, {line['tokens_per_second']:,} tokens/s"
            self.bar.update(self.task, completed=step + 1, description=said)

    def _look(self) -> dict[str, float]:
        """Loss against chance and a perfect predictor, rank of the embeddings, likeness of targets."""
        assert self.last is not None
        micro, step = self.last
        with torch.no_grad():
            masked = self.plan.recipe.masked_negatives
            chance, best = chance_and_best(step.targets, micro.roles[0], micro.grid, masked)
            return {
                "chance": round(float(chance), 5),
                "best": round(float(best), 5),
                "rank": round(effective_rank(torch.cat(list(self.embeddings))), 3),
                "target_cosine": round(target_likeness(step.targets, micro), 4),
            }


def effective_rank(embeddings: Tensor) -> float:
    """Entropy of the normalised singular values, exponentiated: the directions in use (Roy and Vetterli 2007).

    Args:
        embeddings: (n, D); at most min(n - 1, D) can be found.
    """
    values = torch.linalg.svdvals(embeddings.double() - embeddings.double().mean(0))
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))


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
