"""Decisions that are stored with what they reserve and the request they answer, on both stores."""

from collections.abc import Callable

import pytest

from models.domain.event_types import RESERVED
from models.domain.reservations import granted, reserved
from models.domain.view import view_of
from models.errors import StoreUnavailable
from service.store.commits import AlreadyAnswered, Committed, RequestKey, VersionConflict
from service.store.customers.customer_lookup import CustomerLookup
from service.store.store import Store
from tests.support.events import NOW, SECOND, event, identifier, logged, record
from tests.support.redis_server import RedisServer
from tests.support.waiting import Pool

Open = Callable[[str], Store]

ANN, BOB, CAT = identifier(1), identifier(2), identifier(3)
ASKED = RequestKey(ANN, "r1", b"what was asked")


def committed(
    store: Store,
    customer: CustomerLookup,
    reserve: bool = True,
    request: RequestKey | None = None,
    now: int = NOW,
) -> tuple[str, Committed | VersionConflict | AlreadyAnswered]:
    """Decide for `customer` as it was read; return the decision's id and what became of it."""
    profile = customer.profile
    decision_id = store.new_decision_id(profile.customer, now)
    events = [reserved(profile.customer, decision_id, "email", now, "")] if reserve else []
    kept = record(decision_id, profile.customer, now)
    return decision_id, store.commit(kept, profile, events, request)


def test_what_is_reserved_is_seen_with_its_decision(store_url: str, opened: Open) -> None:
    """Another process sees the reservation, the record and the log's line once commit returns."""
    store, other = opened(store_url), opened(store_url)
    store.record([event("e1", ANN)], NOW)
    decision_id, outcome = committed(store, store.read([ANN]))

    assert outcome == Committed(2)
    customer = other.read([ANN])
    assert customer.profile.version == 2
    (entry,) = view_of(customer.profile.compartments.values()).lanes[RESERVED]
    assert (entry.type, entry.channel, entry.at, entry.decision > 0) == (
        "reserved",
        "email",
        NOW,
        True,
    )
    assert other.decision(decision_id) == record(decision_id, ANN, NOW)
    assert logged(other) == {(ANN, "e1"): 1, (ANN, f"reserve:{decision_id}"): 1}


def test_of_two_that_read_the_same_one_reserves(store_url: str, opened: Open) -> None:
    """A commit is refused, and leaves nothing, when anything was written since the read."""
    store, other = opened(store_url), opened(store_url)
    for known in (False, True):  # an unknown customer is reserved for, too
        first, second = store.read([ANN]), other.read([ANN])
        assert first.known is known
        assert isinstance(committed(store, first)[1], Committed)
        lost_id, lost = committed(other, second, request=ASKED)
        assert lost == VersionConflict()
        assert other.decision(lost_id) is None
        assert other.requested([ANN], second.profile, ASKED) is None
    assert store.read([ANN]).profile.version == 2


def test_a_link_in_between_refuses_the_commit(store_url: str, opened: Open) -> None:
    """Nothing is reserved with a customer that has become another's meanwhile, known or not."""
    store = opened(store_url)
    store.record([event("e1", BOB)], NOW)
    for one, other in ((BOB, ANN), (ANN, CAT)):
        before = store.read([one]), store.read([other])
        store.link(one, other, "login", NOW)
        for customer in before:
            assert committed(store, customer)[1] == VersionConflict()
            assert committed(store, customer, reserve=False, request=ASKED)[1] == VersionConflict()
    assert isinstance(committed(store, store.read([CAT]))[1], Committed)


def test_a_request_is_decided_once(store_url: str, opened: Open) -> None:
    """Of many at once with the same request id one decides, and the others learn its decision."""
    stores = [opened(store_url) for _ in range(4)]
    customers = [store.read([ANN]) for store in stores]
    with Pool(4) as pool:
        outcomes = list(
            pool.map(
                lambda pair: committed(pair[0], pair[1], reserve=False, request=ASKED),
                zip(stores, customers, strict=True),
            )
        )
    winners = [name for name, outcome in outcomes if isinstance(outcome, Committed)]
    assert len(winners) == 1
    known = AlreadyAnswered(winners[0], ASKED.digest)
    assert [outcome for _, outcome in outcomes if outcome != Committed(0)] == [known] * 3
    for store, customer in zip(stores, customers, strict=True):
        assert store.requested([ANN], customer.profile, ASKED) == known
        for stranger in (ASKED._replace(request_id="r2"), ASKED._replace(identifier=BOB)):
            assert store.requested([ANN], customer.profile, stranger) is None
    again = committed(stores[0], customers[0], request=ASKED._replace(digest=b"something else"))
    assert again[1] == known
    assert stores[0].read([ANN]).profile.version == 0


def test_a_link_hides_no_request(store_url: str, opened: Open) -> None:
    """A request is found however its customer was linked since, and by whichever identifiers."""
    store = opened(store_url)
    store.record([event("e1", BOB), event("e2", CAT)], NOW)
    asked = ASKED._replace(identifier=CAT)
    first = committed(store, store.read([CAT]), request=asked)[0]
    by_stranger = committed(store, store.read([ANN, CAT]), request=ASKED)[0]
    store.record([event("e3", ANN)], NOW)  # now ANN is somebody else than CAT

    for _ in range(2):
        assert store.requested([CAT], store.read([CAT]).profile, asked) == (first, asked.digest)
        found = store.requested([ANN, CAT], store.read([ANN, CAT]).profile, ASKED)
        assert found == (by_stranger, ASKED.digest)
        store.link(BOB, CAT, "login", NOW)
        store.link(ANN, BOB, "login", NOW)


def test_an_unlink_hides_no_request(store_url: str, opened: Open) -> None:
    """A request is found by each of its customer's identifiers, whoever left with which of them."""
    store = opened(store_url)
    store.link(BOB, CAT, "login", NOW)
    asked = ASKED._replace(identifier=CAT)
    before = committed(store, store.read([CAT]), request=asked)[0]
    store.link(ANN, CAT, "login", NOW)
    later = asked._replace(request_id="r2")
    joined = committed(store, store.read([CAT]), request=later)[0]
    for a, b in ((BOB, CAT), (ANN, CAT)):
        assert store.unlink(a, b, "agent", NOW) == (True, False)
        read = store.read([CAT]).profile
        assert store.requested([CAT], read, asked) == (before, asked.digest)
        assert store.requested([CAT], read, later) == (joined, later.digest)


def test_a_contact_is_recorded_under_an_identifier_of_the_customer(
    store_url: str, opened: Open
) -> None:
    """A reservation never ties an identifier that was asked by, but is nobody's, to a customer."""
    store = opened(store_url)
    store.record([event("e1", BOB)], NOW)
    assert store.read([ANN, BOB]).contact_identifier([ANN, BOB]) == BOB
    assert store.read([ANN, CAT]).contact_identifier([ANN, CAT]) == ANN
    store.link(BOB, CAT, "login", NOW)
    assert store.read([CAT]).contact_identifier([CAT]) == CAT


def test_offers_and_grants_are_told_apart(store_url: str, opened: Open) -> None:
    """One decision may reserve for each offer; only a grant says that an offer was granted."""
    store = opened(store_url)
    customer = store.read([ANN])
    decision_id = store.new_decision_id(ANN, NOW)
    reserve = [
        reserved(ANN, decision_id, "sms", NOW, ""),
        reserved(ANN, decision_id, "sms", NOW, "o1"),
        reserved(ANN, decision_id, "sms", NOW, "o2"),
        granted(ANN, decision_id, "sms", NOW, "o2"),
    ]
    store.commit(record(decision_id, ANN, NOW), customer.profile, reserve)
    view = view_of(store.read([ANN]).profile.compartments.values())
    assert sorted(entry.offer for entry in view.lanes[RESERVED]) == ["", "o1", "o2"]
    assert len({entry.decision for entry in view.lanes[RESERVED]}) == 1
    assert view.granted() == {"o2"}


def test_a_counter_stops_at_its_limit(store_url: str, opened: Open) -> None:
    """However many take at once, together they get the limit and no more; also a lowered one."""
    stores = [opened(store_url) for _ in range(4)]
    with Pool(8) as pool:
        taken = list(pool.map(lambda at: stores[at % 4].take("volume:{o1}", 7, 100), range(40)))
    assert sum(taken) == 100
    assert set(taken) <= {7, 2, 0}
    assert stores[0].take("volume:{o1}", 7, 50) == 0
    assert stores[0].take("volume:o2", 7, 5) == 5
    stores[1].give_back("volume:o2", 2)
    assert stores[0].take("volume:o2", 7, 5) == 2


def test_a_store_that_is_away_reserves_nothing(own_redis: RedisServer, opened: Open) -> None:
    """Without an answer a commit raises, and what it may have done is found by the request's id."""
    store = opened(own_redis.url)
    customer = store.read([ANN])
    own_redis.kill()
    with pytest.raises(StoreUnavailable):
        committed(store, customer, request=ASKED)
    with pytest.raises(StoreUnavailable):
        store.take("volume:o1", 1, 1)
    own_redis.start()
    again = opened(own_redis.url)
    assert again.requested([ANN], customer.profile, ASKED) is None
    assert isinstance(committed(again, customer, request=ASKED, now=NOW + SECOND)[1], Committed)
    own_redis.kill()
    own_redis.start()
    assert again.read([ANN]).profile.version == 1
