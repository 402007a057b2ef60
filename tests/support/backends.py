"""The bare databases below stores: opened by URL, and interrupted at any of their writes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.errors import StoreUnavailable
from service.store.database.backend import Backend, CustomerWrite
from service.store.redis.backend import RedisBackend
from service.store.sqlite.backend import SqliteBackend
from service.store.store import Store
from tests.support.events import NOW
from tests.support.waiting import PATIENCE

STORE_KEY = bytes(range(32))


def backend_of(url: str) -> Backend:
    """Return the bare database of a store."""
    if url.startswith("sqlite:"):
        return SqliteBackend(Path(url.removeprefix("sqlite:")))
    return RedisBackend(url, timeout=PATIENCE)


class Interrupted:
    """A database that does something else before or after its n-th write, counted from 1."""

    def __init__(self, backend: Backend, at: int, before: bool, what: Callable[[], None]) -> None:
        self._backend = backend
        self._at = at
        self._before = before
        self._what = what
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def write(self, writes: Sequence[CustomerWrite]) -> list[bool]:
        """Write, and interrupt."""
        self.writes += 1
        now = self.writes == self._at
        if now and self._before:
            self._what()
        done = self._backend.write(writes)
        if now and not self._before:
            self._what()
        return done


def crash() -> None:
    """End the process that links, as far as the database can tell."""
    raise StoreUnavailable("crash")


def store_over(backend: Backend | Interrupted) -> Store:
    """Return another process's store over a database."""
    return Store(backend, lambda: NOW, STORE_KEY)
