"""Tables of a dataset: what is refused, with file, row, column and reason, and what is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import BadDataset
from service.dataset.parquet import Table, TableWriter

GOOD: dict[str, list[Any]] = {
    "namespace": ["loyalty", "loyalty", "crm"],
    "identifier": ["1", "2", "1"],
    "attributes": ["{}", "{}", "{}"],
}


def written(directory: Path, columns: dict[str, Any], name: str = "customers") -> Path:
    """Write a table as another program might."""
    pq.write_table(pa.table(columns), directory / f"{name}.parquet")
    return directory


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identifier": ["1", None, "3"]}, "row 2: column identifier: required"),
        ({"identifier": [1, 2, 3]}, "column identifier: is int64, must be string"),
        ({"identifier": None}, "column identifier: missing"),
        ({"segment": ["a", "b", "c"]}, "column segment: not a column of this table"),
    ],
)
def test_unfit_columns_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """A column that is unknown, missing, of another type or null says so, with its row."""
    columns = {name: values for name, values in {**GOOD, **change}.items() if values is not None}
    with pytest.raises(BadDataset) as caught:
        Table(written(tmp_path, columns), "customers")
    assert str(caught.value) == f"{tmp_path}/customers.parquet: {message}"


@pytest.mark.parametrize("moment", [1_770_000_000_000_000_000, -70_000_000_000_000_000])
def test_a_time_of_no_year_is_named(tmp_path: Path, moment: int) -> None:
    """A moment that no calendar knows, before the year 1 or after 9999, is refused with its row."""
    pair = {name: ["crm", "crm"] for name in ("namespace_a", "namespace_b", "asserted_by")}
    sides = {"identifier_a": ["1", "2"], "identifier_b": ["3", "4"]}
    times = pa.array([0, moment], pa.timestamp("us", "UTC"))
    with pytest.raises(BadDataset, match="row 2: column time: invalid timestamp; years 1 to 9999"):
        Table(written(tmp_path, {**pair, **sides, "time": times}, "links"), "links")


@pytest.mark.parametrize("make", [lambda array: array, pa.Array.dictionary_encode])
def test_a_text_that_is_not_utf_8_is_named(
    tmp_path: Path, make: Callable[[pa.Array], pa.Array]
) -> None:
    """Bytes that are no text are refused with their row before anything reads them."""
    raw = pa.array([b"1", b"\xff2", b"3"], pa.binary())
    spoilt = make(pa.Array.from_buffers(pa.string(), len(raw), raw.buffers()))
    for name in ("identifier", "attributes"):
        with pytest.raises(BadDataset, match=f"row 2: column {name}: not UTF-8"):
            Table(written(tmp_path, {**GOOD, name: spoilt}), "customers")


def test_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    """A file of another format is refused by name, as is one that is not there."""
    with pytest.raises(BadDataset, match=r"items\.parquet: not found"):
        Table(tmp_path, "items")
    (tmp_path / "items.parquet").write_text("item\n1\n")
    with pytest.raises(BadDataset, match=r"items\.parquet: not readable as Parquet"):
        Table(tmp_path, "items")


@pytest.mark.parametrize("string", [pa.string(), pa.large_string(), pa.string_view()])
def test_strings_of_every_kind_are_read(tmp_path: Path, string: pa.DataType) -> None:
    """Strings are strings, however the writer stored them, and distinct ones keep file order."""
    columns = {name: pa.array(values, string) for name, values in GOOD.items()}
    table = Table(written(tmp_path, columns), "customers")
    assert table.rows() == [
        ("loyalty", "1", "{}"),
        ("loyalty", "2", "{}"),
        ("crm", "1", "{}"),
    ]
    codes, distinct = table.distinct("namespace", "identifier")
    assert distinct == [("loyalty", "1"), ("loyalty", "2"), ("crm", "1")]
    assert codes.tolist() == [0, 1, 2]
    assert table.take(np.array([2, 0])) == [("crm", "1", "{}"), ("loyalty", "1", "{}")]


def test_batches_are_one_table(tmp_path: Path) -> None:
    """Rows written in several batches are read as one table, nulls and lists as they were."""
    terms = (9, "service", None, ["sport"], '{"web": null}', 3)
    rows = [
        ("o1", "T", ["a", "b"], None, 1, 2, None, None, "EUR", 5, None, ["web"], None, *terms),
        ("o2", None, ["a"], "{}", None, None, None, None, None, None, 7, *[None] * 8),
    ]
    with TableWriter(tmp_path, "offers") as writer:
        writer.write(rows[:1])
        writer.write([])
        writer.write(rows[1:])
    table = Table(tmp_path, "offers")
    assert table.rows() == rows
    assert table.rows(1, 2) == rows[1:]
    numbers, present = table.integers("valid_until")
    assert (numbers.tolist(), present.tolist()) == ([0, 7], [False, True])
    assert list(table.non_null("features")) == [(1, "{}")]


def test_empty_table_is_read(tmp_path: Path) -> None:
    """A table without rows is a table."""
    with TableWriter(tmp_path, "links"):
        pass
    table = Table(tmp_path, "links")
    assert (len(table), table.rows()) == (0, [])
    codes, distinct = table.distinct("namespace_a", "identifier_a")
    assert (codes.tolist(), distinct) == ([], [])
