"""Parquet files of any sane type, as columns that Polars can hold.

Arrow reads them: it knows every type that Parquet has, while Polars ends the process on some.
"""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import BadDataset
from training.importing.files.names import ROW


def read_parquet(path: Path) -> pl.DataFrame:
    """Return the rows of `path`; decimals and times of day as text, instants in UTC."""
    try:
        table = pq.ParquetFile(path, coerce_int96_timestamp_unit="us").read()
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
    frame = pl.DataFrame(columns)
    return frame.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64()))


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
