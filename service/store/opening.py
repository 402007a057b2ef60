"""Opens a store by its URL: the one place that chooses its database."""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import structlog

from models.domain.event_types import EVENT_TYPES, EventType
from models.domain.identifiers import key_fingerprint
from models.errors import BadInput, WrongKey
from service.store.database.backend import Backend
from service.store.database.format import (
    FINGERPRINT_SETTING,
    IDENTITY_BYTES,
    IDENTITY_SETTING,
    format_of,
)
from service.store.database.location import DATABASE, directory_of
from service.store.database.redis_url import is_redis
from service.store.identity.acceptance import Survey, accept, survey
from service.store.identity.judgement import (
    REMEDY,
    NotServed,
    Verdict,
    look,
    raise_epoch,
    refusal,
)
from service.store.identity.known_store import KnownStoreFile
from service.store.sqlite.backend import SqliteBackend
from service.store.store import Store

_log = structlog.get_logger(__name__)

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
    known: KnownStoreFile | None = None,
) -> Store:
    """Return the store at `url`: "sqlite:DIR" or one of a Redis; made if it is not there.

    `key` is the one that identifiers are hashed with; decision records are sealed under it.
    `event_types` maps each event type to the built-in one that it is like; `clock` gives
    microseconds; `timeout` is in seconds; `spill` is the directory where decision records wait
    while Redis is away; `known` keeps what is known of a store in Redis, an embedded one does that
    itself. Raises `BadInput` for another URL, `UnknownStoreFormat` for a store of a
    format that this version does not read, `WrongKey` when it was made under another key,
    `NotServed` where it is not the store that is known, and `StoreUnavailable`.
    """
    known = known_file(url, known)
    backend = open_database(url, key=key, timeout=timeout, known=known)
    try:
        return Store(backend, clock, key, event_types, spill or directory_of(url), known)
    except BaseException:
        backend.close()
        raise


def known_file(url: str, known: KnownStoreFile | None) -> KnownStoreFile | None:
    """Return where it is kept what is known of the store at `url`: for one in Redis, `known`."""
    directory = directory_of(url)
    return known if directory is None else KnownStoreFile(directory)


def open_database(
    url: str, *, key: bytes, timeout: float, known: KnownStoreFile | None = None
) -> Backend:
    """Return the bare database of the store at `url`, made if it is not there.

    `timeout` is in seconds, `known` where it is kept what is known of the store. Raises as
    `open_store` does.
    """
    backend = connect(url, timeout, make=known is None or known.read() is None)
    try:
        _judge(backend, known)
        _make(backend, key)
    except BaseException:
        backend.close()
        raise
    return backend


def connect(url: str, timeout: float, *, make: bool, identity: str = "") -> Backend:
    """Return the database at `url`, whatever it holds; without `make` nothing is written.

    `identity` is that of a store that is made here; of its own choice where it is empty.
    Raises `BadInput`, `UnknownStoreFormat`, `NotServed` and `StoreUnavailable`.
    """
    directory = directory_of(url)
    if directory is not None:
        if not (make or (directory / DATABASE).exists()):
            raise NotServed(f"{directory / DATABASE}: no store is there; {REMEDY}")
        return SqliteBackend(directory)
    if is_redis(url):
        # Only who serves a fleet pays for the client's import.
        from service.store.redis.backend import RedisBackend

        return RedisBackend(url, timeout, make=make, identity=identity)
    raise BadInput("store", "want sqlite:DIR or redis://host:port/db")


def _judge(backend: Backend, known: KnownStoreFile | None) -> None:
    """Raise `NotServed` for another store than is known; raise the epoch of one that went back."""
    before = None if known is None else known.read()
    found = look(backend)
    verdict = found.judged(before)
    if not verdict.served:
        raise NotServed(refusal(verdict, before, found))
    if verdict is Verdict.OLDER and before is not None and not found.is_older:
        epoch = raise_epoch(backend, found, max(before.epoch, found.epoch))
        _log.error("the store is older than it was; acknowledged writes are missing", epoch=epoch)


def _make(backend: Backend, key: bytes) -> None:
    """Have the store say its format, its identity and its key; raises `WrongKey`."""
    format_of(backend)
    backend.put_if_absent(IDENTITY_SETTING, secrets.token_hex(IDENTITY_BYTES))
    fingerprint = key_fingerprint(key)
    stored = backend.put_if_absent(FINGERPRINT_SETTING, fingerprint)
    if stored != fingerprint:
        raise WrongKey(
            f"store: its identifiers are hashed under key {stored}; "
            f"the key at hand is {fingerprint}"
        )


def survey_store(
    url: str, *, key: bytes | None, timeout: float, known: KnownStoreFile | None
) -> Survey:
    """Return what is at `url` beside what is known of the store, and write nothing.

    Raises `BadInput`, `UnknownStoreFormat`, `NotServed` where an embedded store is gone, and
    `StoreUnavailable`.
    """
    with closing(connect(url, timeout, make=False)) as backend:
        return survey(backend, key, known_file(url, known))


def accept_store(url: str, *, key: bytes, timeout: float, known: KnownStoreFile) -> Verdict:
    """Take what is at `url` for the store, and return what it had been beside what is known.

    Empty: a store is made, under the identity that is known. Raises as `open_store` does.
    """
    file = known_file(url, known) or known
    before = file.read()
    try:
        verdict = survey_store(url, key=key, timeout=timeout, known=known).verdict
    except NotServed:
        verdict = Verdict.EMPTY
    identity = "" if before is None or verdict is not Verdict.EMPTY else before.identity
    with closing(connect(url, timeout, make=True, identity=identity)) as backend:
        if identity:
            backend.put_if_absent(IDENTITY_SETTING, identity)
        _make(backend, key)
        accept(backend, file, verdict)
    return verdict
