"""`make run` passes on what people give, and never executes it; a stub takes the place of Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
STUB = '#!/bin/sh\nprintf "%s\\0" "$@" > "$STUB_SAW"\n'
NAMES = ["python3", *(f"python3.{minor}" for minor in (14, 13, 12, 11))]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def place(tmp_path):
    """A folder with what the Makefile looks for: an installed environment, newer than what it is made from."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    _script(tmp_path / ".venv" / "bin" / "python", STUB)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def _script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _make(place, *arguments, **environment):
    """What `make` printed, and the arguments that the stub saw."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "PYTHON", "NB", "DATA", "OPTIONS")
    }
    saw = place / "saw"
    done = subprocess.run(
        ["make", "-f", str(MAKEFILE), *arguments],
        cwd=place,
        env={**inherited, "STUB_SAW": str(saw), **environment},
        capture_output=True,
        text=True,
    )
    return done, saw.read_text().split("\0")[:-1] if saw.exists() else None


TEXTS = [
    "$(shell touch X)",
    "${shell touch X}",
    "prix_100$.tif",
    "two $$ and $(half",
    "`touch X`; touch X && $(touch X) | touch X > X",
    "a b  c'd\"e\\f\\",
    "#%é*?~{1}.tif",
    "-x.tif",
]


@pytest.mark.case("H21")
@pytest.mark.parametrize("name", ["DATA", "OPTIONS"])
@pytest.mark.parametrize("text", TEXTS)
def test_what_is_given_arrives_as_it_is(place, name, text):
    """On make's command line and in the environment; options are one argument, which the command splits."""
    for arguments, environment in (([f"{name}={text}"], {}), ([], {name: text})):
        done, saw = _make(place, "run", *arguments, **environment)
        assert done.returncode == 0, done.stderr
        assert saw == ["-m", "olmoearth_nb", "run", f"--{name.lower()}={text}"]
        assert not (place / "X").exists()


def test_data_and_how_to_open_it(place):
    done, saw = _make(place, "run", "NB=01", "DATA=my chip.npz", "OPTIONS=--level L1C --resolution 'as is'")
    assert done.returncode == 0, done.stderr
    options = "--options=--level L1C --resolution 'as is'"
    assert saw == ["-m", "olmoearth_nb", "run", "--nb=01", "--data=my chip.npz", options]


@pytest.mark.case("H21")
@pytest.mark.parametrize("target", ["run", "notebooks"])
@pytest.mark.parametrize("text", ["02", "02; touch X", "$(shell touch X)", "02 && touch X"])
def test_nb_is_one_argument(place, target, text):
    done, saw = _make(place, target, f"NB={text}")
    assert done.returncode == 0, done.stderr
    assert saw == ["-m", "olmoearth_nb", target, f"--nb={text}"]
    assert not (place / "X").exists()


def test_nothing_given(place):
    for arguments in ([], ["NB=", "DATA=", "OPTIONS="]):
        assert _make(place, "run", *arguments)[1] == ["-m", "olmoearth_nb", "run"]


def test_a_failing_run_is_a_failing_make(place):
    _script(place / ".venv" / "bin" / "python", "#!/bin/sh\nexit 1\n")
    assert _make(place, "run")[0].returncode != 0


@pytest.mark.parametrize("modern", ["python3", "python3.12", "python3.11"])
def test_the_first_python_that_is_new_enough(place, modern):
    (place / ".venv" / ".installed").unlink()
    for name in NAMES:
        _script(place / "bin" / name, f'#!/bin/sh\necho {name} "$@" >> used\nexit {int(name != modern)}\n')
    done, saw = _make(place, "run", PATH=f"{place / 'bin'}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert f"{modern} -m venv .venv" in (place / "used").read_text()
    assert saw == ["-m", "olmoearth_nb", "run"]


def test_no_python_that_is_new_enough(place):
    (place / ".venv" / ".installed").unlink()
    for name in NAMES:
        _script(place / "bin" / name, "#!/bin/sh\nexit 1\n")
    done, saw = _make(place, "run", PATH=f"{place / 'bin'}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert saw is None
    first, *rest = done.stderr.splitlines()
    assert first.startswith("This needs Python 3.11 to 3.14, and python3 is none of them: install one")
    assert all(line.startswith("make") for line in rest)
