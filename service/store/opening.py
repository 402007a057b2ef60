"""Opens a store by its URL: the one place that chooses its database."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from models.domain.event_types import EVENT_TYPES, EventType
from models.domain.identifiers import key_fingerprint
from models.errors import BadInput, WrongKey
from service.store.database.backend import Backend
from service.store.database.format import FINGERPRINT_SETTING, format_of
from service.store.database.location import directory_of
from service.store.database.redis_url import is_redis
from service.store.sqlite.backend import SqliteBackend
from service.store.store import Store

TIMEOUT = 0.25  # seconds that Redis has to answer


def wall_clock() -> int:
    """Return the time in microseconds."""
    return time.time_ns() // 1000


def open_store(
    url: str,
    *,
    key: bytes,
    event_types: Mapping[str, EventType] = EVENT_TYPES,
    clock: Callable[[], int] = wall_clock,
    timeout: float = TIMEOUT,
    spill: Path | None = None,
) -> Store:
    """Return the store at `url`: "sqlite:DIR" or one of a Redis; made if it is not there.

    `key` is the one that identifiers are hashed with; decision records are sealed under it.
    `event_types` maps each event type to the built-in one that it is like; `clock` gives
    microseconds; `timeout` is in seconds; `spill` is the directory where decision records wait
    while Redis is away. Raises `BadInput` for another URL, `UnknownStoreFormat` for a store of a
    format that this version does not read, `WrongKey` when it was made under another key, and
    `StoreUnavailable`.
    """
    backend = open_database(url, key=key, timeout=timeout)
    try:
        return Store(backend, clock, key, event_types, spill or directory_of(url))
    except BaseException:
        backend.close()
        raise


def open_database(url: str, *, key: bytes, timeout: float) -> Backend:
    """Return the bare database of the store at `url`, made if it is not there.

    `timeout` is in seconds. Raises as `open_store` does.
    """
    backend: Backend
    directory = directory_of(url)
    if directory is not None:
        backend = SqliteBackend(directory)
    elif is_redis(url):
        # Only who serves a fleet pays for the client's import.
        from service.store.redis.backend import RedisBackend

        backend = RedisBackend(url, timeout)
    else:
        raise BadInput("store", "want sqlite:DIR or redis://host:port/db")
    try:
        format_of(backend)
        fingerprint = key_fingerprint(key)
        stored = backend.put_if_absent(FINGERPRINT_SETTING, fingerprint)
        if stored != fingerprint:
            raise WrongKey(
                f"store: its identifiers are hashed under key {stored}; "
                f"the key at hand is {fingerprint}"
            )
    except BaseException:
        backend.close()
        raise
    return backend
