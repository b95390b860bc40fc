"""Sentinel-2 of any place and year from a STAC catalogue: cloud-masked monthly composites on a 10 m grid.

Only the blocks of the files that hold the place are read, by range requests, and what is read is kept item by item: a
call that was broken off goes on where it ended. All twelve bands come on the local UTM grid, 20 m and 60 m bands by
nearest neighbour (the official data bring 60 m to 10 m by way of 40 m). Clouds go by the scene classification
(`composite.DROPPED`), observations of one day count once, and each month is the median of its clear days, dated by its
first day that was asked for. Months without any are left out and named in the notes; pixels without any are
`bands.MISSING`.

Files are read in whole blocks, which may be larger than a small square. A smaller `max_cloud` means fewer items. Twelve
months of 1024 x 1024 px take 3.3 GB of memory.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, SENTINEL2
from olmoearth_nb.data.arrays import parse_dates, to_sample
from olmoearth_nb.data.stac.item import StacItem, listed
from olmoearth_nb.data.stac.months import Months
from olmoearth_nb.data.stac.read import Reader
from olmoearth_nb.data.stac.search import EARTH_SEARCH, search
from olmoearth_nb.errors import counted
from olmoearth_nb.georeference import Georeference, degrees
from olmoearth_nb.io.addresses import check_address, public
from olmoearth_nb.io.fetch import DownloadError
from olmoearth_nb.io.hub import default_cache
from olmoearth_nb.io.web import Web
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

    Args:
        place: latitude and longitude in degrees (WGS 84).
        start: first day, as an ISO date.
        end: last day; at most twelve calendar months with the first.
        size: edge of the square in pixels of 10 m, 8 to 1024.
        max_cloud: items are left out from this cloud cover of their whole tile on, in percent.
        catalogue: http or https address of a STAC API, by default Earth Search v1. One of the public internet may not
            name files on this machine or in its network.
        collection: name of Sentinel-2 L2A there.
        cache: folder where every item's window is kept; by default beside the published models.
        offset: "auto" takes off what the catalogue says of each item (`offset.boa_offset`), a number goes off all.
        skip_failed: whether to leave out, with a note, items whose files cannot be read. (Items that the catalogue
            describes in a way that cannot be used, such as without one of the bands, are left out so in any case.)
        modifier: called with what the catalogue answers, to sign addresses, such as `planetary_computer.sign_inplace`.
        quiet: whether to leave out the summary before reading and the progress bar.

    Raises:
        ValueError: for arguments that cannot be, or if there is no item or no clear observation.
        DownloadError: if the catalogue or a file cannot be had, or is not what it says; what was read is kept.
    """
    request = _Request(place, _days(start, end), size, max_cloud, catalogue, collection)
    if offset != "auto" and not (isinstance(offset, int) and 0 <= offset <= 2000):
        raise ValueError(f"offset is 'auto' or what to take off the digital numbers, 0 to 2000, got {offset!r}")
    web = Web(catalogue)
    items, wrong = request.items(web, modifier)
    reader = Reader(request.grid(items), Path(cache) if cache else default_cache() / "stac", web)
    if not quiet:
        request.announce(items, reader)
    months = Months(reader, offset, skip_failed, wrong)
    return request.sample(months.run(items, quiet), months)


@dataclass(frozen=True)
class _Request:
    """What is asked for, and what follows from it.

    Attributes:
        place: latitude and longitude in degrees.
        days: first and last.
        size: edge in pixels of 10 m.
        max_cloud: in percent.
        catalogue: address.
        collection: name.
    """

    place: tuple[float, float]
    days: tuple[dt.date, dt.date]
    size: int
    max_cloud: float
    catalogue: str
    collection: str

    def __post_init__(self) -> None:
        place, size = tuple(self.place), self.size
        if len(place) != 2 or not (-90 <= place[0] <= 90 and -180 <= place[1] <= 180):
            raise ValueError(f"place is (latitude -90 to 90, longitude -180 to 180) in degrees, got {place}")
        if not -80 <= place[0] <= 84:
            raise ValueError(f"Sentinel-2 is gridded from 80 S to 84 N (UTM), got latitude {place[0]}")
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not SIZES[0] <= size <= SIZES[1]:
            raise ValueError(f"size is the edge in pixels of 10 m, {SIZES[0]} to {SIZES[1]}, got {size}")
        check_address(self.catalogue)
        if not 0 < self.max_cloud <= 100:
            raise ValueError(f"max_cloud is in percent, above 0 to 100, got {self.max_cloud}")

    def __str__(self) -> str:
        return degrees(*self.place)

    def grid(self, items: Sequence[StacItem] = ()) -> Any:
        """The square on the 10 m grid of the one UTM zone that all items are in, or else of the local one.

        (Around Norway and Svalbard the tiles' zones are not six degrees wide.)
        """
        from affine import Affine
        from odc.geo.crs import CRS
        from odc.geo.geobox import GeoBox
        from rasterio.warp import transform

        lat, lon = (float(x) for x in self.place)
        zones = {item.crs for item in items}
        zone = zones.pop() if len(zones) == 1 else None
        crs = CRS(zone) if zone and re.fullmatch(r"EPSG:32[67]\d\d", zone) else CRS.utm(lon, lat)
        (x,), (y,) = transform("EPSG:4326", str(crs), [lon], [lat])
        left, top = round(x / 10 - self.size / 2) * 10, round(y / 10 + self.size / 2) * 10
        return GeoBox((self.size, self.size), Affine(10, 0, left, 0, -10, top), crs)

    def items(self, web: Web, modifier: Callable[[Any], None] | None) -> tuple[list[StacItem], list[str]]:
        """What the catalogue has, and what is wrong with each item that cannot be used.

        Raises:
            ValueError: if it has nothing.
            DownloadError: see `search`.
        """
        from rasterio.warp import transform_bounds

        grid = self.grid()  # across 180 degrees, the box's west is larger than its east (RFC 7946)
        bbox = transform_bounds(str(grid.crs), "EPSG:4326", *grid.boundingbox)
        items, wrong = search(web, self.catalogue, self.collection, bbox, self.days, self.max_cloud, modifier)
        if not items:
            raise ValueError(
                f"{public(self.catalogue)} has no item of {self.collection} at {self} from {self.days[0]} to "
                f"{self.days[1]} with less than {self.max_cloud:g} % clouds; a longer time or a larger max_cloud "
                "widens the search"
            )
        return items, wrong

    def announce(self, items: Sequence[StacItem], reader: Reader) -> None:
        """Says what is going to be read."""
        from rich.console import Console

        dates = sorted({item.day for item in items})
        by_month = {f"{month:%Y-%m}": list(own) for month, own in groupby(dates, lambda day: day.replace(day=1))}
        kept = sum(reader.path(item).is_file() for item in items)
        lines = [
            f"{counted(len(items), 'item')} of {counted(len(dates), 'date')} in {len(by_month)} of "
            f"{counted(len(_months(*self.days)), 'month')}, {kept} already kept in {reader.cache}",
            "; ".join(f"{month}: {' '.join(f'{day:%d}' for day in own)}" for month, own in by_month.items()),
            f"reading {self.size} x {self.size} px of 10 m around {self} in {reader.grid.crs}",
        ]
        Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)

    def sample(self, images: Mapping[dt.date, np.ndarray], months: Months) -> Sample:
        """The checked sample, with all that there is to say about it.

        Raises:
            ValueError: if nothing was seen.
        """
        first, last = self.days
        if not images and months.wrong:
            raise DownloadError(f"no item of {public(self.catalogue)} can be used: {listed(months.wrong, 3)}")
        if not images:
            raise ValueError(
                f"no item from {first} to {last} shows the ground at {self} free of clouds ({len(months.failed)} could "
                "not be read); a longer time or a larger max_cloud may help"
            )
        years = "-".join(str(year) for year in sorted({first.year, last.year}))
        grid = months.reader.grid
        sample = to_sample(
            np.stack(list(images.values()), axis=2),
            SENTINEL2.band_names,
            [max(month, first) for month in images],
            title=f"{self}, {first} to {last}",
            provenance=f"contains modified Copernicus Sentinel data {years}; {self.collection} of "
            f"{public(self.catalogue)}, {counted(len(months.used), 'item')}; "
            f"{self.size} x {self.size} px of 10 m around {self} in {grid.crs}",
            notes=[*months.notes(), *_gaps(images, self.days)],
        )
        return replace(sample, georeference=Georeference(str(grid.crs), tuple(grid.transform)[:6]))


def _days(start: str, end: str) -> tuple[dt.date, dt.date]:
    """First and last day, in order and in at most twelve calendar months."""
    given = (parse_dates([day], 2015)[0].tolist() for day in (start, end))
    first, last = (dt.date(year, month + 1, day) for day, month, year in given)
    if last < first:
        raise ValueError(f"start is later than end: {first}, {last}")
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


def _gaps(images: Mapping[dt.date, np.ndarray], days: tuple[dt.date, dt.date]) -> list[str]:
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
