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


def write_opening_notebook(folder, name="01_opens"):
    """Writes a notebook that opens the reader's data as the real ones do, and prints what came of it."""
    path = write_notebook(folder, name, "data = ''\noptions = {}", tags=["parameters"])
    notebook = nbformat.read(path, as_version=4)
    source = (
        "from olmoearth_nb.data import load_place\n"
        "sample = load_place(data, **options)\n"
        "image = sample.images['sentinel2_l2a']\n"
        "print(options, image.shape, sample.dates, round(float(image.max())), *sample.notes, sep='|')"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": ["headline"]}))
    nbformat.write(notebook, path)
    return path
