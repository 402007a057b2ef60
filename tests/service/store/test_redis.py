"""What only Redis can do to a store: be away, stall, forget, refuse."""

import signal
import time
from collections.abc import Callable, Sequence

import pytest

from models.codec import encode
from models.domain.catalogue import Item
from models.domain.profile import Profile
from models.errors import StoreUnavailable
from service.store.customers.planning import EventOutcome
from service.store.customers.recording import RecordOutcome
from service.store.database.backend import CustomerWrite, Durability
from service.store.opening import open_store
from service.store.redis.backend import RedisBackend
from service.store.store import Store
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, counted, event, identifier, logged
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine

Open = Callable[[str], Store]

ANN, BOB = identifier(1), identifier(2)
STORED, DUPLICATE = EventOutcome.STORED, EventOutcome.DUPLICATE


def unavailable(outcomes: Sequence[RecordOutcome]) -> bool:
    """Tell whether every event was refused for want of the store."""
    return all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)


def test_a_killed_redis_refuses_and_comes_back(own_redis: RedisServer, opened: Open) -> None:
    """Without Redis calls fail fast and store nothing; once it is back, all goes on."""
    store = opened(own_redis.url)
    assert store.record([event("e1", ANN)], NOW) == [STORED]
    own_redis.kill()

    assert unavailable(store.record([event("e2", ANN), event("e1", BOB)], NOW))
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            store.read([ANN])
        with pytest.raises(StoreUnavailable):
            store.check()
    with pytest.raises(StoreUnavailable):
        store.link(ANN, BOB, "login", NOW)
    with pytest.raises(StoreUnavailable):
        store.put_catalogue([Item(id="a")])
    with pytest.raises(StoreUnavailable):
        open_store(own_redis.url, key=STORE_KEY)
    assert time.monotonic() - started < 1.0

    own_redis.start()
    time.sleep(0.5)
    store.check()
    assert counted(store, ANN) == 1
    assert not store.read([BOB]).known
    assert store.record([event("e2", ANN), event("e1", BOB)], NOW) == [STORED, STORED]
    assert logged(store) == {(ANN, "e1"): 1, (ANN, "e2"): 1, (BOB, "e1"): 1}


def test_an_unknown_outcome_is_not_counted_twice(own_redis: RedisServer, opened: Open) -> None:
    """A Redis that stalls in a write may have done it; sent again, the event counts once."""
    store = open_store(own_redis.url, key=STORE_KEY, timeout=0.25)
    patient = opened(own_redis.url)
    patient.record([event("e1", ANN)], NOW)
    own_redis.send(signal.SIGSTOP)
    started = time.monotonic()
    assert unavailable(store.record([event("e2", ANN)], NOW))
    assert time.monotonic() - started < 1.0
    own_redis.send(signal.SIGCONT)
    assert patient.record([event("e2", ANN)], NOW)[0] in (STORED, DUPLICATE)
    assert eventually(lambda: store.record([event("e2", ANN)], NOW) == [DUPLICATE])
    assert counted(patient, ANN) == 2
    assert set(logged(patient).values()) == {1}
    store.close()


def test_a_stall_after_the_read_leaves_no_doubt(own_redis: RedisServer) -> None:
    """A write that timed out while Redis was paused is found done, and refused as lost, later."""
    backend = RedisBackend(own_redis.url, timeout=0.25)
    blob = encode(Profile(customer=ANN, version=1), 1)
    assert backend.write([CustomerWrite(BOB, 0, blob)]) == [
        True
    ]  # the script is known, a connection open
    own_redis.send(signal.SIGSTOP)
    with pytest.raises(StoreUnavailable, match=r"[Tt]imeout"):
        backend.write([CustomerWrite(ANN, 0, blob)])
    own_redis.send(signal.SIGCONT)
    time.sleep(0.5)
    assert backend.get(ANN) == blob
    assert backend.write([CustomerWrite(ANN, 0, blob)]) == [False]
    backend.close()


def test_redis_may_forget_the_scripts(redis_server: RedisServer, opened: Open) -> None:
    """Scripts are loaded again when Redis no longer knows them."""
    store = opened(redis_server.url)
    store.record([event("e1", ANN)], NOW)
    with redis_server.client() as client:
        client.script_flush()
    assert store.record([event("e2", ANN), event("e2", BOB)], NOW) == [STORED, STORED]


def test_a_redis_that_may_lose_writes_says_so(own_redis: RedisServer, opened: Open) -> None:
    """Anything but `appendonly yes` and `appendfsync always` makes acknowledgements relaxed."""
    store = opened(own_redis.url)
    found = [store.durability]
    with own_redis.client() as client:
        client.config_set("appendfsync", "everysec")
    found.append(opened(own_redis.url).durability)
    store.check()
    found.append(store.durability)
    assert found == [Durability.DURABLE, Durability.RELAXED, Durability.RELAXED]


def test_a_redis_that_refuses_writes_is_unavailable(
    redis_server: RedisServer, opened: Open
) -> None:
    """Redis out of memory refuses events whole, and goes on reading."""
    store = opened(redis_server.url)
    store.record([event("e1", ANN)], NOW)
    with redis_server.client() as client:
        client.config_set("maxmemory", "1mb")
        try:
            assert unavailable(store.record([event("e2", ANN), event("e2", BOB)], NOW))
            assert counted(store, ANN) == 1
        finally:
            client.config_set("maxmemory", "0")
    assert store.record([event("e2", ANN), event("e2", BOB)], NOW) == [STORED, STORED]
    assert set(logged(store).values()) == {1}


def test_late_events_of_a_large_customer_cost_few_commands(
    redis_server: RedisServer, opened: Open
) -> None:
    """What is asked of Redis about events grows with the shards, not with events times pairs."""
    store = opened(redis_server.url)
    people = [identifier(number) for number in range(1, 21)]
    for who in people:
        assert set(store.record([event(f"e{n}", who, n) for n in range(100)], NOW)) == {STORED}
    for other in people[1:]:
        store.link(people[0], other, "login", NOW)
    with redis_server.client() as client:
        before = client.info("stats")["total_net_input_bytes"]
        late = [event(f"late{n}", people[7], -n) for n in range(1, 50)]
        assert store.record([*late, event("e3", people[7], 3)], NOW) == [STORED] * 49 + [DUPLICATE]
        known = [event("e3", people[7], 3, "another item"), event("late1", people[3], -1)]
        assert store.record(known, NOW) == [EventOutcome.CONFLICT, EventOutcome.KNOWN_ELSEWHERE]
        blob = max(len(client.get(key)) for key in client.scan_iter("*}c:*") if client.get(key))
        sent = client.info("stats")["total_net_input_bytes"] - before
    assert sent < 2 * blob + 150_000
