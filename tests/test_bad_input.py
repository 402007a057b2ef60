"""Bad input over the wire: each gets a client error that names the field, and nothing leaks."""

import logging
import math
from collections.abc import Iterator
from typing import Any, cast

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from throughline.v1 import (
    common_pb2,
    customer_pb2,
    event_pb2,
    offer_pb2,
    recommendation_pb2,
    release_pb2,
)

from service.guard import log_fault
from tests.running import Running, event, loyalty, recommend_request, running

SECRET = "canary-4711"
INVALID = grpc.StatusCode.INVALID_ARGUMENT
METHODS: dict[str, type[Message]] = {
    "RecommendationService/Recommend": recommendation_pb2.RecommendRequest,
    "RecommendationService/RecommendBatch": recommendation_pb2.RecommendBatchRequest,
    "EventService/RecordEvents": event_pb2.RecordEventsRequest,
    "CustomerService/GetCustomer": customer_pb2.GetCustomerRequest,
    "CustomerService/LinkIdentifiers": customer_pb2.LinkIdentifiersRequest,
    "OfferService/UpsertItems": offer_pb2.UpsertItemsRequest,
    "OfferService/UpsertOffers": offer_pb2.UpsertOffersRequest,
    "OfferService/GetOffer": offer_pb2.GetOfferRequest,
    "OfferService/ListItems": offer_pb2.ListItemsRequest,
    "OfferService/WithdrawItems": offer_pb2.WithdrawItemsRequest,
    "ReleaseService/PromoteRelease": release_pb2.PromoteReleaseRequest,
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("bad")) as started:
        yield started


def refused(live: Running, method: str, request: Message | bytes) -> grpc.RpcError:
    """Send a request that must be refused and return the error."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    with pytest.raises(grpc.RpcError) as raised:
        live.raw(method, data)
    return raised.value


def details(error: grpc.RpcError) -> dict[type[Message], Message]:
    """Return the status details of an error by type."""
    status = rpc_status.from_call(cast(grpc.Call, error))
    assert status is not None
    assert status.message == error.details()
    found: dict[type[Message], Message] = {}
    for packed in status.details:
        for kind in (
            error_details_pb2.BadRequest,
            error_details_pb2.ErrorInfo,
            error_details_pb2.RetryInfo,
        ):
            if packed.Is(kind.DESCRIPTOR):
                found[kind] = kind.FromString(packed.value)
    return found


def violations(error: grpc.RpcError) -> set[str]:
    """Return the field violations of an error."""
    bad = details(error)[error_details_pb2.BadRequest]
    assert isinstance(bad, error_details_pb2.BadRequest)
    return {f"{entry.field}: {entry.description}" for entry in bad.field_violations}


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x0a\x05a"])
def test_bytes_that_are_no_message(live: Running, method: str, data: bytes) -> None:
    """Bytes that do not parse are INVALID_ARGUMENT, naming the message that was wanted."""
    error = refused(live, method, data)
    assert error.code() == INVALID
    name = METHODS[method].DESCRIPTOR.name
    assert error.details() == f"request: not a valid {name}"
    info = details(error)[error_details_pb2.ErrorInfo]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("MALFORMED_REQUEST", "throughline")


def test_text_that_is_no_utf8(live: Running) -> None:
    """A string field whose bytes are not UTF-8 is INVALID_ARGUMENT."""
    error = refused(live, "RecommendationService/Recommend", b"\x12\x02\xc3\x28")
    assert error.details() == "request: not a valid RecommendRequest"


def test_everything_wrong_is_told_at_once(live: Running) -> None:
    """All violations of a request come together, each with its path, and no value of it."""
    request = recommend_request(channel=SECRET, count=101, intent="DEFAULT", placement="Home")
    request.identifiers.add(namespace="email_sha256", value=f"{SECRET}@example.com")
    request.identifiers.add(namespace="loyalty", value=SECRET + "\x00")
    request.include.append("")
    request.context_items.add(item_id="a", kind=99)
    error = refused(live, "RecommendationService/Recommend", request)
    assert error.code() == INVALID
    assert violations(error) == {
        "identifiers[0].value: looks like a clear e-mail",
        "identifiers[1].value: control character",
        "channel: not a name",
        "placement: not a name",
        "intent: not a name",
        "count: too large; max 100",
        "include[0]: required",
        "context_items[0].kind: unknown value",
    }
    assert error.details() == "identifiers[0].value: looks like a clear e-mail"
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"identifiers": 0}, "identifiers: required"),
        ({"identifiers": 17}, "identifiers: too many; max 16"),
        ({"channel": ""}, "channel: required"),
        ({"channel": "billboard"}, "channel: unknown"),
        ({"intent": "discovery"}, "intent: unknown"),
        ({"count": -1}, "count: negative"),
        ({"count": 101}, "count: too large; max 100"),
        ({"include": ["x"] * 1001}, "include: too many; max 1000"),
        ({"exclude": ["x"] * 1001}, "exclude: too many; max 1000"),
        ({"place": "p" * 65}, "place: too long; max 64"),
        ({"placement": "p" * 65}, "placement: too long; max 64"),
    ],
)
def test_bad_recommend_request(live: Running, change: dict[str, object], text: str) -> None:
    """Each field of a Recommend request beyond its limit is refused with that limit."""
    fields: dict[str, object] = {"channel": "web", "identifiers": 1, **change}
    many = fields.pop("identifiers")
    assert isinstance(many, int)
    request = recommend_request(*(f"v{at}" for at in range(many)), **fields)  # type: ignore[arg-type]
    error = refused(live, "RecommendationService/Recommend", request)
    assert (error.code(), error.details()) == (INVALID, text)


def test_bad_events_leave_their_neighbours_alone(live: Running) -> None:
    """Each event of a batch has its own outcome; good ones among bad ones are stored."""
    future, past, invalid = event("t1"), event("t2"), event("t3")
    future.time.seconds += 301
    past.time.seconds -= 7 * 86_400 + 1
    invalid.time.nanos = -1
    timeless = event("t4")
    timeless.ClearField("time")
    clear = event("t5")
    clear.identifier.CopyFrom(
        common_pb2.Identifier(namespace="email_sha256", value=f"{SECRET}@x.org")
    )
    batch = [
        (event("good1", "batch"), 0, ""),
        (future, 11, "time: in the future; max skew 300 s"),
        (past, 11, "time: older than 7 days; use throughline load"),
        (invalid, 3, "time: invalid timestamp"),
        (timeless, 3, "time: required"),
        (clear, 3, "identifier.value: looks like a clear e-mail"),
        (event(""), 3, "event_id: required"),
        (event("t6", type_="teleport"), 3, "type: unknown"),
        (event("t7", channel="billboard"), 3, "channel: unknown"),
        (event("t8", quantity=math.nan), 3, "quantity: not finite"),
        (event("t9", quantity=-1.0), 3, "quantity: negative"),
        (event("t10", quantity=1e10), 3, "quantity: too large; max 1000000000"),
        (event("t11", amount=common_pb2.Money(currency="EURO")), 3, "amount.currency: unknown"),
        (event("t12", attributes={"a": "b"}), 3, "attributes: only with attributes_changed"),
        (event("t13", type_="attributes_changed"), 3, "attributes: required"),
        (
            event("t14", type_="attributes_changed", attributes={str(at): "" for at in range(65)}),
            3,
            "attributes: too many; max 64",
        ),
        (event("t15", item_id="i" * 257), 3, "item_id: too long; max 256"),
        (event("good1", "batch", item_id="item1"), 6, "event_id: already used with other content"),
        (event("good2", "batch"), 0, ""),
    ]
    answer = live.record(*(sent for sent, _, _ in batch))
    told = [(result.outcome.code, result.outcome.detail) for result in answer.results]
    assert told == [(code, detail) for _, code, detail in batch]
    assert SECRET not in str(answer)
    asked = customer_pb2.GetCustomerRequest(identifiers=[loyalty("batch")])
    assert len(live.client.customers.GetCustomer(asked).recent) == 2


def test_unknown_items_are_kept_and_told(live: Running) -> None:
    """An event about something that the catalogue does not have yet is stored, and said so."""
    answer = live.record(
        event("u1", item_id="not-yet"),
        event("u2", offer_id="item:item1"),
        event("u3", offer_id="no-offer"),
    )
    assert [result.outcome.code for result in answer.results] == [0, 0, 0]
    assert [result.unresolved for result in answer.results] == [True, False, True]


def test_number_of_events(live: Running) -> None:
    """No event, and more than a thousand, are faults of the whole call."""
    for events, text in (([], "events: required"), ([event("x")] * 1001, "events: too many; max")):
        request = event_pb2.RecordEventsRequest(events=events)
        error = refused(live, "EventService/RecordEvents", request)
        assert error.code() == INVALID
        assert str(error.details()).startswith(text)


def test_bad_catalogue_is_refused_whole(live: Running) -> None:
    """One wrong item or offer refuses the upload; nothing of it is applied."""
    before = live.recommend("r").moment.catalogue_revision
    good, bad = offer_pb2.Item(item_id="i1"), offer_pb2.Item(item_id="i1")
    bad.stock.add(place="s", quantity=-1)
    bad.price.currency = "XXX"
    bad.features[SECRET + "x" * 64].values.append("v")
    bad.features["empty"].SetInParent()
    error = refused(
        live, "OfferService/UpsertItems", offer_pb2.UpsertItemsRequest(items=[good, bad])
    )
    assert violations(error) == {
        "items[1].item_id: duplicate of items[0]",
        "items[1].stock[0].quantity: negative",
        "items[1].price.currency: unknown",
        "items[1].features.key: too long; max 64",
        "items[1].features.values: required",
    }
    assert SECRET not in str(error)

    offer = offer_pb2.Offer(offer_id="item:x", channels=["billboard"])
    offer.valid_from.FromSeconds(10)
    offer.valid_until.FromSeconds(10)
    offer.price.CopyFrom(common_pb2.Money(currency="EUR"))
    offer.value.CopyFrom(common_pb2.Money(currency="USD"))
    error = refused(
        live, "OfferService/UpsertOffers", offer_pb2.UpsertOffersRequest(offers=[offer])
    )
    assert violations(error) == {
        "offers[0].offer_id: starts with item:",
        "offers[0].item_ids: required",
        "offers[0].channels[0]: unknown",
        "offers[0].valid_until: not after valid_from",
        "offers[0].value.currency: not the price's",
    }
    assert live.recommend("r").moment.catalogue_revision == before


def test_link_needs_both_sides(live: Running) -> None:
    """A link without an identifier, or without who says so, is refused."""
    error = refused(
        live,
        "CustomerService/LinkIdentifiers",
        customer_pb2.LinkIdentifiersRequest(a=loyalty("a")),
    )
    assert violations(error) == {"b: required", "asserted_by: required"}


def test_linking_an_identifier_to_itself_is_no_op(live: Running) -> None:
    """A link of an identifier with itself changes nothing and is no error."""
    live.record(event("self1", "self"))
    asked = customer_pb2.LinkIdentifiersRequest(
        a=loyalty("self"), b=loyalty("self"), asserted_by="agent"
    )
    assert not live.client.customers.LinkIdentifiers(asked).changed


def test_forged_page_token(live: Running) -> None:
    """A page token that was not given for this list is refused."""
    error = refused(
        live, "OfferService/ListItems", offer_pb2.ListItemsRequest(page_token="bm90LWl0")
    )
    assert error.details() == "page_token: invalid"


def test_unknown_release(live: Running) -> None:
    """Promoting what the registry does not have is refused."""
    for text, prefix in (("too short; min 8", "abc"), ("not in the registry", "0" * 64)):
        request = release_pb2.PromoteReleaseRequest(release_id=prefix)
        error = refused(live, "ReleaseService/PromoteRelease", request)
        assert (error.code(), error.details()) == (INVALID, f"release_id: {text}")


def test_unknown_method(live: Running) -> None:
    """A method that does not exist is UNIMPLEMENTED."""
    assert refused(live, "EventService/Nothing", b"").code() == grpc.StatusCode.UNIMPLEMENTED


def test_message_beyond_the_limit(live: Running) -> None:
    """More than 4 MiB, on the wire or unpacked, is RESOURCE_EXHAUSTED."""
    call: Any = live.channel.unary_unary("/throughline.v1.RecommendationService/Recommend")
    data = b"\x0a" + b"\x00" * (5 << 20)
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with pytest.raises(grpc.RpcError) as raised:
            call(data, timeout=10, compression=compression)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_fault_of_ours_is_opaque(
    live: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of an unexpected error reaches neither caller nor log; a reference joins both."""

    def fail(*arguments: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(live.server.parts.store, "read", fail)
    with caplog.at_level(logging.ERROR):
        error = refused(live, "RecommendationService/Recommend", recommend_request("s"))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert str(error.details()).startswith("internal error; ref=")
    assert SECRET not in str(error)


def test_fault_is_logged_by_its_frames(capsys: pytest.CaptureFixture[str]) -> None:
    """The log of a fault has its type, its frames and its reference, and not its text."""
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        log_fault(error, "ref1", "here")
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert "KeyError" in text
    assert "test_bad_input.py" in text
    assert SECRET not in text


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(method=st.sampled_from(sorted(METHODS)), data=st.binary(max_size=60))
def test_no_bytes_make_an_internal_error(live: Running, method: str, data: bytes) -> None:
    """Whatever bytes come, the answer is an answer or a client's error."""
    code = None
    try:
        live.raw(method, data)
    except grpc.RpcError as error:
        code = error.code()
    assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
