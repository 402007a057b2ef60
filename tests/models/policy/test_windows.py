"""Windows: calendar days, weeks and months where clocks change, and the end of quiet hours."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.clock_time import local
from models.policy.schema import QuietHours
from models.policy.windows import Calendar, quiet_at, quiet_until, window_of

HOUR = 3_600_000_000
MINUTE = 60_000_000
# The midnights of Havana come twice or never, and St John's put the clock back at 00:01.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
]
SINCE = 1_161_999_960_000_000  # 2006-10-28: the moments drawn lie in the two years after
INSTANTS = st.integers(0, 2 * 366 * 24 * 60).map(lambda step: SINCE + step * MINUTE)


def at(zone: str, *when: int, fold: int = 0) -> int:
    """Return the instant of a local time."""
    moment = datetime(*when, tzinfo=ZoneInfo(zone), fold=fold)  # type: ignore[arg-type,misc]
    return int(moment.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2024, 3, 31), 23),
        ("Europe/Berlin", (2024, 10, 27), 25),
        ("Europe/Berlin", (2024, 10, 28), 24),
        ("America/Sao_Paulo", (2018, 11, 4), 23),
        ("America/Sao_Paulo", (2018, 2, 17), 25),
        ("America/Havana", (2024, 11, 3), 25),
        ("Australia/Lord_Howe", (2024, 10, 6), 23.5),
        ("Pacific/Apia", (2011, 12, 29), 24),
    ],
)
def test_a_day_is_as_long_as_clocks_make_it(
    zone: str, day: tuple[int, int, int], hours: float
) -> None:
    """A calendar day runs from local midnight to the next, of 23 to 25 hours."""
    start, end = window_of(at(zone, *day, 12), "day", ZoneInfo(zone))
    assert (end - start) / HOUR == hours
    assert window_of(end, "day", ZoneInfo(zone))[0] == end
    assert window_of(end - 1, "day", ZoneInfo(zone)) == (start, end)


@given(
    instant=INSTANTS,
    zone=st.sampled_from(ZONES),
    calendar=st.sampled_from(["day", "week", "month"]),
)
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_windows_follow_on_one_another(instant: int, zone: str, calendar: Calendar) -> None:
    """Each instant is in one window, which ends where the next begins, on the right local day."""
    place = ZoneInfo(zone)
    start, end = window_of(instant, calendar, place)
    assert start <= instant < end
    assert window_of(start, calendar, place) == (start, end)
    assert window_of(end, calendar, place)[0] == end
    noon = local(start + 12 * HOUR, place).date()
    middle = local(instant, place).date()
    if calendar == "week":
        assert noon.weekday() == 0
        assert abs((middle - noon).days) <= 7
    elif calendar == "month":
        assert noon.day == 1
    else:
        assert abs(middle - noon) <= timedelta(days=1)


@given(
    instant=INSTANTS,
    zone=st.sampled_from(ZONES),
    clocks=st.lists(
        st.tuples(st.integers(0, 47), st.integers(0, 47)).filter(lambda pair: pair[0] != pair[1]),
        min_size=1,
        max_size=2,
    ),
    weekdays=st.sampled_from([(), (1, 2, 3), (6, 7)]),
)
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_quiet_hours_end_when_they_say(
    instant: int, zone: str, clocks: list[tuple[int, int]], weekdays: tuple[int, ...]
) -> None:
    """The end told is the first minute at which none of the quiet hours hold."""
    place = ZoneInfo(zone)
    hours = [
        QuietHours(name="q", channels=("sms",), start=_clock(a), end=_clock(b), weekdays=weekdays)
        for a, b in clocks
    ]
    end = quiet_until(hours, instant, place)
    found = instant
    while found < instant + 8 * 24 * HOUR and any(quiet_at(one, found, place) for one in hours):
        found += MINUTE
    if end is None:
        assert found >= instant + 8 * 24 * HOUR
    else:
        assert end == found
        assert end == instant or any(quiet_at(one, end - 1, place) for one in hours)


def test_a_night_belongs_to_the_day_it_starts_on() -> None:
    """Quiet hours of Friday go on until Saturday morning, and are not those of Friday morning."""
    night = QuietHours(name="n", channels=("sms",), start="21:00", end="08:00", weekdays=(5,))
    zone = "Europe/Berlin"
    place = ZoneInfo(zone)
    quiet = [at(zone, 2024, 5, 3, 21), at(zone, 2024, 5, 4, 7, 59)]
    loud = [at(zone, 2024, 5, 3, 7), at(zone, 2024, 5, 4, 8), at(zone, 2024, 5, 4, 21)]
    assert all(quiet_at(night, instant, place) for instant in quiet)
    assert not any(quiet_at(night, instant, place) for instant in loud)
    assert quiet_until([night], quiet[0], place) == at(zone, 2024, 5, 4, 8)


def _clock(halves: int) -> str:
    return f"{halves // 2:02}:{30 * (halves % 2):02}"
