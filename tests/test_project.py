"""The project around the package: sizes, wheel, nothing of the machine it was made on."""

import ast
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from documented import PAGES, REPORTS, anchors, blocks, links, prose

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "olmoearth_nb").rglob("*.py"))


def tracked():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.splitlines() if (ROOT / name).is_file()]


def test_no_trace_of_the_machine():
    """No absolute path, registry host or session word in any text of the project."""
    forbidden = re.compile(
        "|".join(["/" + "work/", "/" + "root/", "/" + "opt/", "file:" + "//", "pypi" + r"\.org/simple"])
    )
    for path in tracked():
        if path.suffix in {".npz", ".npy", ".h5", ".png", ".pth", ".safetensors", ".gz"} or path == Path(__file__):
            continue
        found = forbidden.search(path.read_text(encoding="utf8"))
        assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


def test_size_of_the_repository():
    """A clone is at most 120 MB with its history, however this copy of it happens to be stored."""
    command = ["git", "pack-objects", "--revs", "--stdout", "-q"]
    pack = subprocess.run(command, cwd=ROOT, input=b"HEAD\n", capture_output=True, check=True).stdout
    files = sum(path.stat().st_size for path in tracked())
    print(f"files {files / 1e6:.1f} MB, history {len(pack) / 1e6:.1f} MB")
    assert max(files, len(pack)) <= 120e6


def test_the_wheel_works_elsewhere(tmp_path):
    """Built, installed into an empty folder and imported from another one, with its data."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next((tmp_path / "dist").glob("*.whl"))
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", target, wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        "import olmoearth_nb, olmoearth_nb.data as data\n"
        "from olmoearth_nb.data.simulate.tile import tile_sample\n"
        "assert tile_sample(0, 46).images['sentinel2_l2a'].shape == (128, 128, 12, 12)\n"
        "sample = data.load_embedded('town')\n"
        "print(olmoearth_nb.__file__, data.data_dir(), sample.images['sentinel2_l2a'].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    module, data, shape = done.stdout.split(maxsplit=2)
    assert module.startswith(str(target))
    assert data.startswith(str(target))
    assert shape.strip() == "(64, 64, 12, 12)"
    license_files = list(target.glob("olmoearth_nb-*.dist-info/licenses/LICENSE"))
    assert license_files


def test_version_is_the_same_everywhere():
    import olmoearth_nb

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert project["version"] == olmoearth_nb.__version__
    assert f"version: {olmoearth_nb.__version__}" in citation


def test_readme_names_every_notebook():
    text = (ROOT / "README.md").read_text()
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"notebooks/{notebook.name}" in text
    for command in ("make run", "make test"):
        assert command in text


def test_the_readme_is_a_first_screen_that_leads_to_every_page():
    readme = ROOT / "README.md"
    lines = readme.read_text(encoding="utf8").splitlines()
    assert len(lines) <= 90
    assert max(map(len, lines)) <= 120
    linked = {path for path, _ in links(readme)}
    assert linked >= set(PAGES) - {readme}


@pytest.mark.parametrize("page", [*PAGES, *REPORTS], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page):
    for path, anchor in links(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), f"{path.name} has no heading {anchor}; it has {anchors(path)}"


@pytest.mark.parametrize(
    "page",
    [*PAGES, *REPORTS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "data" / "README.md"],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_lines_of_pages_are_short(page):
    assert not [(number, line) for number, line in prose(page) if len(line) > 120]


PYTHON = [(page, number, code) for page in PAGES for number, code in enumerate(blocks(page, "python"))]
named = pytest.mark.parametrize(
    ("page", "number", "code"), PYTHON, ids=[f"{page.stem}-{number}" for page, number, _ in PYTHON]
)


@named
def test_documented_code_imports_what_exists(page, number, code):
    """Every block compiles, and each of its imports from the package works."""
    imports = [node for node in ast.parse(code).body if isinstance(node, ast.ImportFrom | ast.Import)]
    exec(compile(ast.Module(imports, type_ignores=[]), f"{page.name}, block {number}", "exec"), {})


@named
def test_documented_code_runs(page, number, code, tmp_path, monkeypatch, capsys):
    """All blocks but the one that trains a study; that has a test of its own."""
    if "sweep.ablate" in code:
        pytest.skip("test_documented_study runs it")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, f"{page.name}, block {number}", "exec"), {})
    shown = capsys.readouterr().out
    for promised in re.findall(r"# (\([\d, ]+\))", code):
        assert promised in shown


def test_documented_commands_and_options_exist():
    """Every `olmoearth-nb` command of the pages is one, and has the options that are given to it."""
    from typer.main import get_command

    from olmoearth_nb.cli.app import app

    lines = [line for page in PAGES for block in blocks(page) for line in block.splitlines()]
    given = [line.split("#")[0].split()[1:] for line in lines if line.startswith("olmoearth-nb ")]
    assert len(given) >= 8
    for words in given:
        command = get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {name for parameter in command.params for name in parameter.opts}
        assert not hasattr(command, "commands"), words
        assert {word for word in words if word.startswith("--")} <= known, (command.name, words)


def test_modules_named_in_pages_exist():
    """A path such as `pretrain/losses.py` or `olmoearth_nb.weights.load` in a page is one of the package."""
    for page in [*PAGES, *REPORTS]:
        text = page.read_text(encoding="utf8")
        for path in re.findall(r"[` ]([a-z_]+/[a-z_/]+\.py)\b", text):
            assert (ROOT / "olmoearth_nb" / path).is_file() or (ROOT / path).is_file(), f"{page.name}: {path}"
        for name in re.findall(r"`(olmoearth_nb(?:\.[A-Za-z_]+)+)`", text):
            pkgutil.resolve_name(name)


def test_the_wheel_has_all_data():
    """Notebooks run from the package alone, as in Colab: what the repository has under data/ is in the wheel, too."""
    taken = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["tool"]["hatch"]["build"]["targets"]
    taken = taken["wheel"]["force-include"]
    assert all(target == f"olmoearth_nb/_{source}" for source, target in taken.items())
    data = [path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*") if path.is_file()]
    left = [path for path in data if not any(f"{path}/".startswith(f"{source}/") for source in taken)]
    assert {Path(path).suffix for path in left} <= {".py", ".pyc"}, left
