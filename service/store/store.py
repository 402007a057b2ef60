"""The store: customers, their events and links, the catalogue and decision records.

One class over any database. A write is optimistic: read the blobs, fold in Python, store each blob
with its log entries if its version is unchanged, else begin again; nothing is held meanwhile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from math import inf
from pathlib import Path
from typing import Literal, cast

from models.codec import EVER, decode, encode
from models.domain.catalogue import Item, Offer, Row
from models.domain.decisions import DecisionRecord
from models.domain.event_types import EVENT_TYPES, EventType
from models.domain.events import Event
from models.domain.profile import Link, Profile, Unlink
from models.errors import Conflict, Unreadable
from service.store.commits import AlreadyAnswered, Committed, Committer, RequestKey, VersionConflict
from service.store.customers.customer_lookup import CustomerLookup
from service.store.customers.known_identifiers import KnownIdentifier, known_identifiers
from service.store.customers.linking import LinkOutcome, link, link_all
from service.store.customers.log_entries import LogEntry, decode_entry
from service.store.customers.pacing import UNPACED, Pace
from service.store.customers.planning import Arrival, EventOutcome
from service.store.customers.recording import Recorder, RecordOutcome
from service.store.customers.resolver import Resolver
from service.store.customers.unlinking import UnlinkOutcome, unlink
from service.store.database.backend import Backend, CatalogueRow, Durability, WritesRefused
from service.store.database.counts import StoreCounts
from service.store.database.decision_ids import new_decision_id
from service.store.database.format import format_of
from service.store.identity.known_store import KnownStoreFile
from service.store.identity.recent_writes import RecentWrites
from service.store.identity.watch import StoreWatch
from service.store.outcomes import LoadCounts, StoredDecision
from service.store.records.chain import VerificationReport, verify_decisions, wall_clock
from service.store.records.queue import RecordQueue
from service.store.records.sealing import Seal
from service.store.refused_writes import RefusedWrites

_ROW = cast(type[Row], Item | Offer)


class Store:
    """One store, for all threads of a process."""

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], int],
        key: bytes,
        event_types: Mapping[str, EventType] = EVENT_TYPES,
        spill: Path | None = None,
        known: KnownStoreFile | None = None,
    ) -> None:
        """`clock` in microseconds; `event_types` maps each type to the built-in one it is like.

        Decision records are sealed under `key`. `spill` is the directory where they wait while the
        database is away. `known` keeps what is known of the store.
        """
        self._backend = backend
        self._clock = clock
        self._resolver = Resolver(backend, clock)
        recent = RecentWrites(backend.shards)
        self._watch = StoreWatch(backend, recent, known)
        self._recorder = Recorder(backend, self._resolver, event_types, recent)
        self._seal = Seal(key)
        self._records = RecordQueue(backend, spill, self._seal)
        self._refused_writes = RefusedWrites()
        self._committer = Committer(
            backend, event_types, self._seal, recent, self._records.add_stored
        )

    @property
    def durability(self) -> Durability:
        """What an acknowledged write survives."""
        return self._backend.durability

    @property
    def format(self) -> int:
        """The format that the store was made in, or brought to; one of those that are read."""
        return format_of(self._backend)

    @property
    def remarks(self) -> Sequence[str]:
        """What a person should know of the database, each with what to do."""
        return self._backend.remarks()

    @property
    def epoch(self) -> int:
        """How often the store was found older than it was; what was read before may be gone."""
        return self._watch.epoch

    @property
    def is_older(self) -> bool:
        """Tell whether the store has lost its last moments, and nobody has taken note of it."""
        return self._watch.is_older

    @property
    def refuses_writes(self) -> bool:
        """Tell whether the database refused the last write, a moment ago, and may be read."""
        return self._refused_writes.now

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
            self._watch.rewinds,
            self._watch.epoch,
            self._watch.is_older,
            self._watch.is_served,
            self._refused_writes.now,
        )

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what the calls of this thread in the block take together; blocks may nest.

        Whatever is not begun by then raises `OutOfTime`.
        """
        return self._backend.within(seconds)

    def time_left(self) -> float:
        """Return the seconds that the calling thread has left, `inf` without a bound."""
        return self._backend.time_left()

    def read(self, identifiers: Sequence[bytes], timeout: float = inf) -> CustomerLookup:
        """Return the customer of the first identifier that is known to be somebody's.

        At least one identifier. Takes no longer than one call of Redis may, or than `timeout` in
        seconds, however many round trips are needed. Raises `StoreUnavailable`, which is
        `Unreadable` for a customer whose blob is damaged or of a later version of Throughline.
        """
        with self._backend.within(min(timeout, self._backend.call_seconds)):
            return self._resolver.lookup(identifiers)

    def record(
        self, events: Sequence[Event], now: int, pace: Pace = UNPACED
    ) -> list[RecordOutcome]:
        """Store events that arrive at `now` (microseconds); return what became of each.

        STORED is durable and seen by every reader from then on. Events of one customer are stored
        together or not at all, but for one with a `Fault`; an error leaves other customers alone.
        """
        outcomes = self._recorder.record(events, Arrival(now), pace)
        for outcome in outcomes:
            if isinstance(outcome, WritesRefused):
                self._refused_writes.learn(outcome)
        return outcomes

    def link(self, a: bytes, b: bytes, asserted_by: str, now: int) -> LinkOutcome:
        """Make two identifiers one customer; raises as `linking.link` does."""
        return self._link(Link(now, a, b, asserted_by), Arrival(now))

    def unlink(self, a: bytes, b: bytes, asserted_by: str, now: int) -> UnlinkOutcome:
        """Take back what links two identifiers; raises `StoreUnavailable`, then send it again."""
        return self.load_unlink(Unlink(now, a, b, asserted_by), now)

    def load_unlink(self, assertion: Unlink, now: int) -> UnlinkOutcome:
        """Do the same for an unlink of history, that arrives at `now`."""
        return unlink(self._backend, self._resolver.profile, assertion, lambda: now)

    def load(self, events: Sequence[Event], links: Sequence[Link], arrival: Arrival) -> LoadCounts:
        """Store history: links first, then events, as `record` would; may be repeated.

        Raises `StoreUnavailable` when anything was not stored.
        """
        stored = duplicates = conflicts = 0
        for linked in link_all(links, lambda assertion: self._link(assertion, arrival)):
            stored += linked is not None and linked.changed
            duplicates += linked is not None and not linked.changed
            conflicts += linked is None
        for outcome in self._recorder.record(events, arrival):
            if not isinstance(outcome, EventOutcome):
                raise outcome
            stored += outcome in (EventOutcome.STORED, EventOutcome.KNOWN_ELSEWHERE)
            duplicates += outcome is EventOutcome.DUPLICATE
            conflicts += outcome is EventOutcome.CONFLICT
        return LoadCounts(stored, duplicates, conflicts)

    def log(self, since: int | None) -> Iterator[LogEntry]:
        """Yield what arrived at `since` (microseconds) or later; None: everything.

        A snapshot as of the first entry, in order of arrival within a shard.
        """
        for blob in self._backend.log():
            entry = decode_entry(blob)
            if since is None or entry.arrival >= since:
                yield entry

    def identifiers(self) -> Iterator[KnownIdentifier | Unreadable]:
        """Yield all identifiers, as `known_identifiers` does."""
        return known_identifiers(self._backend, self._clock)

    def commit(
        self,
        record: DecisionRecord,
        profile: Profile | None = None,
        reserve: Sequence[Event] = (),
        request: RequestKey | None = None,
    ) -> Committed | VersionConflict | AlreadyAnswered:
        """Store a decision record, and with it what it reserves and the request that it answers.

        With neither it never waits: it is stored within some 50 ms. With either it is durable on
        return, as one whole: `reserve` are events of the `profile` that was decided on, under
        identifiers of it. `VersionConflict`: the customer is not as it was read, nothing was
        stored; read and decide again. `AlreadyAnswered`: the request was, by an earlier
        decision, and nothing was stored. Raises `WritesRefused` and `OutOfTime` with nothing
        stored, and any other `StoreUnavailable`: it may have been stored all the same, which the
        request's id tells.
        """
        if profile is None or not (reserve or request):
            self._records.add(record)
            return Committed(record.decision.moment.profile_version)
        if self.refuses_writes:
            raise WritesRefused("store: takes no writes; asked again in a moment")
        with self._refused_writes.watching():
            return self._committer.commit(record, profile, reserve, request)

    def requested(
        self, identifiers: Sequence[bytes], profile: Profile, request: RequestKey
    ) -> AlreadyAnswered | None:
        """Return which decision answered that request in the last 24 hours, None if none did.

        `profile` is the customer read by `identifiers`. It is looked for with everybody whom any of
        them is or was, so that no link or unlink in between hides it. Raises `StoreUnavailable`.
        """
        owners = {*identifiers, *profile.owners}
        strangers = [one for one in identifiers if one not in profile.compartments]
        for other in self._resolver.known(strangers):
            owners |= other.owners
        return self._committer.requested(sorted(owners), request)

    def take(self, counter: str, amount: int, limit: int) -> int:
        """Raise a counter, from 0, by at most `amount`, never beyond `limit`; return by how much.

        Durable on return, for all processes. Raises `StoreUnavailable`: then some may be lost.
        """
        with self._refused_writes.watching():
            return self._backend.take(counter, amount, limit)

    def give_back(self, counter: str, number: int) -> None:
        """Lower a counter by what was taken and will not be used; never call it twice for that."""
        self._backend.give_back(counter, number)

    def decision(self, decision_id: str) -> DecisionRecord | None:
        """Return the record of a decision, None when there is none.

        Raises `StoreUnavailable`, which is `Damaged` where the record is not the one that was
        stored, and `Erased` where its content had to go.
        """
        waiting = self._records.queued_record(decision_id)
        if waiting is not None:
            return waiting
        blob = self._backend.decision(decision_id)
        return None if blob is None else self._seal.open(decision_id, blob)

    def new_decision_id(self, customer: bytes, now: int) -> str:
        """Return an id by which alone the record is found: shard, time, worker and a counter."""
        return new_decision_id(self._backend.shards, customer, now)

    def records(self, since: int | None) -> Iterator[StoredDecision]:
        """Yield the decisions made at `since` (microseconds) or later, by time."""
        self._records.flush()
        for name, blob in self._backend.decisions(since):
            try:
                yield StoredDecision(name, self._seal.open(name, blob))
            except Unreadable as error:
                yield StoredDecision(name, error)

    def verify(self) -> VerificationReport:
        """Check every decision record and the chains that name them.

        Memory is some 200 bytes a decision.
        """
        self._records.flush()
        links = list(self._backend.chain())
        return verify_decisions(self._seal, links, self._backend.decisions(None), wall_clock())

    def put_catalogue(self, rows: Sequence[Row], expected: int | None = None) -> int:
        """Store rows under one new revision, all at once, and return the revision.

        Raises `Conflict`, with nothing stored, where the current revision is not `expected`.
        """
        encoded = [
            CatalogueRow("item" if isinstance(row, Item) else "offer", row.id, encode(row))
            for row in rows
        ]
        revision = self._backend.put_catalogue(encoded, expected)
        if not revision:
            raise Conflict(f"revision: expected {expected}")
        return revision

    def catalogue_changes(self, since: int) -> tuple[int, list[Row]]:
        """Return the current revision and every row changed after `since`, by revision."""
        rows: list[Row] = []
        revision = since
        while True:
            reached, blobs = self._backend.catalogue_changes(revision)
            rows.extend(decode(blob, _ROW, EVER) for blob in blobs)
            if not blobs:
                return reached, rows
            revision = reached

    def revision(self) -> int:
        """Return the current revision of the catalogue; cheap enough to poll."""
        return self._backend.revision()

    def chunk_state(self, dataset: str, index: int) -> Literal["started", "done"] | None:
        """Return how far the chunk of the dataset with that digest was loaded."""
        state = self._backend.chunk(dataset, index)
        return cast(Literal["started", "done"], state) if state in ("started", "done") else None

    def mark_chunk(self, dataset: str, index: int, state: Literal["started", "done"]) -> None:
        """Note how far a chunk is loaded."""
        self._backend.mark_chunk(dataset, index, state)

    def check(self) -> None:
        """Look at what the database is and holds: for health, every second.

        Raises `StoreUnavailable` unless it takes writes, and is the store that was opened.
        """
        with self._refused_writes.watching():
            self._watch.look()

    def close(self) -> None:
        """Store what is still queued and let go of everything."""
        self._records.close()
        self._watch.close()
        self._backend.close()

    def _link(self, said: Link, at: Arrival) -> LinkOutcome:
        return link(self._backend, self._resolver.profile, said, lambda: at.now, at.known_since)
