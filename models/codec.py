"""The one codec of everything a store keeps: a format byte, a version, a checksum, and msgpack.

The version stands in front, in the clear, so that a server-side script can compare it without
understanding the rest: byte 0 is the format, bytes 1 to 8 the version (big-endian), bytes 9 to 12
the CRC-32 of all other bytes. msgpack itself takes many a flipped bit for another value.
"""

import zlib
from collections.abc import Container
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from models.errors import Unreadable

FORMAT = 3
# The format before is read, too; what a value of it lacks, its type has a default for.
READ = (2, 3)
# What is never written anew, the log and the catalogue, is read in every format there ever was.
EVER = range(2, FORMAT + 1)
CHECKSUM_AT = 9
HEADER_BYTES = 13

T = TypeVar("T")


@runtime_checkable
class HasStoredForm(Protocol):
    """What no type of msgspec is, and tells what is encoded in its place."""

    def stored_form(self) -> object:
        """Return that."""


def _stored_form(value: object) -> object:
    if not isinstance(value, HasStoredForm):
        raise TypeError(f"{type(value).__name__}: cannot be stored")
    return value.stored_form()


_encoder = msgspec.msgpack.Encoder(enc_hook=_stored_form)


class UnknownFormat(Unreadable):
    """A stored value of a format that this version does not know; it is left as it is."""


class Damaged(Unreadable):
    """A stored value whose bytes are not those that were stored; it is left as it is."""


def encode(value: object, version: int = 0) -> bytes:
    """Return the stored form of any msgspec value."""
    front = FORMAT.to_bytes(1, "big") + version.to_bytes(8, "big")
    payload = _encoder.encode(value)
    checksum = zlib.crc32(payload, zlib.crc32(front))
    return b"".join((front, checksum.to_bytes(4, "big"), payload))


def version_of(data: bytes) -> int:
    """Return the version that `encode` put in front."""
    return int.from_bytes(data[1:CHECKSUM_AT], "big")


def decode(data: bytes, type_: type[T], formats: Container[int] | None = None) -> T:
    """Return the value that `encode` stored in one of `formats`, by default those of `READ`.

    Raises `UnknownFormat` and `Damaged`.
    """
    try:
        return msgspec.msgpack.decode(payload_of(data, formats), type=type_)
    except msgspec.DecodeError:
        raise damaged() from None


def payload_of(data: bytes, formats: Container[int] | None = None) -> memoryview:
    """Return the msgpack of a stored value, once its checksum holds; raises as `decode` does."""
    view = memoryview(data)
    found = format_of(data)
    if found is None or found not in (READ if formats is None else formats):
        raise unknown_format(found)
    checksum = zlib.crc32(view[HEADER_BYTES:], zlib.crc32(view[:CHECKSUM_AT]))
    if checksum != int.from_bytes(view[CHECKSUM_AT:HEADER_BYTES], "big"):
        raise damaged()
    return view[HEADER_BYTES:]


def format_of(data: bytes) -> int | None:
    """Return the format of a stored value, whether this version reads it or not; None of none."""
    return data[0] if data else None


def unknown_format(found: int | None) -> UnknownFormat:
    """Return the error that names a format, and what reads it."""
    if found is not None and found > FORMAT:
        way = "a later version reads it"
    else:
        way = "`throughline migrate` of an earlier version brings it on"
    return UnknownFormat(f"stored value: format {found} not known; this version: {FORMAT}; {way}")


def damaged() -> Damaged:
    """Return the error that says so."""
    return Damaged("stored value: damaged")
