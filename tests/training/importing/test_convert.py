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
            "12",
            datetime(1970, 1, 1, 0, 0, 0, 12_000, UTC),
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
