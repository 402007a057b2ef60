"""Events that are kept and count for nothing, or for less: each is said so, and counted.

| event | warning |
|---|---|
| view, purchase, click, ... of no item and no offer | ABOUT_NOTHING |
| an item or an offer that the catalogue does not have | UNKNOWN_ITEM, UNKNOWN_OFFER |
| a decision that there is not | UNKNOWN_DECISION |
| a decision about another customer | FOREIGN_DECISION |
| a time zone that there is not | NOT_A_TIME_ZONE |
"""

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from throughline.v1 import customer_pb2, event_pb2

from models.domain.event_types import BUILT_IN
from models.domain.input.warnings import Warned
from service.store.database.decision_ids import new_decision_id
from tests.support.in_process import Running, event, loyalty, running

pytestmark = pytest.mark.machine

NOTHING, ITEM, OFFER, DECISION, FOREIGN = (
    Warned.ABOUT_NOTHING,
    Warned.UNKNOWN_ITEM,
    Warned.UNKNOWN_OFFER,
    Warned.UNKNOWN_DECISION,
    Warned.FOREIGN_DECISION,
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("warnings")) as started:
        yield started


def warned(live: Running, *events: event_pb2.Event) -> list[list[int]]:
    """Record events that are all stored, and return the warnings of each."""
    results = live.record(*events).results
    assert [result.outcome.code for result in results] == [0] * len(events)
    return [list(result.warnings) for result in results]


def new(customer: str = "w", kind: str = "click", **more: object) -> event_pb2.Event:
    """Return an event of an id of its own."""
    made = event(token_hex(8), customer, kind)
    made.item_id = ""
    made.MergeFrom(event_pb2.Event(**more))  # type: ignore[arg-type]
    return made


def test_what_is_about_nothing(live: Running) -> None:
    """Each type that counts by what it is about is warned of without that; no other type is."""
    types = [like for like in BUILT_IN if not like.own and like.lane not in ("returned",)]
    types = [like for like in types if like.name != "attributes_changed"]
    told = warned(live, *(new(kind=like.name) for like in types))
    assert told == [[NOTHING] if like.about else [] for like in types]
    assert {like.name for like in types if like.about} >= {"view", "purchase", "click", "redeem"}
    assert warned(live, new(item_id="item1"), new(offer_id="item:item1")) == [[], []]


def test_what_the_catalogue_does_not_have(live: Running) -> None:
    """An item and an offer that are not there are told apart."""
    assert warned(
        live, new(item_id="gone"), new(offer_id="gone"), new(item_id="gone", offer_id="gone")
    ) == [[ITEM], [OFFER], [ITEM, OFFER]]


def test_decisions_that_are_none(live: Running) -> None:
    """A made-up decision and one about somebody else are told; one's own, linked or not, is not."""
    decision = live.recommend("ann").decision_id
    old = new_decision_id(1, b"\0" * 16, 10**15)
    about = {"item_id": "item1"}
    assert warned(
        live,
        new("ann", decision_id=decision, **about),
        new("bob", decision_id=decision, **about),
        new("ann", decision_id="made-up", **about),
        new("ann", decision_id=old, **about),
    ) == [[], [FOREIGN], [DECISION], [DECISION]]
    live.client.customers.LinkIdentifiers(
        customer_pb2.LinkIdentifiersRequest(a=loyalty("ann"), b=loyalty("ann2"), asserted_by="app")
    )
    assert warned(live, new("ann2", decision_id=decision, **about)) == [[]]


@pytest.mark.parametrize("zone", ["america/new_york", "UTC-5", "CET+1"])
def test_a_zone_that_there_is_not(live: Running, zone: str) -> None:
    """A customer's time zone that is none is told, and the rest of the event is kept."""
    asked: dict[str, Any] = {
        "kind": "attributes_changed",
        "attributes": {"time_zone": zone, "plan": "gold"},
    }
    assert warned(live, new("zone", **asked)) == [[Warned.NOT_A_TIME_ZONE]]
    right = {**asked, "attributes": {"time_zone": "America/New_York"}}
    assert warned(live, new("zone", **right)) == [[]]


def test_warnings_are_counted(live: Running) -> None:
    """Each warning is counted by its name, and a refused event has none."""
    counted = live.server.dependencies.metrics.events._warnings
    before = counted[NOTHING].number
    warned(live, new(), new(), new(item_id="item1"))
    refused = live.record(new(quantity=-1.0)).results[0]
    assert (refused.outcome.code, list(refused.warnings)) == (3, [])
    assert counted[NOTHING].number == before + 2
