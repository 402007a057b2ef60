"""The one codec of everything a store keeps: a format byte, a version, and msgpack.

The version stands in front, in the clear, so that a server-side script can compare it without
understanding the rest: byte 0 is the format, bytes 1 to 8 the version (big-endian).
"""

import zlib
from typing import TypeVar

import msgspec

from models.errors import ThroughlineError
from models.profile import Forward, Profile

FORMAT = 1
HEADER_BYTES = 9

_encoder = msgspec.msgpack.Encoder()
_customer: msgspec.msgpack.Decoder[Profile | Forward] = msgspec.msgpack.Decoder(Profile | Forward)

T = TypeVar("T")


class UnknownFormat(ThroughlineError):
    """A stored value of a format that this version does not know; it is left as it is."""


def encode(value: object, version: int = 0) -> bytes:
    """Return the stored form of any msgspec value."""
    return bytes([FORMAT]) + version.to_bytes(8, "big") + _encoder.encode(value)


def decode(data: bytes, type_: type[T]) -> T:
    """Return the value that `encode` stored; raises `UnknownFormat` for another format byte."""
    _check(data)
    return msgspec.msgpack.decode(memoryview(data)[HEADER_BYTES:], type=type_)


def decode_customer(data: bytes) -> Profile | Forward:
    """Return the profile, or the forward, stored for a customer."""
    _check(data)
    return _customer.decode(memoryview(data)[HEADER_BYTES:])


def version_of(data: bytes) -> int:
    """Return the version in the header."""
    _check(data)
    return int.from_bytes(data[1:HEADER_BYTES], "big")


def compress(data: bytes) -> bytes:
    """Deflate what is read rarely, such as a decision record."""
    return zlib.compress(data, 6)


def decompress(data: bytes) -> bytes:
    """Undo `compress`."""
    return zlib.decompress(data)


def _check(data: bytes) -> None:
    if not data or data[0] != FORMAT:
        found = data[0] if data else None
        raise UnknownFormat(f"stored value: format {found} not supported; this version: {FORMAT}")
