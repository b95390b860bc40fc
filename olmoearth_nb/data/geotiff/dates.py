"""When the timesteps of a GeoTIFF are: by its tags, the names of its bands, or its own name."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from olmoearth_nb.data.arrays import UndatedError
from olmoearth_nb.data.geotiff.read import Raster

DATE_TAGS = ("DATE", "datetime", "ACQUISITION_DATE")
"""Tags of a file that are read as its date, in this order. (TIFF's own tag 306 says when the *file* was made.)"""

DAY = r"(\d{4})-?(\d{2})-?(\d{2})"
"""A date in names of files and bands."""

_IN_NAME = re.compile(rf"(?<!\d){DAY}(?:(?=T\d{{2}})|Z?(?![0-9A-Za-z]))")
_TIME = r"[T ]\d{2}:?\d{2}(?::?\d{2}(?:\.\d+)?)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?"
_TAG = re.compile(rf"(\d{{4}})[-:]?(\d{{2}})[-:]?(\d{{2}})(?:{_TIME})?")
_PRODUCT = re.compile(r"S2[A-D]_MSIL\d[AC]_|L[COTEM]0\d_L\d", re.IGNORECASE)
ASK = "give dates=[...], one ISO date for each timestep"


def dates_of(raster: Raster, steps: Sequence[int]) -> list[dt.date]:
    """Dates of a file.

    Args:
        raster: the file.
        steps: number behind the bands of each timestep; eight digits are a date.

    Raises:
        ValueError: if nothing says them, or what says them is not a date or contradicts itself.
    """
    name = raster.path.name
    days = [_day(found, name) for found in _IN_NAME.finditer(raster.path.stem)]
    of_bands = [_day(re.fullmatch(DAY, str(step)), name) for step in steps if step > 10**7]
    tag = next((tag for tag in DATE_TAGS if tag in raster.tags), None)
    if len(of_bands) == len(steps):
        return of_bands
    if tag is not None and len(steps) == 1:
        found = _TAG.fullmatch(raster.tags[tag].strip())
        if found is None:
            raise ValueError(f"{name}: the tag {tag} is {raster.tags[tag]!r}, which is not a date; {ASK}")
        day = _day(found, name)
        if days and not min(days) <= day <= max(days):
            raise ValueError(f"{name}: the tag {tag} says {day}, the name says {days[0]}; {ASK}")
        return [day]
    return _of_name(days, len(steps), name)


def _of_name(days: list[dt.date], steps: int, name: str) -> list[dt.date]:
    """Dates of timesteps from those in the name of a file."""
    if len(days) == 1 and steps == 1:
        return days
    if len(days) == 2 and (days[1] - days[0]).days == 30 * steps:
        return [days[0] + dt.timedelta(days=30 * i) for i in range(steps)]
    if len(days) == 2 and days[0] == days[1]:
        raise ValueError(f"{name} has two times of {days[0]} in its name; {ASK}{_of_product(name, days, steps)}")
    when = "its timestep is" if steps == 1 else f"its {steps} timesteps are"
    raise (ValueError if days else UndatedError)(
        f"{name} does not say when {when}: there is none of the tags {', '.join(DATE_TAGS)}, and its name holds "
        f"{[day.isoformat() for day in days]}, not one date for one timestep or a first and last day {30 * steps} days "
        f"apart; {ASK}{_of_product(name, days, steps)}"
    )


def _of_product(name: str, days: list[dt.date], steps: int) -> str:
    """Advice on names of products, which tell when the picture was taken, and then when the product was made."""
    if steps != 1 or len(days) < 2 or not _PRODUCT.match(name):
        return ""
    return f"; it is named like a product, whose first date is that of the picture: dates=['{days[0]}']"


def _day(found: re.Match[str] | None, name: str) -> dt.date:
    """A date that a pattern found."""
    text = found.group() if found else "nothing"
    try:
        return dt.date(*(int(part) for part in (found.groups() if found else ())))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {text} is not a date ({error}); {ASK}") from error
