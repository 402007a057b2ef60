"""How long the calls of a thread may take together, whatever they wait for."""

import threading
import time
from contextlib import AbstractContextManager
from math import inf


class TimeLimit(threading.local):
    """The time that the calling thread has; limits nest, and the earliest counts."""

    until = inf  # by the monotonic clock

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Limit what this thread does in the block to so many seconds."""
        return _Block(self, min(self.until, time.monotonic() + seconds))

    def left(self) -> float:
        """Return the seconds that are left, at least 0; `inf` without a limit."""
        return inf if self.until == inf else max(0.0, self.until - time.monotonic())


class _Block:
    def __init__(self, limit: TimeLimit, until: float) -> None:
        self._limit = limit
        self._until = until

    def __enter__(self) -> None:
        self._before, self._limit.until = self._limit.until, self._until

    def __exit__(self, *error: object) -> None:
        self._limit.until = self._before
