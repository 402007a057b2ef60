"""Stored values: what is encoded is decoded, and what is unknown is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import CHECKSUM_AT, FORMAT, READ, UnknownFormat, decode, encode
from models.domain.catalogue import Item, Money, Stock
from models.domain.fold import fold
from models.domain.profile import Compartment, Forward, Link, Profile, decode_customer
from models.errors import Unreadable
from tests.support.events import NOW, event, identifier, record

ANN, BOB = identifier(1), identifier(2)


@given(version=st.integers(0, 2**64 - 1))
@settings(max_examples=50)
def test_the_version_stands_in_front(version: int) -> None:
    """The version is read without decoding the rest, and compares as its eight bytes do."""
    data = encode(None, version)
    assert data[0] == FORMAT
    assert int.from_bytes(data[1:CHECKSUM_AT], "big") == version


def test_a_profile_survives() -> None:
    """A profile with compartments, links and an intent is decoded as it was."""
    events = [event(f"e{at}", ANN, at) for at in range(200)]
    profile = Profile(
        customer=ANN,
        version=7,
        compartments={ANN: fold(Compartment(), events), BOB: Compartment()},
        links=(Link(NOW, ANN, BOB, "login"),),
        absorbing=BOB,
    )
    assert decode_customer(encode(profile, 7)) == profile


def test_a_forward_is_no_profile() -> None:
    """What a key holds is told apart when it is decoded."""
    forward = Forward(customer=BOB, version=3, to=ANN)
    assert decode_customer(encode(forward, 3)) == forward


def test_other_values_survive() -> None:
    """Rows and records are decoded as they were."""
    item = Item(id="a", price=Money("EUR", 1, 500_000_000), stock=(Stock("s1", 3, NOW),))
    assert decode(encode(item), Item) == item
    one = record("id", ANN, NOW)
    assert decode(encode(one), type(one)) == one


@pytest.mark.parametrize(
    "data", [b"", b"\x00", bytes([READ[0] - 1]) + bytes(20), bytes([FORMAT + 1]) + bytes(20)]
)
def test_another_format_is_refused(data: bytes) -> None:
    """What is stored in another format is refused by name, by every reader."""
    for read in (decode_customer, lambda data: decode(data, Item)):
        with pytest.raises(UnknownFormat, match=f"this version: {FORMAT}"):
            read(data)


def test_damage_is_an_error() -> None:
    """No cut and no flipped bit is decoded to something else."""
    data = encode(Profile(customer=ANN, version=1, compartments={BOB: Compartment()}), 1)
    damaged = [data[:length] for length in range(1, len(data))]
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for bytes_ in damaged:
        with pytest.raises(Unreadable):
            decode_customer(bytes_)
