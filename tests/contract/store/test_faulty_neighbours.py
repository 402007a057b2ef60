"""One customer or event that cannot be used never costs its neighbours in the same call."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from throughline.v1 import common_pb2, recommendation_pb2

from models.codec import Damaged, encode
from models.domain.identifiers import Identifier, hash_identifier
from models.domain.profile import Compartment, Link, Profile
from models.errors import StoreUnavailable, Unreadable
from service.store.customers import planning
from service.store.customers.planning import Arrival, EventFault, EventOutcome
from service.store.database.backend import Backend, CustomerWrite
from service.store.store import Store
from tests.support.backends import backend_of
from tests.support.events import NOW, counted, event, identifier, logged, poisoned
from tests.support.in_process import event as event_message
from tests.support.in_process import recommend_request, running
from tests.support.redis_server import RedisServer
from tests.support.server_processes import KEY
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

Open = Callable[[str], Store]

ANN, BOB, CAT, DAN = (identifier(number) for number in range(1, 5))
STORED = EventOutcome.STORED


def flipped(blob: bytes) -> bytes:
    """Return a blob with one bit of its content turned."""
    return blob[:-1] + bytes([blob[-1] ^ 1])


def strange(version: int) -> bytes:
    """Return a blob of a later format."""
    return b"\x63" + version.to_bytes(8, "big") + b"whatever"


BROKEN = {
    "flipped": flipped(encode(Profile(customer=BOB, version=7), 7)),
    "cut": encode(Profile(customer=BOB, version=7), 7)[:-3],
    "of another customer": encode(Profile(customer=ANN, version=7), 7),
    "no profile": encode([1, 2, 3], 7),
    "of a later version": strange(7),
}


def put(backend: Backend, customer: bytes, blob: bytes) -> None:
    """Store a blob as it is, where nothing was."""
    assert backend.write([CustomerWrite(customer, 0, blob)]) == [True]


@pytest.mark.parametrize("blob", BROKEN.values(), ids=BROKEN)
def test_a_broken_blob_is_left_alone(store_url: str, opened: Open, blob: bytes) -> None:
    """A blob that cannot be used, or is another customer's, is never served and never replaced."""
    backend = backend_of(store_url)
    put(backend, BOB, blob)
    store = opened(store_url)
    first, second, third = store.record([event("e1", ANN), event("e1", BOB), event("e1", CAT)], NOW)
    assert (first, third) == (STORED, STORED)
    assert isinstance(second, Unreadable)
    with pytest.raises(Unreadable):
        store.read([BOB])
    with pytest.raises(Unreadable):
        store.link(ANN, BOB, "login", NOW)
    assert backend.get(BOB) == blob
    assert counted(store, ANN) == counted(store, CAT) == 1
    assert logged(store) == {(ANN, "e1"): 1, (CAT, "e1"): 1}
    backend.close()


def test_a_link_that_cannot_be_finished_concerns_its_customers(
    store_url: str, opened: Open
) -> None:
    """A link under way to a damaged customer fails those two; others in the call are served."""
    backend = backend_of(store_url)
    half = Profile(
        customer=ANN,
        version=1,
        compartments={ANN: Compartment(), BOB: Compartment()},
        links=(Link(NOW, ANN, BOB, "login"),),
        absorbing=BOB,
    )
    put(backend, ANN, encode(half, 1))
    put(backend, BOB, BROKEN["flipped"])
    store = opened(store_url)
    first, second = store.record([event("e1", ANN), event("e1", CAT)], NOW)
    assert isinstance(first, Damaged)
    assert second is STORED
    backend.close()


@pytest.mark.parametrize("bad", [1, 7, 50])
def test_a_poison_event_fails_alone(
    store_url: str, opened: Open, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    """Events that the fold fails on are told apart; the others, of one customer too, are stored."""
    store = opened(store_url)
    monkeypatch.setattr(planning, "fold", poisoned)
    events = [
        event(f"e{number}", (ANN, BOB, CAT)[number % 3], item="poison" if number < bad else "item1")
        for number in range(100)
    ]
    events = events[bad // 2 :] + events[: bad // 2]
    outcomes = store.record(events, NOW)
    for one, outcome in zip(events, outcomes, strict=True):
        if one.item == "poison":
            assert isinstance(outcome, EventFault)
            assert isinstance(outcome.__cause__, ZeroDivisionError)
        else:
            assert outcome is STORED
    assert sum(counted(store, who) for who in (ANN, BOB, CAT)) == 100 - bad
    assert logged(store) == {
        (one.identifier, one.event_id): 1 for one in events if one.item != "poison"
    }
    with pytest.raises(EventFault):
        store.load(events, [], Arrival(NOW, look_up=False))


def test_a_key_of_another_kind_fails_alone(redis_server: RedisServer, opened: Open) -> None:
    """Where somebody else's value has a customer's key, that customer alone is unavailable."""
    store = opened(redis_server.url)
    store.record([event("e1", BOB)], NOW)
    with redis_server.client() as client:
        (key,) = client.keys("*{*}c:*")
        client.delete(key)
        client.lpush(key, "not ours")
    outcomes = store.record([event("e2", who) for who in (ANN, BOB, CAT, DAN)], NOW)
    assert isinstance(outcomes.pop(1), StoreUnavailable)
    assert outcomes == [STORED] * 3


def test_a_damaged_customer_is_answered_without_state(store_url: str, tmp_path: Path) -> None:
    """Who cannot be read gets a flagged answer; the next in a batch gets one from the profile."""
    with running(tmp_path, store=store_url, key=KEY, redis_timeout=30.0) as live:
        live.record(event_message("e1", "good"))
        broken = hash_identifier(bytes.fromhex(KEY), Identifier("loyalty", "broken"))
        backend = backend_of(store_url)
        put(backend, broken, BROKEN["flipped"])
        alone = live.recommend("broken")
        batch = live.client.recommendations.RecommendBatch(
            recommendation_pb2.RecommendBatchRequest(
                requests=[recommend_request(value) for value in ("broken", "good", "broken")]
            ),
            timeout=PATIENCE,
        )
        answers = [alone, *(result.response for result in batch.results)]
        flagged = [common_pb2.FLAG_STATE_UNAVAILABLE in answer.flags for answer in answers]
        assert flagged == [True, True, False, True]
        assert [answer.moment.profile_version for answer in answers] == [0, 0, 1, 0]
        assert all(len(answer.offers) == 10 for answer in answers)
        results = live.record(event_message("e1", "broken"), event_message("e2", "good")).results
        assert [result.outcome.code for result in results] == [14, 0]
        with pytest.raises(grpc.RpcError) as raised:
            live.record(event_message("e1", "broken"))
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert backend.get(broken) == BROKEN["flipped"]
        backend.close()
