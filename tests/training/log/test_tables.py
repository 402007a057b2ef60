"""The canonical dataset as training reads and writes it."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from models.domain.dataset import TABLES, Metadata, read_metadata
from models.errors import BadDataset
from training.log.dataset import empty, read_dataset, write_dataset

TIMED = Metadata(kind="timed", source="test")


def events(**columns: object) -> pl.DataFrame:
    """Two events, with other columns where given."""
    rows = {
        "event_id": ["a", "b"],
        "namespace": ["user", "user"],
        "identifier": ["1", "2"],
        "type": ["view", "purchase"],
        "channel": ["web", "till"],
        "time": [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)],
        "item": ["x", None],
        **columns,
    }
    frame = pl.DataFrame(rows)
    return frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


def items() -> pl.DataFrame:
    """Two items."""
    return pl.DataFrame({"item": ["x", "y"], "features": ['{"brand":"b"}', None]})


def write(directory: Path, frame: pl.DataFrame, metadata: Metadata = TIMED) -> Path:
    """Write a dataset of `frame` and two items."""
    write_dataset(directory, {"events": frame, "items": items()}, metadata)
    return directory


def test_round_trip(tmp_path: Path) -> None:
    """What is written is read again, with every declared column, rows and digests filled in."""
    dataset = read_dataset(write(tmp_path / "d", events()))
    assert dataset.events.columns == [column.name for column in TABLES["events"]]
    assert dataset.events["item"].to_list() == ["x", None]
    assert dataset.metadata.rows == {"events": 2, "items": 2}
    assert set(dataset.metadata.digests) == {"events", "items"}


def test_equal_tables_are_equal_bytes(tmp_path: Path) -> None:
    """The same tables written twice give the same files."""
    first, second = (write(tmp_path / name, events()) for name in ("a", "b"))
    for file in ("events.parquet", "items.parquet", "dataset.json"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_a_full_directory_is_not_touched(tmp_path: Path) -> None:
    """Writing where something is already raises and changes nothing."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mine").write_text("mine")
    with pytest.raises(FileExistsError):
        write(tmp_path / "d", events())
    assert [path.name for path in tmp_path.rglob("*")] == ["d", "mine"]


def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    """A table that is not as declared leaves no directory behind."""
    with pytest.raises(BadDataset):
        write(tmp_path / "d", events(type=["view", "unheard_of"]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (events(type=["view", "unheard_of"]), "row 2: column type: unknown; one of accept"),
        (events(identifier=[None, "2"]), "row 1: column identifier: required"),
        (events(quantity=["one", "2"]), "column quantity: is String, must be Float64"),
        (events(colour=["red", "blue"]), "column colour: not one of the columns of events"),
        (events(time=[None, datetime(2026, 1, 1, tzinfo=UTC)]), "row 1: column time: missing"),
        (events(attributes=["{}", "[1]"]), "row 2: column attributes: "),
        (events().drop("channel"), "column channel: missing"),
    ],
)
def test_bad_tables_name_row_column_and_reason(
    tmp_path: Path, frame: pl.DataFrame, reason: str
) -> None:
    """What is wrong with a table is said in one line with row, column and reason."""
    with pytest.raises(BadDataset) as error:
        write(tmp_path / "d", frame)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_an_offer_needs_an_item(tmp_path: Path) -> None:
    """An offer over no item, or over a null, is refused."""
    for bad in ([], [None]):
        offers = pl.DataFrame(
            {"offer": ["o"], "items": [bad]},
            schema={"offer": pl.String(), "items": pl.List(pl.String())},
        )
        tables = {"events": events(), "items": items(), "offers": offers}
        with pytest.raises(BadDataset, match="row 1: column items"):
            write_dataset(tmp_path / "d", tables, TIMED)


def test_an_item_is_named_once(tmp_path: Path) -> None:
    """A second row about the same item is refused."""
    twice = pl.concat([items(), items()])
    with pytest.raises(BadDataset, match="row 3: column item"):
        write_dataset(tmp_path / "d", {"events": events(), "items": twice}, TIMED)


@pytest.mark.parametrize("kind", ["undated", "ordered"])
def test_kind_and_times_agree(tmp_path: Path, kind: str) -> None:
    """A dataset without time holds no times."""
    frame = events(sequence=[1, 2])
    metadata = Metadata(kind="ordered" if kind == "ordered" else "undated", source="test")
    with pytest.raises(BadDataset, match="column time: set in"):
        write(tmp_path / "d", frame, metadata)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A table that is not the one that was written is refused by its digest."""
    path = write(tmp_path / "d", events())
    events(item=["y", "y"]).write_parquet(path / "events.parquet")
    with pytest.raises(BadDataset, match=r"events\.parquet: changed"):
        read_dataset(path)


def test_required_tables_must_be_there(tmp_path: Path) -> None:
    """A dataset without its events is refused, one without links is not."""
    path = write(tmp_path / "d", events())
    assert "links" not in read_dataset(path).tables
    (path / "events.parquet").unlink()
    with pytest.raises(BadDataset, match=r"events\.parquet: not found"):
        read_dataset(path)


def test_extras_lie_beside_the_tables(tmp_path: Path) -> None:
    """Files beside the tables are written with them and are not part of the digest."""
    tables = {"events": events(), "items": items()}
    extras: dict[str, bytes | pl.DataFrame] = {
        "truth.json": b"{}",
        "truth.parquet": pl.DataFrame({"customer": ["user:1"]}),
    }
    write_dataset(tmp_path / "d", tables, TIMED, extras)
    assert (tmp_path / "d" / "truth.json").read_bytes() == b"{}"
    assert set(read_metadata(tmp_path / "d").digests) == {"events", "items"}


def test_narrower_columns_widen(tmp_path: Path) -> None:
    """Whole numbers and milliseconds of another writer are taken, text for numbers is not."""
    frame = events(quantity=[1, 2]).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))
    read = read_dataset(write(tmp_path / "d", frame)).events
    assert read["quantity"].to_list() == [1.0, 2.0]
    assert read.schema == empty("events").schema
