"""Upserts over gRPC that change some fields, and what becomes of what is withdrawn."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st
from throughline.v1 import common_pb2
from throughline.v1 import offer_pb2 as pb

from models.domain.catalogue import Item, Money, Stock
from service.contract.catalogue_fields import ITEM_FIELDS, OFFER_FIELDS
from service.contract.offer_messages import RowChange
from service.rpc.upserts import changed_rows, keep_withdrawn
from tests.support.in_process import Running, running
from tests.support.refusals import refused, wrong

PRICE = FieldMask(paths=["price", "value", "price_until"])
STOCK = FieldMask(paths=["stock"])
TIMES = 30


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("masks")) as started:
        yield started


def euros(units: int) -> common_pb2.Money:
    """Return so many euros."""
    return common_pb2.Money(currency="EUR", units=units)


def full(item_id: str) -> pb.Item:
    """Return an item with something in most fields."""
    item = pb.Item(item_id=item_id, title="t", price=euros(10), value=euros(3), groups=["g"])
    item.stock.add(place="s1", quantity=5).as_of.FromSeconds(1_700_000_000)
    item.features["brand"].values.append("own")
    item.valid_from.FromSeconds(1_000_000_000)
    item.offer_class = pb.OFFER_CLASS_SERVICE
    return item


def put(live: Running, *items: pb.Item, **options: object) -> pb.UpsertItemsResponse:
    """Upsert items."""
    request = pb.UpsertItemsRequest(items=items, **options)  # type: ignore[arg-type]
    return live.client.offers.UpsertItems(request)


def got(live: Running, item_id: str) -> pb.Item:
    """Return an item as it is served."""
    return live.client.offers.GetItem(pb.GetItemRequest(item_id=item_id)).item


def test_every_field_can_be_masked() -> None:
    """The fields that a mask may name are those of the messages but the id, in both tables."""
    for message, fields, row_id in (
        (pb.Item, ITEM_FIELDS, "item_id"),
        (pb.Offer, OFFER_FIELDS, "offer_id"),
    ):
        assert {*fields, row_id} == {field.name for field in message.DESCRIPTOR.fields}


def test_only_the_fields_of_the_mask_change(live: Running) -> None:
    """Of a row given under a mask nothing else is read, and nothing else changes."""
    put(live, full("one"))
    mixed = pb.Item(item_id="one", price=euros(7), title="x" * 1000, groups=["Not a name"])
    assert put(live, mixed, update_mask=PRICE).still_withdrawn == 0
    wanted = full("one")
    wanted.price.units = 7
    wanted.ClearField("value")  # named by the mask, and not given
    assert got(live, "one") == wanted
    put(live, pb.Item(item_id="one", groups=["h"]), update_mask=FieldMask(paths=["groups"]))
    wanted.groups[:] = ["h"]
    assert got(live, "one") == wanted
    put(live, full("one"), update_mask=FieldMask())  # an empty mask is none
    assert got(live, "one") == full("one")


def test_offers_are_changed_by_masks_too(live: Running) -> None:
    """An offer's items need not be given where the mask does not name them."""
    offer = pb.Offer(offer_id="o", item_ids=["item1", "item2"], price=euros(5), volume=7)
    live.client.offers.UpsertOffers(pb.UpsertOffersRequest(offers=[offer]))
    dearer = pb.Offer(offer_id="o", price=euros(6))
    live.client.offers.UpsertOffers(pb.UpsertOffersRequest(offers=[dearer], update_mask=PRICE))
    emptied = pb.UpsertOffersRequest(offers=[dearer], update_mask=FieldMask(paths=["item_ids"]))
    assert refused(live, "OfferService/UpsertOffers", emptied) == wrong(
        "offers[0].item_ids: required"
    )
    offer.price.units = 6
    stored = live.client.offers.GetOffer(pb.GetOfferRequest(offer_id="o")).offer
    assert (stored.item_ids, stored.price, stored.volume) == (offer.item_ids, offer.price, 7)


def test_a_row_that_is_not_there_is_not_made_by_a_mask(live: Running) -> None:
    """Under a mask an unknown id is NOT_FOUND by its place, and nothing is stored."""
    put(live, full("there"))
    cheaper = pb.Item(item_id="there", price=euros(1))
    with pytest.raises(grpc.RpcError) as raised:
        put(live, cheaper, pb.Item(item_id="nowhere"), update_mask=PRICE)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == "items[1].item_id: not in the catalogue"
    assert got(live, "there") == full("there")
    offers = pb.UpsertOffersRequest(offers=[pb.Offer(offer_id="nowhere")], update_mask=STOCK)
    with pytest.raises(grpc.RpcError) as raised:
        live.client.offers.UpsertOffers(offers)
    assert raised.value.details() == "offers[0].offer_id: not in the catalogue"


@pytest.mark.parametrize("path", ["item_id", "price.units", "", "Price", "*", "item_ids"])
def test_an_unknown_path_is_refused(live: Running, path: str) -> None:
    """What is no field, or lies deeper, is refused by its place, with those that there are."""
    mask = FieldMask(paths=["price", path])
    request = pb.UpsertItemsRequest(items=[full("a")], update_mask=mask)
    wanted = ", ".join(ITEM_FIELDS)
    assert refused(live, "OfferService/UpsertItems", request) == wrong(
        f"update_mask.paths[1]: unknown; want one of {wanted}"
    )


def test_a_repeated_path_is_refused(live: Running) -> None:
    """A field named twice is told by both places, however often it is repeated."""
    request = pb.UpsertOffersRequest(
        offers=[pb.Offer(offer_id="o")], update_mask=FieldMask(paths=["stock", "price", "stock"])
    )
    assert refused(live, "OfferService/UpsertOffers", request) == wrong(
        "update_mask.paths[2]: duplicate of update_mask.paths[0]"
    )


def test_fields_given_have_to_agree_with_those_that_stay(live: Running) -> None:
    """A price in another currency than the value that stays is refused, and nothing is stored."""
    put(live, full("agree"))
    yen = pb.Item(item_id="agree", price=common_pb2.Money(currency="JPY", units=1))
    yen.valid_until.FromSeconds(999_999_999)
    mask = FieldMask(paths=["price", "valid_until"])
    request = pb.UpsertItemsRequest(items=[yen], update_mask=mask)
    assert refused(live, "OfferService/UpsertItems", request) == wrong(
        "items[0].valid_until: not after valid_from",
        "items[0].value.currency: not the price's",
    )
    assert got(live, "agree") == full("agree")


def test_who_changes_one_field_is_not_blamed_for_others(live: Running) -> None:
    """What a dataset brought in and the contract would refuse does not keep stock from changing."""
    odd = Item(id="odd", price_until=7, price=None, value=Money("EUR", 1), valid_from=8)
    live.server.dependencies.store.put_catalogue([odd])
    put(live, pb.Item(item_id="odd", stock=[common_pb2.Stock(quantity=3)]), update_mask=STOCK)
    assert got(live, "odd").stock[0].quantity == 3


def test_what_is_withdrawn_stays_withdrawn_unless_said(live: Running) -> None:
    """An upsert changes what is withdrawn and says that it stays so; restore offers it again."""
    offers = live.client.offers
    put(live, full("gone"), full("here"))
    offers.WithdrawItems(pb.WithdrawItemsRequest(item_ids=["gone"]))
    late = full("gone")
    late.title = "from a feed that did not know"
    assert put(live, late, full("here")).still_withdrawn == 1
    cheaper = pb.Item(item_id="gone", price=euros(2))
    assert put(live, cheaper, update_mask=PRICE).still_withdrawn == 1
    assert live.recommend("x", include=["item:gone"]).offers == []
    with pytest.raises(grpc.RpcError) as raised:
        got(live, "gone")
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND

    counted = pb.Item(item_id="gone", stock=[common_pb2.Stock(quantity=1)])
    assert put(live, counted, update_mask=STOCK, restore=True).still_withdrawn == 0
    again = got(live, "gone")
    assert (again.title, again.price, again.stock[0].quantity) == (late.title, euros(2), 1)
    assert [one.offer_id for one in live.recommend("x", include=["item:gone"]).offers]

    offer = pb.Offer(offer_id="over", item_ids=["item1"])
    offers.UpsertOffers(pb.UpsertOffersRequest(offers=[offer]))
    offers.WithdrawOffers(pb.WithdrawOffersRequest(offer_ids=["over"]))
    assert offers.UpsertOffers(pb.UpsertOffersRequest(offers=[offer])).still_withdrawn == 1
    restored = pb.UpsertOffersRequest(offers=[offer], restore=True)
    assert offers.UpsertOffers(restored).still_withdrawn == 0
    assert offers.GetOffer(pb.GetOfferRequest(offer_id="over")).offer.offer_id == "over"


@pytest.mark.machine
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_feeds_and_a_withdrawal_at_once(
    kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    """A price feed and a stock feed, through two servers, lose nothing and revive nothing."""
    directory = tmp_path_factory.mktemp("feeds")
    store = f"sqlite:{directory}/data"
    if kind == "redis":
        store = request.getfixturevalue("redis_server").url
    with ExitStack() as stack:
        one = stack.enter_context(running(directory, store=store, key="ab" * 32))
        other = one  # a SQLite store is one server's
        if kind == "redis":
            other = stack.enter_context(running(directory, store=store, key="ab" * 32, rows=[]))
        put(one, full("i1"), full("i2"))

        def feed(server: Running, change: Callable[[int], pb.Item], mask: FieldMask) -> None:
            for number in range(TIMES):
                put(server, change(number), pb.Item(item_id="i2"), update_mask=mask)

        def price(number: int) -> pb.Item:
            return pb.Item(item_id="i1", price=euros(100 + number), value=euros(3))

        def stock(number: int) -> pb.Item:
            return pb.Item(item_id="i1", stock=[common_pb2.Stock(quantity=1000 + number)])

        with ThreadPoolExecutor() as pool:
            feeds = [pool.submit(feed, one, price, PRICE), pool.submit(feed, other, stock, STOCK)]
            time.sleep(0.1)
            one.client.offers.WithdrawItems(pb.WithdrawItemsRequest(item_ids=["i2"]))
            for done in feeds:
                done.result()
        put(other, pb.Item(item_id="i1", title="t"), update_mask=FieldMask(paths=["title"]))
        kept = got(other, "i1")
        assert (kept.price.units, kept.stock[0].quantity) == (99 + TIMES, 999 + TIMES)
        assert [*kept.features["brand"].values, *kept.groups] == ["own", "g"]
        with pytest.raises(grpc.RpcError):
            got(other, "i2")


values = {
    "title": st.sampled_from(("", "a", "b")),
    "price": st.none() | st.builds(Money, st.just("EUR"), st.integers(0, 9)),
    "stock": st.lists(
        st.builds(Stock, st.just("s"), st.integers(0, 9), st.just(1)), max_size=1
    ).map(tuple),
}
steps = st.lists(
    st.tuples(
        st.sampled_from(("withdraw", "change", "replace")),
        st.sampled_from(("a", "b")),
        st.fixed_dictionaries({}, optional=values),
        st.booleans(),
    ),
    max_size=12,
)


@given(steps)
def test_upserts_do_what_plain_dictionaries_do(
    told: list[tuple[str, str, dict[str, object], bool]],
) -> None:
    """Whatever comes in whatever order, a row is the last word on each field and on its end."""
    rows = {"a": Item(id="a"), "b": Item(id="b")}
    plain: dict[str, dict[str, object]] = {"a": {}, "b": {}}
    withdrawn = {"a": False, "b": False}
    for what, name, fields, restore in told:
        if what == "withdraw":
            rows[name] = Item(**{**plain[name], "id": name, "withdrawn": True})  # type: ignore[arg-type]
            withdrawn[name] = True
            continue
        change = RowChange("items[0]", name, fields)
        new = changed_rows([change], rows) if what == "change" else [Item(id=name, **fields)]  # type: ignore[arg-type]
        (rows[name],) = keep_withdrawn(new, rows, restore)
        plain[name] = {**plain[name], **fields} if what == "change" else dict(fields)
        withdrawn[name] = withdrawn[name] and not restore
        assert rows[name] == Item(id=name, withdrawn=withdrawn[name], **plain[name])  # type: ignore[arg-type]
