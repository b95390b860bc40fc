"""Makes the committed notebooks: generated from their sources, executed, tidied."""

from __future__ import annotations

import os
from pathlib import Path

import nbclient
import nbformat

from olmoearth_nb.book.source import read_source, sources, tidy


def make_notebook(source: Path, folder: Path) -> bool:
    """Executes the student notebook of a source and writes it if its content changed.

    Args:
        source: the percent script.
        folder: where the notebook goes, and where it runs.

    Returns:
        Whether the file was written.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails; the old file stays.
    """
    notebook = read_source(source, solved=False)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    text = nbformat.writes(tidy(client.execute())) + "\n"
    target = folder / f"{source.stem}.ipynb"
    if target.is_file() and target.read_text(encoding="utf8") == text:
        return False
    part = target.with_suffix(".ipynb.part")
    part.write_text(text, encoding="utf8")
    os.replace(part, target)
    return True


def make_all(folder: Path, only: str = "") -> None:
    """Makes every notebook of a folder, or those whose name begins with `only`."""
    for source in sources(folder):
        if source.name.startswith(only):
            changed = make_notebook(source, folder)
            print(f"{source.stem}: {'written' if changed else 'unchanged'}")
