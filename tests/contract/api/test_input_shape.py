"""Messages of the wrong shape, to any method: what each case must be told.

| input | answer |
|---|---|
| unknown fields | accepted and ignored |
| unknown enum number | INVALID_ARGUMENT |
| strings: empty, too long, control characters, NUL, bidi marks | INVALID_ARGUMENT |
| a repeated field over its limit | INVALID_ARGUMENT with the limit |
| nothing where something is needed | INVALID_ARGUMENT |
| several things at once | all of them told |
| a catalogue with one bad row | INVALID_ARGUMENT, nothing of it applied |
"""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from throughline.v1 import common_pb2, event_pb2, offer_pb2, recommendation_pb2

from tests.support.in_process import Running, event, loyalty, recommend_request, running
from tests.support.refusals import (
    CHANNELS_TOLD,
    CLASSES_TOLD,
    INTENTS_TOLD,
    INVALID,
    METHODS,
    refused,
    wrong,
)

pytestmark = pytest.mark.machine

SECRET = "canary-4711"
RECOMMEND = "RecommendationService/Recommend"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("shape")) as started:
        yield started


def test_unknown_fields(live: Running) -> None:
    """Fields of a later contract are accepted and change nothing."""
    unknown = b"\xfa\x3f\x05later" + b"\xf0\x3f\x2a" + b"\xf3\x3f\xf4\x3f"
    plain = recommendation_pb2.RecommendResponse.FromString(
        live.raw(RECOMMEND, recommend_request("u").SerializeToString())
    )
    later = recommendation_pb2.RecommendResponse.FromString(
        live.raw(RECOMMEND, recommend_request("u").SerializeToString() + unknown)
    )
    assert later.offers == plain.offers
    sent = event_pb2.RecordEventsRequest(events=[event("unknown1", "u")]).SerializeToString()
    again = event_pb2.RecordEventsResponse.FromString(
        live.raw("EventService/RecordEvents", sent + unknown)
    )
    assert again.results[0].outcome.code == 0


def test_unknown_enum_number(live: Running) -> None:
    """A number that an enum does not have is INVALID_ARGUMENT."""
    request = recommend_request("a")
    request.context_items.add(item_id="item1", kind=99)
    assert refused(live, RECOMMEND, request) == wrong("context_items[0].kind: unknown value")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("", "required", id="empty"),
        pytest.param("x" * 257, "too long; max 256", id="257 bytes"),
        pytest.param("é" * 129, "too long; max 256", id="258 bytes in 129 letters"),
        pytest.param("a\x00b", "control character", id="NUL"),
        pytest.param("a\x1bb", "control character", id="control character"),
        pytest.param("a\x85b", "control character", id="C1 control character"),
        pytest.param("a\nb", "control character", id="line feed"),
        pytest.param("a\u2028b", "control character", id="line separator"),
        pytest.param("a\u202eb", "control character", id="bidi override"),
        pytest.param("a\u2066b", "control character", id="bidi isolate"),
    ],
)
def test_strings(live: Running, value: str, reason: str) -> None:
    """An id that is empty, too long or holds what is no letter is INVALID_ARGUMENT anywhere."""
    request = recommend_request("a")
    request.include.append(value)
    assert refused(live, RECOMMEND, request) == wrong(f"include[0]: {reason}")
    request = recommend_request(value)
    assert refused(live, RECOMMEND, request) == wrong(f"identifiers[0].value: {reason}")
    told = live.record(event(value)).results[0].outcome
    assert (told.code, told.detail) == (INVALID.value[0], f"event_id: {reason}")


def many(kind: type[Message], field: str, count: int, **others: object) -> Message:
    """Return a request with `count` valid entries in one of its fields."""
    request: Any = kind(**others)
    entries: dict[str, Any] = {
        "identifiers": loyalty,
        "context_items": lambda text: recommendation_pb2.ContextItem(item_id=text),
        "requests": recommend_request,
        "events": event,
        "items": lambda text: offer_pb2.Item(item_id=text),
        "offers": lambda text: offer_pb2.Offer(offer_id=text, item_ids=["item1"]),
    }
    make = entries.get(field, str)
    getattr(request, field).extend(make(f"x{at}") for at in range(count))
    assert isinstance(request, Message)
    return request


@pytest.mark.parametrize(
    ("method", "field", "most"),
    [
        (RECOMMEND, "identifiers", 16),
        (RECOMMEND, "include", 1000),
        (RECOMMEND, "exclude", 1000),
        (RECOMMEND, "context_items", 50),
        ("RecommendationService/RecommendBatch", "requests", 200),
        ("EventService/RecordEvents", "events", 1000),
        ("CustomerService/GetCustomer", "identifiers", 16),
        ("OfferService/UpsertItems", "items", 1000),
        ("OfferService/UpsertOffers", "offers", 1000),
        ("OfferService/WithdrawItems", "item_ids", 1000),
        ("OfferService/WithdrawOffers", "offer_ids", 1000),
    ],
)
def test_repeated_field_over_its_limit(live: Running, method: str, field: str, most: int) -> None:
    """One entry more than a repeated field may have refuses the call, with the limit."""
    others = {"channel": "web"} if method == RECOMMEND else {}
    if others and field != "identifiers":
        others["identifiers"] = [loyalty("a")]  # type: ignore[assignment]
    request = many(METHODS[method], field, most + 1, **others)
    assert refused(live, method, request) == wrong(f"{field}: too many; max {most}")


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("RecommendationService/RecommendBatch", "requests"),
        ("EventService/RecordEvents", "events"),
        ("CustomerService/GetCustomer", "identifiers"),
        ("OfferService/UpsertItems", "items"),
        ("OfferService/UpsertOffers", "offers"),
        ("OfferService/WithdrawItems", "item_ids"),
        ("OfferService/WithdrawOffers", "offer_ids"),
    ],
)
def test_empty_where_something_is_needed(live: Running, method: str, field: str) -> None:
    """A call about nothing is refused."""
    assert refused(live, method, METHODS[method]()) == wrong(f"{field}: required")


def test_everything_wrong_is_told_at_once(live: Running) -> None:
    """All violations of a request come together, each with its path, and no value of it."""
    request = recommend_request(channel=SECRET, count=101, intent="DEFAULT", placement="Home")
    request.identifiers.add(namespace="email_sha256", value=f"{SECRET}@example.com")
    request.identifiers.add(namespace="loyalty", value=SECRET + "\x00")
    told = refused(live, RECOMMEND, request)
    assert told == wrong(
        "identifiers[0].value: looks like a clear e-mail",
        "identifiers[1].value: control character",
        f"channel: not a name; {CHANNELS_TOLD}",
        "placement: not a name",
        f"intent: not a name; did you mean default? {INTENTS_TOLD}",
        "count: too large; max 100",
    )


def test_bad_catalogue_is_refused_whole(live: Running) -> None:
    """One wrong item or offer refuses the upload; nothing of it is applied, nothing repeated."""
    before = live.recommend("r").moment.catalogue_revision
    good, bad = offer_pb2.Item(item_id="i1"), offer_pb2.Item(item_id="i1")
    bad.stock.add(place="s", quantity=-1)
    bad.price.currency = "XXX"
    bad.features[SECRET + "x" * 64].values.append("v")
    bad.features["empty"].SetInParent()
    items = offer_pb2.UpsertItemsRequest(items=[good, bad])
    assert refused(live, "OfferService/UpsertItems", items) == wrong(
        "items[1].item_id: duplicate of items[0]",
        "items[1].stock[0].quantity: negative",
        "items[1].price.currency: unknown; want a code of ISO 4217, such as EUR",
        "items[1].features.key: too long; max 64",
        "items[1].features.values: required",
    )
    offer = offer_pb2.Offer(offer_id="item:x", channels=["billboard"])
    offer.valid_from.FromSeconds(10)
    offer.valid_until.FromSeconds(10)
    offer.price.CopyFrom(common_pb2.Money(currency="EUR"))
    offer.value.CopyFrom(common_pb2.Money(currency="USD"))
    offers = offer_pb2.UpsertOffersRequest(offers=[offer])
    assert refused(live, "OfferService/UpsertOffers", offers) == wrong(
        "offers[0].offer_id: starts with item:",
        "offers[0].item_ids: required",
        f"offers[0].channels[0]: unknown; {CHANNELS_TOLD}",
        "offers[0].valid_until: not after valid_from",
        "offers[0].value.currency: not the price's",
    )
    assert live.recommend("r").moment.catalogue_revision == before


def test_what_policies_go_by_is_checked(live: Running) -> None:
    """Class, sensitivity, groups, creatives, volume and the price's end each have their limits."""
    item = offer_pb2.Item(item_id="i", sensitivity="Not a name", groups=["g"] * 17)
    item.price_until.FromSeconds(10)
    items = offer_pb2.UpsertItemsRequest(items=[item])
    assert refused(live, "OfferService/UpsertItems", items) == wrong(
        "items[0].price_until: without a price",
        "items[0].sensitivity: not a name",
        "items[0].groups: too many; max 16",
    )
    offer = offer_pb2.Offer(offer_id="o", item_ids=["i"], groups=["g", "G"], volume=0)
    offer.offer_class = 99  # type: ignore[assignment]
    offer.price.CopyFrom(common_pb2.Money(currency="EUR"))
    offer.valid_from.FromSeconds(10)
    offer.price_until.FromSeconds(10)
    offer.creatives.update({SECRET: "x", "web": "x" * 1025, "app": "a\x00b", "email": ""})
    vast = offer_pb2.Offer(offer_id="p", item_ids=["i"], volume=10**9 + 1)
    under = offer_pb2.Offer(offer_id="q", item_ids=["i"], volume=-1)
    offers = offer_pb2.UpsertOffersRequest(offers=[offer, vast, under])
    assert refused(live, "OfferService/UpsertOffers", offers) == wrong(
        "offers[0].price_until: not after valid_from",
        f"offers[0].offer_class: unknown; {CLASSES_TOLD}",
        "offers[0].groups[1]: not a name",
        "offers[0].creatives.value: control character",
        f"offers[0].creatives.key: not a name; {CHANNELS_TOLD}",
        "offers[0].creatives.value: required",
        "offers[0].creatives.value: too long; max 1024",
        "offers[0].volume: too small; min 1",
        "offers[1].volume: too large; max 1000000000",
        "offers[2].volume: negative",
    )
