"""Packs wheels, data and notebooks into `build/bundle`, for a room without a network.

The wheels fit this Python and this kind of machine. They come from wherever pip is told to look: with an index of torch
builds for CPUs alone (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip's configuration) the bundle is much smaller.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOM = ROOT / "book" / "room"
sys.path.insert(0, str(ROOM))

from install import EXTRAS, this_machine

BUNDLE = ROOT / "build" / "bundle"
NAME = "olmoearth_nb_room"


def gather_wheels(folder):
    """Our own wheel with its data, and those of everything that it needs, in the versions of the lock."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    own = next(folder.glob("olmoearth_nb-*.whl"))
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--only-binary", ":all:", "--constraint", ROOT / "requirements.lock", "--dest", folder]
    subprocess.run([*download, *options, f"{own}[{EXTRAS}]"], check=True)


def pack(folder, target):
    """Puts a folder into a zip; wheels are packed already."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(filter(Path.is_file, folder.rglob("*"))):
            kind = zipfile.ZIP_STORED if path.suffix == ".whl" else zipfile.ZIP_DEFLATED
            archive.write(path, path.relative_to(folder.parent), kind)


def main():
    """Makes the folder and its zip, and says how large it is."""
    folder = BUNDLE / NAME
    shutil.rmtree(BUNDLE, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    gather_wheels(folder / "wheels")
    (folder / "notebooks").mkdir()
    for notebook in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        shutil.copy2(notebook, folder / "notebooks")
    for name in ("install.py", "README.txt"):
        shutil.copy2(ROOM / name, folder)
    (folder / "made_for.json").write_text(json.dumps(this_machine()) + "\n", encoding="utf8")
    html = ROOT / "build" / "book" / "html"
    if html.is_dir():
        shutil.copytree(html, folder / "book")
    target = BUNDLE / f"{NAME}.zip"
    pack(folder, target)
    print(
        f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.0f} MB, {len(list(folder.glob('wheels/*')))} wheels"
    )


if __name__ == "__main__":
    main()
