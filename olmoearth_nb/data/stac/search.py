"""Asking a STAC catalogue for acquisitions, with patience."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from olmoearth_nb.data.stac.item import StacItem
from olmoearth_nb.io import fetch
from olmoearth_nb.io.fetch import DownloadError

EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
"""Earth Search v1 by Element 84: Sentinel-2 L2A as cloud-optimised GeoTIFFs on AWS, free and without an account."""

MOST_ITEMS = 2000
"""More than a place can have in a year, also where four tiles and two orbits overlap."""

_LONGEST_WAIT = 60.0
_BUSY = (429, 500, 502, 503, 504)


def patience() -> Any:
    """How often to ask again: after 429, 5xx, broken and silent connections, as long as the server wants to wait."""
    from urllib3 import Retry

    class Patience(Retry):
        def get_retry_after(self, response: Any) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, _LONGEST_WAIT)

    return Patience(
        total=fetch.TRIES,
        connect=2,
        backoff_factor=1.0,
        status_forcelist=_BUSY,
        allowed_methods=None,
        raise_on_status=False,
    )


def search(
    catalogue: str,
    collection: str,
    bbox: Sequence[float],
    days: tuple[dt.date, dt.date],
    max_cloud: float,
    modifier: Callable[[Any], None] | None = None,
) -> list[StacItem]:
    """All items of a collection that touch a box in a span of days, in order of time.

    Args:
        catalogue: address of a STAC API with item search.
        collection: its name there.
        bbox: west, south, east, north in degrees.
        days: first and last, both included.
        max_cloud: items are left out from this cloud cover of the whole tile on, in percent.
        modifier: see `load_stac`.

    Raises:
        DownloadError: if the catalogue cannot be reached, refuses, or does not answer as a STAC API should.
    """
    asked: dict[str, Any] = {"collections": [collection], "bbox": list(bbox), "limit": 100}
    asked["datetime"] = f"{days[0]}T00:00:00Z/{days[1]}T23:59:59Z"
    raw = _ask(catalogue, asked, max_cloud, modifier)
    if len(raw) > MOST_ITEMS:
        raise DownloadError(f"{catalogue} goes on after {MOST_ITEMS:,} items for one place; it does not keep to STAC")
    items = {item.id: item for item in map(StacItem.from_dict, raw)}
    for item in items.values():
        if not days[0] <= item.day <= days[1]:
            raise DownloadError(
                f"{catalogue} answered with {item.id} of {item.day}, but {days[0]} to {days[1]} was asked for"
            )
    kept = [item for item in items.values() if item.cloud is None or item.cloud < max_cloud]
    return sorted(kept, key=lambda item: (item.day, item.id))


def _ask(
    catalogue: str, asked: dict[str, Any], max_cloud: float, modifier: Callable[[Any], None] | None
) -> list[dict[str, Any]]:
    """The catalogue's own words, all pages of them."""
    import warnings

    from pystac.errors import STACError
    from pystac_client import Client, ConformanceClasses
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO
    from pystac_client.warnings import PystacClientWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PystacClientWarning)
            io = StacApiIO(max_retries=patience(), timeout=fetch.TIMEOUT, headers={"User-Agent": "olmoearth_nb"})
            client = Client.open(catalogue, stac_io=io, modifier=modifier)
            if client.conforms_to(ConformanceClasses.QUERY):
                asked = {**asked, "query": {"eo:cloud_cover": {"lt": max_cloud}}}
            return list(islice(client.search(**asked).items_as_dicts(), MOST_ITEMS + 1))
    except APIError as error:
        code = getattr(error, "status_code", None)
        reason = " ".join(str(error).split())[:300]
        if code is not None:
            raise DownloadError(f"the catalogue {catalogue} refused: {code} {reason}") from error
        raise DownloadError(f"the catalogue {catalogue} cannot be reached ({reason}); are you online?") from error
    except (ClientTypeError, PystacClientWarning, STACError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DownloadError(
            f"{catalogue} does not answer as a STAC API with item search ({type(error).__name__}: {error})"
        ) from error
