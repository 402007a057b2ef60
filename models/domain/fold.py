"""The fold: what a compartment remembers of events, whatever the order in which they arrive.

Every part of a compartment is a top-K in canonical order, a sum, or a last-writer-wins by canonical
order; so `fold` is indifferent to the order of its events.
"""

import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum

from models.domain.event_types import ATTRIBUTE, CONTACT_LANES, EVENT_TYPES
from models.domain.events import Event, Stamp, content_hash, decision_key, stamp_of
from models.domain.profile import LANE_CAPACITY, Attribute, Compartment, Entry, latest

SEEN_CAPACITY = 64  # event ids a compartment recognises without a look into the log
BUCKET_CAPACITY = 36  # calendar months with counts
ATTRIBUTE_CAPACITY = 128
UNDATED_BUCKET = -1

_SEEN = struct.Struct(">BqQI")  # rank, at, key, content hash


class Recognition(Enum):
    """What a compartment knows of an event."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"  # the same id with other content
    UNSURE = "unsure"  # older than what is remembered: only the log can tell


def recognise(compartment: Compartment, event: Event) -> Recognition:
    """Tell whether `event` was folded into `compartment` before."""
    stamp = stamp_of(event)
    # Most events are new: one search for the bytes of the key spares a look at each entry.
    if stamp.key.to_bytes(8, "big") in compartment.seen:
        for _, _, key, content in _SEEN.iter_unpack(compartment.seen):
            if key == stamp.key:
                return (
                    Recognition.DUPLICATE
                    if content == content_hash(event)
                    else Recognition.CONFLICT
                )
    if compartment.floor is not None and stamp <= compartment.floor:
        return Recognition.UNSURE
    return Recognition.NEW


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
                decision_key(event.decision_id) if lane in CONTACT_LANES else 0,
            )
            added.setdefault(lane, []).append(entry)

    lanes = dict(compartment.lanes)
    for lane, entries in added.items():
        lanes[lane] = latest([*lanes.get(lane, ()), *entries], LANE_CAPACITY[lane])
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
