"""Bad events and links: what each case must be told, an outcome for each event of a call.

| input | answer |
|---|---|
| no event id, identifier, type, channel or time | INVALID_ARGUMENT |
| same id, same content | OK, `duplicate` |
| same id, other content | ALREADY_EXISTS, the first stays |
| same id in flight, twice in one batch | waits, then as above |
| time over 5 minutes ahead, or over 7 days old | OUT_OF_RANGE |
| not a time | INVALID_ARGUMENT |
| unknown type or channel | INVALID_ARGUMENT |
| unknown item or offer | OK, `unresolved` |
| quantity or amount out of bounds, unknown currency | INVALID_ARGUMENT |
| attributes: too many, too long, on another type | INVALID_ARGUMENT |
| a return or void of nothing; of_event_id on another type | INVALID_ARGUMENT |
| a discount without an amount, or of another currency | INVALID_ARGUMENT |
| a clear address, or what is no identifier | INVALID_ARGUMENT, never repeated |
| a link of one identifier with itself | OK, nothing changed |
| a link with a side missing | INVALID_ARGUMENT |
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from secrets import token_hex

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1 import common_pb2, customer_pb2, event_pb2

from tests.support.in_process import Running, event, loyalty, running
from tests.support.refusals import refused, wrong
from tests.support.waiting import Pool

pytestmark = pytest.mark.machine

SECRET = "canary-4711"
INVALID, ALREADY_EXISTS, OUT_OF_RANGE = 3, 6, 11
EURO = common_pb2.Money(currency="EUR", units=1)
CONFLICT = (ALREADY_EXISTS, "event_id: already used with other content")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("events")) as started:
        yield started


def sent(live: Running, *events: event_pb2.Event) -> list[tuple[int, str]]:
    """Send events in one call and return code and detail of each; a code of 0 may be duplicate."""
    answer = live.record(*events)
    assert SECRET not in str(answer)
    return [
        (result.outcome.code, "duplicate" if result.duplicate else result.outcome.detail)
        for result in answer.results
    ]


def without(field: str) -> event_pb2.Event:
    """Return an event without one of its fields."""
    made = event("without")
    made.ClearField(field)  # type: ignore[arg-type]
    return made


def timed(seconds: int = 0, nanos: int = 0) -> event_pb2.Event:
    """Return an event whose time is this far from now, its nanos replaced where given."""
    made = event("timed")
    made.time.seconds += seconds
    made.time.nanos = nanos or made.time.nanos
    return made


def at(seconds: int) -> event_pb2.Event:
    """Return an event of this second since 1970."""
    return event("at", time=Timestamp(seconds=seconds))


def known_by(namespace: str, value: str) -> event_pb2.Event:
    """Return an event under this identifier."""
    made = event("known")
    made.identifier.CopyFrom(common_pb2.Identifier(namespace=namespace, value=value))
    return made


def paid(**money: object) -> event_pb2.Event:
    """Return an event with an amount."""
    return event("paid", amount=common_pb2.Money(**money))  # type: ignore[arg-type]


def changed(**attributes: str) -> event_pb2.Event:
    """Return an event that states attributes."""
    return event("changed", type_="attributes_changed", attributes=attributes)


def sha256(text: str) -> str:
    """Return a SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


BAD: list[tuple[str, Callable[[], event_pb2.Event], str]] = [
    ("no event id", lambda: without("event_id"), "event_id: required"),
    ("no identifier", lambda: without("identifier"), "identifier: required"),
    ("no type", lambda: without("type"), "type: required"),
    ("no channel", lambda: without("channel"), "channel: required"),
    ("no time", lambda: without("time"), "time: required"),
    ("nanos < 0", lambda: timed(nanos=-1), "time: invalid timestamp"),
    ("nanos > 999999999", lambda: timed(nanos=10**9), "time: invalid timestamp"),
    ("year 0", lambda: at(-62_135_596_801), "time: invalid timestamp"),
    ("year 10000", lambda: at(253_402_300_800), "time: invalid timestamp"),
    ("unknown type", lambda: event("e", type_="teleport"), "type: unknown"),
    ("type is no name", lambda: event("e", type_=f"{SECRET}!"), "type: not a name"),
    ("unknown channel", lambda: event("e", channel="billboard"), "channel: unknown"),
    ("quantity NaN", lambda: event("e", quantity=math.nan), "quantity: not finite"),
    ("quantity Inf", lambda: event("e", quantity=math.inf), "quantity: not finite"),
    ("quantity < 0", lambda: event("e", quantity=-1.0), "quantity: negative"),
    ("quantity", lambda: event("e", quantity=1e10), "quantity: too large; max 1000000000"),
    ("no currency", lambda: paid(units=1), "amount.currency: required"),
    ("no such currency", lambda: paid(currency="EURO"), "amount.currency: unknown"),
    ("amount < 0", lambda: paid(currency="EUR", units=-1), "amount.units: negative"),
    ("nanos < 0", lambda: paid(currency="EUR", nanos=-1), "amount.nanos: negative"),
    (
        "amount > 10^12",
        lambda: paid(currency="EUR", units=10**12 + 1),
        "amount.units: too large; max 1000000000000",
    ),
    ("item id", lambda: event("e", item_id="i" * 257), "item_id: too long; max 256"),
    ("offer id", lambda: event("e", offer_id="a\x00"), "offer_id: control character"),
    ("place", lambda: event("e", place="p" * 65), "place: too long; max 64"),
    ("attributes of another type", lambda: event("e", attributes={"a": "b"}), "attributes: only "),
    ("no attributes", lambda: changed(), "attributes: required"),
    (
        "65 attributes",
        lambda: changed(**{f"a{at}": "" for at in range(65)}),
        "attributes: too many; max 64",
    ),
    ("long key", lambda: changed(**{SECRET * 6: ""}), "attributes.key: too long; max 64"),
    ("long value", lambda: changed(a=SECRET * 100), "attributes.value: too long; max 1024"),
    ("return of nothing", lambda: event("e", type_="return"), "of_event_id: required"),
    ("void of nothing", lambda: event("e", type_="void", receipt_id="r1"), "of_event_id: required"),
    (
        "of an event with another type",
        lambda: event("e", type_="purchase", of_event_id="e0"),
        "of_event_id: only with return or void",
    ),
    (
        "long id of an event",
        lambda: event("e", type_="return", of_event_id="i" * 257),
        "of_event_id: too long; max 256",
    ),
    ("long receipt", lambda: event("e", receipt_id="r" * 257), "receipt_id: too long; max 256"),
    ("receipt", lambda: event("e", receipt_id="a\x00"), "receipt_id: control character"),
    (
        "discount without an amount",
        lambda: event("e", discount=EURO),
        "discount: only with an amount, in its currency",
    ),
    (
        "discount in another currency",
        lambda: event("e", discount=EURO, amount=common_pb2.Money(currency="CHF", units=1)),
        "discount: only with an amount, in its currency",
    ),
    (
        "discount < 0",
        lambda: event("e", amount=EURO, discount=common_pb2.Money(currency="EUR", units=-1)),
        "discount.units: negative",
    ),
    (
        "clear e-mail",
        lambda: known_by("email_sha256", f"{SECRET}@x.org"),
        "identifier.value: looks like a clear e-mail",
    ),
    (
        "clear phone",
        lambda: known_by("phone_sha256", "+49 30 4711"),
        "identifier.value: looks like a clear phone number",
    ),
    (
        "hash of wrong length",
        lambda: known_by("email_sha256", sha256("x")[:-1]),
        "identifier.value: want a SHA-256 in 64 lower-case hex digits",
    ),
    (
        "hash in upper case",
        lambda: known_by("email_sha256", sha256("x").upper()),
        "identifier.value: want a SHA-256 in 64 lower-case hex digits",
    ),
    *(
        (
            f"hash of {text!r}",
            lambda text=text: known_by("email_sha256", sha256(text)),
            "identifier.value: not an identifier",
        )
        for text in ("", "null", "undefined", "0")
    ),
    ("undefined", lambda: known_by("cookie", "undefined"), "identifier.value: not an identifier"),
    ("unknown namespace", lambda: known_by("passport", "x"), "identifier.namespace: unknown"),
]


@pytest.mark.parametrize(("make", "detail"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_event(live: Running, make: Callable[[], event_pb2.Event], detail: str) -> None:
    """A bad event is INVALID_ARGUMENT by its field, and its neighbours in the call are stored."""
    name = token_hex(8)
    told = sent(live, event(f"{name}-1", name), make(), event(f"{name}-2", name))
    assert [code for code, _ in told] == [0, INVALID, 0]
    assert told[1][1].startswith(detail)
    asked = customer_pb2.GetCustomerRequest(identifiers=[loyalty(name)])
    assert len(live.client.customers.GetCustomer(asked).recent) == 2


@pytest.mark.parametrize("of", [{"of_event_id": "p"}, {"item_id": "item1"}, {"offer_id": "o"}])
def test_a_return_names_what_it_is_of(live: Running, of: dict[str, str]) -> None:
    """A return or a void of an event, an item or an offer is stored, with receipt and discount."""
    sold = {"receipt_id": "r1", "amount": EURO, "discount": EURO, "quantity": 1.0}
    assert sent(
        live,
        *(event(token_hex(8), "back", kind, **of, **sold) for kind in ("return", "void")),
    ) == [(0, ""), (0, "")]


def test_the_same_id_with_another_receipt(live: Running) -> None:
    """What an event says of a return, a receipt or a discount is a part of its content."""
    first = event("said", "said", "return", item_id="item1", receipt_id="r1", amount=EURO)
    assert sent(live, first) == [(0, "")]
    for field, value in (("receipt_id", "r2"), ("of_event_id", "p"), ("discount", EURO)):
        other = event_pb2.Event()
        other.CopyFrom(first)
        other.MergeFrom(event_pb2.Event(**{field: value}))  # type: ignore[arg-type]
        assert sent(live, other) == [CONFLICT]
    assert sent(live, first) == [(0, "duplicate")]


def test_times_out_of_range(live: Running) -> None:
    """A time over 5 minutes ahead or over 7 days old is OUT_OF_RANGE, and says what to do."""
    assert sent(live, timed(301), timed(-7 * 86_400 - 1), timed(290), timed(-7 * 86_400 + 60)) == [
        (OUT_OF_RANGE, "time: in the future; max skew 300 s"),
        (OUT_OF_RANGE, "time: older than 7 days; use throughline load"),
        (0, ""),
        CONFLICT,
    ]


def test_same_id_again(live: Running) -> None:
    """The same id with the same content is a duplicate, with other content ALREADY_EXISTS."""
    first, other = event("again", "again"), event("again", "again", item_id="item1")
    other.time.CopyFrom(first.time)
    assert sent(live, first) == [(0, "")]
    assert sent(live, first) == [(0, "duplicate")]
    assert sent(live, other) == [CONFLICT]
    assert sent(live, first) == [(0, "duplicate")]


def test_same_id_twice_in_one_batch(live: Running) -> None:
    """Within one call the first of an id counts; the second is a duplicate or ALREADY_EXISTS."""
    first, other = event("twice", "twice"), event("twice", "twice", item_id="item1")
    assert sent(live, first, first, other) == [(0, ""), (0, "duplicate"), CONFLICT]


def test_same_id_in_flight(live: Running) -> None:
    """Of calls with one id at one time, one counts; the others wait and are told as above."""
    same = event("flight", "flight")
    with Pool(8) as pool:
        told = list(pool.map(lambda _: sent(live, same)[0], range(32)))
    assert Counter(told) == {(0, ""): 1, (0, "duplicate"): 31}
    others = [event("flight2", "flight2", item_id=f"item{at}") for at in range(16)]
    with Pool(8) as pool:
        told = list(pool.map(lambda one: sent(live, one)[0], others))
    assert Counter(told) == {(0, ""): 1, CONFLICT: 15}


def test_unknown_item_or_offer(live: Running) -> None:
    """An event about what the catalogue does not have (yet) is stored, and said to be so."""
    answer = live.record(
        event("u1", "u", item_id="not-yet"),
        event("u2", "u", offer_id="item:item1"),
        event("u3", "u", offer_id="no-offer"),
    )
    assert [result.outcome.code for result in answer.results] == [0, 0, 0]
    assert [result.unresolved for result in answer.results] == [True, False, True]


def test_link_with_itself(live: Running) -> None:
    """A link of an identifier with itself is OK and changes nothing."""
    live.record(event("self1", "self"))
    asked = customer_pb2.LinkIdentifiersRequest(
        a=loyalty("self"), b=loyalty("self"), asserted_by="agent"
    )
    assert not live.client.customers.LinkIdentifiers(asked).changed

    unheard = customer_pb2.LinkIdentifiersRequest(
        a=loyalty("unheard"), b=loyalty("unheard"), asserted_by="agent"
    )
    assert not live.client.customers.LinkIdentifiers(unheard).changed


@pytest.mark.parametrize("other", ["b", "a"])
def test_unlink_of_what_is_not_linked(live: Running, other: str) -> None:
    """Taking back a link that is not there is OK and changes nothing."""
    asked = customer_pb2.UnlinkIdentifiersRequest(
        a=loyalty("a"), b=loyalty(other), asserted_by="agent"
    )
    assert not live.client.customers.UnlinkIdentifiers(asked).changed


@pytest.mark.parametrize("verb", ["Link", "Unlink"])
def test_link_needs_both_sides(live: Running, verb: str) -> None:
    """A link or unlink without an identifier, or without who says so, is refused."""
    request = getattr(customer_pb2, f"{verb}IdentifiersRequest")(a=loyalty("a"))
    told = refused(live, f"CustomerService/{verb}Identifiers", request)
    assert told == wrong("b: required", "asserted_by: required")
