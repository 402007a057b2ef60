"""What a database must be able to do to keep a store: few verbs over opaque bytes.

All that is specific to customers (who is who, the fold, duplicates, links) is written once above
this protocol; a database only gets, compares and sets, appends, and scans. Every verb raises
`StoreUnavailable` when the database does not answer or refuses.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import NamedTuple, Protocol

from models.errors import StoreUnavailable
from service.store.database.counts import ErrorCounter
from service.store.database.gate import Gate

SHARDS = 1024  # fixed when a store is made
SKEW = 300_000_000  # microseconds that an event's time may be ahead of its arrival
KEEP_DECISIONS = 30 * 86_400  # seconds
KEEP_REQUESTS = 86_400  # seconds that a request id names its decision

# How far a log was read: by the name of each of its parts the place of the last entry.
LogMarks = dict[bytes, bytes]


class Durability(Enum):
    """What an acknowledged write survives: a power cut, or less."""

    DURABLE = "durable"
    RELAXED = "relaxed"


class RefusedByDatabase(StoreUnavailable):
    """The database answered that it does not do this; other requests may succeed."""


class PartAway(RefusedByDatabase):
    """One of several servers does not answer; what the others keep is read and written on."""


class WritesRefused(RefusedByDatabase):
    """It takes no writes for now, as it is full, read-only or locked: nothing was written."""


class OutOfTime(StoreUnavailable):
    """No time was left for the call: it was not begun."""


class LayoutReport(NamedTuple):
    """How many keys were renamed, and which stay because there is one of the new name already."""

    renamed: int
    left: tuple[str, ...] = ()


class LogLine(NamedTuple):
    """One entry of the log; `event_id` is empty and `identifier` too for what is not an event.

    `arrival` in microseconds; `content` is the event's 32-bit content hash.
    """

    arrival: int
    identifier: bytes
    event_id: str
    content: int
    blob: bytes


class CustomerWrite(NamedTuple):
    """Replace a customer's blob if its version is still `expected` (0: absent), and log `lines`.

    The new version is that of the blob, and greater.
    """

    customer: bytes
    expected: int
    blob: bytes
    lines: tuple[LogLine, ...] = ()


class EventQuery(NamedTuple):
    """Was this event logged? `not_before`: the earliest possible arrival (microseconds) or None."""

    identifier: bytes
    event_id: str
    not_before: int | None


class CatalogueRow(NamedTuple):
    """One row of the catalogue, stored whole."""

    kind: str
    id: str
    blob: bytes


class SealedDecision(NamedTuple):
    """A decision record by its id; `time` in microseconds by the server's clock."""

    id: str
    customer: bytes
    time: int
    blob: bytes


class StoredRequest(NamedTuple):
    """What a request id named: `key` is a hash of who was asked about and the id."""

    key: bytes
    blob: bytes


class Commit(NamedTuple):
    """A decision that is stored together with what it rests on, wholly or not at all.

    `blob` replaces that of the customer, None leaves it; either way its version must still be
    `expected` (0: absent). `lines` are logged. The decision must be of the customer's shard.
    """

    customer: bytes
    expected: int
    blob: bytes | None
    lines: tuple[LogLine, ...]
    decision: SealedDecision
    request: StoredRequest | None


class Backend(Protocol):
    """A database that keeps a store. Safe to use from many threads.

    `errors` counts the requests that failed. `refuses_known_ids`: a write that logs an event whose
    id the customer's own key has logged before, under that identifier, is refused. `call_seconds`:
    how long a call may take at most. `gate` may be closed for all calls.
    """

    refuses_known_ids: bool
    shards: int
    errors: ErrorCounter
    gate: Gate
    call_seconds: float

    @property
    def durability(self) -> Durability:
        """Return what an acknowledged write survives, as far as is known."""

    @property
    def former_layout(self) -> bool:
        """Tell whether what is kept is named as a version before did."""

    @property
    def breaker_openings(self) -> int:
        """Return how often the database stopped answering."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what the calls of this thread in the block take together; blocks may nest."""

    def time_left(self) -> float:
        """Return the seconds that the calling thread has left, `inf` without a bound."""

    def get(self, customer: bytes) -> bytes | None:
        """Return the blob of one customer."""

    def get_many(self, customers: Sequence[bytes]) -> list[bytes | None]:
        """Return the blobs of several customers, in their order."""

    def write(self, writes: Sequence[CustomerWrite]) -> list[bool]:
        """Do each write, wholly or not at all, and tell which were done; durable on return.

        False: the version was another, or an event of it is in the log already.
        """

    def commit(self, commit: Commit) -> bool | bytes:
        """Do all of it, durable on return, and return True; False: the version was another.

        Where a request of that key is known already, nothing is done and its blob is returned.
        """

    def requested(self, owners: Sequence[bytes], key: bytes) -> bytes | None:
        """Return the blob of a request by its key; `owners` are who it may be stored with."""

    def take(self, counter: str, amount: int, limit: int) -> int:
        """Raise a counter, from 0, by at most `amount`, never beyond `limit`; return by how much.

        Durable on return. Where the answer is lost, what was added stays counted.
        """

    def give_back(self, counter: str, number: int) -> None:
        """Lower a counter by what was taken and will never be used."""

    def seen(self, owners: Sequence[bytes], queries: Sequence[EventQuery]) -> list[int | None]:
        """Return the content hash under which each event was logged, None if it was not.

        `owners` are all customers whose writes may have logged them.
        """

    def log(
        self, marks: LogMarks | None = None, owners: Collection[bytes] | None = None
    ) -> Iterator[bytes]:
        """Yield the blobs of the log as it stands at the first one, in order within a shard.

        With `marks` those alone that came after them; the marks move on with what is yielded. With
        `owners`, who are all whose writes may have logged what is looked for, others may be left
        out.
        """

    def enter_event_ids(self, progress: Callable[[int], None]) -> None:
        """Have the ids of all events that were ever logged in the index that `seen` looks at.

        Again is harmless. `progress` is told how many entries of the log were looked at.
        """

    def bring_layout_on(self, progress: Callable[[int], None], dry_run: bool) -> LayoutReport:
        """Name what is kept as this version does, or tell how much would be; again is harmless.

        `progress` is told how many keys were renamed.
        """

    def customers(self) -> Iterator[bytes]:
        """Yield the ids of all customers, some perhaps twice; of those made meanwhile some."""

    def put_catalogue(self, rows: Sequence[CatalogueRow], expected: int | None = None) -> int:
        """Store rows under the next revision, all at once, and return it.

        Where the current revision is not `expected`, nothing is stored and 0 returned.
        """

    def catalogue_changes(self, since: int) -> tuple[int, list[bytes]]:
        """Return a revision and the rows changed after `since` up to it, by revision.

        May stop at an earlier revision than the current one; the rest follows from there.
        """

    def revision(self) -> int:
        """Return the current revision of the catalogue, 0 when there is none."""

    def put_decisions(self, decisions: Sequence[SealedDecision]) -> None:
        """Store decision records, to be kept for `KEEP_DECISIONS`; again is harmless."""

    def decision(self, decision_id: str) -> bytes | None:
        """Return the blob of one decision record."""

    def decisions(self, since: int | None) -> Iterator[tuple[str, bytes]]:
        """Yield ids and blobs of the decisions of that time and later, by time and id."""

    def append_chain(self, link: bytes) -> None:
        """Store a link of a chain, to be kept for `KEEP_DECISIONS`; again is harmless."""

    def chain(self) -> Iterator[bytes]:
        """Yield the links of all chains."""

    def setting(self, key: str) -> str | None:
        """Return the value kept under `key`, None where there is none."""

    def put_if_absent(self, key: str, value: str) -> str:
        """Return the value kept under `key`, which is `value` if there was none."""

    def put_setting(self, key: str, value: str) -> None:
        """Keep a value under `key`, whatever was there."""

    def settings(self, keys: Sequence[str]) -> list[str | None]:
        """Return the values kept under `keys`, None where there is none; all of one moment."""

    def replace_setting(self, key: str, before: str | None, after: str) -> bool:
        """Keep `after` under `key` where `before` was kept (None: nothing); tell whether it was."""

    def count_up(self, key: str) -> int:
        """Raise the number kept under `key`, from 0, by 1, and return it."""

    def lineage(self) -> str:
        """Return what is another as soon as another server, or other data, may answer."""

    def moved(self) -> str:
        """Return why what is at the store's place is not what was opened; "" where it is."""

    def chunk(self, dataset: str, index: int) -> str | None:
        """Return the mark of a chunk of a dataset."""

    def mark_chunk(self, dataset: str, index: int, state: str) -> None:
        """Mark a chunk of a dataset."""

    def remarks(self) -> Sequence[str]:
        """Return what else a person should know of it, each with what to do."""

    def check(self) -> None:
        """Look anew at what the database is; raises `StoreUnavailable` unless it answers."""

    def close(self) -> None:
        """Let go of files, threads and connections."""
