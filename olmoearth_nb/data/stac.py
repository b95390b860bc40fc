"""Sentinel-2 of any place and year from a STAC catalogue: cloud-masked monthly composites on a 10 m grid.

Only the pixels of the place are read, by range requests, and kept item by item in a cache folder: a call that was
broken off goes on where it ended. What decides which pixels count stands in `composite.py`.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, SENTINEL2
from olmoearth_nb.data.stac_item import StacItem, counted
from olmoearth_nb.data.stac_months import Months
from olmoearth_nb.data.stac_read import Reader
from olmoearth_nb.data.stac_search import EARTH_SEARCH, search
from olmoearth_nb.door import parse_dates, to_sample
from olmoearth_nb.hub import default_cache
from olmoearth_nb.sample import Sample

SIZES = (8, 1024)
"""Smallest and largest edge in pixels of 10 m."""


def load_stac(
    place: tuple[float, float],
    start: str,
    end: str,
    *,
    size: int = 64,
    max_cloud: float = 60.0,
    catalogue: str = EARTH_SEARCH,
    collection: str = "sentinel-2-l2a",
    cache: str | os.PathLike[str] | None = None,
    offset: Literal["auto"] | int = "auto",
    skip_failed: bool = False,
    modifier: Callable[[Any], None] | None = None,
    quiet: bool = False,
) -> Sample:
    """Loads a square around a place as monthly composites of Sentinel-2 L2A.

    All twelve bands come on the local 10 m UTM grid; 20 m and 60 m bands by nearest neighbour, as in the official
    pretraining data. Clouds go by the scene classification (`composite.DROPPED`); observations of one day count once;
    each month is the median of its clear observations, dated by its first day that was asked for. Months without any
    are left out and named in the notes; pixels without any are `bands.MISSING`.

    Files are read in whole blocks (Earth Search's are of 1024 x 1024 px): a year of a small square is read as slowly as
    one of a large one. A smaller `max_cloud` means fewer items.

    Args:
        place: latitude and longitude in degrees (WGS 84).
        start: first day, as an ISO date.
        end: last day; at most twelve calendar months with the first.
        size: edge of the square in pixels of 10 m.
        max_cloud: acquisitions are left out from this cloud cover of their whole tile on, in percent.
        catalogue: address of a STAC API, by default Earth Search v1.
        collection: name of the Sentinel-2 L2A collection there.
        cache: folder where every item's window is kept; by default beside the published models.
        offset: what is taken off the digital numbers: "auto" goes by what the catalogue says of each item (see
            `offset.boa_offset`), a number is taken off all.
        skip_failed: whether to leave out, with a note, items whose files stay unreadable.
        modifier: called with what the catalogue answers, to sign addresses, such as `planetary_computer.sign_inplace`.
        quiet: whether to leave out the summary before loading and the progress bar.

    Raises:
        ValueError: for arguments that cannot be, or if there is no item or no clear observation.
        DownloadError: if the catalogue or a file cannot be had, or is not what it says; what was read is kept.
    """
    days = _days(start, end)
    _check(place, size, max_cloud, offset)
    items = search(catalogue, collection, _bbox(_grid(place, size, [])), days, max_cloud, modifier)
    if not items:
        raise ValueError(
            f"{catalogue} has no item of {collection} at {_written(place)} from {days[0]} to {days[1]} with less than "
            f"{max_cloud:g} % clouds; a longer time or a larger max_cloud would widen the search"
        )
    grid = _grid(place, size, items)
    months = Months(Reader(grid, Path(cache) if cache else default_cache() / "stac"), offset, skip_failed)
    if not quiet:
        _announce(items, months.reader, place, size, days)
    images = months.run(items, quiet)
    if not images:
        raise ValueError(
            f"none of {counted(len(items), 'item')} from {days[0]} to {days[1]} shows the ground at {_written(place)} "
            f"free of clouds ({len(months.failed)} could not be read); a longer time or a larger max_cloud may help"
        )
    return to_sample(
        np.stack(list(images.values()), axis=2),
        SENTINEL2.band_names,
        [max(month, days[0]) for month in images],
        title=f"{_written(place)}, {days[0]} to {days[1]}",
        provenance=f"contains modified Copernicus Sentinel data {_years(days)}; {collection} of {catalogue}, "
        f"{counted(len(months.used), 'item')}; {size} x {size} px of 10 m around {_written(place)} in {grid.crs}",
        notes=[*months.notes(), *_gaps(images, days)],
    )


def _days(start: str, end: str) -> tuple[dt.date, dt.date]:
    """First and last day, in order and in at most twelve calendar months."""
    first, last = (dt.date(year, month + 1, day) for day, month, year in parse_dates([start, end], 2015).tolist())
    months = _months(first, last)
    if len(months) > MAX_TIMESTEPS:
        latest = months[MAX_TIMESTEPS] - dt.timedelta(days=1)
        raise ValueError(
            f"{first} to {last} touches {len(months)} calendar months; the models take at most {MAX_TIMESTEPS}, "
            f"shorten it, for example to end on {latest}"
        )
    return first, last


def _months(first: dt.date, last: dt.date) -> list[dt.date]:
    """First days of the calendar months from one day to another."""
    numbers = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
    return [dt.date(number // 12, number % 12 + 1, 1) for number in numbers]


def _check(place: tuple[float, float], size: int, max_cloud: float, offset: Any) -> None:
    """Raises a ValueError for arguments that cannot be."""
    if len(place) != 2 or not (-90 <= place[0] <= 90 and -180 <= place[1] <= 180):
        raise ValueError(f"place is (latitude -90 to 90, longitude -180 to 180) in degrees, got {tuple(place)}")
    if not -80 <= place[0] <= 84:
        raise ValueError(f"Sentinel-2 is gridded from 80 S to 84 N (UTM), got latitude {place[0]}")
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"size is the edge in pixels of 10 m, {SIZES[0]} to {SIZES[1]}, got {size}")
    if not 0 < max_cloud <= 100:
        raise ValueError(f"max_cloud is in percent, above 0 to 100, got {max_cloud}")
    if offset != "auto" and not (isinstance(offset, int) and 0 <= offset <= 2000):
        raise ValueError(f"offset is 'auto' or what to take off the digital numbers, 0 to 2000, got {offset!r}")


def _grid(place: tuple[float, float], size: int, items: Sequence[StacItem]) -> Any:
    """The square on the 10 m grid of the local UTM zone, or of the one zone that all items are in.

    (Around Norway and Svalbard the tiles' zones are not six degrees wide.)
    """
    from affine import Affine
    from odc.geo.crs import CRS
    from odc.geo.geobox import GeoBox
    from rasterio.warp import transform

    lat, lon = place
    zones = {item.crs for item in items}
    zone = zones.pop() if len(zones) == 1 else None
    crs = CRS(zone) if zone and re.fullmatch(r"EPSG:32[67]\d\d", zone) else CRS.utm(float(lon), float(lat))
    (x,), (y,) = transform("EPSG:4326", str(crs), [lon], [lat])
    left, top = round(x / 10 - size / 2) * 10, round(y / 10 + size / 2) * 10
    return GeoBox((size, size), Affine(10, 0, left, 0, -10, top), crs)


def _bbox(grid: Any) -> tuple[float, float, float, float]:
    """West, south, east and north of a grid in degrees; across 180 degrees, west is larger (RFC 7946)."""
    from rasterio.warp import transform_bounds

    return transform_bounds(str(grid.crs), "EPSG:4326", *grid.boundingbox)


def _written(place: tuple[float, float]) -> str:
    """A place in words."""
    lat, lon = place
    return f"{abs(lat):.4f} {'N' if lat >= 0 else 'S'} {abs(lon):.4f} {'E' if lon >= 0 else 'W'}"


def _years(days: tuple[dt.date, dt.date]) -> str:
    """The years of a span, as the attribution wants them."""
    return "-".join(str(year) for year in sorted({day.year for day in days}))


def _announce(
    items: Sequence[StacItem], reader: Reader, place: tuple[float, float], size: int, days: tuple[dt.date, dt.date]
) -> None:
    """Says what is going to be loaded."""
    from rich.console import Console

    dates = sorted({item.day for item in items})
    by_month = {f"{month:%Y-%m}": list(own) for month, own in groupby(dates, lambda day: day.replace(day=1))}
    kept = sum(reader.path(item).is_file() for item in items)
    lines = [
        f"{counted(len(items), 'item')} of {counted(len(dates), 'date')} in {len(by_month)} of "
        f"{counted(len(_months(*days)), 'month')}, {kept} already kept in {reader.cache}",
        "; ".join(f"{month}: {' '.join(f'{day:%d}' for day in own)}" for month, own in by_month.items()),
        f"reading {size} x {size} px of 10 m around {_written(place)} in {reader.grid.crs}",
    ]
    Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _gaps(images: dict[dt.date, np.ndarray], days: tuple[dt.date, dt.date]) -> list[str]:
    """Notes on months and pixels without a clear observation."""
    notes = []
    absent = [f"{month:%Y-%m}" for month in _months(*days) if month not in images]
    if absent:
        notes.append(f"no clear observation in {', '.join(absent)}: left out")
    gaps = {f"{month:%Y-%m}": float((image == MISSING).any(-1).mean()) for month, image in images.items()}
    partly = [f"{month} ({share:.1%})" for month, share in gaps.items() if share]
    if partly:
        notes.append(f"pixels without a clear observation are missing in {', '.join(partly)}")
    return notes
