"""Items to months: read, masked, freed from their offset, one picture a day, one median a month."""

from __future__ import annotations

import datetime as dt
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.data.offset import DONE, remove_offset
from olmoearth_nb.data.stac.composite import DROPPED, clear, first_seen, median
from olmoearth_nb.data.stac.item import ItemError, StacItem, listed
from olmoearth_nb.data.stac.read import Reader
from olmoearth_nb.errors import counted
from olmoearth_nb.io.fetch import DownloadError

_SUSPICIOUS = 0.05
"""Share of clear values below the offset above which it looks as if it had been taken off before."""


@dataclass
class Months:
    """Reads and composites, and remembers what there is to say about it.

    Attributes:
        reader: reads the items.
        offset: "auto", or a number that is taken off all digital numbers.
        skip_failed: whether items that stay unreadable are left out.
        wrong: what is wrong with each item that cannot be used, by what the catalogue says of it.
        used: ids of the items that had clear pixels.
        failed: ids of those left out.
        taken: offset -> number of items that it was taken off.
        counts: clear days of each month that has any.
        doubtful: ids of the items with too many values below the offset that was taken off.
    """

    reader: Reader
    offset: Literal["auto"] | int
    skip_failed: bool
    wrong: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    taken: Counter[int] = field(default_factory=Counter)
    counts: list[int] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)

    def run(self, items: Sequence[StacItem], quiet: bool) -> dict[dt.date, np.ndarray]:
        """First day of a month -> (H, W, 12) median of its clear days, for months that have any."""
        from rich.progress import Progress

        images = {}
        with Progress(transient=True, disable=quiet) as bar:
            task = bar.add_task("reading items", total=len(items))
            for month, own in groupby(items, key=lambda item: item.day.replace(day=1)):
                days = []
                for _, same in groupby(own, key=lambda item: item.day):
                    same_day = list(same)
                    days.append(self._day(same_day))
                    bar.advance(task, len(same_day))
                seen = [day for day in days if day is not None]
                if seen:
                    images[month] = median(seen)
                    self.counts.append(len(seen))
        return images

    def _day(self, items: list[StacItem]) -> np.ndarray | None:
        """(H, W, 12) clear digital numbers of one day, 0 elsewhere; None if there are none.

        The tiles of one day overlap: another is read only where the first has no data, those of the grid's own zone
        and of the latest processing first.
        """
        layers = []
        covered = np.zeros(tuple(self.reader.grid.shape), dtype=bool)
        own = str(self.reader.grid.crs)
        items = sorted(items, key=lambda item: (str(item.properties.get("s2:processing_baseline")), item.id))
        for item in sorted(reversed(items), key=lambda item: item.crs not in (own, None)):
            try:
                offsets = item.offsets() if self.offset == "auto" else [self.offset] * len(SENTINEL2.bands)
                classes, numbers = self.reader.read(item)
            except ItemError as error:
                self.wrong.append(str(error))
                continue
            except DownloadError as error:
                if not self.skip_failed:
                    raise DownloadError(f"{error}; what was read is kept, skip_failed goes on without it") from error
                self.failed.append(item.id)
                continue
            covered |= classes != 0
            if numbers is not None:
                layers.append(self._seen(item, classes, numbers, offsets))
            if covered.all():
                break
        day = first_seen(layers) if layers else None
        return day if day is not None and day.any() else None

    def _seen(self, item: StacItem, classes: np.ndarray, numbers: np.ndarray, offsets: list[int]) -> np.ndarray:
        """Clear digital numbers of an item without their offset, 0 elsewhere."""
        numbers = np.where(clear(classes)[..., None], numbers, 0)
        below = (numbers[numbers > 0] < max(offsets)).mean() if (numbers > 0).any() else 0.0
        if below > _SUSPICIOUS:
            self.doubtful.append(f"{item.id} ({below:.0%})")
        self.used.append(item.id)
        self.taken[max(offsets)] += 1
        return remove_offset(numbers, np.array(offsets))

    def notes(self) -> list[str]:
        """What was decided on the way, one sentence each; warns of doubtful offsets."""
        fewest, most = min(self.counts), max(self.counts)
        days = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        source = "by what the catalogue says" if self.offset == "auto" else "as asked for"
        offsets = [
            f"{offset or 'nothing'} {DONE} of {count} of {counted(len(self.used), 'item')}"
            for offset, count in sorted(self.taken.items(), reverse=True)
        ]
        notes = [
            f"each month is the median of its clear days ({days} a month); not clear: {', '.join(DROPPED.values())}",
            "20 m and 60 m bands are repeated to 10 m (nearest neighbour)",
            f"{', '.join(offsets)} ({source})",
        ]
        if self.failed:
            notes.append(f"left out, because unreadable: {listed(self.failed)}")
        if self.wrong:
            notes.append(f"left out, because of what the catalogue says of them: {listed(self.wrong)}")
        if self.doubtful:
            notes.append(
                f"values below the offset that was taken off, in {', '.join(self.doubtful)}: it may have been taken "
                "off before, against what the catalogue says (seen on Earth Search); compare offset=0"
            )
            warnings.warn(notes[-1], UserWarning, stacklevel=3)
        return notes
