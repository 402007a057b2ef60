"""The store of a fleet: Redis, or what speaks its protocol.

Keys are tagged by shard, so that a customer's blob, its decision records and the shard's log share
a slot and one script. There are no retries below this file: a write whose outcome is unknown is
reported as `StoreUnavailable`, and the caller's event ids make it safe to send it again.

What comes over the wire is not taken on trust. A read asks with GETRANGE, to which "nothing" has an
answer of its own, so that a nil is a fault and not an unknown customer; a write is done when the
script answers with the front of the very blob, so that no turned bit acknowledges what was not
done.
"""

import struct
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from models.codec import HEADER_BYTES
from service.store.database.backend import (
    KEEP_DECISIONS,
    CatalogueRow,
    Commit,
    CustomerWrite,
    Durability,
    EventQuery,
    LayoutReport,
    LogMarks,
    SealedDecision,
)
from service.store.database.decision_ids import parse_decision_id
from service.store.redis.answers import to_bytes, to_done, to_nothing
from service.store.redis.calls import RedisCalls, ScriptCall
from service.store.redis.catalogue import CHANGES, PUT, changes, changes_call, put_call
from service.store.redis.commits import COMMIT, TAKE, commit_args, committed, taken
from service.store.redis.event_log import LOG_LINES, log_args
from service.store.redis.key_renaming import count_of_layout_1, rename_keys
from service.store.redis.layout import (
    RedisKey,
    RedisKeys,
    customer_of,
    decision_id_of,
)
from service.store.redis.logged_events import LoggedEvents
from service.store.redis.node import Command
from service.store.redis.settings import RedisSettings, text_or_none
from service.store.redis.store_header import EVENT_IDS_SETTING, INDEXED, StoreHeader
from service.store.redis.streams import PAGE, entries
from service.store.redis.watch import ServerWatch

_VERSION = struct.Struct(">Q")

# Bytes 1 to 8 of a blob are its version; none are there when the key is absent.
_PUT = (
    b"""
if redis.call('GETRANGE', KEYS[1], 1, 8) ~= ARGV[1] then return 0 end
"""
    + LOG_LINES % {b"first": 3, b"log": 2}
    + b"""
redis.call('SET', KEYS[1], ARGV[2])
return string.sub(ARGV[2], 1, %d)
"""
    % HEADER_BYTES
)


class RedisBackend(RedisSettings):
    """A Redis at a URL. Every error of it becomes `StoreUnavailable`.

    Raises `UnknownStoreFormat`, before anything is written.
    """

    def __init__(self, url: str, timeout: float, *, make: bool = True, identity: str = "") -> None:
        """`timeout` in seconds, for each call as a whole.

        `make`: where there is no store, one is made, under `identity` if one is given.
        """
        super().__init__(RedisCalls(url, timeout))
        self.errors, self.gate = self._calls.errors, self._calls.gate
        self.call_seconds = timeout
        try:
            self._header = StoreHeader(self._calls, make, identity)
            self._watch = ServerWatch(self._calls, self._header)
            self._watch.look(writing=False)
            indexed = self.setting(EVENT_IDS_SETTING) == INDEXED
        except BaseException:
            self._calls.close()
            raise
        self.identity = self._header.identity
        self.shards = self._header.shards
        self.refuses_known_ids = indexed
        self._logged = LoggedEvents(self._calls, self._header, indexed)
        self._counts: dict[str, int] = {}  # the highest that was seen of each counter

    @property
    def durability(self) -> Durability:
        """Return what an acknowledged write survives, as last looked at."""
        return self._watch.durability

    @property
    def former_layout(self) -> bool:
        """Tell whether the keys are named as a version before did."""
        return self._header.former

    def lineage(self) -> str:
        """Return what is another as soon as another process, or other data, may answer.

        As of the last `check`.
        """
        return self._watch.lineage

    def remarks(self) -> list[str]:
        """Return what a person should know of this database, one line each with what to do."""
        return self._watch.remarks()

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what the calls of this thread in the block take together."""
        return self._calls.within(seconds)

    def time_left(self) -> float:
        """Return what is left of that, in seconds; `inf` without a bound."""
        return self._calls.time_left()

    @property
    def breaker_openings(self) -> int:
        """Return how often Redis stopped answering."""
        return self._calls.breaker_openings

    def get(self, customer: bytes) -> bytes | None:
        """Return the blob of one customer."""
        return self._calls.get(self._keys.customer(customer))

    def get_many(self, customers: Sequence[bytes]) -> list[bytes | None]:
        """Return the blobs of several customers, in their order, in one round trip."""
        names = self._keys
        commands: list[Command] = [
            ("GETRANGE", names.customer(customer), 0, -1) for customer in customers
        ]
        return self._calls.pipeline(commands, lambda blob: to_bytes(blob) or None)

    def write(self, writes: Sequence[CustomerWrite]) -> list[bool]:
        """Do each write in a script of its own, all in one round trip."""
        calls, names = [], self._keys
        for write in writes:
            keys = [names.customer(write.customer), names.log(write.customer)]
            expected = _VERSION.pack(write.expected) if write.expected else b""
            lines = log_args(keys, write.lines, write.customer, names)
            calls.append(ScriptCall(tuple(keys), (expected, write.blob, *lines)))
        fronts = [write.blob[:HEADER_BYTES] for write in writes]

        def done(answers: list[Any]) -> list[bool]:
            return [to_done(*pair) for pair in zip(answers, fronts, strict=True)]

        return self._calls.run(_PUT, calls, done) if calls else []

    def commit(self, commit: Commit) -> bool | bytes:
        """Do all of it in one script, or return the blob of the request if that is known."""
        names = self._keys
        keys = [
            names.customer(commit.customer),
            names.log(commit.customer),
            names.record(commit.decision.id),
        ]
        if commit.request is not None:
            keys.append(names.request(commit.customer, commit.request.key))
        lines = log_args(keys, commit.lines, commit.customer, names)
        args = commit_args(commit, lines)

        def outcome(answers: list[Any]) -> bool | bytes:
            return committed(answers[0], commit.decision)

        return self._calls.run(COMMIT, [ScriptCall(tuple(keys), args)], outcome, confirmed=True)

    def requested(self, owners: Sequence[bytes], key: bytes) -> bytes | None:
        """Look in the shards of the owners, in one round trip."""
        keys = sorted({self._keys.request(owner, key) for owner in owners})
        commands: list[Command] = [("GETRANGE", name, 0, -1) for name in keys]
        return next(filter(None, self._calls.pipeline(commands, to_bytes)), None)

    def take(self, counter: str, amount: int, limit: int) -> int:
        """Raise a counter by at most `amount`, never beyond `limit`; return by how much."""
        seen = self._counts.get(counter, 0)
        call = ScriptCall(self._keys.counter(counter), (amount, limit, seen))
        number, count = self._calls.run(
            TAKE, [call], lambda answers: taken(answers[0], amount), confirmed=True
        )
        self._counts[counter] = max(count, self._counts.get(counter, 0))
        return number

    def give_back(self, counter: str, number: int) -> None:
        """Lower a counter by what will never be used."""
        _, returned = self._keys.counter(counter)
        self._calls.command(("INCRBY", returned, number), int)

    def seen(self, owners: Sequence[bytes], queries: Sequence[EventQuery]) -> list[int | None]:
        """Look the events up among the ids of their identifiers, in the shards of the owners."""
        return self._logged.seen(owners, queries)

    def log(
        self, marks: LogMarks | None = None, owners: Collection[bytes] | None = None
    ) -> Iterator[bytes]:
        """Yield the log as it stands at the first entry, shard by shard."""
        return self._logged.log({} if marks is None else marks, owners)

    def enter_event_ids(self, progress: Callable[[int], None]) -> None:
        """Enter the ids of all events in the index, and say that they are."""
        if self.setting(EVENT_IDS_SETTING) != INDEXED:
            self._logged.enter_ids(progress)
            self.put_setting(EVENT_IDS_SETTING, INDEXED)

    def bring_layout_on(self, progress: Callable[[int], None], dry_run: bool) -> LayoutReport:
        """Rename the keys of a store of the layout before, or tell how many there are."""
        if not self._header.former:
            return LayoutReport(0)
        if dry_run:
            return LayoutReport(count_of_layout_1(self._calls))
        return rename_keys(self._calls, self._header, progress)

    def customers(self) -> Iterator[bytes]:
        """Yield the ids of all customers, in no order."""
        for page in self._scan(RedisKey.CUSTOMER):
            yield from map(customer_of, page)

    def put_catalogue(self, rows: Sequence[CatalogueRow], expected: int | None = None) -> int:
        """Store rows under the next revision and return it; 0: the current is not `expected`."""
        call = put_call(self._keys, rows, expected)
        return self._calls.run(PUT, [call], lambda answers: int(answers[0]))

    def catalogue_changes(self, since: int) -> tuple[int, list[bytes]]:
        """Return a revision and the rows changed after `since` up to it, by revision."""
        return self._calls.run(CHANGES, [changes_call(self._keys, since, PAGE)], changes)

    def revision(self) -> int:
        """Return the current revision of the catalogue."""
        key = self._keys.of(RedisKey.CATALOGUE_REVISION)
        return self._calls.command(
            ("GETRANGE", key, 0, -1), lambda found: int(to_bytes(found) or 0)
        )

    def put_decisions(self, decisions: Sequence[SealedDecision]) -> None:
        """Store decision records, with an expiry."""
        names = self._keys
        commands: list[Command] = [
            ("SET", names.record(decision.id), decision.blob, "EX", KEEP_DECISIONS)
            for decision in decisions
            if parse_decision_id(decision.id) is not None
        ]
        self._calls.pipeline(commands, to_nothing)

    def decision(self, decision_id: str) -> bytes | None:
        """Return the blob of one decision record."""
        if parse_decision_id(decision_id) is None:
            return None
        key = self._keys.record(decision_id)
        return self._calls.command(("GETRANGE", key, 0, -1), lambda blob: to_bytes(blob) or None)

    def decisions(self, since: int | None) -> Iterator[tuple[str, bytes]]:
        """Yield ids and blobs of the decisions of that time and later, by time and id."""
        found: set[tuple[int, str]] = set()
        for page in self._scan(RedisKey.DECISION):
            for decision_id in map(decision_id_of, page):
                place = parse_decision_id(decision_id)
                if place is not None and (since is None or place[1] >= since):
                    found.add((place[1], decision_id))
        ordered = iter(sorted(found))
        while some := list(islice(ordered, PAGE)):
            names = self._keys
            commands: list[Command] = [("GETRANGE", names.record(name), 0, -1) for _, name in some]
            blobs = self._calls.pipeline(commands, to_bytes)
            yield from ((name, blob) for (_, name), blob in zip(some, blobs, strict=True) if blob)

    def append_chain(self, link: bytes) -> None:
        """Store a link, and let go of those that were kept long enough."""
        oldest = (time.time_ns() // 1_000_000) - 1000 * KEEP_DECISIONS
        chain = self._keys.of(RedisKey.CHAIN)
        self._calls.command(("XADD", chain, "MINID", "~", oldest, "*", "e", link), to_bytes)

    def chain(self) -> Iterator[bytes]:
        """Yield the links in the order of writing."""
        found = entries(self._calls, lambda: self._keys.of(RedisKey.CHAIN), b"-", b"+", least=0)
        return (link for _, link in found)

    def moved(self) -> str:
        """Return nothing: connections lead to whoever is there."""
        return ""

    def chunk(self, dataset: str, index: int) -> str | None:
        """Return the mark of a chunk of a dataset."""
        chunks = self._keys.of(RedisKey.CHUNKS, dataset)
        return self._calls.command(("HGET", chunks, index), text_or_none)

    def mark_chunk(self, dataset: str, index: int, state: str) -> None:
        """Mark a chunk of a dataset."""
        chunks = self._keys.of(RedisKey.CHUNKS, dataset)
        self._calls.command(("HSET", chunks, index, state), int)

    def check(self) -> None:
        """Raise `StoreUnavailable` unless a server takes writes; look at all servers again."""
        self._header.look()
        _ = self._keys  # raises while they are renamed
        lineage = self._watch.lineage
        self._watch.look()
        if self._watch.lineage != lineage:
            # Whoever answers now may have lost the last moments: it is told what was taken.
            for counter in list(self._counts):
                self.take(counter, 0, 0)

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    @property
    def _keys(self) -> RedisKeys:
        return self._header.keys

    def _scan(self, kind: RedisKey) -> Iterator[list[bytes]]:
        """Yield pages of the keys of a kind."""
        for page in self._calls.scan(self._keys.every(kind), 10 * PAGE):
            yield page
            _ = self._keys  # raises once they are being renamed
