"""A notebook in JupyterLab in a browser, driven as a reader does: by its menus, and by the mouse on its widgets.

Nothing here has a time limit: what ends a wait is silence, as for the kernels of `notebook/watchdog.py`.
"""

import re
from pathlib import Path

import nbformat

FLAGS = [
    "--no-sandbox",  # root has none, and in many containers nobody has
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SILENCE = 120.0
"""Seconds in which neither page nor kernel moves, after which a wait is given up."""

LOOK = 0.5
"""Seconds between two looks at the page."""

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
"""The one thing of a notebook that lies elsewhere: a picture. It is answered here, so nothing leaves the machine."""

EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>'

CELLS = """panel => [...panel.querySelectorAll('.jp-CodeCell')].map(cell => ({
    prompt: cell.querySelector('.jp-InputPrompt').textContent.trim(),
    shown: cell.querySelector('.jp-OutputArea')?.textContent ?? '',
}))"""


class LabPage:
    """One notebook in one page, and all that went wrong there.

    Attributes:
        page: Playwright's page.
        problems: errors of the page and its console, requests that failed or were refused, addresses elsewhere.
    """

    def __init__(self, browser, lab, notebook, pictures):
        """Opens an empty page.

        Args:
            browser: Playwright's browser.
            lab: a `lab_server.Lab`.
            notebook: the name of a notebook in its folder, without .ipynb.
            pictures: folder for screenshots.
        """
        self.lab, self.notebook, self.pictures, self.problems = lab, notebook, Path(pictures), []
        self.pictures.mkdir(parents=True, exist_ok=True)
        cells = nbformat.read(lab.folder / f"{notebook}.ipynb", 4).cells
        self.count = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in cells)
        self.context = browser.new_context(viewport={"width": 1400, "height": 1300}, service_workers="block")
        self.context.set_default_timeout(1000 * SILENCE)
        self.context.route(re.compile(f"^https?:(?!{re.escape(lab.url.removeprefix('http:'))})"), self._elsewhere)
        self.page = self.context.new_page()
        self._listen()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        """Closes the page; an error is told with what was to be seen, and leaves a screenshot."""
        if error is not None:
            text = self.page.locator("body").inner_text()
            dialogs = self.page.locator(".jp-Dialog").all_inner_texts()
            widgets = self.page.locator(".jupyter-widgets").evaluate_all("all => all.map(one => one.className)")
            error.add_note(f"{self.notebook}: dialogs: {dialogs}; problems: {self.problems}; widgets: {widgets}")
            error.add_note(f"screenshot: {self.picture('failed')}; the page began with:\n{text[:1500]}")
        self.context.close()

    def _listen(self):
        """Writes down whatever goes wrong."""
        page, note = self.page, self.problems.append
        page.on("pageerror", lambda error: note(f"error on the page: {error}"))
        page.on("console", lambda line: line.type == "error" and note(f"console: {line.text} ({line.location['url']})"))
        page.on("requestfailed", lambda request: note(f"failed: {request.method} {request.url}: {request.failure}"))
        page.on("response", lambda got: got.status >= 400 and note(f"{got.status}: {got.request.method} {got.url}"))

    def _elsewhere(self, route):
        """Answers for an address outside this machine; only the badge may be asked for."""
        if route.request.url == BADGE:
            route.fulfill(content_type="image/svg+xml", body=EMPTY)
        else:
            self.problems.append(f"asked for an address elsewhere: {route.request.url}")
            route.abort()

    @property
    def panel(self):
        return self.page.locator(".jp-NotebookPanel:visible")

    def picture(self, name):
        """Takes a screenshot into `pictures` and gives its path."""
        path = self.pictures / f"{self.notebook}_{name}.png"
        self.page.screenshot(path=path)
        return path

    def cells(self):
        """The code cells: prompt and text of the output."""
        return self.panel.evaluate(CELLS) if self.panel.count() else []

    def until(self, done, what):
        """Waits until `done()`; gives up once neither page nor kernel has moved for `SILENCE` seconds.

        Raises:
            AssertionError: that `what` did not happen.
        """
        signs, quiet = None, 0.0
        while not done():
            last, signs = signs, self._signs()
            quiet = quiet + LOOK if signs == last else 0.0
            assert quiet < SILENCE, f"{self.notebook}: {what}: not so, and nothing has moved for {SILENCE:.0f} s"
            self.page.wait_for_timeout(1000 * LOOK)

    def _signs(self):
        """What changes while something goes on: the page, the cells that have run, the work of the kernels."""
        elements = self.page.evaluate("document.querySelectorAll('*').length")
        return elements, [cell["prompt"] for cell in self.cells()], self.lab.cpu_used()

    def check(self):
        """Raises an AssertionError with all that went wrong on the page so far."""
        assert not self.problems, f"{self.notebook}:\n" + "\n".join(self.problems)

    def is_idle(self):
        """Whether the notebook is there and its kernel waits."""
        idle = self.panel.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").count() == 1
        return idle and self.panel.locator(".jp-KernelName").inner_text() != "No Kernel"

    def open(self):
        """Opens the notebook and waits for its kernel."""
        workspace = f"lab/workspaces/{self.notebook}"  # of its own: what other pages opened, JupyterLab opens again
        address = f"{self.lab.url}{workspace}/tree/{self.notebook}.ipynb?token={self.lab.token}"
        self.page.goto(address, wait_until="commit")
        self.until(lambda: self.is_idle() and len(self.cells()) >= self.count, "the notebook is open, its kernel idle")

    def choose(self, menu, command):
        """Clicks a menu at the top by its name, and there the entry of a command."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(f".lm-Menu-item[data-command='{command}']").click()

    def run_all(self):
        """Runs all cells by the menu and waits until none runs any more; then each has its number, and none an error.

        Raises:
            AssertionError: if a cell fails, with its number, its code and its error.
        """
        assert not any(cell["shown"] for cell in self.cells()), "the notebook shows outputs before it has run"
        self.choose("Run", "runmenu:run-all")
        self.until(self._has_run, "the cells have run")
        for cell in self._saved():
            where = f"{self.notebook}: cell [{cell.execution_count}] {cell.source[:60]!r}"
            for output in cell.outputs:
                assert output.output_type != "error", f"{where} failed: {output.ename}: {output.evalue}"
        prompts = [cell["prompt"] for cell in self.cells()]
        numbers = [f"[{number + 1}]:" for number in range(self.count)]
        assert [prompt for prompt in prompts if prompt != "[ ]:"] == numbers, f"{self.notebook}: cells have {prompts}"
        for cell in self.cells():
            assert "Error displaying widget" not in cell["shown"], f"{self.notebook}: {cell}"

    def _has_run(self):
        """Whether some cell has a number, and none waits for one; a cell that fails ends the run of all."""
        prompts = {cell["prompt"] for cell in self.cells()}
        return self.is_idle() and "[*]:" not in prompts and bool(prompts - {"[ ]:"})

    def _saved(self):
        """The code cells as they are in the file, after it was saved by the menu."""
        path = self.lab.folder / f"{self.notebook}.ipynb"
        before = path.stat().st_mtime_ns
        self.choose("File", "docmanager:save")
        self.until(lambda: path.stat().st_mtime_ns != before, "the notebook is saved")
        return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]

    def explorer(self, view):
        """The first output with a slider, a dropdown and a view.

        Args:
            view: selector of what the controls change.

        Returns:
            An Explorer.

        Raises:
            AssertionError: if there is none.
        """
        shown = self.page.locator(".jp-OutputArea-output")
        for part in (SLIDER, DROPDOWN, view):
            shown = shown.filter(has=self.page.locator(part))
        self.until(lambda: shown.count() > 0, f"an output has {SLIDER}, {DROPDOWN} and {view}")
        return Explorer(self, shown.first, view)


SLIDER, DROPDOWN = ".widget-hslider .noUi-handle", ".widget-dropdown select"


class Explorer:
    """Controls above a view that follows them.

    They are moved by the mouse. JupyterLab takes arrow keys on a widget for its own: they leave the cell or fold it.
    """

    def __init__(self, page, area, view):
        self.page, self.area = page, area
        self.view = area.locator(view).first
        self.slider, self.dropdown = area.locator(SLIDER).first, area.locator(DROPDOWN).first

    def settled(self):
        """The picture of the view, once the kernel is idle and two looks show the same; bytes of a PNG."""
        looks = [b"", self.view.screenshot()]

        def same():
            looks[:] = looks[1], self.view.screenshot()
            return self.page.is_idle() and looks[0] == looks[1]

        self.page.until(same, "the view stands still")
        return looks[1]

    def after(self, moved):
        """The picture of the view after a move, which has to change it.

        Args:
            moved: what was moved, as `drag` and `choose` tell it, and the picture before.

        Raises:
            AssertionError: if the picture stays as it is.
        """
        name, before = moved
        self.page.until(lambda: self.view.screenshot() != before, f"the view changes with {name}")
        return self.settled()

    def place(self):
        """Where the handle of the slider is, as a fraction of its track."""
        track, x, _ = self._slider()
        return (x - track["x"]) / track["width"]

    def _slider(self):
        """The box of the track, and the middle of the handle in pixels."""
        self.slider.scroll_into_view_if_needed()
        track, handle = self.slider.locator("xpath=ancestor::*[2]").bounding_box(), self.slider.bounding_box()
        return track, handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2

    def drag(self, place):
        """Drags the handle of the slider to a place; gives its name and the picture of before."""
        before, mouse = self.settled(), self.page.page.mouse
        track, x, y = self._slider()
        mouse.move(x, y)
        mouse.down()
        mouse.move(track["x"] + place * track["width"], y, steps=5)
        mouse.up()
        return f"the slider at {self.slider.get_attribute('aria-valuetext')}", before

    def entry(self):
        """The number of the chosen entry of the dropdown, from 0."""
        return self.dropdown.evaluate("one => one.selectedIndex")

    def choose(self, entry):
        """Chooses an entry of the dropdown (its menu is the system's, not the page's); name and picture as `drag`."""
        before = self.settled()
        self.dropdown.select_option(index=entry)
        return f"the dropdown at {self.dropdown.evaluate('one => one.value')!r}", before
