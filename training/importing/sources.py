"""Read a file in someone else's schema, CSV, JSON Lines or Parquet, as a table of raw columns.

CSV and JSON Lines give strings only, so that no value can stop the reading; what cannot be read as
a row is a reject. Column `ROW` is the 1-based number of the data row.
"""

import csv
import errno
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import polars as pl

from models.errors import BadDataset
from training.importing.rejects import Rejects

ROW = "row"
FORMATS = (".parquet", ".csv", ".jsonl", ".ndjson")
CHUNK = 100_000
# Raw columns live beside the computed ones, whose names start with this.
COMPUTED = "="


def find_source(directory: Path, name: str) -> Path:
    """Return the file that `name` means: itself, or with the one ending of `FORMATS` that exists.

    Raises `FileNotFoundError` where there is none, `BadDataset` where it is of no known format.
    """
    path = directory / name
    if path.suffix in FORMATS:
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "not found", str(path))
        return path
    if path.is_file():
        raise BadDataset(f"{path}: ends in none of {', '.join(FORMATS)}")
    for ending in FORMATS:
        candidate = path.with_name(path.name + ending)
        if candidate.is_file():
            return candidate
    endings = f"not found, with none of the endings {', '.join(FORMATS)}"
    raise FileNotFoundError(errno.ENOENT, endings, str(path))


def read_source(path: Path, rejects: Rejects) -> pl.DataFrame:
    """Return the rows of `path` that can be read, with their number in column `ROW`."""
    if path.suffix == ".parquet":
        try:
            frame = pl.read_parquet(path, glob=False)
        except pl.exceptions.PolarsError as error:
            raise BadDataset(f"{path}: {str(error).splitlines()[0]}") from None
        if ROW in frame.columns:
            frame = frame.drop(ROW)
        return frame.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64()))
    reject = _Unreadable(path.name)
    read = _read_csv if path.suffix == ".csv" else _read_jsonl
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        frame = read(path, file, reject)
    reject.into(rejects)
    return frame


class _Unreadable:
    """Rows that could not be read at all."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[tuple[int, str, str]] = []

    def __call__(self, row: int, reason: str, text: str) -> None:
        self.found.append((row, reason, text.encode(errors="replace").decode().rstrip("\r\n")))

    def into(self, rejects: Rejects) -> None:
        for reason in sorted({reason for _, reason, _ in self.found}):
            rows = [row for row, why, _ in self.found if why == reason]
            texts = [text for _, why, text in self.found if why == reason]
            rejects.add(self.file, pl.Series(rows), "", reason, pl.Series(texts, dtype=pl.String()))


Reject = Callable[[int, str, str], None]  # takes a row, a reason and the text of the row


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


def _records(lines: _Lines) -> Iterator[list[str] | None]:
    """Yield the fields of each record, or None for a damaged one."""
    reader = csv.reader(lines, strict=True)
    while True:
        lines.taken = []
        try:
            yield next(reader)
        except csv.Error:
            yield None
        except StopIteration:
            return


def _read_csv(path: Path, file: TextIO, reject: Reject) -> pl.DataFrame:
    csv.field_size_limit(1 << 24)
    lines = _Lines(file)
    records = _records(lines)
    header = next(records, None)
    if not header or len(set(header)) != len(header) or not _is_text(header):
        raise BadDataset(f"{path}: row 0: the header is empty, damaged or names a column twice")
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
        if not _is_text(fields):
            reject(row, "not UTF-8", ",".join(fields))
            continue
        rows.append(row)
        kept.append(fields)
        if len(kept) == CHUNK:
            chunks.append(_chunk(header, rows, kept))
            rows, kept = [], []
    chunks.append(_chunk(header, rows, kept))
    return pl.concat(chunks)


def _chunk(header: list[str], rows: list[int], records: list[list[str]]) -> pl.DataFrame:
    names = [name for name in header if name != ROW]
    columns = dict(zip(header, zip(*records, strict=True), strict=True)) if records else {}
    data = {name: pl.Series(columns.get(name, []), dtype=pl.String()) for name in names}
    frame = pl.DataFrame({ROW: pl.Series(rows, dtype=pl.Int64()), **data})
    return frame.with_columns(pl.col(names).replace("", None))


def _read_jsonl(path: Path, file: TextIO, reject: Reject) -> pl.DataFrame:
    decoder = msgspec.json.Decoder(dict[str, object])
    rows: list[int] = []
    kept: list[dict[str, str | None]] = []
    names: dict[str, None] = {}
    for row, line in enumerate((line for line in file if line.strip()), start=1):
        try:
            record = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError):
            reject(row, "not one JSON object in UTF-8", line)
            continue
        rows.append(row)
        kept.append({name: _as_text(value) for name, value in record.items()})
        names.update(dict.fromkeys(record))
    names.pop(ROW, None)
    data = {
        name: pl.Series([record.get(name) for record in kept], dtype=pl.String()) for name in names
    }
    return pl.DataFrame({ROW: pl.Series(rows, dtype=pl.Int64()), **data})


def _as_text(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _is_text(fields: list[str]) -> bool:
    try:
        "".join(fields).encode()
    except UnicodeEncodeError:
        return False
    return True
