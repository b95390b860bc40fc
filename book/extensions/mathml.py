"""Formulas as MathML, which browsers show by themselves: no script, no font, and a screen reader can read it."""

import re
from html import escape

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)

SIZED = re.compile(r"\\([bB]igg?)(?![A-Za-z])")
r"""Large delimiters without a side, such as \big(: docutils knows those with one, such as \bigl(."""


def converted(node, as_block):
    """A formula as MathML; one that cannot be converted is a warning, and its LaTeX is shown."""
    try:
        return tex2mathml(SIZED.sub(r"\\\1l", node.astext()), as_block=as_block)
    except MathError as error:
        logger.warning("no MathML for %r: %s", node.astext(), error, location=node)
        return f"<code>{escape(node.astext())}</code>"


def inline(writer, node):
    """A formula in a line."""
    writer.body.append(converted(node, False))
    raise SkipNode


def block(writer, node):
    """A formula by itself; it scrolls where the screen is narrow."""
    anchors = "".join(f'<span id="{name}"></span>' for name in node["ids"])
    writer.body.append(f'<div class="formula">{anchors}{converted(node, True)}</div>')
    raise SkipNode


def setup(app):
    """Makes `mathml` a renderer that `html_math_renderer` can name."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
