"""Reads the log in Redis: all of it, what was added since, or whether an event is in it.

The ids of events are indexed by shard and identifier. A store of format 2 had no such index, so
there the streams are searched as well, until all ids are entered.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from models.domain.events import event_key
from service.store.database.backend import EventQuery, LogMarks
from service.store.database.decision_ids import shard_of
from service.store.redis.answers import to_bytes
from service.store.redis.calls import RedisCalls
from service.store.redis.known_ids import KNOWN, known, known_calls
from service.store.redis.layout import LOG_HEADER, RedisKey
from service.store.redis.node import Command
from service.store.redis.store_header import StoreHeader
from service.store.redis.streams import PAGE, after, entries

_NO_EVENT = event_key("").to_bytes(8, "big")  # in the entry of a link or an unlink


class LoggedEvents:
    """The logs of all shards of a store in Redis."""

    def __init__(self, calls: RedisCalls, header: StoreHeader, indexed: bool) -> None:
        """`indexed`: the ids of all events that were ever logged are in the index."""
        self._calls = calls
        self._header = header
        self._shards = header.shards
        self._indexed = indexed

    def seen(self, owners: Sequence[bytes], queries: Sequence[EventQuery]) -> list[int | None]:
        """Look the events up among the ids of their identifiers, in the shards of the owners."""
        names_of = self._header.keys
        shards = list(dict.fromkeys(shard_of(owner, self._shards) for owner in owners))
        # The same few events are looked for under each identifier of a customer.
        ids_of = {
            event_id: event_key(event_id).to_bytes(8, "big")
            for event_id in dict.fromkeys(query.event_id for query in queries)
        }
        identifiers = {query.identifier for query in queries}
        keys = {one: [names_of.event_ids_in(shard, one) for shard in shards] for one in identifiers}
        ids = list(dict.fromkeys(ids_of.values()))
        calls = [
            call for shard in zip(*keys.values(), strict=True) for call in known_calls(shard, ids)
        ]
        contents = self._calls.run(KNOWN, calls, partial(known, calls)) if calls else {}
        # Few of them are known: those are gone through, not all that was asked for.
        identifier_of = {key: one for one, its in keys.items() for key in its}
        known_of: dict[tuple[bytes, bytes], int] = {}
        for (key, name), known_content in contents.items():
            known_of.setdefault((identifier_of[key], name), known_content)
        found = [known_of.get((one, ids_of[event_id])) for one, event_id, _ in queries]
        if self._indexed or None not in found:
            return found
        missing = [at for at, content in enumerate(found) if content is None]
        logged = self._searched(owners, [queries[at] for at in missing])
        for at, content in zip(missing, logged, strict=True):
            found[at] = content
        return found

    def log(self, marks: LogMarks, owners: Collection[bytes] | None) -> Iterator[bytes]:
        """Yield what came after `marks`, as it stands at the first entry, shard by shard.

        Of all shards, or of those of `owners`.
        """
        shards: Iterable[int] = range(self._shards)
        if owners is not None:
            shards = sorted({shard_of(owner, self._shards) for owner in owners})
        for shard, last in self._ends(shards):
            mark = b"%d" % shard
            first = after(marks.get(mark, b""))
            for name, entry in self._entries(shard, first, last):
                yield entry[LOG_HEADER.size :]
                marks[mark] = name

    def enter_ids(self, progress: Callable[[int], None]) -> None:
        """Enter the ids of all events in the index; an id that is in it stays as it is.

        `progress` is told how many entries of the log were looked at.
        """
        looked_at = 0
        for shard, last in self._ends(range(self._shards)):
            found = self._entries(shard, b"-", last)
            while page := list(islice(found, PAGE)):
                names = self._header.keys
                commands: list[Command] = [
                    ("HSETNX", names.event_ids_in(shard, entry[:16]), entry[16:24], entry[24:28])
                    for _, entry in page
                    if entry[16:24] != _NO_EVENT
                ]
                self._calls.pipeline(commands, int)
                looked_at += len(page)
                progress(looked_at)

    def _ends(self, shards: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield each shard with entries, and the last of them, all at one moment.

        Of a cluster each node has a moment of its own.
        """
        numbers = list(shards)
        ends = self._calls.pipeline(
            [("XREVRANGE", self._stream(shard), "+", "-", "COUNT", 1) for shard in numbers],
            lambda page: [to_bytes(name) for name, _ in page],
            atomic=True,
        )
        for shard, names in zip(numbers, ends, strict=True):
            for last in names:
                yield shard, last

    def _stream(self, shard: int) -> bytes:
        return self._header.keys.of(RedisKey.LOG, shard)

    def _entries(self, shard: int, first: bytes, last: bytes) -> Iterator[tuple[bytes, bytes]]:
        return entries(self._calls, partial(self._stream, shard), first, last, LOG_HEADER.size)

    def _searched(self, owners: Sequence[bytes], queries: Sequence[EventQuery]) -> list[int | None]:
        """Look up what a store of format 2 has logged, in the streams of the owners."""
        index_of = {
            (query.identifier, event_key(query.event_id)): index
            for index, query in enumerate(queries)
        }
        found: dict[tuple[bytes, int], int] = {}
        starts = [query.not_before for query in queries]
        known = [start for start in starts if start is not None]
        # A stream's ids are milliseconds of the database's clock.
        first = b"-" if len(known) < len(starts) else b"%d" % max(0, min(known) // 1000)
        for shard in sorted({shard_of(owner, self._shards) for owner in owners}):
            for _, entry in self._entries(shard, first, b"+"):
                identifier, key, content = LOG_HEADER.unpack_from(entry)
                if (identifier, key) in index_of:
                    found.setdefault((identifier, key), content)
            if len(found) == len(index_of):
                break
        return [found.get((query.identifier, event_key(query.event_id))) for query in queries]
