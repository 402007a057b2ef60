"""How a store has fared in this process, in numbers: what the metrics are made of."""

import threading
from collections.abc import Mapping
from typing import NamedTuple

NO_ANSWER = "no_answer"  # it did not answer in time, or not at all
REFUSED = "refused"  # it answered, but would not do it
RUBBISH = "rubbish"  # what came was no answer to what was asked
NOT_ASKED = "not_asked"  # it has just failed to answer, or no time was left


class StoreCounts(NamedTuple):
    """What has been counted since the store was opened, and what is queued now.

    `errors` are requests to the database that failed, by kind; `records` are decision records by
    what became of them: stored, spilled, dropped. `rewinds` is how often the store was found older
    than it was, `epoch` how often by anybody; `is_served`: the database holds the store that is
    known; `refuses_writes`: it takes none now.
    """

    errors: Mapping[str, int]
    breaker_openings: int
    records: Mapping[str, int]
    records_queued: int
    rewinds: int
    epoch: int
    is_older: bool
    is_served: bool
    refuses_writes: bool


class ErrorCounter:
    """Counts the requests to a database that failed, from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys((NO_ANSWER, REFUSED, RUBBISH, NOT_ASKED), 0)

    def add(self, kind: str) -> None:
        """Count one."""
        with self._lock:
            self._counts[kind] += 1

    def counts(self) -> dict[str, int]:
        """Return how many there were, by kind."""
        with self._lock:
            return dict(self._counts)
