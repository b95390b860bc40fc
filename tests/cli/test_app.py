"""`run` as people meet it: a good notebook, a failing one, an empty folder."""

import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from chips import write_npz
from geotiffs import numbers
from geotiffs import write as write_geotiff
from pages import OUTSIDE
from safe_twin import write_safe
from small_notebooks import write_notebook, write_opening_notebook
from terminal import invoke

from olmoearth_nb import SENTINEL2, to_sample

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


TOA = "top-of-atmosphere reflectance (L1C)"


def l1c_reflectance(path, bands):
    """One date of top-of-atmosphere reflectance, a glint of 1.3 among it, as an .npz or a GeoTIFF of named bands."""
    image = np.random.default_rng(0).uniform(0.05, 0.6, (16, 16, 1, len(bands))).astype(np.float32)
    image[0, 0] = 1.3
    if path.suffix == ".npz":
        np.savez(path, image=image, bands=bands, dates=["2018-08-10"])
        return path, image
    write_geotiff(path, image[:, :, 0].transpose(2, 0, 1), bands)
    return path, image


@pytest.mark.case("friction 1")
@pytest.mark.parametrize("name", ["eopatch.npz", "eopatch_2018-08-10.tif"])
@pytest.mark.parametrize("cirrus", [True, False], ids=["with B10", "without B10"])
def test_top_of_atmosphere_reflectance_needs_one_option_or_two(folder, tmp_path, name, cirrus):
    bands = [*SENTINEL2.band_names, "B10"] if cirrus else list(SENTINEL2.band_names)
    path, image = l1c_reflectance(tmp_path / name, bands)
    write_opening_notebook(folder)
    call = ["run", "--notebooks", folder, "--build", tmp_path / "build", "--data", path]
    refused = invoke(*call)
    assert refused.exit_code == 2
    assert "say --scale reflectance" in refused.output
    result = invoke(*call, "--scale", "reflectance", *([] if cirrus else ["--level", "L1C"]))
    assert result.exit_code == 0, result.output
    executed = nbformat.read(tmp_path / "build" / "01_opens.ipynb", as_version=4)
    shown = "".join(output.get("text", "") for output in executed.cells[-1].outputs if output.get("name") == "stdout")
    options = {"scale": "reflectance"} if cirrus else {"level": "L1C", "scale": "reflectance"}
    assert shown.startswith(f"{options}|(16, 16, 1, 12)|['2018-08-10']|13000|")
    assert TOA in shown
    assert executed.metadata.papermill.parameters.options == options
    with pytest.warns(UserWarning, match="top-of-atmosphere data"):  # the array itself, in Python
        same = to_sample(image, bands, ["2018-08-10"], **options)
    assert round(float(same.images["sentinel2_l2a"].max())) == 13_000


def test_options_without_data(folder, tmp_path):
    write_opening_notebook(folder)
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "build", "--level", "L1C", "--offset", "none")
    assert result.exit_code == 2
    assert "--level, --offset without --data" in result.output


def test_an_option_that_a_loader_does_not_have(folder, tmp_path):
    write_opening_notebook(folder)
    call = ["run", "--notebooks", folder, "--build", tmp_path / "build", "--data", write_npz(tmp_path / "mine.npz")]
    result = invoke(*call, "--names", "published")
    assert result.exit_code == 2
    assert "the loader of mine.npz has no --names; it has " in result.output
    assert " --offset, --level, --scale, --missing-bands, --dates, --bands" in result.output


@pytest.mark.case("words")
def test_reflectance_and_linear_radar_in_one_file(folder, tmp_path):
    """What the errors advise, one after the other, opens it."""
    write_opening_notebook(folder)
    power = np.random.default_rng(1).uniform(0.01, 0.3, (2, 16, 16))
    both = np.concatenate([numbers() / 10_000, power]).astype(np.float32)
    path = write_geotiff(tmp_path / "both_2020-07-05.tif", both, [*SENTINEL2.band_names, "VV", "VH"])
    call = ["run", "--notebooks", folder, "--build", tmp_path / "build", "--data", path]
    assert "say --scale reflectance" in invoke(*call).output
    assert "or --sentinel1 linear where" in invoke(*call, "--scale", "reflectance").output
    result = invoke(*call, "--scale", "reflectance", "--sentinel1", "linear")
    assert result.exit_code == 0, result.output


@pytest.mark.case("words")
def test_no_option_is_listed_that_there_is_not(folder, tmp_path):
    write_opening_notebook(folder)
    product, _ = write_safe(tmp_path)
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / "b", "--data", product, "--level", "L1C")
    assert result.exit_code == 2
    assert "has no --level; it has --offset, --mask-clouds\n" in result.output


@pytest.mark.case("H25")
def test_names_that_the_locale_cannot_write(folder, tmp_path):
    """Where names are ASCII alone, others are half characters, which UTF-8 has not: in every file they are escaped."""
    strange = folder.rename(tmp_path / "notebooks ü")
    write_opening_notebook(strange, "01_é")
    given = ["--notebooks", strange, "--build", tmp_path / "日本", "--data", write_npz(tmp_path / "größe {x} %s.npz")]
    done = subprocess.run(
        [sys.executable, "-m", "olmoearth_nb", "run", *given],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout
    assert {path.name for path in (tmp_path / "日本").iterdir()} == {"01_é.ipynb", "01_é.html", "index.html"}
    assert 'href="01_%C3%A9.html"' in (tmp_path / "日本" / "index.html").read_text(encoding="utf8")
    parameters = nbformat.read(tmp_path / "日本" / "01_é.ipynb", as_version=4).metadata.papermill.parameters
    assert os.fsencode(parameters.data.encode("ascii", "surrogateescape")).decode() == str(given[-1])


@pytest.mark.case("9")
@pytest.mark.parametrize("name", ["br{x}{{y}} %s%41", "q'\" $HOME", "nl\nx #1&?"])
def test_data_whose_name_means_something_elsewhere(folder, tmp_path, name):
    write_opening_notebook(folder)
    write_npz(tmp_path / f"{name}.npz")
    result = invoke("run", "--notebooks", folder, "--build", tmp_path / name, "--data", tmp_path / f"{name}.npz")
    assert result.exit_code == 0, result.output
    executed = nbformat.read(tmp_path / name / "01_opens.ipynb", as_version=4)
    assert executed.metadata.papermill.parameters.data == str(tmp_path / f"{name}.npz")
    assert "(8, 8, 2, 12)" in (tmp_path / name / "index.html").read_text(encoding="utf8")
