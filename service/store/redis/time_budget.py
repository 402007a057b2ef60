"""How long a call of Redis may take: one bound over connecting, sending and all of the answer.

A socket's timeout is for one read of it, so an answer that trickles in byte by byte never times
out, and a call that must connect first may wait several times over. Here each wait gets only what
is left.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import redis
from redis.connection import DefaultParser

from service.store.database.time_limit import TimeLimit

_LEAST = 0.001  # seconds: a socket's timeout of 0 would mean something else


class TimeBudget(TimeLimit):
    """The time that the calling thread has for the call under way, within its limit for several."""

    _until = inf

    @contextmanager
    def share(self, parts: int) -> Iterator[None]:
        """Leave to the block one of so many parts of what is left of the call under way."""
        until = self._until
        now = time.monotonic()
        self._until = now + max(0.0, until - now) / parts
        try:
            yield
        finally:
            self._until = until

    @property
    def over(self) -> bool:
        """Tell whether nothing is left of the call under way."""
        return time.monotonic() >= self._until

    def begin(self, seconds: float) -> bool:
        """Begin a call of at most `seconds`; False when there is no time for it."""
        now = time.monotonic()
        self._until = min(now + seconds, self.until)
        return now < self._until

    def left_to_answer(self) -> float:
        """Return what is left of the call under way (seconds); raises `redis.TimeoutError`."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise redis.TimeoutError("no answer in time")
        return left

    def left_to_connect(self) -> float:
        """Return the same, or next to nothing: a raise would leave a socket open."""
        return max(_LEAST, self._until - time.monotonic())


def budgeted_connection(kind: type[Any], budget: TimeBudget) -> type[Any]:
    """Return a kind of connection that never waits for longer than `budget` leaves."""

    class Parser(DefaultParser):  # type: ignore[misc, valid-type]
        def read_from_socket(self, *args: Any, **kwargs: Any) -> Any:
            if self._sock is not None:
                self._sock.settimeout(budget.left_to_answer())
            return super().read_from_socket(*args, **kwargs)

    class Bounded(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, parser_class=Parser, **kwargs)

        @property
        def socket_connect_timeout(self) -> float:
            # Asked for again for each address that a host name has.
            return budget.left_to_connect()

        @socket_connect_timeout.setter
        def socket_connect_timeout(self, seconds: float) -> None:
            pass

        def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            if self._sock is not None:
                self._sock.settimeout(budget.left_to_answer())
            super().send_packed_command(*args, **kwargs)

    return Bounded
