"""A circuit breaker: after a failure, calls fail at once for a moment instead of waiting."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

REST_SECONDS = 0.4  # how long nobody asks a database that did not answer

T = TypeVar("T")


class CircuitOpen(Exception):
    """The database has just failed to answer: the call was not tried."""


class CircuitBreaker:
    """Lets calls through while the last one was answered; then, after a rest, one to probe."""

    def __init__(self, failures: tuple[type[Exception], ...], rest: float = REST_SECONDS) -> None:
        """`failures` are the errors that say that there was no answer; `rest` in seconds."""
        self._failures = failures
        self._rest = rest
        self._failing = False
        self._closed_until = 0.0
        self._probing = threading.Lock()
        self._counting = threading.Lock()
        self.openings = 0  # times that calls began to fail

    def run(self, call: Callable[[], T]) -> T:
        """Return what `call` returns; raises what it raises. `CircuitOpen`: not called."""
        if not self._failing:
            return self._observed(call)
        if time.monotonic() < self._closed_until or not self._probing.acquire(blocking=False):
            raise CircuitOpen
        try:
            return self._observed(call)
        finally:
            self._probing.release()

    def _observed(self, call: Callable[[], T]) -> T:
        try:
            result = call()
        except self._failures:
            self._closed_until = time.monotonic() + self._rest
            with self._counting:
                self.openings += not self._failing
                self._failing = True
            raise
        self._failing = False
        return result
