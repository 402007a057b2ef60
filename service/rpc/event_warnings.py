"""What the senders of events are warned of: what counts for nothing, and decisions that are not.

A decision is looked for by its record. That takes a read of the store, so that the customers of the
last decisions are remembered, and no more is looked for once a call has hardly any time left.
"""

from collections.abc import Iterator
from functools import lru_cache

from models.clock_time import MINUTE
from models.domain.events import Event
from models.domain.input.warnings import Warned, content_warnings
from models.errors import StoreUnavailable
from service.contract.names import Names
from service.decisions.serving_snapshot import ServingSnapshot
from service.store.database.decision_ids import parse_decision_id
from service.store.store import Store

UNDER_WAY = MINUTE  # how young a decision is whose record another worker may still have
REMEMBERED = 4_096  # decisions
MIN_SECONDS = 0.05  # that a call has left at least when one more record is read


class EventWarnings:
    """Finds what events are to be warned of; for all threads of a server."""

    def __init__(self, store: Store, names: Names) -> None:
        self._store = store
        self._names = names
        self._customer_of = lru_cache(REMEMBERED)(self._decided_about)

    def of(self, event: Event, snapshot: ServingSnapshot, now: int) -> Iterator[Warned]:
        """Yield what an event that was stored `now` (microseconds) is warned of."""
        like, catalogue = self._names.event_types.get(event.type), snapshot.catalogue
        yield from content_warnings(event, like, catalogue, snapshot.policy.contact.zone_attribute)
        if event.decision_id and self._store.time_left() > MIN_SECONDS:
            try:
                yield from self._of_decision(event, now)
            except StoreUnavailable:
                return  # it is stored; whether it answers anything is not known

    def _of_decision(self, event: Event, now: int) -> Iterator[Warned]:
        named = parse_decision_id(event.decision_id)
        if named is None:
            yield Warned.UNKNOWN_DECISION
            return
        try:
            customer = self._customer_of(event.decision_id)
        except _NotFoundError:
            if named[1] < now - UNDER_WAY:
                yield Warned.UNKNOWN_DECISION
            return
        if customer != event.identifier:
            profile = self._store.read([event.identifier]).profile
            if customer != profile.customer and customer not in profile.compartments:
                yield Warned.FOREIGN_DECISION

    def _decided_about(self, decision_id: str) -> bytes:
        """Return the customer of a decision; raises `_NotFoundError`, which is not remembered."""
        record = self._store.decision(decision_id)
        if record is None:
            raise _NotFoundError
        return record.customer


class _NotFoundError(LookupError):
    """There is no record of a decision."""
