"""What the book is made of, looked at without making it."""

import fnmatch
import json
import re
from pathlib import Path

from book_pages import BOOK, ROOT
from packaging.requirements import Requirement
from scripts import load_script

from olmoearth_nb.model.config import SIZES
from olmoearth_nb.tokenization import TOKENIZATIONS

build = load_script(BOOK / "build.py")
INDEX = (BOOK / "index.md").read_text(encoding="utf8")


def test_the_contents_name_every_page():
    listed = [
        line for block in re.findall(r"```\{toctree\}\n(.*?)```", INDEX, re.DOTALL) for line in block.split("\n")[1:]
    ]
    pages = [
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "results").glob("*.md"),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]
    names = [path.relative_to(ROOT).with_suffix("").as_posix() for path in pages]
    assert len(names) > 30
    assert not [name for name in names if not any(fnmatch.fnmatch(name, line) for line in listed if line)]


def test_the_calculator_has_the_sizes_and_tokenizations_of_the_package():
    text = (BOOK / "static" / "calculator.js").read_text(encoding="utf8")
    tables = {name: json.loads(value) for name, value in re.findall(r"^const (\w+) = (\{.*?^\});", text, re.M | re.S)}
    assert tables["TOKENIZATIONS"] == {
        name: [" ".join(group) for group in one.groups_of("sentinel2_l2a")] for name, one in TOKENIZATIONS.items()
    }
    fields = ("width", "depth", "pixel_hidden")
    assert tables["SIZES"] == {
        name: {field: getattr(SIZES[name], field) for field in fields} for name in ("nano", "tiny", "base")
    }


def test_pages_lose_badges_and_keep_their_links():
    page, home = Path("notebooks/02_x.ipynb"), build.address()
    text = (
        f"[![Open in Colab](https://a.test/b.svg)](https://c.test/{page})\n\n# Title\n"
        f"[a]({home}/blob/main/docs/maps.md#work) [b](03_y.ipynb) [c](../docs/results/maps) [d](https://e.test/f)"
    )
    assert build.within(text, page) == (
        f"# Title\n[a](../docs/maps.md#work) [b](03_y.ipynb) [c]({home}/tree/main/docs/results/maps) [d](https://e.test/f)"
    )
    record = "docs/results/maps/run/report.md"
    assert build.within("[r](maps/run/report.md)", Path("docs/results/maps.md")) == f"[r]({home}/blob/main/{record})"
    cells = [{"cell_type": "markdown", "source": [text]}, {"cell_type": "code", "source": [text]}]
    made = json.loads(build.notebook_within(json.dumps({"cells": cells}), page))["cells"]
    assert made[0]["source"].startswith("# 02 Title\n")
    assert made[1]["source"] == [text]


def test_solutions_show_what_students_do_not_get():
    page = build.solutions(ROOT / "notebooks" / "src" / "02_designing_the_token.py")
    assert "patch = 4" in page
    assert "#: solution" not in page
    assert page.count("```python") >= 3


def test_the_lock_names_versions_and_no_torch():
    pins = [Requirement(line) for line in (ROOT / "requirements-book.lock").read_text().splitlines() if line[0] != "#"]
    asked = [line for line in (ROOT / "requirements-book.in").read_text().splitlines() if line[0] != "#"]
    names = {pin.name.replace("_", "-") for pin in pins}
    assert all(re.fullmatch(r"==[0-9][0-9A-Za-z.]*", str(pin.specifier)) and not pin.url for pin in pins)
    assert names >= {Requirement(line).name.replace("_", "-") for line in asked}
    assert "torch" not in names
