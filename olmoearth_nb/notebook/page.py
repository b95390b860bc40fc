"""Executed notebooks as pages that load nothing from outside."""

from __future__ import annotations

import copy
import html
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from olmoearth_nb.io.durable import write
from olmoearth_nb.notebook.source import tidy

_STYLE = """
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.55 system-ui, sans-serif; color: #222; }
img { max-width: 100%; } h1, h2 { line-height: 1.2; } a { color: #0072B2; }
pre { white-space: pre-wrap; padding: .6rem .8rem; margin: .3rem 0; font-size: 13px; line-height: 1.4; }
.highlight pre { background: #f5f5f2; border-left: 3px solid #0072B2; }
.jp-RenderedText pre, .output pre { background: none; }
.jp-InputPrompt, .jp-OutputPrompt, .prompt, .anchor-link { display: none; }
table { border-collapse: collapse; margin: .6rem 0; }
td, th { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
.badge { border: 1px solid #999; border-radius: 4px; padding: .1rem .5rem; font-size: 13px; }
.card { border: 1px solid #ddd; border-radius: 8px; padding: 0 1.2rem 1rem; margin: 1.2rem 0; }
.failed { border-left: 6px solid #b00020; }
"""

_OUTSIDE = re.compile(r"https?:", re.IGNORECASE)


@dataclass(frozen=True)
class Outcome:
    """How one notebook ended."""

    stem: str
    executed: NotebookNode | None
    """The executed copy, up to the failing cell if one failed; None if there is none, and then no page."""
    seconds: float
    error: str
    """The reason of its failure in one line; empty if it ran to its end."""

    @property
    def headline(self) -> str:
        """What the notebook says in one line."""
        return headline(self.executed).text if self.executed is not None else ""


@dataclass(frozen=True)
class Headline:
    """What a notebook says in one line and one figure."""

    text: str
    figure: str | None
    """PNG in base64."""


def headline(notebook: NotebookNode) -> Headline:
    """Texts and figure of the cells tagged `headline`; the title where there are none."""
    texts, figure = [], None
    for cell in notebook.cells:
        if "headline" not in cell.metadata.get("tags", []):
            continue
        outputs = cell.get("outputs", [])
        texts.append(" ".join("".join(output.get("text", "") for output in outputs).split()))
        figure = next((x for output in outputs if (x := output.get("data", {}).get("image/png"))), figure)
    return Headline("; ".join(filter(None, texts)) or title(notebook), figure)


def title(notebook: NotebookNode) -> str:
    """The notebook's H1."""
    for cell in notebook.cells:
        match = re.search(r"^# (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if match:
            return match.group(1).replace("*", "")
    return "Notebook"


def write_page(notebook: NotebookNode, target: Path) -> None:
    """Writes an executed notebook as one self-contained page."""
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)
    body, _ = exporter.from_notebook_node(_described(tidy(copy.deepcopy(notebook))))
    highlight = HtmlFormatter(style="default").get_style_defs(".highlight")
    _write(_document(title(notebook), without_outside(body), highlight), target)


def _described(notebook: NotebookNode) -> NotebookNode:
    """Gives each figure the caption below it, a paragraph in italics, as its alternative text."""
    for cell, below in zip(notebook.cells, [*notebook.cells[1:], NotebookNode(source="")], strict=True):
        caption = re.match(r"\*(?!\*)(.+?)\*\s*$", below.source, re.DOTALL)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                text = " ".join(caption.group(1).split()) if caption else title(notebook)
                output.metadata["image/png"] = {"alt": text}
    return notebook


def without_outside(body: str) -> str:
    """Replaces pictures from outside by their text and drops scripts and frames; links to read more stay."""
    body = re.sub(r"<(script|iframe|object)\b.*?</\1>", "", body, flags=re.DOTALL | re.IGNORECASE)
    body = re.sub(r"<(link|embed)\b[^>]*>", "", body, flags=re.IGNORECASE)
    return re.sub(r"<img\b[^>]*>", _local_image, body)


def _local_image(match: re.Match[str]) -> str:
    """An image tag, or its alternative text where the image would come from outside."""
    source = re.search(r'src="([^"]*)"', match.group())
    if source is None or not _OUTSIDE.match(source.group(1)):
        return match.group()
    alternative = re.search(r'alt="([^"]*)"', match.group())
    return f'<span class="badge">{alternative.group(1) if alternative else "picture"}</span>'


def write_index(outcomes: list[Outcome], target: Path) -> None:
    """Writes the index: headline and figure of each notebook, or why it has none.

    Args:
        outcomes: one a notebook; it links to the page of those that have an executed copy.
        target: `index.html`.
    """
    body = "<h1>olmoearth_nb</h1>" + "".join(_card(outcome) for outcome in outcomes)
    _write(_document("olmoearth_nb", body), target)


def _card(outcome: Outcome) -> str:
    """What the index says of one notebook."""
    figure, name = "", html.escape(outcome.stem)
    if outcome.executed is not None:
        shown = headline(outcome.executed).figure
        figure = f'<img alt="" src="data:image/png;base64,{shown.strip()}">' if shown else ""
        name = f"{html.escape(outcome.stem[:2])} {html.escape(title(outcome.executed))}"
        name = f'<a href="{quote(os.fsencode(outcome.stem))}.html">{name}</a>'
    text = f"failed: {outcome.error}" if outcome.error else outcome.headline
    return (
        f'<div class="card{" failed" if outcome.error else ""}"><h2>{name}</h2><p>{html.escape(text)}</p>'
        f"{figure}<p><small>{outcome.seconds:.0f} s</small></p></div>"
    )


def _document(heading: str, body: str, style: str = "") -> str:
    """A whole page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(heading)}</title>'
        f"<style>{style}{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _write(page: str, target: Path) -> None:
    """Writes a page; what UTF-8 cannot hold, as names of files may contain, is written by its number."""
    write(target, lambda part: part.write_text(page, encoding="utf8", errors="backslashreplace"))


def read_notebook(path: Path) -> NotebookNode:
    """A notebook file."""
    return nbformat.read(path, as_version=4)
