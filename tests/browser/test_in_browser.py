"""The notebooks as a reader has them: in JupyterLab, in a browser, with widgets that answer.

`make test-browser` runs these tests and says how to get a browser where there is none.
"""

from pathlib import Path

import pytest
from lab_page import LabPage
from lab_server import lab_server

ROOT = Path(__file__).parents[2]
EXPLORERS = {"02": ".widget-html", "06": "img.widget-image"}
"""Number of a notebook -> what its controls change: table or figure, an element that stays as its content goes."""

NOTEBOOKS = [
    pytest.param(path.stem, view, id=number)
    for number, view in EXPLORERS.items()
    for path in sorted((ROOT / "notebooks").glob(f"{number}_*.ipynb"))
]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with lab_server(ROOT / "notebooks", tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.mark.parametrize(("notebook", "view"), NOTEBOOKS)
def test_a_notebook_runs_and_its_widgets_answer(notebook, view, browser, lab):
    with LabPage(browser, lab, notebook, ROOT / "build" / "browser") as page:
        page.open()
        page.run_all()
        page.picture("run")
        explorer = page.explorer(view)
        first, place, entry = explorer.settled(), explorer.place(), explorer.entry()
        page.picture("widgets")
        slid = explorer.after(explorer.drag(0.25 if place > 0.5 else 0.75))
        page.picture("slider")
        assert explorer.after(explorer.drag(place)) == first
        chosen = explorer.after(explorer.choose(entry - 1 if entry else 1))
        page.picture("dropdown")
        assert explorer.after(explorer.choose(entry)) == first
        assert len({first, slid, chosen}) == 3
        page.check()
