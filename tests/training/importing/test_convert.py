"""Times and zones of other people's tables."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import BadDataset, BadInput
from tests.support.imports import ABOUT, EVENTS, HEADER, rejects, run


@pytest.mark.parametrize(
    ("zone", "extra", "written", "meant"),
    [
        ("America/New_York", "", "2017-07-01 12:00:00", datetime(2017, 7, 1, 16, tzinfo=UTC)),
        ("America/New_York", "", "2017-01-01", datetime(2017, 1, 1, 5, tzinfo=UTC)),
        ("America/New_York", "", "2017-01-01T12:00:00+01:00", datetime(2017, 1, 1, 11, tzinfo=UTC)),
        ("America/New_York", "", "2017-03-12T02:30:00", None),
        (
            "America/New_York",
            ', skipped_hour = "after"',
            "2017-03-12T02:30:00",
            datetime(2017, 3, 12, 7, 30, tzinfo=UTC),
        ),
        ("America/New_York", "", "2017-11-05T01:30:00", datetime(2017, 11, 5, 5, 30, tzinfo=UTC)),
        ("UTC", ', format = "epoch_seconds"', "1000000000", datetime.fromtimestamp(10**9, UTC)),
        (
            "UTC",
            ', format = "epoch_milliseconds"',
            "1000000000012",
            datetime(2001, 9, 9, 1, 46, 40, 12_000, UTC),
        ),
        ("UTC", ', format = "%d.%m.%Y"', "24.12.2025", datetime(2025, 12, 24, tzinfo=UTC)),
        ("UTC", ", plus_days = 1", "2025-12-31", datetime(2026, 1, 1, tzinfo=UTC)),
        ("UTC", "", "2025-13-31", None),
        ("UTC", "", "31/12/2025", datetime(2025, 12, 31, tzinfo=UTC)),
        ("UTC", ', format = "iso"', "31/12/2025", None),
        ("UTC", "", "03/04/2025", None),
        ("UTC", ', format = "epoch_seconds"', "1770000000000", None),
        ("UTC", ', format = "epoch_seconds"', "-70000000000", None),
    ],
)
def test_times(tmp_path: Path, zone: str, extra: str, written: str, meant: datetime | None) -> None:
    """A time is read in its zone, and one that does not exist is rejected, never invented."""
    mapping = (ABOUT + EVENTS).replace('"UTC"', f'"{zone}"')
    mapping = mapping.replace('time = "at"', f'time = {{ column = "at"{extra} }}')
    text = HEADER + f"1,look,{written},a\n"
    if meant is None:
        with pytest.raises(BadDataset, match="no event is left"):
            run(tmp_path, mapping, {"events.csv": text})
        assert [(row, column) for _, row, column, _ in rejects(tmp_path)] == [(1, "at")]
        return
    _, dataset = run(tmp_path, mapping, {"events.csv": text})
    assert dataset.events["time"].to_list() == [meant]


def test_naive_times_need_a_zone(tmp_path: Path) -> None:
    """Times without a zone are refused as long as nobody says which."""
    mapping = ABOUT.replace('zone = "UTC"\n', "") + EVENTS
    with pytest.raises(BadInput, match="zone"):
        run(tmp_path, mapping, {"events.csv": HEADER + "1,look,2026-01-01T10:00:00,a\n"})


@pytest.mark.parametrize("where", ["dataset", "field"])
@pytest.mark.parametrize("zone", ["america/new_york", "UTC-5", "CET+1"])
def test_a_zone_that_there_is_not(tmp_path: Path, where: str, zone: str) -> None:
    """A zone of the mapping that is none is told by its key, whether a time needs it or not."""
    mapping, key = (ABOUT + EVENTS).replace('"UTC"', f'"{zone}"'), "dataset.zone"
    if where == "field":
        said = f'time = {{ column = "at", zone = "{zone}" }}'
        mapping, key = (ABOUT + EVENTS).replace('time = "at"', said), "events[0].time.zone"
    with pytest.raises(BadInput, match="is not a time zone; ") as error:
        run(tmp_path, mapping, {"events.csv": HEADER + "1,look,2026-01-01T10:00:00Z,a\n"})
    assert error.value.field == key


def test_a_customer_of_no_zone_is_noted(tmp_path: Path) -> None:
    """A customer's time zone that is none is kept, and told in the report with the nearest."""
    people = """
[[customers]]
file = "people"
namespace.const = "user"
identifier = "id"
attributes = { time_zone = "zone" }
"""
    files = {
        "events.csv": HEADER + "1,look,2026-01-01T10:00:00Z,a\n",
        "people.csv": "id,zone\n1,america/new_york\n2,Europe/Vienna\n",
    }
    imported, _ = run(tmp_path, ABOUT + EVENTS + people, files)
    assert imported.rejects.notes[0] == (
        "1 rows with time_zone 'america/new_york': not a time zone; did you mean America/New_York?"
    )
