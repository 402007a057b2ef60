"""Plans one write for one customer: which of some events are new, and the profile with them."""

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from msgspec.structs import replace

from models.codec import encode
from models.domain.events import Event
from models.domain.fold import Recognition, fold, recognise
from models.domain.profile import Compartment, Profile
from models.errors import ThroughlineError
from service.store.customers.log_entries import event_line
from service.store.database.backend import SKEW, Backend, CustomerWrite, EventQuery, LogLine


class EventOutcome(Enum):
    """What became of an event."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # stored before, and said the same
    CONFLICT = "conflict"  # its id is stored with other content, which stays


class EventFault(ThroughlineError):
    """An event that cannot be stored, by a fault of ours; sending it again does not help."""


class EventPlan(NamedTuple):
    """The outcomes of the events, in their order, once `write` is done; None: nothing is new."""

    outcomes: list[EventOutcome]
    write: CustomerWrite | None


def plan_events(
    backend: Backend,
    profile: Profile,
    events: Sequence[Event],
    now: int,
    look_up: bool,
    event_types: Mapping[str, str],
) -> EventPlan:
    """Tell what is new to `profile` among `events`, which arrive at `now` (microseconds).

    Unless `look_up`, an event older than what the profile remembers is taken as new. Raises
    `StoreUnavailable` when the log cannot be asked.
    """
    empty = Compartment()
    known = [
        recognise(profile.compartments.get(event.identifier, empty), event) for event in events
    ]
    unsure = [
        event for event, what in zip(events, known, strict=True) if what is Recognition.UNSURE
    ]
    logged: dict[tuple[bytes, str], int | None] = {}
    if unsure and look_up:
        queries = [
            EventQuery(event.identifier, event.event_id, _not_before(event, now))
            for event in unsure
        ]
        contents = backend.seen(sorted(profile.owners), queries)
        for event, content in zip(unsure, contents, strict=True):
            logged[event.identifier, event.event_id] = content

    outcomes: list[EventOutcome] = []
    new: dict[bytes, list[Event]] = {}
    lines: list[LogLine] = []
    for event, what in zip(events, known, strict=True):
        key = (event.identifier, event.event_id)
        if what is Recognition.DUPLICATE:
            outcomes.append(EventOutcome.DUPLICATE)
        elif what is Recognition.CONFLICT:
            outcomes.append(EventOutcome.CONFLICT)
        else:
            line = event_line(event, now)
            before = logged.get(key)
            if before is None:
                logged[key] = line.content
                new.setdefault(event.identifier, []).append(event)
                lines.append(line)
                outcomes.append(EventOutcome.STORED)
            else:
                same = before == line.content
                outcomes.append(EventOutcome.DUPLICATE if same else EventOutcome.CONFLICT)
    if not new:
        return EventPlan(outcomes, None)
    compartments = dict(profile.compartments)
    for identifier, added in new.items():
        compartments[identifier] = fold(compartments.get(identifier, empty), added, event_types)
    after = replace(profile, version=profile.version + 1, compartments=compartments)
    blob = encode(after, after.version)
    return EventPlan(outcomes, CustomerWrite(profile.customer, profile.version, blob, tuple(lines)))


def _not_before(event: Event, now: int) -> int | None:
    """Return the earliest moment at which the database may have logged the event."""
    # A clock set ahead of the database's says nothing about when that logged an event.
    ahead = now > time.time_ns() // 1000 + SKEW
    # The skew that an event may have, and as much again between the clocks of the machines.
    return None if event.time is None or ahead else event.time - 2 * SKEW
