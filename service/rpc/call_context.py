"""The context of a call as its handler sees it: bounded in time, and asked to give way.

Threads of one process share one interpreter. So work that can wait is done in small parts, and
between two of them lets those pass whom a customer waits for.
"""

import time
from typing import Any, cast

import grpc

from service.contract.errors import DeadlineTooShort
from service.rpc.admission import Bulkhead

LEAST_PART_SECONDS = 0.01  # that a part is thought to take


class CallContext:
    """The context that gRPC gave, but for a `time_remaining` of `longest` seconds at most."""

    def __init__(self, context: grpc.ServicerContext, bulkhead: Bulkhead, longest: float) -> None:
        self._context = context
        self._bulkhead = bulkhead
        self._until = time.monotonic() + longest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def time_remaining(self) -> float:
        """Return the seconds until nobody waits for the answer any more."""
        return min(self._context.time_remaining(), self._until - time.monotonic())

    def give_way(self) -> None:
        """Let what is more urgent pass, for a bounded time."""
        self._bulkhead.give_way()


def give_way(context: grpc.ServicerContext) -> None:
    """Let what is more urgent pass, if this call's kind is of those that can wait."""
    cast(CallContext, context).give_way()


def next_part(context: grpc.ServicerContext) -> None:
    """Give way; raises `DeadlineTooShort` when nobody waits for the answer any more."""
    give_way(context)
    if not context.is_active() or context.time_remaining() <= 0:
        raise DeadlineTooShort("deadline: too short")


class Parts:
    """Work on one call that is done in parts of much the same size, such as customers."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context
        self._begun = time.monotonic()
        self._longest = LEAST_PART_SECONDS

    def another(self) -> bool:
        """Give way; tell whether somebody waits who can be answered after a part more.

        That takes twice as long as the longest so far at most.
        """
        give_way(self._context)
        begun, self._begun = self._begun, time.monotonic()
        self._longest = max(self._longest, self._begun - begun)
        left = self._context.time_remaining()
        return self._context.is_active() and left >= 2 * self._longest
