"""Tables of pixel series: one row for each pixel (wide), or for each pixel and date (long).

Here columns become arrays; what the numbers may be is checked by `series.to_samples`.
"""

from __future__ import annotations

import datetime as dt
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, Modality
from olmoearth_nb.data.steps import in_order
from olmoearth_nb.io.memory import require_memory

SUFFIXES = (".parquet", ".csv")
"""Kinds of table that are read."""

_HEADER = 1 << 20
"""Bytes that the names of a CSV's columns are looked for in."""

MOST_VALUES = 1 << 28
"""Values of the largest table that is read: a million pixels of 12 dates and 12 bands with some to spare."""

_BYTES = 40
"""Memory that a value takes at most: as read, as a number, its mask, and copies in float32."""

_PATTERNS = ("{step}_{band}", "{band}_{step}", "{band}.{step}", "{step}.{band}", "{band}-{step}", "{step}-{band}")
"""What columns are named like, tried for an advice."""

Columns = str | Mapping[str, Any]
"""How bands are named in a table: a pattern, or the column of each band (in a wide table one for each timestep)."""


class TooLargeError(ValueError):
    """A table that would not fit."""


@dataclass(frozen=True, eq=False)
class Series:
    """What a table holds of one sensor.

    Attributes:
        values: (N, T, C) numbers as stored.
        valid: (N, T, C) bool, True = there is a number.
        names: the C bands, as the table spells them.
        dates: (N, T) or (T,) dates as stored; None where the table names none.
        rows: (N,) a row of the table for each pixel, from which its labels are read.
        steps: names of the T timesteps in a wide table's columns, in order of time; empty where they have none.
    """

    values: np.ndarray
    valid: np.ndarray
    names: list[str]
    dates: np.ndarray | None
    rows: np.ndarray
    steps: tuple[str, ...] = ()


def read_table(source: Any) -> Any:
    """A pandas DataFrame, given itself or as a Parquet or CSV file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for another kind of file, one that is damaged, or has more values than fit.
    """
    import pandas as pd
    import pyarrow as pa

    if isinstance(source, pd.DataFrame):
        return source
    path = Path(source)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a table of pixel series is a {' or '.join(SUFFIXES)} file, got {path.name!r}")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with path.open("rb") as file:  # Arrow takes names in UTF-8 alone
            _require_size(path, _values(file, path))
            file.seek(0)
            if path.suffix.lower() == ".parquet":
                return pd.read_parquet(file)
            separator = _separator(file.readline(_HEADER))
            file.seek(0)
            return pd.read_csv(file, sep=separator)
    except TooLargeError:
        raise
    except (ValueError, OSError, MemoryError, pa.ArrowException) as error:
        raise ValueError(f"{path.name} is not a whole {path.suffix.lower()} table ({error})") from error


def _values(file: IO[bytes], path: Path) -> int:
    """How many values a table has: of Parquet by its header, of text about, four bytes each."""
    from pyarrow import parquet

    if path.suffix.lower() != ".parquet":
        return path.stat().st_size // 4
    header = parquet.ParquetFile(file).metadata
    return int(header.num_rows * header.num_columns)


def _require_size(path: Path, values: int) -> None:
    """Raises an error if a table has more values than are read, or than fit into memory."""
    advice = "cut it in pieces, or keep only the columns that are needed"
    if values > MOST_VALUES:
        raise TooLargeError(f"{path.name} has about {values:,} values, at most {MOST_VALUES:,} are read; {advice}")
    try:
        require_memory(path.name, values * _BYTES, advice)
    except ValueError as error:
        raise TooLargeError(str(error)) from error


def _separator(head: bytes) -> str:
    """What stands between the names of a CSV: commas, or semicolons and tabs where other countries write them."""
    return max(",;\t", key=lambda sign: head.count(sign.encode()))


def wide(table: Any, spec: Modality, columns: Columns, first_month: int | None) -> Series:
    """A table with one row for each pixel.

    Args:
        table: the pandas DataFrame.
        spec: whose bands are looked for; columns of other things are left alone.
        columns: a pattern with ``{band}`` and ``{step}``, in which ``*`` is any text, or band -> T columns in order of
            time.
        first_month: 0..11 of the first date that the caller gives; None if the steps of the pattern are the dates.

    Raises:
        ValueError: if no column is a band, a band lacks a timestep, or a column holds no numbers.
    """
    by_band, steps = _mapped(columns, table) if isinstance(columns, Mapping) else _matched(columns, table, spec)
    dated = first_month is not None
    if not dated and steps is None:
        raise ValueError("dates are needed: give the T dates that all pixels have in common, or (N, T) of them")
    if steps is not None and first_month is not None:
        steps = in_order(steps, first_month)
    elif steps is not None:
        steps = sorted(steps, key=lambda step: _dated(step, columns, steps or []))
    order = steps if steps is not None else range(len(next(iter(by_band.values()))))
    absent = [f"{band} at {step}" for band, own in by_band.items() for step in order if step not in own]
    if absent:
        raise ValueError(f"columns are missing: {', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''}")
    numbers = {own[step]: _numbers(table, own[step]) for own in by_band.values() for step in order}
    kind = np.result_type(*(values.dtype for values, _ in numbers.values()))
    shape = (len(table), len(order), len(by_band))
    values, valid = np.empty(shape, kind), np.empty(shape, bool)
    for channel, own in enumerate(by_band.values()):
        for time, step in enumerate(order):
            values[:, time, channel], valid[:, time, channel] = numbers[own[step]]
    days = None if steps is None or dated else np.array(steps)
    return Series(values, valid, list(by_band), days, np.arange(len(table)), tuple(steps or ()) if dated else ())


def long(table: Any, spec: Modality, columns: Columns, pixel: str, date: str) -> Series:
    """A table with one row for each pixel and date, in any order.

    A pixel with fewer dates than others has nothing observed behind its last one.

    Args:
        table: the pandas DataFrame.
        spec: whose bands are looked for.
        columns: a pattern with ``{band}``, or band -> column.
        pixel: column that says which pixel a row is of.
        date: column of dates.

    Raises:
        ValueError: for columns that there are not, a pixel that has a date twice, or too many dates.
    """
    by_band = dict(columns) if isinstance(columns, Mapping) else _bands(columns, table, spec)
    _require_columns(table, [pixel, *by_band.values()])
    if date not in table.columns:
        names = ", ".join(map(str, table.columns))[:500]
        raise ValueError(f"the table has no column {date}; say dates=, its column of dates; it has {names}")
    if table[pixel].isna().any() or table[date].isna().any():
        raise ValueError(f"some rows have no {pixel} or no {date}")
    owner, keys = table[pixel].factorize()
    when, days = np.unique(_days(table[date].to_numpy()), return_inverse=True)
    order = np.lexsort((days, owner))
    owner, days = owner[order], days[order]
    twice = np.flatnonzero((np.diff(owner) == 0) & (np.diff(days) == 0))
    if len(twice):
        raise ValueError(f"pixel {keys[owner[twice[0]]]} has {when[days[twice[0]]]} twice; {len(twice)} such rows")
    counts = np.bincount(owner)
    first = np.cumsum(counts) - counts  # rows of a pixel follow each other now
    if counts.max() > MAX_TIMESTEPS:
        raise ValueError(
            f"a pixel has {counts.max()} dates; the models take at most {MAX_TIMESTEPS}, choose or composite them"
        )
    step, shape = np.arange(len(owner)) - first[owner], (len(keys), int(counts.max()))
    last = np.minimum(first[:, None] + np.arange(shape[1]), (first + counts - 1)[:, None])  # (N, T), the last repeated
    numbers = [_numbers(table, name) for name in by_band.values()]
    values = np.zeros((*shape, len(by_band)), np.result_type(*(own.dtype for own, _ in numbers)))
    valid = np.zeros(values.shape, bool)
    for channel, (own, there) in enumerate(numbers):
        values[owner, step, channel], valid[owner, step, channel] = own[order], there[order]
    return Series(values, valid, list(by_band), when[days[last]], order[first])


def labels_of(table: Any, names: Sequence[str], rows: np.ndarray, pixel: str | None) -> dict[str, np.ndarray]:
    """Columns that come along, one value for each pixel.

    Raises:
        ValueError: for a column that there is not, or one that says different things of one pixel.
    """
    _require_columns(table, names)
    found = {}
    for name in names:
        values = table[name].to_numpy()
        found[name] = values[rows]
        if pixel is None:
            continue
        owner = table[pixel].factorize()[0]
        differs = (values != found[name][owner]) & ~(table[name].isna().to_numpy())
        if differs.any():
            example = table[pixel].iloc[int(np.flatnonzero(differs)[0])]
            raise ValueError(
                f"{name} is not the same in all rows of pixel {example}; it cannot be a label of the pixel"
            )
    return found


def _bands(pattern: str, table: Any, spec: Modality) -> dict[str, str]:
    """Band -> column of a long table."""
    found, _ = _found(_pattern(pattern, ["band"]), pattern, table, spec)
    return {band: own[""] for band, own in found.items()} or _none(pattern, table, spec)


def _matched(pattern: str, table: Any, spec: Modality) -> tuple[dict[str, dict[Any, str]], list[str]]:
    """Band -> step -> column of a wide table, and the steps in the order of the columns."""
    found, steps = _found(_pattern(pattern, ["band", "step"]), pattern, table, spec)
    if not found:
        _require_wide(table, spec)
        _none(pattern, table, spec)
    if all(spec.spelled(step) and not step.isdecimal() for step in steps) and all(map(str.isdecimal, found)):
        _none(pattern, table, spec)  # 1_B02: the number was taken for a band
    return found, steps


def _found(
    shape: re.Pattern[str], pattern: str, table: Any, spec: Modality
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Band -> step (or "") -> column of what is named like a pattern, and the steps in the order of the columns.

    Raises:
        ValueError: if two columns are the same band at the same step.
    """
    found: dict[str, dict[str, str]] = {}
    taken: dict[tuple[str, str], str] = {}
    for name in map(str, table.columns):
        hit = shape.fullmatch(name)
        band = spec.spelled(hit["band"]) if hit else None
        if hit is None or band is None:
            continue
        step = hit.groupdict().get("step", "")
        other = taken.setdefault((band, step.lstrip("0") or step), name)
        if other != name:
            raise ValueError(
                f"columns {other} and {name} are both {band}{step and f' at {step}'} by {pattern!r}; say columns= with "
                "a pattern that only one of them has, or the column of each band"
            )
        found.setdefault(hit["band"], {})[step] = name
    return found, list(dict.fromkeys(step for own in found.values() for step in own))


def _mapped(columns: Mapping[str, Any], table: Any) -> tuple[dict[str, dict[Any, str]], None]:
    """Band -> number of the step -> column, from what the caller names."""
    lists = {band: [own] if isinstance(own, str) else list(own) for band, own in columns.items()}
    if not lists or len({len(own) for own in lists.values()}) > 1:
        counts = {band: len(own) for band, own in lists.items()}
        raise ValueError(f"name as many columns for each band as there are timesteps, got {counts}")
    _require_columns(table, [name for own in lists.values() for name in own])
    return {band: dict(enumerate(own)) for band, own in lists.items()}, None


def _pattern(pattern: str, fields: list[str]) -> re.Pattern[str]:
    """What a column of a band is named like."""
    parts = re.split(r"(\{\w+\})", pattern)
    if sorted(part for part in parts if part.startswith("{")) != sorted(f"{{{name}}}" for name in fields):
        wanted = " and ".join(f"{{{name}}}" for name in fields)
        raise ValueError(f"a pattern of columns has {wanted}, each once, such as {'_'.join(wanted.split(' and '))!r}; "
                         f"got {pattern!r}")  # fmt: skip
    literal = [part if part.startswith("{") else re.escape(part).replace(r"\*", ".*?") for part in parts]
    return re.compile("".join(f"(?P<{part[1:-1]}>.+?)" if part.startswith("{") else part for part in literal))


def _require_wide(table: Any, spec: Modality) -> None:
    """Raises a ValueError if columns are named like bands, without a step, as those of a long table are."""
    names = list(map(str, table.columns))
    bands = [name for name in names if spec.spelled(name)]
    if not bands:
        return
    dates = [name for name in names if name == "date" or _is_date(table[name].iloc[0])]
    others = [name for name in names if name not in bands and name not in dates]
    named = [name for name in others if dates and not table.duplicated([name, dates[0]]).any()]
    given = "" if dates[:1] == ["date"] else f", and dates={repr(dates[0]) if dates else ''}, the column of dates"
    raise ValueError(
        f"columns such as {', '.join(bands[:3])} name no step: is it a table with a row for each pixel and date? Then "
        f"say pixel={repr((named or [''])[0]) if named else ''}, the column that says which pixel a row is of{given}; "
        f"the other columns are {', '.join(others[:8]) or 'none'}"
    )


def _none(pattern: str, table: Any, spec: Modality) -> Any:
    """Raises the error of a table without any band."""
    names = ", ".join(map(str, table.columns[:8]))
    advice = next((f"{other!r}, which fits" for other in _PATTERNS if _fits(other, table, spec)), "a pattern")
    raise ValueError(
        f"no column is a band of {spec.title} ({' '.join(spec.band_names)}) named like {pattern!r}; the table has "
        f"{names}{', ...' if len(table.columns) > 8 else ''}; say columns= ({advice}, or the columns of each band)"
    )


def _fits(pattern: str, table: Any, spec: Modality) -> bool:
    """Whether columns that are named like a pattern begin or end with the name of a band, not a mere number."""
    hits = map(_pattern(pattern, ["band", "step"]).fullmatch, map(str, table.columns))
    return any(hit and spec.spelled(hit["band"]) and not hit["band"].isdecimal() for hit in hits)


def _require_columns(table: Any, names: Sequence[Any]) -> None:
    """Raises a ValueError unless a table has the columns."""
    absent = [str(name) for name in names if name not in table.columns]
    if absent:
        raise ValueError(
            f"the table has no column {', '.join(absent[:5])}; it has {', '.join(map(str, table.columns))[:500]}"
        )


def _numbers(table: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A column's numbers, and where there are any."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    column = table[name]
    if column.ndim != 1:
        raise ValueError(f"the table has the column {name} twice")
    if not is_numeric_dtype(column) or is_bool_dtype(column) or column.dtype.kind == "c":
        raise ValueError(f"column {name} holds {_text_in(column)}, not numbers")
    valid = column.notna().to_numpy()
    if valid.all():
        values = column.to_numpy()
        return (values if values.dtype.kind in "uif" else values.astype(np.float64)), valid
    return column.to_numpy(dtype=np.float64, na_value=0.0), valid


def _text_in(column: Any) -> str:
    """What a column holds in place of numbers, with its first value that is none, and what to do."""
    import pandas as pd

    if column.dtype.kind in "bcMm":
        return f"values of type {column.dtype}"
    odd = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
    shown = reprlib.repr(str((odd if len(odd) else column).iloc[0]))
    return f"text, such as {shown} (write 1234.5, with a point and without thousands signs)"


def _dated(step: str, columns: Columns, steps: Sequence[str]) -> dt.date:
    """The date that a step of a pattern is."""
    try:
        return dt.datetime.fromisoformat(step).date()
    except ValueError as error:
        raise ValueError(
            f"the steps of {columns!r} are {', '.join(steps[:3])}{', ...' if len(steps) > 3 else ''}, not dates: give "
            "dates= for them, T that all pixels have in common, or (N, T)"
        ) from error


def _is_date(value: Any) -> bool:
    """Whether a value of a table is a date, or text that is one."""
    try:
        return isinstance(value, dt.date) or (isinstance(value, str) and bool(dt.datetime.fromisoformat(value.strip())))
    except ValueError:
        return False


def _days(values: np.ndarray) -> np.ndarray:
    """Dates of any kind as text, which sorts as they do; a time of day is left out, and what is no date stays."""
    if values.dtype.kind == "M":
        return np.datetime_as_string(values, unit="D")
    given = [str(value)[:10] if isinstance(value, dt.date) else str(value).strip() for value in values]
    days = {text: _day(text) for text in dict.fromkeys(given)}
    return np.array([days[text] for text in given])


def _day(text: str) -> str:
    """A date in one spelling, without its time; other text as it is, which is refused where dates are read."""
    try:
        return dt.datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        return text
