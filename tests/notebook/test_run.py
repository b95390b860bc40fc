"""Whatever a notebook does, the next one runs and the index says what happened; silence is a hang, duration is not."""

import json
import re
import sys
import time
from urllib.parse import unquote

import nbformat
import psutil
import pytest
from pages import OUTSIDE
from small_notebooks import write_notebook

from olmoearth_nb.notebook import run as runner
from olmoearth_nb.notebook.run import execute, run
from olmoearth_nb.notebook.source import matching
from olmoearth_nb.notebook.watchdog import KernelLostError, Watched

pytestmark = pytest.mark.xdist_group("kernels")

SILENCE = 3.0
"""Seconds; enough that a kernel on a busy machine is seen to work, few enough for a test."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def watched(*sources, silence=SILENCE):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    return notebook, Watched(notebook, kernel_name="python3", silence=silence)


def test_every_kind_of_failure_is_in_the_index(folder, tmp_path):
    (folder / "01_broken.ipynb").write_text("{ this is no notebook")
    write_notebook(folder, "02_dies", "data = ''", tags=["parameters"])
    _add(folder / "02_dies.ipynb", "print('before the end')", "import os; os._exit(1)", "print('never')")
    write_notebook(folder, "03_takes_no_data", "x = 1")
    write_notebook(folder, "04_raises", "data = ''", tags=["parameters"])
    _add(folder / "04_raises.ipynb", "{}['<b>' + 'x' * 5000]")
    write_notebook(folder, "05_runs", "data = ''", tags=["parameters"])
    _add(folder / "05_runs.ipynb", "print(6 * 7)")
    outcomes = run(folder, tmp_path / "build", data="town")
    expected = ["NotJSONError", "cell 4: Kernel died", "has no parameter ['data']", "cell 3: KeyError: '<b>xxx", ""]
    for outcome, reason in zip(outcomes, expected, strict=True):
        assert reason in outcome.error, outcome
        assert len(outcome.error) < 600
    assert outcomes[-1].error == ""
    index = (tmp_path / "build" / "index.html").read_text()
    assert index.count('class="card') == 5
    assert index.count('class="card failed"') == 4
    assert "failed: cell 4: Kernel died" in index
    assert "KeyError: &#x27;&lt;b&gt;x" in index
    assert not OUTSIDE.search(index)
    assert re.findall(r'href="(.*?)"', index) == ["02_dies.html", "04_raises.html", "05_runs.html"]
    written = {path.name for path in (tmp_path / "build").iterdir()} - {"index.html"}
    assert written == {f"{n}.{e}" for n in ("02_dies", "04_raises", "05_runs") for e in ("ipynb", "html")}
    page = (tmp_path / "build" / "02_dies.html").read_text()
    assert "before the end" in page
    assert "Kernel died" in page


def _add(path, *sources):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(notebook, path)


HANGS = {
    "sleeps": "import time; time.sleep(1000)",
    "is stopped, and answers no interrupt": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "waits for a child that sleeps": """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print("child", child.pid, flush=True)
child.wait()
""",
}

SLOW = {
    "uses little": """
import time
end = time.monotonic() + 7
while time.monotonic() < end:
    time.sleep(0.2)
    sum(range(300_000))
""",
    "waits for a child that works": """
import subprocess, sys
work = "import time\\nend = time.monotonic() + 7\\nwhile time.monotonic() < end: pass"
subprocess.run([sys.executable, "-c", work], check=True)
""",
}


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_silent_kernel_is_killed(hang):
    notebook, client = watched("print('so far')", hang)
    with pytest.raises(KernelLostError, match=r"^cell 2: no output and no CPU use for 3 s$"):
        client.execute()
    assert notebook.cells[0].outputs[0].text == "so far\n"
    assert notebook.cells[1].outputs[-1].evalue == "no output and no CPU use for 3 s"
    for child in re.findall(r"child (\d+)", notebook.cells[1].outputs[0].get("text", "")):
        assert not psutil.pid_exists(int(child)) or psutil.Process(int(child)).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("work", SLOW.values(), ids=SLOW)
def test_a_slow_cell_is_no_hang(work):
    notebook, client = watched(work, "print('done')")
    start = time.monotonic()
    client.execute()
    assert time.monotonic() - start > 2 * SILENCE
    assert notebook.cells[1].outputs[0].text == "done\n"


def test_a_kernel_that_falls_silent_is_started_once_more(folder, tmp_path, capsys):
    mark = f"import pathlib, time\np = pathlib.Path({str(tmp_path / 'mark')!r})\n"
    path = write_notebook(
        folder, "01_once", mark + "if not p.exists():\n    p.touch()\n    time.sleep(1000)\nprint(42)"
    )
    assert execute(path, tmp_path / "out.ipynb", {}, 12.0) == ""  # a busy machine starts a kernel slowly
    assert "42" in (tmp_path / "out.ipynb").read_text()
    assert "no output and no CPU use for 12 s; trying once more" in " ".join(capsys.readouterr().out.split())


def test_a_kernel_that_does_not_start(folder, tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-c", "raise SystemExit(3)", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    write_notebook(folder, "01_one", "1")
    (outcome,) = run(folder, tmp_path / "build")
    assert outcome.error.startswith("before the first cell: Kernel died")
    assert "before the first cell" in (tmp_path / "build" / "index.html").read_text()


@pytest.mark.case("9")
def test_paths_that_mean_something_elsewhere(tmp_path):
    """Braces are papermill's, a leading dash is its standard output, percent and hash are an address's."""
    strange = "dir {x} 'q\" $HOME %s é #1 [b]"
    (tmp_path / strange).mkdir()
    write_notebook(tmp_path / strange, "01_a %41 #{y}", "import os; print(os.getcwd())", tags=["headline"])
    build = tmp_path / "-b{1}"
    (outcome,) = run(tmp_path / strange, build)
    assert outcome.error == ""
    assert outcome.headline == str(tmp_path / strange)
    (link,) = re.findall(r'href="(.*?)"', (build / "index.html").read_text())
    assert (build / unquote(link)).is_file()


def test_an_interrupted_run_leaves_an_index_and_nothing_of_an_earlier_one(folder, tmp_path, monkeypatch):
    build = tmp_path / "build"
    build.mkdir()
    for name in ("01_one", "02_two"):
        write_notebook(folder, name, "print('new')")
        (build / f"{name}.html").write_text("of an earlier run")
    whole = runner.execute

    def interrupted(notebook, *arguments):
        if notebook.stem == "02_two":
            raise KeyboardInterrupt
        return whole(notebook, *arguments)

    monkeypatch.setattr(runner, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, build)
    index = (build / "index.html").read_text()
    assert "01_one.html" in index
    assert "failed: the run ended before this notebook did" in index
    assert "new" in (build / "01_one.html").read_text()
    assert not (build / "02_two.html").exists()


def test_a_page_that_cannot_be_written_is_a_failure_too(folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left")

    write_notebook(folder, "01_one", "1")
    monkeypatch.setattr(runner, "write_page", full)
    (outcome,) = run(folder, tmp_path / "build")
    assert outcome.error == "no page: OSError: No space left"


@pytest.mark.parametrize("only", ["02; touch X", "$(x)", "0 2", "../02", "02\n"])
def test_what_is_no_name_of_a_notebook(only):
    with pytest.raises(ValueError, match="is no notebook: give a number"):
        matching([], only)
