"""The store: customers, their events and links, the catalogue and decision records.

One class over any database. A write is optimistic: read the blobs, fold in Python, store each blob
with its log entries if its version is unchanged, else begin again; nothing is held meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Literal, NamedTuple, cast

from models.catalogue import Item, Offer, Row
from models.codec import decode, encode
from models.decision import Record
from models.errors import StoreUnavailable, Unreadable
from models.events import EVENT_TYPES, Event
from models.profile import Link, Profile
from service.store.backend import Backend, CatalogueRow, Durability, Refused
from service.store.counts import StoreCounts
from service.store.entries import LogEntry, decode_entry
from service.store.linking import ATTEMPTS, Linked, link, link_all, pause
from service.store.planning import Fault, Recorded, plan
from service.store.records import RecordQueue, decision_id, decode_record
from service.store.resolve import Resolver

WRITES_AT_ONCE = 200  # customers in one call of the database

Outcome = Recorded | StoreUnavailable | Fault

_ROW = cast(type[Row], Item | Offer)


class Customer(NamedTuple):
    """A customer as read by identifiers.

    Nobody known by them: `known` is False and the profile empty, at version 0, under the first
    identifier. `blob` is the profile as it is stored. `disagree`: some of the identifiers are of
    other known customers.
    """

    profile: Profile
    blob: bytes
    known: bool
    disagree: bool


class LoadCount(NamedTuple):
    """What became of events and links of a load.

    A link that was there already is a duplicate; a conflict is an event id known with other
    content, of which the first stays.
    """

    stored: int
    duplicates: int
    conflicts: int


class Store:
    """One store, for all threads of a process."""

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], int],
        event_types: Mapping[str, str] = EVENT_TYPES,
        spill: Path | None = None,
    ) -> None:
        """`clock` in microseconds; `event_types` maps each type to its lane.

        `spill` is the directory where decision records wait while the database is away.
        """
        self._backend = backend
        self._clock = clock
        self._event_types = event_types
        self._resolver = Resolver(backend, clock)
        self._records = RecordQueue(backend, spill)

    @property
    def durability(self) -> Durability:
        """What an acknowledged write survives."""
        return self._backend.durability

    @property
    def dropped_records(self) -> int:
        """How many decision records this process could not keep."""
        return self._records.dropped

    def counts(self) -> StoreCounts:
        """Return how the store has fared in this process."""
        return StoreCounts(
            self._backend.errors.counts(),
            self._backend.breaker_openings,
            self._records.counts(),
            self._records.queued,
        )

    def read(self, identifiers: Sequence[bytes], patience: float = inf) -> Customer:
        """Return the customer of the first identifier that is known to be somebody's.

        At least one identifier. Takes no longer than one call of Redis may, or than `patience` in
        seconds, however many round trips are needed. Raises `StoreUnavailable`, which is
        `Unreadable` for a customer whose blob is damaged or of a later version of Throughline.
        """
        with self._backend.within(patience):
            return self._read(identifiers)

    def _read(self, identifiers: Sequence[bytes]) -> Customer:
        stored = self._resolver.stored(identifiers[0])
        others = identifiers[1:]
        if stored is None and others:
            found = self._profiles(others)
            profile = next((found[other] for other in others if found[other] is not None), None)
            stored = None if profile is None else (profile, encode(profile, profile.version))
        if stored is None:
            nobody = Profile(customer=identifiers[0])
            return Customer(nobody, encode(nobody), known=False, disagree=False)
        profile, blob = stored
        strangers = [other for other in others if other not in profile.compartments]
        disagree = False
        if strangers:
            disagree = any(
                other is not None and other.customer != profile.customer
                for other in self._profiles(strangers).values()
            )
        return Customer(profile, blob, known=True, disagree=disagree)

    def record(self, events: Sequence[Event], now: int) -> list[Outcome]:
        """Store events that arrive at `now` (microseconds); return what became of each.

        STORED is durable and seen by every reader from then on. The events of one customer are
        stored together or not at all, save that one with a `Fault` is left out; an error for one
        customer leaves the others alone.
        """
        return self._record(events, now, look_up=True)

    def link(self, a: bytes, b: bytes, asserted_by: str, now: int) -> Linked:
        """Make two identifiers one customer; raises `StoreUnavailable`, then send it again."""
        return self._link(Link(now, a, b, asserted_by), now)

    def load(
        self, events: Sequence[Event], links: Sequence[Link], now: int, look_up: bool
    ) -> LoadCount:
        """Store history: links first, then events, as `record` would; may be repeated.

        `look_up=False` trusts that an event too old to be remembered is new. Raises
        `StoreUnavailable` when anything was not stored.
        """
        stored = duplicates = conflicts = 0
        for linked in link_all(links, lambda said: self._link(said, now)):
            stored += linked.changed
            duplicates += not linked.changed
        for outcome in self._record(events, now, look_up):
            if not isinstance(outcome, Recorded):
                raise outcome
            stored += outcome is Recorded.STORED
            duplicates += outcome is Recorded.DUPLICATE
            conflicts += outcome is Recorded.CONFLICT
        return LoadCount(stored, duplicates, conflicts)

    def log(self, since: int | None) -> Iterator[LogEntry]:
        """Yield what arrived at `since` (microseconds) or later; None: everything.

        A snapshot as of the first entry, in order of arrival within a shard.
        """
        for blob in self._backend.log():
            entry = decode_entry(blob)
            if since is None or entry.arrival >= since:
                yield entry

    def commit(self, record: Record) -> None:
        """Keep a decision record; never waits: it is stored within some 50 ms."""
        self._records.add(record)

    def decision(self, decision_id: str) -> Record | None:
        """Return the record of a decision, None when there is none; raises `StoreUnavailable`."""
        waiting = self._records.waiting(decision_id)
        if waiting is not None:
            return waiting
        blob = self._backend.decision(decision_id)
        return None if blob is None else decode_record(blob)

    def new_decision_id(self, customer: bytes, now: int) -> str:
        """Return an id by which alone the record is found: shard, time, worker and a counter."""
        return decision_id(self._backend.shards, customer, now)

    def records(self, since: int | None) -> Iterator[Record]:
        """Yield the records of decisions made at `since` (microseconds) or later, by time."""
        self._records.flush()
        for blob in self._backend.decisions(since):
            yield decode_record(blob)

    def put_catalogue(self, rows: Sequence[Row]) -> int:
        """Store rows under one new revision, all at once, and return the revision."""
        return self._backend.put_catalogue(
            [
                CatalogueRow("item" if isinstance(row, Item) else "offer", row.id, encode(row))
                for row in rows
            ]
        )

    def catalogue_changes(self, since: int) -> tuple[int, list[Row]]:
        """Return the current revision and every row changed after `since`, by revision."""
        rows: list[Row] = []
        revision = since
        while True:
            reached, blobs = self._backend.catalogue_changes(revision)
            rows.extend(decode(blob, _ROW) for blob in blobs)
            if not blobs:
                return reached, rows
            revision = reached

    def revision(self) -> int:
        """Return the current revision of the catalogue; cheap enough to poll."""
        return self._backend.revision()

    def chunk_state(self, dataset: str, index: int) -> Literal["started", "done"] | None:
        """Return how far the chunk of the dataset with that digest was loaded."""
        state = self._backend.chunk(dataset, index)
        if state == "started":
            return "started"
        return "done" if state == "done" else None

    def chunk_done(self, dataset: str, index: int) -> bool:
        """Tell whether the chunk was loaded to its end."""
        return self.chunk_state(dataset, index) == "done"

    def mark_chunk(self, dataset: str, index: int, state: Literal["started", "done"]) -> None:
        """Note how far a chunk is loaded."""
        self._backend.mark_chunk(dataset, index, state)

    def check(self) -> None:
        """Raise `StoreUnavailable` unless the database answers: for health."""
        self._backend.check()

    def close(self) -> None:
        """Store what is still queued and let go of everything."""
        self._records.close()
        self._backend.close()

    def _link(self, said: Link, now: int) -> Linked:
        return link(self._backend, self._resolver.profile, said, lambda: now)

    def _profiles(self, identifiers: Iterable[bytes]) -> dict[bytes, Profile | None]:
        profiles: dict[bytes, Profile | None] = {}
        for identifier, found in self._resolver.profiles(identifiers).items():
            if isinstance(found, Unreadable):
                raise found
            profiles[identifier] = found
        return profiles

    def _record(self, events: Sequence[Event], now: int, look_up: bool) -> list[Outcome]:
        outcome: dict[int, Outcome] = {}
        left: Sequence[int] = range(len(events))
        for attempt in range(ATTEMPTS):
            # Whatever made us lose may have logged an event of ours: then only a look tells.
            self._settle(events, left, now, look_up or attempt > 0, outcome)
            left = [index for index in left if index not in outcome]
            if not left:
                break
            pause(attempt)
        busy = StoreUnavailable("customer: too many writers at once; send it again")
        return [outcome.get(index, busy) for index in range(len(events))]

    def _settle(
        self,
        events: Sequence[Event],
        indices: Sequence[int],
        now: int,
        look_up: bool,
        outcome: dict[int, Outcome],
    ) -> None:
        """Try once to store the events at `indices`; whichever fails the others is told apart."""
        try:
            self._attempt(events, indices, now, look_up, outcome)
        except Exception as error:
            left = [index for index in indices if index not in outcome]
            if isinstance(error, StoreUnavailable) and (
                len(left) == 1 or not isinstance(error, Refused)
            ):
                outcome.update((index, error) for index in left)
            elif len(left) == 1:
                fault = Fault("event: cannot be stored")
                fault.__cause__ = error
                outcome[left[0]] = fault
            else:
                half = len(left) // 2
                for part in (left[:half], left[half:]):
                    self._settle(events, part, now, look_up, outcome)

    def _attempt(
        self,
        events: Sequence[Event],
        indices: Sequence[int],
        now: int,
        look_up: bool,
        outcome: dict[int, Outcome],
    ) -> None:
        """Try once to store the events at `indices`; put in `outcome` all that is settled."""
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
            for customer in customers[start : start + WRITES_AT_ONCE]:
                group = groups[customer]
                planned = plan(
                    self._backend,
                    profiles[customer],
                    [events[index] for index in group],
                    now,
                    look_up,
                    self._event_types,
                )
                if planned.write is None:
                    outcome.update(zip(group, planned.outcomes, strict=True))
                else:
                    plans.append((group, planned.outcomes, planned.write))
            stored = self._backend.write([write for _, _, write in plans]) if plans else []
            for (group, outcomes, _), done in zip(plans, stored, strict=True):
                if done:
                    outcome.update(zip(group, outcomes, strict=True))
