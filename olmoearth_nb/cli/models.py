"""Models as commands that compare them take them: rows with their seeds, random twins beside them, and a bar."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olmoearth_nb.cli.loading import listed

if TYPE_CHECKING:
    from olmoearth_nb.evaluation.contenders import Contender

Models = Annotated[
    list[str] | None,
    typer.Argument(help="names, folders or encoder.safetensors; NAME=A,B,C are seeds of one, in one row"),
]
Every = Annotated[bool, typer.Option("--all", help="all models that come with the package")]


def asked(models: Sequence[str], every: bool) -> dict[str, list[str]]:
    """Rows of the table: name -> the models that are its seeds.

    Raises:
        ValueError: if there is none, one twice, or rows have several seeds, but not as many.
    """
    from olmoearth_nb.io.shipped import pretrained_names

    rows: dict[str, list[str]] = {}
    for word in models:
        name, _, seeds = ("/".join(Path(word).parts[-2:]), "", "") if Path(word).exists() else word.partition("=")
        if name in rows:
            raise ValueError(f"two rows have the name {name}; give each its own, as NAME={word}")
        rows[name] = listed(seeds) or [word]
    for name in pretrained_names() if every else ():
        match = re.fullmatch(r"(.+)-\d+", name)  # seeds of one recipe
        if name not in rows:
            rows.setdefault(match[1] if match else name, []).append(name)
    if not rows:
        raise ValueError("name at least one model, or say every=True for all that come with the package")
    counts = sorted({len(seeds) for seeds in rows.values()} - {1})
    if len(counts) > 1:
        raise ValueError(f"rows have one seed, or all as many, so that they can be compared; got {counts}")
    return rows


def opened(rows: Mapping[str, Sequence[str]], seeds: int | None = None) -> list[Contender]:
    """Models and their random twins; see `evaluation.contenders.open_contenders`."""
    from olmoearth_nb.evaluation.contenders import SEEDS, open_contenders

    return open_contenders(rows, SEEDS if seeds is None else seeds)


@contextmanager
def bar(what: str, total: int, silent: bool = False) -> Iterator[Callable[[], None]]:
    """A bar, and what moves it on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=silent) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
