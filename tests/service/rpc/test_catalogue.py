"""Items and offers over gRPC: written, read, listed, on one running server."""

from collections.abc import Iterator

import grpc
import pytest
from throughline.v1 import common_pb2, offer_pb2

from tests.support.in_process import Running, running


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("catalogue")) as started:
        yield started


def test_catalogue_reads_its_own_writes(live: Running) -> None:
    """After its OK an upsert is in every read and decision, and a withdrawal out of them."""
    offers = live.client.offers
    item = offer_pb2.Item(item_id="fresh", title="Fresh", stock=[common_pb2.Stock(quantity=3)])
    item.features["category"].values.append("a")
    revision = offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=[item])).revision
    got = offers.GetItem(offer_pb2.GetItemRequest(item_id="fresh"))
    assert got.revision == revision
    assert got.item.title == "Fresh"
    assert got.item.stock[0].as_of.seconds > 0
    default = offers.GetOffer(offer_pb2.GetOfferRequest(offer_id="item:fresh")).offer
    assert list(default.item_ids) == ["fresh"]
    assert live.recommend("x").moment.catalogue_revision == revision
    shown = live.recommend("x", include=["item:fresh"])
    assert [offer.offer_id for offer in shown.offers] == ["item:fresh"]

    gone = offers.WithdrawItems(
        offer_pb2.WithdrawItemsRequest(item_ids=["fresh", "fresh", "never-there"])
    )
    assert gone.withdrawn == 1
    assert live.recommend("x", include=["item:fresh"]).offers == []
    with pytest.raises(grpc.RpcError) as raised:
        offers.GetItem(offer_pb2.GetItemRequest(item_id="fresh"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == "item_id: not in the catalogue"


def test_lists_page_through_everything(live: Running) -> None:
    """Pages of a list hold every live row once, by id."""
    offers = live.client.offers
    ids: list[str] = []
    token = ""
    while True:
        page = offers.ListItems(offer_pb2.ListItemsRequest(page_size=7, page_token=token))
        ids += [item.item_id for item in page.items]
        token = page.next_page_token
        if not token:
            break
    assert ids == sorted(ids)
    assert set(ids) >= {f"item{number}" for number in range(40)}
    listed = offers.ListOffers(offer_pb2.ListOffersRequest()).offers
    assert [offer.offer_id for offer in listed] == ["coupon:many", "coupon:odd", "coupon:one"]


def test_offer_comes_back_as_it_was_given(live: Running) -> None:
    """Every field of an offer survives the way through the store."""
    offer = offer_pb2.Offer(
        offer_id="full",
        title="Full",
        item_ids=["item1", "item2"],
        price=common_pb2.Money(currency="EUR", units=1, nanos=5),
        value=common_pb2.Money(currency="EUR", units=0, nanos=7),
        channels=["app", "email"],
        stock=[common_pb2.Stock(place="s1", quantity=2)],
        offer_class=offer_pb2.OFFER_CLASS_TRANSACTIONAL,
        sensitivity="health",
        groups=["autumn", "brand"],
        creatives={"app": "Take it", "email": "template 7"},
        volume=1000,
    )
    offer.stock[0].as_of.FromSeconds(1_700_000_000)
    offer.valid_from.FromSeconds(1_000_000_000)
    offer.valid_until.FromSeconds(2_000_000_000)
    offer.price_until.FromSeconds(1_900_000_000)
    offer.features["kind"].values.extend(["x", "y"])
    live.client.offers.UpsertOffers(offer_pb2.UpsertOffersRequest(offers=[offer]))
    assert live.client.offers.GetOffer(offer_pb2.GetOfferRequest(offer_id="full")).offer == offer
    live.client.offers.WithdrawOffers(offer_pb2.WithdrawOffersRequest(offer_ids=["full"]))


def test_default_offer_is_what_its_item_is(live: Running) -> None:
    """Class, sensitivity, groups and the end of the price of an item are its default offer's."""
    item = offer_pb2.Item(
        item_id="classed",
        price=common_pb2.Money(currency="EUR", units=1),
        offer_class=offer_pb2.OFFER_CLASS_SERVICE,
        sensitivity="health",
        groups=["care"],
    )
    item.price_until.FromSeconds(2_000_000_000)
    offers = live.client.offers
    offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=[item]))
    assert offers.GetItem(offer_pb2.GetItemRequest(item_id="classed")).item == item
    default = offers.GetOffer(offer_pb2.GetOfferRequest(offer_id="item:classed")).offer
    assert default.offer_class == offer_pb2.OFFER_CLASS_SERVICE
    assert default.sensitivity == "health"
    assert list(default.groups) == ["care"]
    assert default.price_until == item.price_until
    offers.WithdrawItems(offer_pb2.WithdrawItemsRequest(item_ids=["classed"]))


def test_change_on_an_old_revision_is_aborted(live: Running) -> None:
    """A change made on another revision is ABORTED and changes nothing; on the current it is OK."""
    offers = live.client.offers
    item = offer_pb2.Item(item_id="based")
    at = offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=[item])).revision
    offer = offer_pb2.Offer(offer_id="based", item_ids=["based"])
    for method, request in (
        ("UpsertItems", offer_pb2.UpsertItemsRequest(items=[item], expected_revision=at - 1)),
        ("UpsertOffers", offer_pb2.UpsertOffersRequest(offers=[offer], expected_revision=at - 1)),
        (
            "WithdrawItems",
            offer_pb2.WithdrawItemsRequest(item_ids=["based"], expected_revision=at - 1),
        ),
        ("WithdrawOffers", offer_pb2.WithdrawOffersRequest(offer_ids=["no"], expected_revision=0)),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            getattr(offers, method)(request)
        assert raised.value.code() == grpc.StatusCode.ABORTED
        assert raised.value.details() == f"revision: expected {request.expected_revision}"
    assert offers.GetItem(offer_pb2.GetItemRequest(item_id="based")).revision == at
    gone = offer_pb2.WithdrawItemsRequest(item_ids=["based"], expected_revision=at)
    assert offers.WithdrawItems(gone).revision == at + 1
