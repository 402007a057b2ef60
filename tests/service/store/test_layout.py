"""What a store has in its database is declared in one place, which docs tell word for word."""

import ast
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.domain.catalogue import Item
from service.store.commits import RequestKey
from service.store.redis import layout as redis_layout
from service.store.redis.layout import RedisKey
from service.store.sqlite import layout as sqlite_layout
from service.store.sqlite.layout import Table
from service.store.store import Store
from tests.support.events import NOW, event, identifier, record
from tests.support.modules import name_of
from tests.support.paths import ROOT
from tests.support.redis_server import RedisServer

LAYOUTS = ("service/store/redis/layout.py", "service/store/sqlite/layout.py")
OTHERS = [path for path in (ROOT / "service").rglob("*.py") if name_of(path) not in LAYOUTS]

# What a key begins with, up to the first value that it is built from; or the making of a table.
BUILT = re.compile(
    "|".join({f"^{re.escape(re.split('[A-Z]', key.bare)[0])}" for key in RedisKey})
    + r"|CREATE (TABLE|INDEX|UNIQUE)"
)


@pytest.mark.parametrize("table", [redis_layout.table(), sqlite_layout.table()])
def test_docs_and_code_agree(table: str) -> None:
    """The page has the table that the code makes; where it has another, put in this one."""
    page = (ROOT / "docs/store-layout.md").read_text(encoding="utf-8")
    assert table in page, f"\n{table}"


@pytest.mark.parametrize("path", OTHERS, ids=name_of)
def test_keys_and_tables_are_made_nowhere_else(path: Path) -> None:
    """Outside of the layouts no text of the service is that of a key, or makes a table."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            value = node.value
            text = value if isinstance(value, str) else value.decode("latin-1")
            assert not BUILT.search(text), text


def use(store: Store) -> None:
    """Have every kind of key, and every table, written."""
    ann = identifier(1)
    store.record([event("e1", ann)], NOW)
    store.link(ann, identifier(2), "login", NOW)
    store.put_catalogue([Item(id="a")])
    store.take("volume:a", 1, 10)
    store.give_back("volume:a", 1)
    store.mark_chunk("dataset", 0, "started")
    store.check()
    store.commit(record(store.new_decision_id(ann, NOW), ann, NOW))
    request = RequestKey(ann, "r1", b"digest")
    profile = store.read([ann]).profile
    store.commit(record(store.new_decision_id(ann, NOW), ann, NOW), profile, request=request)
    store.close()


def test_sqlite_has_the_tables(tmp_path: Path, opened: Callable[[str], Store]) -> None:
    """A database has the tables of the layout, none else, and a store in use writes to each."""
    use(opened(f"sqlite:{tmp_path}"))
    with sqlite3.connect(tmp_path / "throughline.db") as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert [name for (name,) in names] == [table.sql_name for table in Table]
        for table in Table:
            assert connection.execute(f"SELECT * FROM {table.sql_name}").fetchone(), table


def test_redis_has_the_keys(redis_server: RedisServer, opened: Callable[[str], Store]) -> None:
    """A store in use has keys of each pattern, none else, of the type and for as long as told."""
    use(opened(redis_server.url))
    client: Any = redis_server.client()
    found = set()
    for name in client.scan_iter():
        (key,) = [key for key in RedisKey if re.fullmatch(pattern_of(key), name.decode())]
        assert client.type(name).decode() == {"sorted set": "zset"}.get(key.kind, key.kind)
        left, seconds = client.ttl(name), key.seconds
        if seconds is None or key.kind == "stream":
            assert left == -1, name
        else:
            assert seconds - 60 < left <= seconds, name
        found.add(key)
    assert found == set(RedisKey)


def pattern_of(key: RedisKey) -> str:
    """Return what matches the keys of a kind."""
    return re.sub("[A-Z]+", "[^{}:]+", re.escape(key.pattern))
