"""A store says its format: the one before is served, any other is refused before it is touched."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from models.codec import FORMAT, READ
from service.store.database.format import UnknownStoreFormat
from service.store.database.location import DATABASE
from service.store.opening import open_store
from service.store.redis.calls import RedisCalls
from service.store.redis.layout import SETTINGS_KEY
from service.store.store import Store
from tests.support.backends import STORE_KEY, backend_of
from tests.support.events import NOW, event, identifier
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE

Open = Callable[[str], Store]
ANN = identifier(1)


def test_a_store_is_made_in_the_format_of_today(store_url: str, opened: Open) -> None:
    """A new store keeps the number of the format of today, and has it when opened again."""
    assert opened(store_url).format == FORMAT
    assert opened(store_url).format == FORMAT
    made = backend_of(store_url)
    assert made.setting("format") == str(FORMAT)
    made.close()


def test_a_store_without_a_number_is_of_the_format_before(store_url: str, opened: Open) -> None:
    """A store that was made before stores kept a number is served, and stays without one."""
    opened(store_url).record([event("e1", ANN)], NOW)
    forget_format(store_url)
    store = opened(store_url)
    assert store.format == READ[0]
    store.record([event("e2", ANN)], NOW)
    assert store.read([ANN]).known
    assert opened(store_url).format == READ[0]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (str(FORMAT + 1), f"format {FORMAT + 1}; this version reads up to {FORMAT}: use a later"),
        (str(READ[0] - 1), f"format {READ[0] - 1}; this version reads from {READ[0]} on: bring it"),
        ("none", "format 'none' is no number"),
    ],
)
def test_another_format_is_refused(store_url: str, opened: Open, found: str, said: str) -> None:
    """Who opens a store of another format is told both numbers and what to do."""
    opened(store_url).close()
    made = backend_of(store_url)
    made.put_setting("format", found)
    made.close()
    with pytest.raises(UnknownStoreFormat, match=said) as refused:
        open_store(store_url, key=STORE_KEY, timeout=PATIENCE)
    assert refused.value.exit_code == os.EX_CONFIG


def test_a_refused_file_is_not_touched(tmp_path: Path) -> None:
    """A database of a later format, whatever its tables, has the same bytes after the refusal."""
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database, database:
        database.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, more TEXT)")
        database.execute("INSERT INTO meta VALUES ('format', '999', '')")
    before = hashlib.sha256((tmp_path / DATABASE).read_bytes()).digest()
    with pytest.raises(UnknownStoreFormat, match="format 999"):
        open_store(f"sqlite:{tmp_path}", key=STORE_KEY)
    assert hashlib.sha256((tmp_path / DATABASE).read_bytes()).digest() == before
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]


def test_a_refused_redis_is_not_touched(redis_server: RedisServer) -> None:
    """A Redis with a store of a later format holds nothing else after the refusal."""
    with redis_server.client() as client:
        client.hset(SETTINGS_KEY.decode(), "format", "999")
        with pytest.raises(UnknownStoreFormat, match="format 999"):
            open_store(redis_server.url, key=STORE_KEY, timeout=PATIENCE)
        assert client.hgetall(SETTINGS_KEY.decode()) == {b"format": b"999"}
        assert client.dbsize() == 1


def forget_format(url: str) -> None:
    """Leave a store as one that was made before stores kept the number of their format."""
    if url.startswith("sqlite:"):
        path = Path(url.removeprefix("sqlite:")) / DATABASE
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("DELETE FROM meta WHERE key = 'format'")
        return
    with closing(RedisCalls(url, PATIENCE)) as calls:
        calls.command(("HDEL", SETTINGS_KEY, "format"), int)
