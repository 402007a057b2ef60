"""Parquet tables of the canonical dataset, read and written by the declarations of models/dataset.

The only file that imports pyarrow, which is the extra `data`: a serving image does without it.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.clock_time import EARLIEST, LATEST
from models.domain.dataset import TABLES, Column, ColumnType
from models.domain.input.reasons import Refusal
from models.domain.input.times import time_fault
from models.errors import BadDataset

# Values of one row in the order of the declaration; timestamps are microseconds since 1970 (UTC).
Values = tuple[Any, ...]

_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "json": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "strings": pa.list_(pa.string()),
}


class Table:
    """One table of a dataset, checked against its declaration and held in memory.

    Strings that repeat are held once: an event takes about 100 bytes. Rows are numbered from 1 in
    messages and from 0 in arguments.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Read `name`.parquet of `directory`.

        A nullable column may be absent. Raises `BadDataset` naming file, row, column and reason for
        a file that is no Parquet, an unknown, missing or wrongly typed column, or a null where none
        is allowed.
        """
        self.path = table_path(directory, name)
        self._columns = TABLES[name]
        # Ids and JSON hardly ever repeat: a dictionary of them would only be in the way.
        repeat = {
            column.name
            for column in self._columns[1:]
            if column.type == "string" and column.name not in ("decision_id", "of_event", "receipt")
        }
        try:
            # Through an open file: given a path, pyarrow reads folder names as partitions.
            with self.path.open("rb") as file:
                present = set(pq.read_schema(file).names)
                file.seek(0)
                table = pq.ParquetFile(file, read_dictionary=sorted(repeat & present)).read()
        except FileNotFoundError:
            raise BadDataset(f"{self.path}: not found") from None
        except pa.ArrowException as error:
            raise BadDataset(f"{self.path}: not readable as Parquet: {error}") from None
        self._table = self._checked(table)
        # One Python string for each distinct value, instead of one for each row.
        self._words = {
            name: [*_only(column).dictionary.to_pylist(), None]
            for name, column in zip(self._table.column_names, self._table.columns, strict=True)
            if pa.types.is_dictionary(column.type)
        }

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._table.num_rows)

    def rows(self, start: int = 0, stop: int | None = None) -> list[Values]:
        """Return rows [start, stop), all by default."""
        length = None if stop is None else stop - start
        return self._values(self._table.slice(start, length))

    def take(self, indices: NDArray[np.int64]) -> list[Values]:
        """Return the rows at `indices`, in that order."""
        return self._values(self._table.take(pa.array(indices)))

    def distinct(self, *names: str) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
        """Return the distinct values of some string columns together, and which one each row has.

        The first array holds, for each row, an index into the second; the distinct values come in
        the order of their first row.
        """
        sizes, codes, values = [], [], []
        for name in names:
            column = self._table[name].cast(pa.string())
            part = _only(column).dictionary_encode()
            codes.append(part.indices.to_numpy(zero_copy_only=False).astype(np.int64))
            values.append(part.dictionary.to_pylist())
            sizes.append(max(len(values[-1]), 1))
        together = np.ravel_multi_index(codes, sizes)
        combined, first, inverse = np.unique(together, return_index=True, return_inverse=True)
        by_first = np.argsort(first)
        place = np.empty_like(by_first)
        place[by_first] = np.arange(len(by_first))
        parts = np.unravel_index(combined[by_first], sizes)
        distinct = [
            tuple(value[code] for value, code in zip(values, row, strict=True))
            for row in zip(*(part.tolist() for part in parts), strict=True)
        ]
        return place[inverse], distinct

    def integers(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return an integer or timestamp column, with 0 for null, and which rows are not null."""
        column = self._table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        numbers = pc.fill_null(column, 0).to_numpy().astype(np.int64)
        return numbers, pc.is_valid(column).to_numpy().astype(np.bool_)

    def floats(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return a column of numbers, with 0 for null, and which rows are not null."""
        column = self._table[name]
        numbers = pc.fill_null(column, 0.0).to_numpy().astype(np.float64)
        return numbers, self.given(name)

    def given(self, name: str, but: str = "") -> NDArray[np.bool_]:
        """Return which rows of a column are not null, and not `but` where that is given."""
        column = self._table[name]
        if but:
            column = pc.if_else(pc.equal(column, but), None, column)
        given: NDArray[np.bool_] = pc.is_valid(column).to_numpy().astype(np.bool_)
        return given

    def first_rows(self, name: str) -> Iterator[tuple[int, str]]:
        """Yield the distinct strings of a column, each with its first row."""
        column = _only(self._table[name].cast(pa.string())).dictionary_encode()
        codes = column.indices.drop_null().to_numpy(zero_copy_only=False)
        places = np.flatnonzero(self.given(name))[np.unique(codes, return_index=True)[1]]
        yield from zip(places.tolist(), column.dictionary.to_pylist(), strict=True)

    def refuse(self, bad: NDArray[np.bool_], column: str, reason: Callable[[int], str]) -> None:
        """Raise for the first row that is bad and for which there is a reason."""
        for row in np.flatnonzero(bad).tolist():
            if told := reason(row):
                raise self.error(row, column, told)

    def non_null(self, name: str) -> Iterator[tuple[int, Any]]:
        """Yield the row and the value wherever the column is not null."""
        column = self._table[name]
        rows = np.flatnonzero(pc.is_valid(column).to_numpy())
        yield from zip(rows.tolist(), column.drop_null().to_pylist(), strict=True)

    def error(self, row: int, column: str, reason: str) -> BadDataset:
        """Return the error that names this file, a row, a column and a reason."""
        return BadDataset(f"{self.path}: row {row + 1}: column {column}: {reason}")

    def _values(self, table: pa.Table) -> list[Values]:
        columns = [self._plain(name, table[name]) for name in table.column_names]
        return list(zip(*columns, strict=True))

    def _plain(self, name: str, column: pa.ChunkedArray) -> list[Any]:
        if column.null_count == len(column):
            return [None] * len(column)
        if name in self._words:
            words = self._words[name]
            codes = pc.fill_null(_only(column).indices, -1)
            return [words[code] for code in codes.to_pylist()]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        plain: list[Any] = column.to_pylist()
        return plain

    def _checked(self, table: pa.Table) -> pa.Table:
        unknown = sorted(set(table.column_names) - {column.name for column in self._columns})
        if unknown:
            raise BadDataset(f"{self.path}: column {unknown[0]}: not a column of this table")
        arrays = [self._checked_column(table, column) for column in self._columns]
        names = [column.name for column in self._columns]
        return pa.table(arrays, names=names).unify_dictionaries().combine_chunks()

    def _checked_column(self, table: pa.Table, column: Column) -> pa.ChunkedArray:
        expected = _TYPES[column.type]
        if column.name not in table.column_names:
            if column.nullable:
                return pa.chunked_array([pa.nulls(table.num_rows, expected)])
            raise BadDataset(f"{self.path}: column {column.name}: missing")
        array = table[column.name]
        if not _fits(array.type, expected):
            reason = f"is {array.type}, must be {expected}"
            raise BadDataset(f"{self.path}: column {column.name}: {reason}")
        if not column.nullable and array.null_count:
            row = int(pc.index(pc.is_null(array), pa.scalar(True)).as_py())
            raise self.error(row, column.name, Refusal.REQUIRED)
        self._check_texts(column.name, array)
        if pa.types.is_dictionary(array.type):
            return array.cast(pa.dictionary(pa.int32(), pa.string()))
        if not pa.types.is_timestamp(expected):
            return array.cast(expected)
        moments = array.cast(expected, safe=False)
        numbers = pc.fill_null(moments.cast(pa.int64()), 0)
        outside = pc.or_(pc.less(numbers, EARLIEST), pc.greater(numbers, LATEST))
        row = int(pc.index(outside, pa.scalar(True)).as_py())
        if row >= 0:
            raise self.error(row, column.name, time_fault(int(numbers[row].as_py())))
        return moments

    def _check_texts(self, name: str, array: pa.ChunkedArray) -> None:
        """Refuse texts that are not UTF-8, which some programs write and no reader looks at."""
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            for row, value in enumerate(array):
                try:
                    value.as_py()
                except UnicodeDecodeError:
                    raise self.error(row, name, "not UTF-8") from None
            raise BadDataset(f"{self.path}: column {name}: damaged") from None


class TableWriter:
    """Writes one table in batches; a context manager. The file is whole once it is closed."""

    def __init__(self, directory: Path, name: str) -> None:
        self.path = table_path(directory, name)
        self.rows = 0
        self._schema = pa.schema(
            [
                pa.field(column.name, _TYPES[column.type], nullable=column.nullable)
                for column in TABLES[name]
            ]
        )
        self._writer = pq.ParquetWriter(self.path, self._schema, compression="zstd")

    def write(self, rows: Sequence[Values]) -> None:
        """Append rows of values in the order of the declaration; each call is one row group."""
        if not rows:
            return
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self.rows += len(rows)

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()


def table_path(directory: Path, name: str) -> Path:
    """Return where a dataset has its table `name`."""
    return directory / f"{name}.parquet"


def _only(column: pa.ChunkedArray) -> pa.Array:
    """Return the one array of a column whose chunks were combined; of none where it is empty."""
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _fits(found: pa.DataType, expected: pa.DataType) -> bool:
    """Tell whether every value of type `found` is one of `wanted`, or keeps its microsecond."""
    if pa.types.is_null(found):
        return True
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_string(expected):
        return bool(
            pa.types.is_string(found)
            or pa.types.is_large_string(found)
            or pa.types.is_string_view(found)
        )
    if pa.types.is_list(expected):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        return bool(is_list and _fits(found.value_type, expected.value_type))
    if pa.types.is_timestamp(expected):
        return bool(pa.types.is_timestamp(found) and found.tz == "UTC")
    if pa.types.is_int64(expected):
        return bool(pa.types.is_integer(found) and found != pa.uint64())
    return bool(pa.types.is_floating(found) or pa.types.is_integer(found))
