"""A store in Redis whose keys do not say whose they are is served, and its keys are renamed."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from models.domain.catalogue import Item
from models.errors import StoreUnavailable
from service.store.customers.planning import EventOutcome
from service.store.migration import MigrationReport, migrate_store
from service.store.redis import key_renaming, store_header
from service.store.redis.backend import RedisBackend
from service.store.redis.layout import SETTINGS_KEY
from service.store.store import Store
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, event, identifier, logged, record
from tests.support.paths import ROOT
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.machine

Open = Callable[[str], Store]
PEOPLE = [identifier(number) for number in range(1, 21)]
Contents = dict[bytes, tuple[bytes, int]]  # what DUMP says of each key, and whether it expires


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every server look soon at whether it is barred, so that a migration waits less."""
    monkeypatch.setattr(store_header, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(key_renaming, "WAIT_SECONDS", 1.0)


def fill(store: Store) -> None:
    """Put something of each kind in a store."""
    store.record([event("e1", one) for one in PEOPLE], NOW)
    store.link(PEOPLE[0], PEOPLE[1], "login", NOW)
    store.put_catalogue([Item(id="a")])
    store.take("volume:a", 7, 10)
    store.mark_chunk("ab12", 0, "done")
    store.check()
    store.commit(record(store.new_decision_id(PEOPLE[0], NOW), PEOPLE[0], NOW))
    store.close()


def make_former(server: RedisServer) -> None:
    """Name the keys of the one store in a Redis as a version before named them."""
    with server.client() as client:
        for name in list(client.scan_iter()):
            if name != SETTINGS_KEY:
                client.rename(name, name.partition(b":")[2])
        client.hdel(SETTINGS_KEY.decode(), "layout", "identity")


def contents(server: RedisServer) -> Contents:
    """Return what stands under each key, the settings and what health checks write left out."""
    client: Any = server.client()
    names = [name for name in client.scan_iter() if name != SETTINGS_KEY and b"alive" not in name]
    return {name: (client.dump(name), client.ttl(name) > 0) for name in names}


@pytest.fixture
def former(redis_server: RedisServer, opened: Open) -> RedisServer:
    """A Redis with a store of the layout before."""
    fill(opened(redis_server.url))
    make_former(redis_server)
    return redis_server


def migrated(server: RedisServer, dry_run: bool = False) -> MigrationReport:
    """Migrate the store in a Redis."""
    return migrate_store(server.url, key=STORE_KEY, timeout=PATIENCE, dry_run=dry_run)


def test_it_is_served_and_renamed(former: RedisServer, opened: Open) -> None:
    """Every key has the identity afterwards, with its value and its time; again is nothing."""
    before = contents(former)
    store = opened(former.url)
    assert store.record([event("e1", PEOPLE[0])], NOW) == [EventOutcome.DUPLICATE]
    backend = RedisBackend(former.url, PATIENCE)
    assert [one for one in backend.remarks() if "throughline migrate" in one]
    assert contents(former) == before

    planned = migrated(former, dry_run=True).layout
    assert planned is not None
    assert contents(former) == before
    report = migrated(former).layout
    assert report is not None
    assert (report.renamed, report.left) == (planned.renamed, ())
    prefix = backend.identity.encode() + b":"
    assert contents(former) == {prefix + name: said for name, said in before.items()}
    assert migrated(former).layout is None
    # Who had it open goes on.
    sent = [event("e2", PEOPLE[0])]
    assert eventually(lambda: isinstance(store.record(sent, NOW)[0], EventOutcome), 10.0)
    assert store.take("volume:a", 7, 10) == 3
    assert store.chunk_state("ab12", 0) == "done"
    backend.close()


def test_what_is_there_by_both_names_stays(former: RedisServer) -> None:
    """A key of the new name is never overwritten; the old one is named."""
    backend = RedisBackend(former.url, PATIENCE)
    with former.client() as client:
        client.set(f"{backend.identity}:{{catalogue}}revision", "9")
    report = migrated(former).layout
    assert report is not None
    assert report.left == ("{catalogue}revision",)
    with former.client() as client:
        assert client.get(f"{backend.identity}:{{catalogue}}revision") == b"9"
    backend.close()


KILLED = """
import os, signal
from service.store.migration import migrate_store
from service.store.redis import store_header, key_renaming
from service.store.redis.calls import RedisCalls

url, key, at, before = {asked!r}
key_renaming.WAIT_SECONDS = 0.0
key_renaming.PAGE = 5
run, runs = RedisCalls.run, 0

def killed(self, script, *args, **options):
    global runs
    ours = script in (key_renaming._RENAME, store_header._LAYOUT_DONE)
    runs += ours
    if ours and runs == at and before:
        os.kill(os.getpid(), signal.SIGKILL)
    answer = run(self, script, *args, **options)
    if ours and runs == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

RedisCalls.run = killed
migrate_store(url, key=key, timeout=60)
"""


@pytest.mark.parametrize("at", [1, 3])
def test_it_may_be_killed_at_any_moment(former: RedisServer, opened: Open, at: int) -> None:
    """Killed and run again it ends where it would have; until then nobody reads or writes."""
    before = contents(former)
    store = opened(former.url)
    for early in (True, False):
        program = KILLED.format(asked=(former.url, STORE_KEY, at, early))
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
        time.sleep(0.1)
        with pytest.raises(StoreUnavailable, match="being migrated"):
            store.read([PEOPLE[0]])
        with pytest.raises(StoreUnavailable, match="being migrated"):
            store.check()
    report = migrated(former).layout
    assert report is not None
    assert report.left == ()
    assert len(contents(former)) == len(before)
    assert {name.partition(b":")[2] for name in contents(former)} == set(before)
    time.sleep(0.1)
    assert store.read([PEOPLE[0]]).known


def test_it_works_beside_writers(former: RedisServer, opened: Open) -> None:
    """Whatever is acknowledged while keys are renamed is there afterwards, and counted once."""
    stop = threading.Event()
    stored: set[tuple[bytes, str]] = {(one, "e1") for one in PEOPLE}
    barred = 0

    def write(number: int) -> None:
        nonlocal barred
        store = opened(former.url)
        count = 0
        while not stop.is_set():
            count += 1
            person = PEOPLE[count % len(PEOPLE)]
            name = f"{number} {count}"
            outcome = StoreUnavailable("not sent")
            with suppress(StoreUnavailable):
                (outcome,) = store.record([event(name, person)], NOW)  # type: ignore[assignment]
            if isinstance(outcome, EventOutcome):
                stored.add((person, name))
            else:
                barred += 1
                time.sleep(0.005)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        time.sleep(0.3)
        migrated(former)
        time.sleep(0.5)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert barred
    assert max(int(name.split()[1]) for _, name in stored if " " in name) > 50
    after = logged(opened(former.url))
    assert after == dict.fromkeys(stored, 1)
    assert not [name for name in contents(former) if name.startswith(b"{")]
