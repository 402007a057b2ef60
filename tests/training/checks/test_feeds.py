"""Feeds that fell silent."""

from datetime import timedelta

import numpy as np
import pytest

from tests.support.checked_data import DAYS, START, Rows, checked, event, findings, shop
from training.checks.feeds import silences


def without(rows: Rows, first: int, last: int, **feed: str) -> Rows:
    """Return the events without those of a feed on the days from `first` up to `last`."""
    return [
        row
        for row in rows
        if not first <= (row["time"] - START).days < last
        or any(row[name] != value for name, value in feed.items())
    ]


@pytest.mark.parametrize(
    ("feed", "name"),
    [({}, "the whole log"), ({"channel": "web"}, "web"), ({"type": "purchase"}, "store")],
)
def test_a_gap_is_told_of_the_widest_feed(feed: dict[str, str], name: str) -> None:
    """Ten days without events of a feed that had some daily are told once, with the days."""
    found = findings(checked(without(shop(), 30, 40, **feed)))
    assert set(found) == {"feed-gap"}
    assert found["feed-gap"].what == f"days without events of {name}"
    assert (found["feed-gap"].count, found["feed-gap"].example) == (10, "2026-02-04 to 2026-02-13")


def test_a_gap_of_one_type_names_the_type() -> None:
    """Where the other types of a channel go on, the silence is that of one type."""
    rows = [*shop(), *(event(1, day * 1440 + 60, channel="web") for day in range(DAYS))]
    found = findings(checked(without(rows, 30, 40, channel="web", type="view")))
    assert found["feed-gap"].what == "days without events of web view"


def test_a_feed_that_ends_before_the_log_is_told() -> None:
    """A channel without events over the last days is told; one late stray moves no end."""
    found = findings(checked(without(shop(), 50, DAYS, channel="web")))
    assert set(found) == {"feed-stops"}
    assert found["feed-stops"].what == "days without events of web, to the end"
    assert found["feed-stops"].count == 10
    late = event(1, 0, time=START + timedelta(days=DAYS + 12))
    assert "feed-stops" not in findings(checked([*shop(), late]))


@pytest.mark.parametrize("type_", ["sent", "impression", "click"])
def test_campaigns_come_and_go(type_: str) -> None:
    """Contacts and responses that stop, or pause, are no feeds that broke."""
    for days in (range(30), [*range(25), *range(40, DAYS)]):
        mail = [event(at, day * 1440 + at, type=type_) for day in days for at in range(3)]
        assert findings(checked([*shop(), *mail])) == {}


def test_what_is_usual_surprises_nobody() -> None:
    """Shut Sundays, mail twice a month, a feast and a trial before the start are no gaps."""
    days = np.arange(20_000, 20_200)
    assert not list(silences(days[days % 7 != 3], 20_199))
    assert not list(silences(days[days % 14 == 0], 20_199))
    assert not list(silences(days[(days < 20_100) | (days >= 20_103)], 20_199))
    assert not list(silences(np.concatenate(([19_900], days)), 20_199))
    (found,) = silences(days[(days < 20_100) | (days >= 20_106)], 20_199)
    assert found == (20_100, 20_106, False)
