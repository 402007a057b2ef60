"""Times that come in: of the years 1 to 9999, and of events that happen now, near to now."""

from models.clock_time import DAY, EARLIEST, LATEST, MINUTE
from models.domain.input import limits
from models.domain.input.reasons import Refusal

NANOS = 10**9
MAX_AHEAD = limits.AHEAD_MINUTES * MINUTE
MAX_BEHIND = limits.BEHIND_DAYS * DAY
# Nothing that a customer did is as old; what seems to be is seconds that were read as microseconds.
EARLIEST_EVENT = 365 * DAY
_YEARS = f"{Refusal.INVALID_TIMESTAMP}; years 1 to 9999"
_BEFORE = f"{Refusal.INVALID_TIMESTAMP}; an event before 1971, is its unit right?"


def time_fault(at: int) -> str:
    """Return what is wrong with a moment in microseconds."""
    return "" if EARLIEST <= at <= LATEST else _YEARS


def nanos_fault(nanos: int) -> str:
    """Return what is wrong with the part of a moment that is below a second."""
    return "" if 0 <= nanos < NANOS else f"{Refusal.INVALID_TIMESTAMP}; nanos 0 to {NANOS - 1}"


def event_time_fault(at: int) -> str:
    """Return what is wrong with a moment (microseconds) at which something is said to happen."""
    return time_fault(at) or (_BEFORE if at < EARLIEST_EVENT else "")


def future_fault(at: int, now: int) -> str:
    """Return what is wrong with when something happened that is told `now` (microseconds)."""
    ahead = f"{Refusal.IN_THE_FUTURE}; max skew {limits.AHEAD_MINUTES * 60} s"
    return ahead if at > now + MAX_AHEAD else ""


def live_fault(at: int, now: int) -> str:
    """Return what is wrong with when something happened that is told as it happens, `now`."""
    late = f"{Refusal.TOO_OLD}; use throughline load"
    return future_fault(at, now) or (late if at < now - MAX_BEHIND else "")
