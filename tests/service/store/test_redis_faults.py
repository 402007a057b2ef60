"""Whatever comes over the wire from Redis, a call ends in time and lies to nobody."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from models.codec import encode
from models.domain.profile import Profile
from models.errors import StoreUnavailable
from service.store.database.backend import CatalogueRow, CustomerWrite, EventQuery, SealedDecision
from service.store.database.decision_ids import new_decision_id
from service.store.opening import open_store
from service.store.redis.backend import RedisBackend
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, event, identifier
from tests.support.fault_proxy import HEALTHY, Fault, FaultProxy
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.machine

TIMEOUT = 0.25  # seconds
ROOM = 2.0  # seconds that a busy machine may take on top
ANN, BOB, CAT = identifier(1), identifier(2), identifier(3)
BLOB = encode(Profile(customer=ANN, version=1), 1)
RECORD = new_decision_id(1024, ANN, NOW)

RUBBISH = {
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "a number": b":7\r\n",
    "one": b":1\r\n",
    "nothing": b"$-1\r\n",
    "no list": b"*-1\r\n",
    "an empty list": b"*0\r\n",
    "a list in a list": b"*1\r\n*1\r\n:1\r\n",
    "a word": b"+\xff\xfe\r\n",
    "text": b"$5\r\nhello\r\n",
    "the end": b"$5\r\nhel",
    "two answers": b"$5\r\nhello\r\n$5\r\nhello\r\n",
    "bytes": bytes(range(256)),
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "readonly": b"-READONLY You can't write against a read only replica.\r\n",
    "full": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "misconfigured": b"-MISCONF Errors writing to the AOF file: No space left on device\r\n",
    "odd error": b"-\xff\xfe\r\n",
    "no error": b"-\r\n",
}

VERBS: dict[str, Callable[[RedisBackend], object]] = {
    "get": lambda backend: backend.get(ANN),
    "get_many": lambda backend: backend.get_many([ANN, BOB]),
    "write": lambda backend: backend.write([CustomerWrite(ANN, 1, BLOB)]),
    "writes": lambda backend: backend.write(
        [CustomerWrite(ANN, 1, BLOB), CustomerWrite(BOB, 0, BLOB)]
    ),
    "seen": lambda backend: backend.seen([ANN], [EventQuery(ANN, "e1", None)]),
    "log": lambda backend: list(backend.log()),
    "put_catalogue": lambda backend: backend.put_catalogue([CatalogueRow("item", "a", b"a")]),
    "catalogue_changes": lambda backend: backend.catalogue_changes(0),
    "revision": lambda backend: backend.revision(),
    "put_decisions": lambda backend: backend.put_decisions(
        [SealedDecision(RECORD, ANN, NOW, b"record")]
    ),
    "decision": lambda backend: backend.decision(RECORD),
    "decisions": lambda backend: list(backend.decisions(None)),
    "customers": lambda backend: list(backend.customers()),
    "enter_event_ids": lambda backend: enter_event_ids(backend),
    "setting": lambda backend: backend.setting("one"),
    "put_setting": lambda backend: backend.put_setting("one", "1"),
    "put_if_absent": lambda backend: backend.put_if_absent("one", "1"),
    "chunk": lambda backend: backend.chunk("digest", 1),
    "mark_chunk": lambda backend: backend.mark_chunk("digest", 1, "done"),
    "check": lambda backend: backend.check(),
}


def enter_event_ids(backend: RedisBackend) -> None:
    """Enter the ids of all events, whether that was done before or not."""
    backend._logged.enter_ids(lambda looked_at: None)


# An answer of the right kind passes for the truth; blobs have a checksum, which is read later.
BLOBS = {"get", "get_many", "decision"}
TRUE = {
    "a number": {"put_catalogue", "mark_chunk", "put_setting"},
    "one": {"put_catalogue", "mark_chunk", "put_setting"},
    "nothing": {"chunk", "setting"},
    "no list": {"chunk", "setting"},
    "an empty list": {"seen"},
    "a word": BLOBS,
    "text": {"chunk", "put_if_absent", "setting", *BLOBS},
    "two answers": {"chunk", "put_if_absent", "setting", *BLOBS},
}


def healed(backend: RedisBackend, expected: bytes, customer: bytes = ANN) -> bool:
    """Tell whether a customer is read again, as it was, within two seconds."""
    for _ in range(40):
        with suppress(StoreUnavailable):
            return backend.get(customer) == expected
        time.sleep(0.05)
    return False


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[FaultProxy]:
    """A proxy in front of the shared server."""
    with FaultProxy(redis_server.port).running() as running:
        yield running


@pytest.fixture
def backend(proxy: FaultProxy) -> Iterator[RedisBackend]:
    """The database behind the proxy, in use and healthy."""
    made = RedisBackend(f"redis://127.0.0.1:{proxy.port}/0", TIMEOUT)
    (node,) = made._calls.nodes
    node.breaker._rest = 0.0
    made.write([CustomerWrite(ANN, 0, BLOB)])
    made.put_catalogue([CatalogueRow("item", "a", b"a")])
    yield made
    made.close()


@pytest.mark.parametrize("answer", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_is_no_answer(proxy: FaultProxy, backend: RedisBackend, answer: bytes) -> None:
    """Whatever a verb is answered, it is `StoreUnavailable`, in time, and over when it is over."""
    name = next(name for name, value in RUBBISH.items() if value == answer)
    for verb, call in VERBS.items():
        proxy.set(Fault(answer=answer))
        started = time.monotonic()
        try:
            call(backend)
        except StoreUnavailable:
            pass
        else:
            assert verb in TRUE.get(name, ()), f"{verb} takes {name} for an answer"
        assert time.monotonic() - started < TIMEOUT + ROOM
        proxy.set(HEALTHY)
        assert healed(backend, BLOB)
        assert backend.get_many([BOB, ANN, CAT]) == [None, BLOB, None]


FAULTS = {
    "lost replies": Fault(lose=True),
    "half open": Fault(deaf=True),
    "resets": Fault(reset=True),
    "a byte a second": Fault(rate=1),
    "ten bytes a second": Fault(rate=10),
    "a hundred bytes a second": Fault(rate=100),
    "late": Fault(delay=0.2),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_call_ends_in_time(proxy: FaultProxy, backend: RedisBackend, fault: Fault) -> None:
    """However replies come or do not come, one call takes no longer than the time it has."""
    large = encode(Profile(customer=CAT, version=1, compartments={}), 1) + bytes(2000)
    backend.write([CustomerWrite(CAT, 0, large)])
    proxy.set(fault)
    for call in (lambda: backend.get(CAT), lambda: backend.get_many([ANN, CAT, BOB])):
        started = time.monotonic()
        with suppress(StoreUnavailable):
            call()
        assert time.monotonic() - started < TIMEOUT + ROOM
    proxy.set(HEALTHY)
    assert healed(backend, large, CAT)


def test_reading_a_customer_has_one_time_in_all(proxy: FaultProxy) -> None:
    """A read of several round trips to a late Redis takes no longer than one of them may."""
    store = open_store(f"redis://127.0.0.1:{proxy.port}/0", key=STORE_KEY, timeout=TIMEOUT)
    store.record([event("e1", ANN), event("e1", BOB)], NOW)
    store.link(ANN, BOB, "login", NOW)
    store.record([event("e2", CAT)], NOW)
    proxy.set(Fault(delay=0.15))
    for allowed in (TIMEOUT, 0.05):
        time.sleep(0.41)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.read([identifier(9), ANN, BOB, CAT], allowed)
        assert allowed * 0.9 < time.monotonic() - started < allowed + ROOM
    store.close()
    proxy.set(HEALTHY)
