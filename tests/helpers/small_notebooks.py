"""Notebooks of a few cells, written as files."""

import nbformat


def write_notebook(folder, name, *sources, tags=()):
    """Writes `name`.ipynb: a title and one code cell for each source, all with the same tags."""
    cells = [nbformat.v4.new_markdown_cell(f"# {name}")]
    cells += [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path
