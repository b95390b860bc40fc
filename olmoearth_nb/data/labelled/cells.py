"""Columns of Parquet tables that somebody else wrote, read within bounds; their cells may be files, such as GeoTIFFs.

A table may announce more rows than any memory holds, unpack to more than it announces, or say one long value a million
times in a few bytes. So a column is read only if the header says that it is small enough, and only as long as it is;
values that repeat are kept once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_ROWS = 100_000
"""Rows of a table that is read."""

MOST_WORDS = 1 << 27
"""Bytes of a column of words, unpacked."""

MOST_FILES = 1 << 30
"""Bytes of a column of files, unpacked."""

MOST_KEPT = 1 << 28
"""Bytes of files of all tables that are kept in memory, unless one table alone has more."""

MOST_CELL = 1 << 20
"""Bytes of a file in a cell: a GeoTIFF of 12 bands of 32 x 32 px has 25,000."""

_TEXT = "BYTE_ARRAY"
_WHOLE = ("INT32", "INT64")


def read_words(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Columns of text or whole numbers, which become text.

    Args:
        path: of the table.
        columns: their names.

    Returns:
        The values of each column.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no whole table, lacks a column, or a value is neither text nor a whole number.
    """
    import pyarrow as pa

    batches = _read(path, columns, (_TEXT, *_WHOLE), MOST_WORDS, 1000, once=True)
    if not batches:
        return [[] for _ in columns]
    with _whole(path):
        frame = pa.Table.from_batches(batches).to_pandas()
        found = {name: frame[name].astype(object).tolist() for name in columns}
    for name, values in found.items():
        odd = next((i for i, value in enumerate(values) if type(value) not in (str, int)), None)
        if odd is not None:
            raise ValueError(f"{path.name}: {name} must be text or whole numbers, row {odd} has {values[odd]!r:.50}")
    return [[str(value) for value in values] for values in found.values()]


class FilesInCells:
    """A column of files in some tables; a table is read when a file of it is asked for, and the last ones are kept.

    Files are asked for table by table, since one costs as much as all of its table.

    Args:
        column: holds the files.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        self._kept: dict[Path, list[Any]] = {}
        self._sizes: dict[Path, int] = {}

    def read(self, path: Path, row: int, name: str) -> bytes:
        """A file.

        Args:
            path: of the table.
            row: counted from 0.
            name: of the file, for errors.

        Raises:
            FileNotFoundError: if there is no such table.
            ValueError: if it is no whole table, has no such row, or there is no file in it or a large one.
        """
        cells = self._cells(path)
        file = cells[row].as_buffer() if row < len(cells) else None
        if file is None:
            raise ValueError(f"{path.name} has no {self.column} for {name}")
        if file.size > MOST_CELL:
            raise ValueError(f"{name} has {file.size:,} bytes; at most {MOST_CELL:,} are read")
        return bytes(file)

    def _cells(self, path: Path) -> list[Any]:
        """The cells of a table, in whose favour those that were read first are forgotten."""
        import pyarrow as pa

        if path not in self._kept:
            # row by row: a file that is stored once and meant a thousand times is written out in each batch
            batches = _read(path, [self.column], (_TEXT,), MOST_FILES, 1, once=False)
            with _whole(path):
                cells = [cell for batch in batches for cell in batch.column(0).cast(pa.large_binary())]
            size = sum(batch.nbytes for batch in batches)
            while self._kept and size + sum(self._sizes.values()) > MOST_KEPT:
                first = next(iter(self._kept))
                del self._kept[first], self._sizes[first]
            self._kept[path], self._sizes[path] = cells, size
        return self._kept[path]


def _read(path: Path, columns: Sequence[str], types: tuple[str, ...], most: int, rows: int, once: bool) -> list[Any]:
    """Columns of a table as Arrow keeps them, in batches of so many rows; with `once`, what repeats is kept once."""
    import pyarrow.parquet as pq

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    with path.open("rb") as file:  # Arrow takes names in UTF-8 alone
        with _whole(path):
            header = pq.read_metadata(file)
        texts = [name for name in columns if _require_column(header, name, path, types, most) == _TEXT]
        batches, room = [], most * len(columns)
        with _whole(path):
            table = pq.ParquetFile(file, read_dictionary=texts if once else None)
            for batch in table.iter_batches(rows, columns=list(columns), use_threads=False):
                room -= batch.nbytes
                if room < 0:
                    raise ValueError(f"{' and '.join(columns)} unpack to more than {most:,} bytes")
                batches.append(batch)
    return batches


def _require_column(header: Any, name: str, path: Path, types: tuple[str, ...], most: int) -> str:
    """How a column is stored.

    Raises:
        ValueError: if it is not there, of another type, or too large.
    """
    stored = {header.schema.column(i).path: i for i in range(len(header.schema))}
    if name not in stored:
        raise ValueError(f"{path.name} has no column {name}; it has {', '.join(list(stored)[:20]) or 'none'}")
    kind = str(header.schema.column(stored[name]).physical_type)
    if kind not in types:
        raise ValueError(f"{path.name}: {name} is stored as {kind}; valid are {', '.join(types)}")
    groups = [header.row_group(i).column(stored[name]) for i in range(header.num_row_groups)]
    size = sum(max(group.total_uncompressed_size, group.total_compressed_size) for group in groups)
    if header.num_rows > MOST_ROWS or size > most:
        raise ValueError(
            f"{path.name} announces {header.num_rows:,} rows with {size:,} bytes of {name}; at most {MOST_ROWS:,} rows "
            f"and {most:,} bytes are read"
        )
    return kind


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Whatever Arrow raises becomes one error that names the table."""
    import pyarrow as pa

    try:
        yield
    except (ValueError, OSError, MemoryError, pa.ArrowException) as error:
        raise ValueError(f"{path.name} is not a whole .parquet table ({error})") from error
