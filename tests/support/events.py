"""Events and decision records for tests, short to write, and what a store made of them."""

from collections import Counter
from collections.abc import Iterable, Mapping

from models.domain.decisions import (
    Decision,
    DecisionRecord,
    KeptCandidates,
    Moment,
    Request,
)
from models.domain.event_types import EVENT_TYPES, EventType
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from service.store.customers.planning import EventOutcome
from service.store.store import Store

EPOCH = 1_700_000_000_000_000  # microseconds
SECOND = 1_000_000
NOW = EPOCH + 1_000_000 * SECOND  # when events arrive


def identifier(number: int) -> bytes:
    """Return the keyed hash of a made-up identifier; they sort by number and spread over shards."""
    return number.to_bytes(4, "big") * 4


def event(
    event_id: str,
    who: bytes,
    at: int | None = 0,
    item: str = "item1",
    *,
    sequence: int | None = None,
    type_: str = "view",
) -> Event:
    """Return an event `at` seconds after the epoch of the tests; None: without a time."""
    return Event(
        event_id=event_id,
        identifier=who,
        type=type_,
        channel="web",
        time=None if at is None else EPOCH + at * SECOND,
        sequence=sequence,
        item=item,
    )


def record(decision_id: str, customer: bytes, time: int) -> DecisionRecord:
    """Return a decision record that shows nothing."""
    moment = Moment(
        profile_version=1,
        catalogue_revision=1,
        release="0" * 64,
        policy="built-in",
        minute=time,
        intent="default",
        context="",
    )
    decision = Decision(
        moment=moment,
        slate=(),
        withheld=(),
        flags=(),
        unknown_ids=0,
        candidates=KeptCandidates(b"", ("item:a",)),
        shared=1,
    )
    return DecisionRecord(
        id=decision_id,
        customer=customer,
        time=time,
        request=Request(channel="web"),
        profile=b"profile",
        decision=decision,
    )


def counted(store: Store, who: bytes) -> int:
    """Return how many events the customer of `who` has, over all compartments."""
    compartments = store.read([who]).profile.compartments
    return sum(sum(part.counts.values()) for part in compartments.values())


def logged(store: Store) -> Counter[tuple[bytes, str]]:
    """Return how often the log holds each event."""
    said = [entry.statement for entry in store.log(None)]
    return Counter((one.identifier, one.event_id) for one in said if isinstance(one, Event))


def all_stored(outcomes: Iterable[object]) -> bool:
    """Tell whether each event was stored, known under another identifier of theirs or not."""
    stored = (EventOutcome.STORED, EventOutcome.KNOWN_ELSEWHERE)
    return all(outcome in stored for outcome in outcomes)


def poisoned(
    compartment: Compartment,
    events: Iterable[Event],
    event_types: Mapping[str, EventType] = EVENT_TYPES,
) -> Compartment:
    """Fold as ever, and fail on an event about the item `poison`."""
    said = list(events)
    if any(one.item == "poison" for one in said):
        raise ZeroDivisionError
    return fold(compartment, said, event_types)
