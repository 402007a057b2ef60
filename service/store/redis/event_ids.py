"""Which ids of events a Redis knows: by an index, or by its log in a store of the format before."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from models.domain.events import event_key
from service.store.database.backend import EventQuery
from service.store.database.decision_ids import shard_of
from service.store.redis.layout import LOG_HEADER, event_ids_key, log_key

# Sends commands in one round trip, and reads each answer.
Pipeline = Callable[[Sequence[tuple[object, ...]], Callable[[Any], int | None]], list[int | None]]


class EventIds:
    """The ids of events of one store.

    `entries` yields the log of a stream from a place on; it is read only where not all ids are
    `indexed`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        entries: Callable[[bytes, bytes, bytes], Iterator[bytes]],
        shards: int,
        *,
        indexed: bool,
    ) -> None:
        self._pipeline = pipeline
        self._entries = entries
        self._shards = shards
        self._indexed = indexed

    def seen(self, owners: Sequence[bytes], queries: Sequence[EventQuery]) -> list[int | None]:
        """Return the content hash under which each event was logged, None if it was not.

        `owners` are all customers in whose shards it may have been.
        """
        homes = {shard_of(owner, self._shards): owner for owner in owners}
        commands: list[tuple[object, ...]] = [
            (
                "HMGET",
                event_ids_key(query.identifier, owner, self._shards),
                event_key(query.event_id).to_bytes(8, "big"),
            )
            for query in queries
            for owner in homes.values()
        ]
        answers = self._pipeline(commands, _content)
        found = [
            next((one for one in answers[at : at + len(homes)] if one is not None), None)
            for at in range(0, len(answers), len(homes))
        ]
        if self._indexed or None not in found:
            return found
        missing = [at for at, content in enumerate(found) if content is None]
        logged = self._logged(owners, [queries[at] for at in missing])
        for at, content in zip(missing, logged, strict=True):
            found[at] = content
        return found

    def _logged(self, owners: Sequence[bytes], queries: Sequence[EventQuery]) -> list[int | None]:
        """Return the same by the log: of each id from the earliest arrival on that it may have."""
        index_of = {
            (query.identifier, event_key(query.event_id)): index
            for index, query in enumerate(queries)
        }
        found: dict[tuple[bytes, int], int] = {}
        starts = [query.not_before for query in queries]
        known = [start for start in starts if start is not None]
        # A stream's ids are milliseconds of the database's clock.
        first = b"-" if len(known) < len(starts) else b"%d" % max(0, min(known) // 1000)
        for stream in sorted({log_key(owner, self._shards) for owner in owners}):
            for entry in self._entries(stream, first, b"+"):
                identifier, key, content = LOG_HEADER.unpack_from(entry)
                if (identifier, key) in index_of:
                    found.setdefault((identifier, key), content)
            if len(found) == len(index_of):
                break
        return [found.get((query.identifier, event_key(query.event_id))) for query in queries]


def _content(answer: Any) -> int | None:
    """Read what HMGET says of one event id: its content hash, or nothing."""
    if not isinstance(answer, list) or len(answer) != 1:
        raise TypeError("not one value")
    if answer[0] is None:
        return None
    if not isinstance(answer[0], bytes):
        raise TypeError("not bytes")
    return int.from_bytes(answer[0], "big")
