"""The README and the pages under docs/: their blocks of code, their links, their prose."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
"""Pages that people read first."""

REPORTS = sorted((ROOT / "docs" / "results").glob("*.md"))
"""Pages of what was measured."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language=None):
    """The code blocks of a page in order, or those of one language; "" is that of a block without a name."""
    return [code for name, code in _BLOCK.findall(page.read_text(encoding="utf8")) if language in (None, name)]


def links(page):
    """What a page links to or shows inside this repository: (path, anchor)."""
    text = _BLOCK.sub("", page.read_text(encoding="utf8"))
    found = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text)
    return [((page.parent / path).resolve() if path else page, anchor) for path, anchor in found]


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text(encoding="utf8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(page):
    """Lines of a page outside its tables and its blocks of code, each with its number."""
    kept = _BLOCK.sub(lambda block: "\n" * block.group().count("\n"), page.read_text(encoding="utf8"))
    return [(number, line) for number, line in enumerate(kept.splitlines(), 1) if not line.startswith("|")]
