"""A customer's zone, and windows of time in it: calendar days, weeks and months, and quiet hours.

All instants are microseconds since 1970 (UTC). A window is half-open: it holds its start and not
its end. A calendar window runs from local midnight to local midnight, so that a day on which clocks
change has 23 or 25 hours; where midnight comes twice the first one counts, and where it is skipped
it is where it would have been without the change.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from models.clock_time import DAY, local, within, zone_named
from models.domain.view import View
from models.policy.schema import Contact, QuietHours

Calendar = Literal["day", "week", "month"]

_SECOND = 1_000_000
_DAY_MINUTES = 24 * 60
_SEARCHED = 8 * DAY  # quiet hours repeat weekly: what is not over by then never is


def zone_of(view: View, contact: Contact) -> tzinfo:
    """Return the zone of a customer: as their attribute says, else the policy's."""
    said = view.attributes.get(contact.zone_attribute, "")
    zone = zone_named(said) if said else None
    return zone or zone_named(contact.zone) or UTC


def window_of(at: int, calendar: Calendar, zone: tzinfo) -> tuple[int, int]:
    """Return start and end of the calendar window that holds the instant `at`."""
    windows = _windows_about(local(at, zone).date(), calendar, zone)
    return next((start, end) for start, end in windows if start <= at < end)


@lru_cache(1024)
def _windows_about(day: date, calendar: Calendar, zone: tzinfo) -> list[tuple[int, int]]:
    """Return the windows that can hold an instant of a local day.

    A change of clocks about midnight can leave it in the window before, or after.
    """
    first = _first_day(day, calendar)
    second = _after(first, calendar)
    days = (_before(first, calendar), first, second, _after(second, calendar))
    return list(pairwise(_instant(day, 0, zone) for day in days))


def quiet_at(hours: QuietHours, at: int, zone: tzinfo) -> bool:
    """Tell whether `hours` hold at an instant."""
    return within(local(at, zone), hours.start, hours.end, hours.weekdays)


def quiet_until(hours: Sequence[QuietHours], at: int, zone: tzinfo) -> int | None:
    """Return the first instant from `at` on when none of `hours` hold, None if there is none."""
    last = at + _SEARCHED
    while at < last:
        holding = [one for one in hours if quiet_at(one, at, zone)]
        if not holding:
            return at
        at = max(_holds_until(one, at, zone) for one in holding)
    return None


def _holds_until(hours: QuietHours, at: int, zone: tzinfo) -> int:
    """Return an instant up to which `hours`, which hold at `at`, go on without a break."""
    moment = local(at, zone)
    hour, minute = hours.end.split(":") if hours.end else ("24", "0")
    end = int(hour) * 60 + int(minute)
    day = moment.date()
    if end <= moment.hour * 60 + moment.minute:
        day += timedelta(days=1)
    ends = [_instant(day, end, zone, fold) for fold in (0, 1)]
    return _same_offset_until(at, next(end for end in ends if end > at), zone)


def _same_offset_until(since: int, until: int, zone: tzinfo) -> int:
    """Return the instant after `since` at which clocks change, or `until` if they do not before."""
    offset = local(since, zone).utcoffset()
    if local(until, zone).utcoffset() == offset:
        return until
    low, high = since // _SECOND, until // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if local(middle * _SECOND, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high * _SECOND


def _instant(day: date, minutes: int, zone: tzinfo, fold: int = 0) -> int:
    """Return the instant of a local time, `minutes` after midnight."""
    days, minutes = divmod(minutes, _DAY_MINUTES)
    clock = time(minutes // 60, minutes % 60, tzinfo=zone, fold=fold)
    moment = datetime.combine(day + timedelta(days=days), clock)
    return int(moment.timestamp()) * _SECOND


def _first_day(day: date, calendar: Calendar) -> date:
    if calendar == "day":
        return day
    if calendar == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1)


def _after(first: date, calendar: Calendar) -> date:
    if calendar == "day":
        return first + timedelta(days=1)
    if calendar == "week":
        return first + timedelta(days=7)
    return (first + timedelta(days=31)).replace(day=1)


def _before(first: date, calendar: Calendar) -> date:
    return _first_day(first - timedelta(days=1), calendar)
