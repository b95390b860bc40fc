"""Steps in the names of columns, such as 1, ts0, jan or 2020-07-01: their order in time, and the dates they are."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import numpy as np

_DAYS = 31
"""How far the date of a step may lie from that of a pixel: names of months and composites are not exact."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NAMED = re.compile(r"(?:(\d{4})[-_. ]?)?([a-z]{3,9})(?:[-_. ]?(\d{4}))?")
_DATED = re.compile(r"((?:19|20)\d\d)([-_./]?)(0[1-9]|1[0-2])(?:\2(0[1-9]|[12]\d|3[01]))?(?:[T ].*)?")
_NUMBERED = re.compile(r"(\D|.*?\D)??(\d+)(\D*)")

Day = tuple[int, int]
"""Year and month, or (0, month) of a month without a year."""


def in_order(steps: Sequence[str], first_month: int = 0) -> list[str]:
    """Steps in order of time: dates, months or numbers with the same letters around them.

    Args:
        steps: names, in any order.
        first_month: 0..11, with which months without a year begin.

    Raises:
        ValueError: for steps that have no order that can be told, or two of the same place in it.
    """
    keys = _keys(steps, first_month)
    if len(steps) == 1:
        return list(steps)
    if keys is None or len(set(keys)) < len(steps):
        shown = ", ".join(steps[:4]) + (", ..." if len(steps) > 4 else "")
        raise ValueError(
            f"the steps {shown} of the columns have no order in time, as 1, 2 or jan, feb or 2020-07-01 have; name the "
            "columns of each band in order of time: columns={'B02': [...], ...}"
        )
    return [step for _, step in sorted(zip(keys, steps, strict=True))]


def require_agreement(steps: Sequence[str], timestamps: np.ndarray) -> None:
    """Raises a ValueError if steps that are dates or months contradict the dates that were given.

    Args:
        steps: T of them in order of time.
        timestamps: (N, T, 3) day, month 0..11, year.
    """
    days, months = _dates(steps), _months(steps)
    for number, step in enumerate(steps):
        given = timestamps[:, number]
        if days is not None:
            when = (given[:, 2] - 1970) * 365.2425 + given[:, 1] * 30.44 + given[:, 0] - 1
            apart = np.abs(when - (days[number] - dt.date(1970, 1, 1)).days) > _DAYS + 2
        elif months is not None:
            between = (given[:, 1] - months[number][1]) % 12
            years = given[:, 2] * 12 + given[:, 1] - months[number][0] * 12 - months[number][1]
            apart = np.abs(years) > 1 if months[number][0] else ~np.isin(between, (0, 1, 11))
        else:
            return
        if apart.any():
            day, month, year = given[int(np.flatnonzero(apart)[0])].tolist()
            raise ValueError(
                f"the columns of step {step} are given the date {year}-{month + 1:02d}-{day:02d}, which contradicts "
                "their name; correct dates="
                + (", or leave it out: the columns name their dates" if days is not None else "")
            )


def _keys(steps: Sequence[str], first_month: int) -> Sequence[tuple[int, ...]] | None:
    """What steps are sorted by, None where nothing can be told."""
    days, months = _dates(steps), _months(steps)
    if days is not None:
        return [(day.toordinal(),) for day in days]
    if months is not None:
        return [(year, month if year else (month - first_month) % 12) for year, month in months]
    found = [_NUMBERED.fullmatch(step) for step in steps]
    around = {(hit[1], hit[3]) for hit in found if hit}
    if not all(found) or len(around) > 1:
        return None
    return [(int(hit[2]),) for hit in found if hit]


def _dates(steps: Sequence[str]) -> list[dt.date] | None:
    """Steps as dates, the middle of a month where no day is named; None unless all are."""
    days = []
    for step in steps:
        hit = _DATED.fullmatch(step)
        if hit is None:
            return None
        try:
            days.append(dt.date(int(hit[1]), int(hit[3]), int(hit[4] or 15)))
        except ValueError:  # no such day
            return None
    return days


def _months(steps: Sequence[str]) -> list[Day] | None:
    """Steps as months by their English names, with a year or (0, month); None unless all are."""
    months = []
    for step in steps:
        hit = _NAMED.fullmatch(step.lower())
        fitting = [i for i, name in enumerate(_MONTHS) if hit and name.startswith(hit[2])]
        if hit is None or len(fitting) != 1:
            return None
        months.append((int(hit[1] or hit[3] or 0), fitting[0]))
    return months if len({year > 0 for year, _ in months}) == 1 else None
