"""The bundle in an empty environment with the index switched off. `make test-bundle`."""

import os
import subprocess
import sys
import time
import zipfile

import pytest
from book_pages import ROOT

pytestmark = pytest.mark.bundle

BUNDLE = ROOT / "build" / "bundle" / "olmoearth_nb_room.zip"
NOWHERE = "http://127.0.0.1:9"
"""Nothing answers there: whatever asks the network fails."""


def environment():
    """Ours without what tells pip or Python where else to look, and without a network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))}
    proxies = {f"{kind}_proxy": NOWHERE for kind in ("http", "https", "HTTP", "HTTPS", "all")}
    return {**kept, **proxies, "PIP_CONFIG_FILE": os.devnull}


def test_a_room_installs_and_runs_without_a_network(tmp_path):
    if not BUNDLE.is_file():
        pytest.skip("there is no bundle; make bundle makes it")
    begun = time.perf_counter()
    with zipfile.ZipFile(BUNDLE) as archive:
        archive.extractall(tmp_path)
    room, unpacked = tmp_path / "olmoearth_nb_room", time.perf_counter()
    done = subprocess.run([sys.executable, room / "install.py"], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Installed." in done.stdout
    installed = time.perf_counter()
    python = room / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    seconds = {}
    for number in ("01", "02", "03"):
        start = time.perf_counter()
        command = [python, "-m", "olmoearth_nb", "run", f"--nb={number}"]
        ran = subprocess.run(command, cwd=room, env=environment(), capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        seconds[number] = time.perf_counter() - start
    size = sum(path.stat().st_size for path in (room / ".venv").rglob("*") if path.is_file())
    print(f"\nzip {BUNDLE.stat().st_size / 1e6:.0f} MB, unpacked in {unpacked - begun:.0f} s")
    print(f"installed in {installed - unpacked:.0f} s, {size / 1e6:.0f} MB")
    print("notebooks:", ", ".join(f"{number} {took:.0f} s" for number, took in seconds.items()))


def test_wheels_for_another_python_are_refused(tmp_path):
    for name in ("install.py", "README.txt"):
        (tmp_path / name).write_bytes((ROOT / "book" / "room" / name).read_bytes())
    (tmp_path / "made_for.json").write_text('{"python": "2.7", "system": "Linux", "processor": "x86_64"}')
    done = subprocess.run([sys.executable, tmp_path / "install.py"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "These wheels are for" in done.stderr
    assert not (tmp_path / ".venv").exists()
