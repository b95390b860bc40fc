"""`run` as people meet it: a good notebook, a failing one, an empty folder."""

import re

import nbformat
import pytest
from chips import write_npz
from pages import OUTSIDE
from small_notebooks import write_notebook
from terminal import invoke

pytestmark = pytest.mark.xdist_group("kernels")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def test_a_failing_notebook_is_shown_and_the_others_run(folder, tmp_path):
    write_notebook(folder, "01_fails", "x = 1", "raise ValueError(f'seven {x}')")
    write_notebook(folder, "02_runs", "print('the answer is 42')", tags=["headline"])
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build")
    assert result.exit_code == 1
    assert "01_fails.ipynb: cell 2 failed" in result.output
    assert "raise ValueError(f'seven {x}')" in result.output
    assert "seven 1" in result.output
    assert "the answer is 42" in result.output
    index = (tmp_path / "build" / "index.html").read_text()
    assert "failed: cell 2: ValueError: seven 1" in index
    assert "the answer is 42" in index
    assert not OUTSIDE.search(index)
    names = {path.name for path in (tmp_path / "build").iterdir()}
    assert names == {"index.html", *(f"{n}.{e}" for n in ("01_fails", "02_runs") for e in ("ipynb", "html"))}


def test_one_notebook_with_data_made_absolute(folder, tmp_path, monkeypatch):
    write_notebook(folder, "01_other", "raise SystemExit")
    write_notebook(folder, "02_data", "data = ''", tags=["parameters"])
    path = folder / "02_data.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print('got', data)", metadata={"tags": ["headline"]}))
    nbformat.write(notebook, path)
    write_npz(tmp_path / "chip.npz")
    monkeypatch.chdir(tmp_path)
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build", "--nb", "02", "--data", "chip.npz")
    assert result.exit_code == 0, result.output
    assert re.search(r"got\s+/", (tmp_path / "build" / "index.html").read_text())


def test_brackets_in_an_error_are_no_markup(folder, tmp_path):
    write_notebook(folder, "01_fails", "raise ValueError('no file [/tmp/x]')")
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build")
    assert result.exit_code == 1
    assert "no file [/tmp/x]" in " ".join(result.output.split())


def test_an_embedded_sample_by_name(folder, tmp_path):
    write_notebook(folder, "02_data", "data = ''", tags=["parameters"])
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build", "--data", "town")
    assert result.exit_code == 0, result.output


def test_no_folder_is_left_where_nothing_ran(tmp_path):
    result = invoke("run", "--notebooks", tmp_path, "--build", tmp_path / "build")
    assert result.exit_code == 2
    assert "run in the repository" in result.output
    assert not (tmp_path / "build").exists()
    assert invoke("notebooks", "--notebooks", tmp_path, "--nb", "99").exit_code == 2


def test_wrong_arguments(folder, tmp_path):
    write_notebook(folder, "02_only", "1")
    for arguments, message in (
        (["--nb", "07"], "no notebook 07 in"),
        (["--data", "nowhere.npz"], "DATA=nowhere.npz"),
        (["--nb", "02; touch X"], "--nb '02; touch X' is no notebook"),
    ):
        result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build", *arguments)
        assert result.exit_code == 2
        assert message in result.output
    assert not (tmp_path / "build").exists()
    assert "is no notebook" in invoke("notebooks", "--notebooks", folder, "--nb", "02; touch X").output


def test_data_for_a_notebook_that_takes_none(folder, tmp_path):
    write_notebook(folder, "02_only", "1")
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build", "--data", "town")
    assert result.exit_code == 1
    assert "02_only.ipynb has no parameter ['data']" in " ".join(result.output.split())
    assert "has no parameter" in (tmp_path / "build" / "index.html").read_text()


def test_a_kernel_that_dies_is_started_once_more(folder, tmp_path, capsys):
    """The first kernel kills itself; the second finds the mark that it left."""
    mark = tmp_path / "mark"
    first = f"import os, pathlib\np = pathlib.Path({str(mark)!r})\nif not p.exists():\n"
    die = first + "    p.touch()\n    os._exit(1)\nprint(6 * 7)"
    write_notebook(folder, "01_dies", die)
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build")
    assert result.exit_code == 0, result.output
    assert "42" in (tmp_path / "build" / "01_dies.ipynb").read_text()
    assert "trying once more" in capsys.readouterr().out + result.output
