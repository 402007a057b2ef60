"""Checks of single values: what passes, what is refused, and that no value is ever repeated."""

import hashlib
import math

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from throughline.v1 import common_pb2

from models.domain.names import is_name
from service.contract import limits
from service.contract.names import declare_names
from service.contract.paging import page_token, read_token
from service.contract.validation import Check, InvalidRequest


def reasons(check: Check) -> list[str]:
    """Return what was found wrong."""
    return [str(violation) for violation in check.violations]


def sha256(text: str) -> str:
    """Return a SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_identifier(namespace: str, value: str) -> list[str]:
    """Return what is wrong with an identifier."""
    check = Check()
    identifier = common_pb2.Identifier(namespace=namespace, value=value)
    check.identifier("identifiers[0]", identifier, declare_names())
    return reasons(check)


@pytest.mark.parametrize(
    ("namespace", "value", "reason"),
    [
        ("email_sha256", "Ann@Example.com", "looks like a clear e-mail"),
        ("email_sha256", " ann@example ", "looks like a clear e-mail"),
        ("phone_sha256", "+49 (30) 123-456", "looks like a clear phone number"),
        ("phone_sha256", "030123456", "looks like a clear phone number"),
        ("email_sha256", sha256("x").upper(), "want a SHA-256 in 64 lower-case hex digits"),
        ("email_sha256", sha256("x")[:-1], "want a SHA-256 in 64 lower-case hex digits"),
        ("email_sha256", sha256(""), "not an identifier"),
        ("phone_sha256", sha256("null"), "not an identifier"),
        ("phone_sha256", sha256("undefined"), "not an identifier"),
        ("phone_sha256", sha256("0"), "not an identifier"),
        ("cookie", "null", "not an identifier"),
        ("cookie", " Undefined ", "not an identifier"),
        ("loyalty", "0", "not an identifier"),
        ("loyalty", "", "required"),
        ("loyalty", "a\x00b", "control character"),
        ("loyalty", "a\u202eb", "control character"),
        ("loyalty", "a\nb", "control character"),
        ("loyalty", "é" * 129, "too long; max 256"),
    ],
)
def test_no_identifier(namespace: str, value: str, reason: str) -> None:
    """What cannot be a customer's identifier is refused, and the refusal does not repeat it."""
    assert check_identifier(namespace, value) == [f"identifiers[0].value: {reason}"]


@pytest.mark.parametrize(
    ("namespace", "value"),
    [
        ("email_sha256", sha256("ann@example.com")),
        ("cookie", "c-1"),
        ("loyalty", "001"),
        ("crm", "Ärger 12"),
        ("device", "x" * 256),
    ],
)
def test_identifier(namespace: str, value: str) -> None:
    """An identifier of a known namespace passes."""
    assert check_identifier(namespace, value) == []


def test_undeclared_namespace() -> None:
    """A namespace that nobody declared is refused."""
    built_in = "case, cookie, crm, device, email_sha256, household, kiosk, loyalty, phone_sha256"
    listed = f"one of {built_in}, till, user"
    told = "identifiers[0].namespace"
    assert check_identifier("passport", "x") == [f"{told}: unknown; {listed}"]
    assert check_identifier("Loyalty", "x") == [
        f"{told}: not a name; did you mean loyalty? {listed}"
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_is_finite(value: float) -> None:
    """NaN and infinities do not pass for numbers."""
    check = Check()
    check.number("quantity", value, 10)
    assert reasons(check) == ["quantity: not finite"]


def test_number_is_in_bounds() -> None:
    """A number below 0 or above its limit is refused with the limit."""
    check = Check()
    check.number("quantity", -0.5, 10)
    check.number("quantity", 10.5, 10)
    check.number("quantity", 10, 10)
    assert reasons(check) == ["quantity: negative", "quantity: too large; max 10"]


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(0, -1), (0, 10**9), (253_402_300_800, 0), (-62_135_596_801, 0), (2**62, 0)],
)
def test_timestamp_is_valid(seconds: int, nanos: int) -> None:
    """A timestamp outside of the years 1 to 9999, or with wrong nanos, is refused."""
    check = Check()
    right = "years 1 to 9999" if seconds else "nanos 0 to 999999999"
    check.time("time", Timestamp(seconds=seconds, nanos=nanos))
    assert reasons(check) == [f"time: invalid timestamp; {right}"]


def test_timestamp_is_kept_to_the_microsecond() -> None:
    """A valid timestamp comes back in microseconds."""
    assert Check().time("time", Timestamp(seconds=-1, nanos=999_999_999)) == -1
    assert Check().time("time", Timestamp(seconds=2, nanos=3_999)) == 2_000_003


def test_money() -> None:
    """Currency, units and nanos are each checked."""
    check = Check()
    check.money("price", common_pb2.Money(currency="EUR", units=1, nanos=2))
    check.money("price", common_pb2.Money(units=-1, nanos=10**9))
    check.money("price", common_pb2.Money(currency="eur", units=10**12 + 1))
    assert reasons(check) == [
        "price.currency: required",
        "price.units: negative",
        "price.nanos: too large; max 999999999",
        "price.currency: unknown; did you mean EUR?",
        "price.units: too large; max 1000000000000",
    ]


def test_all_violations_are_told_together() -> None:
    """One answer tells everything that is wrong, up to a number that fits into it."""
    check = Check()
    for at in range(100):
        check.id(f"include[{at}]", "")
    with pytest.raises(InvalidRequest) as raised:
        check.raise_if_invalid()
    assert str(raised.value) == "include[0]: required"
    assert len(raised.value.violations) == limits.VIOLATIONS


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_a_name_is_a_name(text: str) -> None:
    """Whatever is accepted as a name is lower-case ASCII, and short."""
    if is_name(text):
        assert text.isascii()
        assert text == text.lower()
        assert 1 <= len(text) <= limits.NAME_BYTES
        assert declare_names(channels=[text]).channels >= {text}


@settings(max_examples=200)
@given(st.text(alphabet=st.characters(), max_size=300))
def test_an_id_that_passes_is_printable_and_short(text: str) -> None:
    """Whatever is accepted as an id can be encoded, is short, and holds no control character."""
    check = Check()
    check.id("id", text)
    if not check.violations:
        assert 1 <= len(text.encode()) <= limits.ID_BYTES
        assert all(ord(character) >= 32 for character in text)


@settings(max_examples=100)
@given(st.text(max_size=60))
def test_page_token_is_only_good_where_it_was_given(last: str) -> None:
    """A page token reads back, and neither a forged one nor one of another list does."""
    last = last.encode(errors="ignore").decode()
    token = page_token("items", last)
    assert read_token(Check(), "items", token) == last
    for kind, forged in (("offers", token), ("items", token[:-2]), ("items", last + "é")):
        check = Check()
        read_token(check, kind, forged)
        assert reasons(check) == ["page_token: invalid"]
