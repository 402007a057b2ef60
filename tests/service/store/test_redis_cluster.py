"""A cluster of which one node is away, and one whose slots move."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from redis.crc import key_slot

from models.codec import encode
from models.domain.events import Event
from models.domain.profile import Profile
from models.errors import StoreUnavailable
from service.store.customers.planning import EventOutcome
from service.store.database.backend import CustomerWrite, PartAway
from service.store.opening import open_store
from service.store.redis.backend import RedisBackend
from service.store.redis.layout import RedisKeys
from service.store.store import Store
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, event, identifier, logged
from tests.support.redis_cluster import NODES, SLOTS, RedisCluster
from tests.support.redis_server import require_redis
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine

TIMEOUT = 0.25  # seconds
ROOM = 1.0  # seconds that a busy machine may take on top
PEOPLE = [identifier(number) for number in range(1, 31)]
DEAD = 1  # the number of the node that is away


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """A cluster of this test alone."""
    require_redis()
    made = RedisCluster(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
def store(cluster: RedisCluster) -> Iterator[Store]:
    """A store over it, which waits as long as a server does."""
    made = open_store(cluster.url, key=STORE_KEY, timeout=TIMEOUT)
    yield made
    made.close()


def node_of(person: bytes) -> int:
    """Return the number of the node that has a person."""
    slot = key_slot(RedisKeys("", 1024).customer(person))
    return next(at for at in range(NODES) if slot < SLOTS * (at + 1) // NODES)


def timed(call: Callable[[], object]) -> float:
    """Return how long a call takes that is refused for want of the store (seconds)."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        call()
    return time.monotonic() - started


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stalled"])
def test_one_node_away_takes_nothing_from_the_others(
    cluster: RedisCluster, store: Store, killed: bool
) -> None:
    """Who is on a living node is read and written on; of the others all is there afterwards."""
    acknowledged = {(one, "e1") for one in PEOPLE}
    assert set(store.record([event("e1", one) for one in PEOPLE], NOW)) == {EventOutcome.STORED}
    lost = [one for one in PEOPLE if node_of(one) == DEAD]
    living = [one for one in PEOPLE if node_of(one) != DEAD]
    assert len(lost) > 3
    assert len(living) > 6
    node = cluster.nodes[DEAD]
    if killed:
        node.kill()
    else:
        node.send(signal.SIGSTOP)

    outcomes = store.record([event("e2", one) for one in PEOPLE], NOW)
    for one, outcome in zip(PEOPLE, outcomes, strict=True):
        if node_of(one) == DEAD:
            assert isinstance(outcome, StoreUnavailable)
        else:
            assert isinstance(outcome, EventOutcome)
            acknowledged.add((one, "e2"))
    for _ in range(5):
        for one in lost:
            assert timed(partial(store.read, [one])) < TIMEOUT + ROOM
        started = time.monotonic()
        for one in living:
            assert store.read([one]).known
        assert time.monotonic() - started < len(living) * ROOM
    store.check()

    if killed:
        node.start()
    else:
        node.send(signal.SIGCONT)
    sent_again = [event("e2", one) for one in lost]
    assert eventually(lambda: all_stored(store, sent_again), 20.0)
    acknowledged |= {(one, "e2") for one in lost}
    assert logged(store) == dict.fromkeys(acknowledged, 1)


def all_stored(store: Store, events: Sequence[Event]) -> bool:
    """Tell whether events that are sent again are stored, now or before."""
    outcomes = store.record(events, NOW)
    return all(isinstance(outcome, EventOutcome) for outcome in outcomes)


def test_many_are_read_and_written_though_a_node_is_away(
    cluster: RedisCluster, store: Store
) -> None:
    """What a call names of a node that is away is refused as such, and never waits for it twice."""
    backend = RedisBackend(cluster.url, TIMEOUT)
    cluster.nodes[DEAD].send(signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(PartAway):
            backend.get_many(PEOPLE)
        assert time.monotonic() - started < TIMEOUT + ROOM
        living = [one for one in PEOPLE if node_of(one) != DEAD]
        assert backend.get_many(living) == [None] * len(living)
    finally:
        cluster.nodes[DEAD].send(signal.SIGCONT)
        backend.close()


def test_slots_may_move_while_they_are_used(cluster: RedisCluster, store: Store) -> None:
    """While slots go to another node, key by key, reads and writes find what is there."""
    one = next(person for person in PEOPLE if node_of(person) == 0)
    store.record([event("e1", one)], NOW)
    backend = RedisBackend(cluster.url, TIMEOUT)
    slot = key_slot(backend._header.keys.customer(one))
    with cluster.nodes[0].client() as source, cluster.nodes[2].client() as target:
        ids = [client.execute_command("CLUSTER MYID").decode() for client in (source, target)]
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
        source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
        port = cluster.nodes[2].port
        for key in source.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            source.execute_command("MIGRATE", "127.0.0.1", port, key, 0, 1000)
        assert backend.get(one) is not None
        assert backend.get_many([one]) == [backend.get(one)]
        new = encode(Profile(customer=one, version=2), 2)
        assert backend.write([CustomerWrite(one, 1, new)]) == [True]
        for client in (target, source):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])
        with cluster.nodes[1].client() as other:
            other.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])
    assert backend.get(one) == new
    newer = encode(Profile(customer=one, version=3), 3)
    assert backend.write([CustomerWrite(one, 2, newer)]) == [True]
    assert backend.get_many(PEOPLE)[PEOPLE.index(one)] == newer
    assert store.read([one]).profile.version == 3
    backend.close()


def test_a_cluster_says_what_it_is(cluster: RedisCluster, store: Store) -> None:
    """Full coverage is remarked upon, and the lineage changes with the process of any node."""
    backend = RedisBackend(cluster.url, TIMEOUT)
    before = backend.lineage()
    assert len(before.split()) == NODES
    with cluster.nodes[2].client() as client:
        client.config_set("cluster-require-full-coverage", "yes")
    backend.check()
    assert [one for one in backend.remarks() if "full-coverage" in one]
    assert backend.lineage() == before
    cluster.nodes[2].kill()
    backend.check()
    assert backend.lineage() == before
    assert [one for one in backend.remarks() if "away" in one]
    cluster.nodes[2].start()
    assert eventually(lambda: _checked(backend) != before, 20.0)
    backend.close()


def _checked(backend: RedisBackend) -> str:
    backend.check()
    return backend.lineage()
