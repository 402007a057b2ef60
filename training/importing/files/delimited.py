"""Files of delimited text: every row that can be read, and each other one with its reason.

The standard library's `csv` reads them. Readers of whole tables are faster, but lose what has to
be told: an open quote takes the rest of the file with it (DuckDB, Arrow), one damaged row or a
quote inside a field stops all (Polars).
"""

import csv
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from models.errors import BadDataset
from training.importing.files.dialect import SAMPLE, delimiter_of, dialect
from training.importing.files.file_format import FileFormat
from training.importing.files.names import ROW
from training.importing.files.opened import opened, undecoded
from training.importing.files.unreadable import Unreadable

CHUNK = 100_000


def read_delimited(
    path: Path, written: FileFormat, reject: Unreadable, limit: int | None = None
) -> pl.DataFrame:
    """Return the rows of `path` as text; a row of another length, or that is damaged, is a reject.

    With `limit` only as many records are read. Raises `BadDataset` for a header that cannot be,
    and for what is not of the file's encoding.
    """
    csv.field_size_limit(1 << 24)
    with opened(path, written.encoding) as file:
        lines = _Lines(file)
        signs = _dialect(lines, written)
        records = _records(lines, signs)
        header = written.columns or _header(path, next(records, None))
        return _read(path, lines, islice(records, limit), header, written, reject)


class _Lines:
    """The lines of a file, of which some can be given back and read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._back: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._file)
        self.taken.append(line)
        return line

    def keep_first(self) -> str:
        """Give back all lines taken but the first, and return that."""
        first, *rest = self.taken
        self._back.extendleft(reversed(rest))
        return first

    def ahead(self, number: int) -> list[str]:
        """Return the next lines without taking them."""
        lines = list(islice(self, number))
        self._back.extendleft(reversed(lines))
        return lines


def _dialect(lines: _Lines, written: FileFormat) -> dict[str, Any]:
    delimiter = written.delimiter
    if delimiter is None:
        delimiter = delimiter_of(lines.ahead(SAMPLE), written.quote, len(written.columns))
    return dialect(delimiter, written.quote)


def _records(lines: _Lines, signs: dict[str, Any]) -> Iterator[list[str] | None]:
    """Yield the fields of each record, or None for a damaged one."""
    reader = csv.reader(lines, strict=True, **signs)
    while True:
        lines.taken = []
        try:
            yield next(reader)
        except csv.Error:
            yield None
        except StopIteration:
            return


def _header(path: Path, fields: list[str] | None) -> list[str]:
    """Return the names of the columns; one without a name is `column_1`, or what its place is."""
    if not fields:
        raise BadDataset(f"{path}: row 0: the header is empty or damaged")
    byte = undecoded("".join(fields))
    if byte is not None:
        raise BadDataset(_undecoded(path, 0, "", byte, None))
    names = [name.strip() or f"column_{place}" for place, name in enumerate(fields, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadDataset(
            f"{path}: row 0: the header names {twice[0]!r} twice; name the columns anew, or, where "
            "the file has no header, say read = { columns = [...] }"
        )
    return names


def _read(
    path: Path,
    lines: _Lines,
    records: Iterator[list[str] | None],
    header: list[str],
    written: FileFormat,
    reject: Unreadable,
) -> pl.DataFrame:
    chunks: list[pl.DataFrame] = []
    rows: list[int] = []
    kept: list[list[str]] = []
    row = 0
    for fields in records:
        if fields == []:
            continue
        row += 1
        if fields is None or len(fields) != len(header):
            # A quote that was opened and never closed eats the lines after it: give them back.
            text = lines.keep_first()
            number = "unreadable" if fields is None or len(lines.taken) > 1 else str(len(fields))
            reject(row, f"{number} fields, the header has {len(header)}", text)
            continue
        byte = undecoded("".join(fields))
        if byte is not None:
            column = next(
                name for name, text in zip(header, fields, strict=True) if undecoded(text)
            )
            if written.undecodable == "stop":
                raise BadDataset(_undecoded(path, row, column, byte, written.encoding))
            reject(row, f"not {written.encoding or 'utf-8'}", ",".join(fields), column)
            continue
        rows.append(row)
        kept.append(fields)
        if len(kept) == CHUNK:
            chunks.append(_chunk(header, rows, kept))
            rows, kept = [], []
    chunks.append(_chunk(header, rows, kept))
    return pl.concat(chunks)


def _undecoded(path: Path, row: int, column: str, byte: int, encoding: str | None) -> str:
    where = f"row {row}, column {column}" if column else f"row {row}"
    remedy = 'say the encoding of the file, such as read = { encoding = "cp1252" }'
    if encoding is not None:
        remedy += ', or leave such rows out by undecodable = "reject"'
    return f"{path}: {where}: byte 0x{byte:02x} is not {encoding or 'utf-8'}; {remedy}"


def _chunk(header: list[str], rows: list[int], records: list[list[str]]) -> pl.DataFrame:
    columns = dict(zip(header, zip(*records, strict=True), strict=True)) if records else {}
    data = {
        name: pl.Series(columns.get(name, []), dtype=pl.String()) for name in header if name != ROW
    }
    return pl.DataFrame({ROW: pl.Series(rows, dtype=pl.Int64()), **data})


def first_record(path: Path, written: FileFormat) -> list[str]:
    """Return the fields of the first row of a file; none where there is none that can be read."""
    with opened(path, written.encoding) as file:
        lines = _Lines(file)
        return next(_records(lines, _dialect(lines, written)), None) or []
