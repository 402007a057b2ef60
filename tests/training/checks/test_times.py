"""Times that cannot be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.checked_data import NOW, START, checked, event, findings, shop
from training.checks import times


def test_a_clean_shop_is_silent() -> None:
    """A dataset in which nothing is wrong is told nothing of."""
    assert findings(checked(shop())) == {}


def test_times_of_long_ago_are_told() -> None:
    """A few times of 1970 among those of a shop are counted, with one of them."""
    old = datetime(1970, 1, 1, tzinfo=UTC)
    found = findings(checked([*shop(), *(event(at, 0, time=old) for at in range(3))]))
    assert set(found) == {"time-too-early"}
    assert found["time-too-early"].count == 3
    assert "1970-01-01" in found["time-too-early"].example


def test_times_after_the_present_are_told() -> None:
    """Times that are not yet are told, but not those of a clock that runs an hour ahead."""
    ahead, beyond = NOW + timedelta(hours=1), NOW + timedelta(days=400)
    assert "time-in-future" not in findings(checked([*shop(), event(1, 0, time=ahead)]))
    found = findings(checked([*shop(), event(1, 0, time=beyond), event(2, 0, time=ahead)]))
    assert found["time-in-future"].count == 1
    assert "2027-07-06" in found["time-in-future"].example


@pytest.mark.parametrize(("numerator", "denominator"), [(1, 1000), (1, 10**6), (1000, 1)])
def test_a_mistaken_unit_is_told_once(numerator: int, denominator: int) -> None:
    """Epochs read in a wrong unit are told as that, and not as early or late times as well."""
    dataset = checked(shop())
    epochs = dataset.events["time"].dt.epoch("us") * numerator // denominator
    misread = dataset.events.with_columns(epochs.cast(dataset.events["time"].dtype).alias("time"))
    found = findings(replace(dataset, tables={**dataset.tables, "events": misread}))
    assert "time-unit" in found
    assert not {"time-too-early", "time-in-future"} & set(found)
    assert found["time-unit"].count == misread.height


def test_events_beyond_a_long_silence_are_told() -> None:
    """Few events years before all others are told; a silence of a month inside the log is not."""
    before = START - timedelta(days=900)
    found = findings(checked([*shop(), event(1, 0, time=before), event(2, 1, time=before)]))
    assert found["time-far-off"].count == 2
    assert "silence of 900 days" in found["time-far-off"].what
    moved = START - timedelta(days=times.FAR_DAYS - 1)
    assert "time-far-off" not in findings(checked([*shop(), event(1, 0, time=moved)]))


def test_years_beyond_the_calendar_are_told_in_any_zone() -> None:
    """Milliseconds read as seconds, tens of thousands of years ahead, break no zone and no text."""
    dataset = checked(shop(), zone="Europe/Vienna")
    epochs = dataset.events["time"].dt.epoch("us") * 1000
    misread = dataset.events.with_columns(epochs.cast(dataset.events["time"].dtype).alias("time"))
    found = findings(replace(dataset, tables={**dataset.tables, "events": misread}))
    assert set(found) == {"time-unit"}
    assert found["time-unit"].example.startswith(("store purchase +5", "web view +5"))
