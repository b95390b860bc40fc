"""Freed memory is used again, in workers of Dask too."""

import os
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from olmoearth_nb.io.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("no mallopt")
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(2**20)  # 8 MB, 2,048 pages
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(what):
    """Pages that the system had to clear for fifty arrays, each of which is freed before the next."""
    as_dask_does = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run([sys.executable, "-c", CODE, what], env=as_dask_does, capture_output=True, text=True)
    if "no mallopt" in done.stderr:
        pytest.skip("this C library has no mallopt")
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is asked")
def test_pages_are_cleared_once():
    assert faults("plain") > 10 * faults("keep")
