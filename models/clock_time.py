"""Units of time, and local time: zones by name, and windows of the day and the week in one.

All instants are microseconds since 1970 (UTC). What zones are comes from the system's time zone
data, or from the package `tzdata` without any.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 86_400_000_000  # microseconds
MINUTE = 60_000_000  # microseconds
# The first and the last moment that calendars here know: of the years 1 and 9999.
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(1024)
def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone of that name ("Europe/Vienna"), or None where there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def local(now: int, zone: ZoneInfo) -> datetime:
    """Return a moment (microseconds) as the clock on the wall shows it in `zone`."""
    return (_EPOCH + timedelta(microseconds=now)).astimezone(zone)


def within(moment: datetime, start: str, end: str, weekdays: tuple[int, ...] = ()) -> bool:
    """Tell whether a local time is in [start, end) ("21:00") of one of `weekdays` (1 to 7).

    No start is midnight, no end the midnight after; no weekdays are all. A window with `start` >
    `end` goes over midnight, and all of it belongs to the day on which it starts.
    """
    clock, day = moment.strftime("%H:%M"), moment.isoweekday()
    if start <= end or not end:
        inside = start <= clock and (not end or clock < end)
    else:
        inside = clock >= start or clock < end
        if clock < end:
            day = day - 1 or 7
    return inside and (not weekdays or day in weekdays)
