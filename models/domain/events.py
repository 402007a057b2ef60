"""Events: what a customer did or was shown, and their one canonical order.

Canonical order is (rank, at, key). `rank` is 0 for an event without a time and 1 for a timed one;
`at` is the time in microseconds since 1970 (UTC), or the sequence within the customer, or 0; `key`
is a 64-bit hash of the event id. Ties are broken by that hash and never by the event id or the item
themselves: ids often follow the item, and an order that follows the item leaks the target.
"""

import hashlib
from collections.abc import Mapping

import msgspec


class Stamp(msgspec.Struct, frozen=True, array_like=True, order=True):
    """The place of an event in canonical order."""

    rank: int
    at: int
    key: int


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as it is stored and folded.

    `identifier` is the keyed hash of the identifier it came under (16 bytes). `time` is in
    microseconds since 1970 UTC, `sequence` an order within the customer; an event has one of them
    or neither, and none is ever invented. Money is `amount_units` + `amount_nanos` * 1e-9 of
    `currency`, which the discount has, too. `of_event` is the id of the event that a return or a
    void takes back, "" where it names none; `receipt` is that of the purchase, or its order.
    """

    event_id: str
    identifier: bytes
    type: str
    channel: str
    time: int | None = None
    sequence: int | None = None
    item: str = ""
    offer: str = ""
    placement: str = ""
    place: str = ""
    quantity: float = 0.0
    amount_units: int = 0
    amount_nanos: int = 0
    currency: str = ""
    decision_id: str = ""
    attributes: dict[str, str] = {}
    of_event: str = ""
    receipt: str = ""
    discount_units: int = 0
    discount_nanos: int = 0


def event_key(event_id: str) -> int:
    """Return the 64-bit hash of an event id that orders and identifies the event."""
    return int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8).digest(), "big")


def decision_key(decision_id: str) -> int:
    """Return 32 bits by which contacts of one decision are known; 0 for no decision."""
    return (event_key(decision_id) >> 32 or 1) if decision_id else 0


def stamp_of(event: Event) -> Stamp:
    """Return the place of `event` in canonical order."""
    if event.time is not None:
        return Stamp(1, event.time, event_key(event.event_id))
    return Stamp(0, event.sequence or 0, event_key(event.event_id))


_content = msgspec.msgpack.Encoder(order="deterministic")


def content_hash(event: Event) -> int:
    """Return a 32-bit hash of everything the event says: same id and other content is refused."""
    return int.from_bytes(hashlib.blake2b(_content.encode(event), digest_size=4).digest(), "big")


def attributes_event(identifier: bytes, attributes: Mapping[str, str]) -> Event:
    """Return the undated event that stands for a row of a dataset's `customers` table.

    Its id is a hash of what it says, so the same row loaded twice is one event.
    """
    said = _content.encode(dict(attributes))
    digest = hashlib.blake2b(identifier + said, digest_size=12).hexdigest()
    return Event(
        event_id=f"attributes:{digest}",
        identifier=identifier,
        type="attributes_changed",
        channel="import",
        attributes=dict(attributes),
    )
