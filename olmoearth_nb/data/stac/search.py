"""Asking a STAC catalogue for acquisitions, with patience, and within bounds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from olmoearth_nb.data.stac.item import ODD, ItemError, StacItem, listed
from olmoearth_nb.io.addresses import plain, public
from olmoearth_nb.io.fetch import DownloadError
from olmoearth_nb.io.web import Web

EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
"""Earth Search v1 by Element 84: Sentinel-2 L2A as cloud-optimised GeoTIFFs on AWS, free and without an account."""

MOST_ITEMS = 2000
"""More than a place can have in a year, also where four tiles and two orbits overlap."""

_MOST_BYTES = 1 << 24
"""Of one page. A hundred items of Earth Search take two million."""

_MOST_PAGES_BYTES = 1 << 26
"""Of all pages."""


def search(
    web: Web,
    catalogue: str,
    collection: str,
    bbox: Sequence[float],
    days: tuple[dt.date, dt.date],
    max_cloud: float,
    modifier: Callable[[Any], None] | None = None,
) -> tuple[list[StacItem], list[str]]:
    """All items of a collection that touch a box in a span of days, in order of time.

    Args:
        web: asks the servers.
        catalogue: address of a STAC API with item search.
        collection: its name there.
        bbox: west, south, east, north in degrees.
        days: first and last, both included.
        max_cloud: items are left out from this cloud cover of the whole tile on, in percent.
        modifier: see `load_stac`.

    Returns:
        The items, and what is wrong with each that cannot be used.

    Raises:
        DownloadError: if the catalogue cannot be reached, refuses, does not answer as a STAC API should, or no item of
            its answer can be used.
    """
    asked: dict[str, Any] = {"collections": [collection], "bbox": list(bbox), "limit": 100}
    asked["datetime"] = f"{days[0]}T00:00:00Z/{days[1]}T23:59:59Z"
    items: dict[str, StacItem] = {}
    wrong: list[str] = []
    for number, raw in enumerate(_ask(web, catalogue, asked, max_cloud, modifier), 1):
        if number > MOST_ITEMS:
            raise DownloadError(
                f"{public(catalogue)} goes on after {MOST_ITEMS:,} items for one place; it does not keep to STAC"
            )
        try:
            item = StacItem.from_dict(raw)
            if not days[0] <= item.day <= days[1]:
                raise ItemError(f"{item.id} is of {item.day}, but {days[0]} to {days[1]} was asked for")
            items[item.id] = item
        except ItemError as error:
            wrong.append(str(error))
    if wrong and not items:
        raise DownloadError(f"no item of {public(catalogue)} can be used: {listed(wrong, 3)}")
    kept = [item for item in items.values() if item.cloud is None or item.cloud < max_cloud]
    return sorted(kept, key=lambda item: (item.day, item.id)), wrong


def _ask(
    web: Web, catalogue: str, asked: dict[str, Any], max_cloud: float, modifier: Callable[[Any], None] | None
) -> Iterator[Any]:
    """The catalogue's own words, item by item, all pages of them."""
    import warnings

    from pystac.errors import STACError, STACTypeError
    from pystac_client import Client, ConformanceClasses
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from pystac_client.warnings import PystacClientWarning

    odd = (STACError, STACTypeError, APIError, ClientTypeError, PystacClientWarning)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PystacClientWarning)
            client = Client.open(catalogue, stac_io=_bounded_io(web, public(catalogue)), modifier=modifier)
            if client.conforms_to(ConformanceClasses.QUERY):
                asked = {**asked, "query": {"eo:cloud_cover": {"lt": max_cloud}}}
            answer = client.search(**asked)
        yield from answer.items_as_dicts()
    except (*odd, *ODD) as error:
        raise DownloadError(
            f"{public(catalogue)} does not answer as a STAC API with item search "
            f"({type(error).__name__}: {plain(error)})"
        ) from None  # its message holds the whole address


def _bounded_io(web: Web, catalogue: str) -> Any:
    """How pystac_client asks: by `web`, and never for a local file, which a link of the catalogue may name."""
    from pystac_client.stac_api_io import StacApiIO

    class BoundedIO(StacApiIO):
        left = _MOST_PAGES_BYTES

        def read_text(self, source: Any, *args: Any, **options: Any) -> str:
            if isinstance(source, str):
                return self.request(source, *args, **options)
            return str(super().read_text(source, *args, **options))

        def request(
            self,
            href: str,
            method: str | None = None,
            headers: dict[str, str] | None = None,
            parameters: dict[str, Any] | None = None,
        ) -> str:
            method = str(method or "GET").upper()
            sent = {"json" if method == "POST" else "params": parameters or {}, "headers": headers}
            page = web.text(href, f"the catalogue {catalogue}", min(_MOST_BYTES, self.left), method, **sent)
            self.left -= len(page)
            return page

    return BoundedIO()
