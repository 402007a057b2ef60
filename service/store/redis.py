"""The store of a fleet: Redis, or what speaks its protocol.

Keys are tagged by shard, so that a customer's blob, its decision records and the shard's log share
a slot and one script. There are no retries below this file: a write whose outcome is unknown is
reported as `StoreUnavailable`, and the caller's event ids make it safe to send it again.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.errors import StoreUnavailable
from models.events import event_key
from service.store.backend import (
    KEEP_DECISIONS,
    SHARDS,
    CatalogueRow,
    Durability,
    LogLine,
    Query,
    StoredDecision,
    Write,
)
from service.store.breaker import Breaker, Open
from service.store.records import place_of, shard_of

PAGE = 500  # log entries, catalogue rows or records in one answer
_SETTINGS = b"{meta}settings"
_CATALOGUE = (b"{catalogue}revision", b"{catalogue}revisions", b"{catalogue}rows")
_LINE = struct.Struct(">16sQI")  # identifier, key of the event id, content hash
_VERSION = struct.Struct(">Q")

# Bytes 1 to 8 of a blob are its version; none are there when the key is absent.
_PUT = b"""
if redis.call('GETRANGE', KEYS[1], 1, 8) ~= ARGV[1] then return 0 end
for i = 3, #ARGV do redis.call('XADD', KEYS[2], '*', 'e', ARGV[i]) end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""

_PUT_CATALOGUE = b"""
local revision = redis.call('INCR', KEYS[1])
for i = 1, #ARGV, 2 do
  redis.call('ZADD', KEYS[2], revision, ARGV[i])
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
return revision
"""

# A page ends where a revision does, so that none is ever seen in part.
_CHANGES = b"""
local since, size = '(' .. ARGV[1], tonumber(ARGV[2])
local page = redis.call('ZRANGEBYSCORE', KEYS[2], since, '+inf', 'WITHSCORES', 'LIMIT', 0, size)
local reply = {tonumber(redis.call('GET', KEYS[1]) or 0)}
if #page == 2 * size then reply[1] = tonumber(page[#page]) end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], since, reply[1])) do
  reply[#reply + 1] = redis.call('HGET', KEYS[3], name)
end
return reply
"""

T = TypeVar("T")


class _Call(NamedTuple):
    keys: tuple[bytes, ...]
    args: tuple[bytes | int, ...]


class RedisBackend:
    """A Redis at a URL. Every error of it becomes `StoreUnavailable`."""

    def __init__(self, url: str, timeout: float) -> None:
        """`timeout` in seconds, for connecting and for each answer."""
        try:
            # The client's own default, ten retries, has been seen to store one write twice.
            self._client: Any = redis.Redis.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        except ValueError as error:
            raise StoreUnavailable(f"store: {error}") from None
        options = self._client.connection_pool.connection_kwargs
        self._name = f"redis at {options.get('host', options.get('path'))}"
        self._breaker = Breaker((redis.ConnectionError, redis.TimeoutError, OSError))
        self._digests: dict[bytes, str] = {}
        self.durability = self._durability()
        self.shards = int(self.put_if_absent("shards", str(SHARDS)))

    def get(self, customer: bytes) -> bytes | None:
        """Return the blob of one customer."""
        blob: bytes | None = self._ask(lambda: self._client.get(self._customer(customer)))
        return blob

    def get_many(self, customers: Sequence[bytes]) -> list[bytes | None]:
        """Return the blobs of several customers, in their order, in one round trip."""
        return self._pipeline([("GET", self._customer(customer)) for customer in customers])

    def write(self, writes: Sequence[Write]) -> list[bool]:
        """Do each write in a script of its own, all in one round trip."""
        calls = []
        for write in writes:
            keys = (self._customer(write.customer), self._log(write.customer))
            expected = _VERSION.pack(write.expected) if write.expected else b""
            lines = (_line(line) for line in write.lines)
            calls.append(_Call(keys, (expected, write.blob, *lines)))
        return [done == 1 for done in self._run(_PUT, calls)]

    def seen(self, owners: Sequence[bytes], queries: Sequence[Query]) -> list[int | None]:
        """Look the events up in the streams of the owners' shards."""
        wanted = {
            (query.identifier, event_key(query.event_id)): index
            for index, query in enumerate(queries)
        }
        found: dict[tuple[bytes, int], int] = {}
        starts = [query.not_before for query in queries]
        known = [start for start in starts if start is not None]
        # A stream's ids are milliseconds of the database's clock.
        first = b"-" if len(known) < len(starts) else b"%d" % max(0, min(known) // 1000)
        for stream in sorted({self._log(owner) for owner in owners}):
            for entry in self._entries(stream, first, b"+"):
                identifier, key, content = _LINE.unpack_from(entry)
                if (identifier, key) in wanted:
                    found.setdefault((identifier, key), content)
            if len(found) == len(wanted):
                break
        return [found.get((query.identifier, event_key(query.event_id))) for query in queries]

    def log(self) -> Iterator[bytes]:
        """Yield the log as it stands at the first entry, shard by shard."""
        streams = [self._log_of(shard) for shard in range(self.shards)]
        ends = self._pipeline(
            [("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in streams], atomic=True
        )
        for stream, end in zip(streams, ends, strict=True):
            if end:
                for entry in self._entries(stream, b"-", end[0][0]):
                    yield entry[_LINE.size :]

    def put_catalogue(self, rows: Sequence[CatalogueRow]) -> int:
        """Store rows under the next revision and return it."""
        args = tuple(part for row in rows for part in (_name(row), row.blob))
        return int(self._run(_PUT_CATALOGUE, [_Call(_CATALOGUE, args)])[0])

    def catalogue_changes(self, since: int) -> tuple[int, list[bytes]]:
        """Return a revision and the rows changed after `since` up to it, by revision."""
        revision, *blobs = self._run(_CHANGES, [_Call(_CATALOGUE, (since, PAGE))])[0]
        return int(revision), blobs

    def revision(self) -> int:
        """Return the current revision of the catalogue."""
        return int(self._ask(lambda: self._client.get(_CATALOGUE[0])) or 0)

    def put_decisions(self, decisions: Sequence[StoredDecision]) -> None:
        """Store decision records, with an expiry."""
        self._pipeline(
            [
                ("SET", self._decision(decision.id), decision.blob, "EX", KEEP_DECISIONS)
                for decision in decisions
                if place_of(decision.id) is not None
            ]
        )

    def decision(self, decision_id: str) -> bytes | None:
        """Return the blob of one decision record."""
        if place_of(decision_id) is None:
            return None
        blob: bytes | None = self._ask(lambda: self._client.get(self._decision(decision_id)))
        return blob

    def decisions(self, since: int | None) -> Iterator[bytes]:
        """Yield the blobs of the decisions of that time and later, by time and id."""
        found: list[tuple[int, str]] = []
        cursor = 0
        while True:
            scan = partial(self._client.scan, cursor, match=b"{s*}d:*", count=10 * PAGE)
            cursor, keys = self._ask(scan)
            for key in keys:
                decision_id = key.partition(b"d:")[2].decode()
                place = place_of(decision_id)
                if place is not None and (since is None or place[1] >= since):
                    found.append((place[1], decision_id))
            if not cursor:
                break
        ordered = iter(sorted(set(found)))
        while page := list(islice(ordered, PAGE)):
            for blob in self._pipeline([("GET", self._decision(name)) for _, name in page]):
                if blob is not None:
                    yield blob

    def put_if_absent(self, key: str, value: str) -> str:
        """Return the value kept under `key`, which is `value` if there was none."""
        self._ask(lambda: self._client.hsetnx(_SETTINGS, key, value))
        kept: bytes = self._ask(lambda: self._client.hget(_SETTINGS, key))
        return kept.decode()

    def chunk(self, dataset: str, index: int) -> str | None:
        """Return the mark of a chunk of a dataset."""
        state: bytes | None = self._ask(lambda: self._client.hget(_chunks(dataset), index))
        return None if state is None else state.decode()

    def mark_chunk(self, dataset: str, index: int, state: str) -> None:
        """Mark a chunk of a dataset."""
        self._ask(lambda: self._client.hset(_chunks(dataset), index, state))

    def check(self) -> None:
        """Raise `StoreUnavailable` unless Redis answers; ask again how durable it is."""
        self._ask(self._client.ping)
        self.durability = self._durability()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _durability(self) -> Durability:
        try:
            settings = self._ask(lambda: self._client.config_get("*append*"))
        except _Refused:
            return Durability.RELAXED
        durable = (
            settings.get("appendonly") == "yes"
            and settings.get("appendfsync") == "always"
            and settings.get("no-appendfsync-on-rewrite") == "no"
        )
        return Durability.DURABLE if durable else Durability.RELAXED

    def _entries(self, stream: bytes, first: bytes, last: bytes) -> Iterator[bytes]:
        while True:
            scan = ("XRANGE", stream, first, last, "COUNT", PAGE)
            page = self._ask(partial(self._client.execute_command, *scan))
            for _, fields in page:
                yield fields[b"e"]
            if len(page) < PAGE:
                return
            first = b"(" + page[-1][0]

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return self._breaker.run(call)
        except Open:
            raise StoreUnavailable(f"{self._name}: away; asked again in a moment") from None
        except redis.ResponseError as error:
            raise _Refused(f"{self._name}: {error}") from None
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailable(f"{self._name}: {error}") from None

    def _pipeline(self, commands: Sequence[tuple[Any, ...]], atomic: bool = False) -> list[Any]:
        if not commands:
            return []

        def call() -> list[Any]:
            with self._client.pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = pipeline.execute()
                return answers

        return self._ask(call)

    def _run(self, script: bytes, calls: Sequence[_Call]) -> list[Any]:
        """Run a script for each call, in one round trip, and load it where it is not known."""

        def call(calls: Sequence[_Call]) -> list[Any]:
            digest = self._digests.get(script)
            if digest is None:
                digest = self._digests[script] = self._client.script_load(script)
            if len(calls) == 1:
                keys, args = calls[0]
                return [self._client.evalsha(digest, len(keys), *keys, *args)]
            with self._client.pipeline(transaction=False) as pipeline:
                for keys, args in calls:
                    pipeline.evalsha(digest, len(keys), *keys, *args)
                answers: list[Any] = pipeline.execute()
                return answers

        def loaded() -> list[Any]:
            try:
                return call(calls)
            except redis.exceptions.NoScriptError:
                # After a restart it knows none. Any write that did run is now one that lost.
                self._digests.pop(script, None)
                return call(calls)

        return self._ask(loaded) if calls else []

    def _customer(self, customer: bytes) -> bytes:
        return b"{s%d}c:%s" % (shard_of(customer, self.shards), customer.hex().encode())

    def _log(self, customer: bytes) -> bytes:
        return self._log_of(shard_of(customer, self.shards))

    def _log_of(self, shard: int) -> bytes:
        return b"{s%d}log" % shard

    def _decision(self, decision_id: str) -> bytes:
        place = place_of(decision_id)
        return b"{s%d}d:%s" % (0 if place is None else place[0], decision_id.encode())


class _Refused(StoreUnavailable):
    """Redis answered, but would not do it."""


def _line(line: LogLine) -> bytes:
    return _LINE.pack(line.identifier, event_key(line.event_id), line.content) + line.blob


def _name(row: CatalogueRow) -> bytes:
    return f"{row.kind}:{row.id}".encode()


def _chunks(dataset: str) -> bytes:
    return b"{meta}chunks:" + dataset.encode()
