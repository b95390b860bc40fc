"""Errors on the command line: one line for what a user can mend, in the words of the command; a traceback for bugs."""

import ast
import importlib
import re
from pathlib import Path

import pyproj
import pytest
import typer
import yaml
from mistakes import WRONG
from rasterio import _err
from terminal import invoke
from typer.main import get_command
from typer.testing import CliRunner

import olmoearth_nb
from olmoearth_nb.cli.app import app
from olmoearth_nb.cli.errors import FOREIGN, Command, keeping
from olmoearth_nb.cli.loading import loading, takes
from olmoearth_nb.data.load import OPTIONS
from olmoearth_nb.io.durable import DiskFullError

PYTHON_ONLY = {
    "crop": "of `fit`, which no command needs",
    "pad": "of `fit`, which no command needs",
    "valid": "an array",
    "decibel": "of tables, which `embed` reads",
    "date": "dates with one entry, on the command line",
    "empty_dates": "of `to_sample`",
}
"""Arguments that messages advise and that need no option."""

ADVISED = re.compile(r"\b(?:say|give|choose one of|or) ([a-z]\w*)=")


def options(command):
    """The options of a command, such as --level."""
    return {name for parameter in get_command(app).commands[command].params for name in parameter.opts}


def says(error, *arguments):
    """What a command with the options of loaders prints when it raises an error, and its exit code."""
    small = typer.Typer(pretty_exceptions_enable=False)

    @small.command(cls=Command)
    @takes(options=loading)
    def command(options: dict, skip_failed: bool = False) -> None:
        raise error

    result = CliRunner().invoke(small, [str(argument) for argument in arguments])
    return result.output, result.exit_code


def messages():
    """What each wrong input of the catalogue is told."""
    for mistake, (call, _) in WRONG.items():
        try:
            call()
        except ValueError as error:
            yield pytest.param(str(error), id=mistake)


@pytest.fixture(params=["run", "embed"])
def raising(request, monkeypatch, tmp_path):
    """Calls `run` or `embed` where opening the reader's data raises an error."""

    def raiser(error):
        def fail(*_, **__):
            raise error

        return fail

    def call(error):
        if request.param == "run":
            (tmp_path / "01_one.ipynb").touch()
            monkeypatch.setattr("olmoearth_nb.notebook.run.load_place", raiser(error))
            return invoke("run", "--notebooks", tmp_path, "--build", tmp_path / "build", "--data", "town")
        monkeypatch.setattr("olmoearth_nb.points.features.read_features", raiser(error))
        given = {"--model": "x", "--data": "town", "--points": "x", "--out": tmp_path / "x.csv"}
        return invoke("embed", *(word for pair in given.items() for word in pair))

    call.options = options(request.param)
    return call


@pytest.mark.parametrize("message", list(messages()))
def test_advice_names_options_that_there_are(raising, message):
    result = raising(ValueError(message))
    assert result.exit_code == 2
    assert set(re.findall(r"(?<!\S)--[a-z\d-]+", result.output)) <= raising.options
    assert set(ADVISED.findall(result.output)) <= set(PYTHON_ONLY), result.output
    for name in ADVISED.findall(message):
        assert name in PYTHON_ONLY or f"--{name.replace('_', '-')}" in result.output


def advised_by(*paths):
    """Arguments that the texts of some files advise, each with its file; so that a new error is checked, too."""
    found = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.JoinedStr | ast.Constant):
                text = "".join(str(getattr(part, "value", "")) for part in getattr(node, "values", [node]))
                found |= dict.fromkeys(ADVISED.findall(text), path.name)
    return found


@pytest.mark.parametrize("command", ["run", "embed"])
def test_whatever_loaders_advise_is_an_option(command):
    package = Path(olmoearth_nb.__file__).parent
    tables = {package / "data" / "series.py", package / "data" / "tables.py"}
    loaders = {*(package / "data").rglob("*.py"), *package.glob("*.py")} - tables
    places = set((package / "points").glob("*.py")) - {package / "points" / "labelled.py"}  # of compare
    more = tables | places if command == "embed" else set()
    loaders = {path for path in loaders | more if not {"stac", "simulate", "labelled"} & set(path.parts)}
    advised = advised_by(*loaders)
    assert {"level", "scale", "missing_bands", "offset"} <= set(advised)
    known = {name.removeprefix("--").replace("-", "_") for name in options(command)}
    missing = {name: file for name, file in advised.items() if name not in known | set(PYTHON_ONLY)}
    assert not missing


def test_options_of_labelled_places():
    known = {name.removeprefix("--").replace("-", "_") for name in options("compare")}
    advised = advised_by(Path(olmoearth_nb.__file__).parent / "points" / "labelled.py")
    assert {"edge", "days"} <= set(advised)
    assert set(advised) <= known | set(PYTHON_ONLY)


def test_options_of_a_catalogue():
    (stac,) = (get_command(app).commands["data"].commands[name] for name in ["stac"])
    known = {name for parameter in stac.params for name in parameter.opts}
    advised = advised_by(*(Path(olmoearth_nb.__file__).parent / "data" / "stac").glob("*.py"))
    assert {f"--{name.replace('_', '-')}" for name in advised} <= known


def test_both_commands_have_the_options_of_loaders():
    wanted = {f"--{name}" for name in ("level", "scale", "dates", "offset", "names", "missing-bands", "bands")}
    both = options("run") & options("embed")
    assert both >= wanted | {"--modality", "--resolution"}
    assert {name.removeprefix("--").replace("-", "_") for name in both} <= OPTIONS | {"data", "help"}


@pytest.mark.case("words")
@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("say level='L1C', or leave level out", "say --level L1C, or leave level out"),
        ("say offset=1000 if it is, offset=None if not", "say --offset 1000 if it is, --offset none if not"),
        ("say offset=-1_000", "say --offset -1000"),
        ("it has no offset; give offset=", "it has no offset; give --offset"),
        ("say resolution='as is'", "say --resolution 'as is'"),
        ("name them by dates=[...]", "name them by --dates ..."),
        ("such as dates=['2020-01-01', '2020-02-01'].", "such as --dates 2020-01-01,2020-02-01."),
        ("(see names='published')", "(see --names published)"),
        ("skip_failed=True goes on", "--skip-failed goes on"),
        ("it has offset=, mask_clouds=, size=", "it has --offset, --mask-clouds"),
        ("it has size=, rows=", "it has no option"),
        ("say mask_clouds=True", "say --mask-clouds"),
        ("say scale='linear', or sentinel1='linear' where", "say --scale linear, or --sentinel1 linear where"),
        ("is 0 to 2000, offset='auto' or offset=None;", "is 0 to 2000, --offset auto or --offset none;"),
        ("crop='center' and valid= stay", "crop='center' and valid= stay"),
        ("no file /data/scale=2.tif, nor scale=x/y.tif", "no file /data/scale=2.tif, nor scale=x/y.tif"),
    ],
)
def test_arguments_become_options(message, shown):
    assert says(ValueError(message)) == (f"error: {shown}\n", 2)


def test_in_python_errors_name_arguments():
    with pytest.raises(ValueError, match="say level='L1C'"):
        WRONG["cirrus band in L2A"][0]()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("patch size 9"), "patch size 9"),
        (ValueError(), "ValueError"),
        (DiskFullError("full"), "full"),
        (FileNotFoundError("none"), "none"),
        (ModuleNotFoundError("No module named 'rasterio'"), "No module named 'rasterio'"),
        (UnicodeDecodeError("utf8", b"\xff", 0, 1, "invalid"), "'utf8' codec can't decode byte 0xff"),
        (MemoryError("Unable to allocate 9 GiB"), "there is not enough memory: give a smaller image"),
        (MemoryError(), "(MemoryError)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "there is not enough memory"),
        (_err.CPLE_NotSupportedError(3, 6, "LOCAL_CS"), "LOCAL_CS"),
        (pyproj.exceptions.ProjError("no such grid"), "no such grid"),
        (yaml.YAMLError("expected ':'"), "expected ':'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_a_user_can_mend_has_no_traceback(error, said):
    output, code = says(error)
    assert output.startswith("error: ")
    assert said in output
    assert code == 2


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), TypeError("x"), RuntimeError("a fault"), RecursionError("x"), AssertionError("x")],
    ids=repr,
)
def test_bugs_keep_their_traceback(error):
    small = typer.Typer(pretty_exceptions_enable=False)

    @small.command(cls=Command)
    def command() -> None:
        raise error

    result = CliRunner().invoke(small)
    assert result.exception is error
    assert "error:" not in result.output


@pytest.mark.parametrize(
    "module", ["pyarrow.lib", "pyproj.exceptions", "rasterio._err", "rasterio.errors", "safetensors"]
)
def test_foreign_errors_are_called_so_by_their_libraries(module):
    known = {name.partition(".")[2] for name in FOREIGN if name.partition(".")[0] == module.partition(".")[0]}
    (kind,) = {name for name in known if hasattr(importlib.import_module(module), name)}
    error = getattr(importlib.import_module(module), kind)
    assert says(error(1, 2, "no") if kind == "CPLE_BaseError" else error("no"))[1] == 2


def test_ctrl_c_says_what_is_kept():
    small = typer.Typer()

    @small.command(cls=Command)
    def command() -> None:
        with keeping("all is kept"):
            raise KeyboardInterrupt

    result = CliRunner().invoke(small)
    assert result.exit_code == 130
    assert result.output == "interrupted; all is kept\n"
