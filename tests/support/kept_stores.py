"""Stores that earlier versions made, as copies to work on: opening one writes to it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import redis

from models.domain.events import event_key
from models.domain.identifiers import Identifier, hash_identifier
from models.domain.profile import Link, Unlink
from service.contract.names import declare_names
from service.store.customers.log_entries import decode_entry
from service.store.database.backend import SHARDS
from service.store.database.location import DATABASE
from service.store.redis.layout import LOG_HEADER, SETTINGS_KEY, RedisKey, RedisKeys
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

STORES = ROOT / "tests" / "fixtures" / "stores"
DECLARED = {"notified": "sent"}
NAMES = declare_names(event_types=DECLARED)
FORMER_KEYS = RedisKeys("", SHARDS)  # as they were named before a store had an identity
LATER = 1 << 40  # seconds: no record is let go of during a test


class Made(msgspec.Struct, frozen=True):
    """What is said of a kept store: its format, and how much is in it."""

    format: int
    people: int
    events: int
    decisions: int


class KeptStore:
    """A copy of the kept store of a format, in a directory."""

    def __init__(self, format_: int, directory: Path) -> None:
        """Copy it to `directory`, which is not there."""
        source = STORES / f"format_{format_}"
        shutil.copytree(source, directory)
        (directory / "data").mkdir()
        self.database = directory / "data" / DATABASE
        (directory / DATABASE).rename(self.database)
        self.directory = directory
        self.url = f"sqlite:{directory / 'data'}"
        self.registry = directory / "registry"
        self.key_file = directory / "identifier.key"
        self.key = bytes.fromhex(self.key_file.read_text())
        self.made = msgspec.json.decode((directory / "made.json").read_bytes(), type=Made)
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute("UPDATE decisions SET kept_until = ?", (LATER,))
            database.execute("UPDATE chain SET kept_until = ?", (LATER,))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what stands in the database."""
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(query).fetchall()

    def who(self, namespace: str, number: int) -> bytes:
        """Return the hash of an identifier of a person."""
        name = f"{namespace[0].upper()}{number}"
        return hash_identifier(self.key, Identifier(namespace, name))

    def move_to_redis(self, url: str) -> None:
        """Write it to an empty Redis, as its version kept it there, and have it there."""
        with closing(redis.Redis.from_url(url, socket_timeout=PATIENCE)) as client:
            self._fill(client.pipeline(transaction=False))
        self.url = url

    def _fill(self, pipe: Any) -> None:
        settings = {"shards": SHARDS}
        keys = FORMER_KEYS
        for name, value in self.rows("SELECT key, value FROM meta"):
            if name == "revision":
                pipe.set(keys.of(RedisKey.CATALOGUE_REVISION), value)
            elif name == "key_fingerprint":
                settings[name] = value
        pipe.hset(SETTINGS_KEY, mapping=settings)
        for customer, blob in self.rows("SELECT id, blob FROM customers"):
            pipe.set(keys.customer(customer), blob)
        query = "SELECT identifier, event_id, content, blob FROM log ORDER BY seq"
        for identifier, event_id, content, blob in self.rows(query):
            header = LOG_HEADER.pack(identifier or b"", event_key(event_id or ""), content)
            stream = keys.log(identifier or said_first(blob))
            pipe.xadd(stream, {"e": header + blob})
        for kind, name, revision, blob in self.rows("SELECT * FROM catalogue"):
            pipe.zadd(keys.of(RedisKey.CATALOGUE_REVISIONS), {f"{kind}:{name}": revision})
            pipe.hset(keys.of(RedisKey.CATALOGUE_ROWS), f"{kind}:{name}", blob)
        for decision, blob in self.rows("SELECT id, blob FROM decisions"):
            pipe.set(keys.record(decision), blob)
        for (blob,) in self.rows("SELECT blob FROM chain ORDER BY seq"):
            pipe.xadd(keys.of(RedisKey.CHAIN), {"e": blob})
        for counter, count in self.rows("SELECT name, count FROM counters"):
            pipe.set(keys.counter(counter)[0], count)
        pipe.execute()


def said_first(blob: bytes) -> bytes:
    """Return the first identifier that a link or an unlink names."""
    statement = decode_entry(blob).statement
    assert isinstance(statement, Link | Unlink)
    return statement.a
