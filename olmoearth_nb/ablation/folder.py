"""What a job of a sweep is called, and where what it makes lies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEYS = {"floors": 0, "timing": 1, "chosen": 1, "rate": 2, "cell": 2}
"""Kinds of jobs, and how much follows: nothing, an arm, or an arm and a rate or seed."""


@dataclass(frozen=True)
class Job:
    """A job: "floors", "timing ARM", "rate ARM RATE", "chosen ARM" or "cell ARM SEED".

    Args:
        kind: one of `KEYS`.
        arm: name of the arm, which may have spaces in it.
        value: the rate or seed, as it is written in the key.
    """

    kind: str
    arm: str = ""
    value: str = ""

    @classmethod
    def parse(cls, key: str) -> Job:
        """Takes a key apart.

        Raises:
            ValueError: for what is none, naming those that there are.
        """
        kind, _, rest = key.partition(" ")
        arm, _, value = rest.rpartition(" ") if KEYS.get(kind) == 2 else (rest, "", "")
        job = cls(kind, arm, value)
        if KEYS.get(kind, -1) != bool(arm) + bool(value):
            raise ValueError(f"no job {key!r}; there are floors, timing ARM, rate ARM RATE, cell ARM SEED")
        return job

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.arm, self.value) if part)


def done(folder: Path, job: Job | str) -> Path:
    """Where the result of a job is, once it is done."""
    return folder / "jobs" / f"{job}.json"


def result(folder: Path, job: Job | str) -> dict[str, Any]:
    """What a job that is done has found."""
    return dict(json.loads(done(folder, job).read_text(encoding="utf8")))


def run_of(folder: Path, job: Job | str) -> Path:
    """Folder of the training run of a job."""
    return folder / "runs" / str(job)
