"""Makes the committed notebooks: generated from their sources, executed, tidied."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat

from olmoearth_nb.io.durable import write
from olmoearth_nb.notebook.page import headline
from olmoearth_nb.notebook.pictures import shrink
from olmoearth_nb.notebook.source import matching, read_source, sources, tidy
from olmoearth_nb.notebook.watchdog import Watched


def make_notebook(source: Path, folder: Path) -> bool:
    """Executes the student notebook of a source and writes it if its content changed.

    Its headline figure goes to `docs/figures/NN.png` beside the notebooks' folder, for the README.

    Args:
        source: the percent script.
        folder: where the notebook goes, and where it runs.

    Returns:
        Whether the file was written.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails; the old file stays.
        KernelLostError: if its kernel dies or falls silent; the old file stays.
    """
    notebook = read_source(source, solved=False)
    client = Watched(
        notebook, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    executed = shrink(tidy(client.execute()))
    text = nbformat.writes(executed) + "\n"
    target = folder / f"{source.stem}.ipynb"
    _write_figure(headline(executed).figure, folder.parent / "docs" / "figures" / f"{source.name[:2]}.png")
    if target.is_file() and target.read_text(encoding="utf8") == text:
        return False
    write(target, lambda part: part.write_text(text, encoding="utf8"))
    return True


def _write_figure(figure: str | None, target: Path) -> None:
    """Writes a figure in base64 as a picture, if there is one."""
    if figure is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(figure))


def make_all(folder: Path, only: str = "") -> None:
    """Makes every notebook of a folder, or those whose name begins with `only`.

    Raises:
        FileNotFoundError: if there is no such source.
        ValueError: if no notebook's name can begin with `only`.
    """
    chosen = matching(sources(folder), only)
    if not chosen:
        raise FileNotFoundError(f"no source {only} in {folder / 'src'}; there are {[s.stem for s in sources(folder)]}")
    for source in chosen:
        changed = make_notebook(source, folder)
        print(f"{source.stem}: {'written' if changed else 'unchanged'}")
