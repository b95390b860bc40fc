"""A browser for the tests that need one: found, installed where that is allowed, or said to be missing.

`make test-browser`, and the end of `make test`, run this file.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"]
"""Programs that Playwright can drive, by what they are called on one system or another."""

OF_MACOS = [f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Chromium", "Google Chrome")]

ADVICE = "install Chromium or Chrome (on Debian: apt-get install chromium), or name one by CHROMIUM=/path/to/it"

INSTALL = [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]]


def find_browser():
    """The path of a browser that runs here, or None; CHROMIUM goes before all others.

    Raises:
        FileNotFoundError: if CHROMIUM names no browser that runs.
    """
    wanted = os.environ.get("CHROMIUM")
    if wanted:
        if not (path := shutil.which(wanted)) or not runs(path):
            raise FileNotFoundError(f"CHROMIUM={wanted} is no browser that runs here; leave it out, or name another")
        return path
    paths = [path for name in [*NAMES, *OF_MACOS] if (path := shutil.which(name))]
    return next(filter(runs, paths), None)


def runs(path):
    """Whether a program answers; Ubuntu has one by the name of a browser that does nothing but advise a snap."""
    return subprocess.run([path, "--version"], capture_output=True).returncode == 0


def is_ours_to_install():
    """Whether this is a machine of continuous integration whose packages we may choose: root on Debian or Ubuntu."""
    return os.environ.get("CI") == "true" and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")


def install_browser():
    """Installs Chromium by the system's own packages; what apt-get says is shown, also when it fails."""
    for command in INSTALL:
        print(*command, flush=True)
        if subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}).returncode:
            return


def main():
    """Runs the tests in a browser; where there is none and none can be demanded, the last line says so.

    Returns:
        An exit status.
    """
    if not find_browser() and is_ours_to_install():
        install_browser()
    if find_browser():
        return pytest.main(["-m", "browser", str(Path(__file__).parents[1] / "browser"), *sys.argv[1:]])
    if is_ours_to_install():
        print(f"FAILED: no browser, though this machine could install one; {ADVICE}")
        return 1
    print(f"SKIPPED: the notebooks in a real browser, because there is none; {ADVICE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
