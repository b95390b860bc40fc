"""The scripts of benchmarks/, which are in no package."""

from pathlib import Path

import pytest
from scripts import load_script

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script(request):
    """The script that the test module names as `SCRIPT`."""
    return load_script(FOLDER / f"{request.module.SCRIPT}.py")
