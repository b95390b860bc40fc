"""The lock files hold for every Python and system that the README promises, and for Colab."""

import os
import re
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uv
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ["notebooks", "data", "scale", "test"]
PYTHONS = ["3.11.0", "3.11.2", "3.12.0", "3.13.0", "3.14.0"]
LOCKS = ["requirements.lock", "requirements-colab.lock"]
PLACES = [
    *[("requirements.lock", python, "linux") for python in PYTHONS],
    ("requirements.lock", "3.13.0", "macos"),
    ("requirements.lock", "3.13.0", "windows"),
    ("requirements-colab.lock", "3.13.0", "linux"),
]
GPU = ("nvidia-", "cuda-", "triton")
"""What builds of torch for a GPU bring along: each build has a list of its own, so no lock names it."""

both = pytest.mark.parametrize("lock", LOCKS)


def requirements(text):
    """Requirements of a file, without comments and empty lines."""
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def versions(text):
    """Name -> version of the pins in a text."""
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in requirements(text)}


def read(name):
    return (ROOT / name).read_text()


def compile_pins(*inputs, python, system="linux"):
    """Lets uv choose, from wheels alone, what would be installed there. Nothing is installed."""
    options = ["--python-version", python, "--python-platform", system, "--only-binary", ":all:"]
    command = [uv.find_uv_bin(), "pip", "compile", "--no-config", "--quiet", "--no-annotate", "--no-header"]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # uv's own, 13, is older than what Apple mends
    return subprocess.run([*command, *options, *inputs], cwd=ROOT, env=environment, capture_output=True, text=True)


def chosen(done):
    """Name -> version of what uv chose; skips where the index cannot be reached."""
    if "error sending request for url" in done.stderr:
        pytest.skip(f"the package index cannot be reached: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return versions(done.stdout)


def compile_lock(lock, python, system):
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    return compile_pins("pyproject.toml", *extras, lock, python=python, system=system)


@pytest.fixture(scope="module")
def compiled():
    """Every place -> what uv said there, all at once: most of the time they wait for the index."""
    with ThreadPoolExecutor(len(PLACES)) as pool:
        return dict(zip(PLACES, pool.map(lambda place: compile_lock(*place), PLACES), strict=True))


@both
def test_a_lock_names_versions_and_nothing_else(lock):
    lines = read(lock).splitlines()
    found = requirements("\n".join(lines))
    names = [canonicalize_name(pin.name) for pin in found]
    assert all(re.fullmatch(r"==[0-9][0-9A-Za-z.]*", str(pin.specifier)) for pin in found)
    assert not [pin for pin in found if pin.url or pin.extras]
    assert len(names) == len(set(names)) > 150
    assert not [name for name in names if name.startswith((*GPU, "torchvision"))]
    assert sum(line.startswith("#") for line in lines) == 1
    assert versions(read(lock))["torch"] == "2.13.0"


@both
def test_a_lock_has_what_the_project_asks_for(lock):
    extras = PROJECT["optional-dependencies"]
    assert list(extras) == ["notebooks", "data", "simulate", "insight", "scale", "test"]
    locked = versions(read(lock))
    for text in PROJECT["dependencies"] + [text for extra in EXTRAS for text in extras[extra]]:
        asked = Requirement(text)
        assert asked.specifier.contains(locked[canonicalize_name(asked.name)]), text


def test_the_colab_lock_has_the_versions_of_colab():
    colab = versions(read("requirements-colab.in"))
    assert len(colab) > 15
    assert versions(read("requirements-colab.lock")).items() >= colab.items()


def test_the_promise_is_the_same_everywhere():
    """The Pythons resolved here are those of the package, of the conda environment and of the workflow."""
    environment = yaml.safe_load(read("environment.yml"))
    conda = SpecifierSet(environment["dependencies"][0].removeprefix("python"))
    older_and_newer = ["3.10.99", "3.15.0"]
    assert list(conda.filter(PYTHONS + older_and_newer)) == PYTHONS
    assert list(SpecifierSet(PROJECT["requires-python"]).filter(PYTHONS + older_and_newer)) == [*PYTHONS, "3.15.0"]
    matrix = yaml.safe_load(read(".github/workflows/test.yml"))["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["include"][0]["python"] == PYTHONS[0]
    assert set(matrix["python"]) <= {python.rpartition(".")[0] for python in PYTHONS}


@pytest.mark.xdist_group("locks")
@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_a_lock_can_be_installed(place, compiled):
    """All pins have a wheel, agree with each other and with the project, and nothing that they need is missing."""
    locked = versions(read(place[0]))
    installed = {name: version for name, version in chosen(compiled[place]).items() if not name.startswith(GPU)}
    assert len(installed) > 150
    assert installed == {name: locked.get(name) for name in installed}


def test_a_pin_for_a_newer_python_is_refused(tmp_path):
    """The fault that these tests are for: a lock resolved on Python 3.11.7, installed on 3.11.2."""
    newer = tmp_path / "newer.lock"
    newer.write_text("soupsieve==4.1.2\n")
    assert chosen(compile_pins(str(newer), python="3.11.7")) == {"soupsieve": "4.1.2"}
    with pytest.raises(AssertionError, match=r"satisfy\s+Python>=3\.11\.5"):
        chosen(compile_pins(str(newer), python="3.11.2"))
