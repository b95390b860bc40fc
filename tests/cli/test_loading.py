"""The options of loaders, as `run` and `embed` take them."""

import pytest
import typer
from typer.testing import CliRunner

from olmoearth_nb.cli.loading import WordsCommand, loading, takes

GIVEN = {
    "level": ("L1C", "L1C"),
    "scale": ("reflectance", "reflectance"),
    "dates": ("2020-01-01, 2020-02-01", ["2020-01-01", "2020-02-01"]),
    "missing-bands": ("zero", "zero"),
    "names": ("published", "published"),
    "bands": ("B02,B03", ["B02", "B03"]),
    "modality": ("landsat", "landsat"),
    "sentinel1": ("linear", "linear"),
    "resolution": ("as is", "as is"),
}


@pytest.fixture
def taken():
    """Calls a command and returns what it got."""

    def call(*arguments):
        small, got = typer.Typer(), {}

        @small.command(cls=WordsCommand)
        @takes(options=loading)
        def command(options: dict, other: str = "") -> None:
            got.update(options=options, other=other)

        result = CliRunner().invoke(small, list(arguments))
        return got if result.exit_code == 0 else result.output

    return call


def test_only_what_is_given_is_passed_on(taken):
    assert taken() == {"options": {}, "other": ""}
    assert loading() == {}
    assert taken("--level", "", "--dates", "", "--offset", "")["options"] == {}  # as a script's empty variable is


@pytest.mark.parametrize("name", GIVEN)
def test_each_option(taken, name):
    text, value = GIVEN[name]
    assert taken(f"--{name}", text, "--other", "x") == {"options": {name.replace("-", "_"): value}, "other": "x"}


def test_a_flag(taken):
    assert taken("--mask-clouds") == {"options": {"mask_clouds": True}, "other": ""}


@pytest.mark.parametrize(
    ("text", "offset"), [("1000", 1000), ("-1000", -1000), ("auto", "auto"), ("None", None), ("none", None)]
)
def test_offsets(taken, text, offset):
    assert taken("--offset", text)["options"] == {"offset": offset}


@pytest.mark.parametrize("text", [" ", "x", "1.5", "nan", "1e3"])
def test_what_is_no_offset(taken, text):
    assert "--offset is a whole number, auto or none" in taken("--offset", text)


@pytest.mark.case("H21")
@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("--level L1C  --scale reflectance", {"level": "L1C", "scale": "reflectance"}),
        ("--resolution 'as is' --offset=none", {"resolution": "as is", "offset": None}),
        ("--level '$(touch X)' --modality `touch X`", None),
        ("--level ';touch X;' --bands $HOME,*", {"level": ";touch X;", "bands": ["$HOME", "*"]}),
    ],
)
def test_one_text_is_split_and_nothing_in_it_is_executed(taken, text, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = taken(f"--options={text}")
    assert "X" not in {path.name for path in tmp_path.iterdir()}
    assert "unexpected extra argument" in got if options is None else got["options"] == options


def test_a_text_whose_quotation_mark_stays_open(taken):
    assert "closing quotation" in taken("--options=--level 'L1C")


def test_a_text_and_options_of_its_own(taken):
    assert taken("--options=--level L1C", "--scale", "native") == {
        "options": {"level": "L1C", "scale": "native"},
        "other": "",
    }
