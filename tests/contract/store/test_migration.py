"""A store of the format before is served, migrated, and served again; nothing of it is lost."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from models.codec import FORMAT, READ
from models.domain.events import Event, content_hash, event_key
from models.domain.fold import fold
from models.domain.profile import Compartment, Profile, decode_customer
from models.errors import BadInput, StoreUnavailable
from models.release.registry import Registry
from service.config.keys import KEY_FILE
from service.decisions import preparation
from service.decisions.replayer import Replayer
from service.store.database.backend import SHARDS, Backend
from service.store.migration import MigrationReport, migrate_store
from service.store.opening import open_database, open_store
from service.store.redis import key_renaming, store_header
from service.store.redis.layout import SETTINGS_KEY, RedisKeys
from service.store.store import Store
from tests.support.backends import Interrupted, crash
from tests.support.in_process import Running, event, running
from tests.support.kept_stores import DECLARED, FORMER_KEYS, NAMES, KeptStore
from tests.support.paths import ROOT
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

FORMER = READ[0]
LATE = time.time_ns() // 1000  # later than all that is in the store


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every server look soon at whether it is barred, and start without a trial load.

    So a migration waits less, and a start does not wait for a child that gives way to all else: on
    a busy machine that alone is minutes, and says nothing of a store.
    """
    monkeypatch.setattr(preparation, "try_release", lambda directory: None)
    monkeypatch.setattr(store_header, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(key_renaming, "WAIT_SECONDS", 0.5)


@pytest.fixture(params=["sqlite", "redis"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> KeptStore:
    """A copy of the store of the format before, once in each database."""
    found = KeptStore(FORMER, tmp_path / "kept")
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        found.move_to_redis(server.url)
    return found


def migrated(kept: KeptStore, dry_run: bool = False) -> MigrationReport:
    """Migrate a store."""
    return migrate_store(
        kept.url,
        key=kept.key,
        timeout=PATIENCE,
        event_types=NAMES.event_types,
        dry_run=dry_run,
    )


@contextmanager
def opened(kept: KeptStore) -> Iterator[Store]:
    """Yield a store, open."""
    store = open_store(kept.url, key=kept.key, event_types=NAMES.event_types, timeout=PATIENCE)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def database(kept: KeptStore) -> Iterator[Backend]:
    """Yield the bare database of a store."""
    with closing(open_database(kept.url, key=kept.key, timeout=PATIENCE)) as backend:
        yield backend


@contextmanager
def served(kept: KeptStore) -> Iterator[Running]:
    """Yield a server over a store, with the release and policy that were in force."""
    with running(
        kept.directory,
        promoted=False,
        rows=(),
        store=kept.url,
        key=kept.key.hex(),
        event_types=DECLARED,
        redis_timeout=10.0,
    ) as live:
        yield live


class Logged(NamedTuple):
    """What the log says: the events of each identifier once, and when each became known."""

    events: dict[bytes, list[Event]]
    since: dict[bytes, int]


def logged(store: Store) -> Logged:
    """Read the log."""
    events: dict[bytes, dict[str, Event]] = {}
    since: dict[bytes, int] = {}
    for arrival, said in store.log(None):
        named = [said.identifier] if isinstance(said, Event) else [said.a, said.b]
        for identifier in named:
            since[identifier] = min(arrival, since.get(identifier, arrival))
        if isinstance(said, Event):
            assert said.event_id not in events.setdefault(said.identifier, {})
            events[said.identifier][said.event_id] = said
    return Logged({one: list(found.values()) for one, found in events.items()}, since)


def profiles(backend: Backend) -> list[Profile]:
    """Return every profile of a store, each customer once."""
    blobs = backend.get_many(sorted(set(backend.customers())))
    found = [decode_customer(blob) for blob in blobs if blob is not None]
    return [one for one in found if isinstance(one, Profile)]


def compartments(kept: KeptStore) -> dict[bytes, Compartment]:
    """Return the compartment of each identifier."""
    with database(kept) as backend:
        found = profiles(backend)
    return {one: part for profile in found for one, part in profile.compartments.items()}


def check_whole(kept: KeptStore) -> None:
    """Assert that each profile is what a fresh fold of the log makes, and all is of today."""
    with opened(kept) as store:
        assert store.format == FORMAT
        events, since = logged(store)
    with database(kept) as backend:
        blobs = backend.get_many(sorted(set(backend.customers())))
        assert {blob[0] for blob in blobs if blob} == {FORMAT}
        parts: dict[bytes, Compartment] = {}
        for profile in profiles(backend):
            assert not profile.unsettled
            parts.update(profile.compartments)
            others = {one: since[one] for one in profile.compartments if one != profile.customer}
            own = profile.arrivals[profile.customer]
            assert profile.arrivals == {**others, profile.customer: own}
            # It stays before all others where draws were by it.
            assert own in (since[profile.customer], min(others.values(), default=0) - 1)
        assert backend.setting("event_ids") in (None, "indexed")
        for identifier, whole in events.items():
            assert parts[identifier] == fold(Compartment(), whole, NAMES.event_types)
            assert sum(parts[identifier].counts.values()) == len(whole)
    assert parts.keys() == since.keys()
    assert any(part.facts for part in parts.values())


def seeds(kept: KeptStore) -> dict[bytes, bytes]:
    """Return by which identifier draws about each customer are, of every identifier."""
    with database(kept) as backend:
        found = profiles(backend)
    return {one: profile.seed for profile in found for one in profile.compartments}


def replayed(kept: KeptStore) -> int:
    """Return how many decisions replay; none may differ."""
    replayer = Replayer(Registry(kept.registry))
    with opened(kept) as store:
        for one in store.records(None):
            replayer.add(one)
        assert not store.verify().faults
    assert replayer.faults == []
    return replayer.same


def stored_bytes(kept: KeptStore) -> dict[bytes, bytes]:
    """Return what is stored of each customer."""
    with database(kept) as backend:
        names = sorted(set(backend.customers()))
        blobs = zip(names, backend.get_many(names), strict=True)
        return {name: blob for name, blob in blobs if blob is not None}


def live_a_little(live: Running, prefix: str) -> None:
    """Ask for offers four times, and record events of six people, each event twice."""
    for number in range(4):
        assert live.recommend(f"L{number}", count=2).decision_id
    new = [event(f"{prefix}{number}", f"L{number}", item_id="item5") for number in range(6)]
    for _ in range(2):
        live.record(*new)


def test_it_is_served_migrated_and_served(
    kept: KeptStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after each event counts once and each decision replays; again it does nothing."""
    assert replayed(kept) == kept.made.decisions
    with served(kept) as live:
        assert live.server.dependencies.store.format == FORMER
        live_a_little(live, "before")
    assert "command='throughline migrate'" in capsys.readouterr().out
    report = migrated(kept)
    assert (report.before, report.after, len(report.steps)) == (FORMER, FORMAT, 1)
    (step,) = report.steps
    assert (step.kept, step.unreadable) == (0, ())
    assert step.customers == len(stored_bytes(kept))
    check_whole(kept)
    assert replayed(kept) == kept.made.decisions + 4
    before = stored_bytes(kept)
    assert migrated(kept).steps == ()
    assert stored_bytes(kept) == before
    with served(kept) as live:
        live_a_little(live, "after")
    assert "throughline migrate" not in capsys.readouterr().out
    check_whole(kept)
    assert replayed(kept) == kept.made.decisions + 8


def test_nobody_changes_arms_by_a_migration(kept: KeptStore) -> None:
    """Draws about each customer are by the same identifier before a migration and after it."""
    with database(kept) as backend:
        several = sum(len(profile.compartments) > 1 for profile in profiles(backend))
    assert several > 5
    before = seeds(kept)
    migrated(kept)
    assert seeds(kept) == before


def test_a_dry_run_writes_nothing(kept: KeptStore) -> None:
    """With a dry run the customers are told that would be written, and every byte stays."""
    before = stored_bytes(kept)
    (step,) = migrated(kept, dry_run=True).steps
    assert step.customers == len(before)
    assert stored_bytes(kept) == before
    with opened(kept) as store:
        assert store.format == FORMER


def test_what_the_log_no_longer_holds_is_kept(kept: KeptStore) -> None:
    """An identifier whose log was trimmed remembers all it did, and says what it had lost."""
    heavy = kept.who("loyalty", 0)
    with database(kept) as backend:
        before = {
            one: part for each in profiles(backend) for one, part in each.compartments.items()
        }
    trim(kept, heavy)
    (step,) = migrated(kept).steps
    assert step.kept == 1
    after = compartments(kept)
    assert after[heavy].lanes == before[heavy].lanes
    assert after[heavy].counts == before[heavy].counts
    assert after[heavy].lost
    assert after[heavy].facts == {}
    assert not any(part.lost for one, part in after.items() if one != heavy)


def redis_client(url: str) -> redis.Redis:
    """Return a plain client of the Redis of a store."""
    return redis.Redis.from_url(url, socket_timeout=PATIENCE)


def keys_of(client: Any) -> RedisKeys:
    """Return the names of the keys of the store in a Redis, as this version names them."""
    return RedisKeys(client.hget(SETTINGS_KEY, "identity").decode(), SHARDS)


def put_bytes(kept: KeptStore, blobs: dict[bytes, bytes]) -> None:
    """Put something in the places of customers."""
    if kept.url.startswith("sqlite:"):
        with closing(sqlite3.connect(kept.database)) as connection, connection:
            for who, blob in blobs.items():
                connection.execute("UPDATE customers SET blob = ? WHERE id = ?", (blob, who))
        return
    with closing(redis_client(kept.url)) as client:
        for who, blob in blobs.items():
            client.set(FORMER_KEYS.customer(who), blob)


def trim(kept: KeptStore, identifier: bytes) -> None:
    """Take the oldest third of an identifier's events out of the log."""
    if kept.url.startswith("sqlite:"):
        with closing(sqlite3.connect(kept.database)) as connection, connection:
            connection.execute(
                "DELETE FROM log WHERE identifier = ? AND seq % 3 = 0", (identifier,)
            )
        return
    with closing(redis_client(kept.url)) as client:
        stream = FORMER_KEYS.log(identifier)
        client.xtrim(stream, maxlen=client.xlen(stream) * 2 // 3, approximate=False)


def test_it_works_beside_writers(kept: KeptStore) -> None:
    """Whatever is recorded while customers are rebuilt is in the log and counted, once."""
    stop = threading.Event()
    sent: Counter[str] = Counter()

    def write(space: str) -> None:
        with opened(kept) as store:
            while not stop.is_set():
                number = sum(sent.values()) % 20
                sent[space] += 1
                now = time.time_ns() // 1000
                said = Event(
                    event_id=f"beside {space} {sent[space]}",
                    identifier=kept.who(space, number),
                    type="view",
                    channel="web",
                    time=now,
                )
                store.record([said], now)

    writers = [threading.Thread(target=write, args=(space,)) for space in ("loyalty", "device")]
    for writer in writers:
        writer.start()
    try:
        migrated(kept)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    check_whole(kept)


KILLED = """
import os, signal
from service.store import migration, rebuilding
from tests.support.backends import Interrupted
from tests.support.kept_stores import NAMES

url, key, at, before = {asked!r}
rebuilding.BATCH = 5
opened = migration.open_database

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def interrupted(url, **options):
    return Interrupted(opened(url, **options), at, before, die)

migration.open_database = interrupted
migration.migrate_store(url, key=key, timeout=60, event_types=NAMES.event_types)
"""


@pytest.mark.parametrize("at", [1, 5])
def test_it_may_be_killed_at_any_moment(kept: KeptStore, at: int) -> None:
    """Killed before or after a write of it, and run again, it ends where it would have ended."""
    for before in (True, False):
        program = KILLED.format(asked=(kept.url, kept.key, at, before))
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
        with opened(kept) as store:
            assert store.format == FORMER
    migrated(kept)
    check_whole(kept)


@pytest.mark.parametrize("at", [1, 2])
def test_a_link_that_is_half_made_is_finished(kept: KeptStore, at: int) -> None:
    """Of customers whose link was interrupted each is whole afterwards, and they are one."""
    a, b = kept.who("loyalty", 20), kept.who("loyalty", 21)
    with database(kept) as backend:
        crashed = Interrupted(backend, at, before=False, what=crash)
        with pytest.raises(StoreUnavailable, match="crash"):
            Store(crashed, lambda: LATE, kept.key).link(a, b, "login", LATE)
    migrated(kept)
    check_whole(kept)
    with opened(kept) as store:
        assert store.read([a]).profile.compartments.keys() == {a, b}


def test_no_server_may_have_it_open(tmp_path: Path) -> None:
    """An embedded store that a server has open is not migrated; who tries is told to stop it."""
    kept = KeptStore(FORMER, tmp_path / "kept")
    with served(kept):
        assert migrated(kept, dry_run=True).steps
        with pytest.raises(StoreUnavailable, match="; stop it, then migrate"):
            migrated(kept)
    assert migrated(kept).steps
    with served(kept):
        assert migrated(kept).steps == ()


def test_types_that_are_not_declared_are_refused(kept: KeptStore) -> None:
    """A log with a type that the settings do not declare is named before anything is written."""
    before = stored_bytes(kept)
    with pytest.raises(BadInput, match="the log has 'notified', which is not declared"):
        migrate_store(kept.url, key=kept.key, timeout=PATIENCE)
    assert stored_bytes(kept) == before


def test_all_event_ids_are_indexed(redis_server: RedisServer, tmp_path: Path) -> None:
    """In Redis the index has each event of the log afterwards, with the hash of its content."""
    kept = KeptStore(FORMER, tmp_path / "kept")
    kept.move_to_redis(redis_server.url)
    migrated(kept)
    with opened(kept) as store, closing(redis_client(kept.url)) as client:
        keys = keys_of(client)
        for identifier, events in logged(store).events.items():
            index: Any = client.hgetall(keys.event_ids(identifier, identifier))
            assert index == {
                event_key(one.event_id).to_bytes(8, "big"): content_hash(one).to_bytes(4, "big")
                for one in events
            }


def test_who_cannot_be_read_is_named(kept: KeptStore) -> None:
    """A customer who is damaged, or of a later format, is named with the reason, and left."""
    damaged, later = kept.who("loyalty", 20), kept.who("loyalty", 21)
    blobs = stored_bytes(kept)
    replaced = {
        damaged: bytes([*blobs[damaged][:20], blobs[damaged][20] ^ 1, *blobs[damaged][21:]]),
        later: bytes([FORMAT + 1, *blobs[later][1:]]),
    }
    put_bytes(kept, replaced)
    (step,) = migrated(kept).steps
    assert set(step.unreadable) == {
        f"customer {damaged.hex()}: stored value: damaged",
        f"customer {later.hex()}: stored value: format {FORMAT + 1} not known; "
        f"this version: {FORMAT}; a later version reads it",
    }
    after = stored_bytes(kept)
    assert {who: after[who] for who in replaced} == replaced


def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Of an identifier with a damaged entry of the log all is kept, and the entry is named."""
    kept = KeptStore(FORMER, tmp_path / "kept")
    before = compartments(kept)
    with closing(sqlite3.connect(kept.database)) as connection, connection:
        connection.execute("UPDATE log SET blob = ? WHERE seq = 1", (bytes([FORMAT]) * 40,))
    ((who,),) = kept.rows("SELECT identifier FROM log WHERE seq = 1")
    (step,) = migrated(kept).steps
    assert step.unreadable == ("log, entry 1 as it is read: stored value: damaged",)
    assert step.kept == 1
    assert compartments(kept)[who].lanes == before[who].lanes


def test_records_of_long_ago_replay_after_it(tmp_path: Path) -> None:
    """A store whose log was thinned out loses nothing by it, and its 300 decisions replay."""
    fixture = ROOT / "tests" / "fixtures" / "records_4295107"
    shutil.copytree(fixture / "store", tmp_path / "store")
    url, key = f"sqlite:{tmp_path / 'store'}", bytes.fromhex((fixture / KEY_FILE).read_text())

    def parts() -> dict[bytes, Compartment]:
        with closing(open_database(url, key=key, timeout=PATIENCE)) as backend:
            found = profiles(backend)
        return {one: part for profile in found for one, part in profile.compartments.items()}

    before = parts()
    (step,) = migrate_store(url, key=key, timeout=PATIENCE).steps
    assert (step.customers, step.unreadable) == (36, ())
    after = parts()
    assert {one: (part.lanes, part.counts, part.attributes) for one, part in after.items()} == {
        one: (part.lanes, part.counts, part.attributes) for one, part in before.items()
    }
    assert all(part.facts is not None for part in after.values() if part.counts)
    replayer = Replayer(Registry(fixture / "registry"))
    with closing(open_store(url, key=key)) as store:
        for one in store.records(None):
            replayer.add(one)
    assert (replayer.same, replayer.faults) == (300, [])
