"""`olmoearth-nb run`: executes the notebooks and leaves copies, pages and an index in `build/`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from olmoearth_nb.data import embedded_names
from olmoearth_nb.notebook.page import headline, read_notebook, write_index, write_page

console = Console()


@dataclass(frozen=True)
class Outcome:
    """How one notebook ended."""

    stem: str
    seconds: float
    headline: str
    error: str


def find_notebooks(folder: Path, only: str = "") -> list[Path]:
    """The notebooks of a folder in order, or those whose name begins with `only`.

    Raises:
        FileNotFoundError: if there are none, naming those that exist.
    """
    every = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    chosen = [path for path in every if path.name.startswith(only)]
    if not chosen:
        raise FileNotFoundError(
            f"no notebook{' ' + only if only else ''} in {folder}, only {', '.join(p.stem for p in every) or 'none'} "
            "(run in the repository, or name the folder by --notebooks)"
        )
    return chosen


def execute(notebook: Path, target: Path, parameters: dict[str, Any]) -> str:
    """Executes one notebook by papermill in its own folder.

    Args:
        notebook: the notebook.
        target: where the executed copy goes, also when a cell fails.
        parameters: values for its `parameters` cell.

    Returns:
        "" or the failing cell and its error in one line.

    Raises:
        ValueError: for a parameter that the notebook does not have (papermill would ignore it).
    """
    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ValueError(f"{notebook.name} has no parameter {unknown}; it has {sorted(known)}")
    try:
        _execute(notebook, target, parameters)
    except PapermillExecutionError as error:
        console.print(f"\n[red]{notebook.name}: cell {error.exec_count} failed[/red]\n")
        console.print(error.source, markup=False, highlight=False)
        console.print("\n" + "\n".join(error.traceback[-1:]), markup=False, highlight=False)
        return f"cell {error.exec_count}: {error.ename}: {error.evalue}"
    return ""


def _execute(notebook: Path, target: Path, parameters: dict[str, Any]) -> None:
    """Runs a notebook by papermill; a kernel that dies or falls silent is started once more."""
    for last in (False, True):
        try:
            papermill.execute_notebook(
                str(notebook),
                str(target),
                parameters,
                cwd=str(notebook.parent),
                kernel_name="python3",
                progress_bar=True,
                start_timeout=120,
                execution_timeout=120,  # of one cell; a whole notebook takes two minutes at most
                extra_arguments=["--log-level=ERROR"],
            )
            return
        except (CellTimeoutError, DeadKernelError) as error:
            if last:
                raise
            console.print(f"\n[yellow]{notebook.name}: {type(error).__name__}; trying once more[/yellow]")


def run(folder: Path, build: Path, only: str = "", data: str = "") -> list[Outcome]:
    """Executes notebooks one after the other and writes `build/`.

    Args:
        folder: holds the notebooks.
        build: gets an executed copy and a page of each, and `index.html`.
        only: run the notebooks whose name begins with this.
        data: the reader's own sample, or the name of an embedded one; a path is made absolute, because
            notebooks run in their own folder.

    Returns:
        One outcome a notebook, failed ones included.
    """
    chosen = find_notebooks(folder, only)
    if data and data not in embedded_names():
        path = Path(data).expanduser().resolve()
        if not path.exists():
            raise FileNotFoundError(f"DATA={data}: there is no {path}")
        data = str(path)
    build.mkdir(parents=True, exist_ok=True)
    outcomes, rows = [], []
    for notebook in chosen:
        console.print(f"[bold]{notebook.stem}[/bold]")
        target, start = build / notebook.name, time.perf_counter()
        error = execute(notebook, target, {"data": data} if data else {})
        seconds = time.perf_counter() - start
        executed = read_notebook(target)
        write_page(executed, target.with_suffix(".html"))
        outcomes.append(Outcome(notebook.stem, seconds, headline(executed).text, error))
        rows.append((notebook.stem, executed, seconds, error))
    write_index(rows, build / "index.html")
    _print_table(outcomes, build)
    return outcomes


def _print_table(outcomes: list[Outcome], build: Path) -> None:
    """The closing table."""
    table = Table("notebook", "seconds", "headline", title=None)
    for outcome in outcomes:
        text = f"[red]FAILED[/red] {escape(outcome.error)}" if outcome.error else escape(outcome.headline)
        table.add_row(outcome.stem, f"{outcome.seconds:.1f}", text)
    console.print(table)
    console.print(f"pages: {build / 'index.html'}")
