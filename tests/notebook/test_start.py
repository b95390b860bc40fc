"""The setup cell: what it brings, and what it says where something is missing."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from olmoearth_nb.notebook import start as setup
from olmoearth_nb.notebook.source import read_source, sources

FOLDER = Path(__file__).parents[2] / "notebooks"
MODULES = {
    "data": r"load_place|load_stac|open_yours|load_sample|open_world|Corpus\(",
    "scale": r"\bpretrain\(|\bablate\(|run_job\(|Study\.",
}
"""What a cell calls that needs the packages of an extra."""


def setup_of(source):
    """The code of the setup cell, and that of all cells."""
    cells = [cell for cell in read_source(source, solved=True).cells if cell.cell_type == "code"]
    return cells[0].source, "\n".join(cell.source for cell in cells)


@pytest.mark.parametrize("source", sources(FOLDER), ids=lambda path: path.stem)
def test_setup_brings_what_the_notebook_uses(source):
    cell, code = setup_of(source)
    brought = re.search(r'"olmoearth_nb\[([\w,]+)\] @ git\+https://', cell).group(1).split(",")
    used = [extra for extra, calls in MODULES.items() if re.search(calls, code)]
    assert brought == used
    (checked,) = re.findall(r"start\(seed=0, extras=\((.*)\)\)", cell)
    assert re.findall(r'"(\w+)"', checked) == used


def test_nothing_is_missing_here(capsys):
    setup.start(extras=("data", "scale"))
    assert "not installed" not in capsys.readouterr().out


def test_what_is_missing_is_named_with_the_way_to_install_it(monkeypatch, capsys):
    there = metadata.distribution

    def without(name):
        if name in ("rasterio", "h5py"):
            raise metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(metadata, "distribution", without)
    setup.start(extras=("data", "scale"))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not installed")]
    assert line.startswith("not installed: h5py, rasterio, for your own GeoTIFF")
    assert line.endswith("pip install h5py rasterio")


def test_every_extra_has_packages():
    declared = metadata.requires("olmoearth_nb")
    for extra in setup.EXTRAS:
        assert [line for line in declared if f"extra == '{extra}'" in line or f'extra == "{extra}"' in line]


def test_an_extra_that_is_none():
    with pytest.raises(ValueError, match="unknown extra 'geo'; valid are data, scale"):
        setup.start(extras=("geo",))
