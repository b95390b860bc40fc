"""What the tests in a browser are for: each of these notebooks has one fault, and it is told."""

import lab_page
import nbformat
import pytest
from lab_page import LabPage
from lab_server import lab_server
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.browser

WIDGETS = """\
import ipywidgets
slider, dropdown = ipywidgets.IntSlider(2, 0, 9), ipywidgets.Dropdown(options=["a", "b"])
view = ipywidgets.HTML("<pre>as it was</pre>")
ipywidgets.VBox([slider, dropdown, view])
"""
FAULTS = {
    "fails": ("1 / 0", r"fails: cell \[2\] '1 / 0' failed: ZeroDivisionError: division by zero"),
    "without": (
        "print('no widget')",
        r"without: an output has .*noUi-handle, .*select and .widget-html: not so, and nothing",
    ),
    "deaf": (WIDGETS, "deaf: the view changes with the slider at [78].*: not so, and nothing has moved"),
    "console": ("%%javascript\nconsole.error('out of', 'order')", "console: out of order"),
    "network": ("%%html\n<img src='http://192.0.2.1/a.png'>", "an address elsewhere: http://192.0.2.1/a.png"),
}
"""Name of a notebook -> its second cell, and what is said of it."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    for name, (code, _) in FAULTS.items():
        cells = [new_code_cell("import json"), new_code_cell(code)]
        python = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=cells, metadata=python), folder / f"{name}.ipynb")
    with lab_server(folder, tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told(name, browser, lab, tmp_path, monkeypatch):
    with pytest.raises(AssertionError, match=FAULTS[name][1]), LabPage(browser, lab, name, tmp_path) as page:  # noqa: PT012
        page.open()
        page.run_all()
        if name in ("without", "deaf"):
            monkeypatch.setattr(lab_page, "SILENCE", 5.0)
            explorer = page.explorer(".widget-html")
            explorer.after(explorer.drag(0.8))
        page.check()
    assert (tmp_path / f"{name}_failed.png").stat().st_size > 10_000
