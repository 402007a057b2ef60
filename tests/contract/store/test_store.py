"""The contract of a store, the same for SQLite and for a real Redis."""

import itertools
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from models.codec import encode
from models.domain.events import attributes_event
from models.domain.fold import SEEN_CAPACITY
from models.domain.identifiers import key_fingerprint
from models.domain.profile import Profile
from models.errors import BadInput, StoreUnavailable, WrongKey
from service.store.customers.planning import Arrival, EventOutcome
from service.store.customers.recording import RecordOutcome
from service.store.database.backend import CustomerWrite, Durability
from service.store.opening import open_store
from service.store.outcomes import LoadCounts
from service.store.store import Store
from tests.support.backends import STORE_KEY, backend_of
from tests.support.events import EPOCH, NOW, SECOND, counted, event, identifier, logged
from tests.support.waiting import PATIENCE, Pool

Open = Callable[[str], Store]

ANN, BOB, CAT = identifier(1), identifier(2), identifier(3)
STORED, DUPLICATE, CONFLICT = EventOutcome.STORED, EventOutcome.DUPLICATE, EventOutcome.CONFLICT


def test_a_stored_event_is_seen_by_every_reader(store_url: str, opened: Open) -> None:
    """What one process stored, another reads at once, and one that is opened later."""
    first, second = opened(store_url), opened(store_url)
    assert first.durability is Durability.DURABLE
    assert not second.read([ANN]).known

    assert first.record([event("e1", ANN)], NOW) == [STORED]

    for store in (first, second, opened(store_url)):
        customer = store.read([ANN])
        assert customer.known
        assert customer.profile.customer == ANN
        assert customer.profile.version == 1
        assert counted(store, ANN) == 1


def test_nobody_is_a_customer_at_version_0(store_url: str, opened: Open) -> None:
    """Unknown identifiers are no error: an empty profile under the first of them."""
    customer = opened(store_url).read([ANN, BOB])
    assert customer == (Profile(customer=ANN), False, False)


def test_the_first_known_identifier_counts(store_url: str, opened: Open) -> None:
    """The customer is that of the first known identifier; others of other customers disagree."""
    store = opened(store_url)
    store.record([event("e1", ANN), event("e1", BOB)], NOW)
    assert store.read([CAT, BOB]).profile.customer == BOB
    assert not store.read([CAT, BOB]).identifiers_disagree
    assert store.read([ANN, CAT]) == store.read([ANN])
    assert store.read([ANN, BOB]).profile.customer == ANN
    assert store.read([ANN, BOB]).identifiers_disagree
    store.link(ANN, BOB, "login", NOW)
    assert not store.read([ANN, BOB]).identifiers_disagree
    assert not store.read([CAT, BOB, ANN]).identifiers_disagree


def test_an_event_counts_once(store_url: str, opened: Open) -> None:
    """The same event again, in one call or another, is a duplicate and changes nothing."""
    store = opened(store_url)
    assert store.record([event("e1", ANN), event("e2", ANN), event("e1", ANN)], NOW) == [
        STORED,
        STORED,
        DUPLICATE,
    ]
    before = store.read([ANN])
    assert store.record([event("e2", ANN), event("e1", ANN)], NOW + 1) == [DUPLICATE] * 2
    assert store.read([ANN]) == before
    assert set(logged(store).values()) == {1}


def test_an_id_with_other_content_is_refused(store_url: str, opened: Open) -> None:
    """The same id with other content is a conflict; the first content stays."""
    store = opened(store_url)
    other = event("e1", ANN, item="item2")
    assert store.record([event("e1", ANN), other, event("e2", ANN)], NOW) == [
        STORED,
        CONFLICT,
        STORED,
    ]
    assert store.record([other], NOW) == [CONFLICT]
    assert [
        entry.item for entry in store.read([ANN]).profile.compartments[ANN].lanes["browse"]
    ] == [
        "item1",
        "item1",
    ]


def test_event_ids_are_of_one_identifier(store_url: str, opened: Open) -> None:
    """Two identifiers may use the same event id, before and after they are linked."""
    store = opened(store_url)
    assert store.record([event("e1", ANN), event("e1", BOB)], NOW) == [STORED, STORED]
    store.link(ANN, BOB, "login", NOW)
    assert store.record([event("e1", ANN), event("e1", BOB)], NOW) == [DUPLICATE, DUPLICATE]
    assert counted(store, ANN) == 2


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_longer_remembered_is_looked_up(
    store_url: str, opened: Open, linked: bool
) -> None:
    """Beyond the ids that a profile remembers, the log tells duplicates, conflicts and new."""
    store = opened(store_url)
    old = [event(f"old{at}", BOB, at) for at in range(3)]
    undated = event("undated", BOB, None)
    store.record([*old, undated], NOW)
    if linked:
        # Their log entries stay where they are, in the shard of a customer who is no more.
        store.record([event("e1", ANN)], NOW)
        assert store.link(ANN, BOB, "login", NOW).customer == ANN
    later = [event(f"new{at}", BOB, 100 + at) for at in range(SEEN_CAPACITY + 6)]
    assert store.record(later, NOW) == [STORED] * len(later)
    before = store.read([BOB]).profile

    again = [*old, undated, later[0], event("old0", BOB, 0, "item2"), event("undated", BOB, None)]
    assert store.record(again, NOW) == [DUPLICATE] * 5 + [CONFLICT, DUPLICATE]
    assert store.read([BOB]).profile == before

    late = event("late", BOB, 1)
    assert store.record([late, late], NOW) == [STORED, DUPLICATE]
    assert store.record([late, event("late", BOB, 1, "item2")], NOW) == [DUPLICATE, CONFLICT]
    assert set(logged(store).values()) == {1}


def test_a_clock_set_ahead_finds_duplicates_too(store_url: str, opened: Open) -> None:
    """With a clock years ahead of the database's, old events are still recognised in the log."""
    store = opened(store_url)
    ahead = 20 * 365 * 86_400  # seconds after the epoch of the tests
    events = [event(f"e{at}", ANN, ahead + at) for at in range(SEEN_CAPACITY + 6)]
    arrival = EPOCH + (ahead + 100) * SECOND
    assert store.record(events, arrival) == [STORED] * len(events)
    assert store.record(events, arrival + 1) == [DUPLICATE] * len(events)


def test_a_load_that_looks_up_may_be_repeated(store_url: str, opened: Open) -> None:
    """A load that was interrupted counts each event once when it is repeated."""
    store = opened(store_url)
    history = [event(f"h{number}", ANN, None, sequence=number) for number in range(100)]
    history.append(attributes_event(ANN, {"region": "north"}))
    assert store.load(history[50:], [], Arrival(NOW, look_up=False)) == LoadCounts(51, 0, 0)
    assert store.load(history, [], Arrival(NOW)) == LoadCounts(50, 51, 0)
    assert counted(store, ANN) == 101
    assert set(logged(store).values()) == {1}


def test_arrival_order_does_not_matter(store_url: str, opened: Open) -> None:
    """The same events in any order and any batches give the same compartments."""
    store = opened(store_url)
    chance = random.Random(7)
    found = []
    for number, who in enumerate((ANN, BOB, CAT)):
        events = [event(f"e{at}", who, at // 2) for at in range(90)]
        chance.shuffle(events)
        step = (90, 31, 7)[number]
        for start in range(0, 90, step):
            store.record(events[start : start + step], NOW)
        found.append(store.read([who]).profile.compartments[who])
    contents = [[entry.item for entry in part.lanes["browse"]] for part in found]
    keys = [[entry.key for entry in part.lanes["browse"]] for part in found]
    assert keys[0] == keys[1] == keys[2]
    assert contents[0] == contents[1] == contents[2]
    assert found[0].counts == found[1].counts == found[2].counts
    assert found[0].floor == found[1].floor == found[2].floor


def test_concurrent_events_of_one_customer_are_all_kept(store_url: str, opened: Open) -> None:
    """Eight threads over two processes' stores lose nothing and count nothing twice."""
    stores = [opened(store_url), opened(store_url)]

    def run(worker: int) -> list[RecordOutcome]:
        return [
            stores[worker % 2].record([event(f"e{worker}-{number}", ANN, number)], NOW)[0]
            for number in range(10)
        ]

    with Pool(8) as pool:
        outcomes = [outcome for found in pool.map(run, range(8)) for outcome in found]
    assert outcomes == [STORED] * 80
    assert counted(stores[0], ANN) == 80
    assert stores[1].read([ANN]).profile.version == 80
    assert logged(stores[0]) == {(ANN, f"e{w}-{n}"): 1 for w in range(8) for n in range(10)}


def test_the_same_event_from_many_at_once_counts_once(store_url: str, opened: Open) -> None:
    """Of many concurrent calls with the same events, one stores each and the rest are told so."""
    store = opened(store_url)
    events = [event(f"e{number}", ANN, number) for number in range(100)]
    barrier = threading.Barrier(4)

    def run(worker: int) -> list[RecordOutcome]:
        chosen = random.Random(worker).sample(events, len(events))
        barrier.wait()
        found: dict[str, RecordOutcome] = {}
        for start in range(0, 100, 25):
            part = chosen[start : start + 25]
            found.update(zip([one.event_id for one in part], store.record(part, NOW), strict=True))
        return [found[one.event_id] for one in events]

    with Pool(4) as pool:
        outcomes = list(pool.map(run, range(4)))
    for each in zip(*outcomes, strict=True):
        assert sorted(each, key=str) == [DUPLICATE, DUPLICATE, DUPLICATE, STORED]
    assert counted(store, ANN) == 100
    assert set(logged(store).values()) == {1}


def test_many_customers_in_one_call(store_url: str, opened: Open) -> None:
    """One call may hold events of many customers; the answers come in the order of the events."""
    store = opened(store_url)
    events = [event("e1", identifier(number)) for number in range(450)]
    assert store.record(events, NOW) == [STORED] * 450
    mixed = [event("e1", ANN), event("e2", ANN), event("e1", identifier(1000))]
    assert store.record(mixed, NOW) == [DUPLICATE, STORED, STORED]
    assert sum(logged(store).values()) == 452


def test_a_customer_of_another_format_fails_alone(store_url: str, opened: Open) -> None:
    """A blob that this version does not know is left as it is, and its neighbours are served."""
    strange = bytes([99]) + encode(None, 7)[1:]
    backend = backend_of(store_url)
    assert backend.write([CustomerWrite(BOB, 0, strange)]) == [True]
    store = opened(store_url)
    first, second, third = store.record([event("e1", ANN), event("e1", BOB), event("e1", CAT)], NOW)
    assert (first, third) == (STORED, STORED)
    assert isinstance(second, StoreUnavailable)
    assert "format 99" in str(second)
    assert backend.get(BOB) == strange
    backend.close()


def test_a_write_needs_the_version_it_was_made_from(store_url: str) -> None:
    """Compare and set: another version, or a customer who is there already, refuses the write."""
    backend = backend_of(store_url)
    blobs = [encode(Profile(customer=ANN, version=version), version) for version in (1, 2)]
    assert backend.write([CustomerWrite(ANN, 1, blobs[0])]) == [False]
    assert backend.write([CustomerWrite(ANN, 0, blobs[0]), CustomerWrite(BOB, 0, blobs[0])]) == [
        True,
        True,
    ]
    assert backend.write([CustomerWrite(ANN, 0, blobs[1]), CustomerWrite(BOB, 1, blobs[1])]) == [
        False,
        True,
    ]
    assert backend.get_many([BOB, CAT, ANN]) == [blobs[1], None, blobs[0]]
    backend.close()


def test_another_key_is_refused(store_url: str, opened: Open) -> None:
    """A store made under one key cannot be opened under another."""
    opened(store_url)
    with pytest.raises(WrongKey, match=key_fingerprint(STORE_KEY)):
        open_store(store_url, key=bytes(32), timeout=PATIENCE)


def test_other_urls_are_refused() -> None:
    """A URL of no known kind is bad input that names the setting."""
    with pytest.raises(BadInput, match="store: want sqlite:DIR"):
        open_store("mongodb://here", key=STORE_KEY)


WRITER = """
import sys
from service.store.opening import open_store
from tests.support.backends import STORE_KEY
from tests.support.events import event, identifier
store = open_store(sys.argv[1], key=STORE_KEY, timeout=240.0)
for number in range(100_000):
    batch = [event(f"{number}-{part}", identifier(number % 3), number) for part in range(3)]
    store.record(batch, 1)
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(store_url: str, opened: Open) -> None:
    """A writer killed at any moment loses nothing it answered, and half-stores nothing."""
    child = subprocess.Popen([sys.executable, "-c", WRITER, store_url], stdout=subprocess.PIPE)
    assert child.stdout is not None
    answered = [int(line) for line in itertools.islice(child.stdout, 30)]
    child.kill()
    answered += [int(line) for line in child.stdout if line.endswith(b"\n")]
    child.stdout.close()
    child.wait(PATIENCE)

    store = opened(store_url)
    found = logged(store)
    numbers = Counter(int(event_id.partition("-")[0]) for _, event_id in found)
    assert set(found.values()) == {1}
    assert set(numbers.values()) == {3}
    assert set(answered) <= set(numbers)
    assert len(numbers) - len(answered) <= 1
    assert sum(counted(store, identifier(number)) for number in range(3)) == sum(found.values())
