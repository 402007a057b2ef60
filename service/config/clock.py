"""The one clock of a server: what time it is, for every decision and every event."""

import time


class Clock:
    """Microseconds since 1970 (UTC). Started at `start`, it runs on from there.

    `offset` is how far it then is from the real time; None when it is the real time.
    """

    def __init__(self, start: int | None = None) -> None:
        self.offset = None if start is None else start - _now()

    @classmethod
    def shifted(cls, offset: int | None) -> "Clock":
        """Return a clock that agrees with another one of this offset, in whatever process."""
        clock = cls()
        clock.offset = offset
        return clock

    @property
    def is_set(self) -> bool:
        """Tell whether it shows another time than the real one."""
        return self.offset is not None

    def now(self) -> int:
        """Return the time in microseconds."""
        return _now() + (self.offset or 0)


def _now() -> int:
    return time.time_ns() // 1000
