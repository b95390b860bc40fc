"""The built book: nothing from outside, no link that leads nowhere, a text for every picture. `make test-book`."""

import pytest
from book_pages import HTML, ROOT, outside_of_styles, page, pages

pytestmark = pytest.mark.book


@pytest.fixture(scope="module", autouse=True)
def built():
    if not (HTML / "index.html").is_file():
        pytest.skip("the book is not built; make book builds it")


def test_every_notebook_and_page_is_in_the_book():
    docs = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "results").glob("*.md")]
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), *docs]:
        assert (HTML / path.relative_to(ROOT).with_suffix(".html")).is_file()
    assert len(pages()) > 100


def test_nothing_is_loaded_from_outside():
    outside = [(path.name, url) for path in pages() for url in page(path).loads if "//" in url]
    assert outside == []
    assert list(outside_of_styles()) == []


def test_links_and_anchors_lead_somewhere():
    broken = []
    for path in pages():
        for address, target, anchor in page(path).inner():
            known = target.is_file() and (not anchor or target.suffix != ".html" or anchor in page(target).ids)
            if not known and address != "#":
                broken.append(f"{path.relative_to(HTML)}: {address}")
    assert not broken, "\n".join(broken)


def test_every_picture_has_a_text():
    silent = [(path.name, image["src"][:60]) for path in pages() for image in page(path).images if not image.get("alt")]
    assert silent == []
