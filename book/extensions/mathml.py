"""Formulas as MathML, which browsers show by themselves: no script, no font, and a screen reader can read it."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml


def inline(writer, node):
    """A formula in a line."""
    writer.body.append(tex2mathml(node.astext(), as_block=False))
    raise SkipNode


def block(writer, node):
    """A formula by itself; it scrolls where the screen is narrow."""
    anchors = "".join(f'<span id="{name}"></span>' for name in node["ids"])
    writer.body.append(f'<div class="formula">{anchors}{tex2mathml(node.astext(), as_block=True)}</div>')
    raise SkipNode


def setup(app):
    """Makes `mathml` a renderer that `html_math_renderer` can name."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
