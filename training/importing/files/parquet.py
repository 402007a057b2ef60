"""Parquet files of any sane type, as columns that Polars can hold.

Arrow reads them: it knows every type that Parquet has, while Polars ends the process on some.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import BadDataset
from training.importing.files.file_format import FileFormat
from training.importing.files.names import ROW
from training.importing.files.unreadable import Unreadable


def read_parquet(path: Path, written: FileFormat, reject: Unreadable) -> pl.DataFrame:
    """Return the rows of `path`; decimals and times of day as text, instants in UTC.

    Some programs write bytes into texts that are not UTF-8. Raises `BadDataset` for the first such
    row, or rejects them all, as `written` says.
    """
    try:
        table = pq.ParquetFile(path, coerce_int96_timestamp_unit="us").read()
        bad = {
            name: undecodable_rows(column)
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        bad = {name: rows for name, rows in bad.items() if rows}
        if bad:
            table = _without(path, table, bad, written, reject)
        columns = {
            name: pl.Series(name, pl.from_arrow(_sane(column)))
            for name, column in zip(table.column_names, table.columns, strict=True)
            if name != ROW
        }
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise BadDataset(f"{path}: {str(error).splitlines()[0]}") from None
    if len(set(table.column_names)) != table.num_columns:
        raise BadDataset(f"{path}: names a column twice")
    frame = pl.DataFrame(columns).with_row_index(ROW, offset=1)
    undecodable = pl.Series([row + 1 for rows in bad.values() for row in rows], dtype=pl.UInt32())
    frame = frame.filter(~pl.col(ROW).is_in(undecodable.implode()))
    return frame.with_columns(pl.col(ROW).cast(pl.Int64()))


def _without(
    path: Path,
    table: pa.Table,
    bad: Mapping[str, Sequence[int]],
    written: FileFormat,
    reject: Unreadable,
) -> pa.Table:
    """Return a table whose columns with undecodable rows are empty there, once those are told."""
    for name, rows in bad.items():
        if written.undecodable == "stop":
            remedy = 'leave such rows out by read = { undecodable = "reject" }'
            raise BadDataset(f"{path}: row {rows[0] + 1}, column {name}: not UTF-8; {remedy}")
        told = set(rows)
        for row in rows:
            reject(row + 1, "not utf-8", "", name)
        at = table.column_names.index(name)
        values = [
            None if row in told else value.as_py() for row, value in enumerate(table.column(at))
        ]
        table = table.set_column(at, name, pa.array(values, pa.string()))
    return table


def undecodable_rows(column: pa.ChunkedArray) -> list[int]:
    """Return the rows, from 0, of a column of texts that are not UTF-8, as nothing else checks."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return [row for row, value in enumerate(column) if not _is_decodable(value)]
    return []


def _is_decodable(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except UnicodeDecodeError:
        return False
    return True


def _sane(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as one of a type that Polars has, with the same meaning."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _sane(pa.chunked_array([c.storage for c in column.chunks], kind.storage_type))
    if pa.types.is_dictionary(kind):
        return _sane(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        # Nanoseconds are cut; the instant of a zone is kept, whatever the zone is called.
        return column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    if pa.types.is_date(kind):
        return column.cast(pa.date32(), safe=False)
    if pa.types.is_decimal(kind) or pa.types.is_time(kind):
        return column.cast(pa.string())
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_boolean(kind):
        return column.cast(pa.string())
    if pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.binary())
    if pa.types.is_map(kind):
        return pa.chunked_array([], pa.string()) if not len(column) else _map_text(column)
    return column


def _map_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([[None if v is None else str(dict(v)) for v in column.to_pylist()]])
