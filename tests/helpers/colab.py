"""Colab's environment, built anew: does installing the package change what is there, and do all notebooks run?

`make colab PYTHON=python3.13` runs this file and prints a report. Colab's versions are those of requirements-colab.in.

1. An environment with what Colab has.
2. pip's dry run of what a notebook's first cell does: what it would bring, and what it would change.
3. The installation itself, and all notebooks with the small parameters of notebooks/smoke.yaml.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "colab"
HAS = ROOT / "requirements-colab.in"

EXECUTE = """
import sys, yaml
from pathlib import Path
from papermill import execute_notebook
notebook, out = map(Path, sys.argv[1:])
parameters = yaml.safe_load((notebook.parent / "smoke.yaml").read_text())[notebook.name[:2]]
execute_notebook(notebook, out / notebook.name, parameters, kernel_name="python3", cwd=out, progress_bar=False)
"""
"""What the environment runs for a notebook, in a folder that is not the notebook's."""


def main():
    """Returns:
    0 if nothing changes and every notebook runs to its end.
    """
    python = build()
    changed, new = dry_run(python)
    print(f"\nPython {version(python)}; `pip install .[data,scale]` brings {len(new)} packages: {', '.join(new)}.")
    print(f"It changes {len(changed)} that were there{': ' + ', '.join(changed) if changed else ''}.\n")
    pip(python, "install", f"{ROOT}[data,scale]", "papermill", "--constraint", FOLDER / "here.txt")
    print("| notebook | seconds | |\n|---|---|---|")
    failures = [one for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if (one := run(python, path))]
    return bool(changed or failures)


def build():
    """The path of the environment's Python."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
    pip(python, "install", "--requirement", HAS)
    return python


def pip(python, *words):
    """Runs pip of the environment."""
    call = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(list(map(str, call)), check=True)


def dry_run(python):
    """Names and versions that would change, and those that would be new."""
    there = {name.lower(): number for name, number in installed(python)}
    report, here = FOLDER / "report.json", FOLDER / "here.txt"
    here.write_text("".join(f"{name}=={number}\n" for name, number in there.items()), encoding="utf8")
    pip(python, "install", "--dry-run", "--report", report, f"{ROOT}[data,scale]", "--constraint", here)
    found = [one["metadata"] for one in json.loads(report.read_text(encoding="utf8"))["install"]]
    named = {one["name"].lower().replace("_", "-"): one["version"] for one in found}
    named.pop("olmoearth-nb")
    changed = [f"{name} {there[name]} -> {number}" for name, number in named.items() if name in there]
    return changed, sorted(name for name in named if name not in there)


def installed(python):
    """(name, version) of every package of the environment."""
    call = [python, "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
    listed = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    return [(one["name"].replace("_", "-"), one["version"]) for one in listed]


def version(python):
    """The version of a Python."""
    call = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()


def run(python, notebook):
    """The reason why a notebook failed, or "" ; prints its row of the report."""
    out, start = FOLDER / "notebooks", time.perf_counter()
    out.mkdir(exist_ok=True)
    done = subprocess.run([python, "-c", EXECUTE, str(notebook), str(out)], capture_output=True, text=True)
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    reason = said[-1] if done.returncode else ""
    print(f"| {notebook.stem} | {time.perf_counter() - start:.0f} | {reason or 'runs'} |", flush=True)
    return reason


if __name__ == "__main__":
    sys.exit(main())
