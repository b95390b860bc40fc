"""Makes the book: lays out its source in `build/book/source`, then lets Sphinx write `build/book/html`.

Pages stay where they are in the repository, so a link that works there works in the book. What is changed on the way:
badges go, since every page has a launch button, and addresses of our own pages become links within the book.
"""

import json
import os
import re
import shutil
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from olmoearth_nb.notebook.source import read_source, sources

COPIED = ["docs", "notebooks/*.ipynb", "*.md", "data/README.md", "data/*/README.md", "benchmarks/README.md"]
COPIED += ["LICENSE", "CITATION.cff"]
"""What the book takes from the repository, each under its own path."""

BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)\n*")
"""The badge at the head of a notebook, a picture that lies elsewhere."""


def address():
    """The one address of the project."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]["urls"]["Repository"]


def is_record(page):
    """Whether a file belongs to the records of a measurement, which lie in folders below the pages of results."""
    return page.is_relative_to("docs/results") and len(page.parts) > 3 and page.suffix == ".md"


def within(text, page):
    """A page's text without badges; links to our pages lead to them, those to folders and records to the repository.

    Args:
        text: Markdown.
        page: the page's path in the repository.
    """

    def link(match):
        target = match.group(1).removeprefix(f"{address()}/blob/main/")
        path, anchor = re.fullmatch(r"([^#]*)(#.*)?", target).groups()
        if target != match.group(1) and not path.endswith((".md", ".ipynb")):
            return match.group()  # a file that is no page, such as a study
        if target != match.group(1):
            return f"]({os.path.relpath(path, page.parent)}{anchor or ''})"
        place = Path(os.path.normpath(page.parent / path))
        kind = "tree" if (ROOT / place).is_dir() else "blob" if is_record(place) else ""
        return f"]({address()}/{kind}/main/{place.as_posix()})" if path and kind else match.group()

    return re.sub(r"\]\(([^)\s]+)\)", link, BADGE.sub("", text))


def notebook_within(text, page):
    """The same for a notebook: its Markdown cells alone are changed, and the title gets the notebook's number."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = within("".join(cell["source"]), page)
    first = notebook["cells"][0]
    first["source"] = re.sub(r"^# ", f"# {page.name[:2]} ", first["source"], count=1, flags=re.MULTILINE)
    return json.dumps(notebook, indent=1)


def solutions(source):
    """A page with the exercises of a notebook and their solutions, in Markdown.

    Args:
        source: the notebook's percent script.
    """
    cells = read_source(source, solved=True).cells
    title = next(line[2:] for cell in cells for line in cell.source.splitlines() if line.startswith("# "))
    parts = [f"# {source.name[:2]} Solutions: {title}", f"[To the notebook](../notebooks/{source.stem}.ipynb)"]
    for before, cell in pairwise(cells):
        if {"exercise", "solution"} & set(cell.metadata.get("tags", [])):
            asked = before.source if before.cell_type == "markdown" else ""
            parts += [asked, f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source]
    return "\n\n".join(filter(None, parts)) + "\n"


def keep(target, content):
    """Writes a file, unless it has that content already: Sphinx reads again what is newer."""
    data = content if isinstance(content, bytes) else content.encode()
    if not target.is_file() or target.read_bytes() != data:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return target


def lay_out(folder):
    """Writes the whole source of the book into a folder, and removes what a former layout left there."""
    kept = set()
    for pattern in COPIED:
        for found in sorted(ROOT.glob(pattern)):
            for path in [found] if found.is_file() else sorted(filter(Path.is_file, found.rglob("*"))):
                page = path.relative_to(ROOT)
                if is_record(page):
                    continue
                change = {".md": within, ".ipynb": notebook_within}.get(path.suffix)
                content = change(path.read_text(encoding="utf8"), page) if change else path.read_bytes()
                kept.add(keep(folder / page, content))
    for path in (ROOT / "book").glob("*.md"):
        kept.add(keep(folder / path.name, path.read_bytes()))
    for source in sources(ROOT / "notebooks"):
        if not (ROOT / "notebooks" / f"{source.stem}.ipynb").is_file():  # written, not made yet
            continue
        kept.add(keep(folder / "solutions" / f"{source.stem}.md", solutions(source)))
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in kept]:
        if path.relative_to(folder).parts[0] != "api":  # sphinx-autoapi writes these
            path.unlink()


def main():
    """Lays out and builds; a warning is an error.

    Returns:
        An exit status.
    """
    from sphinx.cmd.build import build_main  # in the environment of the book alone

    build = ROOT / "build" / "book"
    lay_out(build / "source")
    shutil.rmtree(build / "html", ignore_errors=True)
    places = ["-c", str(ROOT / "book"), "-d", str(build / "doctrees"), str(build / "source"), str(build / "html")]
    return build_main(["-b", "html", "-q", "-W", "--keep-going", "-j", "2", *places, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
