"""Plans one write for one customer: which of some events are new, and the profile with them."""

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from msgspec.structs import replace

from models.codec import encode
from models.domain.compartments import at_hand, joined
from models.domain.event_types import EventType
from models.domain.events import Event, event_key
from models.domain.fold import fold, has_forgotten_ids, known_content
from models.domain.profile import Compartment, Profile, known_since
from models.errors import ThroughlineError
from service.store.customers.log_entries import event_line
from service.store.database.backend import SKEW, Backend, CustomerWrite, EventQuery, LogLine


class EventOutcome(Enum):
    """What became of an event."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # stored before, and said the same
    KNOWN_ELSEWHERE = "known elsewhere"  # stored; the customer has it under another identifier
    CONFLICT = "conflict"  # its id is stored with other content, which stays


class EventFault(ThroughlineError):
    """An event that cannot be stored, by a fault of ours; sending it again does not help."""


class EventPlan(NamedTuple):
    """The outcomes of the events, in their order, once `write` is done; None: nothing is new."""

    outcomes: list[EventOutcome]
    write: CustomerWrite | None


class Arrival(NamedTuple):
    """When events arrive (microseconds), and how what is not remembered of their ids is known.

    Unless `look_up`, an id that a profile does not remember is taken for new: the write then fails
    where it is not. `refused`: it did. `known_since` are the arrivals of identifiers that are known
    from elsewhere.
    """

    now: int
    look_up: bool = True
    refused: bool = False
    known_since: Mapping[bytes, int] = {}


def plan_events(
    backend: Backend,
    profile: Profile,
    events: Sequence[Event],
    arrival: Arrival,
    event_types: Mapping[str, EventType],
) -> EventPlan:
    """Tell what is new to `profile` among `events`, and plan the write of that.

    Raises `StoreUnavailable` when the log cannot be asked.
    """
    empty = Compartment()
    logged = _Logged(backend, profile, events, arrival)
    outcomes: list[EventOutcome] = []
    new: dict[bytes, list[Event]] = {}
    lines: list[LogLine] = []
    for event in events:
        line = event_line(event, arrival.now)
        before = logged.content(event)
        if before is not None:
            same = before == line.content
            outcomes.append(EventOutcome.DUPLICATE if same else EventOutcome.CONFLICT)
            continue
        elsewhere = logged.elsewhere(event)
        outcomes.append(EventOutcome.KNOWN_ELSEWHERE if elsewhere else EventOutcome.STORED)
        logged.add(event, line.content)
        new.setdefault(event.identifier, []).append(event)
        lines.append(line)
    if not new:
        return EventPlan(outcomes, None)
    known, arrivals = profile.compartments, known_since(profile)
    folded: dict[bytes, Compartment] = {}
    for identifier, added in new.items():
        if identifier not in known:
            arrivals[identifier] = arrival.known_since.get(identifier, arrival.now)
        folded[identifier] = fold(known.get(identifier, empty), added, event_types)
    after = replace(
        profile,
        version=profile.version + 1,
        compartments=joined(known, folded),
        arrivals=arrivals,
    )
    blob = encode(after, after.version)
    return EventPlan(outcomes, CustomerWrite(profile.customer, profile.version, blob, tuple(lines)))


class _Logged:
    """Which of some events were stored before, under any identifier of their customer."""

    def __init__(
        self, backend: Backend, profile: Profile, events: Sequence[Event], arrival: Arrival
    ) -> None:
        self._profile = profile
        self._content: dict[tuple[bytes, str], int] = {}
        unsure: list[EventQuery] = []
        # Of who was never linked all ids are where the write looks: it refuses what is known.
        sure = backend.refuses_known_ids and not arrival.refused and len(profile.owners) == 1
        compartments = at_hand(profile.compartments)
        for event in events:
            key, not_before = event_key(event.event_id), _not_before(event, arrival.now)
            for identifier, compartment in compartments.items():
                known = known_content(compartment, key)
                if known is not None:
                    self._content[identifier, event.event_id] = known
                elif not sure and has_forgotten_ids(compartment):
                    unsure.append(EventQuery(identifier, event.event_id, not_before))
        if unsure and (arrival.look_up or arrival.refused):
            found = backend.seen(sorted(profile.owners), unsure)
            for (identifier, event_id, _), content in zip(unsure, found, strict=True):
                if content is not None:
                    self._content[identifier, event_id] = content

    def content(self, event: Event) -> int | None:
        """Return the content hash that is stored under the id of an event, None where none is."""
        return self._content.get((event.identifier, event.event_id))

    def elsewhere(self, event: Event) -> bool:
        """Tell whether another identifier of the customer has an event of that id."""
        return any(
            (identifier, event.event_id) in self._content
            for identifier in self._profile.compartments
            if identifier != event.identifier
        )

    def add(self, event: Event, content: int) -> None:
        """Note an event that is to be stored."""
        self._content[event.identifier, event.event_id] = content


def _not_before(event: Event, now: int) -> int | None:
    """Return the earliest moment at which the database may have logged the event."""
    # A clock set ahead of the database's says nothing about when that logged an event.
    ahead = now > time.time_ns() // 1000 + SKEW
    # The skew that an event may have, and as much again between the clocks of the machines.
    return None if event.time is None or ahead else event.time - 2 * SKEW
