"""What a Redis may do to acknowledged writes, who may use it, and what is told of both."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.codec import encode
from models.domain.profile import Profile
from models.errors import BadInput, StoreUnavailable
from service.store.database.backend import (
    Commit,
    CustomerWrite,
    Durability,
    OutOfTime,
    SealedDecision,
    WritesRefused,
)
from service.store.database.decision_ids import new_decision_id
from service.store.redis.backend import RedisBackend
from tests.support.events import NOW, identifier
from tests.support.redis_sentinel import RedisSentinel, in_sync
from tests.support.redis_server import RedisServer, require_redis
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine

TIMEOUT = 0.5  # seconds
ROOM = 1.0  # seconds that a busy machine may take on top
ANN = identifier(1)


def blob(version: int) -> bytes:
    """Return what is stored of Ann at a version."""
    return encode(Profile(customer=ANN, version=version), version)


def commit(expected: int) -> Commit:
    """Return a decision that reserves something of Ann."""
    decision = SealedDecision(new_decision_id(1024, ANN, NOW), ANN, NOW, b"record")
    return Commit(ANN, expected, blob(expected + 1), (), decision, None)


@pytest.fixture
def backend(own_redis: RedisServer) -> Iterator[RedisBackend]:
    """The database in a Redis of this test alone."""
    made = RedisBackend(own_redis.url, TIMEOUT)
    yield made
    made.close()


@pytest.fixture
def replica(own_redis: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """A replica of that Redis, in sync."""
    (tmp_path / "replica").mkdir()
    made = RedisServer(tmp_path / "replica")
    made.start()
    with made.client() as client:
        client.replicaof("127.0.0.1", str(own_redis.port))
    assert eventually(lambda: in_sync(made), 20.0)
    yield made
    made.kill()


def test_a_redis_that_evicts_is_not_durable(own_redis: RedisServer, backend: RedisBackend) -> None:
    """Whatever throws keys away when memory is full makes acknowledgements relaxed, and is told."""
    found = [backend.durability]
    assert backend.remarks() == []
    with own_redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    backend.check()
    found.append(backend.durability)
    assert found == [Durability.DURABLE, Durability.RELAXED]
    (remark,) = backend.remarks()
    assert "maxmemory-policy is allkeys-lru" in remark
    assert "set it to noeviction" in remark


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("appendonly", "no", "appendonly is no"),
        ("appendfsync", "everysec", "appendfsync is everysec"),
        ("no-appendfsync-on-rewrite", "yes", "no-appendfsync-on-rewrite is yes"),
    ],
)
def test_what_a_crash_loses_is_told(
    own_redis: RedisServer, backend: RedisBackend, setting: str, value: str, told: str
) -> None:
    """Each setting by which a crash loses acknowledged writes is named, with the one to set."""
    with own_redis.client() as client:
        client.config_set(setting, value)
    backend.check()
    assert backend.durability is Durability.RELAXED
    assert [told in one and "set it to" in one for one in backend.remarks()] == [True]


def test_another_database_than_0_is_remarked_upon(own_redis: RedisServer) -> None:
    """Who shares a Redis is told what that means."""
    backend = RedisBackend(own_redis.url.removesuffix("0") + "3", TIMEOUT)
    assert ["database 3" in one for one in backend.remarks()] == [True]
    backend.close()


def url_as(server: RedisServer, rules: str) -> str:
    """Return the URL of a user who has but these rights."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", *rules.split())
    return f"redis://app:pw@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize(
    ("rules", "lacking"),
    [
        ("~* +@all -evalsha", "EVALSHA"),
        ("~* +@all -scan -xadd", "XADD, SCAN"),
        ("~* +@all -multi", "MULTI"),
        ("~* +@all -info", "INFO"),
        ("~{meta}* +@all", "the keys of the store"),
    ],
)
def test_rights_that_lack_are_named(own_redis: RedisServer, rules: str, lacking: str) -> None:
    """A user who may not do what a store needs is refused at the start, by name."""
    with pytest.raises(BadInput, match=f"^store: its user lacks {lacking}"):
        RedisBackend(url_as(own_redis, rules), TIMEOUT)


def test_who_may_not_ask_for_the_configuration_is_served(own_redis: RedisServer) -> None:
    """Without CONFIG a store works, relaxed, and says why."""
    backend = RedisBackend(url_as(own_redis, "~* +@all -config"), TIMEOUT)
    assert backend.durability is Durability.RELAXED
    assert ["CONFIG GET is not permitted" in one for one in backend.remarks()] == [True]
    assert backend.write([CustomerWrite(ANN, 0, blob(1))]) == [True]
    backend.close()


def test_a_wrong_password_is_told(own_redis: RedisServer) -> None:
    """Who has a wrong password is told that, not shown it."""
    url = url_as(own_redis, "~* +@all").replace(":pw@", ":geheim@")
    with pytest.raises(StoreUnavailable, match="WRONGPASS") as refused:
        RedisBackend(url, TIMEOUT)
    assert "geheim" not in str(refused.value)


def test_refused_writes_are_told_apart(own_redis: RedisServer, backend: RedisBackend) -> None:
    """A Redis that is full reads on, and says of each write that it is refused."""
    assert backend.write([CustomerWrite(ANN, 0, blob(1))]) == [True]
    with own_redis.client() as client:
        client.config_set("maxmemory", "1mb")
    for write in (
        lambda: backend.write([CustomerWrite(ANN, 1, blob(2))]),
        lambda: backend.commit(commit(1)),
        lambda: backend.take("volume", 1, 10),
        backend.check,
    ):
        with pytest.raises(WritesRefused, match="OOM"):
            write()
    assert backend.get(ANN) == blob(1)
    again = RedisBackend(own_redis.url, TIMEOUT)
    assert again.get(ANN) == blob(1)
    assert again.put_if_absent("shards", "7") == "1024"
    again.close()


def test_no_time_left_is_told_apart(backend: RedisBackend) -> None:
    """A call that begins after its time is over never reaches Redis, and says so."""
    with backend.within(0.0), pytest.raises(OutOfTime, match="no time left"):
        backend.get(ANN)


def test_a_commit_is_confirmed_by_a_replica(backend: RedisBackend, replica: RedisServer) -> None:
    """Where a replica lags, what is limited is not acknowledged, within the time of a call."""
    backend.check()
    assert any("min-replicas-to-write is 0" in one for one in backend.remarks())
    assert backend.commit(commit(0)) is True
    assert backend.take("volume", 5, 10) == 5
    replica.send(signal.SIGSTOP)
    for write in (lambda: backend.commit(commit(1)), lambda: backend.take("volume", 5, 10)):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="not confirmed by a replica"):
            write()
        assert time.monotonic() - started < TIMEOUT + ROOM
    assert backend.get(ANN) == blob(2)
    replica.send(signal.SIGCONT)
    assert eventually(lambda: backend.take("volume", 0, 10) == 0)


def test_a_failover_gives_nothing_twice(
    own_redis: RedisServer, backend: RedisBackend, replica: RedisServer
) -> None:
    """Pieces that were acknowledged are taken on a replica that was promoted while it lagged."""
    backend.check()
    given = backend.take("volume", 30, 100)
    replica.send(signal.SIGSTOP)
    with pytest.raises(StoreUnavailable, match="not confirmed"):
        backend.take("volume", 30, 100)
    own_redis.kill()
    replica.send(signal.SIGCONT)
    with replica.client() as client:
        client.replicaof("NO", "ONE")
    other = RedisBackend(replica.url, TIMEOUT)
    while piece := other.take("volume", 30, 100):
        given += piece
    assert given <= 100
    other.close()


def test_a_counter_that_fell_is_raised_again(own_redis: RedisServer, backend: RedisBackend) -> None:
    """A process that saw a counter higher goes by that; what was given back may be taken."""
    assert backend.take("volume", 60, 100) == 60
    backend.give_back("volume", 10)
    taken_key, _ = backend._header.keys.counter("volume")
    with own_redis.client() as client:
        client.set(taken_key, 20)
    assert backend.take("volume", 60, 100) == 50
    assert backend.take("volume", 60, 100) == 0


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[RedisSentinel]:
    """A primary, a replica and a sentinel of this test alone."""
    require_redis()
    made = RedisSentinel(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def test_the_primary_is_followed(sentinel: RedisSentinel) -> None:
    """After a failover the new primary is used, with all that was confirmed, and it is noticed."""
    backend = RedisBackend(sentinel.url, TIMEOUT)
    backend.check()
    assert backend.commit(commit(0)) is True
    assert backend.take("volume", 60, 100) == 60
    before, old = backend.lineage(), sentinel.primary()
    old.kill()
    slowest = 0.0

    def again() -> bool:
        nonlocal slowest
        started = time.monotonic()
        try:
            backend.check()
        except StoreUnavailable:
            return False
        finally:
            slowest = max(slowest, time.monotonic() - started)
        return True

    assert eventually(again, 30.0)
    assert slowest < 4 * TIMEOUT + ROOM
    assert backend.lineage() != before
    assert backend.get(ANN) == blob(1)
    assert backend.write([CustomerWrite(ANN, 1, blob(2))]) == [True]
    assert backend.take("volume", 60, 100) == 40
    backend.close()


def test_a_primary_that_was_demoted_is_left(sentinel: RedisSentinel) -> None:
    """When the sentinel changes the primary by order, writes go on at the new one."""
    backend = RedisBackend(sentinel.url, TIMEOUT)
    assert backend.write([CustomerWrite(ANN, 0, blob(1))]) == [True]
    old = sentinel.primary()
    sentinel.fail_over()
    assert eventually(lambda: sentinel.primary() is not old, 20.0)

    def written() -> bool:
        try:
            backend.check()
        except StoreUnavailable:
            return False
        return True

    assert eventually(written, 20.0)
    # A change by order does not wait for what the new primary still lacks.
    version = 0 if backend.get(ANN) is None else 1
    assert backend.write([CustomerWrite(ANN, version, blob(2))]) == [True]
    with sentinel.primary().client() as client:
        assert client.get(backend._header.keys.customer(ANN)) == blob(2)
    backend.close()
