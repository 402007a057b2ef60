"""The store that a command works on without a service: one that is there."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from service.config.keys import load_key
from service.config.settings import Settings
from service.store.database.location import DATABASE, directory_of
from service.store.identity.known_store import KnownStoreFile
from service.store.opening import open_store
from service.store.store import Store

# Nobody waits for a command as one waits for a decision.
TIMEOUT = 10.0  # seconds


@contextmanager
def existing_store(settings: Settings) -> Iterator[Store]:
    """Yield the store of `settings`, beside a service or not; it is never made here."""
    check_there(settings)
    opened = open_store(
        settings.store,
        key=load_key(settings),
        event_types=settings.names.event_types,
        timeout=max(TIMEOUT, settings.redis_timeout),
        known=KnownStoreFile(settings.registry),
    )
    try:
        yield opened
    finally:
        opened.close()


def check_there(settings: Settings) -> None:
    """Raise `FileNotFoundError` where the embedded store of `settings` is not there."""
    directory = directory_of(settings.store)
    if directory is not None and not (directory / DATABASE).exists():
        raise FileNotFoundError(errno.ENOENT, "not found", str(directory / DATABASE))
