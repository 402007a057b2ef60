"""The one clock of a server: what time it is, for every decision and every event."""

import time


class Clock:
    """Microseconds since 1970 (UTC). Started at `start`, it runs on from there."""

    def __init__(self, start: int | None = None) -> None:
        self.is_set = start is not None
        self._offset = 0 if start is None else start - _now()

    def now(self) -> int:
        """Return the time in microseconds."""
        return _now() + self._offset


def _now() -> int:
    return time.time_ns() // 1000
