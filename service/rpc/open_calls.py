"""Calls that stay open without work: streams, and requests that are still on their way.

They are bounded in number and in time. A caller who opens streams and leaves them, or sends a
request a byte at a time, has its calls ended instead of holding on to what others wait for.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

from service.contract.errors import Draining, Overloaded
from service.contract.status import grpc_status

Behaviour = Callable[..., Any]


class OpenCalls:
    """The open calls of one kind; at most `limit` at once, each for at most `seconds`."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        # Each with when it is to end, and what sends its next answer if it is one that never
        # blocks.
        self._open: dict[grpc.ServicerContext, tuple[float, Behaviour | None]] = {}
        self._lock = threading.Lock()

    def enter(self, context: grpc.ServicerContext, send: Behaviour | None = None) -> None:
        """Count a call until it ends or `leave`; raises `Overloaded` beyond the limit."""
        with self._lock:
            if len(self._open) >= self._limit:
                raise Overloaded
            self._open[context] = time.monotonic() + self._seconds, send

    def leave(self, context: grpc.ServicerContext) -> None:
        """Count it no more; nothing if it is not counted."""
        with self._lock:
            self._open.pop(context, None)

    def end_overdue(self) -> None:
        """Cancel what has been open for too long."""
        now = time.monotonic()
        with self._lock:
            overdue = [context for context, (until, _) in self._open.items() if until <= now]
        for context in overdue:
            context.cancel()

    def end_all(self) -> None:
        """End all that are open now, as by a server that drains."""
        status = grpc_status(Draining())
        with self._lock:
            open_now = [(context, send) for context, (_, send) in self._open.items()]
        for context, send in open_now:
            if send is None:
                context.cancel()
                continue
            context.set_code(status.code)
            context.set_details(status.details)
            context.set_trailing_metadata(status.trailing_metadata)
            send(None)
