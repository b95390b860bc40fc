"""Docstrings are written to be read as they are; here they become reStructuredText."""

import re

BEFORE_NAPOLEON = 400
"""Napoleon, which reads Args and Returns, comes at 500."""


def as_restructured(lines):
    """Lines of a docstring, with examples as literal blocks and with plain bars.

    An indented block below an empty line is an example, unless what stands above the empty line is indented too: then
    both belong to a section such as Args.
    """
    made, example, above = [], False, ""
    for line in lines:
        if not line.startswith(" ") and line.strip():
            example = False
        elif line.strip() and not example and made and not made[-1].strip() and above and not above.startswith(" "):
            made += ["::", ""]
            example = True
        above = line if line.strip() else above
        made.append(line if example else plain(line))
    return made


def plain(line):
    """A line outside examples: a bar means a bar, and code may be followed by a letter, as in `Sample`s."""
    parts = re.split(r"(`+[^`]*`+)", line)
    text = [part if place % 2 else part.replace("|", r"\|") for place, part in enumerate(parts)]
    return re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", "".join(text))


def process(app, what, name, thing, options, lines):
    """Changes the lines in place, as Sphinx asks for."""
    lines[:] = as_restructured(lines)


def setup(app):
    """Connects."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process, priority=BEFORE_NAPOLEON)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
