"""The scripts of benchmarks/, which are in no package."""

import sys
from pathlib import Path

import pytest
from scripts import load_script

FOLDER = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))  # scripts import each other


@pytest.fixture(scope="module")
def script(request):
    """The script that the test module names as `SCRIPT`."""
    return load_script(FOLDER / f"{request.module.SCRIPT}.py")
