"""Parquet files of the types that people's tools write."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import BadDataset
from tests.support.imports import ABOUT, EVENTS, rejects, run

NOON = datetime(2026, 1, 2, 12)


def events(folder: Path, **columns: pa.Array) -> list[tuple[str, datetime, str]]:
    """Import one event of these columns, and return who, when and what."""
    good = {"who": pa.array(["1"]), "what": pa.array(["look"]), "thing": pa.array(["a"])}
    at = {"at": pa.array(["2026-01-02T12:00:00Z"])}
    pq.write_table(pa.table(good | at | columns), folder / "events.parquet")
    _, dataset = run(folder, ABOUT + EVENTS, {})
    return dataset.events.select("identifier", "time", "item").rows()


@pytest.mark.parametrize(
    "made",
    [
        lambda: pa.array([NOON], pa.timestamp("s")),
        lambda: pa.array([NOON], pa.timestamp("ms", "UTC")),
        lambda: pa.array([NOON], pa.timestamp("ns", "+00:00")),
        lambda: pa.array([NOON.replace(tzinfo=UTC)], pa.timestamp("us", "Asia/Kathmandu")),
        lambda: pa.array([NOON], pa.timestamp("ns")).dictionary_encode(),
        lambda: pa.array(["2026-01-02 12:00"], pa.large_string()).dictionary_encode(),
        lambda: pa.array([1_767_355_200], pa.int64()),
        lambda: pa.array([1_767_355_200_000], pa.uint64()),
        lambda: pa.array([Decimal("1767355200.000")], pa.decimal128(20, 3)),
        lambda: pa.array([1_767_355_200.0], pa.float64()),
    ],
)
def test_an_instant_of_any_type_is_itself(tmp_path: Path, made: Callable[[], pa.Array]) -> None:
    """Timestamps of any unit and zone, texts and numbers of an instant are that instant."""
    assert events(tmp_path, at=made()) == [("1", NOON.replace(tzinfo=UTC), "a")]


def spoilt(*values: bytes) -> pa.Array:
    """Return texts that nobody has looked at."""
    raw = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


@pytest.mark.parametrize("make", [lambda array: array, pa.Array.dictionary_encode])
@pytest.mark.parametrize("value", [b"u\xff", b"\xed\xa0\x80"])
def test_texts_that_are_not_utf_8_are_told_by_their_row(
    tmp_path: Path, value: bytes, make: Callable[[pa.Array], pa.Array]
) -> None:
    """Bytes of another encoding, or half a surrogate pair, stop the import or reject their row."""
    two = {"who": pa.array(["1", "2"]), "what": pa.array(["look"] * 2)}
    two["at"] = pa.array(["2026-01-02T12:00:00Z"] * 2)
    two["thing"] = make(spoilt(b"a", value))
    pq.write_table(pa.table(two), tmp_path / "events.parquet")
    (tmp_path / "stopped").mkdir()
    pq.write_table(pa.table(two), tmp_path / "stopped" / "events.parquet")
    with pytest.raises(BadDataset, match=r"events\.parquet: row 2, column thing: not UTF-8; leave"):
        run(tmp_path / "stopped", ABOUT + EVENTS, {})
    lenient = EVENTS.replace("[[events]]", '[[events]]\nread = { undecodable = "reject" }')
    _, dataset = run(tmp_path, ABOUT + lenient, {})
    assert dataset.events["item"].to_list() == ["a"]
    assert rejects(tmp_path) == [("events.parquet", 2, "thing", "not utf-8")]


def test_dates_are_the_beginning_of_the_day(tmp_path: Path) -> None:
    """A date of either width is its first moment."""
    for kind in (pa.date32(), pa.date64()):
        folder = tmp_path / str(kind)
        folder.mkdir()
        ((_, moment, _),) = events(folder, at=pa.array([date(2026, 1, 2)], kind))
        assert moment == datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: pa.array(["x"], pa.large_string()), "x"),
        (lambda: pa.array(["x"]).dictionary_encode(), "x"),
        (lambda: pa.array([7], pa.int8()), "7"),
        (lambda: pa.array([7], pa.uint64()), "7"),
        (lambda: pa.array([7.0], pa.float32()), "7"),
        (lambda: pa.array([Decimal("7.10")], pa.decimal256(40, 2)), "7.10"),
        (lambda: pa.array([True]), "true"),
        (lambda: pa.array([time(9, 30)], pa.time32("ms")), "09:30:00.000"),
    ],
)
def test_an_item_of_any_type_is_text(
    tmp_path: Path, made: Callable[[], pa.Array], text: str
) -> None:
    """Texts, numbers, decimals, truths and times of day name an item as they are written."""
    assert events(tmp_path, thing=made())[0][2] == text


@pytest.mark.parametrize(
    "made",
    [
        lambda: pa.array([10**9], pa.duration("ns")),
        lambda: pa.array([10**6], pa.duration("us")),
        lambda: pa.array([b"\xff"], pa.binary(1)),
        lambda: pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        lambda: pa.array([None], pa.null()),
        lambda: pa.array([2**62], pa.timestamp("ns", "Europe/Vienna")),
    ],
)
def test_what_is_not_used_does_not_matter(tmp_path: Path, made: Callable[[], pa.Array]) -> None:
    """A column of a strange type that the mapping does not name stops nothing."""
    assert len(events(tmp_path, other=made())) == 1


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """What is no Parquet is refused in one line with the file."""
    (tmp_path / "events.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BadDataset, match=r"events\.parquet: "):
        run(tmp_path, ABOUT + EVENTS, {})
