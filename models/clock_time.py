"""Units of time, and local time: zones by name, and windows of the day and the week in one.

All instants are microseconds since 1970 (UTC). What zones are comes from the system's time zone
data, or from the package `tzdata` without any.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

DAY = 86_400_000_000  # microseconds
MINUTE = 60_000_000  # microseconds
# The first and the last moment that calendars here know: of the years 1 and 9999.
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# These need no data, so that a machine without any decides by UTC all the same.
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "GMT", "Etc/GMT"})
# Beside the zones there are files for machines: their own zone, and zones that count leap seconds.
_NO_ZONES = ("localtime", "posixrules", "Factory", "posix/", "right/")


@lru_cache(1024)
def zone_named(name: str) -> tzinfo | None:
    """Return the time zone of that name ("Europe/Vienna"), or None where there is none."""
    if name in _UTC_NAMES:
        return UTC
    if name.startswith(_NO_ZONES):
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones; without data those of UTC alone."""
    found = (name for name in available_timezones() if not name.startswith(_NO_ZONES))
    return _UTC_NAMES.union(found)


def has_zone_data() -> bool:
    """Tell whether there is time zone data on this machine: without, UTC is the only zone."""
    return zone_named("Europe/London") is not None


def local(now: int, zone: tzinfo) -> datetime:
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
