"""Stores events: read the blobs, fold, write if nobody was faster, else begin again."""

from collections.abc import Mapping, Sequence

from models.codec import version_of
from models.domain.event_types import EventType
from models.domain.events import Event
from models.domain.profile import Profile
from models.errors import StoreUnavailable, Unreadable
from service.store.customers.optimistic_writes import ATTEMPTS, back_off, too_many_writers
from service.store.customers.pacing import UNPACED, Pace
from service.store.customers.planning import (
    Arrival,
    EventFault,
    EventOutcome,
    EventPlan,
    plan_events,
)
from service.store.customers.resolver import Resolver
from service.store.database.backend import (
    Backend,
    OutOfTime,
    RefusedByDatabase,
    WritesRefused,
)
from service.store.identity.recent_writes import RecentWrites

WRITES_AT_ONCE = 200  # customers in one call of the database

RecordOutcome = EventOutcome | StoreUnavailable | EventFault


class Recorder:
    """Records events over one database, for all threads of a process."""

    def __init__(
        self,
        backend: Backend,
        resolver: Resolver,
        event_types: Mapping[str, EventType],
        recent: RecentWrites,
    ) -> None:
        """`event_types` maps each type to the built-in one that it is like.

        `recent` is told what was stored.
        """
        self._backend = backend
        self._resolver = resolver
        self._event_types = event_types
        self._recent = recent

    def record(
        self, events: Sequence[Event], arrival: Arrival, pace: Pace = UNPACED
    ) -> list[RecordOutcome]:
        """Store events; return what became of each."""
        outcome: dict[int, RecordOutcome] = {}
        left: Sequence[int] = range(len(events))
        busy = too_many_writers("customer")
        for attempt in range(ATTEMPTS):
            # Whatever made us lose may have logged an event of ours: then only a look tells.
            self._settle(events, left, arrival._replace(refused=attempt > 0), outcome, pace)
            left = [index for index in left if index not in outcome]
            if not left:
                break
            try:
                back_off(attempt, self._backend.time_left())
            except OutOfTime as error:
                busy = error
                break
        return [outcome.get(index, busy) for index in range(len(events))]

    def _settle(
        self,
        events: Sequence[Event],
        indices: Sequence[int],
        arrival: Arrival,
        outcome: dict[int, RecordOutcome],
        pace: Pace,
    ) -> None:
        """Try once to store the events at `indices`; whichever fails the others is told apart."""
        try:
            self._attempt(events, indices, arrival, outcome, pace)
        except Exception as error:
            left = [index for index in indices if index not in outcome]
            if isinstance(error, StoreUnavailable) and (len(left) == 1 or not _of_one(error)):
                outcome.update((index, error) for index in left)
            elif len(left) == 1:
                fault = EventFault("event: cannot be stored")
                fault.__cause__ = error
                outcome[left[0]] = fault
            else:
                half = len(left) // 2
                for part in (left[:half], left[half:]):
                    self._settle(events, part, arrival, outcome, pace)

    def _attempt(
        self,
        events: Sequence[Event],
        indices: Sequence[int],
        arrival: Arrival,
        outcome: dict[int, RecordOutcome],
        pace: Pace,
    ) -> None:
        """Try once to store the events at `indices`; put in `outcome` all that is settled."""
        with pace:
            found = self._resolver.profiles({events[index].identifier for index in indices})
        profiles: dict[bytes, Profile] = {}
        groups: dict[bytes, list[int]] = {}
        for index in indices:
            identifier = events[index].identifier
            profile = found[identifier]
            if isinstance(profile, Unreadable):
                outcome[index] = profile
                continue
            if profile is None:
                profile = Profile(customer=identifier)
            profiles[profile.customer] = profile
            groups.setdefault(profile.customer, []).append(index)
        customers = list(groups)
        for start in range(0, len(customers), WRITES_AT_ONCE):
            plans = []
            with pace:
                for customer in customers[start : start + WRITES_AT_ONCE]:
                    pace.give_way()
                    group = groups[customer]
                    planned = self._planned(
                        profiles[customer], [events[index] for index in group], arrival
                    )
                    if isinstance(planned, Unreadable):
                        outcome.update(dict.fromkeys(group, planned))
                    elif planned.write is None:
                        outcome.update(zip(group, planned.outcomes, strict=True))
                    else:
                        plans.append((group, planned.outcomes, planned.write))
            stored = self._backend.write([write for _, _, write in plans]) if plans else []
            for (group, outcomes, write), done in zip(plans, stored, strict=True):
                if done:
                    self._recent.note(write.customer, version_of(write.blob))
                    outcome.update(zip(group, outcomes, strict=True))

    def _planned(
        self, profile: Profile, events: Sequence[Event], arrival: Arrival
    ) -> EventPlan | Unreadable:
        """Plan the write for one customer; what cannot be read of them is nobody else's matter."""
        try:
            return plan_events(self._backend, profile, events, arrival, self._event_types)
        except Unreadable as error:
            return error


def _of_one(error: StoreUnavailable) -> bool:
    """Tell whether an error may be about one of the events alone, not about the database."""
    return isinstance(error, RefusedByDatabase) and not isinstance(error, WritesRefused)
