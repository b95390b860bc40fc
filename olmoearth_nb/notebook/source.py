"""One source, two notebooks: `notebooks/src/NN_*.py` holds exercise and solution.

The source is a jupytext percent script. In a cell tagged `exercise`, lines between `#: solution` and
`#: end` are the solution; the student notebook leaves them out. Cells tagged `solution` exist in the
solution notebook only.
"""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

START, END = "#: solution", "#: end"

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def sources(folder: Path) -> list[Path]:
    """The sources of a notebooks folder, in order."""
    return sorted((folder / "src").glob("[0-9][0-9]_*.py"))


def matching(paths: list[Path], only: str) -> list[Path]:
    """The files whose name begins with `only`; all of them if it is empty.

    Args:
        paths: notebooks or sources.
        only: a notebook's number, or the beginning of its name.

    Raises:
        ValueError: if no notebook's name can begin so, such as `02; rm`.
    """
    if not re.fullmatch(r"[0-9A-Za-z_.-]*", only):
        raise ValueError(
            f"--nb {only!r} is no notebook: give a number or the beginning of a name, such as 02 or 02_designing, "
            "made of letters, digits and _ . -"
        )
    return [path for path in paths if path.name.startswith(only)]


def read_source(path: Path, *, solved: bool) -> NotebookNode:
    """The notebook of a source, not executed.

    Args:
        path: the percent script.
        solved: with the solutions, or as students get it.

    Raises:
        ValueError: if a solution is opened and not closed, or closed and not opened.
    """
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = NotebookNode(kernelspec=NotebookNode(KERNEL), language_info=NotebookNode(name="python"))
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "solution" in tags and not solved:
            continue
        if cell.cell_type == "code":
            cell.source = _without_marks(cell.source, path.name, solved)
            cell.execution_count, cell.outputs = None, []
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        cell.id = f"{path.name[:2]}-{len(cells):02d}"
        cells.append(cell)
    notebook.cells = cells
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def _without_marks(source: str, name: str, solved: bool) -> str:
    """A cell's source without the marks, and without what is between them unless solved."""
    kept, inside = [], False
    for line in source.splitlines():
        mark = line.strip()
        if mark in (START, END):
            if inside == (mark == START):
                raise ValueError(f"{name}: {mark!r} where the solution is {'open' if inside else 'not open'}")
            inside = mark == START
        elif solved or not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"{name}: a solution is never closed with {END!r}")
    return "\n".join(kept)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Strips what differs from run to run: papermill's metadata, times, widgets and maps that load from outside.

    The width and height at which a figure is shown stay.
    """
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.metadata.language_info = NotebookNode(name="python")
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"tags": cell.metadata.tags} if cell.metadata.get("tags") else {})
        if cell.cell_type != "code":
            continue
        cell.outputs = _joined([out for out in cell.outputs if not _is_live(out)])
        for out in cell.outputs:
            if "metadata" in out:
                out.metadata = NotebookNode({key: size for key, size in out.metadata.items() if key == "image/png"})
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Joins neighbouring pieces of the same stream, whose borders depend on timing."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.get("name", "") == last.get("name") and output.output_type == "stream":
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _is_live(output: NotebookNode) -> bool:
    """Whether an output is a widget or a page in a frame, which mean nothing outside the session that made them."""
    data = output.get("data", {})
    return "application/vnd.jupyter.widget-view+json" in data or "<iframe" in data.get("text/html", "")
