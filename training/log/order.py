"""The order of a log's events, by time or by sequence, and whether it is one over customers."""

from typing import NamedTuple

from models.domain.events import Event
from training.log.event_log import Log


class Bound(NamedTuple):
    """A place in time or sequence; events with a smaller (rank, at) come before it."""

    rank: int
    at: int


def bound_of(event: Event) -> Bound:
    """Return the place of an event in time or sequence, ties included."""
    if event.time is not None:
        return Bound(1, event.time)
    return Bound(0, event.sequence or 0)


def is_dated(event: Event) -> bool:
    """Tell whether an event has a time or a sequence."""
    return event.time is not None or event.sequence is not None


def ordered_across_customers(log: Log) -> bool:
    """Tell whether the events of different customers can be put into one order."""
    return log.metadata.kind == "timed" or log.metadata.order_over == "dataset"
