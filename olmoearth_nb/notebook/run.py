"""`olmoearth-nb run`: executes the notebooks and leaves copies, pages and an index in `build/`.

Whatever happens to a notebook, the next one runs and the index says what happened.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import LocalHandler, papermill_io
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from olmoearth_nb.data import embedded_names, load_place
from olmoearth_nb.errors import PlainError
from olmoearth_nb.notebook.page import Outcome, read_notebook, write_index, write_page
from olmoearth_nb.notebook.source import matching
from olmoearth_nb.notebook.watchdog import ENGINE, SILENCE, KernelLostError

LONGEST_REASON = 500
"""Characters of an error that the index and the table show; the notebook's page has all of it."""

console = Console()


class Files(LocalHandler):
    """Papermill's way to files, with names that are no text in UTF-8, as the C locale makes of others than ASCII."""

    def write(self, buf: str, path: str) -> None:
        """Writes a notebook; half a character becomes the escape that JSON has for it."""
        Path(path).write_text(buf, encoding="utf8", errors="backslashreplace")


papermill_io.register("/", Files())


def find_notebooks(folder: Path, only: str = "") -> list[Path]:
    """The notebooks of a folder in order, or those whose name begins with `only`.

    Raises:
        FileNotFoundError: if there are none, naming those that exist.
        ValueError: if no notebook's name can begin with `only`.
    """
    every = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    chosen = matching(every, only)
    if not chosen:
        raise FileNotFoundError(
            f"no notebook{' ' + only if only else ''} in {folder}, only {', '.join(p.stem for p in every) or 'none'} "
            "(run in the repository, or name the folder by --notebooks)"
        )
    return chosen


def run(
    folder: Path,
    build: Path,
    only: str = "",
    data: str = "",
    options: Mapping[str, Any] | None = None,
    silence: float = SILENCE,
) -> list[Outcome]:
    """Executes notebooks one after the other and writes `build/`.

    The index is written before the first notebook and after each, so that there is one whenever the run ends. A sample
    that cannot be opened is an error before the first notebook, not one in each of them.

    Args:
        folder: holds the notebooks.
        build: gets an executed copy and a page of each, and `index.html`.
        only: run the notebooks whose name begins with this.
        data: the reader's own sample, or the name of an embedded one; a path is made absolute, because
            notebooks run in their own folder.
        options: what the loader of `data` is told, see `data.load_sample`.
        silence: seconds without output and CPU use after which a kernel is killed.

    Returns:
        One outcome a notebook, failed ones included.

    Raises:
        FileNotFoundError: if there is no such notebook or no such data.
        ValueError: if no notebook can open the data.
    """
    chosen = find_notebooks(folder, only)
    parameters = _parameters(data, options or {})
    build.mkdir(parents=True, exist_ok=True)
    index = build / "index.html"
    outcomes = [Outcome(notebook.stem, None, 0, "the run ended before this notebook did") for notebook in chosen]
    write_index(outcomes, index)
    for number, notebook in enumerate(chosen):
        console.print(f"[bold]{escape(notebook.stem)}[/bold]")
        outcomes[number] = _run_one(notebook, build, parameters, silence)
        write_index(outcomes, index)
    _print_table(outcomes)
    console.print(f"pages: {index}", markup=False)
    return outcomes


def _parameters(data: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that open a reader's own sample, after a look whether they do.

    Raises:
        FileNotFoundError: if there is no such data.
        ValueError: if it cannot be opened so.
    """
    if not data:
        if options:
            raise ValueError(f"{', '.join(f'{name}=' for name in options)} without data= says how to open nothing")
        return {}
    parameters: dict[str, Any] = {"data": _absolute(data)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the notebooks show them
        load_place(parameters["data"], **options)
    return {**parameters, "options": dict(options)} if options else parameters


def _absolute(data: str) -> str:
    """The name of an embedded sample as it is, a path as an absolute one.

    Raises:
        FileNotFoundError: if there is neither.
    """
    if data in embedded_names():
        return data
    path = Path(data).expanduser().resolve()
    if not path.exists():
        raise FileNotFoundError(f"DATA={data}: there is no {path}")
    return str(path)


def _run_one(notebook: Path, build: Path, parameters: dict[str, Any], silence: float) -> Outcome:
    """Executes one notebook and writes its page, as far as there is anything to show."""
    target, start = build / notebook.name, time.perf_counter()
    page = target.with_suffix(".html")
    for stale in (target, page):  # of an earlier run, which would pass for this one's
        stale.unlink(missing_ok=True)
    error = execute(notebook, target, parameters, silence)
    executed: NotebookNode | None = None
    if target.exists():
        try:
            executed = read_notebook(target)
            write_page(executed, page)
        except Exception as failure:  # the index names the reason, and the next notebook runs
            error, executed = error or f"no page: {_one_line(failure)}", None
    return Outcome(notebook.stem, executed, time.perf_counter() - start, error)


def execute(notebook: Path, target: Path, parameters: dict[str, Any], silence: float = SILENCE) -> str:
    """Executes one notebook by papermill in its own folder.

    Args:
        notebook: the notebook.
        target: where the executed copy goes, also when a cell fails.
        parameters: values for its `parameters` cell.
        silence: seconds without output and CPU use after which a kernel is killed.

    Returns:
        Empty, or why the notebook did not run to its end, with the cell, in one line. No error is raised, because the
        notebooks after it are to run.
    """
    try:
        _check_parameters(notebook, parameters)
        _execute(notebook, target, parameters, silence)
    except PapermillExecutionError as error:
        console.print(f"\n[red]{escape(notebook.name)}: cell {error.exec_count} failed[/red]\n")
        console.print(error.source, markup=False, highlight=False)
        console.print("\n" + "\n".join(error.traceback[-1:]), markup=False, highlight=False)
        return _cut(f"cell {error.exec_count}: {error.ename}: {error.evalue}")
    except Exception as error:  # a lost kernel, a file that is no notebook, a full disk: anything
        console.print(f"\n[red]{escape(notebook.name)}: {escape(_one_line(error))}[/red]\n")
        return _one_line(error)
    return ""


def _check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Raises a PlainError for a parameter that the notebook does not have, which papermill would ignore."""
    known = papermill.inspect_notebook(_literally(notebook))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise PlainError(f"{notebook.name} has no parameter {unknown}; it has {sorted(known)}")


def _execute(notebook: Path, target: Path, parameters: dict[str, Any], silence: float) -> None:
    """Runs a notebook by papermill; one whose kernel is lost is run once more."""
    for last in (False, True):
        try:
            papermill.execute_notebook(
                _literally(notebook),
                _literally(target),
                parameters,
                engine_name=ENGINE,
                silence=silence,
                cwd=str(notebook.parent),
                kernel_name="python3",
                progress_bar=True,
            )
            return
        except KernelLostError as error:
            if last:
                raise
            console.print(f"\n[yellow]{escape(notebook.name)}: {escape(str(error))}; trying once more[/yellow]")


def _literally(path: Path) -> str:
    """A path as papermill has to be given it: absolute, and its braces doubled, because papermill formats it."""
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")


def _one_line(error: Exception) -> str:
    """An error in one line, with its type unless its message says all."""
    return _cut(str(error) if isinstance(error, PlainError) else f"{type(error).__name__}: {error}")


def _cut(reason: str) -> str:
    """A reason in one line of at most `LONGEST_REASON` characters."""
    line = " ".join(reason.split())
    return line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "..."


def _print_table(outcomes: list[Outcome]) -> None:
    """The closing table."""
    table = Table("notebook", "seconds", "headline", title=None)
    for outcome in outcomes:
        text = f"[red]FAILED[/red] {escape(outcome.error)}" if outcome.error else escape(outcome.headline)
        table.add_row(escape(outcome.stem), f"{outcome.seconds:.1f}", text)
    console.print(table)
