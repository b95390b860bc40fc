"""The book as a reader has it: opened from the disk, on a narrow screen, light and dark. `make test-book`."""

import pytest
from book_pages import HTML, ROOT, pages

from olmoearth_nb import TOKENIZATIONS, Tokenization, encoder_cost, size_config
from olmoearth_nb.model.config import SIZES

pytestmark = pytest.mark.book

NARROW = {"width": 390, "height": 844}
PICTURES = ROOT / "build" / "browser"
SHOWN = [
    "index",
    "calculator",
    "notebooks/02_designing_the_token",
    "docs/notation",
    "docs/differences",
    "docs/workshop",
]
"""Pages of which a picture is taken, in both schemes."""

GRID = [
    ("v1", 64, 4, 12, False),
    ("v1.1", 64, 4, 12, True),
    ("v1.1", 120, 5, 1, False),
    ("per_band", 128, 1, 12, True),
    ("galileo", 1024, 1, 100, False),
    ("satmae", 7, 7, 3, True),
]
"""Tokenization, edge, patch, timesteps, pixel layer."""

OWN = ["B02 B03 B04", "B08", "B11 B12"]


@pytest.fixture(scope="module")
def book(browser):
    """An opener of pages that notes what goes wrong on them."""
    if not (HTML / "index.html").is_file():
        pytest.skip("the book is not built; make book builds it")
    problems = []

    def note(text):
        problems.append(f"{page.url}: {text}")

    context = browser.new_context(viewport=NARROW)
    page = context.new_page()
    page.on("console", lambda line: line.type == "error" and note(line.text))
    page.on("pageerror", note)
    page.on("requestfailed", lambda request: note(f"{request.url}: {request.failure}"))
    page.on("request", lambda request: request.url.startswith("http") and note(f"asks for {request.url}"))
    yield page, problems
    context.close()


def opened(page, name, query=""):
    page.goto((HTML / name).with_suffix(".html").as_uri() + query)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_loads_and_fits_a_narrow_screen(book, scheme):
    page, problems = book
    page.emulate_media(color_scheme=scheme)
    PICTURES.mkdir(parents=True, exist_ok=True)
    wide, backgrounds = [], set()
    for path in pages():
        if scheme == "dark" and "api" in path.relative_to(HTML).parts:
            continue
        page.goto(path.as_uri())
        name = path.relative_to(HTML).with_suffix("").as_posix()
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW["width"]:
            wide.append((name, width))
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        if name in SHOWN:
            page.screenshot(path=PICTURES / f"book_{name.replace('/', '_')}_{scheme}.png")
    assert wide == []
    assert not problems, "\n".join(problems)
    assert len(backgrounds) == 1
    channels = [int(part) for part in backgrounds.pop().removeprefix("rgb(").rstrip(")").split(",")[:3]]
    assert (sum(channels) > 600) == (scheme == "light"), channels


def answers(page):
    """Size -> (tokens, linear MACs, MACs of attention) in the table."""
    rows = page.locator("#calculator tbody tr").evaluate_all("all => all.map(one => ({...one.dataset}))")
    return {row["size"]: tuple(int(row[key]) for key in ("tokens", "linear", "attention")) for row in rows}


def expected(design, edge, patch, timesteps, layer):
    found = {}
    for size in ("nano", "tiny", "base"):
        config = size_config(size, design, SIZES[size].pixel_hidden if layer else 0)
        cost = encoder_cost(config, (edge, edge, timesteps), patch)
        found[size] = (cost.tokens, cost.linear_macs, cost.attention_macs)
    return found


def set_form(page, edge, patch, timesteps, layer):
    for name, value in (("edge", edge), ("patch", patch), ("timesteps", timesteps)):
        page.locator(f"#calculator [name={name}]").fill(str(value))
    page.locator("#calculator [name=pixel_layer]").set_checked(layer)


def test_the_calculator_answers_as_the_package(book):
    page, problems = book
    opened(page, "calculator")
    for name, *setting in GRID:
        page.locator("#calculator [name=tokenization]").select_option(name)
        set_form(page, *setting)
        assert answers(page) == expected(TOKENIZATIONS[name], *setting), name
    page.locator("#calculator [name=tokenization]").select_option("own")
    page.locator("#calculator [name=groups]").fill(" | ".join(OWN).lower())
    set_form(page, 64, 8, 6, False)
    assert answers(page) == expected(Tokenization("own", {"sentinel2_l2a": OWN}), 64, 8, 6, False)
    assert "Not read: B05 B06 B07 B8A B01 B09" in page.locator("#calculator [role=status]").inner_text()
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("edge", "65", "do not divide into patches of 4. Choose a patch of 1, 5"),
        ("patch", "9", "from 1 to 8"),
        ("timesteps", "", "from 1 to 100"),
        ("groups", "B02 B8", "no band B8"),
        ("groups", "B02 | | B03", "empty"),
        ("groups", "B02 | B02", "twice"),
    ],
)
def test_the_calculator_says_what_is_wrong(book, field, value, said):
    page, _ = book
    opened(page, "calculator")
    page.locator("#calculator [name=tokenization]").select_option("own")
    page.locator(f"#calculator [name={field}]").fill(value)
    assert said in page.locator("#calculator [role=status]").inner_text()
    assert answers(page) == {}


def test_search_reads_without_a_server(book):
    page, problems = book
    opened(page, "search", "?q=tokenization")
    page.locator("#search-results li a").nth(5).wait_for()  # they appear one by one
    assert not problems, "\n".join(problems)
