"""A JupyterLab of its own on 127.0.0.1: nothing of the user's settings, nothing asked of the network."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil

from olmoearth_nb.notebook.watchdog import IDLE, SILENCE, cpu_seconds

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, to be looked at
}
"""Settings of JupyterLab: name -> values."""

PATIENCE = 20
"""Seconds in which a server that was asked to end may end its kernels."""


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab.

    Attributes:
        folder: what it shows.
        url: its address, with a slash at the end.
        token: what opens it.
        process: the server.
    """

    folder: Path
    url: str
    token: str
    process: psutil.Process

    def cpu_used(self):
        """CPU time of its kernels in steps of what an idle kernel does not reach: it grows while one computes."""
        return round(cpu_seconds(self.process.children(recursive=True)) / (IDLE * SILENCE))


@contextlib.contextmanager
def lab_server(notebooks, aside):
    """Starts JupyterLab on a copy of a folder of notebooks, without their outputs; ends it with all its kernels.

    Args:
        notebooks: folder of notebooks; it stays as it is.
        aside: empty folder for the copy and for whatever JupyterLab and IPython write.

    Yields:
        A Lab.
    """
    folder = copied(notebooks, aside / "notebooks")
    for name, values in SETTINGS.items():
        path = aside / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    (aside / "temporary").mkdir()
    token, log = secrets.token_hex(), aside / "server.log"
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    with log.open("wb") as written:
        server = psutil.Popen(
            [sys.executable, "-m", "jupyterlab", *options, str(folder)],
            env=environment(aside, token),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Lab(folder, address(server, aside / "runtime", log), token, server)
        finally:
            end(server)


def copied(notebooks, folder):
    """A copy of a folder of notebooks whose cells have not run: what they show later, they show anew."""
    shutil.copytree(notebooks, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))
    for path in folder.glob("*.ipynb"):
        notebook = nbformat.read(path, 4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        nbformat.write(notebook, path)
    return folder


def environment(aside, token):
    """The environment of this process without its Jupyter, and with folders of its own for the new one."""
    ours = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "TMPDIR": "temporary",  # kernels leave files
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    return {**others, **{name: str(aside / folder) for name, folder in ours.items()}, "JUPYTER_TOKEN": token}


def address(server, runtime, log):
    """The address of a server, as soon as it answers for one.

    Raises:
        RuntimeError: if it ends or falls silent before, with the end of what it wrote.
    """
    waited = 0.0
    while waited < SILENCE:
        for path in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError):  # half written
                return json.loads(path.read_text())["url"]
        if server.poll() is not None:
            break
        time.sleep(0.2)
        waited += 0.2
    said = log.read_text(errors="replace")[-3000:]
    state = "runs, but answers for no address" if server.poll() is None else f"ended with {server.returncode}"
    raise RuntimeError(f"JupyterLab {state}; its last words:\n{said}")


def end(server):
    """Ends a server and whatever it started: kernels first, as it does when asked."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [server, *server.children(recursive=True)]
        server.terminate()
        _, left = psutil.wait_procs(family, PATIENCE)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, PATIENCE)
