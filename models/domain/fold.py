"""The fold: what a compartment remembers of events, whatever the order in which they arrive.

Every part of a compartment is a top-K in canonical order, a sum, or a last-writer-wins by canonical
order; so `fold` is indifferent to the order of its events.
"""

import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from models.domain.compartments import StoredCompartment
from models.domain.entry import Entry
from models.domain.event_types import (
    ATTRIBUTE,
    CONTACT_LANES,
    EVENT_TYPES,
    PURCHASE,
    RETURNED,
    EventType,
)
from models.domain.events import Event, Stamp, content_hash, decision_key, event_key, stamp_of
from models.domain.facts import NO_FACTS, added
from models.domain.profile import LANE_CAPACITY, Attribute, Compartment

SEEN_CAPACITY = 64  # event ids a compartment recognises without a look into the log
BUCKET_CAPACITY = 36  # calendar months with counts
ATTRIBUTE_CAPACITY = 128
UNDATED_BUCKET = -1

_SEEN = struct.Struct(">BqQI")  # rank, at, key, content hash


def known_content(compartment: Compartment | StoredCompartment, key: int) -> int | None:
    """Return the content hash of the event of an id, given its `event_key`.

    None where the compartment does not remember one: where it has forgotten ids, only the log can
    tell whether there was one. An event is its id: another time is other content.
    """
    # Most events are new: one search for the bytes of the key spares a look at each entry.
    if key.to_bytes(8, "big") in compartment.seen:
        for _, _, known, content in _SEEN.iter_unpack(compartment.seen):
            if known == key:
                return int(content)
    return None


def has_forgotten_ids(compartment: Compartment | StoredCompartment) -> bool:
    """Tell whether a compartment had more events than it remembers the ids of."""
    return compartment.floor is not None


def fold(
    compartment: Compartment,
    events: Iterable[Event],
    event_types: Mapping[str, EventType] = EVENT_TYPES,
) -> Compartment:
    """Return `compartment` with `events` added; they must be new to it and to each other.

    `event_types` maps each known type to the built-in one that it is or behaves like.
    """
    new: dict[str, list[Entry]] = {}
    counts = dict(compartment.counts)
    attributes = dict(compartment.attributes)
    likes = dict(compartment.likes)
    seen = list(_SEEN.iter_unpack(compartment.seen))
    for event in events:
        stamp = stamp_of(event)
        seen.append((stamp.rank, stamp.at, stamp.key, content_hash(event)))
        count = counted_as(event)
        counts[count] = counts.get(count, 0) + 1
        like = event_types[event.type]
        if like.name != event.type:
            likes[event.type] = like.name
        if like.lane == ATTRIBUTE:
            for name, value in event.attributes.items():
                attribute = attributes.get(name)
                if attribute is None or attribute.stamp < stamp:
                    attributes[name] = Attribute(stamp, value)
        else:
            new.setdefault(like.lane, []).append(entry_of(event, stamp, like.lane))

    lanes, facts = dict(compartment.lanes), dict(compartment.facts or {})
    lost = lost_before(compartment)
    for lane, entries in new.items():
        capacity = LANE_CAPACITY[lane]
        whole = sorted((*lanes.get(lane, ()), *entries))
        lanes[lane] = tuple(whole[-capacity:])
        if len(whole) > capacity:
            facts[lane] = added(facts.get(lane, NO_FACTS), whole[:-capacity], likes)
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
        facts=facts,
        lost=lost,
        likes=likes,
    )


def counted_as(event: Event) -> str:
    """Return under what an event is counted: "type channel bucket"."""
    return f"{event.type} {event.channel} {_bucket(event)}"


def lost_before(compartment: Compartment) -> dict[str, int]:
    """Return up to when what each lane let go of is missing for good (microseconds).

    That is so in the format before facts: a lane that is full may have lost what is not newer than
    its oldest entry.
    """
    if compartment.facts is not None:
        return compartment.lost
    return {
        lane: entries[0].at if entries[0].rank else 0
        for lane, entries in compartment.lanes.items()
        if len(entries) >= LANE_CAPACITY[lane]
    }


def entry_of(event: Event, stamp: Stamp, lane: str) -> Entry:
    """Return what is remembered of an event of this stamp in the lane of its type."""
    if lane in CONTACT_LANES:
        belongs_to = decision_key(event.decision_id)
    else:
        belongs_to = event_key(event.of_event) >> 32 if event.of_event else 0
    quantity = event.quantity if lane in (PURCHASE, RETURNED) else 0
    return Entry(
        rank=stamp.rank,
        at=stamp.at,
        key=stamp.key >> 32,
        type=event.type,
        channel=event.channel,
        item=event.item,
        offer=event.offer,
        decision=belongs_to,
        quantity=int(quantity) if quantity == int(quantity) else quantity,
    )


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
