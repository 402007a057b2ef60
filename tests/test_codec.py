"""Stored values: what is encoded is decoded, and what is unknown is refused."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalogue import Item, Money, Stock
from models.codec import (
    FORMAT,
    HEADER_BYTES,
    UnknownFormat,
    compress,
    decode,
    decode_customer,
    decompress,
    encode,
    version_of,
)
from models.profile import Compartment, Forward, Link, Profile, fold
from tests.said import NOW, event, identifier, record

ANN, BOB = identifier(1), identifier(2)


@given(version=st.integers(0, 2**64 - 1))
@settings(max_examples=50)
def test_the_version_stands_in_front(version: int) -> None:
    """The version is read without decoding the rest, and compares as its eight bytes do."""
    data = encode(None, version)
    assert version_of(data) == version
    assert data[0] == FORMAT
    assert int.from_bytes(data[1:HEADER_BYTES], "big") == version


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


@given(data=st.binary(max_size=200))
@settings(max_examples=50)
def test_compression_is_undone(data: bytes) -> None:
    """Compressed bytes come back."""
    assert decompress(compress(data)) == data


@pytest.mark.parametrize("data", [b"", b"\x00", bytes([FORMAT + 1]) + bytes(20)])
def test_another_format_is_refused(data: bytes) -> None:
    """Bytes that another version wrote are refused by name, by every reader."""
    for read in (version_of, decode_customer, lambda data: decode(data, Item)):
        with pytest.raises(UnknownFormat, match=f"this version: {FORMAT}"):
            read(data)


def test_damage_is_an_error() -> None:
    """Cut bytes never decode to something else."""
    data = encode(Profile(customer=ANN, version=1), 1)
    for length in range(HEADER_BYTES, len(data)):
        with pytest.raises(msgspec.DecodeError):
            decode_customer(data[:length])
