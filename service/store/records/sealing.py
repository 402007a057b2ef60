"""The seal of a decision record: a keyed MAC over its id and its content.

Byte 0 of a sealed record is the format, bytes 1 to 16 are the MAC, the rest is the content: the
compressed record, or of one that was erased the digest of it. The MAC is BLAKE2b (RFC 7693), keyed,
over the id and the digest of the content; so it still holds when the content is gone. Who can write
to the database, and does not have the key, can neither change a record, nor make one, nor pass one
off as another.
"""

import hashlib
import hmac
import threading

import zstandard

from models.codec import (
    READ,
    Damaged,
    UnknownFormat,
    decode,
    encode,
    format_of,
    unknown_format,
)
from models.domain.decisions import DecisionRecord
from models.errors import Unreadable
from service.store.database.backend import SealedDecision

MAC_BYTES = 16
RECORD_BYTES = 64 << 20  # more is no record
LEVEL = 1  # of compression: as small as zlib at its best, in a fifth of the time

_SEALED, _ERASED = b"\x01", b"\x02"
_CONTENT_AT = 1 + MAC_BYTES


class Erased(Unreadable):
    """A decision record of which only the digest is left: the customer's data are gone."""


class Seal:
    """Seals and opens what a store keeps, under a key of its own derived from the store's."""

    def __init__(self, key: bytes) -> None:
        """`key` is the one that identifiers are hashed with."""
        self._key = hmac.digest(key, b"throughline seal of decisions", hashlib.sha256)

    def seal(self, record: DecisionRecord) -> SealedDecision:
        """Return a record as a database keeps it."""
        content = _compressors.own.compress(encode(record))
        mac = self._mac_of(record.id, _digest(content))
        blob = b"".join((_SEALED, mac, content))
        return SealedDecision(record.id, record.customer, record.time, blob)

    def open(self, decision_id: str, blob: bytes) -> DecisionRecord:
        """Return the record that `seal` made under that id.

        Raises `Damaged` where a byte of it is another, or it is another's; `UnknownFormat` for one
        that another version sealed; `Erased` for what `erase` left.
        """
        content = self._checked(decision_id, blob)
        if is_erased(blob):
            raise Erased(f"decision {decision_id}: erased")
        try:
            encoded = zstandard.decompress(content, RECORD_BYTES)
        except zstandard.ZstdError:
            raise _altered(decision_id) from None
        _check_format(decision_id, encoded)
        return decode(encoded, DecisionRecord)

    def check(self, decision_id: str, blob: bytes) -> None:
        """Raise `Damaged` unless the record, erased or not, is the one sealed under that id.

        Raises `UnknownFormat` for one that is, and that this version cannot read.
        """
        content = self._checked(decision_id, blob)
        if not is_erased(blob):
            with zstandard.ZstdDecompressor().stream_reader(content) as reader:
                _check_format(decision_id, reader.read(1))

    def mac(self, data: bytes) -> bytes:
        """Return the MAC of anything that is not a record."""
        return self._blake2b(data, b"chain")

    def _checked(self, decision_id: str, blob: bytes) -> bytes:
        content = blob[_CONTENT_AT:]
        digest = content if is_erased(blob) else _digest(content)
        known = blob[:1] in (_SEALED, _ERASED)
        if not known or not hmac.compare_digest(mac_of(blob), self._mac_of(decision_id, digest)):
            raise _altered(decision_id)
        return content

    def _mac_of(self, decision_id: str, digest: bytes) -> bytes:
        # The digest is of one length, so that no id and digest read as another pair.
        return self._blake2b(digest + decision_id.encode(), b"record")

    def _blake2b(self, data: bytes, person: bytes) -> bytes:
        hasher = hashlib.blake2b(data, digest_size=MAC_BYTES, key=self._key, person=person)
        return hasher.digest()


def erase(blob: bytes) -> bytes:
    """Return what is left of a sealed record when its content must go; its MAC still holds."""
    return b"".join((_ERASED, mac_of(blob), _digest(blob[_CONTENT_AT:])))


def is_erased(blob: bytes) -> bool:
    """Tell whether only the digest of a record is left."""
    return blob[:1] == _ERASED


def mac_of(blob: bytes) -> bytes:
    """Return the MAC that a sealed record carries, unchecked."""
    return blob[1:_CONTENT_AT]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=32).digest()


def _check_format(decision_id: str, encoded: bytes) -> None:
    """Raise `UnknownFormat`, naming the decision, unless its record can be read."""
    found = format_of(encoded)
    if found not in READ:
        raise UnknownFormat(f"decision {decision_id}: {unknown_format(found)}")


def _altered(decision_id: str) -> Damaged:
    return Damaged(f"decision {decision_id}: not as it was stored")


class _Compressors(threading.local):
    """A compressor for each thread: making one costs more than its work on a record."""

    def __init__(self) -> None:
        self.own = zstandard.ZstdCompressor(level=LEVEL)


_compressors = _Compressors()
