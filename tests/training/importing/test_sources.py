"""Reading files of events that others wrote, damaged ones among them."""

import csv
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from tests.support.imports import ABOUT, EVENTS, HEADER, rejects, run


def test_an_open_quote_takes_no_other_row_with_it(tmp_path: Path) -> None:
    """Of a quote that is never closed only its own line is lost; a quoted newline is of its row."""
    text = HEADER + (
        '1,look,2026-01-01,"a\nb"\n2,look,2026-01-01,"a\n3,look,2026-01-01,c\n4,buy,2026-01-02,d\n'
    )
    _, dataset = run(tmp_path, ABOUT + EVENTS, {"events.csv": text})
    assert sorted(dataset.events["identifier"]) == ["3", "4"]
    assert [(row, reason) for _, row, _, reason in rejects(tmp_path)] == [
        (1, "control character"),
        (2, "unreadable fields, the header has 4"),
    ]


def test_formats_say_the_same(tmp_path: Path) -> None:
    """The same rows as CSV, JSON Lines and Parquet give the same dataset."""
    rows = [
        {"who": "1", "what": "look", "at": "2026-01-01T10:00:00", "thing": "a"},
        {"who": "2", "what": "buy", "at": "2026-01-01T11:00:00", "thing": None},
    ]
    frame = pl.DataFrame(rows)
    digests = set()
    for ending in ("csv", "jsonl", "parquet"):
        folder = tmp_path / ending
        folder.mkdir()
        if ending == "csv":
            frame.write_csv(folder / "events.csv")
        elif ending == "jsonl":
            frame.write_ndjson(folder / "events.jsonl")
        else:
            frame.with_columns(pl.col("at").str.to_datetime()).write_parquet(
                folder / "events.parquet"
            )
        _, dataset = run(folder, ABOUT + EVENTS, {})
        digests.add(dataset.metadata.digest)
    assert len(digests) == 1


def test_json_lines_that_are_none(tmp_path: Path) -> None:
    """A line that is not one JSON object is a reject."""
    text = '{"who":1,"what":"look","at":"2026-01-01","thing":"a"}\n{"who":\n[1]\n'
    _, dataset = run(tmp_path, ABOUT + EVENTS, {"events.jsonl": text})
    assert dataset.events["identifier"].to_list() == ["1"]
    assert [row for _, row, _, _ in rejects(tmp_path)] == [2, 3]


field = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            field,
            st.sampled_from(["look", "buy", "", "x"]),
            st.sampled_from(["2026-01-01", "2026-01-01 10:00", "no"]) | field,
            field,
        ),
        max_size=12,
    )
)
def test_every_row_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]]
) -> None:
    """Whatever a file holds, rows read = kept + skipped + repeated + rejected."""
    folder = tmp_path_factory.mktemp("any")
    with (folder / "events.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["who", "what", "at", "thing"])
        writer.writerow(["a0", "look", "2026-01-01", "a"])
        writer.writerows(rows)
    imported, dataset = run(folder, ABOUT + EVENTS, {})
    (tally,) = imported.rejects.tallies
    assert tally.read == 1 + len(rows)
    assert tally.kept == dataset.events.height
    assert tally.rejected == imported.rejects.rejected == len(rejects(folder))


@pytest.mark.parametrize("column", ["who", "what", "at", "thing"])
@pytest.mark.parametrize(
    "values",
    [
        [timedelta(1), timedelta(2)],
        [b"1", b"\xff"],
        [["x"], ["y"]],
        [{"a": 1}, {"a": 2}],
        pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2)),
    ],
    ids=["duration", "bytes", "list", "struct", "array"],
)
def test_a_column_of_no_text_is_told(tmp_path: Path, column: str, values: Sequence[Any]) -> None:
    """A Parquet column that can be neither text nor time is refused by its key and its type."""
    good = {name: ["1", "2"] for name in ("who", "what", "at", "thing")}
    pl.DataFrame({**good, column: values}).write_parquet(tmp_path / "events.parquet")
    key = {"who": "identifier", "what": "type", "at": "time", "thing": "item"}[column]
    told = rf"^events\[0\]\.{key}: column '{column}' holds .*, not text"
    with pytest.raises(BadInput, match=told):
        run(tmp_path, ABOUT + EVENTS, {})
