"""Read and write the canonical dataset with Polars, as `models.domain.dataset` declares it."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from errno import EIO
from pathlib import Path

import msgspec
import polars as pl

from models.domain.dataset import (
    REQUIRED_TABLES,
    TABLES,
    Column,
    ColumnType,
    Metadata,
    check_free,
    file_digest,
    read_metadata,
    write_metadata,
)
from models.domain.input.reasons import Refusal
from models.errors import BadDataset
from training.log.table_rules import dataset_findings

DTYPES: Mapping[ColumnType, pl.DataType] = {
    "string": pl.String(),
    "int64": pl.Int64(),
    "double": pl.Float64(),
    "timestamp": pl.Datetime("us", "UTC"),
    "strings": pl.List(pl.String()),
    "json": pl.String(),
}

ROW_GROUP = 131_072


@dataclass(frozen=True)
class Dataset:
    """A dataset in memory: its metadata and its tables, each with exactly the declared columns."""

    path: Path
    metadata: Metadata
    tables: Mapping[str, pl.DataFrame]

    @property
    def events(self) -> pl.DataFrame:
        """The events, in the order of the file, which is not to be relied on."""
        return self.tables["events"]

    @property
    def items(self) -> pl.DataFrame:
        """The items, one row each."""
        return self.tables["items"]


def schema(table: str) -> dict[str, pl.DataType]:
    """Return the Polars schema of `table`, in the declared order."""
    return {column.name: DTYPES[column.type] for column in TABLES[table]}


def frame(table: str, columns: Mapping[str, Sequence[object]]) -> pl.DataFrame:
    """Return some columns of `table`, with their declared types; the others are left to be null."""
    types = schema(table)
    return pl.DataFrame(dict(columns), schema={name: types[name] for name in columns})


def empty(table: str) -> pl.DataFrame:
    """Return `table` without rows."""
    return pl.DataFrame(schema=schema(table))


def write_dataset(
    directory: Path,
    tables: Mapping[str, pl.DataFrame],
    metadata: Metadata,
    extras: Mapping[str, bytes | pl.DataFrame] | None = None,
) -> Metadata:
    """Write a dataset whole or not at all and return its metadata with rows and digests filled in.

    `extras` are files beside the tables by file name; they are not part of the dataset's digest.
    Raises `FileExistsError` where `directory` exists and is not empty, `BadDataset` where a table
    is not as declared.
    """
    check_free(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        work.chmod(0o755)
        frames = {
            name: _conform(name, tables[name], name, metadata) for name in TABLES if name in tables
        }
        for name, frame in frames.items():
            _write(frame, work / f"{name}.parquet")
        for name, extra in (extras or {}).items():
            if isinstance(extra, bytes):
                (work / name).write_bytes(extra)
            else:
                _write(extra, work / name)
        written = msgspec.structs.replace(
            metadata,
            rows={name: frame.height for name, frame in frames.items()},
            digests={name: file_digest(work / f"{name}.parquet") for name in frames},
        )
        write_metadata(work, written)
        if directory.exists():
            directory.rmdir()
        work.replace(directory)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return written


def read_dataset(path: Path, tables: Iterable[str] = tuple(TABLES)) -> Dataset:
    """Read the dataset in directory `path`, of its tables those named in `tables`.

    Raises `BadDataset`, in one line with file, row, column and reason, where a file is not the one
    that was written, a column is missing or of another type, or a row breaks a declaration.
    """
    metadata = read_metadata(path)
    frames: dict[str, pl.DataFrame] = {}
    for name in tables:
        file = path / f"{name}.parquet"
        if not file.exists():
            if name in REQUIRED_TABLES or name in metadata.rows:
                raise BadDataset(f"{file}: not found")
            continue
        if metadata.digests.get(name, file_digest(file)) != file_digest(file):
            raise BadDataset(f"{file}: changed since it was written; its digest differs")
        try:
            frame = pl.read_parquet(file, glob=False)
        except pl.exceptions.PolarsError as error:
            raise BadDataset(f"{file}: {_first_line(error)}") from None
        frames[name] = _conform(name, frame, str(file), metadata)
    return Dataset(path=path, metadata=metadata, tables=frames)


def _write(frame: pl.DataFrame, file: Path) -> None:
    try:
        frame.rechunk().write_parquet(file, compression="zstd", row_group_size=ROW_GROUP)
    except pl.exceptions.ComputeError as error:
        # What a disk refuses comes as an error of Polars, at best with the number in its text.
        found = re.search(r"os error (\d+)", str(error))
        reason = os.strerror(int(found[1])) if found else "not written; is the disk full?"
        raise OSError(EIO, reason, str(file.parent)) from None


def _conform(table: str, frame: pl.DataFrame, where: str, metadata: Metadata) -> pl.DataFrame:
    """Return `frame` with the declared columns in the declared order, checked row by row."""
    known = {column.name for column in TABLES[table]}
    for name in frame.columns:
        if name not in known:
            raise BadDataset(f"{where}: column {name}: not one of the columns of {table}")
    series = [_column(column, frame, where) for column in TABLES[table]]
    checked = pl.DataFrame(series)
    _check_rows(table, checked, where, metadata)
    return checked


def _column(column: Column, frame: pl.DataFrame, where: str) -> pl.Series:
    dtype = DTYPES[column.type]
    if column.name not in frame.columns:
        if not column.nullable:
            raise BadDataset(f"{where}: column {column.name}: missing")
        return pl.Series(column.name, [None] * frame.height, dtype=dtype)
    series = frame[column.name]
    if series.dtype != dtype:
        if not _widens(series.dtype, dtype):
            found = f"is {series.dtype}, must be {dtype}"
            raise BadDataset(f"{where}: column {column.name}: {found}")
        series = series.cast(dtype)
    if not column.nullable:
        _refuse(series.is_null(), where, column.name, Refusal.REQUIRED)
    if column.type == "json":
        _check_json(series, where)
    return series


def _widens(found: pl.DataType, declared: pl.DataType) -> bool:
    """Tell whether every value of type `found` is one of `declared`, or keeps its microsecond."""
    if isinstance(found, pl.Datetime) and isinstance(declared, pl.Datetime):
        return found.time_zone == "UTC"
    if declared == pl.Int64():
        return found.is_integer() and found != pl.UInt64()
    if declared == pl.Float64():
        return found == pl.Float32() or found.is_integer()
    return found == pl.Null() or (
        declared == pl.String() and isinstance(found, (pl.Categorical, pl.Enum))
    )


def _check_json(series: pl.Series, where: str) -> None:
    decode = msgspec.json.Decoder(list[object] if series.name == "stock" else dict[str, object])
    for row, text in enumerate(series, start=1):
        if text is None:
            continue
        try:
            decode.decode(text)
        except msgspec.MsgspecError as error:
            raise BadDataset(f"{where}: row {row}: column {series.name}: {error}") from None


def _check_rows(table: str, frame: pl.DataFrame, where: str, metadata: Metadata) -> None:
    if table == "events":
        time, sequence = frame["time"], frame["sequence"]
        if metadata.kind == "timed":
            _refuse(time.is_null(), where, "time", "missing in a timed dataset")
        if metadata.kind == "ordered":
            _refuse(sequence.is_null(), where, "sequence", "missing in an ordered dataset")
        if metadata.kind in ("ordered", "undated"):
            _refuse(time.is_not_null(), where, "time", f"set in a dataset of kind {metadata.kind}")
        if metadata.kind == "undated":
            _refuse(sequence.is_not_null(), where, "sequence", "set in an undated dataset")
    if table == "offers":
        _refuse(frame["items"].list.len() == 0, where, "items", "empty")
        nulls = frame["items"].list.eval(pl.element().is_null()).list.any()
        _refuse(nulls, where, "items", "holds a null")
    for key in ("item", "offer"):
        if table == f"{key}s":
            repeated = ~frame[key].is_first_distinct()
            _refuse(repeated, where, key, "named by an earlier row, too")

    for column, reasons in dataset_findings(table, frame, metadata):
        row = int(reasons.is_not_null().arg_max() or 0)
        raise BadDataset(f"{where}: row {row + 1}: column {column}: {reasons[row]}")


def _refuse(bad: pl.Series, where: str, column: str, reason: str) -> None:
    if bad.any():
        row = bad.fill_null(False).arg_max()
        raise BadDataset(f"{where}: row {1 + (row or 0)}: column {column}: {reason}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
