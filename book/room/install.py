"""Installs olmoearth_nb from the wheels beside this file, without a network, into the folder `.venv` beside it.

python install.py
"""

import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
EXTRAS = "notebooks,data,scale"


def this_machine():
    """What the wheels have to fit: Python, system and processor."""
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "system": platform.system(),
        "processor": platform.machine(),
    }


def main():
    """Installs, and says how to go on.

    Returns:
        An exit status.
    """
    wanted, here = json.loads((HERE / "made_for.json").read_text(encoding="utf8")), this_machine()
    if wanted != here:
        print(f"These wheels are for {wanted}, and this is {here}.", file=sys.stderr)
        print("Use a Python of that version, or run `make bundle` on a computer like this one.", file=sys.stderr)
        return 1
    venv.create(VENV, with_pip=True, clear=True)
    scripts = VENV / ("Scripts" if os.name == "nt" else "bin")
    command = [scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--find-links", HERE / "wheels", f"olmoearth_nb[{EXTRAS}]"]
    if subprocess.run([*command, *offline]).returncode:
        return 1
    print(f"Installed. Open the notebooks by:\n  {scripts / 'jupyter'} lab {HERE / 'notebooks'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
