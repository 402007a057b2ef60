"""Bad values, and good ones near the limits: rows as a dataset has them, and what is told of them.

Each row changes a good row of its kind. `reason` is what every way in tells, after where it is;
`not_by` are the ways that cannot say such a thing (their formats have no room for it).
"""

import hashlib
import math
from typing import Any, NamedTuple

API, CLI, IMPORT, LOAD = "api", "cli", "import", "load"

EVENT, ITEM, OFFER, LINK = "events", "items", "offers", "links"

CHANNELS = "one of app, call_center, direct_mail, email, kiosk, push, sms, store, till, tv, web"
TYPES = (
    "one of accept, add_to_cart, attributes_changed, call, click, dismiss, impression, open,"
    " purchase, redeem, remove_from_cart, return, search, sent, session, unsubscribe, view, void"
)
NAMESPACES = (
    "one of case, cookie, crm, device, email_sha256, household, kiosk, loyalty, phone_sha256, till,"
    " user"
)
YEARS = "invalid timestamp; years 1 to 9999"
UNIT = "invalid timestamp; an event before 1971, is its unit right?"
E_MAIL = "looks like a clear e-mail"
HASH = "want a SHA-256 in 64 lower-case hex digits"
CURRENCY = "unknown; want a code of ISO 4217, such as EUR"
CONTROL, REQUIRED, NEGATIVE, NOBODY = (
    *("control character", "required", "negative"),
    "not an identifier",
)


class Row(NamedTuple):
    """A row that differs from a good one of its kind by `change`; `reason` "" where it is good."""

    kind: str
    change: dict[str, Any]
    reason: str = ""
    not_by: tuple[str, ...] = ()


def sha256(text: str) -> str:
    """Return a SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


_NOBODY_BY_NAMESPACE = {
    "device": (
        *("None", "nil", "null", "NULL", "NaN", "N/A", "-", "(not set)", "<NA>", "#N/A", "--"),
        *("9774d56d682e549c", "02:00:00:00:00:00", "0000000000000000", "ffffffffffffffff"),
        *("00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
    ),
    "cookie": (
        *("undefined", "[object Object]", "true", "False", "\u200b", "\ufeff\u200d", "\u3164"),
        *("${COOKIE}", "{{cookie_id}}", "%cookie%", "<cookie>", "[[cookie]]", "''", "n\u200bull"),
    ),
    "user": (
        *("guest", "Guest User", "unknown", "anonymous", "ANONYMOUS", "${USER_ID}", "{{user_id}}"),
        *("{user_id}", "*|UNIQID|*", "__USER_ID__", "test@test.com", "me@example.com", "0", "-1"),
        "\uff4e\uff55\uff4c\uff4c",
    ),
    "email_sha256": tuple(
        map(sha256, ("", "null", "None", "noreply@noreply.com", "test@test.com", "(not set)"))
    ),
    "phone_sha256": tuple(map(sha256, ("0", "0000000000", "+1234567890", "undefined"))),
}

_TEXTS = (
    ("a\nb", CONTROL),
    ("a\tb", CONTROL),
    ("a\x00b", CONTROL),
    ("a\x7fb", CONTROL),
    ("a\u0085b", CONTROL),
    ("a\u2028b", CONTROL),
    ("a\u202eb", CONTROL),
    ("a\u2066b", CONTROL),
)
_LONG = "too long; max {}"
_CHANGED = {"type": "attributes_changed"}
_MONEY = "too large; max 1000000000000"


def _who(namespace: str, identifier: str) -> dict[str, Any]:
    return {"namespace": namespace, "identifier": identifier}


def _paid(units: int | None, nanos: int | None, currency: str | None, name: str) -> dict[str, Any]:
    return {f"{name}_units": units, f"{name}_nanos": nanos, "currency": currency}


BAD: tuple[Row, ...] = (
    # Identifiers that mean nobody.
    *(
        Row(EVENT, _who(namespace, value), NOBODY)
        for namespace, values in _NOBODY_BY_NAMESPACE.items()
        for value in values
    ),
    *(
        Row(LINK, {f"namespace_{end}": "device", f"identifier_{end}": value}, NOBODY)
        for end, value in (("a", "None"), ("b", "undefined"), ("a", "${DEVICE}"), ("b", "\u200b"))
    ),
    # Identifiers that are none.
    Row(EVENT, _who("email_sha256", "ann@beispiel.de"), E_MAIL),
    Row(EVENT, _who("email_sha256", " Ann@Beispiel "), E_MAIL),
    Row(EVENT, _who("phone_sha256", "+49 (30) 123-456"), "looks like a clear phone number"),
    Row(EVENT, _who("email_sha256", "abc"), HASH),
    Row(
        EVENT,
        _who("email_sha256", sha256("x").upper()),
        "want a SHA-256 in 64 lower-case hex digits",
    ),
    Row(EVENT, _who("loyalty", ""), REQUIRED),
    Row(EVENT, _who("loyalty", "x" * 257), _LONG.format(256)),
    Row(EVENT, _who("loyalty", "é" * 129), _LONG.format(256)),
    *(Row(EVENT, _who("loyalty", text), reason) for text, reason in _TEXTS),
    Row(EVENT, _who("passport", "p1"), f"unknown; {NAMESPACES}"),
    Row(EVENT, _who("Loyalty", "p1"), f"not a name; did you mean loyalty? {NAMESPACES}"),
    Row(EVENT, _who("loyality", "p1"), f"unknown; did you mean loyalty? {NAMESPACES}"),
    Row(LINK, {"namespace_b": "email_sha256", "identifier_b": "a@b.de"}, E_MAIL),
    Row(LINK, {"asserted_by": "Log in"}, "not a name"),
    Row(LINK, {"asserted_by": "x" * 65}, _LONG.format(64)),
    # Names.
    Row(EVENT, {"channel": "billboard"}, f"unknown; {CHANNELS}"),
    Row(EVENT, {"channel": "Web"}, f"not a name; did you mean web? {CHANNELS}"),
    Row(EVENT, {"channel": "call-center"}, f"not a name; did you mean call_center? {CHANNELS}"),
    Row(EVENT, {"channel": ""}, REQUIRED),
    Row(EVENT, {"channel": "x" * 65}, _LONG.format(64)),
    Row(EVENT, {"type": "buy"}, f"unknown; {TYPES}"),
    Row(EVENT, {"type": "purchased"}, f"unknown; did you mean purchase? {TYPES}"),
    Row(EVENT, {"type": "Add To Cart"}, f"not a name; did you mean add_to_cart? {TYPES}"),
    Row(EVENT, {"type": "reserved"}, f"unknown; {TYPES}"),
    Row(EVENT, {"type": ""}, REQUIRED),
    Row(EVENT, {"placement": "Home page"}, "not a name"),
    Row(EVENT, {"placement": "x" * 65}, _LONG.format(64)),
    # Ids and texts of events.
    Row(EVENT, {"event_id": ""}, REQUIRED, (IMPORT,)),  # an import makes one
    Row(EVENT, {"event_id": "e" * 257}, _LONG.format(256)),
    Row(EVENT, {"event_id": "e\n1"}, CONTROL),
    Row(EVENT, {"item": "i" * 257}, _LONG.format(256)),
    *(Row(EVENT, {"item": text}, reason) for text, reason in _TEXTS),
    Row(EVENT, {"offer": "o" * 5_000}, _LONG.format(256)),
    Row(EVENT, {"offer": "a\u202eb"}, CONTROL),
    Row(EVENT, {"place": "p" * 65}, _LONG.format(64)),
    Row(EVENT, {"place": "a\nb"}, CONTROL),
    Row(EVENT, {"decision_id": "d" * 257}, _LONG.format(256)),
    Row(EVENT, {"decision_id": "a\x00"}, CONTROL),
    Row(EVENT, {"receipt": "r" * 257}, _LONG.format(256)),
    Row(EVENT, {"receipt": "a\nb"}, CONTROL),
    # Numbers.
    Row(EVENT, {"quantity": math.nan}, "not finite"),
    Row(EVENT, {"quantity": math.inf}, "not finite"),
    Row(EVENT, {"quantity": -math.inf}, "not finite"),
    Row(EVENT, {"quantity": 1e308}, "too large; max 1000000000"),
    Row(EVENT, {"quantity": 1e9 + 1}, "too large; max 1000000000"),
    Row(EVENT, {"quantity": -1.0}, NEGATIVE),
    Row(EVENT, {"quantity": -1e-9}, NEGATIVE),
    # Money.
    Row(EVENT, _paid(-1, 0, "EUR", "amount"), NEGATIVE),
    Row(EVENT, _paid(0, -500_000_000, "EUR", "amount"), NEGATIVE),
    Row(EVENT, _paid(10**12 + 1, 0, "EUR", "amount"), _MONEY),
    Row(EVENT, _paid(1, 10**9, "EUR", "amount"), "too large; max 999999999", (IMPORT,)),
    Row(EVENT, _paid(1, 0, "EURO", "amount"), "unknown; did you mean EUR?", (IMPORT,)),
    Row(EVENT, _paid(1, 0, "eur", "amount"), "unknown; did you mean EUR?", (IMPORT,)),
    Row(EVENT, _paid(1, 0, "???", "amount"), CURRENCY, (IMPORT,)),
    Row(EVENT, _paid(1, 0, None, "amount"), REQUIRED, (IMPORT,)),
    Row(
        EVENT,
        {**_paid(1, 0, "EUR", "amount"), "discount_units": -1, "discount_nanos": 0},
        NEGATIVE,
    ),
    Row(EVENT, _paid(1, 0, "EUR", "discount"), "only with an amount, in its currency"),
    # Times.
    Row(EVENT, {"time": 1_770_000_000_000 * 1_000_000}, YEARS, (CLI,)),  # its JSON has no such year
    Row(EVENT, {"time": -62_135_596_801_000_000}, YEARS, (CLI,)),
    Row(EVENT, {"time": 253_402_300_800_000_000}, YEARS, (CLI,)),
    Row(EVENT, {"time": 1_770_000_000}, UNIT),  # seconds as microseconds
    Row(EVENT, {"time": 0}, UNIT),
    Row(EVENT, {"time": -1}, UNIT),
    Row(EVENT, {"time": 4_102_444_800_000_000}, "in the future; max skew 300 s"),
    # What goes with a type.
    Row(EVENT, {"type": "return", "item": None}, REQUIRED),
    Row(EVENT, {"type": "void", "item": None, "receipt": "r1"}, REQUIRED),
    Row(EVENT, {"of_event": "e0"}, "only with return or void"),
    Row(EVENT, {"type": "return", "of_event": "e" * 257}, _LONG.format(256)),
    Row(EVENT, {"attributes": {"plan": "gold"}}, "only with attributes_changed"),
    Row(
        EVENT,
        {"type": "attributes_changed", "attributes": {"plan": "x" * 1_025}},
        _LONG.format(1024),
    ),
    Row(EVENT, {"type": "attributes_changed", "attributes": {"plan": "a\u202eb"}}, CONTROL),
    Row(EVENT, {"type": "attributes_changed"}, REQUIRED),
    Row(
        EVENT,
        {"type": "attributes_changed", "attributes": {"x" * 65: "gold"}},
        _LONG.format(64),
        (IMPORT,),
    ),
    Row(
        EVENT,
        {"type": "attributes_changed", "attributes": {f"a{at}": "1" for at in range(65)}},
        "too many; max 64",
        (IMPORT,),
    ),
    # Items.
    Row(ITEM, {"item": ""}, REQUIRED),
    Row(ITEM, {"item": "i" * 252}, _LONG.format(251)),  # with item: in front it is an offer's id
    Row(ITEM, {"item": "i" * 5_000}, _LONG.format(251)),
    *(Row(ITEM, {"item": text}, reason) for text, reason in _TEXTS[:3]),
    *(Row(ITEM, {"title": text}, reason) for text, reason in _TEXTS),
    Row(ITEM, {"title": "t" * 257}, _LONG.format(256)),
    Row(ITEM, {"features": {"color": ["a\nb"]}}, CONTROL),
    Row(ITEM, {"features": {"color": ["v" * 257]}}, _LONG.format(256)),
    Row(ITEM, {"features": {"color": [str(at) for at in range(17)]}}, "too many; max 16"),
    Row(ITEM, {"features": {"f" * 65: ["v"]}}, _LONG.format(64), (IMPORT,)),
    Row(ITEM, {"features": {"a\u202eb": ["v"]}}, CONTROL, (IMPORT,)),
    Row(ITEM, {"features": {"": ["v"]}}, REQUIRED, (IMPORT,)),
    Row(ITEM, {"features": {"color": [""]}}, REQUIRED, (IMPORT,)),  # an empty cell is no value
    Row(ITEM, {"features": {f"f{at}": ["v"] for at in range(65)}}, "too many; max 64", (IMPORT,)),
    Row(ITEM, _paid(-2, 0, "EUR", "price"), NEGATIVE),
    Row(ITEM, _paid(0, -1, "EUR", "price"), NEGATIVE),
    Row(ITEM, _paid(10**12 + 1, 0, "EUR", "price"), _MONEY),
    Row(ITEM, _paid(1, 10**9, "EUR", "price"), "too large; max 999999999", (IMPORT,)),
    Row(ITEM, _paid(1, 0, "XXX", "price"), CURRENCY, (IMPORT,)),
    Row(ITEM, _paid(1, 0, "", "price"), REQUIRED, (IMPORT,)),
    Row(ITEM, _paid(-1, 0, "EUR", "value"), NEGATIVE),
    Row(
        ITEM,
        {"valid_from": 1_600_000_000_000_000, "valid_until": 1_600_000_000_000_000},
        "not after valid_from",
    ),
    Row(ITEM, {"valid_from": 1_770_000_000_000 * 1_000_000}, YEARS, (CLI,)),
    Row(ITEM, {"valid_until": -62_135_596_801_000_000}, YEARS, (CLI,)),
    Row(ITEM, {"price_until": 1_600_000_000_000_000}, "without a price", (IMPORT,)),
    Row(ITEM, {"sensitivity": "Very delicate"}, "not a name", (IMPORT,)),
    Row(ITEM, {"groups": ["Toys & games"]}, "not a name", (IMPORT,)),
    Row(ITEM, {"groups": [f"g{at}" for at in range(17)]}, "too many; max 16", (IMPORT,)),
    Row(ITEM, {"stock": [("s", -1)]}, NEGATIVE, (IMPORT,)),
    Row(ITEM, {"stock": [("s" * 65, 1)]}, _LONG.format(64), (IMPORT,)),
    Row(ITEM, {"stock": [("a\nb", 1)]}, CONTROL, (IMPORT,)),
    Row(ITEM, {"stock": [("s", 1), ("s", 2)]}, "twice", (IMPORT,)),
    # Offers.
    Row(OFFER, {"offer": ""}, REQUIRED),
    Row(OFFER, {"offer": "o" * 257}, _LONG.format(256)),
    Row(OFFER, {"offer": "item:item1"}, "starts with item:"),
    Row(OFFER, {"offer": "a\u202eb"}, CONTROL),
    Row(OFFER, {"title": "a\nb"}, CONTROL),
    Row(OFFER, {"items": []}, REQUIRED),
    Row(OFFER, {"items": ["i" * 257]}, _LONG.format(256)),
    Row(OFFER, {"items": ["a\nb"]}, CONTROL),
    Row(OFFER, {"channels": ["billboard"]}, f"unknown; {CHANNELS}"),
    Row(OFFER, {"channels": ["E-Mail"]}, f"not a name; did you mean email? {CHANNELS}"),
    Row(OFFER, _paid(-1, 0, "EUR", "price"), NEGATIVE),
    Row(OFFER, _paid(1, 0, "EURO", "price"), "unknown; did you mean EUR?", (IMPORT,)),
    Row(
        OFFER,
        {"valid_from": 1_600_000_000_000_001, "valid_until": 1_600_000_000_000_000},
        "not after valid_from",
    ),
    Row(OFFER, {"volume": 0}, "too small; min 1", (IMPORT,)),
    Row(OFFER, {"volume": -1}, NEGATIVE, (IMPORT,)),
    Row(OFFER, {"volume": 10**9 + 1}, "too large; max 1000000000", (IMPORT,)),
    Row(OFFER, {"creatives": {"web": "x" * 1_025}}, _LONG.format(1024), (IMPORT,)),
    Row(OFFER, {"creatives": {"web": ""}}, REQUIRED, (IMPORT,)),
    Row(OFFER, {"creatives": {"billboard": "x"}}, f"unknown; {CHANNELS}", (IMPORT,)),
)

GOOD: tuple[Row, ...] = (
    *(
        Row(EVENT, _who(namespace, value))
        for namespace, value in (
            ("loyalty", "x" * 256),
            ("loyalty", "é" * 128),
            ("crm", "Ärger 12"),
            ("device", "none-7"),
            ("device", "{6f9619ff-8b86-d011-b42d-00c04fc964ff}"),
            ("device", "00000000-0000-0000-0000-000000000001"),
            ("cookie", "undefined1"),
            ("user", "anna@beispiel.de"),
            ("user", "1"),
            ("user", "\u5f20\u4e09"),
            ("email_sha256", sha256("anna@beispiel.de")),
            ("phone_sha256", sha256("+4930123456")),
        )
    ),
    Row(EVENT, {"event_id": "e" * 256}),
    Row(EVENT, {"item": "i" * 256}),
    Row(EVENT, {"offer": "o" * 256}),
    Row(EVENT, {"place": "p" * 64}),
    Row(EVENT, {"receipt": "r" * 256}),
    Row(EVENT, {"decision_id": "d" * 256}),
    Row(EVENT, {"placement": "p" * 64}),
    Row(EVENT, {"quantity": 1e9}),
    Row(EVENT, {"quantity": 0.0}, not_by=(IMPORT,)),  # a row that sells nothing is no event
    Row(EVENT, {"quantity": 5e-324}),
    Row(EVENT, _paid(10**12, 0, "EUR", "amount")),
    Row(EVENT, _paid(0, 1, "EUR", "amount")),
    Row(EVENT, _paid(999_999_999_999, 999_999_999, "EUR", "amount")),
    Row(EVENT, {**_paid(1, 0, "EUR", "amount"), "discount_units": 0, "discount_nanos": 1}),
    Row(EVENT, {"type": "click", "item": None}),
    Row(EVENT, {"type": "return", "item": None, "of_event": "e0"}),
    Row(EVENT, {"type": "attributes_changed", "attributes": {"plan": "x" * 1_024}}),
    Row(ITEM, {"item": "i" * 251}),
    Row(ITEM, {"title": "t" * 256}),
    Row(ITEM, {"title": "Crème brûlée \u5f20 \U0001f370"}),
    Row(ITEM, {"features": {"color": ["v" * 256]}}),
    Row(ITEM, {"features": {"color": [str(at) for at in range(16)]}}),
    Row(ITEM, _paid(10**12, 999_999_999, "EUR", "price"), "", (IMPORT,)),
    Row(ITEM, _paid(0, 0, "EUR", "price")),
    Row(ITEM, {"valid_from": 0, "valid_until": 1}),
    Row(ITEM, {"groups": [f"g{at}" for at in range(16)]}, "", (IMPORT,)),
    Row(ITEM, {"stock": [("s" * 64, 0)]}, "", (IMPORT,)),
    Row(OFFER, {"offer": "o" * 256}),
    Row(OFFER, {"channels": ["web", "email"]}),
    Row(OFFER, {"volume": 10**9}, "", (IMPORT,)),
    Row(OFFER, {"creatives": {"web": "x" * 1_024}}, "", (IMPORT,)),
    Row(LINK, {"asserted_by": "x" * 64}),
    Row(LINK, {"identifier_b": "d" * 256}),
)
