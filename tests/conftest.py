import os

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import settings

matplotlib.use("Agg")
settings.register_profile("patient", deadline=None)  # a busy machine is not broken
settings.load_profile("patient")
if "PYTEST_VERSION" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory):
    """Eight simulated tiles: six to train on, one for validation, one for the test."""
    from olmoearth_nb.data.simulate.generate import simulate

    return simulate(tmp_path_factory.mktemp("small") / "world", 8 * 16, size=32, quiet=True)


@pytest.fixture
def figures(monkeypatch):
    """Figures that were shown, closed after the test."""
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    yield shown
    plt.close("all")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """A STAC server; waiting takes no time and is written down in `sleeps`."""
    from stac_server import StacServer

    (tmp_path / "files").mkdir()
    server = StacServer(tmp_path / "files")
    server.sleeps, server.cache = [], tmp_path / "cache"
    monkeypatch.setattr("time.sleep", server.sleeps.append)
    yield server
    server.stop()
