import pytest
from browsers import ADVICE, find_browser
from lab_page import FLAGS


@pytest.fixture(scope="session")
def browser():
    """A browser with a new profile; Playwright's own browsers are never fetched."""
    path = find_browser()
    if not path:
        pytest.skip(f"there is no browser; {ADVICE}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        shown = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=0)
        yield shown
        shown.close()
