"""Times that are true of the file and not of what happened."""

from datetime import timedelta

from tests.support.checked_data import NOW, START, checked, event, findings, shop
from training.checks.checked_dataset import CheckedDataset


def test_a_feed_of_days_is_told() -> None:
    """Purchases of which the day alone is known are told beside views that have a time."""
    rows = [
        row
        if row["type"] == "view"
        else row | {"time": row["time"].replace(hour=0, minute=0, second=0, microsecond=0)}
        for row in shop()
    ]
    found = findings(checked(rows))
    assert set(found) == {"time-day-only"}
    assert found["time-day-only"].what == "events of store purchase at midnight"
    assert found["time-day-only"].count == sum(row["type"] == "purchase" for row in rows)


def test_midnight_is_that_of_the_zone() -> None:
    """Days of a zone are midnights there, and no midnights elsewhere."""
    rows = [
        row | {"time": row["time"].replace(hour=5, minute=0, second=0, microsecond=0)}
        for row in shop()
    ]
    there = checked(rows, zone="America/New_York")
    assert findings(there)["time-day-only"].severity == "note"
    elsewhere = CheckedDataset(checked(rows).metadata, there.tables, NOW)
    assert "time-day-only" not in findings(elsewhere)


def test_one_moment_for_all_is_told() -> None:
    """The moment of a migration stands out by its customers; one long receipt does not."""
    moment = START + timedelta(days=20, hours=3)
    crowd = [event(at, at, time=moment) for at in range(60)]
    found = findings(checked([*shop(), *crowd]))
    assert set(found) == {"time-crowd"}
    assert found["time-crowd"].count == 60
    assert found["time-crowd"].example == "2026-01-25 03:00:00, 60 customers"
    receipt = [event(1, at, time=moment, item=f"I{at % 40:03}") for at in range(40)]
    assert findings(checked([*shop(), *receipt])) == {}


def test_mail_to_many_at_one_moment_is_no_crowd() -> None:
    """What was done to customers happens at one moment by right."""
    moment = START + timedelta(days=20, hours=3)
    mail = [event(at, at, time=moment, type="sent", channel="email") for at in range(80)]
    assert findings(checked([*shop(), *mail])) == {}
