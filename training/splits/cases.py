"""Cases: what a customer turned to after a moment, held out of a log to measure on."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from training.log.event_log import Log
from training.log.order import Bound


class Target(NamedTuple):
    """An item that a customer turned to, and on which channel, where that is known."""

    item: str
    channel: str


@dataclass(frozen=True)
class Case:
    """One question with its answer: what a customer turned to after a moment.

    `customer` is a place in the log's customers, or None for somebody it does not know. `before`
    bounds the history; None means all of it. `now` is in microseconds, None where data has no time.
    """

    customer: int | None
    targets: tuple[Target, ...]
    before: Bound | None
    now: int | None


@dataclass(frozen=True)
class Split:
    """What training sees, the cases it is measured on, and in words how it was cut."""

    training: Log
    cases: tuple[Case, ...]
    meaning: str
    window: tuple[int, int] | None


def of_known_customers(split: Split) -> Split:
    """Return `parts` without cases of customers whom the log does not know: others of the data."""
    cases = tuple(case for case in split.cases if case.customer is not None)
    return replace(split, cases=cases)
