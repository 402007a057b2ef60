"""Customers over gRPC: who is known, joined and parted, on one running server."""

from collections.abc import Iterator

import grpc
import pytest
from throughline.v1 import common_pb2, customer_pb2

from service.contract import limits
from tests.support.in_process import Running, event, loyalty, running


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("customers")) as started:
        yield started


def test_two_identifiers_are_one_customer_once_linked(live: Running) -> None:
    """From the OK of a link on, a decision under either identifier uses the history of both."""
    live.record(event("k1", "left", item_id="item1"), event("k2", "right", item_id="item2"))
    asked = customer_pb2.LinkIdentifiersRequest(
        a=loyalty("left"), b=loyalty("right"), asserted_by="login"
    )
    assert live.client.customers.LinkIdentifiers(asked).changed
    assert not live.client.customers.LinkIdentifiers(asked).changed
    left, right = live.recommend("left"), live.recommend("right")
    assert left.moment.profile_version == right.moment.profile_version
    assert [o.offer_id for o in left.offers] == [o.offer_id for o in right.offers]
    known = live.client.customers.GetCustomer(
        customer_pb2.GetCustomerRequest(identifiers=[loyalty("right")])
    )
    assert {entry.item_id for entry in known.recent} == {"item1", "item2"}
    assert [(count.type, count.count) for count in known.counts] == [("view", 2)]
    assert known.identifier_count == 2
    assert known.links[0].asserted_by == "login"


def test_two_identifiers_are_two_customers_once_unlinked(live: Running) -> None:
    """From the OK of an unlink on, both are as if they had never been linked."""
    live.record(event("v1", "mine", item_id="item1"), event("v2", "yours", item_id="item2"))
    pair = {"a": loyalty("mine"), "b": loyalty("yours")}
    before = [live.recommend(who) for who in ("mine", "yours")]
    linked = customer_pb2.LinkIdentifiersRequest(**pair, asserted_by="login")
    assert live.client.customers.LinkIdentifiers(linked).changed
    asked = customer_pb2.UnlinkIdentifiersRequest(**pair, asserted_by="agent")
    answer = live.client.customers.UnlinkIdentifiers(asked)
    assert (answer.changed, answer.linked) == (True, False)
    assert not live.client.customers.UnlinkIdentifiers(asked).changed
    for who, answered in zip(("mine", "yours"), before, strict=True):
        known = live.client.customers.GetCustomer(
            customer_pb2.GetCustomerRequest(identifiers=[loyalty(who)])
        )
        assert (known.identifier_count, len(known.links), len(known.recent)) == (1, 0, 1)
        again = live.recommend(who)
        assert [o.offer_id for o in again.offers] == [o.offer_id for o in answered.offers]


def test_a_customer_of_fifty_identifiers_grows_no_more(live: Running) -> None:
    """The link beyond the fiftieth identifier is FAILED_PRECONDITION, and says what to do."""

    def link(other: str) -> customer_pb2.LinkIdentifiersResponse:
        asked = customer_pb2.LinkIdentifiersRequest(
            a=loyalty("shared"), b=loyalty(other), asserted_by="login"
        )
        return live.client.customers.LinkIdentifiers(asked)

    for number in range(limits.CUSTOMER_IDENTIFIERS - 1):
        assert link(f"person{number}").changed
    with pytest.raises(grpc.RpcError) as refused:
        link("one more")
    code, details = refused.value.code(), refused.value.details() or ""
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert details.startswith("identifiers: together 51, a customer has 50 at most; link no")
    known = customer_pb2.GetCustomerRequest(identifiers=[loyalty("one more")])
    assert not live.client.customers.GetCustomer(known).known


def test_identifiers_of_different_customers_are_flagged(live: Running) -> None:
    """Naming two customers together links nothing and is flagged."""
    live.record(event("d1", "one"), event("d2", "other"))
    answer = live.recommend("one", "other")
    assert common_pb2.FLAG_IDENTIFIERS_DISAGREE in answer.flags
    assert common_pb2.FLAG_IDENTIFIERS_DISAGREE not in live.recommend("one").flags


def test_a_return_is_told_beside_what_it_takes_back(live: Running) -> None:
    """Who asks for a customer sees the purchase and that it came back, latest first."""
    live.record(event("g1", "gone", "purchase", channel="till", item_id="item1"))
    live.record(event("g2", "gone", "return", channel="store", of_event_id="g1"))
    asked = customer_pb2.GetCustomerRequest(identifiers=[loyalty("gone")])
    known = live.client.customers.GetCustomer(asked)
    assert [(one.type, one.channel, one.item_id) for one in known.recent] == [
        ("return", "store", ""),
        ("purchase", "till", "item1"),
    ]
    assert {(one.type, one.count) for one in known.counts} == {("purchase", 1), ("return", 1)}


def test_unknown_customer_is_data(live: Running) -> None:
    """GetCustomer of somebody unknown answers known = false."""
    asked = customer_pb2.GetCustomerRequest(identifiers=[loyalty("never")])
    assert not live.client.customers.GetCustomer(asked).known
