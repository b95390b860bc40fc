"""The built book: its pages, what they load, where they link to."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
HTML = ROOT / "build" / "book" / "html"

LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "audio": "src", "video": "src"}
"""Tag -> the attribute whose address a browser loads by itself; `link` is looked at apart."""


def pages():
    """All pages of the built book."""
    return sorted(path for path in HTML.rglob("*.html") if "_static" not in path.relative_to(HTML).parts)


class Page(HTMLParser):
    """What one page holds.

    Attributes:
        loads: addresses that a browser loads without being asked.
        links: addresses that a reader may click.
        ids: anchors.
        images: attributes of each picture.
    """

    def __init__(self, path):
        super().__init__()
        self.path, self.loads, self.links, self.ids, self.images = path, [], [], set(), []
        self.feed(path.read_text(encoding="utf8"))

    def handle_starttag(self, tag, attrs):
        """Notes what a tag loads, links and names."""
        given = dict(attrs)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in ("canonical", "index", "search", "next", "prev", "author"):
            self.loads.append(given.get("href", ""))
        if given.get(LOADED.get(tag, "")):
            self.loads.append(given[LOADED[tag]])
        if tag == "img":
            self.images.append(given)

    def inner(self):
        """Links and loads that stay in the book: (address, file, anchor)."""
        for address in [*self.links, *self.loads]:
            parts = urlsplit(address)
            if not parts.scheme and not parts.netloc:
                path = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
                yield address, path, unquote(parts.fragment)


@cache
def page(path):
    """A page that was read."""
    return Page(path)


def outside_of_styles():
    """Addresses of other places that a style sheet of the book would load."""
    for path in HTML.rglob("*.css"):
        for address in re.findall(
            r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]+)", path.read_text(encoding="utf8")
        ):
            yield path.name, address
