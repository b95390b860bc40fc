"""The shape of the committed notebooks, and that they say what their sources say."""

import base64
import io
import re
import statistics
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from chips import write_npz
from pages import OUTSIDE
from PIL import Image

from olmoearth_nb.notebook.page import headline, write_page
from olmoearth_nb.notebook.pictures import rounded
from olmoearth_nb.notebook.run import execute
from olmoearth_nb.notebook.source import read_source, sources, tidy

pytestmark = pytest.mark.xdist_group("kernels")  # kernels that start at the same moment may take each other's ports

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sources(FOLDER)
SMOKE = yaml.safe_load((FOLDER / "smoke.yaml").read_text())

COMPARED = {
    "01": 21, "02": 15, "03": 12, "04": 14, "05": 22, "06": 12, "07": 14, "08": 12, "09": 11, "10": 14, "11": 24,
    "12": 5,
}  # fmt: skip
"""At least so many cells of each notebook are compared with their committed outputs."""

SECTIONS = ["Setup", "What we learned", "Where this stops being true", "Exercises", "Next"]
RANDOM = re.compile(r"0x[0-9a-f]{6,}|/home/|/Users/|/tmp/|it/s|\d+ ?ms\b|seconds")


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request):
    return request.param


@pytest.fixture
def notebook(source):
    return nbformat.read(FOLDER / f"{source.stem}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def test_every_notebook_has_a_source_and_smoke_parameters():
    numbers = [path.name[:2] for path in SOURCES]
    assert [path.stem for path in sorted(FOLDER.glob("*.ipynb"))] == [path.stem for path in SOURCES]
    assert sorted(SMOKE) == numbers == sorted(COMPARED)


def test_the_student_notebook_is_generated_from_its_source(source, notebook):
    generated = read_source(source, solved=False)
    shown = [(cell.id, cell.cell_type, cell.source, tags(cell)) for cell in notebook.cells]
    assert shown == [(cell.id, cell.cell_type, cell.source, tags(cell)) for cell in generated.cells], (
        f"{source.stem} has drifted from its source: run `make notebooks NB={source.name[:2]}`"
    )


def test_title_badge_and_sections(source, notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    first = notebook.cells[0].source.splitlines()
    assert first[0].startswith("[![Open in Colab]")
    assert f"notebooks/{source.stem}.ipynb" in first[0]
    assert "| to work through | to run, two CPU cores |" in notebook.cells[0].source
    assert "After this notebook you can" in notebook.cells[0].source
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS


def test_the_title_is_a_question_and_the_first_screen_answers_it(notebook):
    first = notebook.cells[0].source
    assert re.search(r"^# .+\?$", first, re.MULTILINE)
    assert re.search(r"short answer", first)
    assert len(re.findall(r"\d", first.partition("short answer")[2])) >= 2, "an answer has numbers"


def test_each_notebook_leads_to_its_neighbours(source, notebook):
    place, text = SOURCES.index(source), notebook.cells[-1].source
    beside = [(place - 1, "previous"), (place + 1, "next")]
    wanted = [f"]({SOURCES[number].stem}.ipynb)" for number, _ in beside if 0 <= number < len(SOURCES)]
    assert all(link in text for link in (*wanted, "](../README.md#notebooks)"))
    assert text.index("## Next") == 0


def test_minutes_to_work_through_are_told_alike(source, notebook):
    (minutes,) = re.findall(r"^\| time \| (\d+) min \|", notebook.cells[0].source, re.MULTILINE)
    for page in ("README.md", "docs/workshop.md"):
        text = (FOLDER.parent / page).read_text(encoding="utf8")
        (row,) = re.findall(rf"^\| {source.name[:2]} \|.+{source.stem}\.ipynb\) .+$", text, re.MULTILINE)
        assert row.endswith(f"| {minutes} |"), page


def test_setup_comes_first_then_parameters(notebook):
    cells = code(notebook)
    assert [i for i, cell in enumerate(cells) if "setup" in tags(cell)] == [0]
    assert [i for i, cell in enumerate(cells) if "parameters" in tags(cell)] == [1]
    assert "find_spec" in cells[0].source
    assert not re.search(r"torch[=<>~]|numpy[=<>~]|sys\.path|wget|git clone", cells[0].source)
    for line in cells[1].source.splitlines():
        assert re.fullmatch(r"\w+ = (\"[^\"]*\"|-?[\d.]+|True|False|None|\{\})", line), f"not a literal: {line}"
    assert any("headline" in tags(cell) for cell in cells)
    assert "exercise" in tags(cells[-1])


def test_cells_are_short_and_explained(notebook):
    lengths = [len(cell.source.splitlines()) for cell in code(notebook)]
    assert max(lengths) <= 25
    assert statistics.median(lengths) <= 8
    assert len(notebook.cells) - len(lengths) >= len(lengths) - 2
    definitions = re.findall(r"^(?:def|class) \w+", "\n".join(cell.source for cell in code(notebook)), re.MULTILINE)
    assert not definitions, "what a notebook defines belongs in the package"


def test_executed_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    kinds = [output.output_type for cell in code(notebook) for output in cell.outputs]
    assert "error" not in kinds
    names = [output.get("name") for cell in code(notebook) for output in cell.outputs]
    assert "stderr" not in names


def test_enough_cells_are_compared_and_only_what_is_deterministic(source, notebook):
    ignored = {"nbval-ignore-output", "nbval-skip"}
    compared = [cell for cell in code(notebook) if not ignored & set(tags(cell))]
    printing = [cell for cell in compared if any(output.output_type != "display_data" for output in cell.outputs)]
    drawing = [cell for cell in compared if any("image/png" in o.get("data", {}) for o in cell.outputs)]
    print(f"{source.stem}: {len(compared)} of {len(code(notebook))} cells compared, {len(printing)} print")
    assert len({cell.id for cell in printing + drawing}) >= COMPARED[source.name[:2]]
    for cell in compared:
        for output in cell.outputs:
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert not RANDOM.search(text), f"cell {cell.execution_count} prints what differs from run to run: {text}"
            assert "text/html" not in output.get("data", {})


def test_nothing_is_left_of_the_run(source, notebook):
    assert not {"papermill", "widgets"} & set(notebook.metadata)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
    path = FOLDER / f"{source.stem}.ipynb"
    assert path.stat().st_size <= 300_000, f"{path.stat().st_size:,} bytes"
    pictures = [o for cell in code(notebook) for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) <= 6


def test_solved_notebook_runs_on_the_readers_own_sample(source, tmp_path):
    """Papermill runs what nbval does not: the solutions, the parameters of smoke.yaml, and a file of the reader's."""
    path = tmp_path / f"{source.stem}.ipynb"
    nbformat.write(read_source(source, solved=True), path)
    parameters = {**SMOKE[source.name[:2]], "data": str(write_npz(tmp_path / "mine.npz"))}
    assert execute(path, tmp_path / "out.ipynb", parameters) == ""
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    printed = "".join(output.get("text", "") for cell in code(executed) for output in cell.outputs)
    exercises = sum("exercise" in tags(cell) for cell in code(executed))
    assert exercises >= 2
    assert len(re.findall(r"Exercise \d+: solved", printed)) == exercises
    assert "mine" in printed or "(8, 8" in printed


def test_a_misspelt_parameter_is_an_error(tmp_path):
    reason = execute(next(FOLDER.glob("02_*.ipynb")), tmp_path / "out.ipynb", {"patchsize": 4})
    assert re.search(r"has no parameter \['patchsize'\]; it has .*patch_size", reason)


def test_solutions_are_marked_in_pairs(tmp_path):
    path = tmp_path / "01_x.py"
    path.write_text("# %%\n#: solution\nx = 1\n")
    with pytest.raises(ValueError, match="never closed"):
        read_source(path, solved=False)
    path.write_text("# %%\nx = 1\n#: end\n")
    with pytest.raises(ValueError, match="not open"):
        read_source(path, solved=True)
    path.write_text("# %%\nx = None\n#: solution\nx = 1\n#: end\nprint(x)\n")
    assert read_source(path, solved=False).cells[0].source == "x = None\nprint(x)"
    assert read_source(path, solved=True).cells[0].source == "x = None\nx = 1\nprint(x)"


def test_pages_load_nothing_from_outside(notebook, tmp_path):
    write_page(notebook, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert not OUTSIDE.search(page), OUTSIDE.search(page)
    assert page.count("data:image/png;base64") >= 1
    assert '<span class="badge">Open in Colab</span>' in page
    assert "No description has been provided" not in page


def test_a_page_drops_what_would_load(tmp_path):
    output = nbformat.v4.new_output("display_data", {"text/html": '<script src="https://x/y.js"></script><p>kept</p>'})
    hostile = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(
                '# T\n![a map](https://x/y.png) <link rel="stylesheet" href="https://x/y.css">'
            ),
            nbformat.v4.new_code_cell("show()", outputs=[output], execution_count=1),
        ]
    )
    write_page(hostile, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert not OUTSIDE.search(page), OUTSIDE.search(page)
    assert "<p>kept</p>" in page
    assert "a map" in page


def test_what_lives_in_a_session_only_is_not_kept():
    frame = nbformat.v4.new_output("display_data", {"text/html": '<iframe srcdoc="x"></iframe>', "text/plain": "a map"})
    widget = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "0"}})
    table = nbformat.v4.new_output("display_data", {"text/html": "<table></table>"})
    cell = nbformat.v4.new_code_cell("show()", outputs=[frame, table, widget], execution_count=1)
    kept = tidy(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs
    assert kept == [table]


@pytest.mark.parametrize(("colours", "far"), [(1, 4), (3, 60)])
def test_pictures_are_kept_in_few_bytes(colours, far):
    """Noise in grey (a palette suffices) and in colours (some are mixed): few bytes, grounds and lines as they were."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, colours)).repeat(3 // colours, -1)
    noise = noise.repeat(3, 0).repeat(3, 1)
    noise[:16], noise[16:32] = (0, 114, 178), 255
    small, given = rounded(_png(noise)), _png(noise)
    assert len(small) < 0.8 * len(given)
    seen = _pixels(small)
    assert np.abs(seen - noise).max() <= far
    assert np.abs(seen[:16] - noise[:16]).max() <= 4, "a colour that is common stays"
    assert (seen[16:32] == 255).all()
    assert rounded(small) == small


def test_a_picture_without_ground_stands_on_white():
    clear = np.zeros((64, 64, 4))
    clear[:32, :, 3] = 255
    assert _pixels(rounded(_png(clear)))[[0, -1], 0].tolist() == [[0, 0, 0], [255, 255, 255]]


def _pixels(picture):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")).astype(int)


def _png(pixels):
    made = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(made, "PNG")
    return base64.b64encode(made.getvalue()).decode()


def test_headline_of_each_notebook(notebook):
    shown = headline(notebook)
    assert len(shown.text) > 20
    assert shown.figure
