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
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from models.codec import HEADER_BYTES
from service.store.database.backend import (
    KEEP_DECISIONS,
    SHARDS,
    CatalogueRow,
    Commit,
    CustomerWrite,
    Durability,
    EventQuery,
    LogMarks,
    RefusedByDatabase,
    SealedDecision,
)
from service.store.database.decision_ids import parse_decision_id
from service.store.database.format import FORMAT_SETTING, check_format
from service.store.redis.answers import to_bytes, to_done, to_nothing
from service.store.redis.calls import RedisCalls, ScriptCall
from service.store.redis.catalogue import CHANGES, PUT, changes, changes_call, put_call
from service.store.redis.commits import COMMIT, TAKE, commit_args, committed, taken
from service.store.redis.event_log import LOG_LINES, log_args
from service.store.redis.layout import (
    RedisKey,
    counter_key,
    customer_key,
    customer_of,
    decision_id_of,
    log_key,
    record_key,
    request_key,
)
from service.store.redis.logged_events import LoggedEvents
from service.store.redis.streams import PAGE, entries

T = TypeVar("T")

_VERSION = struct.Struct(">Q")
_EVENT_IDS, _INDEXED = "event_ids", "indexed"  # a setting, and what it says once all ids are there

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


# KEYS: the settings. ARGV: which, what it must be (empty: nothing), what it becomes.
REPLACE = b"""
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return ARGV[3]
"""


class RedisBackend:
    """A Redis at a URL. Every error of it becomes `StoreUnavailable`.

    Raises `UnknownStoreFormat`, before anything is written.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """`timeout` in seconds, for each call as a whole."""
        self._calls = RedisCalls(url, timeout)
        self._client = self._calls.client
        self._ask, self._pipeline = self._calls.ask, self._calls.pipeline
        self.errors, self.gate = self._calls.errors, self._calls.gate
        self.call_seconds = timeout
        check_format(self.setting(FORMAT_SETTING))
        self.durability = self._durability()
        indexed = self._indexes_ids()
        self.shards = int(self.put_if_absent("shards", str(SHARDS)))
        self.refuses_known_ids = indexed
        self._logged = LoggedEvents(self._calls, self.shards, indexed)

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
        return self._calls.get(customer_key(customer, self.shards))

    def get_many(self, customers: Sequence[bytes]) -> list[bytes | None]:
        """Return the blobs of several customers, in their order, in one round trip."""
        commands = [
            ("GETRANGE", customer_key(customer, self.shards), 0, -1) for customer in customers
        ]
        return self._pipeline(commands, lambda blob: to_bytes(blob) or None)

    def write(self, writes: Sequence[CustomerWrite]) -> list[bool]:
        """Do each write in a script of its own, all in one round trip."""
        calls = []
        for write in writes:
            keys = [customer_key(write.customer, self.shards), log_key(write.customer, self.shards)]
            expected = _VERSION.pack(write.expected) if write.expected else b""
            lines = log_args(keys, write.lines, write.customer, self.shards)
            calls.append(ScriptCall(tuple(keys), (expected, write.blob, *lines)))
        fronts = [write.blob[:HEADER_BYTES] for write in writes]

        def done(answers: list[Any]) -> list[bool]:
            return [to_done(*pair) for pair in zip(answers, fronts, strict=True)]

        return self._calls.run(_PUT, calls, done) if calls else []

    def commit(self, commit: Commit) -> bool | bytes:
        """Do all of it in one script, or return the blob of the request if that is known."""
        keys = [
            customer_key(commit.customer, self.shards),
            log_key(commit.customer, self.shards),
            record_key(commit.decision.id),
        ]
        if commit.request is not None:
            keys.append(request_key(commit.customer, commit.request.key, self.shards))
        lines = log_args(keys, commit.lines, commit.customer, self.shards)
        args = commit_args(commit, lines)

        def outcome(answers: list[Any]) -> bool | bytes:
            return committed(answers[0], commit.decision)

        return self._calls.run(COMMIT, [ScriptCall(tuple(keys), args)], outcome)

    def requested(self, owners: Sequence[bytes], key: bytes) -> bytes | None:
        """Look in the shards of the owners, in one round trip."""
        keys = sorted({request_key(owner, key, self.shards) for owner in owners})
        commands = [("GETRANGE", name, 0, -1) for name in keys]
        return next(filter(None, self._pipeline(commands, to_bytes)), None)

    def take(self, counter: str, amount: int, limit: int) -> int:
        """Raise a counter by at most `amount`, never beyond `limit`; return by how much."""
        call = ScriptCall((counter_key(counter),), (amount, limit))
        return self._calls.run(TAKE, [call], lambda answers: taken(answers[0], amount))

    def give_back(self, counter: str, number: int) -> None:
        """Lower a counter by what will never be used."""
        self._ask(lambda: int(self._client.decrby(counter_key(counter), number)))

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
        if self.setting(_EVENT_IDS) != _INDEXED:
            self._logged.enter_ids(progress)
            self.put_setting(_EVENT_IDS, _INDEXED)

    def customers(self) -> Iterator[bytes]:
        """Yield the ids of all customers, in no order."""
        cursor = 0
        while True:
            cursor, found = self._ask(partial(self._scan, cursor, RedisKey.CUSTOMER, customer_of))
            yield from found
            if not cursor:
                return

    def put_catalogue(self, rows: Sequence[CatalogueRow], expected: int | None = None) -> int:
        """Store rows under the next revision and return it; 0: the current is not `expected`."""
        return self._calls.run(PUT, [put_call(rows, expected)], lambda answers: int(answers[0]))

    def catalogue_changes(self, since: int) -> tuple[int, list[bytes]]:
        """Return a revision and the rows changed after `since` up to it, by revision."""
        return self._calls.run(CHANGES, [changes_call(since, PAGE)], changes)

    def revision(self) -> int:
        """Return the current revision of the catalogue."""
        key = RedisKey.CATALOGUE_REVISION.key()
        return self._ask(lambda: int(to_bytes(self._client.getrange(key, 0, -1)) or 0))

    def put_decisions(self, decisions: Sequence[SealedDecision]) -> None:
        """Store decision records, with an expiry."""
        self._pipeline(
            [
                ("SET", record_key(decision.id), decision.blob, "EX", KEEP_DECISIONS)
                for decision in decisions
                if parse_decision_id(decision.id) is not None
            ],
            to_nothing,
        )

    def decision(self, decision_id: str) -> bytes | None:
        """Return the blob of one decision record."""
        if parse_decision_id(decision_id) is None:
            return None
        key = record_key(decision_id)
        return self._ask(lambda: to_bytes(self._client.getrange(key, 0, -1)) or None)

    def decisions(self, since: int | None) -> Iterator[tuple[str, bytes]]:
        """Yield ids and blobs of the decisions of that time and later, by time and id."""
        found: list[tuple[int, str]] = []
        cursor = 0
        while True:
            cursor, names = self._ask(
                partial(self._scan, cursor, RedisKey.DECISION, decision_id_of)
            )
            for decision_id in names:
                place = parse_decision_id(decision_id)
                if place is not None and (since is None or place[1] >= since):
                    found.append((place[1], decision_id))
            if not cursor:
                break
        ordered = iter(sorted(set(found)))
        while page := list(islice(ordered, PAGE)):
            commands = [("GETRANGE", record_key(name), 0, -1) for _, name in page]
            blobs = self._pipeline(commands, to_bytes)
            yield from ((name, blob) for (_, name), blob in zip(page, blobs, strict=True) if blob)

    def append_chain(self, link: bytes) -> None:
        """Store a link, and let go of those that were kept long enough."""
        oldest = (time.time_ns() // 1_000_000) - 1000 * KEEP_DECISIONS
        command = ("XADD", RedisKey.CHAIN.key(), "MINID", "~", oldest, "*", "e", link)
        self._ask(lambda: to_bytes(self._client.execute_command(*command)))

    def chain(self) -> Iterator[bytes]:
        """Yield the links in the order of writing."""
        found = entries(self._calls, RedisKey.CHAIN.key(), b"-", b"+", least=0)
        return (link for _, link in found)

    def setting(self, key: str) -> str | None:
        """Return the value kept under `key`, None where there is none."""

        def value() -> str | None:
            found = self._client.hget(RedisKey.SETTINGS.key(), key)
            return None if found is None else to_bytes(found).decode()

        return self._ask(value)

    def put_if_absent(self, key: str, value: str) -> str:
        """Return the value kept under `key`, which is `value` if there was none."""
        self._ask(lambda: self._client.hsetnx(RedisKey.SETTINGS.key(), key, value))
        return self._ask(lambda: to_bytes(self._client.hget(RedisKey.SETTINGS.key(), key)).decode())

    def put_setting(self, key: str, value: str) -> None:
        """Keep a value under `key`, whatever was there."""
        self._ask(lambda: int(self._client.hset(RedisKey.SETTINGS.key(), key, value)))

    def settings(self, keys: Sequence[str]) -> list[str | None]:
        """Return the values kept under `keys`, None where there is none; all of one moment."""

        def values() -> list[str | None]:
            found = self._client.hmget(RedisKey.SETTINGS.key(), keys)
            return [None if value is None else to_bytes(value).decode() for value in found]

        return self._ask(values)

    def replace_setting(self, key: str, before: str | None, after: str) -> bool:
        """Keep `after` under `key` where `before` was kept (None: nothing); tell whether it was."""
        args = (key.encode(), b"" if before is None else before.encode(), after.encode())
        call = ScriptCall((RedisKey.SETTINGS.key(),), args)
        return self._calls.run(REPLACE, [call], lambda answers: to_done(answers[0], args[2]))

    def count_up(self, key: str) -> int:
        """Raise the number kept under `key`, from 0, by 1, and return it."""
        return self._ask(lambda: int(self._client.hincrby(RedisKey.SETTINGS.key(), key, 1)))

    def lineage(self) -> str:
        """Return what is another as soon as another server, or other data, may answer."""
        return self._ask(lambda: str(self._client.info("server")["run_id"]))

    def reopen(self) -> None:
        """Do nothing: connections lead to whoever is there."""

    def chunk(self, dataset: str, index: int) -> str | None:
        """Return the mark of a chunk of a dataset."""

        def state() -> str | None:
            found = self._client.hget(RedisKey.CHUNKS.key(dataset), index)
            return None if found is None else to_bytes(found).decode()

        return self._ask(state)

    def mark_chunk(self, dataset: str, index: int, state: str) -> None:
        """Mark a chunk of a dataset."""
        self._ask(lambda: int(self._client.hset(RedisKey.CHUNKS.key(dataset), index, state)))

    def check(self) -> None:
        """Ask again how durable Redis is; raises `StoreUnavailable` unless it answers."""
        self.durability = self._durability()

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def _indexes_ids(self) -> bool:
        """Tell whether the ids of all events are indexed: not where a format before logged some."""
        # A store has shards from its first moment on; so only a new one says so here.
        made = self._ask(lambda: bool(self._client.hexists(RedisKey.SETTINGS.key(), "shards")))
        return self.put_if_absent(_EVENT_IDS, "partly" if made else _INDEXED) == _INDEXED

    def _durability(self) -> Durability:
        try:
            settings = self._ask(lambda: dict(self._client.config_get("*append*")))
        except RefusedByDatabase:
            return Durability.RELAXED
        durable = (
            settings.get("appendonly") == "yes"
            and settings.get("appendfsync") == "always"
            and settings.get("no-appendfsync-on-rewrite") == "no"
        )
        return Durability.DURABLE if durable else Durability.RELAXED

    def _scan(self, cursor: int, kind: RedisKey, read: Callable[[bytes], T]) -> tuple[int, list[T]]:
        """Return the next cursor, and what `read` makes of some keys of a kind with two values."""
        after, keys = self._client.scan(cursor, match=kind.key("*", "*"), count=10 * PAGE)
        return int(after), [read(to_bytes(key)) for key in keys]
