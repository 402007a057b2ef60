"""A circuit breaker: after a failure, calls fail at once for a moment instead of waiting."""

import threading
import time

REST_SECONDS = 0.4  # how long nobody asks a database that did not answer


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

    def enter(self) -> bool:
        """Begin a call, which ends with `leave`; return whether it probes. `CircuitOpen`: no."""
        if not self._failing:
            return False
        if time.monotonic() < self._closed_until or not self._probing.acquire(blocking=False):
            raise CircuitOpen
        return True

    def leave(self, probing: bool, error: BaseException | None) -> None:
        """End a call, with the error that it ended with."""
        if isinstance(error, self._failures):
            self._closed_until = time.monotonic() + self._rest
            with self._counting:
                self.openings += not self._failing
                self._failing = True
        elif error is None and self._failing:
            self._failing = False
        if probing:
            self._probing.release()

    @property
    def failing(self) -> bool:
        """Tell whether the last call was not answered."""
        return self._failing
