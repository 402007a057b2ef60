"""Cases: what a customer turned to after a moment, held out of a log to measure on."""

from collections.abc import Callable
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
    """What one customer turned to after a moment: the items that a ranker should list first.

    `customer` is an index into the log's customers, None for one whom the log does not know. The
    history is the customer's events before `before`, all of them where that is None. `now` is the
    moment in microseconds since 1970, None where the data has no time.
    """

    customer: int | None
    targets: tuple[Target, ...]
    before: Bound | None
    now: int | None


@dataclass(frozen=True)
class Split:
    """What training sees and the cases it is measured on.

    `meaning` says in words how the log was split; `window` is the start and end of the part held
    out (microseconds or sequence, end excluded), None where the protocol has none.
    """

    training: Log
    cases: tuple[Case, ...]
    meaning: str
    window: tuple[int, int] | None


# Is shown a log and how it was split before anything is learnt; may raise.
Inspect = Callable[[Log, Split], None]


def no_inspection(log: Log, split: Split) -> None:
    """Look at nothing."""


def of_known_customers(split: Split) -> Split:
    """Return `split` without cases of customers whom a sampled log does not know."""
    cases = tuple(case for case in split.cases if case.customer is not None)
    return replace(split, cases=cases)
