"""The profile: everything live that a decision may use about one customer, a fold over events.

`fold(compartment, events)` is indifferent to the order in which events arrive: every part of a
compartment is either a top-K in canonical order, a sum, or a last-writer-wins by canonical order.
A profile holds one compartment for each identifier; the customer is their merge, made when read
(`view_of`), so that linking and unlinking move whole compartments.
"""

import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

import msgspec

from models.events import (
    ATTRIBUTE,
    BROWSE,
    CART,
    CONTACT,
    CONTACTS,
    EVENT_TYPES,
    GRANTED,
    PURCHASE,
    RESERVED,
    RESPONSE,
    SENT,
    Event,
    Stamp,
    content_hash,
    decision_key,
    stamp_of,
)

# How many of the latest events each lane remembers.
LANE_CAPACITY: Mapping[str, int] = {
    BROWSE: 150,
    CART: 50,
    PURCHASE: 100,
    CONTACT: 100,
    RESPONSE: 50,
    SENT: 100,
    RESERVED: 100,
    GRANTED: 100,
}
SEEN_CAPACITY = 64  # event ids a compartment recognises without a look into the log
BUCKET_CAPACITY = 36  # calendar months with counts
ATTRIBUTE_CAPACITY = 128
UNDATED_BUCKET = -1

_SEEN = struct.Struct(">BqQI")  # rank, at, key, content hash


class Entry(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """One remembered event; ordered canonically, `key` being the first half of the event's.

    `decision` is the `decision_key` of the decision that a contact belongs to; 0 for none, and for
    what was stored before there was one.
    """

    rank: int
    at: int
    key: int
    type: str
    channel: str
    item: str
    offer: str
    decision: int = 0


class Attribute(msgspec.Struct, frozen=True, array_like=True):
    """The latest statement of one attribute; an empty value says that it is gone."""

    stamp: Stamp
    value: str


class Compartment(msgspec.Struct, frozen=True, array_like=True):
    """What was recorded under one identifier, bounded.

    `lanes` maps a lane to its entries in canonical order; `counts` maps "type channel bucket" to a
    number, where the bucket is months since 1970 or -1 for undated; `seen` packs the latest event
    ids with a hash of their content; `floor` is the newest entry that `seen` ever dropped.
    """

    lanes: dict[str, tuple[Entry, ...]] = {}
    counts: dict[str, int] = {}
    attributes: dict[str, Attribute] = {}
    seen: bytes = b""
    floor: Stamp | None = None


class Said(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Something said of two identifiers; `time` in microseconds, or -1 when undated."""

    time: int
    a: bytes
    b: bytes
    asserted_by: str

    @property
    def pair(self) -> frozenset[bytes]:
        """The two, whichever was named first."""
        return frozenset((self.a, self.b))


class Link(Said, frozen=True):
    """Two identifiers were said to be one customer."""


class Unlink(Said, frozen=True):
    """It was said that two identifiers are not one customer, whoever had linked them."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, tag=1, omit_defaults=True):
    """The stored state of one customer.

    `customer` is the keyed hash of its first identifier; `version` grows with each write. While
    customers are joined or parted, which any reader can finish, `absorbing` names who is taken over
    by this one, of which it holds a copy as of version `copied`, `releasing` who is parted from it,
    and `released_by` from whom this one is parted. `once_with` are identifiers that were of one
    customer with some of its own and no longer are.
    """

    customer: bytes
    version: int = 0
    compartments: dict[bytes, Compartment] = {}
    links: tuple[Link, ...] = ()
    absorbing: bytes = b""
    copied: int = 0
    releasing: bytes = b""
    released_by: bytes = b""
    once_with: tuple[bytes, ...] = ()

    @property
    def unsettled(self) -> bool:
        """Whether it is being joined or parted: then nobody may use it before that is finished."""
        return bool(self.absorbing or self.releasing or self.released_by)

    @property
    def owners(self) -> set[bytes]:
        """Under whose keys that was written which concerns this customer: now, or once."""
        return {self.customer, *self.compartments, *self.once_with}

    @property
    def blank(self) -> bool:
        """Whether nothing is said of the customer: no event, no link."""
        return not self.links and all(one == _BLANK for one in self.compartments.values())


_BLANK = Compartment()


class Forward(msgspec.Struct, frozen=True, kw_only=True, tag=2):
    """What remains of a customer that was linked to another: where it lives now."""

    customer: bytes
    version: int
    to: bytes


class Known(Enum):
    """What a compartment knows of an event."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"  # the same id with other content
    UNSURE = "unsure"  # older than what is remembered: only the log can tell


def recognise(compartment: Compartment, event: Event) -> Known:
    """Tell whether `event` was folded into `compartment` before."""
    stamp = stamp_of(event)
    # Most events are new: one search for the bytes of the key spares a look at each entry.
    if stamp.key.to_bytes(8, "big") in compartment.seen:
        for _, _, key, content in _SEEN.iter_unpack(compartment.seen):
            if key == stamp.key:
                return Known.DUPLICATE if content == content_hash(event) else Known.CONFLICT
    if compartment.floor is not None and stamp <= compartment.floor:
        return Known.UNSURE
    return Known.NEW


def fold(
    compartment: Compartment,
    events: Iterable[Event],
    event_types: Mapping[str, str] = EVENT_TYPES,
) -> Compartment:
    """Return `compartment` with `events` added; they must be new to it and to each other.

    `event_types` maps each known type to its lane.
    """
    added: dict[str, list[Entry]] = {}
    counts = dict(compartment.counts)
    attributes = dict(compartment.attributes)
    seen = list(_SEEN.iter_unpack(compartment.seen))
    for event in events:
        stamp = stamp_of(event)
        seen.append((stamp.rank, stamp.at, stamp.key, content_hash(event)))
        count = f"{event.type} {event.channel} {_bucket(event)}"
        counts[count] = counts.get(count, 0) + 1
        lane = event_types[event.type]
        if lane == ATTRIBUTE:
            for name, value in event.attributes.items():
                attribute = attributes.get(name)
                if attribute is None or attribute.stamp < stamp:
                    attributes[name] = Attribute(stamp, value)
        else:
            entry = Entry(
                stamp.rank,
                stamp.at,
                stamp.key >> 32,
                event.type,
                event.channel,
                event.item,
                event.offer,
                decision_key(event.decision_id) if lane in CONTACTS else 0,
            )
            added.setdefault(lane, []).append(entry)

    lanes = dict(compartment.lanes)
    for lane, entries in added.items():
        lanes[lane] = _latest([*lanes.get(lane, ()), *entries], LANE_CAPACITY[lane])
    floor = compartment.floor
    seen.sort()
    if len(seen) > SEEN_CAPACITY:
        dropped = Stamp(*seen[-SEEN_CAPACITY - 1][:3])
        floor = dropped if floor is None else max(floor, dropped)
        seen = seen[-SEEN_CAPACITY:]
    return Compartment(
        lanes=lanes,
        counts=_bounded_counts(counts),
        attributes=_bounded_attributes(attributes),
        seen=b"".join(_SEEN.pack(*entry) for entry in seen),
        floor=floor,
    )


class View(NamedTuple):
    """A customer as a decision sees it: the merge of all compartments.

    `lanes` holds entries in canonical order, bounded as in one compartment; `attributes` the values
    in force.
    """

    lanes: Mapping[str, tuple[Entry, ...]]
    attributes: Mapping[str, str]

    def history(self, length: int, types: Container[str]) -> list[Entry]:
        """Return the latest `length` acts of the given types, oldest first.

        Acts are what the customer did; contacts are what was done to them.
        """
        entries = [
            entry
            for lane in (BROWSE, CART, PURCHASE, RESPONSE)
            for entry in self.lanes.get(lane, ())
            if entry.type in types
        ]
        entries.sort()
        return entries[-length:]

    def contacts(self) -> list[Entry]:
        """Return what was shown, sent and reserved, in canonical order.

        The lane of impressions may hold what was sent, too: before lanes were parted.
        """
        return sorted(
            entry for lane in (CONTACT, SENT, RESERVED) for entry in self.lanes.get(lane, ())
        )

    def complete_since(self, lane: str) -> int | None:
        """Return the time after which `lane` holds everything (microseconds); None: always.

        A lane that is full may have lost what is not newer than its oldest entry: a hard cap, which
        must never count too little, holds while its window reaches back to there.
        """
        entries = self.lanes.get(lane, ())
        if len(entries) < LANE_CAPACITY[lane]:
            return None
        return entries[0].at if entries[0].rank else 0

    def granted(self) -> frozenset[str]:
        """Return the offers of limited volume that this customer has been granted one of."""
        return frozenset(entry.offer for entry in self.lanes.get(GRANTED, ()))


def view_of(compartments: Iterable[Compartment], unsaved: Sequence[Event] = ()) -> View:
    """Merge compartments, and events that are true at this moment only, into one view."""
    parts = list(compartments)
    if unsaved:
        parts.append(fold(Compartment(), unsaved))
    if len(parts) == 1:
        only = parts[0]
        return View(only.lanes, _in_force(only.attributes))
    lanes: dict[str, list[Entry]] = {}
    attributes: dict[str, Attribute] = {}
    for part in parts:
        for lane, entries in part.lanes.items():
            lanes.setdefault(lane, []).extend(entries)
        for name, attribute in part.attributes.items():
            present = attributes.get(name)
            if present is None or (present.stamp, present.value) < (
                attribute.stamp,
                attribute.value,
            ):
                attributes[name] = attribute
    return View(
        {lane: _latest(entries, LANE_CAPACITY[lane]) for lane, entries in lanes.items()},
        _in_force(attributes),
    )


def _in_force(attributes: Mapping[str, Attribute]) -> dict[str, str]:
    return {name: attributes[name].value for name in sorted(attributes) if attributes[name].value}


def _latest(entries: list[Entry], capacity: int) -> tuple[Entry, ...]:
    entries.sort()
    return tuple(entries[-capacity:])


def _bucket(event: Event) -> int:
    if event.time is None:
        return UNDATED_BUCKET
    moment = datetime.fromtimestamp(event.time // 1_000_000, UTC)
    return (moment.year - 1970) * 12 + moment.month - 1


def _bounded_counts(counts: dict[str, int]) -> dict[str, int]:
    buckets = {int(count.rsplit(" ", 1)[1]) for count in counts} - {UNDATED_BUCKET}
    if len(buckets) <= BUCKET_CAPACITY:
        return counts
    kept = set(sorted(buckets)[-BUCKET_CAPACITY:]) | {UNDATED_BUCKET}
    return {
        count: number for count, number in counts.items() if int(count.rsplit(" ", 1)[1]) in kept
    }


def _bounded_attributes(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    if len(attributes) <= ATTRIBUTE_CAPACITY:
        return attributes
    latest = sorted(attributes, key=lambda name: (attributes[name].stamp, name))
    return {name: attributes[name] for name in latest[-ATTRIBUTE_CAPACITY:]}
